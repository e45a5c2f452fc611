//! One binary for all targets: `KEYLESS_FUZZ_TARGET` says which.
#![no_main]

use std::sync::LazyLock;

use keyless_fuzz::{TARGETS, Target};

static TARGET: LazyLock<Target> = LazyLock::new(|| {
    let name = std::env::var("KEYLESS_FUZZ_TARGET").unwrap_or_default();
    let target = TARGETS.into_iter().find(|target| target.name == name);
    target.unwrap_or_else(|| panic!("KEYLESS_FUZZ_TARGET names none of {TARGETS:?}"))
});

libfuzzer_sys::fuzz_target!(|input: &[u8]| (TARGET.run)(input));

//! What must hold for any input: the harnesses that both libFuzzer (`fuzz/`, by
//! `cargo xtask fuzz`) and the tests of this crate run, their seeds, and random templates for a
//! comparison with Go.
//!
//! Owns: one harness for each reader of text that users write. A harness panics where a promise
//! is broken; that is how a fuzzer hears of it. Refuses: whatever needs I/O.

#![allow(
    clippy::panic,
    clippy::expect_used,
    reason = "a broken promise must be heard"
)]

mod generate;
mod harness;
mod issuer;
mod random;
mod review;
mod seeds;
mod trust;

pub use generate::template;
pub use harness::{TARGETS, Target, context};
pub use random::Random;
pub use seeds::seeds;

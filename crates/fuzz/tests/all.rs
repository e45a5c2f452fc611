//! The harnesses over their seeds and over random changes of them, the same on every machine.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use keyless_fuzz::{Random, TARGETS, seeds};

/// Random inputs for each target.
const INPUTS: usize = 1500;

fn target(name: &str) {
    let target = TARGETS.iter().find(|target| target.name == name).unwrap();
    let seeds = seeds(name);
    assert!(seeds.len() >= 15, "{name} has {} seeds", seeds.len());
    for seed in &seeds {
        (target.run)(seed);
    }
    let mut random = Random::new(4711);
    for _ in 0..INPUTS {
        let seed = &seeds[random.below(seeds.len())];
        let other = &seeds[random.below(seeds.len())];
        let input = random.mutated(seed, other);
        (target.run)(&input);
    }
}

macro_rules! targets {
    ($($name:ident),*) => {
        $(
            #[test]
            fn $name() {
                target(stringify!($name));
            }
        )*

        #[test]
        fn every_target_is_tested() {
            let tested = [$(stringify!($name)),*];
            assert_eq!(TARGETS.map(|target| target.name), tested);
        }
    };
}

targets!(
    template_parse,
    template_execute,
    gjson,
    regexp,
    duration,
    literal,
    property,
    issuer_discovery,
    issuer_jwks,
    issuer_jwt,
    review,
    google_names,
    trust
);

/// The comparison with Go is worth something only if many random templates do render.
#[test]
fn random_templates_are_templates() {
    let engine = keyless_gotemplate::Engine::eso();
    let parsed = (0..1000).filter(|seed| engine.parse("t", &keyless_fuzz::template(*seed)).is_ok());
    let parsed = parsed.count();
    assert!((300..950).contains(&parsed), "{parsed} of 1000 parse");
}

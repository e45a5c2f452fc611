//! How long the judging of one failed login takes: a store with ten thousand readers may fail for
//! all of them at once.
//!
//! `cargo bench -p keyless-trust`.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark: it prints its figures, and stops where something is wrong"
)]

use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::Instant;

use keyless_api::SecretStoreSpec;
use keyless_fault::{Link, ObjectRef};
use keyless_trust::doctor::{Account, Failure, Presented, sharpen};
use serde_json::json;

/// Rounds of each figure.
const ROUNDS: usize = 5;
/// Failures in a round.
const TIMES: u32 = 10_000;

fn main() {
    // `cargo test --benches` asks whether there are tests.
    if std::env::args().any(|argument| argument == "--test" || argument == "--list") {
        return;
    }
    let aws = json!({"provider": {"aws": {"service": "ParameterStore", "region": "eu-central-1",
        "auth": {"jwt": {"serviceAccountRef": {"name": "web"}}}}}});
    let google = json!({"provider": {"gcpsm": {"projectID": "blue", "auth": {"workloadIdentityFederation": {
        "audience": "//iam.googleapis.com/projects/123/locations/global/workloadIdentityPools/blue/providers/c",
        "serviceAccountRef": {"name": "web"}}}}}});
    let public = "https://oidc.example.com/c1";
    let inside = "https://kubernetes.default.svc.cluster.local";
    println!("{:<52} {:>8} {:>8}", "microseconds", "median", "least");
    for (name, spec, issuer, link, code) in [
        (
            "AWS, a refusal that stays as it is",
            &aws,
            public,
            Link::Identity,
            "A3",
        ),
        (
            "AWS, an issuer inside the cluster",
            &aws,
            inside,
            Link::TrustObject,
            "A1",
        ),
        (
            "Google, a refusal that stays as it is",
            &google,
            public,
            Link::TrustObject,
            "G7",
        ),
        (
            "a read that was refused",
            &aws,
            public,
            Link::Permission,
            "A18",
        ),
    ] {
        let spec: SecretStoreSpec = keyless_api::decode(spec).unwrap();
        measure(name, &spec, issuer, link, code);
    }
}

fn measure(name: &str, spec: &SecretStoreSpec, issuer: &str, link: Link, code: &'static str) {
    let store = ObjectRef::new("SecretStore", "shop", "s");
    let annotations = BTreeMap::from([(
        "eks.amazonaws.com/role-arn".to_owned(),
        "arn:aws:iam::111122223333:role/web".to_owned(),
    )]);
    let audiences = ["sts.amazonaws.com".to_owned()];
    let failure = Failure {
        store: &store,
        spec,
        namespace: "shop",
        account: Some(Account {
            namespace: "shop",
            name: "web",
            annotations: &annotations,
        }),
        token: Some(Presented {
            issuer,
            subject: "system:serviceaccount:shop:web",
            audiences: &audiences,
            algorithm: "RS256",
            key: Some("key-1"),
            life: Some(3600),
        }),
        link,
        code,
    };
    let mut figures: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let begin = Instant::now();
            for _ in 0..TIMES {
                black_box(sharpen(black_box(&failure)));
            }
            begin.elapsed().as_secs_f64() * 1e6 / f64::from(TIMES)
        })
        .collect();
    figures.sort_by(f64::total_cmp);
    let at = |n: usize| figures.get(n).copied().unwrap_or_default();
    println!("{name:<52} {:>8.2} {:>8.2}", at(ROUNDS / 2), at(0));
}

//! Issuers whose documents cannot be had or used, and the cache of keys.

use std::time::Duration;

use super::*;
use crate::issuer::Faults;

#[tokio::test]
async fn documents_that_are_no_use() {
    let w = World::new().await;
    let good = w.issuer.discovery();
    let without = |name: &str| {
        let mut d = good.clone();
        d.as_object_mut().unwrap().remove(name);
        Some(d.to_string())
    };
    let with = |name: &str, value: Value| {
        let mut d = good.clone();
        d[name] = value;
        Some(d.to_string())
    };
    let base = Faults::default;
    let cases = [
        (
            "404",
            Faults {
                status: Some(404),
                ..base()
            },
        ),
        (
            "302",
            Faults {
                status: Some(302),
                ..base()
            },
        ),
        (
            "html",
            Faults {
                discovery: Some("<html>sign in</html>".into()),
                ..base()
            },
        ),
        (
            "no jwks_uri",
            Faults {
                discovery: without("jwks_uri"),
                ..base()
            },
        ),
        (
            "no response types",
            Faults {
                discovery: without("response_types_supported"),
                ..base()
            },
        ),
        (
            "no subject types",
            Faults {
                discovery: without("subject_types_supported"),
                ..base()
            },
        ),
        (
            "no algorithms",
            Faults {
                discovery: without("id_token_signing_alg_values_supported"),
                ..base()
            },
        ),
        (
            "empty algorithms",
            Faults {
                discovery: with("id_token_signing_alg_values_supported", json!([])),
                ..base()
            },
        ),
        (
            "other issuer",
            Faults {
                discovery: with("issuer", json!("https://kubernetes.default.svc")),
                ..base()
            },
        ),
        (
            "jwks over http",
            Faults {
                discovery: with("jwks_uri", json!("http://localhost:1/jwks")),
                ..base()
            },
        ),
        (
            "jwks elsewhere",
            Faults {
                discovery: with("jwks_uri", json!("https://localhost:1/jwks")),
                ..base()
            },
        ),
        (
            "jwks garbage",
            Faults {
                keys: Some("{\"keys\":".into()),
                ..base()
            },
        ),
        (
            "jwks empty",
            Faults {
                keys: Some("{\"keys\":[]}".into()),
                ..base()
            },
        ),
        (
            "jwks of another use",
            Faults {
                keys: Some(w.issuer.jwks().to_string().replace("\"sig\"", "\"enc\"")),
                ..base()
            },
        ),
        (
            "jwks too large",
            Faults {
                keys: Some(format!("{{\"keys\":[],\"x\":\"{}\"}}", "x".repeat(200_000))),
                ..base()
            },
        ),
    ];
    for (name, faults) in cases {
        w.issuer.set_faults(faults);
        let answer = w.exchange(&w.token()).await;
        assert_eq!(
            (answer.error(), answer.message()),
            ((400, "InvalidIdentityToken".to_owned()), NO_KEY.to_owned()),
            "{name}"
        );
    }
    w.issuer.set_faults(Faults {
        status: Some(503),
        ..base()
    });
    refused(
        &w.exchange(&w.token()).await,
        400,
        "IDPCommunicationError",
        "Error communicating with the identity provider",
    );
    w.issuer.set_faults(base());
    w.exchange(&w.token()).await.ok();
}

#[tokio::test]
async fn an_issuer_that_is_slow_or_gone() {
    let w = World::new().await;
    w.issuer.set_faults(Faults {
        latency: Duration::from_secs(7),
        ..Faults::default()
    });
    let started = std::time::Instant::now();
    refused(
        &w.exchange(&w.token()).await,
        400,
        "InvalidIdentityToken",
        NO_KEY,
    );
    assert!((4.5..6.8).contains(&started.elapsed().as_secs_f64()));
    w.issuer.set_faults(Faults::default());
    w.issuer.stop().await;
    refused(
        &w.exchange(&w.token()).await,
        400,
        "InvalidIdentityToken",
        NO_KEY,
    );
    // The same issuer under roots that do not know its certificate's authority.
    let other = World::new().await;
    let aws = Aws::new(AwsOptions {
        roots: Tls::new().unwrap().ca_pem().to_owned(),
        ..AwsOptions::default()
    });
    let provider = aws
        .create_oidc_provider(other.issuer.url(), &[AUDIENCE])
        .unwrap();
    aws.create_role("web", &trust(other.issuer.url(), &provider, SUBJECT))
        .unwrap();
    let stranger = World { aws, ..other };
    refused(
        &stranger.exchange(&stranger.token()).await,
        400,
        "InvalidIdentityToken",
        NO_KEY,
    );
}

#[tokio::test]
async fn keys_are_cached_until_an_unknown_one_comes() {
    let w = World::new().await;
    let old = w.token();
    w.exchange(&old).await.ok();
    w.exchange(&old).await.ok();
    assert_eq!(w.issuer.requests().keys, 1);
    let first = w.issuer.keys()[0].kid().to_owned();
    w.issuer.rotate().unwrap();
    w.exchange(&w.token()).await.ok();
    assert_eq!(w.issuer.requests().keys, 2);
    // A withdrawn key stays good while the set is cached, then no longer.
    assert!(w.issuer.retire(&first));
    w.exchange(&old).await.ok();
    assert_eq!(w.issuer.requests().keys, 2);
    w.aws.forget_issuer_keys();
    refused(&w.exchange(&old).await, 400, "InvalidIdentityToken", NO_KEY);
}

//! No secret and no token in any text.

use std::time::Duration;

use keyless_fault::explain;
use keyless_providers::{Find, Ref};
use serde_json::json;

use crate::cloud::{subject, world};
use crate::stores::{ROLE, jwt, key, spec, store};

#[tokio::test(start_paused = true)]
async fn no_error_and_no_debug_text_shows_a_secret_or_token() {
    let world = world();
    world
        .kube
        .account("a", "sa", &[("eks.amazonaws.com/role-arn", ROLE)]);
    world
        .kube
        .account("b", "sa", &[("eks.amazonaws.com/role-arn", ROLE)]);
    world.kube.secret("a", "aws", "id", "canaryid");
    world.kube.secret("a", "aws", "secret", "canarysecret");
    world.cloud.put("/x", "canaryvalue {not json");
    world.cloud.put("/bad", "\"canaryvalue\"");
    world.cloud.edit(|state| {
        let text = "token eyJhbGciOiJSUzI1NiIsImtpZCI6ImsxIn0.eyJjYW5hcnkiOiJjYW5hcnkifQ.canarytoken is bad";
        state.refused.insert(subject("b", "sa"), (400, "InvalidIdentityToken", text));
        state.denied.insert("/denied".into());
    });
    let keys = spec(json!({"aws": {
        "service": "ParameterStore", "region": "eu-central-1",
        "auth": {"secretRef": {
            "accessKeyIDSecretRef": {"name": "aws", "key": "id"},
            "secretAccessKeySecretRef": {"name": "aws", "key": "secret"},
        }},
    }}));
    let web = jwt(json!({"name": "sa"}));
    let mut texts = Vec::new();
    for (spec, namespace) in [(&web, "a"), (&web, "b"), (&keys, "a")] {
        let provider = world.registry.open(spec, &store(namespace)).await.unwrap();
        let part = Ref {
            property: Some("p".into()),
            ..key("/x")
        };
        let refs = [key("/gone"), key("/denied"), part, key("/x")];
        for value in provider.read(&refs, Duration::ZERO).await {
            texts.push(format!("{value:?}"));
            if let Err(error) = value {
                texts.extend([error.to_string(), explain(&error)]);
            }
        }
        for name in ["/x", "/bad"] {
            let error = provider
                .read_map(&key(name), Duration::ZERO)
                .await
                .unwrap_err();
            texts.extend([format!("{error:?}"), explain(&error)]);
        }
        let find = Find {
            name: Some("x".into()),
            ..Find::default()
        };
        texts.push(format!("{:?}", provider.find(&find, Duration::ZERO).await));
    }
    texts.push(format!(
        "{:?} {:?} {:?}",
        world.registry,
        world.registry.calls(),
        world.registry.logins()
    ));
    assert!(texts.len() > 20);
    for text in texts {
        assert!(!text.contains("canary"), "{text}");
    }
}

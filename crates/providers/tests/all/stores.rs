//! Which store opens as what, and whose service account it may use.

use std::sync::Arc;
use std::time::Duration;

use keyless_api::SecretStoreSpec;
use keyless_fault::{Class, Fault, ObjectRef, explain};
use keyless_providers::{Capabilities, Error, Provider, Ref, StoreScope, Validation};
use serde_json::{Value, json};

use crate::cloud::{World, world, world_with};

pub const ROLE: &str = "arn:aws:iam::111122223333:role/app";

pub fn spec(provider: Value) -> SecretStoreSpec {
    serde_json::from_value(json!({ "provider": provider })).unwrap()
}

/// A store that logs in with `account`.
pub fn jwt(account: Value) -> SecretStoreSpec {
    spec(json!({"aws": {
        "service": "ParameterStore", "region": "eu-central-1",
        "auth": {"jwt": {"serviceAccountRef": account}},
    }}))
}

pub fn store(namespace: &str) -> StoreScope {
    StoreScope {
        store: ObjectRef::new("SecretStore", namespace, "s"),
        consumer_namespace: Some(namespace.into()),
    }
}

pub fn cluster_store(consumer: Option<&str>) -> StoreScope {
    StoreScope {
        store: ObjectRef::new("ClusterSecretStore", "", "s"),
        consumer_namespace: consumer.map(Into::into),
    }
}

pub fn key(name: &str) -> Ref {
    Ref {
        key: name.into(),
        ..Ref::default()
    }
}

pub async fn read_one(provider: &Arc<dyn Provider>, reference: Ref) -> Result<String, Error> {
    let mut values = provider.read(&[reference], Duration::ZERO).await;
    let value = values.pop().unwrap()?;
    Ok(value.expose_str().unwrap().to_owned())
}

async fn failure(world: &World, spec: &SecretStoreSpec, scope: &StoreScope) -> Error {
    match world.registry.open(spec, scope).await {
        Ok(_) => panic!("opened"),
        Err(error) => error,
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_not_supported_is_named() {
    let world = world();
    for (provider, text) in [
        (
            json!({"vault": {"server": "https://v", "auth": {}}}),
            "auth names no method",
        ),
        (
            json!({"doppler": {"auth": {}}}),
            "provider doppler is not supported yet",
        ),
        (
            json!({"vault": {"server": "https://v", "auth": {"gcp": {"role": "r", "secretRef": {}}}}}),
            "names no secretAccessKeySecretRef",
        ),
        (
            json!({"aws": {"service": "CertificateManager", "region": "eu-central-1"}}),
            "CertificateManager is not supported yet",
        ),
        (json!({}), "exactly one provider, not 0"),
        (
            json!({"fake": {"data": []}, "doppler": {}}),
            "exactly one provider, not 2",
        ),
        (
            json!({"aws": {"service": "ParameterStore", "region": "evil.com/"}}),
            "not the name of an AWS region",
        ),
    ] {
        let error = failure(&world, &spec(provider), &store("a")).await;
        assert_eq!(error.class(), Class::Config);
        let text_found = explain(&error);
        assert!(text_found.contains(text), "{text_found}");
    }
    let unsupported = spec(json!({"doppler": {}}));
    let text = explain(&failure(&world, &unsupported, &store("a")).await);
    assert!(
        text.contains(
            "Supported: aws (services SecretsManager and ParameterStore), azurekv, gcpsm, vault"
        ),
        "{text}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_namespaced_store_uses_only_its_own_service_accounts() {
    let world = world();
    world
        .kube
        .account("a", "sa", &[("eks.amazonaws.com/role-arn", ROLE)]);
    world
        .kube
        .account("b", "sa", &[("eks.amazonaws.com/role-arn", ROLE)]);
    world.cloud.put("/x", "v");
    let own = jwt(json!({"name": "sa"}));
    let provider = world.registry.open(&own, &store("a")).await.unwrap();
    assert_eq!(read_one(&provider, key("/x")).await.unwrap(), "v");
    let foreign = jwt(json!({"name": "sa", "namespace": "b"}));
    let error = failure(&world, &foreign, &store("a")).await;
    assert!(
        error
            .to_string()
            .contains("namespace should either be empty or match"),
        "{error}"
    );
    let tokens = world.kube.tokens.lock().unwrap().clone();
    assert_eq!(tokens.len(), 1);
    assert_eq!(tokens[0].0, "a");
    // A namespaced store that is used from elsewhere opens for nobody.
    let elsewhere = StoreScope {
        consumer_namespace: Some("b".into()),
        ..store("a")
    };
    failure(&world, &own, &elsewhere).await;
}

#[tokio::test(start_paused = true)]
async fn a_cluster_store_uses_the_consumers_or_the_named_account() {
    let world = world();
    for namespace in ["a", "b", "shared"] {
        world
            .kube
            .account(namespace, "sa", &[("eks.amazonaws.com/role-arn", ROLE)]);
    }
    world.cloud.put("/x", "v");
    for (account, consumer, used) in [
        (json!({"name": "sa"}), "a", "a"),
        (json!({"name": "sa"}), "b", "b"),
        (json!({"name": "sa", "namespace": "shared"}), "a", "shared"),
        (json!({"name": "sa", "namespace": "shared"}), "b", "shared"),
    ] {
        let provider = world
            .registry
            .open(&jwt(account), &cluster_store(Some(consumer)))
            .await
            .unwrap();
        read_one(&provider, key("/x")).await.unwrap();
        assert_eq!(world.kube.tokens.lock().unwrap().last().unwrap().0, used);
    }
    // Three identities, four uses: the last one shared a login.
    assert_eq!(world.kube.tokens.lock().unwrap().len(), 3);
    assert_eq!(world.registry.logins().logins, 3);
    assert_eq!(world.registry.open_backends(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_referent_store_without_consumer_is_unknown_and_cannot_be_read() {
    let world = world();
    let provider = world
        .registry
        .open(&jwt(json!({"name": "sa"})), &cluster_store(None))
        .await
        .unwrap();
    assert!(
        matches!(provider.validate().await.unwrap(), Validation::Unknown(text) if text.contains("serviceAccountRef"))
    );
    assert!(read_one(&provider, key("/x")).await.is_err());
    assert_eq!(provider.capabilities(), Capabilities::ReadWrite);
    assert!(world.kube.tokens.lock().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn validation_logs_in_once_and_calls_nothing_else() {
    let world = world();
    world
        .kube
        .account("a", "sa", &[("eks.amazonaws.com/role-arn", ROLE)]);
    for _ in 0..5 {
        let provider = world
            .registry
            .open(&jwt(json!({"name": "sa"})), &store("a"))
            .await
            .unwrap();
        assert_eq!(provider.validate().await.unwrap(), Validation::Valid);
    }
    assert_eq!(world.cloud.0.lock().unwrap().calls.len(), 1);
    assert_eq!(world.cloud.calls("AssumeRoleWithWebIdentity").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_missing_account_or_annotation_is_named_and_a_fixed_one_is_seen() {
    let world = world();
    let spec = jwt(json!({"name": "sa"}));
    let error = failure(&world, &spec, &store("a")).await;
    assert_eq!(
        error.blame(),
        Some(ObjectRef::new("ServiceAccount", "a", "sa"))
    );
    world.kube.account("a", "sa", &[]);
    tokio::time::sleep(Duration::from_secs(5)).await;
    let error = failure(&world, &spec, &store("a")).await;
    assert!(
        error
            .to_string()
            .contains("an IAM role must be associated with service account sa (namespace: a)"),
        "{error}"
    );
    world.kube.account(
        "a",
        "sa",
        &[("eks.amazonaws.com/role-arn", "arn:aws:iam::1:role/x")],
    );
    world.registry.forget(&store("a").store);
    let error = failure(&world, &spec, &store("a")).await;
    assert_eq!(error.code(), "A4");
    world
        .kube
        .account("a", "sa", &[("eks.amazonaws.com/role-arn", ROLE)]);
    world.registry.forget(&store("a").store);
    let provider = world.registry.open(&spec, &store("a")).await.unwrap();
    assert_eq!(provider.validate().await.unwrap(), Validation::Valid);
}

#[tokio::test(start_paused = true)]
async fn thousands_of_opens_read_the_account_once_in_a_while() {
    let world = world();
    world
        .kube
        .account("a", "sa", &[("eks.amazonaws.com/role-arn", ROLE)]);
    let (spec, scope) = (jwt(json!({"name": "sa"})), store("a"));
    let opens = (0..2000).map(|_| world.registry.open(&spec, &scope));
    let opened = futures::future::join_all(opens).await;
    assert!(opened.iter().all(Result::is_ok));
    assert_eq!(*world.kube.account_reads.lock().unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_fake_provider_opens() {
    let world = world_with(&[]);
    let spec = spec(json!({"fake": {"data": [{"key": "a", "value": "v"}]}}));
    let provider = world.registry.open(&spec, &store("a")).await.unwrap();
    assert_eq!(read_one(&provider, key("a")).await.unwrap(), "v");
    assert!(
        read_one(&provider, key("b"))
            .await
            .unwrap_err()
            .is_no_secret()
    );
    assert_eq!(provider.capabilities(), Capabilities::ReadWrite);
}

/// Whatever a provider does with its references: a namespaced store with one to another namespace
/// never gets as far as the provider.
#[tokio::test(start_paused = true)]
async fn no_provider_sees_a_foreign_reference() {
    let world = world();
    let secret = |namespace: &str| json!({"name": "n", "key": "k", "namespace": namespace});
    let providers = [
        json!({"aws": {"service": "ParameterStore", "region": "eu-central-1", "auth": {"secretRef": {
            "accessKeyIDSecretRef": secret("a"), "secretAccessKeySecretRef": secret("b")}}}}),
        json!({"vault": {"server": "https://v", "auth": {"tokenSecretRef": secret("b")}}}),
        json!({"vault": {"server": "https://v", "caProvider": {"type": "ConfigMap", "name": "ca", "key": "k", "namespace": "b"},
            "auth": {"tokenSecretRef": secret("a")}}}),
        json!({"azurekv": {"vaultUrl": "https://v", "authType": "WorkloadIdentity", "serviceAccountRef": {"name": "sa", "namespace": "b"}}}),
        json!({"gcpsm": {"auth": {"secretRef": {"secretAccessKeySecretRef": secret("b")}}}}),
        json!({"kubernetes": {"server": {"caProvider": {"type": "ConfigMap", "name": "ca", "key": "k", "namespace": "b"}},
            "auth": {"serviceAccount": {"name": "sa"}}}}),
        json!({"webhook": {"url": "https://w", "secrets": [{"name": "s", "secretRef": secret("b")}]}}),
    ];
    for provider in providers {
        let error = failure(&world, &spec(provider.clone()), &store("a")).await;
        assert_eq!(error.class(), Class::Config, "{provider}");
        assert!(
            error
                .to_string()
                .contains("namespace should either be empty or match"),
            "{provider}: {error}"
        );
    }
    assert!(world.kube.tokens.lock().unwrap().is_empty());
}

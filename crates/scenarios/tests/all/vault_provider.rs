//! The Vault provider itself against the emulated Vault: sessions, writes, bad answers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures::FutureExt;
use futures::future::BoxFuture;
use keyless_api::SecretStoreSpec;
use keyless_fault::{Class, Fault as _, Link, ObjectRef, explain};
use keyless_identity::{
    Cluster, Environment, Error, Exchange, ExchangeOptions, ServiceAccount, SubjectToken,
};
use keyless_providers::{
    Provider, Push, Pushed, Ref, Registry, RegistryOptions, Remote, StoreScope,
};
use keyless_sandbox::clock::Clock;
use keyless_sandbox::issuer::{Issuer, Mint};
use keyless_sandbox::tls::{Serving, Tls};
use keyless_sandbox::vault::faults::{Effect, Fault};
use keyless_sandbox::vault::{Vault, VaultOptions};
use keyless_secret::SecretBytes;
use serde_json::{Value, json};

/// A cluster with any service account, and no Secret but `token`.
struct Home {
    issuer: Issuer,
    token: String,
}

impl Cluster for Home {
    fn service_account<'a>(
        &'a self,
        _: &'a str,
        name: &'a str,
    ) -> BoxFuture<'a, Result<ServiceAccount, Error>> {
        let uid = format!("uid-{name}");
        let annotations = BTreeMap::new();
        async { Ok(ServiceAccount { uid, annotations }) }.boxed()
    }

    fn token<'a>(
        &'a self,
        namespace: &'a str,
        name: &'a str,
        audiences: &'a [String],
        ttl: Option<Duration>,
    ) -> BoxFuture<'a, Result<SubjectToken, Error>> {
        let (token, _) = self
            .issuer
            .mint(Mint {
                namespace,
                service_account: name,
                uid: "u",
                audiences,
                ttl: ttl.unwrap(),
                pod: None,
                secret: None,
            })
            .unwrap();
        let expires = SystemTime::now() + ttl.unwrap();
        async move {
            Ok(SubjectToken {
                token: token.into(),
                expires,
            })
        }
        .boxed()
    }

    fn secret_key<'a>(
        &'a self,
        _: &'a str,
        _: &'a str,
        _: &'a str,
    ) -> BoxFuture<'a, Result<SecretBytes, Error>> {
        async { Ok(self.token.as_str().into()) }.boxed()
    }

    fn config_map_key<'a>(
        &'a self,
        _: &'a str,
        _: &'a str,
        _: &'a str,
    ) -> BoxFuture<'a, Result<String, Error>> {
        async { panic!("no ConfigMap is read here") }.boxed()
    }
}

struct Bed {
    vault: Vault,
    registry: Registry,
    url: String,
    tls: Tls,
    _serving: Serving,
}

fn scope() -> StoreScope {
    StoreScope {
        store: ObjectRef::new("SecretStore", "ns", "store"),
        consumer_namespace: Some("ns".into()),
    }
}

impl Bed {
    async fn new() -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let clock = Clock::default();
        let tls = Tls::new().unwrap();
        let issuer = Issuer::start(&tls, clock.clone(), 0, None).await.unwrap();
        let vault = Vault::new(VaultOptions {
            clock,
            roots: tls.ca_pem().to_owned(),
            ..VaultOptions::default()
        });
        let serving = tls.serve_asking(Tls::listen(0).await.unwrap(), vault.router());
        vault.enable_auth("jwt", "jwt").await.unwrap();
        let config = json!({"oidc_discovery_url": issuer.url()});
        vault.write("auth/jwt/config", config).await.unwrap();
        let all = ["create", "read", "update", "delete", "list"];
        vault
            .allow("all", &["secret/*", "old/*"], &all)
            .await
            .unwrap();
        vault.enable_kv("old", 1).await.unwrap();
        let http = Exchange::new(&ExchangeOptions {
            extra: vec![tls.ca_pem().as_bytes().to_vec()],
            total: Duration::from_secs(2),
            ..ExchangeOptions::default()
        });
        let token = vault.root_token().to_owned();
        let registry = Registry::new(
            Arc::new(Home { issuer, token }),
            Arc::new(http.unwrap()),
            Environment::default(),
            RegistryOptions::default(),
        );
        Self {
            url: format!("https://localhost:{}", serving.address().port()),
            vault,
            registry,
            tls,
            _serving: serving,
        }
    }

    async fn role(&self, changes: Value) {
        let mut role = json!({"role_type": "jwt", "user_claim": "sub", "bound_audiences": ["vault"], "token_policies": ["all"], "token_ttl": "1h"});
        for (name, value) in changes.as_object().into_iter().flatten() {
            role[name] = value.clone();
        }
        self.vault.write("auth/jwt/role/app", role).await.unwrap();
    }

    fn spec(&self, changes: Value) -> SecretStoreSpec {
        let mut vault = json!({"server": self.url, "path": "secret", "auth": {"jwt": {"path": "jwt", "role": "app", "kubernetesServiceAccountToken": {"serviceAccountRef": {"name": "app"}}}}});
        for (name, value) in changes.as_object().into_iter().flatten() {
            vault[name] = value.clone();
        }
        let spec = json!({"provider": {"vault": vault}, "retrySettings": {"maxRetries": 0}});
        serde_json::from_value(spec).unwrap()
    }

    async fn open(&self, changes: Value) -> Arc<dyn Provider> {
        self.registry
            .open(&self.spec(changes), &scope())
            .await
            .unwrap()
    }

    fn logins(&self) -> u64 {
        self.vault.calls("write auth/jwt/login")
    }
}

async fn read(provider: &Arc<dyn Provider>, key: &str) -> Result<String, keyless_providers::Error> {
    let reference = Ref {
        key: key.into(),
        ..Ref::default()
    };
    let mut values = provider.read(&[reference], Duration::ZERO).await;
    values
        .remove(0)
        .map(|value| value.expose_str().unwrap().to_owned())
}

/// A renewal keeps the token; at the end of its longest life a new login replaces it and the old
/// one is revoked.
#[tokio::test]
async fn a_session_is_renewed_then_replaced() {
    let bed = Bed::new().await;
    bed.role(json!({"token_ttl": 3, "token_max_ttl": 6})).await;
    bed.vault
        .put("secret", "a", json!({"v": "1"}))
        .await
        .unwrap();
    let provider = bed.open(json!({})).await;
    read(&provider, "a").await.unwrap();
    read(&provider, "a").await.unwrap();
    assert_eq!(bed.logins(), 1, "reused");
    let begin = tokio::time::Instant::now();
    while begin.elapsed() < Duration::from_secs(8) {
        read(&provider, "a").await.unwrap();
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert!(bed.vault.calls("write auth/token/renew-self") >= 1);
    let logins = bed.logins();
    assert!(
        (2..=4).contains(&logins),
        "{logins} logins in 8 s of lives of 3 to 6 s"
    );
    bed.registry.close().await;
    assert_eq!(bed.vault.live_tokens("", "jwt"), 0);
}

#[tokio::test]
async fn tokens_of_few_uses_and_batch_tokens() {
    let bed = Bed::new().await;
    bed.vault
        .put("secret", "a", json!({"v": "1"}))
        .await
        .unwrap();
    bed.role(json!({"token_num_uses": 2})).await;
    let provider = bed.open(json!({})).await;
    for _ in 0..4 {
        read(&provider, "a").await.unwrap();
    }
    assert_eq!(bed.logins(), 2, "two reads for each token");
    bed.role(json!({"token_num_uses": 0, "token_type": "batch"}))
        .await;
    let other = bed.open(json!({"namespace": ""})).await;
    bed.registry.forget(&scope().store);
    for _ in 0..4 {
        read(&other, "a").await.unwrap();
    }
    assert_eq!(bed.logins(), 3, "a batch token is reused");
    bed.registry.close().await;
    assert_eq!(
        bed.vault.calls("write auth/token/revoke-self"),
        0,
        "nothing to revoke"
    );
}

/// Tokens that somebody revoked, and a role that gives more than before.
#[tokio::test]
async fn a_refused_session_is_replaced_when_that_may_help() {
    let bed = Bed::new().await;
    bed.vault
        .put("secret", "a", json!({"v": "1"}))
        .await
        .unwrap();
    bed.role(json!({"token_policies": ["none"]})).await;
    let provider = bed.open(json!({})).await;
    let error = read(&provider, "a").await.unwrap_err();
    assert_eq!(
        (error.link(), error.class(), error.code()),
        (Link::Permission, Class::Denied, "V8")
    );
    assert!(
        explain(&error).contains("secret/data/a"),
        "{}",
        explain(&error)
    );
    read(&provider, "a").await.unwrap_err();
    assert_eq!(bed.logins(), 1, "a young session is not given up");
    bed.role(json!({})).await;
    // The user touches the store: what its logins were good for is doubted.
    bed.registry.forget(&scope().store);
    let provider = bed.open(json!({})).await;
    read(&provider, "a").await.unwrap();
    assert_eq!(bed.logins(), 2);
    bed.vault.revoke_everything();
    bed.registry.forget(&scope().store);
    let provider = bed.open(json!({})).await;
    read(&provider, "a").await.unwrap();
    assert_eq!(bed.logins(), 3);
}

#[tokio::test]
async fn a_denied_login_is_not_repeated_at_once() {
    let bed = Bed::new().await;
    let provider = bed.open(json!({})).await;
    for _ in 0..10 {
        let error = read(&provider, "a").await.unwrap_err();
        assert_eq!(error.code(), "V2");
    }
    assert_eq!(bed.logins(), 1);
    bed.role(json!({})).await;
    bed.vault
        .put("secret", "a", json!({"v": "1"}))
        .await
        .unwrap();
    bed.registry.forget(&scope().store);
    let provider = bed.open(json!({})).await;
    read(&provider, "a").await.unwrap();
}

#[tokio::test]
async fn equal_reads_share_a_call_and_identities_do_not() {
    let bed = Bed::new().await;
    bed.role(json!({})).await;
    bed.vault
        .put("secret", "a", json!({"v": "1"}))
        .await
        .unwrap();
    let provider = bed.open(json!({})).await;
    read(&provider, "a").await.unwrap();
    let before = bed.vault.calls("read secret/data/a");
    let reads = (0..50).map(|_| read(&provider, "a"));
    for value in futures::future::join_all(reads).await {
        assert_eq!(value.unwrap(), r#"{"v":"1"}"#);
    }
    let calls = bed.vault.calls("read secret/data/a") - before;
    assert!(calls <= 3, "{calls} calls for 50 reads at once");
    // Another account is another session, another plan.
    let other = json!({"auth": {"jwt": {"path": "jwt", "role": "app", "kubernetesServiceAccountToken": {"serviceAccountRef": {"name": "other"}}}}});
    let other = bed.open(other).await;
    let before = bed.vault.calls("read secret/data/a");
    let (one, two) = futures::join!(read(&provider, "a"), read(&other, "a"));
    assert!(one.is_ok() && two.is_ok());
    assert_eq!(bed.vault.calls("read secret/data/a") - before, 2);
    assert_eq!(bed.logins(), 2);
}

#[tokio::test]
async fn validation_is_one_cheap_call() {
    let bed = Bed::new().await;
    bed.role(json!({})).await;
    let provider = bed.open(json!({})).await;
    for _ in 0..3 {
        provider.validate().await.unwrap();
    }
    assert_eq!(bed.vault.calls("read auth/token/lookup-self"), 3);
    assert_eq!(bed.logins(), 1);
    // A token that may not look itself up: the login is proof enough.
    bed.role(json!({"token_no_default_policy": true})).await;
    bed.registry.forget(&scope().store);
    let spec = json!({"auth": {"jwt": {"path": "jwt", "role": "app", "kubernetesServiceAccountToken": {"serviceAccountRef": {"name": "bare"}}}}});
    bed.open(spec).await.validate().await.unwrap();
    // A stored token has nothing but itself.
    bed.vault.seal(true);
    let token = json!({"auth": {"tokenSecretRef": {"name": "t", "key": "t"}}});
    let error = bed.open(token.clone()).await.validate().await.unwrap_err();
    assert_eq!(error.class(), Class::Unavailable, "{}", explain(&error));
    bed.vault.seal(false);
    bed.open(token).await.validate().await.unwrap();
}

/// Whatever comes back: an error in bounded time, with what it was, and nothing is lost.
#[tokio::test]
async fn bad_answers_are_clear_errors() {
    let bed = Bed::new().await;
    bed.role(json!({})).await;
    bed.vault
        .put("secret", "a", json!({"v": "canary"}))
        .await
        .unwrap();
    let provider = bed.open(json!({})).await;
    assert!(read(&provider, "a").await.is_ok());
    let elsewhere = Bed::new().await;
    for (effect, text, class) in [
        (Effect::HalfJson, "breaks off", Class::Unavailable),
        (Effect::Truncate, "cannot read secret", Class::Unavailable),
        (Effect::Page, "no JSON but text/html", Class::Unavailable),
        (
            Effect::ErrorWithSuccess,
            "something went wrong",
            Class::Unavailable,
        ),
        (
            Effect::Large { bytes: 10 << 20 },
            "more than",
            Class::Unavailable,
        ),
        (
            Effect::Latency { milliseconds: 4000 },
            "no answer",
            Class::Unavailable,
        ),
        (
            Effect::ServerError { status: 503 },
            "HTTP 503",
            Class::Unavailable,
        ),
        (Effect::Behind, "required index state", Class::Unavailable),
        (
            Effect::Redirect {
                to: elsewhere.url.clone(),
            },
            "not followed with a token",
            Class::Config,
        ),
    ] {
        let faults = Fault::on("secret/data/a", effect.clone());
        bed.vault.add_fault(faults);
        let error = read(&provider, "a").await.unwrap_err();
        let message = explain(&error);
        assert!(message.contains(text), "{effect:?}: {message}");
        assert_eq!(error.class(), class, "{effect:?}: {message}");
        assert!(
            !error.is_no_secret(),
            "{effect:?}: absence is something else"
        );
        assert!(
            !format!("{message} {error:?}").contains("canary"),
            "{effect:?}"
        );
        bed.vault.clear_faults();
        assert!(read(&provider, "a").await.is_ok(), "{effect:?}");
    }
    assert_eq!(
        elsewhere.vault.calls("read secret"),
        0,
        "no token went there"
    );
    // To the same server a redirect is followed.
    bed.vault.add_fault(
        Fault::on(
            "secret/data/a",
            Effect::Redirect {
                to: bed.url.clone(),
            },
        )
        .times(1),
    );
    assert!(read(&provider, "a").await.is_ok());
    assert_eq!(bed.logins(), 1, "none of this is reason for a login");
}

#[tokio::test]
async fn throttling_slows_down_and_passes() {
    let bed = Bed::new().await;
    bed.role(json!({})).await;
    bed.vault
        .put("secret", "a", json!({"v": "1"}))
        .await
        .unwrap();
    let spec = json!({"provider": {"vault": bed.spec(json!({})).provider.vault}});
    let spec: SecretStoreSpec = serde_json::from_value(spec).unwrap();
    let provider = bed.registry.open(&spec, &scope()).await.unwrap();
    bed.vault
        .add_fault(Fault::on("secret/data/a", Effect::Throttle { retry_after: 1 }).times(2));
    let begin = tokio::time::Instant::now();
    read(&provider, "a").await.unwrap();
    assert!(begin.elapsed() >= Duration::from_secs(2), "waits as told");
    // What was not decided is tried again, as the store's settings say.
    bed.vault
        .add_fault(Fault::on("secret/data/a", Effect::ServerError { status: 500 }).times(2));
    read(&provider, "a").await.unwrap();
}

fn push(key: &str, property: Option<&str>, value: &str) -> Push {
    Push {
        remote: remote(key, property),
        value: value.into(),
        metadata: None,
    }
}

fn remote(key: &str, property: Option<&str>) -> Remote {
    Remote {
        key: key.into(),
        property: property.map(Into::into),
    }
}

#[tokio::test]
async fn writes_touch_only_what_is_ours() {
    let bed = Bed::new().await;
    bed.role(json!({})).await;
    for store in [json!({}), json!({"path": "old", "version": "v1"})] {
        let provider = bed.open(store.clone()).await;
        let mount = store["path"].as_str().unwrap_or("secret");
        let put = async |push: Push| provider.push(&push).await;
        assert_eq!(
            put(push("new", None, r#"{"a":"1"}"#)).await.unwrap(),
            Pushed::Created
        );
        assert_eq!(
            put(push("new", None, r#"{"a":"1"}"#)).await.unwrap(),
            Pushed::Unchanged
        );
        assert_eq!(
            put(push("new", Some("b"), "2")).await.unwrap(),
            Pushed::Updated
        );
        let now = read(&provider, "new").await.unwrap();
        assert!(now.contains(r#""a":"1","b":"2""#), "{now}");
        assert!(
            put(push("new", None, "text")).await.is_err(),
            "the engine keeps objects"
        );
        assert!(provider.exists(&remote("new", Some("b"))).await.unwrap());
        assert!(!provider.exists(&remote("new", Some("c"))).await.unwrap());
        assert!(provider.delete(&remote("new", Some("b"))).await.unwrap());
        assert!(!provider.delete(&remote("new", Some("b"))).await.unwrap());
        assert!(provider.exists(&remote("new", None)).await.unwrap());
        assert!(provider.delete(&remote("new", Some("a"))).await.unwrap());
        assert!(
            !provider.exists(&remote("new", None)).await.unwrap(),
            "the last property takes the secret along"
        );
        let path = match mount {
            "old" => "old/theirs".to_owned(),
            _ => "secret/data/theirs".to_owned(),
        };
        let body = match mount {
            "old" => json!({"a": "theirs"}),
            _ => json!({"data": {"a": "theirs"}}),
        };
        bed.vault.write(&path, body).await.unwrap();
        let refused = put(push("theirs", Some("a"), "ours")).await.unwrap_err();
        assert!(refused.to_string().contains("not managed by"), "{refused}");
        assert!(provider.delete(&remote("theirs", None)).await.is_err());
        assert!(read(&provider, "theirs").await.unwrap().contains("theirs"));
        assert!(!provider.delete(&remote("absent", None)).await.unwrap());
    }
    let metadata = bed.vault.read("secret/metadata/theirs").await.unwrap();
    assert!(
        metadata["custom_metadata"].is_null(),
        "not marked by an attempt"
    );
}

/// Check-and-set: a mount that demands it, and a secret whose newest version is deleted.
#[tokio::test]
async fn writes_say_which_version_they_are_based_on() {
    let bed = Bed::new().await;
    bed.role(json!({})).await;
    bed.vault
        .write("secret/config", json!({"cas_required": true}))
        .await
        .unwrap();
    let provider = bed.open(json!({})).await;
    for (value, expected) in [("1", Pushed::Created), ("2", Pushed::Updated)] {
        let done = provider.push(&push("k", Some("v"), value)).await.unwrap();
        assert_eq!(done, expected);
    }
    bed.vault.delete("secret/data/k").await.unwrap();
    let done = provider.push(&push("k", Some("v"), "3")).await.unwrap();
    assert_eq!(done, Pushed::Created);
    let metadata = bed.vault.read("secret/metadata/k").await.unwrap();
    assert_eq!(metadata["current_version"], 3);
    assert_eq!(
        metadata["custom_metadata"]["managed-by"],
        "external-secrets"
    );
    bed.vault
        .write(
            "secret/metadata/k",
            json!({"custom_metadata": {"managed-by": "external-secrets", "team": "a"}}),
        )
        .await
        .unwrap();
    provider.push(&push("k", Some("v"), "4")).await.unwrap();
    let metadata = bed.vault.read("secret/metadata/k").await.unwrap();
    assert_eq!(
        metadata["custom_metadata"]["team"], "a",
        "other metadata stays"
    );
}

#[tokio::test]
async fn a_server_of_another_name_or_authority_is_not_talked_to() {
    let bed = Bed::new().await;
    bed.role(json!({})).await;
    let other = Tls::new().unwrap();
    use base64::Engine as _;
    let bundle = |tls: &Tls| base64::engine::general_purpose::STANDARD.encode(tls.ca_pem());
    for (store, text) in [
        (json!({"caBundle": bundle(&other)}), "certificate"),
        (json!({"caBundle": "bm8gUEVN"}), "no usable certificate"),
        (json!({"caBundle": "not base64!"}), "base64"),
        (
            json!({"server": bed.url.replace("localhost", "localhost.localdomain")}),
            "localhost.localdomain",
        ),
    ] {
        let opened = bed.registry.open(&bed.spec(store.clone()), &scope()).await;
        let error = match opened {
            Ok(provider) => provider.validate().await.unwrap_err(),
            Err(error) => error,
        };
        assert!(
            explain(&error).contains(text),
            "{store}: {}",
            explain(&error)
        );
    }
    assert_eq!(bed.logins(), 0);
    let good = bed.open(json!({"caBundle": bundle(&bed.tls)})).await;
    good.validate().await.unwrap();
}

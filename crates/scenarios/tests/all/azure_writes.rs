//! The write half of the Key Vault provider, against the sandbox's vault.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::FutureExt;
use futures::future::{BoxFuture, ready};
use keyless_fault::{Fault, ObjectRef};
use keyless_identity::{
    Cluster, Environment, Error, Exchange, ExchangeOptions, ServiceAccount, SubjectToken,
};
use keyless_providers::{
    Provider, Push, Pushed, Registry, RegistryOptions, Remote, StoreScope, Validation,
};
use keyless_sandbox::azure::{Access, Identity};
use keyless_scenarios::World;
use keyless_secret::SecretBytes;
use serde_json::{Value, json};

scenarios!(azure_writes, azure_imports);

/// Nothing is stored in this cluster: the node's identity logs in.
pub(crate) struct NoCluster;

fn nothing<T: Send + 'static>() -> BoxFuture<'static, Result<T, Error>> {
    ready(Err(Error::Config {
        reason: "nothing is stored here".into(),
        hint: None,
        code: "",
    }))
    .boxed()
}

impl Cluster for NoCluster {
    fn service_account<'a>(
        &'a self,
        _: &'a str,
        _: &'a str,
    ) -> BoxFuture<'a, Result<ServiceAccount, Error>> {
        nothing()
    }

    fn token<'a>(
        &'a self,
        _: &'a str,
        _: &'a str,
        _: &'a [String],
        _: Option<Duration>,
    ) -> BoxFuture<'a, Result<SubjectToken, Error>> {
        nothing()
    }

    fn secret_key<'a>(
        &'a self,
        _: &'a str,
        _: &'a str,
        _: &'a str,
    ) -> BoxFuture<'a, Result<SecretBytes, Error>> {
        nothing()
    }

    fn config_map_key<'a>(
        &'a self,
        _: &'a str,
        _: &'a str,
        _: &'a str,
    ) -> BoxFuture<'a, Result<String, Error>> {
        nothing()
    }
}

/// A provider for this scenario's vault under an identity of its own.
async fn provider(w: &World, verbs: [&[&str]; 3]) -> Result<(Arc<dyn Provider>, Identity)> {
    w.make_key_vault(Access::Policies);
    let identity = w.azure().create_managed_identity("writer");
    w.azure().assign_to_node(&identity.client_id);
    w.azure()
        .set_access_policy(&w.key_vault(), &identity.object_id, verbs)?;
    let env: Environment = w.azure_environment().into_iter().collect();
    let http = Exchange::new(&ExchangeOptions::from_environment(&env))?;
    let registry = Registry::new(
        Arc::new(NoCluster),
        Arc::new(http),
        env,
        RegistryOptions::default(),
    );
    let auth = json!({"authType": "ManagedIdentity", "identityId": identity.client_id});
    let spec = serde_json::from_value(w.azure_spec(&auth))?;
    let scope = StoreScope {
        store: ObjectRef::new("SecretStore", w.ns.clone(), "azure"),
        consumer_namespace: Some(w.ns.clone()),
    };
    Ok((registry.open(&spec, &scope).await?, identity))
}

fn remote(key: &str) -> Remote {
    Remote {
        key: key.into(),
        property: None,
    }
}

fn push(key: &str, value: &str, metadata: Option<Value>) -> Push {
    Push {
        remote: remote(key),
        value: value.into(),
        metadata: metadata.map(|spec| {
            json!({"apiVersion": "kubernetes.external-secrets.io/v1alpha1", "kind": "PushSecretMetadata", "spec": spec})
        }),
    }
}

const EVERYTHING: &[&str] = &["all"];

/// Secrets are written once, changed when they differ, and never taken from others.
async fn azure_writes(world: World) -> Result<()> {
    let w = &world;
    let (azure, vault) = (w.azure(), w.key_vault());
    let (store, identity) = provider(w, [EVERYTHING; 3]).await?;
    assert_eq!(store.validate().await?, Validation::Valid);
    assert!(!store.exists(&remote("a")).await?);
    assert_eq!(store.push(&push("a", "one", None)).await?, Pushed::Created);
    assert_eq!(
        store.push(&push("a", "one", None)).await?,
        Pushed::Unchanged
    );
    assert_eq!(
        store.push(&push("secret/a", "two", None)).await?,
        Pushed::Updated
    );
    assert!(store.exists(&remote("a")).await?);
    let settings = json!({"expirationDate": "2033-05-18T03:33:20Z", "contentType": "text/plain", "tags": {"team": "x"}});
    let full = push("a", "two", Some(settings));
    assert_eq!(store.push(&full).await?, Pushed::Updated);
    assert_eq!(store.push(&full).await?, Pushed::Unchanged);
    let secret = azure.secret(&vault, "a").expect("it is there");
    assert_eq!(
        (secret.value.as_str(), secret.expires),
        ("two", Some(2_000_000_000))
    );
    assert_eq!(secret.content_type.as_deref(), Some("text/plain"));
    assert_eq!(
        secret.tags,
        [("managed-by", "external-secrets"), ("team", "x")]
            .map(|(k, v)| (k.to_owned(), v.to_owned()))
            .into()
    );

    // What somebody else wrote stays.
    azure.set_secret(&vault, "theirs", "keep")?;
    let error = store.push(&push("theirs", "mine", None)).await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("not managed by external-secrets"),
        "{error}"
    );
    assert!(store.delete(&remote("theirs")).await.is_err());
    assert_eq!(
        azure.secret(&vault, "theirs").map(|s| s.value).as_deref(),
        Some("keep")
    );

    // A deleted name is taken until it is recovered or purged.
    assert!(store.delete(&remote("a")).await?);
    assert!(!store.delete(&remote("a")).await?);
    let error = store.push(&push("a", "three", None)).await.unwrap_err();
    assert_eq!(
        (error.code(), error.provider_code()),
        ("Z22", Some("ObjectIsDeletedButRecoverable"))
    );
    assert!(
        error.hint().unwrap_or_default().contains("recover"),
        "{error}"
    );

    // Bad wishes.
    let mine = json!({"tags": {"managed-by": "me"}});
    for (bad, text) in [
        (push("b", "v", Some(mine)), "not yours to set"),
        (
            push("b", "v", Some(json!({"expirationDate": "soon"}))),
            "is not a time",
        ),
        (push("b", "v", Some(json!({"expires": 1}))), "unknown field"),
        (
            push("b/c", "v", None),
            "unknown Azure Key Vault object type",
        ),
    ] {
        let error = store.push(&bad).await.unwrap_err().to_string();
        assert!(error.contains(text), "{error}");
    }

    azure.set_access_policy(&vault, &identity.object_id, [&["get"], &[], &[]])?;
    let error = store.push(&push("c", "v", None)).await.unwrap_err();
    assert_eq!(error.code(), "Z19");
    assert!(
        error.required().unwrap_or_default().contains("secrets set"),
        "{error}"
    );
    Ok(())
}

/// Keys and certificates go in whole, once.
async fn azure_imports(world: World) -> Result<()> {
    let w = &world;
    let vault = w.key_vault();
    let (store, _) = provider(w, [EVERYTHING; 3]).await?;
    let rsa = rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256)?;
    let p256 = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)?;
    let p384 = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384)?;
    for (name, key) in [("rsa", &rsa), ("p256", &p256), ("p384", &p384)] {
        let wish = push(&format!("key/{name}"), &key.serialize_pem(), None);
        assert_eq!(store.push(&wish).await?, Pushed::Created, "{name}");
        assert_eq!(store.push(&wish).await?, Pushed::Unchanged, "{name}");
    }
    let other = push("key/rsa", &p256.serialize_pem(), None);
    assert_eq!(store.push(&other).await?, Pushed::Updated);
    let error = store
        .push(&push("key/x", "canary", None))
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("neither a private JWK") && !error.contains("canary"),
        "{error}"
    );
    assert!(store.delete(&remote("key/rsa")).await?);

    let certificate = rcgen::CertificateParams::new(vec!["site".into()])?.self_signed(&rsa)?;
    let pem = format!("{}{}", rsa.serialize_pem(), certificate.pem());
    let wish = push("cert/site", &pem, None);
    assert_eq!(store.push(&wish).await?, Pushed::Created);
    assert_eq!(store.push(&wish).await?, Pushed::Unchanged);
    // The secret of the same name shows the key.
    assert_eq!(w.azure().secret(&vault, "site").map(|s| s.value), Some(pem));

    let mut file = p12_keystore::KeyStore::new();
    let key = p12_keystore::PrivateKey::from_der(&rsa.serialize_der())?;
    let leaf = p12_keystore::Certificate::from_der(certificate.der())?;
    let chain = p12_keystore::PrivateKeyChain::new("site", key, [leaf]);
    file.add_entry("site", p12_keystore::KeyStoreEntry::PrivateKeyChain(chain));
    let pkcs12 = STANDARD.encode(file.writer("").write()?);
    let wish = push("cert/other", &pkcs12, None);
    assert_eq!(store.push(&wish).await?, Pushed::Created);
    assert_eq!(store.push(&wish).await?, Pushed::Unchanged);
    let secret = w
        .azure()
        .secret(&vault, "other")
        .expect("the secret behind it");
    assert_eq!(secret.content_type.as_deref(), Some("application/x-pkcs12"));
    for (value, text) in [
        (certificate.pem(), "holds no private key"),
        ("canary".to_owned(), "neither PEM nor PKCS#12"),
    ] {
        let error = store
            .push(&push("cert/bad", &value, None))
            .await
            .unwrap_err()
            .to_string();
        assert!(error.contains(text) && !error.contains("canary"), "{error}");
    }
    Ok(())
}

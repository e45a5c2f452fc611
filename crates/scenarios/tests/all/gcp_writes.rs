//! The write half of the Google Secret Manager provider, against the sandbox.

use std::sync::Arc;

use anyhow::Result;
use keyless_fault::{Fault, ObjectRef};
use keyless_identity::{Environment, Exchange, ExchangeOptions};
use keyless_providers::{
    Provider, Push, Pushed, Registry, RegistryOptions, Remote, StoreScope, Validation,
};
use keyless_sandbox::gcp::VersionState;
use keyless_scenarios::World;
use keyless_scenarios::gcp::ACCESSOR;
use serde_json::{Value, json};

use crate::azure_writes::NoCluster;

// Alone: the node's identity is the operator's, whom they give roles.
scenarios!(alone: gcp_writes, gcp_writes_properties);

const ADMIN: &str = "roles/secretmanager.admin";

/// A provider for this scenario's project under the pod's own identity, which has `role` in it.
async fn provider(w: &World, role: &str, location: Option<&str>) -> Result<Arc<dyn Provider>> {
    w.gcp_bind(role, &pod(w)?)?;
    let env: Environment = w.gcp_environment().into_iter().collect();
    let http = Exchange::new(&ExchangeOptions::from_environment(&env))?;
    let registry = Registry::new(
        Arc::new(NoCluster),
        Arc::new(http),
        env,
        RegistryOptions::default(),
    );
    let mut spec = w.gcp_spec(Value::Null);
    if let Some(location) = location {
        spec["provider"]["gcpsm"]["location"] = json!(location);
    }
    let scope = StoreScope {
        store: ObjectRef::new("SecretStore", w.ns.clone(), "google"),
        consumer_namespace: Some(w.ns.clone()),
    };
    Ok(registry
        .open(&serde_json::from_value(spec)?, &scope)
        .await?)
}

fn pod(w: &World) -> Result<String> {
    let gcp = w.gcp();
    Ok(gcp.gke_principal(gcp.project(), "external-secrets", "external-secrets")?)
}

fn remote(key: &str, property: Option<&str>) -> Remote {
    Remote {
        key: key.into(),
        property: property.map(str::to_owned),
    }
}

fn push(key: &str, value: &str, metadata: Option<Value>) -> Push {
    Push {
        remote: remote(key, None),
        value: value.into(),
        metadata: metadata.map(|spec| {
            json!({"apiVersion": "kubernetes.external-secrets.io/v1alpha1", "kind": "PushSecretMetadata", "spec": spec})
        }),
    }
}

/// Secrets are written once, changed when they differ, and never taken from others.
async fn gcp_writes(world: World) -> Result<()> {
    let w = &world;
    let gcp = w.gcp();
    w.make_gcp_project()?;
    let store = provider(w, ADMIN, None).await?;
    assert_eq!(store.validate().await?, Validation::Valid);
    let name = w.gcp_name("a");
    assert!(!store.exists(&remote("a", None)).await?);
    assert_eq!(store.push(&push("a", "one", None)).await?, Pushed::Created);
    assert_eq!(
        store.push(&push("a", "one", None)).await?,
        Pushed::Unchanged
    );
    assert_eq!(gcp.versions(&name), Some(1), "an equal value is no version");
    assert_eq!(store.push(&push("a", "two", None)).await?, Pushed::Updated);
    assert!(store.exists(&remote("a", None)).await?);
    assert_eq!(gcp.secret(&name).as_deref(), Some(&b"two"[..]));
    assert_eq!(gcp.labels(&name)["managed-by"], "external-secrets");

    let described = json!({"labels": {"team": "x"}, "annotations": {"owner": "Ann"}});
    let full = push("a", "two", Some(described));
    assert_eq!(store.push(&full).await?, Pushed::Updated);
    assert_eq!(store.push(&full).await?, Pushed::Unchanged);
    let merged = json!({"labels": {"env": "prod"}, "mergePolicy": "Merge"});
    assert_eq!(
        store.push(&push("a", "two", Some(merged))).await?,
        Pushed::Updated
    );
    let labels = gcp.labels(&name);
    let shown: Vec<(&str, &str)> = labels.iter().map(|(k, v)| (&**k, &**v)).collect();
    assert_eq!(
        shown,
        [
            ("env", "prod"),
            ("managed-by", "external-secrets"),
            ("team", "x")
        ]
    );
    assert_eq!(gcp.versions(&name), Some(2), "labels alone are no version");

    let placed = json!({"replicationLocations": ["europe-west3", "europe-west1"]});
    store.push(&push("placed", "v", Some(placed))).await?;
    let secret = gcp.show_secret(&w.gcp_name("placed")).expect("it is there");
    let replicas = secret.pointer("/replication/userManaged/replicas/0/location");
    assert_eq!(replicas, Some(&json!("europe-west3")));

    // A disabled newest version can be written over.
    gcp.set_version_state(&name, "latest", VersionState::Disabled)?;
    assert!(store.exists(&remote("a", None)).await?);
    assert_eq!(
        store.push(&push("a", "three", None)).await?,
        Pushed::Updated
    );

    // What somebody else wrote stays.
    w.gcp_secret("theirs", "keep")?;
    let error = store.push(&push("theirs", "mine", None)).await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("not managed by external-secrets"),
        "{error}"
    );
    assert!(store.delete(&remote("theirs", None)).await.is_err());
    assert_eq!(
        gcp.secret(&w.gcp_name("theirs")).as_deref(),
        Some(&b"keep"[..])
    );

    assert!(store.delete(&remote("a", None)).await?);
    assert!(!store.delete(&remote("a", None)).await?);
    assert_eq!(gcp.versions(&name), None);

    // Bad wishes.
    let mine = json!({"labels": {"managed-by": "me"}});
    for (bad, text) in [
        (push("b", "v", Some(mine)), "not yours to set"),
        (push("b", "v", Some(json!({"expires": 1}))), "unknown field"),
        (push("b/c", "v", None), "is no secret of Google"),
        (
            push("b", &"x".repeat(65 << 10), None),
            "more than 65536 bytes",
        ),
    ] {
        let error = store.push(&bad).await.unwrap_err().to_string();
        assert!(error.contains(text), "{error}");
    }

    gcp.unbind_on_project(&w.gcp_project(), &pod(w)?)?;
    w.gcp_bind(ACCESSOR, &pod(w)?)?;
    let error = store.push(&push("c", "v", None)).await.unwrap_err();
    assert_eq!(error.code(), "G12");
    assert!(
        error
            .required()
            .unwrap_or_default()
            .contains("secretmanager.secrets."),
        "{error}"
    );
    Ok(())
}

/// Properties of one JSON document are written beside each other; a regional secret lies where it
/// lies.
async fn gcp_writes_properties(world: World) -> Result<()> {
    let w = &world;
    let gcp = w.gcp();
    w.make_gcp_project()?;
    let store = provider(w, ADMIN, Some("europe-west3")).await?;
    let name = format!("{}/europe-west3/doc", w.gcp_project());
    let part = |property: &str, value: &str| Push {
        remote: remote("doc", Some(property)),
        value: value.into(),
        metadata: None,
    };
    for (property, value, pushed) in [
        ("user", "me", Pushed::Created),
        ("nested.password", "s3cr3t", Pushed::Updated),
        ("user", "me", Pushed::Unchanged),
        ("user", "you", Pushed::Updated),
    ] {
        let outcome = store.push(&part(property, value)).await?;
        assert_eq!(outcome, pushed, "{property}={value}");
    }
    let held = || {
        let bytes = gcp.secret(&name).unwrap_or_default();
        serde_json::from_slice::<Value>(&bytes).unwrap_or_default()
    };
    assert_eq!(
        held(),
        json!({"user": "you", "nested": {"password": "s3cr3t"}})
    );
    assert!(
        store
            .exists(&remote("doc", Some("nested.password")))
            .await?
    );
    assert!(!store.exists(&remote("doc", Some("none"))).await?);
    assert!(store.delete(&remote("doc", Some("user"))).await?);
    assert_eq!(held()["user"], Value::Null);
    assert!(store.delete(&remote("doc", None)).await?);
    assert_eq!(gcp.versions(&name), None);
    let mut both = part("user", "x");
    both.metadata = push("x", "x", Some(json!({}))).metadata;
    let error = store.push(&both).await.unwrap_err().to_string();
    assert!(error.contains("metadata and property"), "{error}");
    Ok(())
}

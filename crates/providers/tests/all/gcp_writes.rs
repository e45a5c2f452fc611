//! Writing at Secret Manager.

use keyless_fault::explain;
use keyless_providers::{Push, Pushed, Remote};
use serde_json::{Value, json};

use crate::gcp_secrets::opened;
use crate::google::{World, world};
use crate::stores::{key, read_one};

fn push(key: &str, property: Option<&str>, value: &str, spec: Option<Value>) -> Push {
    let metadata = spec.map(|spec| {
        json!({"apiVersion": "kubernetes.external-secrets.io/v1alpha1", "kind": "PushSecretMetadata", "spec": spec})
    });
    Push {
        remote: Remote {
            key: key.into(),
            property: property.map(Into::into),
        },
        value: value.into(),
        metadata,
    }
}

#[tokio::test(start_paused = true)]
async fn pushing_creates_adds_versions_and_leaves_what_is_as_wanted() {
    let world = world(&[]);
    let provider = opened(&world, json!({})).await;
    let meta = || {
        Some(
            json!({"labels": {"env": "prod"}, "annotations": {"a": "b"}, "topics": ["projects/p/topics/t"],
        "replicationLocations": ["europe-west3", "europe-west4"], "cmekKeyName": "k"}),
        )
    };
    for (value, expected) in [
        ("v1", Pushed::Created),
        ("v1", Pushed::Unchanged),
        ("v2", Pushed::Updated),
    ] {
        assert_eq!(
            provider
                .push(&push("s", None, value, meta()))
                .await
                .unwrap(),
            expected
        );
    }
    let secret = world.google.state.lock().unwrap().secrets["secrets/s"].clone();
    assert_eq!(secret.versions.len(), 2);
    assert_eq!(
        secret.about["labels"],
        json!({"env": "prod", "managed-by": "external-secrets"})
    );
    assert_eq!(
        secret.about["replication"]["userManaged"]["replicas"][1],
        json!({"location": "europe-west4", "customerManagedEncryption": {"kmsKeyName": "k"}})
    );
    // Without settings labels are left alone; with others they are replaced or merged.
    assert_eq!(
        provider.push(&push("s", None, "v2", None)).await.unwrap(),
        Pushed::Unchanged
    );
    let merged = Some(json!({"labels": {"team": "x"}, "mergePolicy": "Merge"}));
    assert_eq!(
        provider.push(&push("s", None, "v2", merged)).await.unwrap(),
        Pushed::Updated
    );
    let labels = |world: &World| {
        world.google.state.lock().unwrap().secrets["secrets/s"].about["labels"].clone()
    };
    assert_eq!(
        labels(&world),
        json!({"env": "prod", "team": "x", "managed-by": "external-secrets"})
    );
    let replaced = Some(json!({"labels": {"team": "y"}}));
    assert_eq!(
        provider
            .push(&push("s", None, "v2", replaced))
            .await
            .unwrap(),
        Pushed::Updated
    );
    assert_eq!(
        labels(&world),
        json!({"team": "y", "managed-by": "external-secrets"})
    );
    for (property, spec) in [
        (Some("p"), json!({})),
        (None, json!({"labels": {"managed-by": "x"}})),
        (None, json!({"unknown": 1})),
    ] {
        assert!(
            provider
                .push(&push("s", property, "v", Some(spec)))
                .await
                .is_err()
        );
    }
}

#[tokio::test(start_paused = true)]
async fn properties_are_written_beside_others_and_removed_alone() {
    let world = world(&[]);
    let provider = opened(&world, json!({})).await;
    assert_eq!(
        provider
            .push(&push("s", Some("a"), "1", None))
            .await
            .unwrap(),
        Pushed::Created
    );
    assert_eq!(
        provider
            .push(&push("s", Some("b"), "2", None))
            .await
            .unwrap(),
        Pushed::Updated
    );
    assert_eq!(
        provider
            .push(&push("s", Some("b"), "2", None))
            .await
            .unwrap(),
        Pushed::Unchanged
    );
    assert_eq!(
        read_one(&provider, key("s")).await.unwrap(),
        r#"{"a":"1","b":"2"}"#
    );
    let remote = |property: Option<&str>| Remote {
        key: "s".into(),
        property: property.map(Into::into),
    };
    assert!(provider.exists(&remote(Some("b"))).await.unwrap());
    assert!(provider.delete(&remote(Some("b"))).await.unwrap());
    assert!(!provider.exists(&remote(Some("b"))).await.unwrap());
    assert!(provider.exists(&remote(None)).await.unwrap());
    assert!(!provider.delete(&remote(Some("b"))).await.unwrap());
    // The last one takes the secret along.
    assert!(provider.delete(&remote(Some("a"))).await.unwrap());
    assert!(!provider.exists(&remote(None)).await.unwrap());
    assert!(!provider.delete(&remote(None)).await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn what_others_wrote_is_neither_overwritten_nor_deleted() {
    let world = world(&[]);
    let provider = opened(&world, json!({})).await;
    world.google.put("secrets/s", "theirs");
    let remote = Remote {
        key: "s".into(),
        property: None,
    };
    for error in [
        provider
            .push(&push("s", None, "ours", None))
            .await
            .unwrap_err(),
        provider.delete(&remote).await.unwrap_err(),
    ] {
        assert!(
            explain(&error).contains("not managed by external-secrets"),
            "{error}"
        );
    }
    assert!(provider.exists(&remote).await.unwrap());
    assert_eq!(read_one(&provider, key("s")).await.unwrap(), "theirs");
}

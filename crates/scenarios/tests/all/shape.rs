//! The Secret and the status exactly as the API's users know them.

use anyhow::Result;
use keyless_scenarios::World;
use serde_json::json;

scenarios!(
    owned_secret,
    conditions_and_events,
    both_versions,
    metadata_is_copied
);

/// Labels, annotations, ownership and hash of a Secret with creationPolicy Owner.
async fn owned_secret(world: World) -> Result<()> {
    let w = &world;
    w.fake_store("store", json!([{"key": "k", "value": "s3cr3t"}]))
        .await?;
    let es = w
        .external_secret("app", json!({"secretStoreRef": {"name": "store"}, "target": {"name": "made"}, "data": [{"secretKey": "password", "remoteRef": {"key": "k"}}]}))
        .await?;
    w.until_ready("app").await?;
    let secret = w.secret("made").await?.expect("the Secret exists");
    assert_eq!(secret["type"], "Opaque");
    assert_eq!(keyless_scenarios::data(&secret)["password"], "s3cr3t");
    let metadata = &secret["metadata"];
    assert_eq!(
        metadata["labels"]["reconcile.external-secrets.io/managed"],
        "true"
    );
    let created_by = keyless_secret::hash::created_by(&w.ns, "app");
    assert_eq!(
        metadata["labels"]["reconcile.external-secrets.io/created-by"],
        json!(created_by)
    );
    // The hash of {password: s3cr3t}, as ESO 2.9 computes it.
    assert_eq!(
        metadata["annotations"]["reconcile.external-secrets.io/data-hash"],
        "32624ec2bbb01c19a38546e9e3c9996bce3ad67744c9550874b627b9"
    );
    let owner = &metadata["ownerReferences"][0];
    assert_eq!(
        (
            &owner["kind"],
            &owner["name"],
            &owner["controller"],
            &owner["blockOwnerDeletion"]
        ),
        (
            &json!("ExternalSecret"),
            &json!("app"),
            &json!(true),
            &json!(true)
        )
    );
    assert_eq!(owner["uid"], es["metadata"]["uid"]);
    assert_eq!(owner["apiVersion"], "external-secrets.io/v1");
    assert!(
        metadata.get("finalizers").is_none(),
        "no finaliser: {metadata}"
    );
    let managed = metadata["managedFields"]
        .as_array()
        .expect("managed fields");
    let ours = managed
        .iter()
        .find(|m| m["manager"] == "externalsecrets.external-secrets.io/app")
        .expect("our field manager");
    assert_eq!(ours["operation"], "Update");

    w.api.delete("ExternalSecret", &w.ns, "app").await?;
    w.api
        .until(
            "Secret",
            &w.ns,
            "made",
            "garbage collected",
            serde_json::Value::is_null,
        )
        .await?;
    Ok(())
}

/// Condition, binding, syncedResourceVersion, and one Created event.
async fn conditions_and_events(world: World) -> Result<()> {
    let w = &world;
    w.fake_store("store", json!([{"key": "k", "value": "v"}]))
        .await?;
    w.external_secret("app", json!({"secretStoreRef": {"name": "store"}, "data": [{"secretKey": "a", "remoteRef": {"key": "k"}}]})).await?;
    let es = w.until_ready("app").await?;
    assert_eq!(
        keyless_scenarios::api::ready(&es),
        ("True".into(), "SecretSynced".into(), "secret synced".into())
    );
    assert_eq!(es["status"]["binding"]["name"], "app");
    assert!(es["status"]["refreshTime"].is_string());
    let generation = es["metadata"]["generation"].as_i64().unwrap();
    assert!(
        es["status"]["syncedResourceVersion"]
            .as_str()
            .unwrap()
            .starts_with(&format!("{generation}-"))
    );
    assert!(
        es["metadata"].get("finalizers").is_none(),
        "a normal ExternalSecret needs no finaliser"
    );
    let events = w.until_event("app", "Created").await?;
    assert_eq!(
        events.iter().filter(|e| e["reason"] == "Created").count(),
        1,
        "{events:?}"
    );
    Ok(())
}

/// A v1beta1 manifest is synced, and both versions show the same object.
async fn both_versions(world: World) -> Result<()> {
    let w = &world;
    w.fake_store("store", json!([{"key": "k", "value": "v"}]))
        .await?;
    w.api
        .create(&json!({
            "apiVersion": "external-secrets.io/v1beta1", "kind": "ExternalSecret", "metadata": {"name": "old", "namespace": w.ns},
            "spec": {"refreshInterval": "1h", "secretStoreRef": {"name": "store", "kind": "SecretStore"}, "data": [{"secretKey": "a", "remoteRef": {"key": "k"}}]},
        }))
        .await?;
    let es = w.until_ready("old").await?;
    assert_eq!(es["apiVersion"], "external-secrets.io/v1");
    assert_eq!(w.secret_data("old").await?["a"], "v");
    Ok(())
}

/// Without a template the ExternalSecret's labels and annotations are copied, and follow it.
async fn metadata_is_copied(world: World) -> Result<()> {
    let w = &world;
    w.fake_store("store", json!([{"key": "k", "value": "v"}]))
        .await?;
    let mut object = w.object("app", json!({"secretStoreRef": {"name": "store"}, "data": [{"secretKey": "a", "remoteRef": {"key": "k"}}]}));
    object["metadata"]["labels"] = json!({"team": "blue"});
    object["metadata"]["annotations"] = json!({"note": "one"});
    w.api.create(&object).await?;
    w.until_ready("app").await?;
    let secret = w.secret("app").await?.unwrap();
    assert_eq!(secret["metadata"]["labels"]["team"], "blue");
    assert_eq!(secret["metadata"]["annotations"]["note"], "one");
    w.api
        .patch(
            "ExternalSecret",
            &w.ns,
            "app",
            &json!({"metadata": {"labels": {"team": null, "cost": "42"}}}),
        )
        .await?;
    let changed = |s: &serde_json::Value| {
        s["metadata"]["labels"]["cost"] == "42" && s["metadata"]["labels"].get("team").is_none()
    };
    w.api
        .until("Secret", &w.ns, "app", "relabelled", changed)
        .await?;
    Ok(())
}

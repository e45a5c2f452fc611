//! Creation and deletion policies, ownership.

use anyhow::Result;
use keyless_scenarios::World;
use serde_json::{Value, json};

scenarios!(
    merge_keeps_foreign_keys,
    orphan_survives,
    none_writes_nothing,
    rename_moves_the_secret,
    two_owners,
    unowned_is_adopted,
    retain_keeps_the_last_good_value,
    delete_policy
);

fn with_target(target: Value) -> Value {
    json!({"secretStoreRef": {"name": "store"}, "target": target, "data": [{"secretKey": "a", "remoteRef": {"key": "k"}}]})
}

async fn store(w: &World) -> Result<()> {
    w.fake_store("store", json!([{"key": "k", "value": "v"}]))
        .await
}

async fn foreign_secret(w: &World, name: &str) -> Result<Value> {
    w.api.create(&json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": w.ns}, "data": {"theirs": "eA=="}})).await
}

/// Merge adds its keys to a Secret that exists, and waits for one that does not.
async fn merge_keeps_foreign_keys(world: World) -> Result<()> {
    let w = &world;
    store(w).await?;
    w.external_secret(
        "app",
        with_target(json!({"name": "shared", "creationPolicy": "Merge"})),
    )
    .await?;
    w.until_reason("app", "SecretMissing").await?;
    foreign_secret(w, "shared").await?;
    w.api
        .patch(
            "ExternalSecret",
            &w.ns,
            "app",
            &json!({"metadata": {"annotations": {"external-secrets.io/force-sync": "1"}}}),
        )
        .await?;
    w.until_reason("app", "SecretSynced").await?;
    let data = w.secret_data("shared").await?;
    assert_eq!((data["theirs"].as_str(), data["a"].as_str()), ("x", "v"));
    let secret = w.secret("shared").await?.unwrap();
    assert!(
        secret["metadata"].get("ownerReferences").is_none(),
        "a merged Secret is not owned"
    );
    Ok(())
}

/// Orphan leaves the Secret behind.
async fn orphan_survives(world: World) -> Result<()> {
    let w = &world;
    store(w).await?;
    w.external_secret("app", with_target(json!({"creationPolicy": "Orphan"})))
        .await?;
    w.until_ready("app").await?;
    let secret = w.secret("app").await?.unwrap();
    assert!(secret["metadata"].get("ownerReferences").is_none());
    w.api.delete("ExternalSecret", &w.ns, "app").await?;
    w.settle().await?;
    assert_eq!(w.secret_data("app").await?["a"], "v");
    Ok(())
}

/// None reads, and writes nothing.
async fn none_writes_nothing(world: World) -> Result<()> {
    let w = &world;
    store(w).await?;
    w.external_secret("app", with_target(json!({"creationPolicy": "None"})))
        .await?;
    let es = w.until_ready("app").await?;
    assert!(w.secret("app").await?.is_none());
    assert!(
        es["status"].get("binding").is_none() || es["status"]["binding"]["name"] == "",
        "{es}"
    );
    Ok(())
}

/// A new target name deletes the old Secret.
async fn rename_moves_the_secret(world: World) -> Result<()> {
    let w = &world;
    store(w).await?;
    w.external_secret("app", with_target(json!({"name": "before"})))
        .await?;
    w.until_ready("app").await?;
    w.api
        .patch(
            "ExternalSecret",
            &w.ns,
            "app",
            &json!({"spec": {"target": {"name": "after"}}}),
        )
        .await?;
    w.api
        .until("Secret", &w.ns, "after", "present", |s| !s.is_null())
        .await?;
    w.api
        .until("Secret", &w.ns, "before", "gone", Value::is_null)
        .await?;
    Ok(())
}

/// The second ExternalSecret for one Secret is refused; the first keeps it.
async fn two_owners(world: World) -> Result<()> {
    let w = &world;
    store(w).await?;
    w.external_secret("first", with_target(json!({"name": "one"})))
        .await?;
    w.until_ready("first").await?;
    w.external_secret("second", with_target(json!({"name": "one"})))
        .await?;
    w.until_message("second", "target is owned by another ExternalSecret")
        .await?;
    assert_eq!(
        w.secret("one").await?.unwrap()["metadata"]["ownerReferences"][0]["name"],
        "first"
    );
    Ok(())
}

/// A Secret that nobody owns is taken over by creationPolicy Owner.
async fn unowned_is_adopted(world: World) -> Result<()> {
    let w = &world;
    store(w).await?;
    foreign_secret(w, "app").await?;
    w.external_secret("app", with_target(json!({}))).await?;
    w.until_ready("app").await?;
    assert_eq!(
        w.secret_data("app").await?,
        [("a".to_owned(), "v".to_owned())].into()
    );
    assert_eq!(
        w.secret("app").await?.unwrap()["metadata"]["ownerReferences"][0]["name"],
        "app"
    );
    Ok(())
}

/// When the remote value disappears, Retain (the default) leaves the Secret untouched.
async fn retain_keeps_the_last_good_value(world: World) -> Result<()> {
    let w = &world;
    store(w).await?;
    w.external_secret("app", with_target(json!({}))).await?;
    w.until_ready("app").await?;
    let before = w.secret("app").await?.unwrap();
    w.api.patch("SecretStore", &w.ns, "store", &json!({"spec": {"provider": {"fake": {"data": [{"key": "unrelated", "value": "x"}]}}}})).await?;
    w.until_message("app", "could not get secret data from provider")
        .await?;
    assert_eq!(
        w.secret("app").await?.unwrap()["metadata"]["resourceVersion"],
        before["metadata"]["resourceVersion"]
    );
    Ok(())
}

/// With deletionPolicy Delete the Secret goes with the last remote value.
async fn delete_policy(world: World) -> Result<()> {
    let w = &world;
    store(w).await?;
    w.external_secret("app", with_target(json!({"deletionPolicy": "Delete"})))
        .await?;
    w.until_ready("app").await?;
    w.api.patch("SecretStore", &w.ns, "store", &json!({"spec": {"provider": {"fake": {"data": [{"key": "unrelated", "value": "x"}]}}}})).await?;
    w.until_reason("app", "SecretDeleted").await?;
    assert!(w.secret("app").await?.is_none());
    Ok(())
}

//! Nothing is left at the provider, or less than before; and the ExternalSecret itself goes.

use anyhow::Result;
use keyless_scenarios::World;
use serde_json::{Value, json};

scenarios!(
    retain_keeps_what_was_found_last,
    merge_empties_the_secret,
    delete_takes_only_what_it_owns,
    delete_with_nothing_to_delete,
    delete_needs_an_owner,
    a_part_is_lost,
    deletion_of_the_external_secret,
    metrics_go_with_the_object
);

fn finds(target: Value) -> Value {
    json!({"secretStoreRef": {"name": "store"}, "target": target,
        "dataFrom": [{"find": {"name": {"regexp": "^app"}}}]})
}

fn reads(target: Value) -> Value {
    json!({"secretStoreRef": {"name": "store"}, "target": target,
        "data": [{"secretKey": "a", "remoteRef": {"key": "app-a"}}, {"secretKey": "b", "remoteRef": {"key": "app-b"}}]})
}

async fn full(w: &World) -> Result<()> {
    let entries = json!([{"key": "app-a", "value": "1"}, {"key": "app-b", "value": "2"}]);
    w.fake_store("store", entries).await
}

async fn drain(w: &World) -> Result<()> {
    w.fake_data("store", json!([{"key": "unrelated", "value": "x"}]))
        .await
}

/// `find` that matches nothing any more: Retain writes nothing and says so.
async fn retain_keeps_what_was_found_last(world: World) -> Result<()> {
    let w = &world;
    full(w).await?;
    w.external_secret("app", finds(json!({}))).await?;
    w.until_ready("app").await?;
    let before = w.secret("app").await?.unwrap();
    drain(w).await?;
    w.api
        .until("ExternalSecret", &w.ns, "app", "retained", |o| {
            keyless_scenarios::api::ready(o)
                == (
                    "True".into(),
                    "SecretSynced".into(),
                    "secret retained due to DeletionPolicy=Retain".into(),
                )
        })
        .await?;
    let after = w.secret("app").await?.unwrap();
    assert_eq!(
        before["metadata"]["resourceVersion"],
        after["metadata"]["resourceVersion"]
    );
    Ok(())
}

/// deletionPolicy Merge: our keys go, the Secret stays, others' keys with it.
async fn merge_empties_the_secret(world: World) -> Result<()> {
    let w = &world;
    full(w).await?;
    w.external_secret("app", reads(json!({"deletionPolicy": "Merge"})))
        .await?;
    w.api
        .create(&json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "shared", "namespace": w.ns}, "data": {"theirs": "eA=="}}))
        .await?;
    w.external_secret(
        "merge",
        reads(json!({"name": "shared", "creationPolicy": "Merge", "deletionPolicy": "Merge"})),
    )
    .await?;
    for name in ["app", "merge"] {
        w.until_ready(name).await?;
    }
    drain(w).await?;
    let lost = |s: &Value| !s.is_null() && s["data"].get("a").is_none();
    let secret = w.api.until("Secret", &w.ns, "app", "empty", lost).await?;
    assert!(keyless_scenarios::data(&secret).is_empty());
    let secret = w
        .api
        .until("Secret", &w.ns, "shared", "without ours", lost)
        .await?;
    let keys: Vec<String> = keyless_scenarios::data(&secret).into_keys().collect();
    assert_eq!(keys, ["theirs"]);
    for name in ["app", "merge"] {
        assert_eq!(
            keyless_scenarios::api::ready(&w.until_ready(name).await?).1,
            "SecretSynced"
        );
    }
    Ok(())
}

/// A Secret of the target's name that somebody else made is not ours to delete; ESO deletes it.
async fn delete_takes_only_what_it_owns(world: World) -> Result<()> {
    let w = &world;
    w.fake_store("store", json!([{"key": "unrelated", "value": "x"}]))
        .await?;
    let before = w
        .api
        .create(&json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "app", "namespace": w.ns,
            "labels": {"reconcile.external-secrets.io/managed": "true"}}, "data": {"theirs": "eA=="}}))
        .await?;
    w.external_secret("app", finds(json!({"deletionPolicy": "Delete"})))
        .await?;
    w.until_message("app", "could not delete secret").await?;
    let after = w.secret("app").await?.unwrap();
    assert_eq!(before["metadata"]["uid"], after["metadata"]["uid"]);
    Ok(())
}

async fn delete_with_nothing_to_delete(world: World) -> Result<()> {
    let w = &world;
    w.fake_store("store", json!([{"key": "unrelated", "value": "x"}]))
        .await?;
    w.external_secret("app", finds(json!({"deletionPolicy": "Delete"})))
        .await?;
    let object = w.until_reason("app", "SecretDeleted").await?;
    assert_eq!(keyless_scenarios::api::ready(&object).0, "True");
    assert!(w.secret("app").await?.is_none());
    // And back, when there is something.
    w.fake_data("store", json!([{"key": "app-a", "value": "1"}]))
        .await?;
    w.until_reason("app", "SecretSynced").await?;
    assert_eq!(w.secret_data("app").await?["app-a"], "1");
    Ok(())
}

/// Orphan passes admission with Delete, and fails when there is nothing: nobody would own it.
async fn delete_needs_an_owner(world: World) -> Result<()> {
    let w = &world;
    full(w).await?;
    w.external_secret(
        "app",
        reads(json!({"creationPolicy": "Orphan", "deletionPolicy": "Delete"})),
    )
    .await?;
    w.until_ready("app").await?;
    drain(w).await?;
    let message = w.until_message("app", "could not delete secret").await?;
    assert!(message.contains("creationPolicy=Owner"), "{message}");
    assert_eq!(
        w.secret_data("app").await?.len(),
        2,
        "the last good value stays"
    );
    for policy in ["Merge", "None", "CreateOrMerge"] {
        let spec = reads(json!({"creationPolicy": policy, "deletionPolicy": "Delete"}));
        let refusal = w
            .api
            .try_create(&w.object("never", spec))
            .await?
            .unwrap_err();
        assert!(
            refusal.message.contains("creationPolicy=Owner"),
            "{policy}: {}",
            refusal.message
        );
    }
    Ok(())
}

/// Some keys are still found: under Delete and Merge the others go, under Retain all stay.
async fn a_part_is_lost(world: World) -> Result<()> {
    let w = &world;
    full(w).await?;
    for policy in ["Delete", "Merge", "Retain"] {
        w.external_secret(
            &policy.to_lowercase(),
            reads(json!({"deletionPolicy": policy})),
        )
        .await?;
        w.until_ready(&policy.to_lowercase()).await?;
    }
    w.fake_data("store", json!([{"key": "app-a", "value": "1"}]))
        .await?;
    for name in ["delete", "merge"] {
        let lost = |s: &Value| !s.is_null() && s["data"].get("b").is_none();
        w.api
            .until("Secret", &w.ns, name, "without b", lost)
            .await?;
        assert_eq!(w.secret_data(name).await?["a"], "1");
    }
    w.until_message("retain", "spec.data[1] (key: app-b)")
        .await?;
    assert_eq!(w.secret_data("retain").await?.len(), 2);
    Ok(())
}

/// Whatever the deletion policy: an owned Secret goes with its ExternalSecret, an orphan stays.
async fn deletion_of_the_external_secret(world: World) -> Result<()> {
    let w = &world;
    full(w).await?;
    let finalizer = "externalsecrets.external-secrets.io/externalsecret-cleanup";
    for (name, target) in [
        ("retain", json!({"deletionPolicy": "Retain"})),
        ("delete", json!({"deletionPolicy": "Delete"})),
        ("orphan", json!({"creationPolicy": "Orphan"})),
        ("shared", json!({"creationPolicy": "CreateOrMerge"})),
    ] {
        let mut object = w.object(name, reads(target));
        // As ESO had left it: a namespace must not hang because of it.
        object["metadata"]["finalizers"] = json!([finalizer]);
        w.api.create(&object).await?;
        w.until_ready(name).await?;
        w.api.delete("ExternalSecret", &w.ns, name).await?;
        w.api
            .until("ExternalSecret", &w.ns, name, "gone", Value::is_null)
            .await?;
    }
    for name in ["retain", "delete"] {
        w.api
            .until("Secret", &w.ns, name, "gone", Value::is_null)
            .await?;
    }
    w.settle().await?;
    for name in ["orphan", "shared"] {
        assert_eq!(w.secret_data(name).await?.len(), 2, "{name}");
    }
    Ok(())
}

/// The condition of an object that is gone is no longer told.
async fn metrics_go_with_the_object(world: World) -> Result<()> {
    let w = &world;
    full(w).await?;
    w.external_secret("app", reads(json!({}))).await?;
    w.until_ready("app").await?;
    let line = |text: &str| {
        let named = format!("namespace=\"{}\"", w.ns);
        text.lines()
            .any(|l| l.starts_with("externalsecret_status_condition") && l.contains(&named))
    };
    assert!(line(&w.metrics().await?), "{}", w.metrics().await?);
    w.api.delete("ExternalSecret", &w.ns, "app").await?;
    w.api
        .until("ExternalSecret", &w.ns, "app", "gone", Value::is_null)
        .await?;
    keyless_scenarios::api::eventually("the metrics going", || async {
        Ok((!line(&w.metrics().await?)).then_some(()))
    })
    .await
}

//! Somebody else will not leave a Secret or an ExternalSecret alone: the writes are bounded.
//!
//! The bounds of a minute are shown by `plan::pace` on paper; here it is shown that they hold for
//! the whole operator, over the quarter of a minute in which the pauses grow.

use std::time::{Duration, Instant};

use anyhow::Result;
use keyless_scenarios::{Seen, World};
use serde_json::{Value, json};

scenarios!(
    an_edited_secret,
    a_deleted_secret,
    an_external_secret_that_is_rewritten,
    an_external_secret_that_is_applied_again,
    two_that_merge_the_same_key,
    two_that_own_one_target
);

/// How long a fight is watched.
const ROUND: Duration = Duration::from_secs(15);
/// Six writes at once and then after 1, 2, 4 and 8 seconds.
const DRIFT: usize = 10;
/// Six writes at once and then after 1, 2, 4, 5 and 5 seconds; a moment more for a slow machine.
const CHANGED: usize = 11;

fn one_key(interval: &str, target: Value) -> Value {
    json!({"refreshInterval": interval, "secretStoreRef": {"name": "store"}, "target": target,
        "data": [{"secretKey": "a", "remoteRef": {"key": "k"}}]})
}

/// An operator whose changes are noted, its class, and a store for it.
async fn arena(w: &World) -> Result<(keyless_scenarios::Running, std::sync::Arc<Seen>)> {
    let class = format!("fight-{}", w.ns);
    let entries = json!([{"key": "k", "value": "v"}, {"key": "other", "value": "w"}]);
    w.store_of_class("store", &class, entries).await?;
    w.watched_operator(&class).await
}

/// A user or a controller who changes the data over and over.
async fn an_edited_secret(world: World) -> Result<()> {
    let w = &world;
    let (operator, seen) = arena(w).await?;
    w.external_secret("app", one_key("1h", json!({}))).await?;
    w.until_ready("app").await?;
    let begin = Instant::now();
    let mut edits = 0_usize;
    while begin.elapsed() < ROUND {
        edits += 1;
        w.api
            .patch(
                "Secret",
                &w.ns,
                "app",
                &json!({"stringData": {"a": format!("edit {edits}")}}),
            )
            .await?;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let writes = seen.secret_writes("app") - 1;
    assert!(edits > 3 * DRIFT, "it was a fight: {edits} edits");
    assert!(
        (4..=DRIFT).contains(&writes),
        "{writes} repairs of {edits} edits"
    );
    assert!(seen.status_writes("app") <= 1 + DRIFT, "{:?}", seen.all());
    // The end: the last edit is repaired too.
    let repaired = |s: &Value| keyless_scenarios::data(s)["a"] == "v";
    w.api
        .until("Secret", &w.ns, "app", "repaired", repaired)
        .await?;
    operator.stop().await
}

/// Somebody who deletes it over and over.
async fn a_deleted_secret(world: World) -> Result<()> {
    let w = &world;
    let (operator, seen) = arena(w).await?;
    w.external_secret("app", one_key("1h", json!({}))).await?;
    w.until_ready("app").await?;
    let begin = Instant::now();
    while begin.elapsed() < ROUND {
        w.api.delete("Secret", &w.ns, "app").await?;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let writes = seen.secret_writes("app") - 1;
    assert!((4..=DRIFT).contains(&writes), "{writes} repairs");
    w.api
        .until("Secret", &w.ns, "app", "there", |s| !s.is_null())
        .await?;
    operator.stop().await
}

/// A tool that changes the ExternalSecret over and over, spec or metadata.
async fn an_external_secret_that_is_rewritten(world: World) -> Result<()> {
    let w = &world;
    let (operator, seen) = arena(w).await?;
    w.external_secret("app", one_key("1h", json!({}))).await?;
    w.until_ready("app").await?;
    let begin = Instant::now();
    let mut turn = 0_usize;
    while begin.elapsed() < ROUND {
        turn += 1;
        let key = if turn.is_multiple_of(2) { "k" } else { "other" };
        w.change(
            "app",
            json!({"metadata": {"annotations": {"applied-at": format!("{turn}")}},
                "spec": {"data": [{"secretKey": "a", "remoteRef": {"key": key}}]}}),
        )
        .await?;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(turn > 3 * CHANGED, "it was a fight: {turn} changes");
    let (secret, status) = (seen.secret_writes("app") - 1, seen.status_writes("app") - 1);
    assert!(
        (4..=CHANGED).contains(&secret),
        "{secret} writes of the Secret for {turn} changes"
    );
    assert!(
        (4..=CHANGED).contains(&status),
        "{status} writes of the status for {turn} changes"
    );
    // The end: the last state is what is synced, and soon.
    let last = json!(format!("{turn}"));
    w.api
        .until("Secret", &w.ns, "app", "the last state", |s| {
            s["metadata"]["annotations"]["applied-at"] == last
        })
        .await?;
    operator.stop().await
}

/// A GitOps tool that applies the same manifest again, on either side: nothing at all is written.
async fn an_external_secret_that_is_applied_again(world: World) -> Result<()> {
    let w = &world;
    let (operator, seen) = arena(w).await?;
    let manifest = w.object(
        "app",
        one_key(
            "1h",
            json!({"creationPolicy": "Owner", "deletionPolicy": "Retain"}),
        ),
    );
    w.api.apply_as("argocd-controller", &manifest).await?;
    w.until_ready("app").await?;
    let before = w.api.get("ExternalSecret", &w.ns, "app").await?.unwrap();
    let rest = (seen.secret_writes("app"), seen.status_writes("app"));
    for _ in 0..40 {
        w.api.apply_as("argocd-controller", &manifest).await?;
        // What a client sends that has read, merged and found nothing to change.
        w.change("app", json!({"spec": manifest["spec"]})).await?;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    w.settle().await?;
    let after = w.api.get("ExternalSecret", &w.ns, "app").await?.unwrap();
    assert_eq!(
        after["metadata"]["resourceVersion"], before["metadata"]["resourceVersion"],
        "the tool finds nothing that it would have to change back"
    );
    assert_eq!((seen.secret_writes("app"), seen.status_writes("app")), rest);
    operator.stop().await
}

/// Two ExternalSecrets that put different values under one key of a Secret of neither.
async fn two_that_merge_the_same_key(world: World) -> Result<()> {
    let w = &world;
    let (operator, seen) = arena(w).await?;
    w.api
        .create(&json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "shared", "namespace": w.ns}, "data": {"theirs": "eA=="}}))
        .await?;
    let target = || json!({"name": "shared", "creationPolicy": "Merge"});
    w.external_secret("one", one_key("1s", target())).await?;
    w.until_ready("one").await?;
    let mut spec = one_key("1s", target());
    spec["data"][0]["remoteRef"]["key"] = json!("other");
    w.external_secret("two", spec).await?;
    w.until_ready("two").await?;
    let before = seen.secret_writes("shared");
    tokio::time::sleep(2 * ROUND).await;
    let writes = seen.secret_writes("shared") - before;
    // Unbounded it would be sixty: each at each of its refreshes. So it is the first six of each,
    // and those after 1, 2, 4, 8 and 16 seconds.
    assert!((4..=2 * (DRIFT + 1)).contains(&writes), "{writes} writes");
    assert_eq!(w.secret_data("shared").await?["theirs"], "x");
    operator.stop().await
}

/// Two ExternalSecrets that want to own one Secret: the first has it, the second never writes.
async fn two_that_own_one_target(world: World) -> Result<()> {
    let w = &world;
    let (operator, seen) = arena(w).await?;
    w.external_secret("first", one_key("1s", json!({"name": "one"})))
        .await?;
    w.until_ready("first").await?;
    let mut spec = one_key("1s", json!({"name": "one"}));
    spec["data"][0]["remoteRef"]["key"] = json!("other");
    w.external_secret("second", spec).await?;
    w.until_message("second", "target is owned by another ExternalSecret")
        .await?;
    let object = w.api.get("ExternalSecret", &w.ns, "second").await?.unwrap();
    assert_eq!(object["status"]["binding"]["name"], "one", "as with ESO");
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(seen.secret_writes("one"), 1);
    assert_eq!(
        (seen.status_writes("first"), seen.status_writes("second")),
        (1, 1)
    );
    assert_eq!(w.secret_data("one").await?["a"], "v");
    operator.stop().await
}

//! Sync windows: when periodic reads are held back, and what passes nevertheless. Each scenario
//! has an operator of its own whose clock shows a chosen time of a night.

use anyhow::{Context, Result};
use keyless_scenarios::World;
use serde_json::{Value, json};

scenarios!(
    opens_at_its_moment,
    closes_at_its_moment,
    changes_pass,
    unreadable_windows_are_told,
);

/// The evening before the windows of these scenarios open.
const NIGHT: &str = "2026-03-01T";

/// 1 March 2026 at so many hours, minutes and seconds, in milliseconds since the Unix epoch.
const fn at(hour: i64, minute: i64, second: i64) -> i64 {
    1_772_323_200_000 + ((hour * 60 + minute) * 60 + second) * 1000
}

fn spec(kind: &str, schedule: &str) -> Value {
    json!({
        "refreshInterval": "1s",
        "secretStoreRef": {"name": "store"},
        "syncWindows": {"kind": kind, "windows": [{"schedule": schedule, "duration": "1h"}]},
        "data": [{"secretKey": "a", "remoteRef": {"key": "k"}}],
    })
}

async fn store(w: &World, class: &str) -> Result<()> {
    w.store_of_class(
        "store",
        class,
        json!([{"key": "k", "value": "one"}, {"key": "other", "value": "else"}]),
    )
    .await
}

async fn change_store(w: &World) -> Result<()> {
    let entries = json!([{"key": "k", "value": "two"}, {"key": "other", "value": "else"}]);
    let patch = json!({"spec": {"provider": {"fake": {"data": entries}}}});
    w.api
        .patch("SecretStore", &w.ns, "store", &patch)
        .await
        .map(drop)
}

fn holds(value: &'static str) -> impl Fn(&Value) -> bool {
    move |secret| keyless_scenarios::data(secret).get("a").map(String::as_str) == Some(value)
}

/// The operator's time when it changed the Secret, as its event says.
async fn updated_at(w: &World) -> Result<String> {
    let events = w.until_event("app", "Updated").await?;
    let event = events.iter().find(|e| e["reason"] == "Updated");
    let time = event.and_then(|e| e["lastTimestamp"].as_str());
    time.map(str::to_owned).context("an event without a time")
}

/// The value read before the moment and the changed one read at it.
async fn passes_at(w: &World, class: &str, clock: i64, spec: Value, moment: &str) -> Result<()> {
    let operator = w.operator_at(class, clock).await?;
    store(w, class).await?;
    w.external_secret("app", spec).await?;
    let first = w.until_ready("app").await?;
    let moment = format!("{NIGHT}{moment}Z");
    let read = first["status"]["refreshTime"].as_str().unwrap_or_default();
    assert!(read < moment.as_str(), "the first read passes: {read}");
    assert_eq!(w.secret_data("app").await?["a"], "one");
    change_store(w).await?;
    w.api
        .until("Secret", &w.ns, "app", "updated", holds("two"))
        .await?;
    let updated = updated_at(w).await?;
    assert!(
        updated >= moment,
        "read at {updated}, allowed from {moment}"
    );
    operator.stop().await
}

/// Reads are allowed from the schedule's moment on, and none is made before.
async fn opens_at_its_moment(world: World) -> Result<()> {
    let spec = spec("allow", "0 2 * * *");
    passes_at(&world, "opens", at(1, 59, 45), spec, "02:00:00").await
}

/// Reads are denied until the window's duration is over.
async fn closes_at_its_moment(world: World) -> Result<()> {
    let spec = spec("deny", "0 2 * * *");
    passes_at(&world, "closes", at(2, 59, 45), spec, "03:00:00").await
}

/// Outside of its window an object is read once, and again when it is changed or forced; a
/// deleted Secret comes back.
async fn changes_pass(world: World) -> Result<()> {
    let w = &world;
    let operator = w.operator_at("changes", at(1, 0, 0)).await?;
    store(w, "changes").await?;
    w.external_secret("app", spec("allow", "0 2 * * *")).await?;
    w.until_ready("app").await?;
    change_store(w).await?;
    w.settle().await?;
    assert_eq!(w.secret_data("app").await?["a"], "one", "held back");
    let force = json!({"metadata": {"annotations": {"external-secrets.io/force-sync": "now"}}});
    w.api.patch("ExternalSecret", &w.ns, "app", &force).await?;
    w.api
        .until("Secret", &w.ns, "app", "forced", holds("two"))
        .await?;
    let other = json!({"spec": {"data": [{"secretKey": "a", "remoteRef": {"key": "other"}}]}});
    w.api.patch("ExternalSecret", &w.ns, "app", &other).await?;
    w.api
        .until("Secret", &w.ns, "app", "changed", holds("else"))
        .await?;
    w.api.delete("Secret", &w.ns, "app").await?;
    w.api
        .until("Secret", &w.ns, "app", "made anew", holds("else"))
        .await?;
    operator.stop().await
}

/// Windows that nobody can read block, and the condition says so.
async fn unreadable_windows_are_told(world: World) -> Result<()> {
    let w = &world;
    w.fake_store("store", json!([{"key": "k", "value": "v"}]))
        .await?;
    w.external_secret("app", spec("allow", "99 99 * * *"))
        .await?;
    let (_, reason, message) = keyless_scenarios::api::ready(&w.until_ready("app").await?);
    assert_eq!(reason, "SecretSynced");
    for part in [
        "secret synced; ",
        "spec.syncWindows.windows[0].schedule \"99 99 * * *\" is ignored",
        "no window ever opens",
    ] {
        assert!(message.contains(part), "{message}");
    }
    Ok(())
}

//! When a value is read again, when a Secret is repaired, and when nothing is written.

use anyhow::Result;
use keyless_scenarios::World;
use serde_json::{Value, json};

scenarios!(alone: nothing_is_written_at_rest);
scenarios!(
    interval,
    force_sync,
    drift_is_repaired,
    created_once,
    on_change,
    changed_store_wakes
);

fn one_key(store: &str) -> Value {
    json!({"secretStoreRef": {"name": store}, "data": [{"secretKey": "a", "remoteRef": {"key": "k"}}]})
}

async fn change_store(w: &World, value: &str) -> Result<()> {
    w.api
        .patch(
            "SecretStore",
            &w.ns,
            "store",
            &json!({"spec": {"provider": {"fake": {"data": [{"key": "k", "value": value}]}}}}),
        )
        .await?;
    Ok(())
}

fn holds(value: &'static str) -> impl Fn(&Value) -> bool {
    move |secret| {
        !secret.is_null()
            && keyless_scenarios::data(secret)
                .get("a")
                .is_some_and(|v| v == value)
    }
}

/// A changed value arrives after the interval, without any change in the cluster.
async fn interval(world: World) -> Result<()> {
    let w = &world;
    w.parameter("k", "one").await?;
    w.aws_ready("reader").await?;
    let spec = json!({"refreshInterval": "1s", "secretStoreRef": {"name": "aws"}, "data": [{"secretKey": "a", "remoteRef": {"key": w.path("k")}}]});
    w.external_secret("app", spec).await?;
    w.until_ready("app").await?;
    w.parameter("k", "two").await?;
    w.api
        .until("Secret", &w.ns, "app", "updated", holds("two"))
        .await?;
    Ok(())
}

/// The force-sync annotation reads again at once, however long the interval.
async fn force_sync(world: World) -> Result<()> {
    let w = &world;
    w.parameter("k", "one").await?;
    w.aws_ready("reader").await?;
    let spec = json!({"refreshInterval": "24h", "secretStoreRef": {"name": "aws"}, "data": [{"secretKey": "a", "remoteRef": {"key": w.path("k")}}]});
    w.external_secret("app", spec).await?;
    w.until_ready("app").await?;
    w.parameter("k", "two").await?;
    w.api
        .patch(
            "ExternalSecret",
            &w.ns,
            "app",
            &json!({"metadata": {"annotations": {"external-secrets.io/force-sync": "now"}}}),
        )
        .await?;
    w.api
        .until("Secret", &w.ns, "app", "updated", holds("two"))
        .await?;
    Ok(())
}

/// A deleted Secret comes back; an edited one is restored; a foreign label survives.
async fn drift_is_repaired(world: World) -> Result<()> {
    let w = &world;
    w.fake_store("store", json!([{"key": "k", "value": "v"}]))
        .await?;
    w.external_secret("app", one_key("store")).await?;
    w.until_ready("app").await?;
    let first = w.secret("app").await?.unwrap()["metadata"]["uid"].clone();

    w.api.delete("Secret", &w.ns, "app").await?;
    w.api
        .until("Secret", &w.ns, "app", "recreated", |s| {
            holds("v")(s) && s["metadata"]["uid"] != first
        })
        .await?;

    w.api.patch("Secret", &w.ns, "app", &json!({"data": {"a": "dGFtcGVyZWQ=", "b": "ZXh0cmE="}, "metadata": {"labels": {"foreign": "yes"}}})).await?;
    let secret = w
        .api
        .until("Secret", &w.ns, "app", "restored", |s| {
            holds("v")(s) && s["data"].get("b").is_none()
        })
        .await?;
    assert_eq!(
        secret["metadata"]["labels"]["foreign"], "yes",
        "what others put beside the data stays"
    );
    Ok(())
}

/// Several refreshes without a change at the provider write nothing at all.
async fn nothing_is_written_at_rest(world: World) -> Result<()> {
    let w = &world;
    w.parameter("k", "same").await?;
    w.aws_ready("reader").await?;
    let spec = json!({"refreshInterval": "1s", "secretStoreRef": {"name": "aws"}, "data": [{"secretKey": "a", "remoteRef": {"key": w.path("k")}}]});
    w.external_secret("app", spec).await?;
    let es = w.until_ready("app").await?;
    let secret = w.secret("app").await?.unwrap();
    let calls = w.aws_calls();
    w.until_calls(&calls, "ssm:GetParameter", 3).await?;
    let later = w.api.get("ExternalSecret", &w.ns, "app").await?.unwrap();
    assert_eq!(
        es["metadata"]["resourceVersion"], later["metadata"]["resourceVersion"],
        "the ExternalSecret was not written"
    );
    assert_eq!(
        secret["metadata"]["resourceVersion"],
        w.secret("app").await?.unwrap()["metadata"]["resourceVersion"],
        "the Secret was not written"
    );
    Ok(())
}

/// CreatedOnce ignores a changed spec.
async fn created_once(world: World) -> Result<()> {
    let w = &world;
    w.fake_store(
        "store",
        json!([{"key": "k", "value": "v"}, {"key": "other", "value": "w"}]),
    )
    .await?;
    let mut spec = one_key("store");
    spec["refreshPolicy"] = json!("CreatedOnce");
    w.external_secret("app", spec).await?;
    let before = w.until_ready("app").await?;
    w.api
        .patch(
            "ExternalSecret",
            &w.ns,
            "app",
            &json!({"spec": {"data": [{"secretKey": "a", "remoteRef": {"key": "other"}}]}}),
        )
        .await?;
    w.settle().await?;
    assert_eq!(w.secret_data("app").await?["a"], "v");
    let after = w.api.get("ExternalSecret", &w.ns, "app").await?.unwrap();
    assert_eq!(
        before["status"]["syncedResourceVersion"],
        after["status"]["syncedResourceVersion"]
    );
    Ok(())
}

/// OnChange reads again when the spec changes, and not by time.
async fn on_change(world: World) -> Result<()> {
    let w = &world;
    w.parameter("k", "one").await?;
    w.parameter("other", "other").await?;
    w.aws_ready("reader").await?;
    let spec = |key: &str| json!([{"secretKey": "a", "remoteRef": {"key": w.path(key)}}]);
    w.external_secret("app", json!({"refreshInterval": "1s", "refreshPolicy": "OnChange", "secretStoreRef": {"name": "aws"}, "data": spec("k")})).await?;
    w.until_ready("app").await?;
    w.parameter("k", "two").await?;
    w.settle().await?;
    assert_eq!(w.secret_data("app").await?["a"], "one");
    w.api
        .patch(
            "ExternalSecret",
            &w.ns,
            "app",
            &json!({"spec": {"data": spec("other")}}),
        )
        .await?;
    w.api
        .until("Secret", &w.ns, "app", "updated", holds("other"))
        .await?;
    Ok(())
}

/// A changed store wakes what depends on it.
async fn changed_store_wakes(world: World) -> Result<()> {
    let w = &world;
    w.fake_store("store", json!([{"key": "k", "value": "v"}]))
        .await?;
    w.external_secret("app", one_key("store")).await?;
    w.until_ready("app").await?;
    change_store(w, "changed").await?;
    w.api
        .until("Secret", &w.ns, "app", "updated", holds("changed"))
        .await?;
    Ok(())
}

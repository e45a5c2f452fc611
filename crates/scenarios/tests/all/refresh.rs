//! When a value is read again, when a Secret is repaired, and when nothing is written.

use anyhow::Result;
use keyless_scenarios::World;
use serde_json::{Value, json};

scenarios!(alone: nothing_is_written_at_rest, nothing_is_read_before_its_time);
scenarios!(
    an_interval_of_nothing,
    any_change_of_the_object_syncs,
    metadata_drift_waits_for_the_refresh,
    a_removed_label_is_put_back,
    an_orphan_is_not_repaired,
    a_repair_reads_the_present_value,
    a_failed_sync_keeps_the_last_success,
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

/// An interval of zero: synced once, and never again, not even after a change of the spec.
async fn an_interval_of_nothing(world: World) -> Result<()> {
    let w = &world;
    w.fake_store(
        "store",
        json!([{"key": "k", "value": "v"}, {"key": "other", "value": "w"}]),
    )
    .await?;
    let mut spec = one_key("store");
    spec["refreshInterval"] = json!("0");
    w.external_secret("app", spec).await?;
    let before = w.until_ready("app").await?;
    w.change("app", json!({"metadata": {"labels": {"l": "1"}}, "spec": {"data": [{"secretKey": "a", "remoteRef": {"key": "other"}}]}}))
        .await?;
    change_store(w, "changed").await?;
    w.settle().await?;
    assert_eq!(w.secret_data("app").await?["a"], "v");
    let after = w.api.get("ExternalSecret", &w.ns, "app").await?.unwrap();
    assert_eq!(before["status"], after["status"]);
    Ok(())
}

/// Spec, labels and annotations: each change is synced at once under Periodic and OnChange.
async fn any_change_of_the_object_syncs(world: World) -> Result<()> {
    let w = &world;
    w.fake_store("store", json!([{"key": "k", "value": "v"}]))
        .await?;
    for policy in ["Periodic", "OnChange"] {
        let name = policy.to_lowercase();
        let mut spec = one_key("store");
        spec["refreshPolicy"] = json!(policy);
        w.external_secret(&name, spec).await?;
        let mut last = w.until_ready(&name).await?["status"]["syncedResourceVersion"].clone();
        for patch in [
            json!({"metadata": {"labels": {"l": "1"}}}),
            json!({"metadata": {"annotations": {"a": "1"}}}),
            json!({"spec": {"refreshInterval": "2h"}}),
        ] {
            w.change(&name, patch).await?;
            let moved = |o: &Value| o["status"]["syncedResourceVersion"] != last;
            let object = w
                .api
                .until("ExternalSecret", &w.ns, &name, "synced again", moved)
                .await?;
            last = object["status"]["syncedResourceVersion"].clone();
        }
    }
    Ok(())
}

/// What is not data is put right at the next refresh, not before.
async fn metadata_drift_waits_for_the_refresh(world: World) -> Result<()> {
    let w = &world;
    w.fake_store("store", json!([{"key": "k", "value": "v"}]))
        .await?;
    let mut object = w.object("app", one_key("store"));
    object["metadata"]["labels"] = json!({"team": "blue"});
    w.api.create(&object).await?;
    w.until_ready("app").await?;
    w.api
        .patch(
            "Secret",
            &w.ns,
            "app",
            &json!({"metadata": {"labels": {"team": "red"}}}),
        )
        .await?;
    w.settle().await?;
    let team = |s: &Value| s["metadata"]["labels"]["team"].clone();
    assert_eq!(team(&w.secret("app").await?.unwrap()), "red");
    w.change(
        "app",
        json!({"metadata": {"annotations": {"external-secrets.io/force-sync": "1"}}}),
    )
    .await?;
    w.api
        .until("Secret", &w.ns, "app", "blue again", |s| team(s) == "blue")
        .await?;
    Ok(())
}

/// Without its managed label a Secret is out of the operator's sight; it is put back at once.
async fn a_removed_label_is_put_back(world: World) -> Result<()> {
    let w = &world;
    w.fake_store("store", json!([{"key": "k", "value": "v"}]))
        .await?;
    w.external_secret("app", one_key("store")).await?;
    w.until_ready("app").await?;
    let label = "reconcile.external-secrets.io/managed";
    w.api
        .patch(
            "Secret",
            &w.ns,
            "app",
            &json!({"metadata": {"labels": {label: null}}, "data": {"a": "eA=="}}),
        )
        .await?;
    w.api
        .until("Secret", &w.ns, "app", "managed again", |s| {
            s["metadata"]["labels"][label] == "true" && holds("v")(s)
        })
        .await?;
    Ok(())
}

/// Orphan: whoever edits the Secret may; the next refresh writes it again.
async fn an_orphan_is_not_repaired(world: World) -> Result<()> {
    let w = &world;
    w.fake_store("store", json!([{"key": "k", "value": "v"}]))
        .await?;
    let mut spec = one_key("store");
    spec["target"] = json!({"creationPolicy": "Orphan"});
    w.external_secret("app", spec).await?;
    w.until_ready("app").await?;
    w.api
        .patch("Secret", &w.ns, "app", &json!({"data": {"a": "ZWRpdGVk"}}))
        .await?;
    w.settle().await?;
    assert_eq!(w.secret_data("app").await?["a"], "edited");
    w.api.delete("Secret", &w.ns, "app").await?;
    w.settle().await?;
    assert!(w.secret("app").await?.is_none(), "nor is it made again");
    w.change(
        "app",
        json!({"metadata": {"annotations": {"external-secrets.io/force-sync": "1"}}}),
    )
    .await?;
    w.api
        .until("Secret", &w.ns, "app", "written again", holds("v"))
        .await?;
    Ok(())
}

/// Whatever the refresh policy: a Secret that was deleted or edited gets the present value.
async fn a_repair_reads_the_present_value(world: World) -> Result<()> {
    let w = &world;
    w.parameter("k", "one").await?;
    w.aws_ready("reader").await?;
    let spec = |policy: &str, interval: &str| {
        json!({"refreshPolicy": policy, "refreshInterval": interval, "secretStoreRef": {"name": "aws"},
            "data": [{"secretKey": "a", "remoteRef": {"key": w.path("k")}}]})
    };
    w.external_secret("once", spec("CreatedOnce", "1h")).await?;
    w.external_secret("zero", spec("Periodic", "0")).await?;
    for name in ["once", "zero"] {
        w.until_ready(name).await?;
    }
    w.parameter("k", "two").await?;
    w.api.delete("Secret", &w.ns, "once").await?;
    w.api
        .patch("Secret", &w.ns, "zero", &json!({"data": {"a": "eA=="}}))
        .await?;
    for name in ["once", "zero"] {
        w.api
            .until(
                "Secret",
                &w.ns,
                name,
                "with the present value",
                holds("two"),
            )
            .await?;
    }
    Ok(())
}

/// A failure leaves refreshTime and syncedResourceVersion as the last success left them.
async fn a_failed_sync_keeps_the_last_success(world: World) -> Result<()> {
    let w = &world;
    w.fake_store("store", json!([{"key": "k", "value": "v"}]))
        .await?;
    w.external_secret("app", one_key("store")).await?;
    let before = w.until_ready("app").await?;
    w.change(
        "app",
        json!({"spec": {"data": [{"secretKey": "a", "remoteRef": {"key": "absent"}}]}}),
    )
    .await?;
    w.until_failed("app").await?;
    let after = w.api.get("ExternalSecret", &w.ns, "app").await?.unwrap();
    for field in ["refreshTime", "syncedResourceVersion", "binding"] {
        assert_eq!(before["status"][field], after["status"][field], "{field}");
    }
    assert!(w.secret("app").await?.is_some());
    Ok(())
}

/// Between two refreshes the provider is left in peace, whatever happens to the status or to
/// labels of the Secret.
async fn nothing_is_read_before_its_time(world: World) -> Result<()> {
    let w = &world;
    w.parameter("k", "v").await?;
    w.aws_ready("reader").await?;
    w.external_secret("app", json!({"refreshInterval": "24h", "secretStoreRef": {"name": "aws"}, "data": [{"secretKey": "a", "remoteRef": {"key": w.path("k")}}]})).await?;
    w.until_ready("app").await?;
    let calls = w.aws_calls();
    w.api
        .patch(
            "Secret",
            &w.ns,
            "app",
            &json!({"metadata": {"labels": {"foreign": "1"}}}),
        )
        .await?;
    w.api
        .patch_status(
            "ExternalSecret",
            &w.ns,
            "app",
            &json!({"status": {"conditions": []}}),
        )
        .await?;
    w.settle().await?;
    let calls = w.aws_calls().since(&calls);
    assert_eq!(calls.of("ssm:"), 0, "{calls:?}");
    Ok(())
}

//! Bad input: a clear condition, the last good Secret untouched, everyone else still syncing.

use anyhow::Result;
use keyless_scenarios::World;
use serde_json::{Value, json};

scenarios!(
    missing_service_account,
    missing_parameter,
    missing_property,
    not_json,
    too_large,
    stored_before_the_schema,
    not_supported_yet,
    one_event_for_one_failure,
    outage_keeps_the_last_value
);

/// A healthy object beside the broken one: it must go on syncing.
async fn neighbour(w: &World) -> Result<()> {
    w.fake_store("healthy", json!([{"key": "k", "value": "v"}]))
        .await?;
    w.external_secret("neighbour", json!({"secretStoreRef": {"name": "healthy"}, "data": [{"secretKey": "a", "remoteRef": {"key": "k"}}]})).await?;
    w.until_ready("neighbour").await?;
    Ok(())
}

fn reads(w: &World, remote: Value) -> Value {
    let mut remote = remote;
    remote["key"] = json!(w.path(remote["key"].as_str().unwrap_or_default()));
    json!({"secretStoreRef": {"name": "aws"}, "data": [{"secretKey": "a", "remoteRef": remote}]})
}

async fn missing_service_account(world: World) -> Result<()> {
    let w = &world;
    w.store("aws", w.aws_store("nobody")).await?;
    w.external_secret("app", reads(w, json!({"key": "k"})))
        .await?;
    let message = w.until_message("app", "nobody").await?;
    assert!(message.contains("ServiceAccount"), "{message}");
    neighbour(w).await
}

async fn missing_parameter(world: World) -> Result<()> {
    let w = &world;
    w.aws_ready("reader").await?;
    w.external_secret("app", reads(w, json!({"key": "absent"})))
        .await?;
    let message = w.until_message("app", "absent").await?;
    assert!(
        message.starts_with("could not get secret data from provider"),
        "the API's own sentence comes first: {message}"
    );
    assert!(message.contains("does not exist"), "{message}");
    neighbour(w).await
}

async fn missing_property(world: World) -> Result<()> {
    let w = &world;
    w.parameter("j", r#"{"present":1,"hush":"canary-in-json"}"#)
        .await?;
    w.aws_ready("reader").await?;
    w.external_secret("app", reads(w, json!({"key": "j", "property": "absent"})))
        .await?;
    let message = w.until_message("app", "absent").await?;
    assert!(
        !message.contains("canary-in-json"),
        "the value is not quoted: {message}"
    );
    neighbour(w).await
}

async fn not_json(world: World) -> Result<()> {
    let w = &world;
    w.parameter("text", "plain canary-text").await?;
    w.aws_ready("reader").await?;
    w.external_secret("app", json!({"secretStoreRef": {"name": "aws"}, "dataFrom": [{"extract": {"key": w.path("text")}}]})).await?;
    let message = w.until_message("app", "JSON").await?;
    assert!(
        !message.contains("canary-text"),
        "the value is not quoted: {message}"
    );
    neighbour(w).await
}

/// A Secret above the API's limit is refused with the limit named, and the old one stays.
async fn too_large(world: World) -> Result<()> {
    let w = &world;
    w.fake_store("store", json!([{"key": "k", "value": "small"}]))
        .await?;
    w.external_secret("app", json!({"secretStoreRef": {"name": "store"}, "data": [{"secretKey": "a", "remoteRef": {"key": "k"}}, {"secretKey": "b", "remoteRef": {"key": "k"}}]})).await?;
    w.until_ready("app").await?;
    let before = w.secret("app").await?.unwrap();
    let half = "x".repeat(600 * 1024);
    w.api
        .patch(
            "SecretStore",
            &w.ns,
            "store",
            &json!({"spec": {"provider": {"fake": {"data": [{"key": "k", "value": half}]}}}}),
        )
        .await?;
    let message = w.until_message("app", "could not update secret").await?;
    assert!(message.len() < 2000, "the message does not carry the value");
    assert_eq!(
        w.secret("app").await?.unwrap()["metadata"]["resourceVersion"],
        before["metadata"]["resourceVersion"]
    );
    neighbour(w).await
}

/// An object that was stored before the schema forbade it: made before the CRDs were tightened.
async fn stored_before_the_schema(world: World) -> Result<()> {
    let w = &world;
    let message = w.until_malformed_is_told().await?;
    assert!(message.contains("spec"), "the field is named: {message}");
    neighbour(w).await
}

async fn not_supported_yet(world: World) -> Result<()> {
    let w = &world;
    w.api
        .create(&json!({"apiVersion": "external-secrets.io/v1", "kind": "SecretStore", "metadata": {"name": "far", "namespace": w.ns},
            "spec": {"provider": {"doppler": {"auth": {"secretRef": {"dopplerToken": {"name": "t"}}}}}}}))
        .await?;
    let told = |s: &Value| keyless_scenarios::api::ready(s).2.contains("doppler");
    w.api
        .until(
            "SecretStore",
            &w.ns,
            "far",
            "told that doppler is not supported",
            told,
        )
        .await?;
    w.external_secret("app", json!({"secretStoreRef": {"name": "far"}, "data": [{"secretKey": "a", "remoteRef": {"key": "k"}}]})).await?;
    w.until_message("app", "doppler").await?;
    Ok(())
}

/// A failure is told in one event, however often it is retried.
async fn one_event_for_one_failure(world: World) -> Result<()> {
    let w = &world;
    w.aws_ready("reader").await?;
    w.external_secret("app", json!({"refreshInterval": "1s", "secretStoreRef": {"name": "aws"}, "data": [{"secretKey": "a", "remoteRef": {"key": w.path("absent")}}]})).await?;
    w.until_message("app", "absent").await?;
    w.until_event("app", "UpdateFailed").await?;
    w.settle().await?;
    let events = w.until_event("app", "UpdateFailed").await?;
    let about_it = |e: &&Value| {
        e["reason"] == "UpdateFailed" && e["message"].as_str().is_some_and(|m| m.contains("absent"))
    };
    assert_eq!(events.iter().filter(about_it).count(), 1, "{events:?}");
    Ok(())
}

/// The provider fails: the Secret stays, the condition says so, and it recovers by itself.
async fn outage_keeps_the_last_value(world: World) -> Result<()> {
    let w = &world;
    w.parameter("k", "one").await?;
    w.aws_ready("reader").await?;
    let mut spec = reads(w, json!({"key": "k"}));
    spec["refreshInterval"] = json!("1s");
    w.external_secret("app", spec).await?;
    w.until_ready("app").await?;
    w.deny("reader").await?;
    w.until_message("app", "AccessDeniedException").await?;
    assert_eq!(w.secret_data("app").await?["a"], "one");
    w.aws_role("reader", &w.subject("reader"), &w.path("*"))
        .await?;
    w.until_ready("app").await?;
    Ok(())
}

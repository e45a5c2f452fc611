//! What Google is asked, and how often.

use std::time::Duration;

use anyhow::Result;
use keyless_sandbox::gcp::faults::{Effect, Fault};
use keyless_scenarios::World;
use keyless_scenarios::gcp::ACCESSOR;
use serde_json::json;

// Alone: they count.
scenarios!(alone: gcp_one_login_for_many, gcp_throttled, gcp_revoked_token);

/// A hundred objects behind one identity, there before the operator: one login, one call each.
async fn gcp_one_login_for_many(world: World) -> Result<()> {
    let w = &world;
    let class = format!("many-{}", w.ns);
    w.gcp_ready("reader").await?;
    let mut store = w.gcp_store("reader")?;
    store["controller"] = json!(class);
    w.store("many", store).await?;
    w.gcp_secret("shared", "value")?;
    for i in 0..100 {
        w.gcp_secret(&format!("s{i}"), &format!("v{i}"))?;
        let spec = json!({"secretStoreRef": {"name": "many"}, "data": [
            {"secretKey": "own", "remoteRef": {"key": format!("s{i}")}},
            {"secretKey": "shared", "remoteRef": {"key": "shared"}},
        ]});
        w.external_secret(&format!("es{i}"), spec).await?;
    }
    let logins = w.gcp_calls("sts", "ExchangeToken");
    let reads = w.gcp_calls("secretmanager", "AccessSecretVersion");
    let operator = w.operator_of_class(&class).await?;
    for i in 0..100 {
        w.until_ready(&format!("es{i}")).await?;
    }
    operator.stop().await?;
    let logins = w.gcp_calls("sts", "ExchangeToken") - logins;
    let reads = w.gcp_calls("secretmanager", "AccessSecretVersion") - reads;
    assert!(
        (1..=2).contains(&logins),
        "one login for all, and one if the ring's own operator renews its: {logins}"
    );
    // Counts, not times, yet a busy machine feeds the planner slowly: far from two hundred is the claim.
    assert!(
        (101..=170).contains(&reads),
        "equal reads share a call: {reads}"
    );
    assert_eq!(w.secret_data("es42").await?["own"], "v42");
    Ok(())
}

/// A throttled call is repeated, not failed, and slows its project only.
async fn gcp_throttled(world: World) -> Result<()> {
    let w = &world;
    w.gcp_ready("reader").await?;
    w.gcp_secret("a", "value")?;
    w.api
        .until("SecretStore", &w.ns, "google", "Ready", |s| {
            keyless_scenarios::api::ready(s).0 == "True"
        })
        .await?;
    w.gcp().add_fault(
        Fault::new(Effect::Throttle { retry_after: 1 })
            .on("secretmanager", "AccessSecretVersion")
            .about(&w.gcp_project())
            .times(3),
    );
    let before = w
        .gcp()
        .calls("secretmanager", "AccessSecretVersion")
        .refused;
    let spec = json!({"secretStoreRef": {"name": "google"}, "data": [{"secretKey": "v", "remoteRef": {"key": "a"}}]});
    w.external_secret("slow", spec).await?;
    w.until_ready("slow").await?;
    let refused = w
        .gcp()
        .calls("secretmanager", "AccessSecretVersion")
        .refused;
    assert!(refused >= before + 3, "every fault was met");
    tokio::time::sleep(Duration::from_millis(200)).await;
    let events = w.api.list("Event", &w.ns).await?;
    let failed = events
        .iter()
        .any(|e| e["involvedObject"]["name"] == "slow" && e["type"] == "Warning");
    assert!(!failed, "a throttled call is repeated, not failed");
    Ok(())
}

/// A token that Google no longer knows costs one new login, not the Secret.
async fn gcp_revoked_token(world: World) -> Result<()> {
    let w = &world;
    w.gcp_ready("reader").await?;
    w.gcp_bind(ACCESSOR, &w.gcp_principal("reader")?)?;
    w.gcp_secret("a", "value")?;
    let spec = json!({"secretStoreRef": {"name": "google"}, "data": [{"secretKey": "v", "remoteRef": {"key": "a"}}]});
    w.external_secret("es", spec).await?;
    w.until_ready("es").await?;
    w.gcp().revoke_tokens();
    w.gcp_secret("a", "new")?;
    w.again("ExternalSecret", "es", "revoked").await?;
    keyless_scenarios::api::eventually("the new value", || async {
        Ok((w.secret_data("es").await?["v"] == "new").then_some(()))
    })
    .await
}

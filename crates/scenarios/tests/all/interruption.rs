//! Killed between any two effects, the operator loses nothing and leaves nothing doubled; two
//! operators never both write.

use anyhow::Result;
use keyless_scenarios::World;
use serde_json::json;

scenarios!(killed_between_effects, one_leader);

async fn killed_between_effects(world: World) -> Result<()> {
    let w = &world;
    // A sync has at most three effects; the fourth round is the undisturbed end.
    for effects in 0..4_usize {
        let name = format!("app{effects}");
        let class = format!("kill-{}-{effects}", w.ns);
        w.store_of_class(&name, &class, json!([{"key": "k", "value": "v"}]))
            .await?;
        w.external_secret(&name, json!({"secretStoreRef": {"name": name}, "data": [{"secretKey": "a", "remoteRef": {"key": "k"}}]})).await?;
        w.operator_that_dies_after(&class, effects).await?;
        let operator = w.operator_of_class(&class).await?;
        w.until_ready(&name).await?;
        assert_eq!(w.secret_data(&name).await?["a"], "v");
        operator.stop().await?;
        let owned: Vec<_> = w
            .api
            .list("Secret", &w.ns)
            .await?
            .into_iter()
            .filter(|s| s["metadata"]["ownerReferences"][0]["name"] == name.as_str())
            .collect();
        assert_eq!(owned.len(), 1, "one Secret for one ExternalSecret");
    }
    Ok(())
}

async fn one_leader(world: World) -> Result<()> {
    let w = &world;
    let class = format!("lead-{}", w.ns);
    let first = w.candidate(&class, "first").await?;
    w.until_leader("first").await?;
    let second = w.candidate(&class, "second").await?;
    w.store_of_class("store", &class, json!([{"key": "k", "value": "v"}]))
        .await?;
    w.external_secret("app", json!({"secretStoreRef": {"name": "store"}, "data": [{"secretKey": "a", "remoteRef": {"key": "k"}}]})).await?;
    w.until_ready("app").await?;
    first.stop().await?;
    w.until_leader("second").await?;
    w.api.delete("Secret", &w.ns, "app").await?;
    w.api
        .until("Secret", &w.ns, "app", "recreated by the second", |s| {
            !s.is_null()
        })
        .await?;
    second.stop().await
}

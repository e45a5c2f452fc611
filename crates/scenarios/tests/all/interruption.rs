//! Killed between any two effects, the operator loses nothing and leaves nothing doubled; two
//! operators never both write.

use anyhow::Result;
use keyless_scenarios::World;
use serde_json::{Value, json};

scenarios!(alone: killed_between_effects_on_many_namespaces);
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

/// A ClusterExternalSecret that moves: it is renamed, and one of its namespaces, held by another
/// operator's finaliser, no longer matches. Then it is deleted, held by that operator as well.
/// Wherever the operator is killed, the next one finishes the work.
async fn killed_between_effects_on_many_namespaces(world: World) -> Result<()> {
    let w = &world;
    // Two deletions, a creation, a release and the status; then a deletion and two releases.
    for (moving, ending) in [(0, 0), (1, 1), (2, 2), (3, 0), (4, 1)] {
        let name = format!("{}-{moving}", w.ns);
        let held = format!("externalsecrets.external-secrets.io/ces-{name}");
        let namespace = |suffix: &str| format!("{}-{moving}-{suffix}", w.ns);
        for suffix in ["a", "b"] {
            let labels = json!({"of": name, "on": "1"});
            let n = w.namespace(&format!("{moving}-{suffix}"), labels).await?;
            let patch = json!({"metadata": {"finalizers": [held]}});
            w.api.patch("Namespace", "", &n, &patch).await?;
        }
        let (a, b) = (namespace("a"), namespace("b"));
        w.cluster_external_secret(&json!({
            "apiVersion": "external-secrets.io/v1", "kind": "ClusterExternalSecret",
            "metadata": {"name": name, "finalizers": ["externalsecrets.external-secrets.io/clusterexternalsecret-cleanup"]},
            "spec": {
                "externalSecretName": "first", "namespaceSelectors": [{"matchLabels": {"of": name, "on": "1"}}],
                "externalSecretSpec": {"secretStoreRef": {"name": "none"}, "data": [{"secretKey": "a", "remoteRef": {"key": "k"}}]},
            },
        }))
        .await?;
        let provisioned = |names: &[&str], es: &str| {
            let (names, es) = (json!(names), json!(es));
            move |o: &Value| {
                o["status"]["provisionedNamespaces"] == names
                    && o["status"]["externalSecretName"] == es
            }
        };
        w.with_operator()?;
        w.api
            .until(
                "ClusterExternalSecret",
                "",
                &name,
                "provisioned",
                provisioned(&[&a, &b], "first"),
            )
            .await?;
        w.without_operator().await?;

        let rename = json!({"spec": {"externalSecretName": "second"}});
        w.api
            .patch("ClusterExternalSecret", "", &name, &rename)
            .await?;
        w.api
            .patch(
                "Namespace",
                "",
                &b,
                &json!({"metadata": {"labels": {"on": "0"}}}),
            )
            .await?;
        w.cluster_operator_that_dies_after(moving).await?;
        w.with_operator()?;
        w.api
            .until(
                "ClusterExternalSecret",
                "",
                &name,
                "moved",
                provisioned(&[&a], "second"),
            )
            .await?;
        let free = |o: &Value| {
            o["metadata"]
                .get("finalizers")
                .is_none_or(|f| *f == json!([]))
        };
        w.api.until("Namespace", "", &b, "released", free).await?;
        for (namespace, expected) in [(&a, json!(["second"])), (&b, json!([]))] {
            let names = w.api.list("ExternalSecret", namespace).await?;
            let names: Vec<Value> = names
                .iter()
                .map(|o| o["metadata"]["name"].clone())
                .collect();
            assert_eq!(json!(names), expected, "in {namespace}");
        }
        w.without_operator().await?;

        w.api.delete("ClusterExternalSecret", "", &name).await?;
        w.cluster_operator_that_dies_after(ending).await?;
        w.with_operator()?;
        w.api
            .until("ClusterExternalSecret", "", &name, "gone", Value::is_null)
            .await?;
        w.api.until("Namespace", "", &a, "released", free).await?;
        w.api
            .until("ExternalSecret", &a, "second", "gone", Value::is_null)
            .await?;
        w.without_operator().await?;
    }
    Ok(())
}

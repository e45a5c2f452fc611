//! What every scenario of ClusterExternalSecrets begins with and waits for.

use anyhow::Result;
use keyless_scenarios::World;
use keyless_scenarios::api::ready;
use serde_json::{Value, json};

/// A ClusterExternalSecret named after the scenario, with an ExternalSecret `e` that reads `k`
/// from the scenario's ClusterSecretStore.
pub(super) fn manifest(w: &World, fields: &Value) -> Value {
    let mut spec = json!({
        "externalSecretName": "e",
        "externalSecretSpec": {
            "refreshInterval": "24h",
            "secretStoreRef": {"name": w.ns, "kind": "ClusterSecretStore"},
            "target": {"name": "t"},
            "data": [{"secretKey": "a", "remoteRef": {"key": "k"}}],
        },
    });
    for (name, value) in fields.as_object().into_iter().flatten() {
        spec[name] = value.clone();
    }
    json!({"apiVersion": "external-secrets.io/v1", "kind": "ClusterExternalSecret", "metadata": {"name": w.ns}, "spec": spec})
}

/// Namespaces of this scenario that carry the label `on: "1"`.
pub(super) fn labelled(w: &World) -> Value {
    json!({"namespaceSelectors": [{"matchLabels": {"of": w.ns, "on": "1"}}]})
}

pub(super) async fn on(w: &World, suffix: &str) -> Result<String> {
    w.namespace(suffix, json!({"of": w.ns, "on": "1"})).await
}

pub(super) async fn off(w: &World, suffix: &str) -> Result<String> {
    w.namespace(suffix, json!({"of": w.ns, "on": "0"})).await
}

pub(super) async fn relabel(w: &World, namespace: &str, value: &str) -> Result<()> {
    let patch = json!({"metadata": {"labels": {"on": value}}});
    w.api.patch("Namespace", "", namespace, &patch).await?;
    Ok(())
}

pub(super) async fn store(w: &World) -> Result<()> {
    let data = json!([{"key": "k", "value": "v"}, {"key": "k2", "value": "v2"}]);
    w.cluster_store(&w.ns, json!({"provider": {"fake": {"data": data}}}))
        .await
}

/// The store, and a ClusterExternalSecret for the labelled namespaces.
pub(super) async fn started(w: &World) -> Result<()> {
    store(w).await?;
    w.cluster_external_secret(&manifest(w, &labelled(w)))
        .await?;
    Ok(())
}

pub(super) async fn change(w: &World, patch: Value) -> Result<()> {
    w.api
        .patch("ClusterExternalSecret", "", &w.ns, &patch)
        .await?;
    Ok(())
}

/// Waits until the status names exactly these namespaces as provisioned and failed.
pub(super) async fn until_status(
    w: &World,
    provisioned: &[&str],
    failed: &[&str],
) -> Result<Value> {
    let mut wanted: Vec<&str> = provisioned.to_vec();
    wanted.sort_unstable();
    let what = format!("provisioned in {wanted:?}, failed in {failed:?}");
    let says = |o: &Value| {
        let list = |field: &str| o["status"][field].as_array().cloned().unwrap_or_default();
        let in_failed: Vec<Value> = list("failedNamespaces")
            .iter()
            .map(|f| f["namespace"].clone())
            .collect();
        let (status, _, message) = ready(o);
        let expected = if failed.is_empty() {
            ("True", "")
        } else {
            ("False", "one or more namespaces failed")
        };
        list("provisionedNamespaces") == wanted.iter().map(|n| json!(n)).collect::<Vec<_>>()
            && in_failed == failed.iter().map(|n| json!(n)).collect::<Vec<_>>()
            && (status.as_str(), message.as_str()) == expected
    };
    w.api
        .until("ClusterExternalSecret", "", &w.ns, &what, says)
        .await
}

pub(super) async fn until_synced(w: &World, namespace: &str, name: &str) -> Result<Value> {
    w.api
        .until("ExternalSecret", namespace, name, "Ready", |o| {
            ready(o).0 == "True"
        })
        .await
}

pub(super) async fn until_gone(w: &World, kind: &str, namespace: &str, name: &str) -> Result<()> {
    w.api
        .until(kind, namespace, name, "gone", Value::is_null)
        .await?;
    Ok(())
}

pub(super) async fn exists(w: &World, kind: &str, namespace: &str, name: &str) -> Result<bool> {
    Ok(w.api.get(kind, namespace, name).await?.is_some())
}

//! Stores: validation, classes, conditions, and who may use whose identity.

use anyhow::Result;
use keyless_scenarios::World;
use serde_json::{Value, json};

scenarios!(
    validated,
    missing_then_created,
    controller_class,
    cluster_store_conditions,
    referent_identity,
    no_foreign_service_account
);

fn reads(kind: &str, store: &str) -> Value {
    json!({"secretStoreRef": {"name": store, "kind": kind}, "data": [{"secretKey": "a", "remoteRef": {"key": "k"}}]})
}

async fn validated(world: World) -> Result<()> {
    let w = &world;
    w.fake_store("good", json!([{"key": "k", "value": "v"}]))
        .await?;
    let valid = |s: &Value| {
        keyless_scenarios::api::ready(s)
            == ("True".into(), "Valid".into(), "store validated".into())
    };
    let store = w
        .api
        .until("SecretStore", &w.ns, "good", "valid", valid)
        .await?;
    assert_eq!(store["status"]["capabilities"], "ReadWrite");
    w.store("broken", w.aws_store("nobody")).await?;
    let broken = |s: &Value| {
        let (status, reason, _) = keyless_scenarios::api::ready(s);
        status == "False" && reason == "InvalidProviderConfig"
    };
    w.api
        .until("SecretStore", &w.ns, "broken", "invalid", broken)
        .await?;
    Ok(())
}

async fn missing_then_created(world: World) -> Result<()> {
    let w = &world;
    w.external_secret("app", reads("SecretStore", "late"))
        .await?;
    w.until_message("app", "could not get SecretStore \"late\"")
        .await?;
    w.fake_store("late", json!([{"key": "k", "value": "v"}]))
        .await?;
    w.until_ready("app").await?;
    Ok(())
}

async fn controller_class(world: World) -> Result<()> {
    let w = &world;
    let mut store = json!({"apiVersion": "external-secrets.io/v1", "kind": "SecretStore", "metadata": {"name": "theirs", "namespace": w.ns},
        "spec": {"controller": "another", "provider": {"fake": {"data": [{"key": "k", "value": "v"}]}}}});
    w.api.create(&store).await?;
    w.external_secret("app", reads("SecretStore", "theirs"))
        .await?;
    w.settle().await?;
    assert!(
        w.api
            .get("SecretStore", &w.ns, "theirs")
            .await?
            .unwrap()
            .get("status")
            .is_none(),
        "not our store: no status"
    );
    assert!(
        w.api
            .get("ExternalSecret", &w.ns, "app")
            .await?
            .unwrap()
            .get("status")
            .is_none(),
        "not our object: no status"
    );
    store["spec"]["controller"] = json!("default");
    w.api
        .patch(
            "SecretStore",
            &w.ns,
            "theirs",
            &json!({"spec": {"controller": "default"}}),
        )
        .await?;
    w.until_ready("app").await?;
    Ok(())
}

async fn cluster_store_conditions(world: World) -> Result<()> {
    let w = &world;
    let name = format!("{}-only", w.ns);
    w.cluster_store(&name, json!({"conditions": [{"namespaces": ["somewhere-else"]}], "provider": {"fake": {"data": [{"key": "k", "value": "v"}]}}})).await?;
    w.external_secret("app", reads("ClusterSecretStore", &name))
        .await?;
    w.until_message("app", "denied by spec.condition").await?;
    w.api
        .patch(
            "ClusterSecretStore",
            "",
            &name,
            &json!({"spec": {"conditions": [{"namespaceRegexes": [format!("^{}$", w.ns)]}]}}),
        )
        .await?;
    w.until_ready("app").await?;
    Ok(())
}

/// A ClusterSecretStore whose service account names no namespace uses the consumer's.
async fn referent_identity(world: World) -> Result<()> {
    let w = &world;
    w.parameter("k", "mine").await?;
    w.service_account(
        "reader",
        json!({"eks.amazonaws.com/role-arn": w.role_arn("reader")}),
    )
    .await?;
    w.aws_role("reader", &w.subject("reader"), &w.path("*"))
        .await?;
    let name = format!("{}-referent", w.ns);
    w.cluster_store(&name, w.aws_store("reader")).await?;
    w.external_secret("app", json!({"secretStoreRef": {"name": name, "kind": "ClusterSecretStore"}, "data": [{"secretKey": "a", "remoteRef": {"key": w.path("k")}}]})).await?;
    w.until_ready("app").await?;
    assert_eq!(w.secret_data("app").await?["a"], "mine");
    Ok(())
}

/// A SecretStore that names another namespace's service account is refused, whatever the CRD lets pass.
async fn no_foreign_service_account(world: World) -> Result<()> {
    let w = &world;
    let mut spec = w.aws_store("default");
    spec["provider"]["aws"]["auth"]["jwt"]["serviceAccountRef"]["namespace"] = json!("kube-system");
    let object = json!({"apiVersion": "external-secrets.io/v1", "kind": "SecretStore", "metadata": {"name": "thief", "namespace": w.ns}, "spec": spec});
    if w.api.try_create(&object).await?.is_err() {
        return Ok(());
    }
    let refused = |s: &Value| {
        let (status, _, message) = keyless_scenarios::api::ready(s);
        status == "False" && message.contains("namespace")
    };
    w.api
        .until("SecretStore", &w.ns, "thief", "refused", refused)
        .await?;
    Ok(())
}

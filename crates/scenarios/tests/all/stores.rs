//! Stores: validation, classes, conditions, and who may use whose identity.

use anyhow::Result;
use keyless_scenarios::World;
use serde_json::{Value, json};

scenarios!(
    validated,
    missing_then_created,
    controller_class,
    cluster_stores_of_another_operator,
    conditions_admit_by_or,
    a_store_interval_is_kept,
    an_invalid_interval_is_named,
    a_broken_store_is_told_once,
    a_broken_expression_is_named,
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

/// An operator whose ClusterSecretStores are switched off does not touch what reads from one.
async fn cluster_stores_of_another_operator(world: World) -> Result<()> {
    let w = &world;
    let class = format!("off-{}", w.ns);
    let name = format!("{}-off", w.ns);
    w.cluster_store(
        &name,
        json!({"controller": class, "provider": {"fake": {"data": [{"key": "k", "value": "v"}]}}}),
    )
    .await?;
    w.store_of_class("own", &class, json!([{"key": "k", "value": "v"}]))
        .await?;
    w.external_secret("app", reads("ClusterSecretStore", &name))
        .await?;
    w.external_secret("own", reads("SecretStore", "own"))
        .await?;
    let operator = w.operator_without_cluster_stores(&class).await?;
    w.until_ready("own").await?;
    w.settle().await?;
    let object = w.api.get("ExternalSecret", &w.ns, "app").await?.unwrap();
    assert!(object.get("status").is_none(), "{object}");
    let store = w.api.get("ClusterSecretStore", "", &name).await?.unwrap();
    assert!(store.get("status").is_none(), "{store}");
    operator.stop().await
}

/// One condition of several, one means of several in a condition; expressions are not anchored.
async fn conditions_admit_by_or(world: World) -> Result<()> {
    let w = &world;
    let part = w.ns.get(1..5).unwrap_or_default();
    let cases = [
        ("none", json!([]), true),
        (
            "label",
            json!([{"namespaceSelector": {"matchLabels": {"scenario": w.ns}}}]),
            true,
        ),
        ("everything", json!([{"namespaceSelector": {}}]), true),
        ("name", json!([{"namespaces": ["x", w.ns]}]), true),
        ("part", json!([{"namespaceRegexes": [part]}]), true),
        (
            "second",
            json!([{"namespaces": ["x"]}, {"namespaceRegexes": ["^nothing$"], "namespaces": [w.ns]}]),
            true,
        ),
        (
            "other-label",
            json!([{"namespaceSelector": {"matchLabels": {"scenario": "x"}}}]),
            false,
        ),
        (
            "other-name",
            json!([{"namespaces": ["x"], "namespaceRegexes": ["^x"]}]),
            false,
        ),
    ];
    for (case, conditions, admitted) in cases {
        let name = format!("{}-{case}", w.ns);
        w.cluster_store(&name, json!({"conditions": conditions, "provider": {"fake": {"data": [{"key": "k", "value": "v"}]}}})).await?;
        w.external_secret(case, reads("ClusterSecretStore", &name))
            .await?;
        if admitted {
            w.until_ready(case).await?;
        } else {
            w.until_message(case, "denied by spec.condition").await?;
        }
    }
    Ok(())
}

/// `spec.refreshInterval` in both notations; the store is validated again and nothing is written.
async fn a_store_interval_is_kept(world: World) -> Result<()> {
    let w = &world;
    for (name, interval) in [("seconds", json!(1)), ("duration", json!("1s"))] {
        w.store(name, json!({"refreshInterval": interval, "provider": {"fake": {"data": [{"key": "k", "value": "v"}]}}}))
            .await?;
        let valid = |s: &Value| keyless_scenarios::api::ready(s).1 == "Valid";
        let before = w
            .api
            .until("SecretStore", &w.ns, name, "valid", valid)
            .await?;
        tokio::time::sleep(std::time::Duration::from_secs(3)).await;
        let after = w.api.get("SecretStore", &w.ns, name).await?.unwrap();
        assert_eq!(
            before["metadata"]["resourceVersion"],
            after["metadata"]["resourceVersion"]
        );
    }
    Ok(())
}

async fn an_invalid_interval_is_named(world: World) -> Result<()> {
    let w = &world;
    for interval in [json!(-1), json!("soon"), json!("-1s")] {
        let object = json!({"apiVersion": "external-secrets.io/v1", "kind": "SecretStore", "metadata": {"name": "odd", "namespace": w.ns},
            "spec": {"refreshInterval": interval, "provider": {"fake": {"data": []}}}});
        match w.api.try_create(&object).await? {
            Err(refusal) => assert!(
                refusal.message.contains("refreshInterval"),
                "{interval}: {}",
                refusal.message
            ),
            Ok(_) => {
                let told = |s: &Value| {
                    let (status, _, message) = keyless_scenarios::api::ready(s);
                    status == "False" && message.contains("refreshInterval")
                };
                w.api
                    .until("SecretStore", &w.ns, "odd", "refused", told)
                    .await?;
                w.api.delete("SecretStore", &w.ns, "odd").await?;
            }
        }
    }
    Ok(())
}

/// A Warning with the cause when the store breaks, not at each retry.
async fn a_broken_store_is_told_once(world: World) -> Result<()> {
    let w = &world;
    w.store(
        "broken",
        json!({"provider": {"fake": {"data": [], "validationResult": 2}}}),
    )
    .await?;
    let broken = |s: &Value| {
        let (status, reason, message) = keyless_scenarios::api::ready(s);
        (&*status, &*reason) == ("False", "InvalidProviderConfig")
            && message.starts_with("unable to validate store")
    };
    w.api
        .until("SecretStore", &w.ns, "broken", "invalid", broken)
        .await?;
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    let events = w.api.list("Event", &w.ns).await?;
    let about = |e: &&Value| e["involvedObject"]["name"] == "broken";
    let told: Vec<_> = events.iter().filter(about).collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0]["type"], "Warning");
    assert_eq!(told[0]["reason"], "InvalidProviderConfig");
    assert_eq!(told[0]["source"]["component"], "secret-store");
    Ok(())
}

/// An expression in the conditions that does not compile: the store says where, and admits nobody.
async fn a_broken_expression_is_named(world: World) -> Result<()> {
    let w = &world;
    let name = format!("{}-broken", w.ns);
    w.cluster_store(&name, json!({"conditions": [{"namespaces": ["x"]}, {"namespaceRegexes": ["^ok$", "("]}], "provider": {"fake": {"data": [{"key": "k", "value": "v"}]}}})).await?;
    let told = |s: &Value| {
        let (status, _, message) = keyless_scenarios::api::ready(s);
        status == "False" && message.contains("spec.conditions[1].namespaceRegexes[1]")
    };
    w.api
        .until("ClusterSecretStore", "", &name, "refused", told)
        .await?;
    w.external_secret("app", reads("ClusterSecretStore", &name))
        .await?;
    w.until_failed("app").await?;
    Ok(())
}

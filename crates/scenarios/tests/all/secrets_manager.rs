//! AWS Secrets Manager, from the cluster's token to a Secret.

use anyhow::Result;
use keyless_scenarios::World;
use serde_json::{Value, json};

scenarios!(
    sm_by_service_account,
    sm_find_and_extract,
    sm_versions_and_bytes,
    sm_deleted_at_aws,
    sm_refusals,
    sm_example
);
scenarios!(alone: sm_few_calls_for_many);

/// A ClusterSecretStore of Secrets Manager that logs in as this namespace's `account`.
async fn cluster_store(w: &World, account: &str) -> Result<String> {
    w.aws_role(account, &w.subject(account), &w.path("*"))
        .await?;
    let role = json!({"eks.amazonaws.com/role-arn": w.role_arn(account)});
    w.service_account(account, role).await?;
    let mut spec = w.secrets_store(account);
    let account = &mut spec["provider"]["aws"]["auth"]["jwt"]["serviceAccountRef"];
    account["namespace"] = json!(w.ns);
    let name = format!("{}-sm", w.ns);
    w.cluster_store(&name, spec).await?;
    Ok(name)
}

fn from(store: &str, rest: Value) -> Value {
    let mut spec = json!({"secretStoreRef": {"name": store, "kind": "ClusterSecretStore"}});
    for (key, value) in rest.as_object().into_iter().flatten() {
        spec[key] = value.clone();
    }
    spec
}

fn one(remote: Value) -> Value {
    json!({"data": [{"secretKey": "v", "remoteRef": remote}]})
}

async fn sm_by_service_account(world: World) -> Result<()> {
    let w = &world;
    w.secret_value("db", r#"{"password":"s3cr3t"}"#)?;
    let store = cluster_store(w, "reader").await?;
    let remote = json!({"key": w.secret_name("db"), "property": "password"});
    w.external_secret("es", from(&store, one(remote))).await?;
    w.until_ready("es").await?;
    assert_eq!(w.secret_data("es").await?["v"], "s3cr3t");
    Ok(())
}

async fn sm_find_and_extract(world: World) -> Result<()> {
    let w = &world;
    w.secret_value("app/one", "1")?;
    w.secret_value("app/two", "2")?;
    w.secret_value("app/skip", "3")?;
    w.secret_value("json", r#"{"user":"u","port":5432}"#)?;
    w.tag_secret("app/skip", "scenario", &w.ns);
    let store = cluster_store(w, "reader").await?;
    let data_from = json!({"dataFrom": [
        {"find": {"path": w.secret_name("app/"), "name": {"regexp": "(one|two)$"}}},
        {"find": {"tags": {"scenario": w.ns}}},
        {"extract": {"key": w.secret_name("json")}},
    ]});
    w.external_secret("es", from(&store, data_from)).await?;
    w.until_ready("es").await?;
    let converted = |name: &str| w.secret_name(name).replace('/', "_");
    let want = [
        (converted("app/one"), "1".to_owned()),
        (converted("app/two"), "2".to_owned()),
        (converted("app/skip"), "3".to_owned()),
        ("user".to_owned(), "u".to_owned()),
        ("port".to_owned(), "5432".to_owned()),
    ];
    assert_eq!(w.secret_data("es").await?, want.into());
    Ok(())
}

async fn sm_versions_and_bytes(world: World) -> Result<()> {
    let w = &world;
    let first = w.secret_value("v", "old")?;
    w.secret_value("v", "new")?;
    w.secret_bytes("b", b"\x00\x01")?;
    let store = cluster_store(w, "reader").await?;
    let name = w.secret_name("v");
    let data = json!({"data": [
        {"secretKey": "current", "remoteRef": {"key": name}},
        {"secretKey": "previous", "remoteRef": {"key": name, "version": "AWSPREVIOUS"}},
        {"secretKey": "first", "remoteRef": {"key": name, "version": format!("uuid/{first}")}},
        {"secretKey": "bytes", "remoteRef": {"key": w.secret_name("b")}},
    ]});
    w.external_secret("es", from(&store, data)).await?;
    w.until_ready("es").await?;
    let data = w.secret_data("es").await?;
    let want = [
        ("current", "new"),
        ("previous", "old"),
        ("first", "old"),
        ("bytes", "\u{0}\u{1}"),
    ];
    assert_eq!(data, want.map(|(k, v)| (k.to_owned(), v.to_owned())).into());
    Ok(())
}

/// With deletionPolicy Delete a secret that is marked for deletion at AWS is gone here at once,
/// and comes back with it.
async fn sm_deleted_at_aws(world: World) -> Result<()> {
    let w = &world;
    w.secret_value("x", "v")?;
    let store = cluster_store(w, "reader").await?;
    let mut spec = from(&store, one(json!({"key": w.secret_name("x")})));
    spec["refreshInterval"] = json!("1s");
    spec["target"] = json!({"deletionPolicy": "Delete"});
    w.external_secret("es", spec).await?;
    w.until_ready("es").await?;
    w.mark_secret_deleted("x");
    w.until_reason("es", "SecretDeleted").await?;
    assert!(w.secret("es").await?.is_none());
    Ok(())
}

/// Each refusal of Secrets Manager is explained, and mending it is enough.
async fn sm_refusals(world: World) -> Result<()> {
    let w = &world;
    w.secret_value("x", "v")?;
    w.secret_value("marked", "v")?;
    w.mark_secret_deleted("marked");
    let store = cluster_store(w, "reader").await?;
    for (name, remote, code) in [
        ("missing", json!({"key": w.secret_name("none")}), "[A21]"),
        ("marked", json!({"key": w.secret_name("marked")}), "[A22]"),
        (
            "stage",
            json!({"key": w.secret_name("x"), "version": "NOSUCHSTAGE"}),
            "[A21]",
        ),
        ("denied", json!({"key": "elsewhere/secret"}), "[A18]"),
    ] {
        w.external_secret(name, from(&store, one(remote))).await?;
        let message = w.until_failed(name).await?;
        assert!(message.contains(code), "{name}: {message}");
        assert!(w.secret(name).await?.is_none());
    }
    w.deny("reader").await?;
    let remote = json!({"key": w.secret_name("x")});
    w.external_secret("late", from(&store, one(remote))).await?;
    let message = w.until_message("late", "AccessDeniedException").await?;
    assert!(
        message.contains("secretsmanager:GetSecretValue"),
        "the message names the action: {message}"
    );
    w.aws_role("reader", &w.subject("reader"), &w.path("*"))
        .await?;
    w.until_ready("late").await?;
    Ok(())
}

/// The manifests of the example, byte for byte, with the operator's own web identity.
async fn sm_example(world: World) -> Result<()> {
    let w = &world;
    // The same permission as the other example's: both go by the operator's one role.
    w.operator_identity("/path/to/*").await?;
    w.secret_value_at("path/to/database", r#"{"password":"first"}"#)?;
    w.secret_value_at("path/to/database", r#"{"password":"second"}"#)?;
    let folder = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../examples/aws-secrets-manager"
    );
    for file in ["cluster-secret-store.yaml", "external-secret.yaml"] {
        let text = std::fs::read_to_string(format!("{folder}/{file}"))?;
        w.api.create(&serde_saphyr::from_str(&text)?).await?;
    }
    let ready = |o: &Value| keyless_scenarios::api::ready(o).0 == "True";
    w.api
        .until("ExternalSecret", "default", "database", "Ready", ready)
        .await?;
    let secret = w.api.get("Secret", "default", "database").await?;
    let data = keyless_scenarios::data(&secret.expect("the Secret exists"));
    assert_eq!(
        (
            data["password"].as_str(),
            data["previous-password"].as_str()
        ),
        ("second", "first")
    );
    // Outside the scenario's namespace, so not cleared by itself.
    w.api
        .delete("ExternalSecret", "default", "database")
        .await?;
    w.api
        .delete("ClusterSecretStore", "", "aws-secrets-manager")
        .await
}

/// A hundred objects behind one identity, there before the operator: one login, full batches.
async fn sm_few_calls_for_many(world: World) -> Result<()> {
    let w = &world;
    let class = format!("many-{}", w.ns);
    w.aws_role("reader", &w.subject("reader"), &w.path("*"))
        .await?;
    let role = json!({"eks.amazonaws.com/role-arn": w.role_arn("reader")});
    w.service_account("reader", role).await?;
    let mut store = w.secrets_store("reader");
    store["controller"] = json!(class);
    w.store("aws", store).await?;
    for i in 0..100 {
        w.secret_value(&format!("s{i}"), &format!("v{i}"))?;
        let spec = json!({"secretStoreRef": {"name": "aws"}, "data": [{"secretKey": "v", "remoteRef": {"key": w.secret_name(&format!("s{i}"))}}]});
        w.external_secret(&format!("es{i}"), spec).await?;
    }
    let before = w.aws_calls();
    let operator = w.operator_of_class(&class).await?;
    for i in 0..100 {
        w.until_ready(&format!("es{i}")).await?;
    }
    operator.stop().await?;
    let calls = w.aws_calls().since(&before);
    let logins = calls.of("sts:AssumeRoleWithWebIdentity");
    assert!(
        (1..=2).contains(&logins),
        "one login for all, and one if the ring's own operator renews its: {calls:?}"
    );
    assert!(
        calls.of("secretsmanager:") <= 20,
        "many to a call: {calls:?}"
    );
    assert_eq!(w.secret_data("es42").await?["v"], "v42");
    Ok(())
}

//! The cluster's own part: accounts, rights, stores, and tokens of the operator's pod.

use anyhow::{Context as _, Result};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use keyless_scenarios::World;
use keyless_trust::catalogue::recognise;
use serde_json::{Value, json};

use super::{doctor_says, one, store_says};

scenarios!(cluster_objects, cluster_rights);
// Alone: it reads what the operator's own role is.
scenarios!(alone: cluster_tokens);

/// The same token with another header; nothing is signed anew.
pub(super) fn with_header(token: &str, header: &Value) -> String {
    let rest = token.split_once('.').map_or("", |(_, rest)| rest);
    format!("{}.{rest}", URL_SAFE_NO_PAD.encode(header.to_string()))
}

/// Objects that are named and are not there, or not for this namespace.
async fn cluster_objects(world: World) -> Result<()> {
    let w = &world;
    w.external_secret("storeless", one("nothing", "x")).await?;
    w.store("aws", w.aws_store("nobody")).await?;
    w.external_secret("nobody", one("aws", "x")).await?;
    let mut spec = json!({"provider": {"fake": {"data": [{"key": "x", "value": "v"}]}}});
    spec["conditions"] = json!([{"namespaces": ["elsewhere"]}]);
    w.cluster_store(&w.ns, spec).await?;
    let mut other = one(&w.ns, "x");
    other["secretStoreRef"]["kind"] = json!("ClusterSecretStore");
    w.external_secret("foreign", other).await?;
    // As a pod's volume may ask for as well.
    let short = w.api.token_for(&w.ns, "default", "x", 60).await;
    let refused = short.err().context("it was minted")?.to_string();
    let rows = recognise(&refused);
    assert_eq!(rows.first().map(|row| row.code), Some("K14"), "{refused}");
    for (name, code) in [("storeless", "O6"), ("nobody", "K19"), ("foreign", "O7")] {
        w.until_failed(name).await?;
        doctor_says(w, name, code).await?;
    }
    Ok(())
}

/// An operator that may not mint tokens for the store's service account.
async fn cluster_rights(world: World) -> Result<()> {
    const GROUP: &str = "rbac.authorization.k8s.io";
    let w = &world;
    let class = format!("limited-{}", w.ns);
    w.service_account("operator", json!({})).await?;
    let metadata = json!({"name": "operator", "namespace": w.ns});
    let all = |group: &str, resources: Value, verbs: Value| json!({"apiGroups": [group], "resources": resources, "verbs": verbs});
    w.api
        .create(&json!({
            "apiVersion": format!("{GROUP}/v1"), "kind": "Role", "metadata": metadata, "rules": [
                all("external-secrets.io", json!(["*"]), json!(["*"])),
                all("", json!(["secrets", "events", "configmaps"]), json!(["*"])),
                all("", json!(["serviceaccounts"]), json!(["get", "list", "watch"])),
            ],
        }))
        .await?;
    w.api
        .create(&json!({
            "apiVersion": format!("{GROUP}/v1"), "kind": "RoleBinding", "metadata": metadata,
            "roleRef": {"apiGroup": GROUP, "kind": "Role", "name": "operator"},
            "subjects": [{"kind": "ServiceAccount", "name": "operator", "namespace": w.ns}],
        }))
        .await?;
    let annotation = json!({"eks.amazonaws.com/role-arn": w.role_arn("reader")});
    w.service_account("reader", annotation).await?;
    let operator = w.operator_as(&class, "operator").await?;
    let mut spec = w.aws_store("reader");
    spec["controller"] = json!(class);
    w.store("aws", spec).await?;
    w.external_secret("es", one("aws", "x")).await?;
    let told = w.until_store_says("aws", "serviceaccounts/token").await;
    let failed = w.until_failed("es").await;
    operator.stop().await?;
    told?;
    failed?;
    doctor_says(w, "es", "K21").await
}

/// Tokens in the operator's pod that AWS does not take.
async fn cluster_tokens(world: World) -> Result<()> {
    let w = &world;
    w.operator_identity("/*").await?;
    let class = format!("given-{}", w.ns);
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("token");
    let environment = vec![(
        "AWS_WEB_IDENTITY_TOKEN_FILE",
        Some(file.display().to_string()),
    )];
    let operator = w.operator_with(&class, environment).await?;
    let now = w.now();
    let claims = |iat: i64, exp: i64| {
        json!({"iss": w.issuer_url(), "sub": "system:serviceaccount:external-secrets:external-secrets",
            "aud": ["sts.amazonaws.com"], "iat": iat, "nbf": iat, "exp": exp})
    };
    let legacy = json!({"iss": "kubernetes/serviceaccount", "sub": "system:serviceaccount:external-secrets:external-secrets"});
    let mut other = claims(now, now + 600);
    other["sub"] = json!("system:serviceaccount:default:default");
    let mut seen = Vec::new();
    for (name, token, code) in [
        ("absent", None, "K17"),
        ("nonsense", Some("no token".to_owned()), "K16"),
        ("legacy", Some(w.sign(&legacy)?), "K16"),
        (
            "expired",
            Some(w.sign(&claims(now - 7200, now - 3600))?),
            "K11",
        ),
        (
            "future",
            Some(w.sign(&claims(now + 3600, now + 7200))?),
            "K12",
        ),
        ("another", Some(w.sign(&other)?), "A3"),
    ] {
        if let Some(token) = token {
            std::fs::write(&file, token)?;
        }
        let mut spec = w.aws_store("nobody");
        spec["controller"] = json!(class);
        if let Some(aws) = spec["provider"]["aws"].as_object_mut() {
            aws.remove("auth");
        }
        w.store(name, spec).await?;
        seen.push(store_says(w, name, code).await);
    }
    operator.stop().await?;
    for result in seen {
        result?;
    }
    Ok(())
}

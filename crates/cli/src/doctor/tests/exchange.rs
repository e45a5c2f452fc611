//! Logins that are tried, and Secrets that stores name.

use serde_json::{Value, json};

use super::house::{House, state};

const SUBJECT: &str = "system:serviceaccount:default:app";

#[test]
fn a_login_at_aws_is_tried_on_request_only() {
    let house = House::new();
    let aws = &house.sandbox.aws;
    let role = format!("arn:aws:iam::{}:role/app", aws.account());
    house.account("app", &json!({"eks.amazonaws.com/role-arn": role}));
    let region = aws.region();
    house.store("aws", &json!({"aws": {"service": "ParameterStore", "region": region, "auth": {"jwt": {"serviceAccountRef": {"name": "app"}}}}}));
    let asked = || aws.calls("sts", "AssumeRoleWithWebIdentity").total;
    let quiet = house.first(&["ss", "aws"]);
    assert_eq!(quiet["broken"], Value::Null, "{quiet}");
    assert_eq!(state(&quiet, "identity"), "unknown");
    assert_eq!(asked(), 0);
    let refused = house.first(&["ss", "aws", "--exchange"]);
    assert_eq!(refused["broken"]["code"], "A1", "{refused}");
    assert!(asked() > 0);
    aws.create_oidc_provider(house.sandbox.issuer.url(), &["sts.amazonaws.com"])
        .unwrap();
    let host = house.sandbox.issuer.url().trim_start_matches("https://");
    let policy = |subject: &str| {
        json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRoleWithWebIdentity",
            "Principal": {"Federated": format!("arn:aws:iam::{}:oidc-provider/{host}", aws.account())},
            "Condition": {"StringEquals": {format!("{host}:sub"): subject}}}]})
        .to_string()
    };
    aws.create_role("app", &policy("system:serviceaccount:default:other"))
        .unwrap();
    let refused = house.first(&["ss", "aws", "--exchange"]);
    assert_eq!(refused["broken"]["code"], "A3", "{refused}");
    assert_eq!(state(&refused, "trust-object"), "holds");
    aws.update_trust_policy("app", &policy(SUBJECT)).unwrap();
    let fine = house.first(&["ss", "aws", "--exchange"]);
    assert_eq!(fine["broken"], Value::Null, "{fine}");
    assert_eq!(state(&fine, "identity"), "holds", "{fine}");
    // A pod of that service account logs in likewise.
    house.apply(
        "/api/v1/namespaces/default/pods/app",
        &json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "app", "namespace": "default"},
        "spec": {"serviceAccountName": "app", "containers": [{"name": "a", "image": "i", "env": [
            {"name": "AWS_REGION", "value": region}, {"name": "AWS_ROLE_ARN", "value": role},
            {"name": "AWS_WEB_IDENTITY_TOKEN_FILE", "value": "/t/token"}],
            "volumeMounts": [{"name": "aws-iam-token", "mountPath": "/t"}]}],
          "volumes": [{"name": "aws-iam-token", "projected": {"sources": [{"serviceAccountToken":
            {"audience": "sts.amazonaws.com", "expirationSeconds": 3600, "path": "token"}}]}}]}}),
    );
    let pod = house.first(&["pod", "app", "--exchange"]);
    assert_eq!(pod["broken"], Value::Null, "{pod}");
    assert_eq!(state(&pod, "identity"), "holds", "{pod}");
}

#[test]
fn logins_at_azure_google_and_vault_are_tried() {
    let house = House::new();
    let sandbox = &house.sandbox;
    let identity = sandbox.azure.create_managed_identity("app");
    house.account(
        "app",
        &json!({"azure.workload.identity/client-id": identity.client_id, "azure.workload.identity/tenant-id": sandbox.azure.tenant()}),
    );
    house.store("azure", &json!({"azurekv": {"authType": "WorkloadIdentity", "vaultUrl": "https://v.vault.azure.net", "serviceAccountRef": {"name": "app"}}}));
    let refused = house.first(&["ss", "azure", "--exchange"]);
    assert_eq!(refused["broken"]["link"], "trust-object", "{refused}");
    let audience = "api://AzureADTokenExchange";
    sandbox
        .azure
        .add_federated_credential(
            &identity.client_id,
            "app",
            sandbox.issuer.url(),
            SUBJECT,
            audience,
        )
        .unwrap();
    let fine = house.first(&["ss", "azure", "--exchange"]);
    assert_eq!(
        (&fine["broken"], state(&fine, "identity")),
        (&Value::Null, "holds"),
        "{fine}"
    );

    let vault = json!({"vault": {"server": sandbox.vault_url(), "path": "secret", "version": "v2",
        "caProvider": {"type": "ConfigMap", "name": "ca", "key": "ca.crt"},
        "auth": {"jwt": {"path": "jwt", "role": "app", "kubernetesServiceAccountToken":
            {"serviceAccountRef": {"name": "app"}, "audiences": ["vault"]}}}}});
    house.store("vault", &vault);
    let absent = house.first(&["ss", "vault"]);
    assert_eq!(absent["broken"]["code"], "O8", "{absent}");
    assert_eq!(absent["broken"]["subject"], "ConfigMap default/ca");
    let map = |key: &str| {
        house.apply("/api/v1/namespaces/default/configmaps/ca", &json!({"apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": "ca", "namespace": "default"}, "data": {key: sandbox.tls.ca_pem()}}));
    };
    map("wrong");
    let wrong = house.first(&["ss", "vault", "--look-at-secrets"]);
    assert_eq!(wrong["broken"]["code"], "O9", "{wrong}");
    assert!(!wrong.to_string().contains("BEGIN"), "{wrong}");
    map("ca.crt");
    let refused = house.first(&["ss", "vault", "--exchange"]);
    // No row of the catalogue is about a method that is not mounted.
    assert_eq!(refused["broken"]["code"], Value::Null, "{refused}");
    let observed = refused["broken"]["observed"].as_str().unwrap();
    assert!(observed.contains("403"), "{refused}");
    house
        .runtime
        .block_on(crate::sandbox::tour::trust_vault(sandbox))
        .unwrap();
    let fine = house.first(&["ss", "vault", "--exchange"]);
    assert_eq!(
        (&fine["broken"], state(&fine, "identity")),
        (&Value::Null, "holds"),
        "{fine}"
    );

    let gcp = &sandbox.gcp;
    gcp.create_pool(gcp.project(), "pool").unwrap();
    let audience = format!(
        "//iam.googleapis.com/projects/{}/locations/global/workloadIdentityPools/pool/providers/cluster",
        gcp.number()
    );
    house.store("google", &json!({"gcpsm": {"projectID": gcp.project(), "auth": {"workloadIdentityFederation":
        {"audience": audience, "serviceAccountRef": {"name": "app", "audiences": [format!("https:{audience}")]}}}}}));
    let refused = house.first(&["ss", "google", "--exchange"]);
    assert_eq!(refused["broken"]["code"], "G1", "{refused}");
}

/// Without leave to look into it, a Secret is looked for by metadata; with it, values stay out.
#[test]
fn secrets_are_looked_for_without_their_values() {
    const CANARY: &str = "canary-4711-hunter2";
    let house = House::new();
    let keys = |key: &str| {
        json!({"aws": {"service": "SecretsManager", "region": "eu-west-1", "auth": {"secretRef": {
            "accessKeyIDSecretRef": {"name": "keys", "key": "id"},
            "secretAccessKeySecretRef": {"name": "keys", "key": key}}}}})
    };
    house.store("aws", &keys("secret"));
    let absent = house.first(&["ss", "aws"]);
    assert_eq!(
        (&absent["broken"]["code"], &absent["broken"]["link"]),
        (&json!("O8"), &json!("store")),
        "{absent}"
    );
    house.apply("/api/v1/namespaces/default/secrets/keys", &json!({"apiVersion": "v1", "kind": "Secret",
        "metadata": {"name": "keys", "namespace": "default"}, "stringData": {"id": CANARY, "key": CANARY}}));
    let blind = house.first(&["ss", "aws"]);
    assert_eq!(blind["broken"], Value::Null, "{blind}");
    assert!(
        blind["unseen"].to_string().contains("--look-at-secrets"),
        "{blind}"
    );
    let folder = tempfile::tempdir().unwrap();
    let bundle = folder.path().join("facts").display().to_string();
    let seen = house.first(&["ss", "aws", "--look-at-secrets", "--collect", &bundle]);
    assert_eq!(
        (&seen["broken"]["code"], &seen["broken"]["required"]),
        (&json!("O9"), &json!("key secret")),
        "{seen}"
    );
    let facts = std::fs::read_to_string(&bundle).unwrap();
    for text in [facts, seen.to_string()] {
        assert!(
            !text.contains(CANARY) && !text.contains("Y2FuYXJ5"),
            "{text}"
        );
    }
}

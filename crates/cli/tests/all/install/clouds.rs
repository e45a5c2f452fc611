//! The examples beside Parameter Store's: trust, the value, the manifests, the Secret.

use serde_json::{Value, json};

use super::{Installed, NAMESPACE, USER};
use crate::support::workspace;

/// Takes away the ExternalSecret of the cloud before, whose name is the same in all examples.
fn clear(installed: &Installed) {
    let arguments = [
        "delete",
        "externalsecret,secret",
        "hello",
        "-n",
        "default",
        "--ignore-not-found",
    ];
    installed.cluster.kubectl(&arguments);
}

/// Azure Key Vault, by the managed identity that the annotation names.
pub fn azure(installed: &Installed) {
    clear(installed);
    let sandbox = &installed.cluster.sandbox;
    let (azure, identity) = (&sandbox.azure, &installed.identity);
    let issuer = sandbox.issuer.url();
    let audience = "api://AzureADTokenExchange";
    azure
        .add_federated_credential(
            &identity.client_id,
            "external-secrets",
            issuer,
            USER,
            audience,
        )
        .unwrap();
    let vault = azure.default_vault();
    azure
        .set_secret(vault, "path-to-key", "from Azure")
        .unwrap();
    let rights = [&["get"][..], &["get"], &[]];
    azure
        .set_access_policy(vault, &identity.object_id, rights)
        .unwrap();
    installed.apply_file("examples/azure-key-vault/cluster-secret-store.yaml");
    installed.apply_file("examples/azure-key-vault/external-secret.yaml");
    installed.until_secret("default", "hello", "SOME_ENV_VAR", "from Azure");
}

/// Google Secret Manager, by GKE's metadata server.
pub fn google(installed: &Installed) {
    clear(installed);
    let sandbox = &installed.cluster.sandbox;
    let gcp = &sandbox.gcp;
    sandbox.run_on_gke(NAMESPACE, "external-secrets", None);
    let binding = installed
        .filled("examples/gcp-secret-manager/iam-binding.json")
        .replace("PROJECT_NUMBER", gcp.number())
        .replace("PROJECT_ID", gcp.project());
    let binding: Value = serde_json::from_str(&binding).unwrap();
    let (role, member) = (&binding["role"], &binding["members"][0]);
    gcp.bind_on_project(
        gcp.project(),
        role.as_str().unwrap(),
        member.as_str().unwrap(),
        None,
    )
    .unwrap();
    gcp.set_secret("path-to-key", b"from Google").unwrap();
    installed.apply_file("examples/gcp-secret-manager/cluster-secret-store.yaml");
    installed.apply_file("examples/gcp-secret-manager/external-secret.yaml");
    installed.until_secret("default", "hello", "SOME_ENV_VAR", "from Google");
}

/// AWS Secrets Manager, by the role of Parameter Store's example with the permissions of its own.
pub fn secrets_manager(installed: &Installed) {
    let aws = &installed.cluster.sandbox.aws;
    for password in ["old", "from Secrets Manager"] {
        let value = json!({"password": password}).to_string();
        aws.put_secret("path/to/database", &value).unwrap();
    }
    let permissions = installed.filled("examples/aws-secrets-manager/permission-policy.json");
    aws.put_role_policy("external-secrets", "secrets-manager", &permissions)
        .unwrap();
    installed.apply_file("examples/aws-secrets-manager/cluster-secret-store.yaml");
    installed.apply_file("examples/aws-secrets-manager/external-secret.yaml");
    installed.until_secret("default", "database", "password", "from Secrets Manager");
    installed.until_secret("default", "database", "previous-password", "old");
}

/// Vault, by tokens of the service account that the store names. Only the server's address is
/// another one.
pub fn vault(installed: &Installed) {
    let cluster = &installed.cluster;
    let (vault, issuer) = (&cluster.sandbox.vault, cluster.sandbox.issuer.url());
    let text = |file| std::fs::read_to_string(workspace("examples/vault").join(file)).unwrap();
    cluster.wait(async {
        vault.enable_kv("secret", 2).await.unwrap();
        vault.enable_auth("jwt", "jwt").await.unwrap();
        let role = json!({
            "role_type": "jwt", "user_claim": "sub", "bound_audiences": "vault",
            "bound_subject": "system:serviceaccount:default:app", "token_policies": "app",
        });
        let secret = json!({"data": {"password": "from Vault"}});
        for (path, body) in [
            ("auth/jwt/config", json!({"oidc_discovery_url": issuer})),
            (
                "sys/policies/acl/app",
                json!({"policy": text("policy.hcl")}),
            ),
            ("auth/jwt/role/app", role),
            ("secret/data/app/db", secret),
        ] {
            vault.write(path, body).await.unwrap();
        }
    });
    let store = text("secret-store-jwt.yaml");
    let here = store.replace(
        "https://vault.example.com:8200",
        &cluster.sandbox.vault_url(),
    );
    assert_ne!(store, here);
    cluster.apply(&text("service-account.yaml"));
    cluster.apply(&here);
    cluster.apply(&text("external-secret.yaml"));
    installed.until_secret("default", "app-db", "DB_PASSWORD", "from Vault");
}

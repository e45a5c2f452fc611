//! The examples for Azure and Google: trust, the value, the manifests, the Secret.

use serde_json::Value;

use super::{Installed, NAMESPACE, USER};

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

//! Azure Key Vault, by the operator's own token.

use anyhow::Result;
use serde_json::Value;

use super::super::stage::{AZURE_AUDIENCE, ROLE, Stage};
use super::{Guide, Place, operator};

const STORE: &str =
    include_str!("../../../../../examples/azure-key-vault/cluster-secret-store.yaml");
const EXTERNAL_SECRET: &str =
    include_str!("../../../../../examples/azure-key-vault/external-secret.yaml");

/// The example's objects; its ExternalSecret under a name of its own, since AWS' has the same.
const PLACE: Place = Place {
    cloud: "Azure",
    store: "/apis/external-secrets.io/v1/clustersecretstores/azure-keyvault",
    external_secret: "/apis/external-secrets.io/v1/namespaces/default/externalsecrets/hello-azure",
    secret: "/api/v1/namespaces/default/secrets/hello-azure",
    key: "SOME_ENV_VAR",
};
const SECRET: &str = "path-to-key";

/// Walks through Azure's part.
pub(super) async fn walk(guide: &mut Guide<'_>) -> Result<()> {
    no_credential(guide).await?;
    wrong_subject(guide).await?;
    no_permission(guide).await?;
    synced(guide).await?;
    changed(guide).await
}

async fn apply(stage: &Stage) -> Result<()> {
    let store: Value = serde_saphyr::from_str(STORE)?;
    // The example is written in the older version.
    let path = PLACE.store.replace("/v1/", "/v1beta1/");
    stage.objects.apply(&path, &store).await?;
    let mut object: Value = serde_saphyr::from_str(EXTERNAL_SECRET)?;
    if let Some(name) = object.pointer_mut("/metadata/name") {
        *name = "hello-azure".into();
    }
    let path = PLACE.external_secret.replace("/v1/", "/v1beta1/");
    stage.objects.apply(&path, &object).await?;
    Ok(())
}

fn credential(stage: &Stage, name: &str, subject: &str) -> Result<()> {
    stage.sandbox.azure.add_federated_credential(
        &stage.identity.client_id,
        name,
        stage.sandbox.issuer.url(),
        subject,
        AZURE_AUDIENCE,
    )?;
    Ok(())
}

fn put(stage: &Stage, value: &str) -> Result<()> {
    let azure = &stage.sandbox.azure;
    azure.set_secret(azure.default_vault(), SECRET, value)?;
    Ok(())
}

/// As the example's access policy has it.
fn policy(stage: &Stage) -> Result<()> {
    let azure = &stage.sandbox.azure;
    azure.set_access_policy(
        azure.default_vault(),
        &stage.identity.object_id,
        [&["get"], &["get"], &[]],
    )?;
    Ok(())
}

/// The whole trust and the example's secret in place, without a tour.
pub fn trust_everything(stage: &Stage) -> Result<()> {
    put(stage, "from Azure Key Vault")?;
    credential(stage, ROLE, &operator())?;
    policy(stage)
}

async fn no_credential(guide: &mut Guide<'_>) -> Result<()> {
    guide.begin("No trust: the managed identity has no federated credential");
    put(guide.stage, "from Azure Key Vault")?;
    apply(guide.stage).await?;
    let did = format!(
        "wrote secret {SECRET} into vault {}; applied the example's ClusterSecretStore azure-keyvault and its ExternalSecret",
        guide.stage.sandbox.azure.default_vault()
    );
    guide.refused(&PLACE, did, "AADSTS70025").await
}

async fn wrong_subject(guide: &mut Guide<'_>) -> Result<()> {
    guide.begin("Trust for the wrong subject");
    let other = "system:serviceaccount:external-secrets:somebody-else";
    credential(guide.stage, "wrong", other)?;
    let did = format!(
        "added a federated credential for issuer {} and subject {other}",
        guide.stage.sandbox.issuer.url()
    );
    guide.refused(&PLACE, did, "AADSTS700213").await
}

async fn no_permission(guide: &mut Guide<'_>) -> Result<()> {
    guide.begin("Trust without permission");
    let subject = operator();
    guide
        .stage
        .sandbox
        .azure
        .remove_federated_credential(&guide.stage.identity.client_id, "wrong")?;
    credential(guide.stage, ROLE, &subject)?;
    let did = format!("corrected the subject to {subject}; the vault has no access policy");
    guide.refused(&PLACE, did, "ForbiddenByPolicy").await
}

async fn synced(guide: &mut Guide<'_>) -> Result<()> {
    guide.begin("Trust and permission: the Secret appears");
    policy(guide.stage)?;
    let did = "added an access policy: Get on secrets and certificates".to_owned();
    guide.holds(&PLACE, did, "from Azure Key Vault").await
}

async fn changed(guide: &mut Guide<'_>) -> Result<()> {
    guide.begin("The value changes at Azure, the Secret follows");
    put(guide.stage, "changed at Azure")?;
    let did = format!(
        "wrote a new version of secret {SECRET}; annotated the ExternalSecret with external-secrets.io/force-sync (its interval is 1h)"
    );
    guide.holds(&PLACE, did, "changed at Azure").await
}

//! Google Secret Manager, by the identity that GKE's metadata server gives to the operator's pod.

use anyhow::{Context, Result};
use serde_json::Value;

use super::super::stage::{NAMESPACE, SERVICE_ACCOUNT, Stage};
use super::{Guide, Place};

const STORE: &str =
    include_str!("../../../../../examples/gcp-secret-manager/cluster-secret-store.yaml");
const EXTERNAL_SECRET: &str =
    include_str!("../../../../../examples/gcp-secret-manager/external-secret.yaml");
const BINDING: &str = include_str!("../../../../../examples/gcp-secret-manager/iam-binding.json");

/// The example's objects; its ExternalSecret under a name of its own, since AWS' has the same.
const PLACE: Place = Place {
    cloud: "Google",
    store: "/apis/external-secrets.io/v1/clustersecretstores/gcp-secret-manager",
    external_secret: "/apis/external-secrets.io/v1/namespaces/default/externalsecrets/hello-google",
    secret: "/api/v1/namespaces/default/secrets/hello-google",
    key: "SOME_ENV_VAR",
};
const SECRET: &str = "path-to-key";

/// Walks through Google's part.
pub(super) async fn walk(guide: &mut Guide<'_>) -> Result<()> {
    no_identity(guide).await?;
    wrong_principal(guide).await?;
    no_secret(guide).await?;
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
        *name = "hello-google".into();
    }
    let path = PLACE.external_secret.replace("/v1/", "/v1beta1/");
    stage.objects.apply(&path, &object).await?;
    Ok(())
}

/// The example's binding: a role, and whom it is given to.
fn binding(stage: &Stage) -> Result<(String, String)> {
    let gcp = &stage.sandbox.gcp;
    let text = BINDING
        .replace("PROJECT_NUMBER", gcp.number())
        .replace("PROJECT_ID", gcp.project());
    let binding: Value = serde_json::from_str(&text)?;
    let part = |path: &str| binding.pointer(path).and_then(Value::as_str);
    let role = part("/role").context("the example's binding has no role")?;
    let member = part("/members/0").context("the example's binding has no member")?;
    Ok((role.to_owned(), member.to_owned()))
}

fn put(stage: &Stage, value: &str) -> Result<()> {
    stage.sandbox.gcp.set_secret(SECRET, value.as_bytes())?;
    Ok(())
}

fn on_gke(stage: &Stage) {
    stage.sandbox.run_on_gke(NAMESPACE, SERVICE_ACCOUNT, None);
}

fn bind(stage: &Stage, role: &str, member: &str) -> Result<()> {
    let gcp = &stage.sandbox.gcp;
    gcp.bind_on_project(gcp.project(), role, member, None)?;
    Ok(())
}

/// The whole trust and the example's secret in place, without a tour.
pub fn trust_everything(stage: &Stage) -> Result<()> {
    put(stage, "from Google Secret Manager")?;
    on_gke(stage);
    let (role, member) = binding(stage)?;
    bind(stage, &role, &member)
}

async fn no_identity(guide: &mut Guide<'_>) -> Result<()> {
    guide.begin("No identity: the node pool has no Workload Identity");
    let gcp = &guide.stage.sandbox.gcp;
    gcp.run_on_machine(gcp.project(), None);
    apply(guide.stage).await?;
    let did = "applied the example's ClusterSecretStore gcp-secret-manager and its ExternalSecret"
        .to_owned();
    guide.refused(&PLACE, did, "G17").await
}

async fn wrong_principal(guide: &mut Guide<'_>) -> Result<()> {
    guide.begin("Trust for the wrong principal");
    on_gke(guide.stage);
    let (role, member) = binding(guide.stage)?;
    let other = member.replace("/sa/external-secrets", "/sa/somebody-else");
    bind(guide.stage, &role, &other)?;
    let did = format!("turned Workload Identity on; gave {role} to {other}");
    guide.refused(&PLACE, did, "G12").await
}

async fn no_secret(guide: &mut Guide<'_>) -> Result<()> {
    guide.begin("Trust and permission, and no such secret");
    let (role, member) = binding(guide.stage)?;
    bind(guide.stage, &role, &member)?;
    let did = format!("gave {role} to {member}; there is no secret {SECRET}");
    guide.refused(&PLACE, did, "G13").await
}

async fn synced(guide: &mut Guide<'_>) -> Result<()> {
    guide.begin("Trust, permission and a secret: the Secret appears");
    put(guide.stage, "from Google Secret Manager")?;
    let did = format!(
        "wrote secret {SECRET} into project {}",
        guide.stage.sandbox.gcp.project()
    );
    guide.holds(&PLACE, did, "from Google Secret Manager").await
}

async fn changed(guide: &mut Guide<'_>) -> Result<()> {
    guide.begin("The value changes at Google, the Secret follows");
    put(guide.stage, "changed at Google")?;
    let did = format!(
        "added a version to secret {SECRET}; annotated the ExternalSecret with external-secrets.io/force-sync (its interval is 24h)"
    );
    guide.holds(&PLACE, did, "changed at Google").await
}

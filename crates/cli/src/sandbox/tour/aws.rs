//! AWS Parameter Store, by the operator's own web identity.

use anyhow::Result;
use serde_json::Value;

use super::super::stage::{ROLE, fill, issuer_host};
use super::{Guide, Place, operator};

/// The example's trust policy, with placeholders.
pub const TRUST_POLICY: &str =
    include_str!("../../../../../examples/aws-parameter-store/trust-policy.json");
/// The example's permissions, with placeholders.
pub const PERMISSION_POLICY: &str =
    include_str!("../../../../../examples/aws-parameter-store/permission-policy.json");
/// The example's store.
pub const STORE: &str =
    include_str!("../../../../../examples/aws-parameter-store/cluster-secret-store.yaml");
/// The example's object.
pub const EXTERNAL_SECRET: &str =
    include_str!("../../../../../examples/aws-parameter-store/external-secret.yaml");

/// Where the API server keeps the object.
pub const ES_PATH: &str = "/apis/external-secrets.io/v1/namespaces/default/externalsecrets/hello";
/// Where the API server keeps the store.
pub const STORE_PATH: &str = "/apis/external-secrets.io/v1/clustersecretstores/aws-parameter-store";
const PLACE: Place = Place {
    cloud: "AWS",
    store: STORE_PATH,
    external_secret: ES_PATH,
    secret: "/api/v1/namespaces/default/secrets/hello",
    key: "SOME_ENV_VAR",
};
const PARAMETER: &str = "/path/to/key";

/// Walks through AWS' part.
pub(super) async fn walk(guide: &mut Guide<'_>) -> Result<()> {
    no_trust(guide).await?;
    wrong_subject(guide).await?;
    no_permission(guide).await?;
    synced(guide).await?;
    changed(guide).await
}

async fn no_trust(guide: &mut Guide<'_>) -> Result<()> {
    guide.begin("No trust: AWS does not know this cluster's issuer");
    let stage = guide.stage;
    stage
        .sandbox
        .aws
        .put_secure_parameter(PARAMETER, "from AWS Parameter Store", None)?;
    let store: Value = serde_saphyr::from_str(STORE)?;
    let external_secret: Value = serde_saphyr::from_str(EXTERNAL_SECRET)?;
    stage
        .objects
        .apply(&PLACE.store.replace("/v1/", "/v1beta1/"), &store)
        .await?;
    let path = PLACE.external_secret.replace("/v1/", "/v1beta1/");
    stage.objects.apply(&path, &external_secret).await?;
    let did = format!(
        "put SecureString {PARAMETER}; applied ClusterSecretStore aws-parameter-store and ExternalSecret default/hello"
    );
    guide.refused(&PLACE, did, "InvalidIdentityToken").await
}

async fn wrong_subject(guide: &mut Guide<'_>) -> Result<()> {
    guide.begin("Trust for the wrong subject");
    let sandbox = &guide.stage.sandbox;
    sandbox
        .aws
        .create_oidc_provider(sandbox.issuer.url(), &["sts.amazonaws.com"])?;
    let wrong = fill(sandbox, TRUST_POLICY)
        .replace(&operator(), "system:serviceaccount:default:somebody-else");
    sandbox.aws.create_role(ROLE, &wrong)?;
    let did = format!(
        "created OIDC provider {} and role {ROLE} trusting system:serviceaccount:default:somebody-else",
        issuer_host(sandbox)
    );
    guide.refused(&PLACE, did, "AccessDenied").await
}

async fn no_permission(guide: &mut Guide<'_>) -> Result<()> {
    guide.begin("Trust without permission");
    let sandbox = &guide.stage.sandbox;
    sandbox
        .aws
        .update_trust_policy(ROLE, &fill(sandbox, TRUST_POLICY))?;
    let did = format!("let role {ROLE} trust {}", operator());
    guide.refused(&PLACE, did, "AccessDeniedException").await
}

async fn synced(guide: &mut Guide<'_>) -> Result<()> {
    guide.begin("Trust and permission: the Secret appears");
    let sandbox = &guide.stage.sandbox;
    sandbox
        .aws
        .put_role_policy(ROLE, "external-secrets", &fill(sandbox, PERMISSION_POLICY))?;
    let did = format!("allowed ssm:GetParameter* and kms:Decrypt to role {ROLE}");
    guide.holds(&PLACE, did, "from AWS Parameter Store").await
}

async fn changed(guide: &mut Guide<'_>) -> Result<()> {
    guide.begin("The value changes at AWS, the Secret follows");
    guide
        .stage
        .sandbox
        .aws
        .put_secure_parameter(PARAMETER, "changed at AWS", None)?;
    let did = format!(
        "put a new value into {PARAMETER}; annotated the ExternalSecret with external-secrets.io/force-sync (its interval is 24h)"
    );
    guide.holds(&PLACE, did, "changed at AWS").await
}

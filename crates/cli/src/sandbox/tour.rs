//! The tour: one broken link after the other, each answered by evaluation, until the Secret is
//! there and follows its source.

use std::time::Instant;

use anyhow::Result;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::objects::ready;
use super::show::Show;
use super::stage::{NAMESPACE, ROLE, SERVICE_ACCOUNT, Stage, fill, issuer_host};

/// The example's trust policy, with placeholders.
pub const TRUST_POLICY: &str =
    include_str!("../../../../examples/aws-parameter-store/trust-policy.json");
/// The example's permissions, with placeholders.
pub const PERMISSION_POLICY: &str =
    include_str!("../../../../examples/aws-parameter-store/permission-policy.json");
/// The example's store.
pub const STORE: &str =
    include_str!("../../../../examples/aws-parameter-store/cluster-secret-store.yaml");
/// The example's object.
pub const EXTERNAL_SECRET: &str =
    include_str!("../../../../examples/aws-parameter-store/external-secret.yaml");

/// Where the API server keeps it.
pub const ES_PATH: &str = "/apis/external-secrets.io/v1/namespaces/default/externalsecrets/hello";
/// Where the API server keeps the store.
pub const STORE_PATH: &str = "/apis/external-secrets.io/v1/clustersecretstores/aws-parameter-store";
const SECRET_PATH: &str = "/api/v1/namespaces/default/secrets/hello";
const PARAMETER: &str = "/path/to/key";

/// How one step ended.
#[derive(serde::Serialize)]
pub struct Step {
    /// What the step is about.
    pub title: &'static str,
    /// What was done.
    pub did: String,
    /// What the chain must say then.
    pub expected: String,
    /// What it said.
    pub observed: String,
    /// Whether the two agree.
    pub ok: bool,
    /// How long it took, seconds.
    pub seconds: f64,
}

/// Walks through all steps, each shown as it ends.
pub async fn walk(stage: &Stage, show: &Show) -> Result<Vec<Step>> {
    let mut steps = Vec::new();
    for title in TITLES {
        show.step(title.1);
        let begin = Instant::now();
        let mut step = perform(stage, title.0, title.1).await?;
        step.seconds = (begin.elapsed().as_secs_f64() * 1000.0).round() / 1000.0;
        show.step_ended(&step);
        steps.push(step);
    }
    Ok(steps)
}

#[derive(Clone, Copy)]
enum Scene {
    NoTrust,
    WrongSubject,
    NoPermission,
    Synced,
    Changed,
}

const TITLES: [(Scene, &str); 5] = [
    (
        Scene::NoTrust,
        "No trust: AWS does not know this cluster's issuer",
    ),
    (Scene::WrongSubject, "Trust for the wrong subject"),
    (Scene::NoPermission, "Trust without permission"),
    (Scene::Synced, "Trust and permission: the Secret appears"),
    (
        Scene::Changed,
        "The value changes at AWS, the Secret follows",
    ),
];

async fn perform(stage: &Stage, scene: Scene, title: &'static str) -> Result<Step> {
    match scene {
        Scene::NoTrust => no_trust(stage, title).await,
        Scene::WrongSubject => wrong_subject(stage, title).await,
        Scene::NoPermission => no_permission(stage, title).await,
        Scene::Synced => synced(stage, title).await,
        Scene::Changed => changed(stage, title).await,
    }
}

async fn no_trust(stage: &Stage, title: &'static str) -> Result<Step> {
    stage
        .sandbox
        .aws
        .put_secure_parameter(PARAMETER, "from AWS Parameter Store", None)?;
    let store: Value = serde_saphyr::from_str(STORE)?;
    let external_secret: Value = serde_saphyr::from_str(EXTERNAL_SECRET)?;
    stage
        .objects
        .apply(&STORE_PATH.replace("/v1/", "/v1beta1/"), &store)
        .await?;
    stage
        .objects
        .apply(&ES_PATH.replace("/v1/", "/v1beta1/"), &external_secret)
        .await?;
    let did = format!(
        "put SecureString {PARAMETER}; applied ClusterSecretStore aws-parameter-store and ExternalSecret default/hello"
    );
    refused(stage, title, did, "InvalidIdentityToken").await
}

async fn wrong_subject(stage: &Stage, title: &'static str) -> Result<Step> {
    let aws = &stage.sandbox.aws;
    aws.create_oidc_provider(stage.sandbox.issuer.url(), &["sts.amazonaws.com"])?;
    let wrong = fill(&stage.sandbox, TRUST_POLICY)
        .replace(&subject(), "system:serviceaccount:default:somebody-else");
    aws.create_role(ROLE, &wrong)?;
    let did = format!(
        "created OIDC provider {} and role {ROLE} trusting system:serviceaccount:default:somebody-else",
        issuer_host(&stage.sandbox)
    );
    refused(stage, title, did, "AccessDenied").await
}

async fn no_permission(stage: &Stage, title: &'static str) -> Result<Step> {
    stage
        .sandbox
        .aws
        .update_trust_policy(ROLE, &fill(&stage.sandbox, TRUST_POLICY))?;
    refused(
        stage,
        title,
        format!("let role {ROLE} trust {}", subject()),
        "AccessDeniedException",
    )
    .await
}

async fn synced(stage: &Stage, title: &'static str) -> Result<Step> {
    stage.sandbox.aws.put_role_policy(
        ROLE,
        "external-secrets",
        &fill(&stage.sandbox, PERMISSION_POLICY),
    )?;
    let did = format!("allowed ssm:GetParameter* and kms:Decrypt to role {ROLE}");
    holds(stage, title, did, "from AWS Parameter Store").await
}

async fn changed(stage: &Stage, title: &'static str) -> Result<Step> {
    stage
        .sandbox
        .aws
        .put_secure_parameter(PARAMETER, "changed at AWS", None)?;
    let did = format!(
        "put a new value into {PARAMETER}; annotated the ExternalSecret with external-secrets.io/force-sync (its interval is 24h)"
    );
    holds(stage, title, did, "changed at AWS").await
}

fn subject() -> String {
    format!("system:serviceaccount:{NAMESPACE}:{SERVICE_ACCOUNT}")
}

/// Asks the operator to look at the store now: it would by itself, after its back-off.
async fn look_again(stage: &Stage, why: &str) -> Result<()> {
    let sync = json!({"metadata": {"annotations": {"external-secrets.io/force-sync": why}}});
    stage.objects.patch(STORE_PATH, &sync).await?;
    stage.objects.patch(ES_PATH, &sync).await?;
    Ok(())
}

/// The ExternalSecret must not be Ready, and say `code`. Codes that begin alike are told apart.
async fn refused(stage: &Stage, title: &'static str, did: String, code: &str) -> Result<Step> {
    let names = |text: &str| {
        text.split(|c: char| !c.is_alphanumeric())
            .any(|word| word == code)
    };
    let told = |object: &Value| {
        let (status, message) = ready(object);
        status == "False" && names(&message)
    };
    look_again(stage, code).await?;
    let (ok, object) = stage.objects.until(ES_PATH, told).await?;
    let secret = stage.objects.get(SECRET_PATH).await?;
    let (status, message) = ready(&object);
    Ok(Step {
        title,
        did,
        expected: format!("Ready=False with {code}, no Secret"),
        observed: format!("Ready={status}: {message}"),
        ok: ok && secret.is_none(),
        seconds: 0.0,
    })
}

/// The Secret must hold `value`, and the ExternalSecret be Ready.
async fn holds(stage: &Stage, title: &'static str, did: String, value: &str) -> Result<Step> {
    look_again(stage, value).await?;
    let decoded = |secret: &Value| {
        let text = secret.pointer("/data/SOME_ENV_VAR").and_then(Value::as_str);
        text.and_then(|t| STANDARD.decode(t).ok())
            .and_then(|bytes| String::from_utf8(bytes).ok())
    };
    let (written, secret) = stage
        .objects
        .until(SECRET_PATH, |s| decoded(s).as_deref() == Some(value))
        .await?;
    let (is_ready, object) = stage
        .objects
        .until(ES_PATH, |o| ready(o).0 == "True")
        .await?;
    let (status, message) = ready(&object);
    let shown = decoded(&secret).map_or_else(
        || "no Secret".to_owned(),
        |v| format!("Secret default/hello holds SOME_ENV_VAR={v:?}"),
    );
    Ok(Step {
        title,
        did,
        expected: format!("Secret default/hello with SOME_ENV_VAR={value:?}, Ready=True"),
        observed: format!("{shown}; Ready={status}: {message}"),
        ok: written && is_ready,
        seconds: 0.0,
    })
}

//! The tour: for each cloud one broken link after the other, each answered by evaluation, until
//! the Secret is there and follows its source.
//!
//! A cloud's part is one file in `tour`.

pub mod aws;
mod azure;
mod gcp;
mod vault;

use std::time::Instant;

use anyhow::Result;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::objects::ready;
use super::show::Show;
use super::stage::{NAMESPACE, SERVICE_ACCOUNT, Stage};

pub use aws::{PERMISSION_POLICY, TRUST_POLICY};
pub use azure::trust_everything as trust_azure;
pub use gcp::trust_everything as trust_gcp;
pub use vault::trust_everything as trust_vault;

/// Which cloud's part of the tour is walked.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Cloud {
    /// AWS Parameter Store
    Aws,
    /// Azure Key Vault
    Azure,
    /// Google Secret Manager
    Gcp,
    /// HashiCorp Vault
    Vault,
    /// All of them
    All,
}

/// How one step ended.
#[derive(serde::Serialize)]
pub struct Step {
    /// Whose chain it is about.
    pub cloud: &'static str,
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

/// The objects of one cloud's part, by their paths at the API.
struct Place {
    cloud: &'static str,
    store: &'static str,
    external_secret: &'static str,
    /// The Secret that the ExternalSecret leads to, and its one key.
    secret: &'static str,
    key: &'static str,
}

/// Walks through the parts of `cloud`, each step shown as it ends.
pub async fn walk(stage: &Stage, show: &Show, cloud: Cloud) -> Result<Vec<Step>> {
    let mut guide = Guide {
        stage,
        show,
        steps: Vec::new(),
        begun: ("", Instant::now()),
    };
    let wanted = |one: Cloud| cloud == one || cloud == Cloud::All;
    if wanted(Cloud::Aws) {
        aws::walk(&mut guide).await?;
    }
    if wanted(Cloud::Azure) {
        azure::walk(&mut guide).await?;
    }
    if wanted(Cloud::Gcp) {
        gcp::walk(&mut guide).await?;
    }
    if wanted(Cloud::Vault) {
        vault::walk(&mut guide).await?;
    }
    Ok(guide.steps)
}

/// Leads through the steps.
struct Guide<'a> {
    stage: &'a Stage,
    show: &'a Show,
    steps: Vec<Step>,
    begun: (&'static str, Instant),
}

impl Guide<'_> {
    /// A step begins; [`Guide::refused`] or [`Guide::holds`] ends it.
    fn begin(&mut self, title: &'static str) {
        self.show.step(title);
        self.begun = (title, Instant::now());
    }

    fn end(&mut self, mut step: Step) {
        let (title, begun) = self.begun;
        step.title = title;
        step.seconds = (begun.elapsed().as_secs_f64() * 1000.0).round() / 1000.0;
        self.show.step_ended(&step);
        self.steps.push(step);
    }

    /// Asks the operator to look at the store now: it would by itself, after its back-off.
    async fn look_again(&self, place: &Place, why: &str) -> Result<()> {
        let sync = json!({"metadata": {"annotations": {"external-secrets.io/force-sync": why}}});
        self.stage.objects.patch(place.store, &sync).await?;
        self.stage
            .objects
            .patch(place.external_secret, &sync)
            .await?;
        Ok(())
    }

    /// The ExternalSecret must not be Ready, and say `code`. Codes that begin alike are told
    /// apart.
    async fn refused(&mut self, place: &Place, did: String, code: &str) -> Result<()> {
        let names = |text: &str| {
            text.split(|c: char| !c.is_alphanumeric())
                .any(|word| word == code)
        };
        let told = |object: &Value| {
            let (status, message) = ready(object);
            status == "False" && names(&message)
        };
        self.look_again(place, code).await?;
        let objects = &self.stage.objects;
        let (ok, object) = objects.until(place.external_secret, told).await?;
        let secret = objects.get(place.secret).await?;
        let (status, message) = ready(&object);
        self.end(Step {
            cloud: place.cloud,
            title: "",
            did,
            expected: format!("Ready=False with {code}, no Secret"),
            observed: format!("Ready={status}: {message}"),
            ok: ok && secret.is_none(),
            seconds: 0.0,
        });
        Ok(())
    }

    /// The Secret must hold `value`, and the ExternalSecret be Ready.
    async fn holds(&mut self, place: &Place, did: String, value: &str) -> Result<()> {
        self.look_again(place, value).await?;
        let key = place.key;
        let decoded = |secret: &Value| {
            let text = secret.pointer(&format!("/data/{key}"))?.as_str()?;
            String::from_utf8(STANDARD.decode(text).ok()?).ok()
        };
        let objects = &self.stage.objects;
        let (written, secret) = objects
            .until(place.secret, |s| decoded(s).as_deref() == Some(value))
            .await?;
        let (is_ready, object) = objects
            .until(place.external_secret, |o| ready(o).0 == "True")
            .await?;
        let (status, message) = ready(&object);
        let name = place.secret.rsplit('/').next().unwrap_or_default();
        let shown = decoded(&secret).map_or_else(
            || "no Secret".to_owned(),
            |v| format!("Secret default/{name} holds {key}={v:?}"),
        );
        self.end(Step {
            cloud: place.cloud,
            title: "",
            did,
            expected: format!("Secret default/{name} with {key}={value:?}, Ready=True"),
            observed: format!("{shown}; Ready={status}: {message}"),
            ok: written && is_ready,
            seconds: 0.0,
        });
        Ok(())
    }
}

/// The subject of the operator's service account.
fn operator() -> String {
    format!("system:serviceaccount:{NAMESPACE}:{SERVICE_ACCOUNT}")
}

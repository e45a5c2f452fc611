//! Stored keys, and the operator's own identity.
//!
//! Owns: what Google's clients call application default credentials: the credential file that the
//! environment names, or else the metadata server. Refuses: what `gcloud` keeps of a person.

use keyless_secret::SecretBytes;
use keyless_trust::gcp::name::is_project;
use serde::Deserialize;

use super::config::{self, Author};
use super::{Cloud, Login, ServiceAccountKey, Source};
use crate::{Environment, Error};

/// Where Google's clients look for the operator's own credential.
const CREDENTIALS: &str = "GOOGLE_APPLICATION_CREDENTIALS";
/// Where they look for the project whose quota is used.
const QUOTA: &str = "GOOGLE_CLOUD_QUOTA_PROJECT";

#[derive(Deserialize)]
struct Kind {
    #[serde(rename = "type", default)]
    kind: String,
}

/// The login of a stored key of a service account; `what` is where it comes from.
pub(super) fn key(env: &Environment, json: &SecretBytes, what: &str) -> Result<Login, Error> {
    let key = ServiceAccountKey::from_json(json, what)?;
    let universe = format!("universe_domain of {what}");
    let cloud = Cloud::of(env)?.within(key.universe(), &universe)?;
    let known = [
        cloud.oauth(),
        format!("https://www.{}/oauth2/v4/token", cloud.universe),
        "https://accounts.google.com/o/oauth2/token".to_owned(),
    ];
    // Older files have the older endpoints, which lead to the same place.
    if let Some(uri) = key.token_uri()
        && !known.iter().any(|known| known == uri)
    {
        return Err(Error::Config {
            reason: format!(
                "token_uri of {what} leads to {} and must be {}",
                super::login::host(uri),
                cloud.oauth()
            ),
            hint: Some("Store the key as Google made it".into()),
            code: "",
        });
    }
    Ok(Login {
        cloud,
        source: Source::Key(key),
        impersonate: None,
        quota_project: None,
    })
}

/// The operator's own identity, as Google's clients find it, and the quota that the environment
/// asks it to use.
pub(super) async fn own(env: &Environment) -> Result<Login, Error> {
    let mut login = found(env).await?;
    if let Some(project) = env.get(QUOTA) {
        login.quota_project = Some(project.to_owned()).filter(|project| is_project(project));
        if login.quota_project.is_none() {
            return Err(Error::Config {
                reason: format!("{QUOTA} of the operator is not the id or number of a project"),
                hint: Some(format!("Correct {QUOTA}, or remove it")),
                code: "",
            });
        }
    }
    Ok(login)
}

async fn found(env: &Environment) -> Result<Login, Error> {
    let Some(path) = env.get(CREDENTIALS) else {
        return Ok(Login {
            cloud: Cloud::of(env)?,
            source: Source::Metadata,
            impersonate: None,
            quota_project: None,
        });
    };
    let what = format!("{path:?} ({CREDENTIALS} of the operator)");
    let read = tokio::fs::read(path).await;
    let json = read.map(SecretBytes::new).map_err(|error| Error::Config {
        reason: format!("cannot read {what}: {error}"),
        hint: Some(format!(
            "Mount the credential configuration into the operator, or unset {CREDENTIALS}"
        )),
        code: "G16",
    })?;
    let kind: Option<Kind> = serde_json::from_slice(json.expose()).ok();
    match kind.as_ref().map(|kind| kind.kind.as_str()) {
        Some("service_account") => key(env, &json, &what),
        Some("external_account") => {
            let text = json.expose_str().unwrap_or_default();
            Ok(config::read(text, &what, Author::Operator, None, env)?.into())
        }
        _ => Err(Error::Config {
            reason: format!("{what} is neither of type external_account nor service_account"),
            hint: Some("Make it with gcloud iam workload-identity-pools create-cred-config".into()),
            code: "G16",
        }),
    }
}

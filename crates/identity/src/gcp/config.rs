//! Credential configurations of type `external_account` (AIP-4117).
//!
//! Owns: reading one, and which of its URLs are taken. Refuses: executables, endpoints outside the
//! login's universe, and in a tenant's configuration the operator's own token.

use std::collections::BTreeMap;
use std::path::{Component, Path};
use std::time::Duration;

use keyless_trust::gcp::PoolProvider;
use keyless_trust::gcp::name::is_project;
use serde::Deserialize;

use super::{Cloud, Format, Impersonation, Pool, Source, Subject};
use crate::{Environment, Error, aws};

/// The kind of token when none is named.
pub(super) const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";
/// The kind of a signed request to AWS.
pub(super) const AWS: &str = "urn:ietf:params:aws:token-type:aws4_request";
/// The life of an impersonated token when none is named.
pub(super) const LIFE: Duration = Duration::from_secs(3600);
/// Where the cluster mounts tokens for its own API server.
const MOUNTED: [&str; 2] = [
    "/var/run/secrets/kubernetes.io",
    "/run/secrets/kubernetes.io",
];
/// Addresses that Google's documents name for AWS's metadata service.
const AWS_METADATA: [&str; 3] = [
    "metadata.google.internal",
    "169.254.169.254",
    "[fd00:ec2::254]",
];

/// Who wrote a configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Author<'a> {
    /// Whoever runs the operator.
    Operator,
    /// Whoever writes the store, with the token endpoint that the store allows.
    Tenant {
        /// `externalTokenEndpoint`.
        endpoint: Option<&'a str>,
    },
}

/// What a configuration says.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) cloud: Cloud,
    pub(super) source: Source,
    pub(super) impersonate: Option<Impersonation>,
    pub(super) quota_project: Option<String>,
}

#[derive(Deserialize)]
struct Wire {
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    audience: String,
    #[serde(default)]
    subject_token_type: String,
    token_url: Option<String>,
    service_account_impersonation_url: Option<String>,
    #[serde(default)]
    service_account_impersonation: Lifetime,
    universe_domain: Option<String>,
    quota_project_id: Option<String>,
    credential_source: Option<CredentialSource>,
}

#[derive(Deserialize, Default)]
struct Lifetime {
    token_lifetime_seconds: Option<u64>,
}

#[derive(Deserialize)]
struct CredentialSource {
    file: Option<String>,
    url: Option<String>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    executable: Option<serde::de::IgnoredAny>,
    environment_id: Option<String>,
    region_url: Option<String>,
    regional_cred_verification_url: Option<String>,
    imdsv2_session_token_url: Option<String>,
    #[serde(default)]
    format: WireFormat,
}

#[derive(Deserialize, Default)]
struct WireFormat {
    #[serde(rename = "type", default)]
    kind: String,
    subject_token_field_name: Option<String>,
}

/// Reads the configuration `json` out of `what`. `audience` of the store stands in for its own.
pub(super) fn read(
    json: &str,
    what: &str,
    author: Author<'_>,
    audience: Option<&str>,
    env: &Environment,
) -> Result<Found, Error> {
    let bad = |reason: String| Error::Config {
        reason: format!("{what}: {reason}"),
        hint: Some(
            "Make it with gcloud iam workload-identity-pools create-cred-config, or use \
             serviceAccountRef with audience"
                .into(),
        ),
        code: "",
    };
    // The parser's own words may quote the document.
    let wire: Wire = serde_json::from_str(json)
        .map_err(|_| bad("it is not a credential configuration in JSON".into()))?;
    if wire.kind != "external_account" {
        return Err(bad(format!(
            "its type is {:?} instead of \"external_account\"",
            shown(&wire.kind)
        )));
    }
    let own = Cloud::of(env)?;
    let cloud = own.clone().within(
        wire.universe_domain.as_deref(),
        &format!("universe_domain of {what}"),
    )?;
    // A tenant must not name the host that the operator's tokens go to.
    if author != Author::Operator && cloud.universe != own.universe {
        return Err(bad(format!(
            "its universe_domain is not the operator's, {}",
            own.universe
        )));
    }
    let written = format!("https://sts.{}/v1/token", cloud.universe);
    let elsewhere = |url: &&str| *url != written && *url != cloud.sts();
    if let Some(url) = wire.token_url.as_deref().filter(elsewhere) {
        return Err(bad(format!(
            "its token_url leads to {} and must be {written}",
            super::login::host(url)
        )));
    }
    let name = audience.unwrap_or(&wire.audience);
    let pool = Pool::Provider(provider(name, "audience")?);
    let impersonate = match wire.service_account_impersonation_url.as_deref() {
        None | Some("") => None,
        Some(url) => Some(Impersonation {
            email: impersonated(url, &cloud).ok_or_else(|| {
                bad("its service_account_impersonation_url is not that of a service account".into())
            })?,
            life: life(wire.service_account_impersonation.token_lifetime_seconds)
                .map_err(|reason| bad(reason.into()))?,
        }),
    };
    let kind = if wire.subject_token_type.is_empty() {
        JWT.to_owned()
    } else {
        wire.subject_token_type
    };
    let quota_project = wire.quota_project_id.filter(|project| !project.is_empty());
    if quota_project
        .as_deref()
        .is_some_and(|project| !is_project(project))
    {
        return Err(bad("its quota_project_id is not a project".into()));
    }
    let source = wire
        .credential_source
        .ok_or_else(|| bad("it has no credential_source".into()))?;
    let subject = subject(source, kind, author, env).map_err(bad)?;
    Ok(Found {
        cloud,
        source: Source::Federated { pool, subject },
        impersonate,
        quota_project,
    })
}

fn subject(
    source: CredentialSource,
    kind: String,
    author: Author<'_>,
    env: &Environment,
) -> Result<Subject, String> {
    if source.executable.is_some() {
        return Err("credential_source.executable is not allowed: no program is run".into());
    }
    let format = match (
        source.format.kind.as_str(),
        source.format.subject_token_field_name.clone(),
    ) {
        ("" | "text", _) => Format::Text,
        ("json", Some(field)) if !field.is_empty() => Format::Json(field),
        ("json", _) => return Err("its format needs subject_token_field_name".into()),
        _ => return Err("its format is neither text nor json".into()),
    };
    if let Some(id) = &source.environment_id {
        if !id.starts_with("aws") {
            return Err("credential_source.environment_id must begin with aws".into());
        }
        return aws_subject(&source, env);
    }
    match (source.file, source.url) {
        (Some(path), None) => {
            if author != Author::Operator && !may_read(Path::new(&path)) {
                return Err(
                    "credential_source.file is not a file whose token a store may use".into(),
                );
            }
            Ok(Subject::File {
                path,
                format,
                kind,
                guarded: author != Author::Operator,
            })
        }
        (None, Some(url)) => {
            let web = url::Url::parse(&url)
                .is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
            if !web {
                return Err("credential_source.url is not an http or https URL".into());
            }
            if let Author::Tenant { endpoint } = author
                && endpoint != Some(url.as_str())
            {
                return Err(
                    "credential_source.url is not the externalTokenEndpoint of the store".into(),
                );
            }
            Ok(Subject::Url {
                url,
                headers: source.headers.into_iter().collect(),
                format,
                kind,
                guarded: author != Author::Operator,
            })
        }
        _ => Err("credential_source needs either file, url or environment_id".into()),
    }
}

/// AWS's identity of the operator itself. The URLs must be those of the metadata service; keyless
/// has its own way to it, and to the other sources of AWS.
fn aws_subject(source: &CredentialSource, env: &Environment) -> Result<Subject, String> {
    let at_metadata = |url: &Option<String>, path: &str| {
        let Some(url) = url.as_deref().filter(|url| !url.is_empty()) else {
            return true;
        };
        AWS_METADATA
            .iter()
            .any(|host| *url == format!("http://{host}/latest/{path}"))
    };
    for (field, url, path) in [
        ("url", &source.url, "meta-data/iam/security-credentials"),
        (
            "region_url",
            &source.region_url,
            "meta-data/placement/availability-zone",
        ),
        (
            "imdsv2_session_token_url",
            &source.imdsv2_session_token_url,
            "api/token",
        ),
    ] {
        if !at_metadata(url, path) {
            return Err(format!(
                "credential_source.{field} is not that of AWS's metadata service"
            ));
        }
    }
    let usual = [
        "https://sts.{region}.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15",
        "https://sts.{region}.amazonaws.com/?Action=GetCallerIdentity&Version=2011-06-15",
    ];
    let verification = source.regional_cred_verification_url.as_deref();
    if verification.is_some_and(|url| !url.is_empty() && !usual.contains(&url)) {
        return Err("credential_source.regional_cred_verification_url is not AWS's own".into());
    }
    let region = ["AWS_REGION", "AWS_DEFAULT_REGION"]
        .into_iter()
        .find_map(|name| env.get(name))
        .ok_or("the operator's environment has no AWS_REGION, which a source at AWS needs")?;
    Ok(Subject::Aws {
        login: Box::new(aws::Login {
            region: aws::Region::parse(region).map_err(|error| error.to_string())?,
            source: aws::Source::Operator,
            hops: Vec::new(),
        }),
    })
}

/// A pool's provider by its full name, with the two mistakes that are made most.
pub(super) fn provider(name: &str, field: &str) -> Result<PoolProvider, Error> {
    use keyless_trust::gcp::NameError;
    PoolProvider::parse(name.trim()).map_err(|error| Error::Config {
        code: match error {
            NameError::ProjectId(_) => "G1",
            _ => "G2",
        },
        reason: format!("{field}: {error}"),
        hint: Some(
            "Write the provider's full name, \
             //iam.googleapis.com/projects/NUMBER/locations/global/workloadIdentityPools/POOL/providers/PROVIDER"
                .into(),
        ),
    })
}

/// The account in `https://iamcredentials.UNIVERSE/v1/projects/-/serviceAccounts/EMAIL:generateAccessToken`.
fn impersonated(url: &str, cloud: &Cloud) -> Option<String> {
    let written = format!(
        "https://iamcredentials.{}/v1/projects/-/serviceAccounts/",
        cloud.universe
    );
    let overridden = cloud.account("", "");
    let rest = url
        .strip_prefix(&written)
        .or_else(|| url.strip_prefix(overridden.trim_end_matches(':')))?;
    let email = rest.strip_suffix(":generateAccessToken")?;
    is_email(email).then(|| email.to_owned())
}

fn life(seconds: Option<u64>) -> Result<Duration, &'static str> {
    match seconds {
        None | Some(0) => Ok(LIFE),
        Some(seconds) if (600..=43_200).contains(&seconds) => Ok(Duration::from_secs(seconds)),
        Some(_) => Err("its token_lifetime_seconds must be between 600 and 43200"),
    }
}

/// An address as service accounts have one: it becomes part of a URL.
pub(super) fn is_email(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
    text.len() <= 200
        && text.split_once('@').is_some_and(|(name, domain)| {
            !name.is_empty()
                && domain.contains('.')
                && !name.starts_with('.')
                && name.bytes().all(plain)
                && domain.bytes().all(plain)
        })
}

/// Whether a tenant's configuration may name this file: not the operator's own token, however the
/// path is written. Links are looked at when it is read.
pub(super) fn may_read(path: &Path) -> bool {
    let plain = path
        .components()
        .all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
    path.is_absolute()
        && plain
        && !path.starts_with("/proc")
        && !path.starts_with("/sys")
        && !path.starts_with("/dev")
        && !MOUNTED.iter().any(|mounted| path.starts_with(mounted))
}

fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(40).collect()
}

#[cfg(test)]
mod tests;

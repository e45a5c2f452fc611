//! Flags of token injection, by cloud: those of the clouds' own webhooks, with the cloud in
//! front where two of them mean different things by one name.

use std::path::PathBuf;
use std::str::FromStr;

use keyless_admission::cloud::{Cloud, Injectors};
use keyless_admission::inject::{aws, azure, google};
use keyless_kubernetes::Clients;
use keyless_kubernetes::request::Requests;
use serde_json::Value;

use super::upstream;

/// A cloud's name.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Name(pub Cloud);

impl FromStr for Name {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let cloud = Cloud::parse(text.trim()).map(Self);
        cloud.ok_or_else(|| "it is none of aws, azure and google".to_owned())
    }
}

const AWS: &str = "Injection for AWS";
const AZURE: &str = "Injection for Azure";
const GOOGLE: &str = "Injection for Google";

/// Flags of all clouds.
#[derive(clap::Args)]
#[group(skip)]
pub struct Flags {
    /// What the annotations of service accounts and pods begin with
    #[arg(long, default_value = "eks.amazonaws.com", value_name = "PREFIX", help_heading = AWS)]
    aws_annotation_prefix: String,
    /// Audience of tokens
    #[arg(long, default_value = "sts.amazonaws.com", value_name = "AUDIENCE", help_heading = AWS)]
    aws_token_audience: String,
    /// Life of tokens in seconds; less than 600 is 600
    #[arg(long, default_value_t = 86_400, value_name = "SECONDS", help_heading = AWS)]
    aws_token_expiration: i64,
    /// Where tokens are mounted
    #[arg(long, default_value = "/var/run/secrets/eks.amazonaws.com/serviceaccount", value_name = "PATH", help_heading = AWS)]
    token_mount_path: String,
    /// Set AWS_REGION and AWS_DEFAULT_REGION to this
    #[arg(long, value_name = "REGION", help_heading = AWS)]
    aws_default_region: Option<String>,
    /// Set AWS_STS_REGIONAL_ENDPOINTS=regional
    #[arg(long, num_args = 0..=1, require_equals = true, default_value_t = false, default_missing_value = "true", action = clap::ArgAction::Set, value_name = "BOOL", help_heading = AWS)]
    sts_regional_endpoint: bool,
    /// Make a role's ARN of a mere name, with the account of --aws-account-id
    #[arg(long, num_args = 0..=1, require_equals = true, default_value_t = false, default_missing_value = "true", action = clap::ArgAction::Set, value_name = "BOOL", requires = "aws_account_id", help_heading = AWS)]
    compose_role_arn: bool,
    /// Account of roles that are given by name
    #[arg(long, env = "AWS_ACCOUNT_ID", value_name = "ACCOUNT", help_heading = AWS)]
    aws_account_id: Option<String>,
    /// Partition of roles that are given by name
    #[arg(long, default_value = "aws", value_name = "PARTITION", help_heading = AWS)]
    aws_partition: String,
    /// Read ConfigMap pod-identity-webhook for service accounts without annotations
    #[arg(long, num_args = 0..=1, require_equals = true, default_value_t = false, default_missing_value = "true", action = clap::ArgAction::Set, value_name = "BOOL", help_heading = AWS)]
    pub watch_config_map: bool,
    /// File with the service accounts that get a pod identity
    #[arg(long, value_name = "FILE", help_heading = AWS)]
    pub watch_container_credentials_config: Option<PathBuf>,
    /// Audience of tokens of pod identities
    #[arg(long, default_value = "pods.eks.amazonaws.com", value_name = "AUDIENCE", help_heading = AWS)]
    container_credentials_audience: String,
    /// Where tokens of pod identities are mounted
    #[arg(long, default_value = "/var/run/secrets/pods.eks.amazonaws.com/serviceaccount", value_name = "PATH", help_heading = AWS)]
    container_credentials_token_mount_path: String,
    /// Volume of tokens of pod identities
    #[arg(long, default_value = "eks-pod-identity-token", value_name = "NAME", help_heading = AWS)]
    container_credentials_token_volume_name: String,
    /// File name of tokens of pod identities
    #[arg(long, default_value = "eks-pod-identity-token", value_name = "NAME", help_heading = AWS)]
    container_credentials_token_path: String,
    /// AWS_CONTAINER_CREDENTIALS_FULL_URI of pod identities
    #[arg(long, default_value = "http://169.254.170.23/v1/credentials", value_name = "URL", help_heading = AWS)]
    container_credentials_full_uri: String,

    /// Tenant of service accounts that name none
    #[arg(long, env = "AZURE_TENANT_ID", hide_env_values = true, value_name = "TENANT", help_heading = AZURE)]
    azure_tenant_id: Option<String>,
    /// AzurePublicCloud, AzureUSGovernmentCloud, AzureChinaCloud or AzureGermanCloud
    #[arg(long, env = "AZURE_ENVIRONMENT", hide_env_values = true, default_value = "AzurePublicCloud", value_name = "CLOUD", help_heading = AZURE)]
    azure_environment: String,
    /// Audience of tokens
    #[arg(long, alias = "audience", default_value = "api://AzureADTokenExchange", value_name = "AUDIENCE", help_heading = AZURE)]
    azure_audience: String,
    /// Pods ask for the token endpoint below with azure.workload.identity/use-SUFFIX
    #[arg(long, value_name = "SUFFIX", help_heading = AZURE)]
    custom_token_endpoint_annotation_suffix: Option<String>,
    /// Audience of tokens for it
    #[arg(long, value_name = "AUDIENCE", help_heading = AZURE)]
    custom_token_endpoint_audience: Option<String>,
    /// A token endpoint of the cluster's own
    #[arg(long, env = "AZURE_KUBERNETES_TOKEN_PROXY", hide_env_values = true, value_name = "URL", help_heading = AZURE)]
    custom_token_endpoint_proxy: Option<String>,
    /// Its TLS server name
    #[arg(long, env = "AZURE_KUBERNETES_SNI_NAME", hide_env_values = true, value_name = "NAME", help_heading = AZURE)]
    custom_token_endpoint_sni_name: Option<String>,
    /// Its authority, PEM
    #[arg(long, env = "AZURE_KUBERNETES_CA_DATA", hide_env_values = true, value_name = "PEM", help_heading = AZURE)]
    custom_token_endpoint_ca_data: Option<String>,
    /// ConfigMap with its authority, in each pod's namespace
    #[arg(long, env = "AZURE_KUBERNETES_CA_CONFIGMAP_NAME", hide_env_values = true, value_name = "NAME", help_heading = AZURE)]
    custom_token_endpoint_ca_config_map: Option<String>,
    /// Signer of the cluster trust bundles with its authority
    #[arg(long, env = "AZURE_KUBERNETES_CA_CTB_SIGNER_NAME", hide_env_values = true, value_name = "NAME", help_heading = AZURE)]
    custom_token_endpoint_ca_signer: Option<String>,
    /// Which of them: a label selector, JSON
    #[arg(long, env = "AZURE_KUBERNETES_CA_CTB_LABEL_SELECTOR", hide_env_values = true, value_name = "JSON", help_heading = AZURE)]
    custom_token_endpoint_ca_selector: Option<String>,
    /// Image of the proxy that answers for the instance metadata service
    #[arg(long, env = "PROXY_IMAGE", hide_env_values = true, value_name = "IMAGE", help_heading = AZURE)]
    azure_proxy_image: Option<String>,
    /// Image that redirects to it
    #[arg(long, env = "PROXY_INIT_IMAGE", hide_env_values = true, value_name = "IMAGE", help_heading = AZURE)]
    azure_proxy_init_image: Option<String>,

    /// What the annotations of service accounts and pods begin with
    #[arg(long, default_value = "cloud.google.com", value_name = "PREFIX", help_heading = GOOGLE)]
    google_annotation_prefix: String,
    /// Audience of tokens
    #[arg(long, default_value = "sts.googleapis.com", value_name = "AUDIENCE", help_heading = GOOGLE)]
    google_token_audience: String,
    /// Life of tokens; less than an hour is an hour
    #[arg(long, default_value = "24h", value_parser = crate::controller::duration, value_name = "PERIOD", help_heading = GOOGLE)]
    google_token_expiration: std::time::Duration,
    /// Set CLOUDSDK_COMPUTE_REGION to this
    #[arg(long, default_value = "", value_name = "REGION", help_heading = GOOGLE)]
    gcp_default_region: String,
    /// Image of the init container that sets gcloud up
    #[arg(long, default_value = "gcr.io/google.com/cloudsdktool/google-cloud-cli:stable", value_name = "IMAGE", help_heading = GOOGLE)]
    gcloud_image: String,
    /// Mode of the token's file, octal with a leading zero, or decimal
    #[arg(long, default_value = "0440", value_parser = file_mode, value_name = "MODE", help_heading = GOOGLE)]
    token_default_mode: i32,
    /// Resources of that init container, JSON
    #[arg(long, default_value = "", value_name = "JSON", help_heading = GOOGLE)]
    setup_container_resources: String,
}

/// A number as Go's flag package reads it.
fn file_mode(text: &str) -> Result<i32, String> {
    let digits = text.trim_start_matches('0');
    let parsed = if let Some(octal) = text.strip_prefix("0o") {
        i32::from_str_radix(octal, 8)
    } else if text.starts_with('0') && !digits.is_empty() {
        i32::from_str_radix(digits, 8)
    } else {
        text.parse()
    };
    let mode = parsed.map_err(|error| error.to_string())?;
    if (0..=0o777).contains(&mode) {
        Ok(mode)
    } else {
        Err("it is no mode of a file".to_owned())
    }
}

/// The JSON object of a flag; empty is none.
fn object(flag: &str, text: &str) -> Result<Option<Value>, String> {
    if text.trim().is_empty() {
        return Ok(None);
    }
    let value: Value = serde_json::from_str(text).map_err(|e| format!("{flag}: {e}"))?;
    if value.is_object() {
        Ok(Some(value))
    } else {
        Err(format!("{flag} is no JSON object"))
    }
}

impl Flags {
    /// What injects for `clouds`.
    ///
    /// # Errors
    /// What is wrong with the flags.
    pub fn injectors(
        &self,
        clouds: &[Name],
        upstream: Option<&upstream::Flags>,
    ) -> Result<Injectors, String> {
        let on = |cloud: Cloud| clouds.contains(&Name(cloud));
        let mut injectors = Injectors {
            aws: on(Cloud::Aws).then(|| self.aws()),
            azure: None,
            google: None,
        };
        if on(Cloud::Azure) {
            injectors.azure = Some(self.azure()?);
        }
        if on(Cloud::Google) {
            injectors.google = Some(self.google()?);
        }
        if let Some(upstream) = upstream {
            upstream.apply(&mut injectors)?;
        }
        Ok(injectors)
    }

    fn aws(&self) -> aws::Settings {
        let account = self.aws_account_id.clone();
        let account = account.filter(|_| self.compose_role_arn);
        aws::Settings {
            annotation_prefix: self.aws_annotation_prefix.clone(),
            token_audience: self.aws_token_audience.clone(),
            token_mount_path: self.token_mount_path.clone(),
            token_expiration: self.aws_token_expiration,
            region: self.aws_default_region.clone().filter(|r| !r.is_empty()),
            sts_regional_endpoint: self.sts_regional_endpoint,
            account: account.map(|account| (self.aws_partition.clone(), account)),
            pod_identity: aws::PodIdentity {
                audience: self.container_credentials_audience.clone(),
                mount_path: self.container_credentials_token_mount_path.clone(),
                volume_name: self.container_credentials_token_volume_name.clone(),
                token_path: self.container_credentials_token_path.clone(),
                full_uri: self.container_credentials_full_uri.clone(),
            },
            ..aws::Settings::default()
        }
    }

    fn azure(&self) -> Result<azure::Settings, String> {
        let tenant_id = self.azure_tenant_id.clone().filter(|t| !t.is_empty());
        let tenant_id = tenant_id.ok_or(
            "injection for Azure needs a tenant: give --azure-tenant-id or set AZURE_TENANT_ID",
        )?;
        let authority = azure::authority(&self.azure_environment).map_err(|e| e.to_string())?;
        let defaults = azure::Settings::default();
        let given = |flag: &Option<String>| flag.clone().unwrap_or_default();
        let suffix = given(&self.custom_token_endpoint_annotation_suffix);
        let audience = given(&self.custom_token_endpoint_audience);
        let token_endpoint = if suffix.is_empty() || audience.is_empty() {
            None
        } else {
            Some(azure::TokenEndpoint {
                annotation_suffix: suffix,
                audience,
                proxy: given(&self.custom_token_endpoint_proxy),
                sni_name: given(&self.custom_token_endpoint_sni_name),
                ca_data: given(&self.custom_token_endpoint_ca_data),
                ca_config_map: given(&self.custom_token_endpoint_ca_config_map),
                ca_signer: given(&self.custom_token_endpoint_ca_signer),
                ca_selector: object(
                    "--custom-token-endpoint-ca-selector",
                    &given(&self.custom_token_endpoint_ca_selector),
                )?,
            })
        };
        Ok(azure::Settings {
            audience: match self.azure_audience.as_str() {
                "" => defaults.audience,
                given => given.to_owned(),
            },
            tenant_id,
            authority_host: authority.to_owned(),
            token_endpoint,
            proxy_image: self
                .azure_proxy_image
                .clone()
                .unwrap_or(defaults.proxy_image),
            proxy_init_image: self
                .azure_proxy_init_image
                .clone()
                .unwrap_or(defaults.proxy_init_image),
            native_sidecar: defaults.native_sidecar,
        })
    }

    fn google(&self) -> Result<google::Settings, String> {
        let seconds = self.google_token_expiration.as_secs();
        Ok(google::Settings {
            annotation_prefix: self.google_annotation_prefix.clone(),
            token_audience: self.google_token_audience.clone(),
            token_expiration: i64::try_from(seconds).unwrap_or(i64::MAX),
            region: self.gcp_default_region.clone(),
            gcloud_image: self.gcloud_image.clone(),
            token_default_mode: self.token_default_mode,
            setup_resources: object(
                "--setup-container-resources",
                &self.setup_container_resources,
            )?,
        })
    }
}

/// The first minor version whose API server takes init containers that keep running on every
/// node that it may have.
const SIDECARS: u32 = 32;

/// Whether the API server's nodes all know init containers that keep running.
pub async fn knows_sidecars(clients: &Clients) -> bool {
    #[derive(serde::Deserialize)]
    struct Version {
        minor: String,
    }
    let requests = Requests::new(clients.requests.clone());
    let body = requests.get("/version", "read the API server's version");
    match body.await {
        Ok(body) => {
            let version: Option<Version> = serde_json::from_slice(&body).ok();
            // Some services write 31+.
            let minor = version.map(|v| v.minor.trim_end_matches('+').to_owned());
            minor.is_none_or(|minor| minor.parse().map_or(true, |minor: u32| minor >= SIDECARS))
        }
        Err(error) => {
            tracing::warn!(%error, "assuming a version that knows sidecar containers");
            true
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_read_as_go_reads_them() {
        for (text, wanted) in [
            ("0440", Some(0o440)),
            ("0o440", Some(0o440)),
            ("288", Some(0o440)),
            ("0", Some(0)),
            ("0999", None),
            ("1000", None),
            ("x", None),
        ] {
            assert_eq!(file_mode(text).ok(), wanted, "{text}");
        }
    }
}

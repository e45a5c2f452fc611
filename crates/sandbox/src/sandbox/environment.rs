//! The environment of an operator's pod, as each cloud's webhook or node gives it, and where the
//! clouds' own host names are.

use std::net::SocketAddr;
use std::path::Path;

use super::Sandbox;
use crate::{azure, gcp};

impl Sandbox {
    /// The environment of an operator pod whose service account stands for `role`, as the cloud's
    /// own webhook would inject it, and the endpoint.
    #[must_use]
    pub fn operator_environment(&self, token: &Path, role: &str) -> Vec<(String, String)> {
        [
            ("AWS_ENDPOINT_URL", self.aws_url()),
            ("AWS_REGION", self.aws.region().to_owned()),
            ("AWS_ROLE_ARN", role.to_owned()),
            ("AWS_WEB_IDENTITY_TOKEN_FILE", token.display().to_string()),
            ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .to_vec()
    }

    /// The environment of an operator pod whose service account stands for the client, as Azure's
    /// webhook would inject it. Azure's host names are in [`Sandbox::resolve`].
    #[must_use]
    pub fn azure_environment(&self, token: &Path, client_id: &str) -> Vec<(String, String)> {
        [
            ("AZURE_CLIENT_ID", client_id.to_owned()),
            ("AZURE_TENANT_ID", self.azure.tenant().to_owned()),
            ("AZURE_FEDERATED_TOKEN_FILE", token.display().to_string()),
            (
                "AZURE_AUTHORITY_HOST",
                "https://login.microsoftonline.com/".to_owned(),
            ),
            (
                "AZURE_POD_IDENTITY_AUTHORITY_HOST",
                format!("http://{}", self.azure_metadata_address),
            ),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .to_vec()
    }

    /// The environment of an operator pod on GKE: where the metadata server is.
    #[must_use]
    pub fn gcp_environment(&self) -> Vec<(String, String)> {
        vec![("GCE_METADATA_HOST".to_owned(), self.gcp_metadata_host())]
    }

    /// Host and port of the metadata server of a Google node.
    #[must_use]
    pub fn gcp_metadata_host(&self) -> String {
        self.gcp_metadata_address.to_string()
    }

    /// The environment of gcloud as the owner of every project and of nothing outside: `token` is a
    /// file with [`gcp::Gcp::administrator_token`], `authority` one with the sandbox's certificate,
    /// `config` a folder that gcloud may write to. It reaches Google's own host names through
    /// [`Sandbox::proxy_url`].
    #[must_use]
    pub fn gcloud_environment(
        &self,
        token: &Path,
        authority: &Path,
        config: &Path,
    ) -> Vec<(String, String)> {
        let set = |name: &str, value: String| (format!("CLOUDSDK_{name}"), value);
        vec![
            set("AUTH_ACCESS_TOKEN_FILE", token.display().to_string()),
            set("CORE_CUSTOM_CA_CERTS_FILE", authority.display().to_string()),
            set("CONFIG", config.display().to_string()),
            set("PROXY_TYPE", "http".to_owned()),
            set("PROXY_ADDRESS", self.proxy_address.ip().to_string()),
            set("PROXY_PORT", self.proxy_address.port().to_string()),
            set("CORE_DISABLE_PROMPTS", "1".to_owned()),
            set("CORE_DISABLE_USAGE_REPORTING", "1".to_owned()),
            set("COMPONENT_MANAGER_DISABLE_UPDATE_CHECK", "1".to_owned()),
        ]
    }

    /// A proxy to the host names of Azure and Google, and to nothing else: what `HTTPS_PROXY` is
    /// set to.
    #[must_use]
    pub fn proxy_url(&self) -> String {
        format!("http://{}", self.proxy_address)
    }

    /// Where the clouds' own host names are, for the operator's environment.
    #[must_use]
    pub fn resolve(&self) -> (String, String) {
        let rules: Vec<String> = hosts(self.azure_serving.address(), self.gcp_serving.address())
            .map(|(host, address)| format!("{host}={address}"))
            .collect();
        ("KEYLESS_RESOLVE".to_owned(), rules.join(","))
    }
}

/// The clouds' own host names, and who answers for them.
pub(super) fn hosts(
    azure: SocketAddr,
    gcp: SocketAddr,
) -> impl Iterator<Item = (String, SocketAddr)> {
    let azure = azure::HOSTS.iter().map(move |host| (*host, azure));
    let gcp = gcp::HOSTS.iter().map(move |host| (*host, gcp));
    azure
        .chain(gcp)
        .map(|(host, address)| (host.to_owned(), address))
}

//! What the Azure webhook is set up with.
//!
//! Owns: its flags and environment, and the authority of each cloud. Refuses: reading them.

use serde_json::Value;

/// Flags and environment of the azure-workload-identity webhook that change what a pod gets.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// `--audience`.
    pub audience: String,
    /// `AZURE_TENANT_ID`.
    pub tenant_id: String,
    /// The authority of `AZURE_ENVIRONMENT`, with its slash; see [`authority`].
    pub authority_host: String,
    /// `--custom-token-endpoint-…` and its environment.
    pub token_endpoint: Option<TokenEndpoint>,
    /// Image of the proxy.
    pub proxy_image: String,
    /// Image of the init container that redirects to the proxy.
    pub proxy_init_image: String,
    /// Whether the API server knows init containers that keep running (Kubernetes 1.32 on all
    /// nodes that it may have).
    pub native_sidecar: bool,
}

impl Default for Settings {
    fn default() -> Self {
        const REGISTRY: &str = "mcr.microsoft.com/oss/azure/workload-identity";
        Self {
            audience: "api://AzureADTokenExchange".into(),
            tenant_id: String::new(),
            authority_host: "https://login.microsoftonline.com/".into(),
            token_endpoint: None,
            proxy_image: format!("{REGISTRY}/proxy:v1.6.0"),
            proxy_init_image: format!("{REGISTRY}/proxy-init:v1.6.0"),
            native_sidecar: true,
        }
    }
}

/// A token endpoint of the cluster's own, as AKS has for identity bindings. Empty texts are
/// settings that were not given.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TokenEndpoint {
    /// `--custom-token-endpoint-annotation-suffix`: pods ask with `use-SUFFIX: "true"`.
    pub annotation_suffix: String,
    /// `--custom-token-endpoint-audience`.
    pub audience: String,
    /// `AZURE_KUBERNETES_TOKEN_PROXY`.
    pub proxy: String,
    /// `AZURE_KUBERNETES_SNI_NAME`.
    pub sni_name: String,
    /// `AZURE_KUBERNETES_CA_DATA`.
    pub ca_data: String,
    /// `AZURE_KUBERNETES_CA_CONFIGMAP_NAME`.
    pub ca_config_map: String,
    /// Signer of the cluster trust bundles that hold the authority.
    pub ca_signer: String,
    /// Which of them.
    pub ca_selector: Option<Value>,
}

/// No such cloud.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "there is no Azure cloud named {0:?}: use AzurePublicCloud, AzureUSGovernmentCloud, AzureChinaCloud or AzureGermanCloud"
)]
pub struct AuthorityError(pub String);

/// The authority host of the cloud that `AZURE_ENVIRONMENT` names, in any case; empty is public.
///
/// # Errors
/// When there is no such cloud.
pub fn authority(environment: &str) -> Result<&'static str, AuthorityError> {
    match environment.to_ascii_uppercase().as_str() {
        "" | "AZURECLOUD" | "AZUREPUBLICCLOUD" => Ok("https://login.microsoftonline.com/"),
        "AZUREUSGOVERNMENT" | "AZUREUSGOVERNMENTCLOUD" => Ok("https://login.microsoftonline.us/"),
        "AZURECHINACLOUD" => Ok("https://login.chinacloudapi.cn/"),
        "AZUREGERMANCLOUD" => Ok("https://login.microsoftonline.de/"),
        _ => Err(AuthorityError(environment.to_owned())),
    }
}

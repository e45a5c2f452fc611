//! What no manifest says: accounts, projects, and how the cluster is run.

use crate::trust::{Issuer, ServiceAccount};

/// What is known beside the manifests.
#[derive(Clone, Debug)]
pub struct Options {
    /// The issuer of the cluster's tokens.
    pub issuer: Option<Issuer>,
    /// The service account that the operator runs as.
    pub operator: ServiceAccount,
    /// AWS.
    pub aws: Aws,
    /// Azure.
    pub azure: Azure,
    /// Google.
    pub google: Google,
    /// Vault and OpenBao.
    pub vault: Vault,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            issuer: None,
            operator: ServiceAccount::new("external-secrets", "external-secrets"),
            aws: Aws::default(),
            azure: Azure::default(),
            google: Google::default(),
            vault: Vault::default(),
        }
    }
}

/// What is known of AWS.
#[derive(Clone, Debug, Default)]
pub struct Aws {
    /// Account of roles that no annotation names.
    pub account: Option<String>,
    /// Give the operator's own identity by EKS Pod Identity, in the cluster of that name.
    pub pod_identity: Option<String>,
    /// Keys of one's own that encrypt what is read.
    pub keys: Vec<String>,
}

/// What is known of Azure.
#[derive(Clone, Debug, Default)]
pub struct Azure {
    /// Tenant of identities that no annotation names.
    pub tenant: Option<String>,
    /// Resource group of managed identities that are created.
    pub resource_group: Option<String>,
    /// Region of managed identities that are created.
    pub location: Option<String>,
    /// The vaults use access policies instead of roles.
    pub access_policies: bool,
}

/// What is known of Google.
#[derive(Clone, Debug, Default)]
pub struct Google {
    /// Project of the secrets where a store names none, and of the pool.
    pub project: Option<String>,
    /// Its number.
    pub number: Option<String>,
    /// Id of the pool.
    pub pool: Option<String>,
    /// Id of the pool's provider.
    pub provider: Option<String>,
}

/// What is known of Vault and OpenBao.
#[derive(Clone, Debug, Default)]
pub struct Vault {
    /// Certificates of the authority that signed the issuer's, in PEM; none for a public one.
    pub issuer_ca: Option<String>,
    /// Address of the API server as the server reaches it; none if it runs in the cluster.
    pub kubernetes_host: Option<String>,
    /// Certificates of the authority that signed the API server's, in PEM.
    pub kubernetes_ca: Option<String>,
}

/// Who runs the cluster, as its issuer tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Platform {
    /// AWS.
    Eks {
        /// Its region.
        region: String,
    },
    /// Azure.
    Aks,
    /// Google.
    Gke {
        /// Its project.
        project: String,
    },
    /// Anybody else.
    SelfManaged,
}

impl Platform {
    /// By the forms of the managed offerings' issuers.
    #[must_use]
    pub fn of(issuer: &Issuer) -> Self {
        let (host, path) = issuer
            .host_path()
            .split_once('/')
            .unwrap_or((issuer.host_path(), ""));
        let region = host
            .strip_prefix("oidc.eks.")
            .or_else(|| host.strip_prefix("oidc-eks."))
            .and_then(|rest| rest.split('.').next());
        if let Some(region) = region {
            return Self::Eks {
                region: region.to_owned(),
            };
        }
        if host.ends_with(".oic.prod-aks.azure.com") {
            return Self::Aks;
        }
        if host == "container.googleapis.com"
            && let Some(rest) = path.strip_prefix("v1/projects/")
            && let Some((project, _)) = rest.split_once('/')
        {
            return Self::Gke {
                project: project.to_owned(),
            };
        }
        Self::SelfManaged
    }
}

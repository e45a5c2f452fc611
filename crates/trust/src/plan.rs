//! From what a cluster asks for to the trust that it needs: who logs in where, as what, and
//! exactly what each may read.
//!
//! Owns: the road from stores, ExternalSecrets and service accounts ([`Inventory`]) to identities
//! and grants ([`Plan`]), each with the objects that need it. Refuses: reading a cluster, any
//! cloud's language (that is [`crate::render`]), and permissions that nothing asks for.

mod access;
mod derive;
mod inventory;
mod keys;
mod options;
mod provider;
mod reach;
mod reads;

use std::collections::BTreeSet;

use keyless_fault::ObjectRef;

use crate::aws::Arn;
use crate::gcp::PoolProvider;
use crate::trust::{Issuer, ServiceAccount};

pub use access::{Access, Grant, Place, Scope, Verb, Why};
pub use derive::{identity, plan};
pub use inventory::{Inventory, InventoryError};
pub use options::{Aws, Azure, Google, Options, Platform, Vault};
pub use reach::{Namespaces, Reach, reach};

/// What a cluster needs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// The issuer of the cluster's tokens, if it is known.
    pub issuer: Option<Issuer>,
    /// Who logs in where.
    pub identities: Vec<Identity>,
    /// What cannot or need not be planned.
    pub notes: Vec<Note>,
}

/// Something to know.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Note {
    /// Code of the catalogue, empty where none fits.
    pub code: &'static str,
    /// The object it is about.
    pub object: String,
    /// What is to be known.
    pub text: String,
}

/// One login: a service account's tokens and what they become.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// A name for the things that are created, unique in the plan.
    pub name: String,
    /// Whose tokens are presented.
    pub account: ServiceAccount,
    /// The audience of these tokens.
    pub audience: String,
    /// Where they are presented.
    pub cloud: Cloud,
    /// What may be read.
    pub grants: Vec<Grant>,
    /// The stores that log in so.
    pub stores: BTreeSet<ObjectRef>,
}

/// A cloud's side of a login.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cloud {
    /// A role of AWS.
    Aws {
        /// The role, if an annotation names it.
        role: Option<Arn>,
        /// Roles assumed one after the other from there; the last one reads.
        chain: Vec<Arn>,
    },
    /// An application or managed identity of Entra.
    Azure {
        /// Its client id, if an annotation or a store names it.
        client: Option<String>,
        /// Its tenant.
        tenant: Option<String>,
    },
    /// A principal of Google.
    Google {
        /// How the token gets there.
        by: GoogleLogin,
        /// The service account that is impersonated, if one is.
        impersonates: Option<String>,
    },
    /// A role of Vault or OpenBao.
    Vault {
        /// URL of the server.
        server: String,
        /// Namespace of the login.
        namespace: Option<String>,
        /// The method.
        method: VaultMethod,
        /// Where the method is mounted.
        mount: String,
        /// The role.
        role: String,
    },
}

/// How a token is presented to Google.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum GoogleLogin {
    /// By the pool that Google keeps for the GKE clusters of a project.
    Gke {
        /// The clusters' project.
        project: Option<String>,
    },
    /// By a provider of a pool of one's own.
    Pool(Option<PoolProvider>),
}

/// How Vault checks a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum VaultMethod {
    /// By the issuer's keys.
    Jwt,
    /// By asking the cluster.
    Kubernetes,
}

impl Cloud {
    /// The name in output.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Aws { .. } => "aws",
            Self::Azure { .. } => "azure",
            Self::Google { .. } => "google",
            Self::Vault { .. } => "vault",
        }
    }
}

impl Identity {
    /// The subject of its tokens.
    #[must_use]
    pub fn subject(&self) -> String {
        self.account.subject()
    }

    /// What its tokens become, in words.
    #[must_use]
    pub fn becomes(&self) -> String {
        let known = |text: &Option<String>| text.clone().unwrap_or_else(|| "to be created".into());
        match &self.cloud {
            Cloud::Aws { role, chain } => {
                let mut out = match role {
                    Some(role) => format!("role {role}"),
                    None => format!("a role, {}", self.name),
                };
                for next in chain {
                    out.push_str(&format!(", then {next}"));
                }
                out
            }
            Cloud::Azure { client, tenant } => format!(
                "client {} in tenant {}",
                known(client),
                tenant.as_deref().unwrap_or("unknown")
            ),
            Cloud::Google { by, impersonates } => {
                let by = match by {
                    GoogleLogin::Gke { .. } => "its principal in Google's pool of the project",
                    GoogleLogin::Pool(_) => "its principal in the workload identity pool",
                };
                match impersonates {
                    Some(email) => format!("service account {email}, by {by}"),
                    None => by.to_owned(),
                }
            }
            Cloud::Vault {
                server,
                namespace,
                mount,
                role,
                ..
            } => {
                let namespace = namespace.as_ref().map(|n| format!(" in namespace {n}"));
                format!(
                    "role {role} of auth/{mount} at {server}{}",
                    namespace.unwrap_or_default()
                )
            }
        }
    }
}

#[cfg(test)]
mod tests;

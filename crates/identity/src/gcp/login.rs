//! Everything that makes one Google identity different from another.
//!
//! Owns: the key of the credential cache. Refuses: anything that does not change the identity,
//! and secrets in the clear.

use std::time::Duration;

use keyless_trust::gcp::PoolProvider;

use super::{Cloud, ServiceAccountKey};
use crate::aws;

/// An identity at Google: two equal logins may share a token, two different ones never do.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Login {
    /// Who issues the token.
    pub cloud: Cloud,
    /// What the login starts from.
    pub source: Source,
    /// The service account that it goes on as.
    pub impersonate: Option<Impersonation>,
    /// The project whose quota calls count against, unless it is that of what is called.
    pub quota_project: Option<String>,
}

/// A service account to go on as.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Impersonation {
    /// Its e-mail address.
    pub email: String,
    /// The life of its tokens.
    pub life: Duration,
}

/// What a login starts from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// The identity that the metadata server gives to the operator's pod.
    Metadata,
    /// A stored key of a service account.
    Key(ServiceAccountKey),
    /// A token of somebody else, exchanged at a pool.
    Federated {
        /// Where.
        pool: Pool,
        /// Whose token.
        subject: Subject,
    },
}

/// Where a foreign token is exchanged.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Pool {
    /// A provider of a workload identity pool, by its full name.
    Provider(PoolProvider),
    /// The pool of GKE.
    Gke(GkeCluster),
}

/// A cluster of GKE; what is missing is asked from the metadata server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct GkeCluster {
    /// Its project's id.
    pub project: Option<String>,
    /// Its region or zone.
    pub location: Option<String>,
    /// Its name.
    pub name: Option<String>,
    /// The project to fall back on where there is no metadata server.
    pub fallback: Option<String>,
}

/// Whose token is exchanged.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Subject {
    /// A token minted for a service account.
    ServiceAccount {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// Its uid: a recreated account is another identity.
        uid: String,
        /// The token's audiences; at GKE those beside the pool's own.
        audiences: Vec<String>,
    },
    /// A file of the operator's pod.
    File {
        /// Its path.
        path: String,
        /// Where the token is in it.
        format: Format,
        /// The kind of token.
        kind: String,
        /// Whether a tenant named it: then the operator's own token is out of reach.
        guarded: bool,
    },
    /// What a web server gives.
    Url {
        /// Its URL.
        url: String,
        /// Headers to send.
        headers: Vec<(String, String)>,
        /// Where the token is in the answer.
        format: Format,
        /// The kind of token.
        kind: String,
        /// Whether a tenant named it: then link-local addresses are out of reach.
        guarded: bool,
    },
    /// An identity at AWS, proved by a signed request that Google passes on.
    Aws {
        /// The identity.
        login: Box<aws::Login>,
    },
}

/// Where a token is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Format {
    /// The whole text.
    #[default]
    Text,
    /// A member of a JSON object.
    Json(String),
}

impl Subject {
    /// Whose token it is, for messages.
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Self::ServiceAccount {
                namespace, name, ..
            } => format!("the token of service account {namespace}/{name}"),
            Self::File { path, .. } => format!("the token in {path:?} of the operator's pod"),
            Self::Url { url, .. } => format!("the token of {}", host(url)),
            Self::Aws { login } => format!("{} at AWS", login.describe()),
        }
    }
}

impl Login {
    /// Whether it is the operator's own machine, and nobody else.
    #[must_use]
    pub fn is_machine(&self) -> bool {
        self.impersonate.is_none() && self.source == Source::Metadata
    }

    /// The identity for messages.
    #[must_use]
    pub fn describe(&self) -> String {
        if let Some(account) = &self.impersonate {
            return format!("Google service account {}", account.email);
        }
        match &self.source {
            Source::Metadata => "the operator's own Google identity".into(),
            Source::Key(key) => format!("Google service account {}", key.email()),
            Source::Federated { subject, pool } => match (subject, pool) {
                (
                    Subject::ServiceAccount {
                        namespace, name, ..
                    },
                    Pool::Provider(provider),
                ) => {
                    format!(
                        "service account {namespace}/{name} in pool {}",
                        provider.pool.id
                    )
                }
                (
                    Subject::ServiceAccount {
                        namespace, name, ..
                    },
                    Pool::Gke(_),
                ) => {
                    format!("service account {namespace}/{name} in the pool of GKE")
                }
                (other, Pool::Provider(provider)) => {
                    format!("{} in pool {}", other.describe(), provider.pool.id)
                }
                (other, Pool::Gke(_)) => other.describe(),
            },
        }
    }

    /// The member that roles are given to, where the login alone tells. The subject of a pool is
    /// as most providers map it: the token's own.
    #[must_use]
    pub fn member(&self) -> Option<String> {
        if let Some(account) = &self.impersonate {
            return Some(format!("serviceAccount:{}", account.email));
        }
        match &self.source {
            Source::Key(key) => Some(format!("serviceAccount:{}", key.email())),
            Source::Metadata => None,
            Source::Federated { pool, subject } => {
                let Subject::ServiceAccount {
                    namespace, name, ..
                } = subject
                else {
                    return None;
                };
                match pool {
                    Pool::Provider(provider) => Some(
                        provider
                            .pool
                            .principal(&format!("system:serviceaccount:{namespace}:{name}")),
                    ),
                    Pool::Gke(cluster) => cluster.project.as_ref().map(|project| {
                        format!("serviceAccount:{project}.svc.id.goog[{namespace}/{name}]")
                    }),
                }
            }
        }
    }
}

/// The host of a URL; the rest may hold what nobody should read.
pub(super) fn host(url: &str) -> String {
    url::Url::parse(url)
        .ok()
        .and_then(|url| url.host_str().map(str::to_owned))
        .unwrap_or_else(|| "an unknown host".into())
}

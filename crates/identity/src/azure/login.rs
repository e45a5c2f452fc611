//! Everything that makes one Azure identity different from another.
//!
//! Owns: the key of the credential cache. Refuses: anything that does not change the identity,
//! and secrets in the clear.

use std::fmt;

use super::{ClientCertificate, Cloud};
use crate::Sealed;

/// An identity at Entra: two equal logins may share a token, two different ones never do.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Login {
    /// Who issues the token, and for what.
    pub cloud: Cloud,
    /// What the login starts from.
    pub source: Source,
}

/// An application or managed identity in its tenant.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Client {
    /// Its client id.
    pub id: String,
    /// Its tenant: a GUID or a domain.
    pub tenant: String,
}

impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "client {} in tenant {}", self.id, self.tenant)
    }
}

/// What a login starts from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// The operator's own projected token, as Azure's webhook injects it.
    Pod {
        /// Whom it logs in as.
        client: Client,
        /// The token's file.
        file: String,
    },
    /// The token of a service account.
    ServiceAccount {
        /// Whom it logs in as.
        client: Client,
        /// Its namespace.
        namespace: String,
        /// Its name.
        service_account: String,
        /// Its uid: a recreated account is another identity.
        uid: String,
        /// The token's audiences.
        audiences: Vec<String>,
    },
    /// A stored client secret.
    Secret {
        /// Whom it logs in as.
        client: Client,
        /// The secret.
        secret: Sealed,
    },
    /// A stored certificate with its key.
    Certificate {
        /// Whom it logs in as.
        client: Client,
        /// The certificate.
        certificate: ClientCertificate,
    },
    /// The identity of the operator's node.
    Managed {
        /// Which, when the node has several.
        client: Option<String>,
    },
}

impl Login {
    /// The identity for messages.
    #[must_use]
    pub fn describe(&self) -> String {
        match &self.source {
            Source::Pod { client, .. }
            | Source::ServiceAccount { client, .. }
            | Source::Secret { client, .. }
            | Source::Certificate { client, .. } => client.to_string(),
            Source::Managed { client: Some(id) } => format!("managed identity {id}"),
            Source::Managed { client: None } => "the node's managed identity".into(),
        }
    }

    /// The tenant that the identity belongs to, if it is known.
    #[must_use]
    pub fn tenant(&self) -> Option<&str> {
        match &self.source {
            Source::Pod { client, .. }
            | Source::ServiceAccount { client, .. }
            | Source::Secret { client, .. }
            | Source::Certificate { client, .. } => Some(&client.tenant),
            Source::Managed { .. } => None,
        }
    }
}

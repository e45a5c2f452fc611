//! Everything that makes one identity at Vault different from another.
//!
//! Owns: the key of the credential cache. Refuses: anything that does not change the identity,
//! and secrets in the clear.

use std::time::Duration;

use super::Server;
use crate::{Sealed, aws, gcp};

/// An identity at Vault: two equal logins share a session, two different ones never do.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Login {
    /// Where, and how the way there is secured.
    pub server: Server,
    /// The Vault namespace of the login.
    pub namespace: Option<String>,
    /// How.
    pub method: Method,
}

/// How a login is done.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    /// A stored token: used as it is, neither renewed nor revoked.
    Token(Sealed),
    /// A token of an issuer that Vault trusts by its published keys.
    Jwt {
        /// Where the method is mounted.
        mount: String,
        /// The role; empty for the mount's default role.
        role: String,
        /// Whose token.
        subject: Subject,
    },
    /// A service account's token that Vault lets the cluster review.
    Kubernetes {
        /// Where the method is mounted.
        mount: String,
        /// The role.
        role: String,
        /// Whose token.
        subject: Subject,
    },
    /// An AppRole.
    AppRole {
        /// Where the method is mounted.
        mount: String,
        /// The role's id.
        role_id: Sealed,
        /// Its secret id.
        secret_id: Sealed,
    },
    /// Name and password, of a directory (`ldap`) or of Vault's own (`userpass`).
    Password {
        /// `ldap` or `userpass`.
        kind: &'static str,
        /// Where the method is mounted.
        mount: String,
        /// The user.
        username: String,
        /// The password.
        password: Sealed,
    },
    /// The client certificate of [`Server::peer`].
    Certificate {
        /// Where the method is mounted.
        mount: String,
        /// The role; empty to let Vault try all.
        role: String,
    },
    /// An identity at AWS, proved by a signed request that Vault passes on.
    Iam {
        /// Where the method is mounted.
        mount: String,
        /// The role.
        role: String,
        /// What the server calls itself, so that nobody else can use the proof.
        server_id: Option<String>,
        /// The identity.
        login: Box<aws::Login>,
    },
    /// A service account at Google, proved by a token that Google signs.
    Gcp {
        /// Where the method is mounted.
        mount: String,
        /// The role.
        role: String,
        /// The identity.
        login: Box<gcp::Login>,
    },
}

/// Whose token a login presents.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Subject {
    /// A token minted for a service account.
    Account {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// Its uid: a recreated account is another identity.
        uid: String,
        /// The token's audiences; empty for the API server's own.
        audiences: Vec<String>,
        /// The token's life.
        ttl: Duration,
    },
    /// A stored token.
    Stored(Sealed),
    /// The operator's own token, as its pod has it.
    Operator,
}

impl Subject {
    /// Who presents the token, for messages.
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Self::Account {
                namespace, name, ..
            } => format!("the token of service account {namespace}/{name}"),
            Self::Stored(_) => "the stored token".into(),
            Self::Operator => "the token of the operator's pod".into(),
        }
    }
}

impl Method {
    /// The mount of the auth method, if the login goes through one.
    #[must_use]
    pub fn mount(&self) -> Option<&str> {
        match self {
            Self::Token(_) => None,
            Self::Jwt { mount, .. }
            | Self::Kubernetes { mount, .. }
            | Self::AppRole { mount, .. }
            | Self::Password { mount, .. }
            | Self::Certificate { mount, .. }
            | Self::Iam { mount, .. }
            | Self::Gcp { mount, .. } => Some(mount),
        }
    }

    /// The role at Vault, where the method has one.
    #[must_use]
    pub fn role(&self) -> Option<&str> {
        match self {
            Self::Jwt { role, .. }
            | Self::Kubernetes { role, .. }
            | Self::Certificate { role, .. }
            | Self::Iam { role, .. }
            | Self::Gcp { role, .. } => Some(role).filter(|role| !role.is_empty()),
            Self::Token(_) | Self::AppRole { .. } | Self::Password { .. } => None,
        }
        .map(String::as_str)
    }
}

impl Login {
    /// The identity for messages.
    #[must_use]
    pub fn describe(&self) -> String {
        let name = self.server.product.name();
        let place = |mount: &str| match self.namespace.as_deref() {
            Some(namespace) => format!("auth mount {mount:?} of namespace {namespace:?}"),
            None => format!("auth mount {mount:?}"),
        };
        match &self.method {
            Method::Token(_) => format!("the stored {name} token"),
            Method::Jwt {
                mount,
                role,
                subject,
            }
            | Method::Kubernetes {
                mount,
                role,
                subject,
            } => format!(
                "{name} role {role:?} at {} with {}",
                place(mount),
                subject.describe()
            ),
            Method::AppRole { mount, .. } => format!("the {name} AppRole at {}", place(mount)),
            Method::Password {
                mount, username, ..
            } => format!("{name} user {username:?} at {}", place(mount)),
            Method::Certificate { mount, role } => {
                format!("{name} role {role:?} at {} by certificate", place(mount))
            }
            Method::Iam {
                mount, role, login, ..
            } => format!(
                "{name} role {role:?} at {} as {}",
                place(mount),
                login.describe()
            ),
            Method::Gcp { mount, role, login } => format!(
                "{name} role {role:?} at {} as {}",
                place(mount),
                login.describe()
            ),
        }
    }
}

//! Everything that makes one identity at an API server different from another.

use crate::{Peer, Sealed};

/// An API server as a client sees it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ApiServer {
    /// Its URL, without a slash at the end.
    pub url: String,
    /// PEM bundle of its authorities; `None` for the public ones.
    pub authorities: Option<Vec<u8>>,
}

/// An identity at an API server: two equal logins share a token, two different ones never do.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Login {
    /// The server's URL, without a slash at the end.
    pub url: String,
    /// Authorities and client certificate.
    pub peer: Peer,
    /// Whose token.
    pub source: Source,
}

/// Whose token is shown.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// One minted for a service account of this cluster.
    Account {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// Its uid: a recreated account is another identity.
        uid: String,
        /// The audiences; empty for the API server's own.
        audiences: Vec<String>,
    },
    /// A stored one.
    Token(Sealed),
    /// None: the client certificate of [`Login::peer`] is enough.
    Certificate,
    /// The operator's own.
    Operator,
}

impl Login {
    /// The identity for messages.
    #[must_use]
    pub fn describe(&self) -> String {
        match &self.source {
            Source::Account {
                namespace, name, ..
            } => format!("service account {namespace}/{name}"),
            Source::Token(_) => "the stored token".into(),
            Source::Certificate => "the client certificate".into(),
            Source::Operator => "the operator's own service account".into(),
        }
    }
}

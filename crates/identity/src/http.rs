//! The one way out: every provider and identity call goes through [`HttpExchange`].
//!
//! Owns: time limits, the size limit of an answer, no redirects, own roots. Refuses: retries
//! (they belong to whoever knows what may be repeated) and logging of bodies.

mod exchange;
mod guard;
mod overrides;
mod roots;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;

use crate::sealed::Sealed;

pub use exchange::{Exchange, ExchangeOptions};
pub use guard::is_metadata;
pub use overrides::Overrides;

/// Limits of one request, put into its extensions; without it the exchange's own hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Longest time from sending to the last byte of the answer.
    pub total: Option<Duration>,
    /// Largest body of an answer, in bytes.
    pub answer: Option<usize>,
    /// Goes past every proxy: link-local peers are not seen by one.
    pub direct: bool,
}

/// What makes connections to one peer different from those to all others.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Peer {
    /// PEM bundle that replaces every other authority.
    pub authorities: Option<Vec<u8>>,
    /// What is shown when the peer asks who we are.
    pub certificate: Option<ClientCertificate>,
    /// Whether link-local addresses and those of metadata services are out of reach: for a peer
    /// that a tenant names freely.
    pub guarded: bool,
}

/// A client certificate.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ClientCertificate {
    /// The certificate and those between it and its authority, in PEM.
    pub chain: Vec<u8>,
    /// The private key, in PEM.
    pub key: Sealed,
}

/// A request that was not answered.
#[derive(Debug, Clone, thiserror::Error)]
pub enum HttpError {
    /// No connection: name resolution, refused, TLS.
    #[error("cannot connect to {host}: {reason}")]
    Connect {
        /// Host and port.
        host: String,
        /// The cause, without the URL's query.
        reason: String,
    },
    /// No complete answer in time.
    #[error("no answer from {host} within {limit:?}")]
    Timeout {
        /// Host and port.
        host: String,
        /// The limit that passed.
        limit: Duration,
    },
    /// The answer broke off or was larger than allowed.
    #[error("unusable answer from {host}: {reason}")]
    Body {
        /// Host and port.
        host: String,
        /// The cause.
        reason: String,
    },
    /// The request could not be formed.
    #[error("cannot form a request to {host}: {reason}")]
    Request {
        /// Host and port.
        host: String,
        /// The cause.
        reason: String,
    },
}

/// Sends one request, returns one answer with its whole body. Never follows a redirect.
pub trait HttpExchange: Send + Sync + std::fmt::Debug {
    /// Sends `request`.
    fn send(
        &self,
        request: http::Request<Bytes>,
    ) -> BoxFuture<'_, Result<http::Response<Bytes>, HttpError>>;

    /// The same way out for one `peer` that has its own authorities or wants a certificate.
    /// Opening it costs memory and its connections are its own: keep it.
    ///
    /// # Errors
    /// When a certificate or key cannot be used.
    fn to_peer(&self, peer: &Peer) -> Result<Arc<dyn HttpExchange>, HttpError> {
        let _ = peer;
        Err(HttpError::Request {
            host: "a peer with its own authorities".into(),
            reason: "this way out knows only one set of authorities".into(),
        })
    }
}

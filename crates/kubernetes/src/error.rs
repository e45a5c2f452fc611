//! Every way the operator can fail towards Kubernetes.

use std::time::Duration;

use keyless_fault::{Class, Fault, Link, ObjectRef};

/// A failure of the operator itself or of a call to the API server. Provider and login
/// failures stay in their own types; both reach users through [`keyless_fault::explain`].
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The API server refused a request.
    #[error("cannot {intent}: the API server answered {status} {reason}: {message}")]
    Api {
        /// What was tried, with the object, e.g. `create Secret default/db`.
        intent: String,
        /// HTTP status.
        status: u16,
        /// The Status object's reason, e.g. `Forbidden`.
        reason: String,
        /// The Status object's message.
        message: String,
        /// The server's `Retry-After`.
        retry_after: Option<Duration>,
    },
    /// The API server was not reached or did not answer in full.
    #[error("cannot {intent}: {reason}")]
    Transport {
        /// What was tried.
        intent: String,
        /// The cause.
        reason: String,
    },
    /// The API server's answer makes no sense.
    #[error("cannot {intent}: unexpected answer of the API server: {reason}")]
    Answer {
        /// What was tried.
        intent: String,
        /// What is wrong with the answer.
        reason: String,
    },
    /// No client could be made.
    #[error("cannot {intent}: {reason}")]
    Client {
        /// What was tried.
        intent: String,
        /// The cause.
        reason: String,
    },
    /// An address for metrics or health checks cannot be served.
    #[error("cannot listen on {address} for {purpose}: {reason}")]
    Listen {
        /// What is served there.
        purpose: &'static str,
        /// The address.
        address: String,
        /// The cause.
        reason: String,
    },
    /// A task that never ends has ended: a defect.
    #[error("a task of the operator ended: {reason}")]
    Task {
        /// The cause.
        reason: String,
    },
    /// Another process holds the lease now; this one must stop at once.
    #[error("lost the leader lease {lease}: {reason}")]
    LeaderLost {
        /// `namespace/name` of the Lease.
        lease: String,
        /// The cause.
        reason: String,
    },
}

impl Error {
    /// Whether the object does not exist.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Api { status: 404, .. })
    }

    /// Whether the operator's rights do not suffice.
    #[must_use]
    pub fn is_forbidden(&self) -> bool {
        matches!(self, Self::Api { status: 403, .. })
    }

    /// Whether someone else changed or created the object first.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::Api { status: 409, .. })
    }

    /// Whether a create met an object of that name.
    #[must_use]
    pub fn is_already_exists(&self) -> bool {
        matches!(self, Self::Api { status: 409, reason, .. } if reason == "AlreadyExists")
    }
}

impl Fault for Error {
    fn link(&self) -> Link {
        Link::Kubernetes
    }

    fn class(&self) -> Class {
        match self {
            Self::Api { status, .. } => match status {
                401 | 403 => Class::Denied,
                404 => Class::NotFound,
                409 => Class::Conflict,
                429 => Class::Throttled,
                400 | 405..=428 => Class::Config,
                _ => Class::Unavailable,
            },
            Self::Transport { .. } | Self::LeaderLost { .. } => Class::Unavailable,
            Self::Answer { .. } | Self::Task { .. } => Class::Bug,
            Self::Client { .. } | Self::Listen { .. } => Class::Config,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Api { status: 403, .. } => {
                Some("Grant the operator's service account this verb on this resource".into())
            }
            _ => None,
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Api { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    fn blame(&self) -> Option<ObjectRef> {
        None
    }
}

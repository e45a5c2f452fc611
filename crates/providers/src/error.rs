//! Every way a read can fail.

use std::time::Duration;

use keyless_fault::{Class, Fault, Link, ObjectRef};

/// A read, search or validation that failed. Cheap to share: coalesced readers get clones.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The secret does not exist; what `deletionPolicy` acts on ("NoSecret").
    #[error("secret {key:?} does not exist in {service}")]
    NoSecret {
        /// The key asked for.
        key: String,
        /// The backend, e.g. `AWS Parameter Store (eu-central-1)`.
        service: String,
        /// What to do.
        hint: Option<String>,
        /// Catalogue code.
        code: &'static str,
    },
    /// The secret exists and is not what the reference expects: property, JSON, version.
    #[error("{reason}")]
    Shape {
        /// What is wrong, without any part of the value.
        reason: String,
        /// What to do.
        hint: Option<String>,
    },
    /// The store's spec is wrong, or names something this provider does not have.
    #[error("{reason}")]
    Config {
        /// What is wrong.
        reason: String,
        /// What to do.
        hint: Option<String>,
    },
    /// The login failed.
    #[error(transparent)]
    Identity(#[from] keyless_identity::Error),
    /// The provider answered with an error.
    #[error("cannot {intent}: {service} answered {provider_code}: {message}")]
    Provider {
        /// What was tried, with the key, e.g. `read parameter "/a"`.
        intent: String,
        /// The backend.
        service: String,
        /// The provider's code.
        provider_code: String,
        /// The provider's message.
        message: String,
        /// The provider's request id.
        request_id: Option<String>,
        /// The link that the code points at.
        link: Link,
        /// Class of failure.
        class: Class,
        /// Catalogue code.
        code: &'static str,
        /// What must hold.
        required: Option<String>,
        /// What to do.
        hint: Option<String>,
        /// The provider's `Retry-After`.
        retry_after: Option<Duration>,
    },
    /// The provider could not be asked.
    #[error("cannot {intent}: {reason}")]
    Network {
        /// What was tried.
        intent: String,
        /// The cause.
        reason: String,
    },
}

impl Error {
    /// Whether the deletion policy takes this as absence.
    #[must_use]
    pub const fn is_no_secret(&self) -> bool {
        matches!(self, Self::NoSecret { .. })
    }

    /// What was known when a login failed.
    #[must_use]
    pub fn evidence(&self) -> Option<&keyless_identity::Evidence> {
        match self {
            Self::Identity(error) => error.evidence(),
            _ => None,
        }
    }
}

impl Fault for Error {
    fn link(&self) -> Link {
        match self {
            Self::NoSecret { .. } | Self::Shape { .. } => Link::Secret,
            Self::Config { .. } => Link::Store,
            Self::Identity(error) => error.link(),
            Self::Provider { link, .. } => *link,
            Self::Network { .. } => Link::Network,
        }
    }

    fn class(&self) -> Class {
        match self {
            Self::NoSecret { .. } => Class::NotFound,
            Self::Shape { .. } | Self::Config { .. } => Class::Config,
            Self::Identity(error) => error.class(),
            Self::Provider { class, .. } => *class,
            Self::Network { .. } => Class::Unavailable,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::NoSecret { code, .. } | Self::Provider { code, .. } => code,
            Self::Identity(error) => error.code(),
            Self::Shape { .. } | Self::Config { .. } | Self::Network { .. } => "",
        }
    }

    fn provider_code(&self) -> Option<&str> {
        match self {
            Self::Provider { provider_code, .. } => Some(provider_code),
            Self::Identity(error) => error.provider_code(),
            _ => None,
        }
    }

    fn request_id(&self) -> Option<&str> {
        match self {
            Self::Provider { request_id, .. } => request_id.as_deref(),
            Self::Identity(error) => error.request_id(),
            _ => None,
        }
    }

    fn observed(&self) -> Option<String> {
        match self {
            Self::Identity(error) => error.observed(),
            _ => None,
        }
    }

    fn required(&self) -> Option<String> {
        match self {
            Self::Provider { required, .. } => required.clone(),
            Self::Identity(error) => error.required(),
            _ => None,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::NoSecret { hint, .. }
            | Self::Shape { hint, .. }
            | Self::Config { hint, .. }
            | Self::Provider { hint, .. } => hint.clone(),
            Self::Identity(error) => error.hint(),
            Self::Network { .. } => None,
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Provider { retry_after, .. } => *retry_after,
            Self::Identity(error) => error.retry_after(),
            _ => None,
        }
    }

    fn blame(&self) -> Option<ObjectRef> {
        match self {
            Self::Identity(error) => error.blame(),
            _ => None,
        }
    }
}

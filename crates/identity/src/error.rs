//! Every way a login can fail, with the link that broke.

use std::time::Duration;

use keyless_fault::{Class, Fault, Link, ObjectRef};

use crate::evidence::Known;
use crate::http::HttpError;

/// A login that did not end in a credential. Cheap to share: waiters of one login get clones.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// Something that the login needs from the cluster could not be read or minted.
    #[error("cannot {intent} {object}: {reason}")]
    Cluster {
        /// What was tried, e.g. `read` or `mint a token for`.
        intent: &'static str,
        /// The object concerned; users are pointed at it.
        object: ObjectRef,
        /// The link: [`Link::Token`] for minting, [`Link::Store`] for credentials by reference.
        link: Link,
        /// Class of failure.
        class: Class,
        /// The API server's words.
        reason: String,
        /// What to do.
        hint: Option<String>,
    },
    /// The store or the environment does not say enough, or says two things at once.
    #[error("{reason}")]
    Config {
        /// What is wrong.
        reason: String,
        /// What to do.
        hint: Option<String>,
        /// Catalogue code or empty.
        code: &'static str,
    },
    /// The provider refused the exchange.
    #[error(
        "cannot log in as {identity}: {service} answered {provider_code} ({status}): {message}"
    )]
    Refused {
        /// The identity wanted, e.g. a role ARN.
        identity: String,
        /// The service that answered, e.g. `AWS STS`.
        service: &'static str,
        /// HTTP status.
        status: u16,
        /// The provider's code.
        provider_code: String,
        /// The provider's message, stripped of tokens.
        message: String,
        /// The provider's request id.
        request_id: Option<String>,
        /// The link that the code points at.
        link: Link,
        /// Class of failure.
        class: Class,
        /// Catalogue code.
        code: &'static str,
        /// What was presented: issuer, subject, audience.
        observed: Option<String>,
        /// What must hold.
        required: Option<String>,
        /// What to do.
        hint: Option<String>,
        /// The provider's `Retry-After`.
        retry_after: Option<Duration>,
    },
    /// The provider could not be asked.
    #[error("cannot log in as {identity}")]
    Http {
        /// The identity wanted.
        identity: String,
        /// The cause.
        #[source]
        source: HttpError,
    },
    /// The provider's answer makes no sense.
    #[error("cannot read the answer of {service} for {identity}: {reason}")]
    Answer {
        /// The identity wanted.
        identity: String,
        /// The service that answered.
        service: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// Any of these, with what was known when it happened.
    #[error(transparent)]
    Known(Box<Known>),
}

impl Error {
    /// The failure itself.
    fn itself(&self) -> &Self {
        match self {
            Self::Known(known) => known.error.itself(),
            other => other,
        }
    }
}

/// The catalogue's row for what the API server refused of a service account.
fn of_account(intent: &str, object: &ObjectRef, class: Class, reason: &str) -> &'static str {
    if object.kind != "ServiceAccount" {
        return "";
    }
    match class {
        Class::NotFound => "K19",
        Class::Denied if intent != "read" => "K21",
        _ if reason.contains("may not specify a duration less than 10 minutes") => "K14",
        _ => "",
    }
}

impl Fault for Error {
    fn link(&self) -> Link {
        match self.itself() {
            Self::Cluster { link, .. } | Self::Refused { link, .. } => *link,
            Self::Config { .. } => Link::Store,
            Self::Http { .. } => Link::Network,
            Self::Answer { .. } | Self::Known(_) => Link::Identity,
        }
    }

    fn class(&self) -> Class {
        match self.itself() {
            Self::Cluster { class, .. } | Self::Refused { class, .. } => *class,
            Self::Config { .. } => Class::Config,
            Self::Http { .. } => Class::Unavailable,
            Self::Answer { .. } | Self::Known(_) => Class::Bug,
        }
    }

    fn code(&self) -> &'static str {
        match self.itself() {
            Self::Refused { code, .. } | Self::Config { code, .. } => code,
            Self::Cluster {
                intent,
                object,
                class,
                reason,
                ..
            } => of_account(intent, object, *class, reason),
            Self::Http { .. } | Self::Answer { .. } | Self::Known(_) => "",
        }
    }

    fn provider_code(&self) -> Option<&str> {
        match self.itself() {
            Self::Refused { provider_code, .. } => Some(provider_code),
            _ => None,
        }
    }

    fn request_id(&self) -> Option<&str> {
        match self.itself() {
            Self::Refused { request_id, .. } => request_id.as_deref(),
            _ => None,
        }
    }

    fn observed(&self) -> Option<String> {
        match self.itself() {
            Self::Refused { observed, .. } => observed.clone(),
            _ => None,
        }
    }

    fn required(&self) -> Option<String> {
        match self.itself() {
            Self::Refused { required, .. } => required.clone(),
            _ => None,
        }
    }

    fn hint(&self) -> Option<String> {
        match self.itself() {
            Self::Cluster { hint, .. } | Self::Config { hint, .. } | Self::Refused { hint, .. } => {
                hint.clone()
            }
            Self::Http { .. } | Self::Answer { .. } | Self::Known(_) => None,
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self.itself() {
            Self::Refused { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    fn blame(&self) -> Option<ObjectRef> {
        match self.itself() {
            Self::Cluster { object, .. } => Some(object.clone()),
            _ => None,
        }
    }
}

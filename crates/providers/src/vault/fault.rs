//! What each refusal of the engine means.
//!
//! Owns: the table from status and text to link, class, catalogue row and fix. Refuses: retries.

use keyless_fault::{Class, Link};
use keyless_identity::vault::{Answer, Unanswered};

use crate::Error;

/// What was tried.
#[derive(Clone, Debug)]
pub(super) struct Attempt<'a> {
    /// With the key, e.g. `read secret "secret/data/a"`.
    pub(super) intent: String,
    /// E.g. `Vault (https://vault:8200)`.
    pub(super) service: &'a str,
    /// The capabilities it needs in a policy, e.g. `read`.
    pub(super) capabilities: &'static [&'static str],
    /// The path of that policy.
    pub(super) path: &'a str,
    /// The namespace of the call.
    pub(super) namespace: Option<&'a str>,
    /// The identity, for hints.
    pub(super) identity: String,
}

impl Attempt<'_> {
    /// The error behind an answer that is none of what the caller expects.
    pub(super) fn refused(&self, answer: &Answer) -> Error {
        let text = answer.errors();
        let lower = text.to_ascii_lowercase();
        let has = |part: &str| lower.contains(part);
        let (link, class, code, required, hint) = match answer.status {
            403 => (
                Link::Permission,
                Class::Denied,
                "V8",
                Some(format!(
                    "capabilities {:?} on {}",
                    self.capabilities,
                    self.policy_path()
                )),
                Some(format!(
                    "Give {} a policy with path {:?} {{ capabilities = {:?} }}{}",
                    self.identity,
                    self.path,
                    self.capabilities,
                    match self.namespace {
                        Some(_) => "",
                        None => ", or set the store's namespace",
                    }
                )),
            ),
            404 => (
                Link::Store,
                Class::Config,
                "",
                Some(format!(
                    "an engine mounted at the beginning of {}",
                    self.policy_path()
                )),
                Some("Correct path, version and namespace of the store".to_owned()),
            ),
            429 => (Link::Network, Class::Throttled, "", None, None),
            412 => (Link::Network, Class::Unavailable, "", None, None),
            503 if has("sealed") => (
                Link::Network,
                Class::Unavailable,
                "",
                None,
                Some("Unseal the server".to_owned()),
            ),
            500.. => (Link::Network, Class::Unavailable, "", None, None),
            400 if has("check-and-set parameter") => {
                (Link::Secret, Class::Conflict, "", None, None)
            }
            _ => (Link::Secret, Class::Config, "", None, None),
        };
        let message = match (text.is_empty(), answer.is_error_document()) {
            (false, _) => text,
            (true, true) => "no reason given".to_owned(),
            (true, false) => {
                "no error document; the answer comes from something in between".to_owned()
            }
        };
        Error::Provider {
            intent: self.intent.clone(),
            service: self.service.to_owned(),
            provider_code: format!("HTTP {}", answer.status),
            message,
            request_id: answer.request_id(),
            link,
            class,
            code,
            required,
            hint,
            retry_after: answer.retry_after(),
        }
    }

    fn policy_path(&self) -> String {
        match self.namespace {
            Some(namespace) => format!("{:?} in namespace {namespace:?}", self.path),
            None => format!("{:?}", self.path),
        }
    }

    /// Nothing of Vault's came back.
    pub(super) fn unanswered(&self, error: &Unanswered) -> Error {
        match error {
            Unanswered::Http(error) => Error::Network {
                intent: self.intent.clone(),
                reason: error.to_string(),
            },
            Unanswered::Redirect { to, .. } => Error::Config {
                reason: format!("cannot {}: {error}", self.intent),
                hint: Some(format!(
                    "Set server to {to}, or to an address that leads to the active server"
                )),
            },
            Unanswered::Malformed(reason) => Error::Config {
                reason: format!("cannot {}: {reason}", self.intent),
                hint: None,
            },
        }
    }

    /// An answer that no correct server gives.
    pub(super) fn unreadable(&self, answer: &Answer, reason: String) -> Error {
        Error::Provider {
            intent: self.intent.clone(),
            service: self.service.to_owned(),
            provider_code: format!("HTTP {}", answer.status),
            message: reason,
            request_id: answer.request_id(),
            link: Link::Network,
            class: Class::Unavailable,
            code: "",
            required: Some("an answer of the key-value engine".to_owned()),
            hint: Some("See what stands between the operator and the server".to_owned()),
            retry_after: None,
        }
    }

    /// The path belongs to the other version of the engine, says the server.
    pub(super) fn other_engine(&self, warning: &str) -> Error {
        Error::Config {
            reason: format!(
                "cannot {}: {} says: {}",
                self.intent,
                self.service,
                keyless_identity::scrub(warning)
            ),
            hint: Some("Correct version of the store: v1 or v2".to_owned()),
        }
    }

    /// There is no such secret.
    pub(super) fn missing(&self) -> Error {
        Error::NoSecret {
            key: self.path.to_owned(),
            service: self.service.to_owned(),
            hint: Some(match self.namespace {
                Some(namespace) => format!(
                    "Write it in namespace {namespace:?}, or correct remoteRef.key and version"
                ),
                None => "Write it, or correct remoteRef.key and version".to_owned(),
            }),
            code: "",
        }
    }
}

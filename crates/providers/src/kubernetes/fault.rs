//! What each refusal of an API server means.
//!
//! Owns: the table from status to link, class and fix. Refuses: retries.

use std::time::Duration;

use bytes::Bytes;
use http::header;
use keyless_fault::{Class, Link};
use serde::Deserialize;

use crate::Error;

/// What was tried.
#[derive(Clone, Debug)]
pub(super) struct Attempt<'a> {
    /// With the object, e.g. `read Secret a/b`.
    pub intent: String,
    /// E.g. `Kubernetes (https://k:6443)`.
    pub service: &'a str,
    /// The identity, for hints.
    pub identity: String,
    /// The verb that RBAC must allow on Secrets.
    pub verb: &'static str,
    /// The namespace whose Secrets are meant.
    pub namespace: &'a str,
}

/// The parts of a `Status` that matter. Its message names objects and users, never data.
#[derive(Default, Deserialize)]
struct Status {
    #[serde(default)]
    message: String,
    #[serde(default)]
    reason: String,
}

impl Attempt<'_> {
    /// The error behind a refusing answer.
    pub fn refused(&self, answer: &http::Response<Bytes>) -> Error {
        let code = answer.status().as_u16();
        let status = serde_json::from_slice::<Status>(answer.body()).ok();
        let known = status.as_ref().is_some_and(|s| !s.message.is_empty());
        let status = status.unwrap_or_default();
        let (link, class, required, hint) = match code {
            401 => (
                Link::Identity,
                Class::Denied,
                Some("a token or certificate that the API server knows".to_owned()),
                Some(format!(
                    "The server does not know {}: check server.url, the token's audiences and its age",
                    self.identity
                )),
            ),
            403 => (
                Link::Permission,
                Class::Denied,
                Some(format!(
                    "verb {} on resource secrets in namespace {}",
                    self.verb, self.namespace
                )),
                Some(format!(
                    "Bind a Role with that rule to {} in namespace {}",
                    self.identity, self.namespace
                )),
            ),
            429 => (Link::Network, Class::Throttled, None, None),
            300..=399 => (
                Link::Store,
                Class::Config,
                None,
                Some("Set server.url to the API server itself: redirects are not followed".into()),
            ),
            500.. => (Link::Network, Class::Unavailable, None, None),
            _ => (Link::Secret, Class::Config, None, None),
        };
        Error::Provider {
            intent: self.intent.clone(),
            service: self.service.to_owned(),
            provider_code: match (code, status.reason.is_empty()) {
                (401, _) => "Unauthorized".into(),
                (_, false) => status.reason,
                (_, true) => format!("HTTP {code}"),
            },
            message: if known {
                status.message
            } else {
                "no status; the answer comes from something in between".into()
            },
            request_id: None,
            link,
            class,
            code: "",
            required,
            hint,
            retry_after: retry_after(answer),
        }
    }

    /// There is no such Secret.
    pub fn missing(&self, name: &str) -> Error {
        Error::NoSecret {
            key: name.to_owned(),
            service: format!("namespace {} of {}", self.namespace, self.service),
            hint: Some("Create it, or correct remoteRef.key and remoteNamespace".into()),
            code: "",
        }
    }

    /// The answer makes no sense.
    pub fn unreadable(&self, reason: &str) -> Error {
        Error::Provider {
            intent: self.intent.clone(),
            service: self.service.to_owned(),
            provider_code: "an unusable answer".into(),
            message: reason.to_owned(),
            request_id: None,
            link: Link::Network,
            class: Class::Bug,
            code: "",
            required: None,
            hint: Some("Check that server.url is an API server".into()),
            retry_after: None,
        }
    }
}

fn retry_after(answer: &http::Response<Bytes>) -> Option<Duration> {
    let seconds = answer.headers().get(header::RETRY_AFTER)?;
    let seconds: u64 = seconds.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds.min(3600)))
}

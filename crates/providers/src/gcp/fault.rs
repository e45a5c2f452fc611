//! What each error of Secret Manager means.
//!
//! Owns: the table from status, reason and text to link, class, catalogue row and fix. Refuses:
//! retries, and taking anything but Secret Manager's own word for a missing secret.

use std::time::Duration;

use bytes::Bytes;
use keyless_fault::{Class, Link, Verdict};
use keyless_identity::{HttpError, scrub};
use serde::Deserialize;

use crate::Error;
use crate::rest;

/// What was tried.
#[derive(Clone, Debug)]
pub(super) struct Attempt<'a> {
    /// With the key, e.g. `read secret "a"`.
    pub(super) intent: String,
    /// E.g. `Google Secret Manager (project p)`.
    pub(super) service: &'a str,
    /// The project.
    pub(super) project: &'a str,
    /// The permission it needs, e.g. `secretmanager.versions.access`.
    pub(super) permission: &'static str,
    /// Whose token was shown, as a member of policies where that is known.
    pub(super) caller: &'a str,
    /// The key, if it is one.
    pub(super) key: Option<&'a str>,
}

#[derive(Deserialize)]
struct Document {
    error: Body,
}

#[derive(Deserialize)]
struct Body {
    #[serde(default)]
    status: String,
    #[serde(default)]
    message: String,
    #[serde(default)]
    details: Vec<Detail>,
}

#[derive(Deserialize)]
struct Detail {
    #[serde(default)]
    reason: String,
    #[serde(rename = "requestId")]
    request_id: Option<String>,
}

/// An answer that is no success.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    status: u16,
    code: String,
    reason: String,
    message: String,
    request_id: Option<String>,
    retry_after: Option<Duration>,
}

impl rest::Answer for Answer {
    /// Reads one. What is not Google's own error document has no code.
    fn read(found: &http::Response<Bytes>) -> Self {
        let header = |name: &str| {
            let value = found.headers().get(name)?;
            Some(value.to_str().ok()?.trim().to_owned())
        };
        let document: Option<Document> = serde_json::from_slice(found.body()).ok();
        let body = document.map(|document| document.error);
        let (code, message, details) = match body {
            Some(body) => (body.status, body.message, body.details),
            None => (String::new(), String::new(), Vec::new()),
        };
        Self {
            status: found.status().as_u16(),
            code,
            reason: details
                .iter()
                .map(|detail| detail.reason.clone())
                .find(|reason| !reason.is_empty())
                .unwrap_or_default(),
            message,
            request_id: details
                .into_iter()
                .find_map(|detail| detail.request_id)
                .or_else(|| header("x-goog-request-id")),
            retry_after: header("retry-after")
                .and_then(|seconds| seconds.parse().ok())
                .map(Duration::from_secs),
        }
    }

    /// Whether another token may help: this one has ended, or is not believed.
    fn token_refused(&self) -> bool {
        self.status == 401
    }
}

impl Answer {
    /// Whether Secret Manager itself says that there is no such secret or version.
    pub(super) fn is_missing(&self) -> bool {
        self.status == 404
            && self.code == "NOT_FOUND"
            && !["Project", "project", "Location", "location"]
                .iter()
                .any(|word| self.message.starts_with(word))
    }

    /// Whether that is about a version.
    pub(super) fn is_of_version(&self) -> bool {
        self.is_missing() && self.message.starts_with("Secret Version")
    }

    /// Whether a version is disabled or destroyed.
    pub(super) fn is_inactive(&self) -> bool {
        self.code == "FAILED_PRECONDITION"
            && ["DISABLED", "DESTROYED"]
                .iter()
                .any(|state| self.message.contains(state))
    }

    /// Whether a role is missing for this very secret: others may be allowed.
    pub(super) fn is_denied_by_role(&self) -> bool {
        self.status == 403
            && self.code == "PERMISSION_DENIED"
            && matches!(self.reason.as_str(), "" | "IAM_PERMISSION_DENIED")
            && self.message.contains("Permission '")
    }
}

impl rest::Judge for Attempt<'_> {
    type Answer = Answer;

    /// Judges an answer.
    fn judge(&self, answer: &Answer) -> Error {
        if answer.is_missing()
            && let Some(key) = self.key
        {
            return self.missing(key);
        }
        let verdict = self.verdict(answer);
        let code = [&answer.code, &answer.reason]
            .into_iter()
            .find(|code| !code.is_empty());
        Error::Provider {
            intent: self.intent.clone(),
            service: self.service.to_owned(),
            provider_code: code
                .map_or_else(|| format!("HTTP {}", answer.status), |code| scrub(code)),
            message: if code.is_some() {
                stable(&answer.message)
            } else {
                "no error document of Google; the answer comes from something in between".into()
            },
            request_id: answer.request_id.clone(),
            link: verdict.link,
            class: verdict.class,
            code: verdict.code,
            required: verdict.required,
            hint: verdict.hint,
            retry_after: answer.retry_after,
        }
    }

    /// Secret Manager could not be asked.
    fn unanswered(&self, error: &HttpError) -> Error {
        Error::Network {
            intent: self.intent.clone(),
            reason: error.to_string(),
        }
    }

    /// The answer is a success and makes no sense.
    fn unreadable(&self, reason: &str) -> Error {
        self.broken("UnreadableAnswer", reason, "")
    }
}

impl Attempt<'_> {
    /// The payload is not what was stored.
    pub(super) fn corrupted(&self) -> Error {
        self.broken(
            "ChecksumMismatch",
            "the payload does not have the checksum that was sent with it",
            "G21",
        )
    }

    fn broken(&self, provider_code: &str, reason: &str, code: &'static str) -> Error {
        Error::Provider {
            intent: self.intent.clone(),
            service: self.service.to_owned(),
            provider_code: provider_code.to_owned(),
            message: reason.to_owned(),
            request_id: None,
            link: Link::Network,
            class: Class::Unavailable,
            code,
            required: None,
            hint: Some("Look at what lies between the operator and Google".into()),
            retry_after: None,
        }
    }

    /// The secret does not exist.
    pub(super) fn missing(&self, key: &str) -> Error {
        Error::NoSecret {
            key: key.to_owned(),
            service: self.service.to_owned(),
            hint: Some(
                "Check project, location and name, or create it and give it a version".into(),
            ),
            code: "G13",
        }
    }

    fn verdict(&self, answer: &Answer) -> Verdict {
        let text = answer.message.as_str();
        match (answer.status, answer.code.as_str(), answer.reason.as_str()) {
            (429, ..) | (_, "RESOURCE_EXHAUSTED", _) => {
                Verdict::new(Link::Network, Class::Throttled, "").hint(
                    "Lengthen refresh intervals, or raise the project's quota of Secret Manager",
                )
            }
            (300..=399, ..) => Verdict::new(Link::Network, Class::Config, "")
                .required("an answer without a redirect")
                .hint("Correct the endpoint: a token is never carried to another place"),
            (500.., ..) | (_, "", _) => Verdict::new(Link::Network, Class::Unavailable, ""),
            (401, ..) => Verdict::denied(Link::Identity, "G11").hint(
                "Compare the operator's clock with true time, and see that the identity's pool is \
                 not disabled",
            ),
            (403, _, "SERVICE_DISABLED") => Verdict::denied(Link::Store, "G10")
                .required(format!(
                    "Secret Manager enabled in project {}",
                    self.project
                ))
                .hint(format!(
                    "Run gcloud services enable secretmanager.googleapis.com --project {}",
                    self.project
                )),
            (403, ..) if text.contains("prohibited by organization's policy") => {
                Verdict::denied(Link::Network, "G22")
                    .hint("Let the service perimeter admit the operator's network and identity")
            }
            (403, _, "CONSUMER_INVALID" | "RESOURCE_PROJECT_INVALID") => {
                Verdict::denied(Link::Store, "G12")
                    .required(format!("a project {:?}", self.project))
                    .hint("Correct projectID")
            }
            (403, ..) => Verdict::denied(Link::Permission, "G12")
                .required(format!(
                    "permission {} for {}",
                    self.permission, self.caller
                ))
                .hint(format!(
                    "Give {} the role {} on the secret or project {}; Google says the same of a \
                     secret that does not exist",
                    self.caller,
                    self.role(),
                    self.project
                )),
            (404, ..) => Verdict::new(Link::Store, Class::Config, "G12")
                .required(format!(
                    "a project {:?} with Secret Manager there",
                    self.project
                ))
                .hint("Correct projectID and location"),
            (_, "FAILED_PRECONDITION", _) if answer.is_inactive() => {
                Verdict::new(Link::Secret, Class::Config, "G13")
                    .required("an enabled version")
                    .hint(
                        "Enable that version, add a new one, or set secretVersionSelectionPolicy: \
                         LatestOrFetch in the store",
                    )
            }
            (409, ..) | (_, "ABORTED", _) => Verdict::new(Link::Secret, Class::Conflict, ""),
            (_, "FAILED_PRECONDITION", _) if text.to_ascii_lowercase().contains("etag") => {
                Verdict::new(Link::Secret, Class::Conflict, "")
            }
            _ => Verdict::new(Link::Secret, Class::Config, ""),
        }
    }

    /// The built-in role with least rights that has the permission.
    fn role(&self) -> &'static str {
        match self.permission {
            "secretmanager.versions.access" => "roles/secretmanager.secretAccessor",
            "secretmanager.versions.add" => "roles/secretmanager.secretVersionAdder",
            "secretmanager.secrets.get"
            | "secretmanager.secrets.list"
            | "secretmanager.versions.list" => "roles/secretmanager.viewer",
            _ => "roles/secretmanager.admin",
        }
    }
}

/// The message on one line, without what differs from call to call.
fn stable(message: &str) -> String {
    let words: Vec<&str> = message.split_whitespace().collect();
    let text = words.join(" ");
    let end = [
        " vpcServiceControlsUniqueIdentifier:",
        " If you enabled this API recently",
    ]
    .iter()
    .filter_map(|mark| text.find(mark))
    .min();
    scrub(end.and_then(|end| text.get(..end)).unwrap_or(&text))
}

#[cfg(test)]
mod tests;

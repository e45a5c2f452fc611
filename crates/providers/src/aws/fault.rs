//! What each error of an AWS data plane means.
//!
//! Owns: the table from code and text to link, class, catalogue row and fix. Refuses: retries.

use std::error::Error as StdError;
use std::time::Duration;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use keyless_fault::{Class, Link, Verdict};
use keyless_identity::aws::{PolicyLayer, policy_layer};
use keyless_identity::{HttpError, scrub};

use crate::Error;

/// What was tried.
#[derive(Clone, Debug)]
pub(super) struct Attempt<'a> {
    /// With the key, e.g. `read parameter "/a"`.
    pub(super) intent: String,
    /// E.g. `AWS Parameter Store (eu-central-1)`.
    pub(super) service: &'a str,
    /// The permission it needs, e.g. `ssm:GetParameter`.
    pub(super) action: &'static str,
    /// The key that is read, if it is one.
    pub(super) key: Option<&'a str>,
    /// What to do when the service throttles.
    pub(super) throttled: &'static str,
}

/// An error and the code behind it.
#[derive(Clone, Debug)]
pub(super) struct Judged {
    pub(super) error: Error,
    pub(super) code: String,
    pub(super) message: String,
}

impl Judged {
    /// Whether another credential may help: this one has ended or is unknown.
    pub(super) fn credential_refused(&self) -> bool {
        matches!(
            self.code.as_str(),
            "ExpiredTokenException"
                | "ExpiredToken"
                | "UnrecognizedClientException"
                | "InvalidClientTokenId"
        )
    }

    /// Whether the service knows the caller and does not let it.
    pub(super) fn is_denial(&self) -> bool {
        matches!(self.code.as_str(), "AccessDeniedException" | "AccessDenied")
    }
}

impl Attempt<'_> {
    /// Judges an SDK's error.
    pub(super) fn judge<E>(&self, error: &SdkError<E, HttpResponse>) -> Judged
    where
        E: StdError + ProvideErrorMetadata + Send + Sync + 'static,
    {
        let answer = error.raw_response();
        let status = answer.map_or(0, |answer| answer.status().as_u16());
        let header = |name: &str| answer.and_then(|answer| answer.headers().get(name));
        let Some(service) = error.as_service_error() else {
            return self.unanswered(error, status);
        };
        let code = service.code().unwrap_or("Unknown");
        let code = code.rsplit('#').next().unwrap_or(code);
        let code = code.split(':').next().unwrap_or(code);
        self.answered(Answer {
            status,
            code,
            message: service.message().unwrap_or_default(),
            request_id: header("x-amzn-requestid").map(str::to_owned),
            retry_after: header("retry-after")
                .and_then(|seconds| seconds.trim().parse().ok())
                .map(Duration::from_secs),
        })
    }

    fn unanswered(&self, error: &(dyn StdError + 'static), status: u16) -> Judged {
        let mut reason = if status == 0 {
            "the request could not be sent".to_owned()
        } else {
            format!("the answer (HTTP {status}) could not be read")
        };
        let mut next = Some(error);
        while let Some(inner) = next {
            if let Some(identity) = inner.downcast_ref::<keyless_identity::Error>() {
                return Judged {
                    error: Error::Identity(identity.clone()),
                    code: String::new(),
                    message: String::new(),
                };
            }
            if let Some(http) = inner.downcast_ref::<HttpError>() {
                reason = http.to_string();
            }
            next = inner.source();
        }
        Judged {
            error: Error::Network {
                intent: self.intent.clone(),
                reason,
            },
            code: String::new(),
            message: String::new(),
        }
    }

    fn answered(&self, answer: Answer<'_>) -> Judged {
        let error = match (answer.code, self.key) {
            ("ParameterNotFound" | "ResourceNotFoundException", Some(key)) => {
                self.absent(key, answer.message)
            }
            ("InvalidRequestException", Some(key))
                if answer.message.contains("marked for deletion") =>
            {
                self.deleted(key)
            }
            _ => {
                let verdict = self.verdict(&answer);
                Error::Provider {
                    intent: self.intent.clone(),
                    service: self.service.to_owned(),
                    provider_code: scrub(answer.code),
                    message: scrub(answer.message),
                    request_id: answer.request_id.clone(),
                    link: verdict.link,
                    class: verdict.class,
                    code: verdict.code,
                    required: verdict.required,
                    hint: verdict.hint,
                    retry_after: answer.retry_after,
                }
            }
        };
        Judged {
            error,
            code: answer.code.to_owned(),
            message: answer.message.to_owned(),
        }
    }

    /// The secret does not exist.
    pub(super) fn missing(&self, key: &str) -> Error {
        Error::NoSecret {
            key: key.to_owned(),
            service: self.service.to_owned(),
            hint: Some(
                "Check region, account, path and the leading slash of the name, or create it"
                    .into(),
            ),
            code: "A21",
        }
    }

    /// As [`Self::missing`], with a fix that fits the service's text.
    pub(super) fn absent(&self, key: &str, text: &str) -> Error {
        if !(text.contains("staging label") || text.contains("VersionId")) {
            return self.missing(key);
        }
        Error::NoSecret {
            key: key.to_owned(),
            service: self.service.to_owned(),
            hint: Some(
                "It has no such version: correct remoteRef.version (a stage, or uuid/ and a \
                 version's id), or give the secret a value"
                    .into(),
            ),
            code: "A21",
        }
    }

    /// The secret waits for its end.
    pub(super) fn deleted(&self, key: &str) -> Error {
        Error::NoSecret {
            key: key.to_owned(),
            service: self.service.to_owned(),
            hint: Some("It is marked for deletion: restore it, or remove its users".into()),
            code: "A22",
        }
    }

    fn verdict(&self, answer: &Answer<'_>) -> Verdict {
        let text = answer.message;
        if text.contains("ciphertext refers to") || text.contains("default KMS service key") {
            return self.decryption(text);
        }
        match answer.code {
            "AccessDeniedException" | "AccessDenied" => self.denied(text),
            "InvalidKeyId" | "DecryptionFailure" | "EncryptionFailure" => self.decryption(text),
            "ParameterVersionNotFound" => Verdict::new(Link::Secret, Class::NotFound, "A21")
                .hint("Correct remoteRef.version: it is neither a version nor a label of it"),
            "ThrottlingException"
            | "Throttling"
            | "RequestLimitExceeded"
            | "TooManyRequestsException" => {
                Verdict::new(Link::Network, Class::Throttled, "A23").hint(self.throttled)
            }
            "UnrecognizedClientException" | "InvalidClientTokenId" => {
                Verdict::new(Link::Identity, Class::Denied, "A11").hint(
                    "Check that the region is enabled in the account and that the access key \
                     exists",
                )
            }
            "ExpiredTokenException"
            | "ExpiredToken"
            | "InvalidSignatureException"
            | "SignatureDoesNotMatch"
            | "RequestExpired" => Verdict::new(Link::Identity, Class::Denied, "K12")
                .hint("Compare the operator's clock with true time"),
            _ => by_status(answer.status),
        }
    }

    fn denied(&self, text: &str) -> Verdict {
        let lower = text.to_ascii_lowercase();
        if lower.contains("kms:") || lower.contains("access to kms") {
            return self.decryption(text);
        }
        let resource = between(text, "on resource: ", " ");
        let resource = resource.or(self.key).unwrap_or("the resource");
        let action = between(text, "perform: ", " ").unwrap_or(self.action);
        let denied = |link, code| {
            Verdict::new(link, Class::Denied, code)
                .required(format!("permission {action} on {resource}"))
        };
        if let Some(node) = between(text, "assumed-role/", " ")
            && node.rsplit('/').next().is_some_and(|id| {
                id.strip_prefix("i-")
                    .is_some_and(|hex| hex.len() >= 8 && hex.bytes().all(|b| b.is_ascii_hexdigit()))
            })
        {
            return denied(Link::Identity, "A13").hint(
                "The call was made as the node's role: set auth.jwt.serviceAccountRef in the \
                 store, or give the operator's service account a role",
            );
        }
        match policy_layer(text) {
            Some(PolicyLayer::VpcEndpoint) => denied(Link::Network, "A25").hint(format!(
                "Let the VPC endpoint's policy allow {action} on {resource}"
            )),
            Some(PolicyLayer::Organisation) => denied(Link::Permission, "A6").hint(format!(
                "Let the organisation's control policies allow {action} on {resource}"
            )),
            Some(PolicyLayer::Boundary) => denied(Link::Permission, "A18").hint(format!(
                "Let the role's permissions boundary allow {action} on {resource}"
            )),
            Some(PolicyLayer::Session) => denied(Link::Permission, "A18").hint(format!(
                "Let the session policy allow {action} on {resource}"
            )),
            Some(PolicyLayer::Resource) => denied(Link::Permission, "A18").hint(format!(
                "Let the resource's policy allow {action} on {resource}"
            )),
            Some(PolicyLayer::Identity) | None => denied(Link::Permission, "A18").hint(format!(
                "Allow {action} on {resource} in the role's policy, without conditions on \
                 another issuer's :sub or :aud (A19)"
            )),
        }
    }

    fn decryption(&self, text: &str) -> Verdict {
        let verdict = Verdict::new(Link::Decryption, Class::Denied, "A20");
        match between(text, "on resource: ", " ") {
            Some(key) => verdict
                .required(format!("permission kms:Decrypt on {key}"))
                .hint(format!(
                    "Allow kms:Decrypt on {key} in the role's policy and in the key's policy"
                )),
            None => verdict.required("permission kms:Decrypt on its key").hint(
                "Allow kms:Decrypt on the key in the role's policy and in the key's policy; an \
                 aws/ key works only in its own account",
            ),
        }
    }
}

struct Answer<'a> {
    status: u16,
    code: &'a str,
    message: &'a str,
    request_id: Option<String>,
    retry_after: Option<Duration>,
}

fn by_status(status: u16) -> Verdict {
    match status {
        429 => Verdict::new(Link::Network, Class::Throttled, "A23"),
        0 | 500.. => Verdict::new(Link::Network, Class::Unavailable, ""),
        401 | 403 => Verdict::new(Link::Permission, Class::Denied, ""),
        _ => Verdict::new(Link::Secret, Class::Config, ""),
    }
}

/// The text after `start` up to `end` or the end.
fn between<'a>(text: &'a str, start: &str, end: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(start)?;
    let found = rest.split(end).next().unwrap_or(rest);
    let found = found.trim_end_matches(['.', ',', ')']);
    (!found.is_empty() && found.len() <= 300).then_some(found)
}

#[cfg(test)]
mod tests;

//! What each error of Key Vault means.
//!
//! Owns: the table from status, code and inner code to link, class, catalogue row and fix.
//! Refuses: retries, and taking anything but Key Vault's own word for a missing secret.

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
    /// E.g. `Azure Key Vault my-vault.vault.azure.net`.
    pub(super) service: &'a str,
    /// The permission it needs, as access policies name it, e.g. `secrets get`.
    pub(super) permission: &'static str,
    /// Whose token was shown.
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
    code: String,
    #[serde(default)]
    message: String,
    #[serde(rename = "innererror", alias = "innerError")]
    inner: Option<Inner>,
}

#[derive(Deserialize)]
struct Inner {
    #[serde(default)]
    code: String,
}

/// An answer that is no success.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    status: u16,
    code: String,
    inner: String,
    message: String,
    request_id: Option<String>,
    retry_after: Option<Duration>,
    /// The tenant that the vault's challenge names.
    challenge: Option<String>,
}

impl rest::Answer for Answer {
    /// Reads one. What is not Key Vault's own error document has no code.
    fn read(found: &http::Response<Bytes>) -> Self {
        let header = |name: &str| {
            let value = found.headers().get(name)?;
            Some(value.to_str().ok()?.trim().to_owned())
        };
        let document: Option<Document> = serde_json::from_slice(found.body()).ok();
        let body = document.map(|document| document.error);
        let (code, message, inner) = match body {
            Some(body) => (body.code, body.message, body.inner.map(|inner| inner.code)),
            None => (String::new(), String::new(), None),
        };
        Self {
            status: found.status().as_u16(),
            code,
            inner: inner.unwrap_or_default(),
            message,
            request_id: header("x-ms-request-id"),
            retry_after: header("retry-after")
                .and_then(|seconds| seconds.parse().ok())
                .map(Duration::from_secs),
            challenge: header("www-authenticate").as_deref().and_then(tenant),
        }
    }

    /// Whether another token may help: this one has ended, or its key is not known any more.
    fn token_refused(&self) -> bool {
        self.status == 401 && !self.message.contains("AKV10022") && !self.wrong_tenant()
    }
}

impl Answer {
    /// Whether a name is taken by a deleted object.
    pub(super) fn is_soft_deleted(&self) -> bool {
        self.status == 409
            && [&self.code, &self.inner]
                .iter()
                .any(|code| *code == "ObjectIsDeletedButRecoverable")
    }

    /// Whether Key Vault itself says that there is no such object.
    pub(super) fn is_missing(&self) -> bool {
        self.status == 404
            && matches!(
                self.code.as_str(),
                "SecretNotFound" | "CertificateNotFound" | "KeyNotFound"
            )
    }

    /// Whether a role assignment is missing for this very object: others may be allowed.
    pub(super) fn is_denied_by_role(&self) -> bool {
        self.status == 403 && self.inner == "ForbiddenByRbac"
    }

    fn wrong_tenant(&self) -> bool {
        self.message.contains("AKV10032")
    }
}

/// The tenant in a challenge such as
/// `Bearer authorization="https://login.microsoftonline.com/TENANT", resource="…"`.
fn tenant(challenge: &str) -> Option<String> {
    let (_, rest) = challenge.split_once("authorization=\"")?;
    let (url, _) = rest.split_once('"')?;
    let tenant = url.trim_end_matches('/').rsplit('/').next()?;
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.');
    (!tenant.is_empty() && tenant.len() <= 128 && tenant.chars().all(plain))
        .then(|| tenant.to_owned())
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
        let code = [&answer.inner, &answer.code]
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
                "no error document of Key Vault; the answer comes from something in between".into()
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

    /// Key Vault could not be asked.
    fn unanswered(&self, error: &HttpError) -> Error {
        let unknown = match error {
            HttpError::Connect { reason, .. } => {
                let reason = reason.to_ascii_lowercase();
                // A certificate of the wrong name speaks of names as well.
                ["lookup address", "dns error", "name or service not known"]
                    .iter()
                    .any(|words| reason.contains(words))
            }
            _ => false,
        };
        if !unknown {
            return Error::Network {
                intent: self.intent.clone(),
                reason: error.to_string(),
            };
        }
        Error::Provider {
            intent: self.intent.clone(),
            service: "the name server".into(),
            provider_code: "VaultNotFound".into(),
            message: error.to_string(),
            request_id: None,
            link: Link::Store,
            class: Class::Unavailable,
            code: "Z22",
            required: Some(format!("{} known to the name server", self.service)),
            hint: Some(vault_hint()),
            retry_after: None,
        }
    }

    /// The answer is a success and makes no sense.
    fn unreadable(&self, reason: &str) -> Error {
        Error::Provider {
            intent: self.intent.clone(),
            service: self.service.to_owned(),
            provider_code: "UnreadableAnswer".into(),
            message: reason.to_owned(),
            request_id: None,
            link: Link::Network,
            class: Class::Unavailable,
            code: "",
            required: None,
            hint: Some("Look at what lies between the operator and the vault".into()),
            retry_after: None,
        }
    }
}

impl Attempt<'_> {
    /// The secret does not exist.
    pub(super) fn missing(&self, key: &str) -> Error {
        Error::NoSecret {
            key: key.to_owned(),
            service: self.service.to_owned(),
            hint: Some(
                "Check vault and name, or create it; a deleted one can be recovered for a while"
                    .into(),
            ),
            code: "Z22",
        }
    }

    fn verdict(&self, answer: &Answer) -> Verdict {
        match (answer.status, answer.inner.as_str(), answer.code.as_str()) {
            (401, ..) => self.unauthorized(answer),
            (403, "ForbiddenByPolicy", _) => Verdict::denied(Link::Permission, "Z19")
                .required(format!(
                    "permission {} for {}",
                    self.permission, self.caller
                ))
                .hint(format!(
                    "Give {} the permission {} in an access policy of the vault",
                    self.caller, self.permission
                )),
            (403, "ForbiddenByRbac", _) => Verdict::denied(Link::Permission, "Z20")
                .required(format!(
                    "role {} on the vault for {}",
                    self.role(),
                    self.caller
                ))
                .hint(format!(
                    "Assign the role {} to {}: this vault ignores access policies, and a new \
                     assignment takes up to 10 minutes",
                    self.role(),
                    self.caller
                )),
            (403, "ForbiddenByFirewall" | "ForbiddenByConnection", _) => {
                Verdict::denied(Link::Network, "Z21").hint(
                    "Let the vault's network rules admit the operator's address, or use a private \
                     endpoint",
                )
            }
            (403, inner, _)
                if inner.ends_with("Disabled")
                    || inner.ends_with("Expired")
                    || inner.ends_with("NotYetValid") =>
            {
                Verdict::new(Link::Secret, Class::Config, "Z22")
                    .required("an enabled version inside its valid time")
                    .hint("Enable that version, or write a new one")
            }
            (403, ..) => Verdict::denied(Link::Permission, "Z19").required(format!(
                "permission {} for {}",
                self.permission, self.caller
            )),
            (404, _, "VaultNotFound") | (404, _, "ResourceNotFound") => {
                Verdict::new(Link::Store, Class::Config, "Z22")
                    .required("a vault of that name")
                    .hint(vault_hint())
            }
            (409, ..) if answer.is_soft_deleted() => {
                Verdict::new(Link::Secret, Class::Config, "Z22")
                    .required("a name that no deleted object holds")
                    .hint(
                        "Recover the deleted object (az keyvault secret recover) or purge it, and \
                         the write is repeated",
                    )
            }
            (409, ..) => Verdict::new(Link::Secret, Class::Conflict, ""),
            (429, ..) => Verdict::new(Link::Network, Class::Throttled, "")
                .hint("Lengthen refresh intervals, or spread the secrets over several vaults"),
            (300..=399, ..) => Verdict::new(Link::Network, Class::Config, "")
                .required("an answer without a redirect")
                .hint("Correct vaultUrl: a token is never carried to another place"),
            (500.., ..) => Verdict::new(Link::Network, Class::Unavailable, ""),
            (_, _, "") => Verdict::new(Link::Network, Class::Unavailable, ""),
            _ => Verdict::new(Link::Secret, Class::Config, ""),
        }
    }

    fn unauthorized(&self, answer: &Answer) -> Verdict {
        let verdict = Verdict::denied(Link::Identity, "Z18");
        if answer.message.contains("AKV10022") {
            return verdict
                .required("a token for the vault's own cloud")
                .hint("Correct environmentType or customCloudConfig.keyVaultEndpoint");
        }
        match &answer.challenge {
            Some(tenant) if answer.wrong_tenant() => verdict
                .required(format!("a token of tenant {tenant}"))
                .hint(format!(
                    "Log in to the vault's own tenant {tenant}: set tenantId, or correct vaultUrl"
                )),
            _ => verdict.hint("Compare the operator's clock with true time"),
        }
    }

    /// The built-in role with least rights that has the permission.
    fn role(&self) -> &'static str {
        let (kind, verb) = self.permission.split_once(' ').unwrap_or_default();
        match (kind, verb) {
            ("secrets", "get" | "list") => "Key Vault Secrets User",
            ("secrets", _) => "Key Vault Secrets Officer",
            // Public halves: their own roles would allow signing, and reading the secrets behind.
            ("certificates" | "keys", "get" | "list") => "Key Vault Reader",
            ("certificates", _) => "Key Vault Certificates Officer",
            _ => "Key Vault Crypto Officer",
        }
    }
}

fn vault_hint() -> String {
    "Correct vaultUrl: the vault does not exist, was deleted, or its private DNS zone is missing"
        .into()
}

/// Where a text begins to differ from call to call, or to give general advice.
const ENDS: [&str; 6] = [
    "For help resolving",
    "If you recently",
    "Assignment: (",
    "DenyAssignmentId:",
    "Timestamp:",
    "Trace ID:",
];
/// Said with every denial by role.
const ADVICE: &str = "If role assignments, deny assignments or role definitions were changed \
                      recently, please observe propagation time. ";

/// The message on one line, without what differs from call to call.
fn stable(message: &str) -> String {
    let words: Vec<&str> = message.split_whitespace().collect();
    let text = words.join(" ").replace(ADVICE, "");
    let end = ENDS.iter().filter_map(|mark| text.find(mark)).min();
    let text = end.and_then(|end| text.get(..end)).unwrap_or(&text);
    scrub(text.trim())
}

#[cfg(test)]
mod tests;

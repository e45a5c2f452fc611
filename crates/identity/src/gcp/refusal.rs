//! What each refusal of Google's token services means.
//!
//! Owns: the table from code, reason and text to link, class, catalogue row and fix. Refuses: guesses
//! about what was not answered.

use keyless_fault::{Class, Link, Verdict};

use super::answer::Refusal;
use super::{Login, Pool, Source};
use crate::TokenFacts;

/// Which call was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A token's exchange at a pool.
    Sts,
    /// A token's exchange at GKE's pool.
    Binding,
    /// Going on as a service account.
    Impersonate,
    /// A signature by a service account.
    Sign,
    /// The use of a stored key.
    Key,
}

impl Step {
    /// Who answered.
    pub(super) const fn service(self) -> &'static str {
        match self {
            Self::Sts => "Google STS",
            Self::Binding => "GKE's identity binding",
            Self::Impersonate | Self::Sign => "Google IAM Credentials",
            Self::Key => "Google OAuth",
        }
    }
}

/// What was tried: the context that a hint needs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attempt<'a> {
    pub(super) login: &'a Login,
    pub(super) step: Step,
    /// Where a token was exchanged.
    pub(super) audience: &'a str,
    /// The presented token's own claims.
    pub(super) token: Option<&'a TokenFacts>,
}

impl Attempt<'_> {
    /// Judges an answer that is no success.
    pub(super) fn judge(&self, status: u16, refusal: &Refusal) -> Verdict {
        let (code, text) = (refusal.code.as_str(), refusal.message.as_str());
        if status == 429 || code == "quota_exceeded" || code == "RESOURCE_EXHAUSTED" {
            return Verdict::new(Link::Network, Class::Throttled, "");
        }
        if status >= 500 || code.is_empty() {
            return by_status(status);
        }
        if refusal.reason == "SERVICE_DISABLED" {
            return denied(Link::Identity, "G10")
                .required(format!("{} enabled in the project", self.step.service()))
                .hint(format!(
                    "Enable {} in the project that the message names (gcloud services enable)",
                    self.api()
                ));
        }
        if text.contains("prohibited by organization's policy") {
            return denied(Link::Network, "G22")
                .hint("Let the service perimeter admit the operator's network and identity");
        }
        match self.step {
            Step::Sts => self.exchange(status, code, text),
            Step::Binding => self.binding(status, code, text),
            Step::Impersonate => self.account(
                status,
                text,
                "iam.serviceAccounts.getAccessToken",
                "roles/iam.workloadIdentityUser",
            ),
            Step::Sign => self.account(
                status,
                text,
                "iam.serviceAccounts.signJwt",
                "roles/iam.serviceAccountTokenCreator",
            ),
            Step::Key => self.key(status, code, text),
        }
    }

    fn exchange(&self, status: u16, code: &str, text: &str) -> Verdict {
        let lower = text.to_ascii_lowercase();
        match code {
            "invalid_target" => denied(Link::TrustObject, "G1")
                .required(format!("an enabled provider {}", self.audience))
                .hint(
                    "Create or undelete pool and provider; the name has the project's number, not \
                     its id, and a new one needs a few minutes",
                ),
            "invalid_request" if lower.contains("google.subject") => {
                denied(Link::TrustObject, "G8")
                    .required("a google.subject of at most 127 bytes")
                    .hint(
                        "Shorten it in the provider's attribute mapping, e.g. with \
                         assertion.sub.extract(\"system:serviceaccount:{account}\")",
                    )
            }
            "invalid_request" if lower.contains("audience") => {
                Verdict::new(Link::TrustObject, Class::Config, "G2")
                    .required("the full name of a pool's provider")
                    .hint(
                        "Write \
                         //iam.googleapis.com/projects/NUMBER/locations/global/workloadIdentityPools/POOL/providers/PROVIDER",
                    )
            }
            "invalid_grant" => self.grant(&lower),
            "unauthorized_client" => denied(Link::TrustObject, "G7")
                .required("an attribute condition that holds for this token")
                .hint(format!(
                    "Correct the attribute condition of {}, or use another service account",
                    self.audience
                )),
            _ => by_status(status),
        }
    }

    fn grant(&self, text: &str) -> Verdict {
        if text.contains("audience") {
            return denied(Link::TrustObject, "G3")
                .required(format!("an allowed audience of {}", self.audience))
                .hint(
                    "Add the token's audience to the provider's allowed audiences, or remove \
                     serviceAccountRef.audiences so that the token is minted for the provider's name",
                );
        }
        if text.contains("error connecting") {
            return denied(Link::IssuerDocument, "G4").hint(format!(
                "Serve {}/.well-known/openid-configuration and its jwks_uri publicly over HTTPS, \
                 or upload the keys to the provider",
                self.issuer()
            ));
        }
        if text.contains("issuer") {
            return denied(Link::TrustObject, "G5")
                .required(format!("issuerUri {} to the letter", self.issuer()))
                .hint(format!("Correct issuerUri of {}", self.audience));
        }
        if text.contains("stale") || text.contains("expired") || text.contains("issued at") {
            return denied(Link::Token, "G6")
                .required("a token inside its valid time, which is a day at most")
                .hint(
                    "Compare the clocks of the node and the API server with true time, and let \
                     nothing keep an old token",
                );
        }
        if text.contains("signature") || text.contains("key") {
            return denied(Link::Keys, "K7")
                .required(self.key_published())
                .hint("Publish the new key before signing with it, or upload it to the provider");
        }
        denied(Link::Identity, "")
    }

    fn binding(&self, status: u16, code: &str, text: &str) -> Verdict {
        if text.contains("Identity Pool does not exist") {
            return denied(Link::TrustObject, "G19")
                .required(format!("the pool of {}", self.audience))
                .hint("Turn on Workload Identity on a cluster of the project, or correct clusterProjectID");
        }
        if code == "invalid_grant" {
            return self.grant(&text.to_ascii_lowercase());
        }
        if matches!(status, 400 | 403 | 404) {
            return denied(Link::TrustObject, "G19")
                .required(format!("a cluster as in {}", self.audience))
                .hint("Correct clusterProjectID, clusterLocation and clusterName");
        }
        by_status(status)
    }

    fn account(&self, status: u16, text: &str, permission: &str, role: &str) -> Verdict {
        let email = self
            .login
            .impersonate
            .as_ref()
            .map_or("the service account", |account| account.email.as_str());
        match status {
            401 => {
                denied(Link::Identity, "G11").hint("Compare the operator's clock with true time")
            }
            400 if text.contains("lifetime") => Verdict::new(Link::Identity, Class::Config, "")
                .hint(
                    "Ask for an hour at most, or extend it with the organisation policy \
                     iam.allowServiceAccountCredentialLifetimeExtension",
                ),
            403 | 404 => {
                let member = self.member();
                denied(Link::Identity, "G9")
                    .required(format!("permission {permission} on {email} for {member}"))
                    .hint(format!(
                        "Give {member} the role {role} on {email}; a new one needs a few minutes"
                    ))
            }
            _ => by_status(status),
        }
    }

    fn key(&self, status: u16, code: &str, text: &str) -> Verdict {
        match code {
            "invalid_grant" if text.contains("short-lived") || text.contains("iat") => {
                denied(Link::Token, "K12").hint("Compare the operator's clock with true time")
            }
            "invalid_grant" | "invalid_client" | "unauthorized_client" => {
                denied(Link::Identity, "").hint(
                    "Make a new key for the service account and store it, or use \
                     workloadIdentityFederation and store none",
                )
            }
            _ => by_status(status),
        }
    }

    /// Whom a role on the service account is given to: the identity before impersonation.
    fn member(&self) -> String {
        if let (Step::Sign, Some(account)) = (self.step, &self.login.impersonate) {
            return format!("serviceAccount:{}", account.email);
        }
        let first = Login {
            impersonate: None,
            ..self.login.clone()
        };
        first.member().unwrap_or_else(|| match &self.login.source {
            Source::Federated {
                pool: Pool::Provider(provider),
                ..
            } => provider.pool.principal("SUBJECT"),
            _ => "the identity that logs in".into(),
        })
    }

    const fn api(&self) -> &'static str {
        match self.step {
            Step::Sts | Step::Binding => "sts.googleapis.com",
            Step::Impersonate | Step::Sign => "iamcredentials.googleapis.com",
            Step::Key => "oauth2.googleapis.com",
        }
    }

    fn issuer(&self) -> &str {
        self.token
            .map_or("the issuer", |token| token.issuer.as_str())
    }

    fn key_published(&self) -> String {
        match self.token.and_then(|token| token.key_id.as_ref()) {
            Some(kid) => format!(
                "key {kid:?} in the key set that {} publishes",
                self.issuer()
            ),
            None => format!(
                "the signing key in the key set that {} publishes",
                self.issuer()
            ),
        }
    }
}

pub(super) fn denied(link: Link, code: &'static str) -> Verdict {
    Verdict::new(link, Class::Denied, code)
}

/// Classes that need no code.
pub(super) fn by_status(status: u16) -> Verdict {
    let class = match status {
        429 => Class::Throttled,
        500.. => Class::Unavailable,
        401 | 403 => Class::Denied,
        404 => Class::NotFound,
        _ => Class::Config,
    };
    let link = match status {
        300..=399 | 429 | 500.. => Link::Network,
        _ => Link::Identity,
    };
    Verdict::new(link, class, "")
}

#[cfg(test)]
mod tests;

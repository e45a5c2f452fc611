//! What each refusal of STS means.
//!
//! Owns: the table from code and text to link, class, catalogue row and fix. Refuses: guesses
//! about what was not answered.

use keyless_fault::{Class, Link, Verdict};

use super::RoleArn;
use crate::TokenFacts;

/// The layer of policies that denied a call, from the suffix of AWS's message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PolicyLayer {
    /// The identity's own policies.
    Identity,
    /// The policy on the resource.
    Resource,
    /// An organisation's service or resource control policy.
    Organisation,
    /// The permissions boundary.
    Boundary,
    /// The session policy.
    Session,
    /// The VPC endpoint's policy.
    VpcEndpoint,
}

/// Finds the layer in AWS's text, e.g. `… because no identity-based policy allows …`.
#[must_use]
pub fn policy_layer(message: &str) -> Option<PolicyLayer> {
    let message = message.to_ascii_lowercase();
    [
        ("service control polic", PolicyLayer::Organisation),
        ("resource control polic", PolicyLayer::Organisation),
        ("permissions boundary", PolicyLayer::Boundary),
        ("session polic", PolicyLayer::Session),
        ("vpc endpoint polic", PolicyLayer::VpcEndpoint),
        ("resource-based polic", PolicyLayer::Resource),
        ("identity-based polic", PolicyLayer::Identity),
    ]
    .into_iter()
    .find(|(text, _)| message.contains(text))
    .map(|(_, layer)| layer)
}

/// What was tried: the context that a hint needs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attempt<'a> {
    /// The role.
    pub(super) role: &'a RoleArn,
    /// The token's own claims, if it could be read.
    pub(super) token: Option<&'a TokenFacts>,
    /// STS region.
    pub(super) region: &'a str,
}

impl Attempt<'_> {
    /// Judges an answer of AssumeRoleWithWebIdentity.
    pub(super) fn judge(&self, status: u16, code: &str, message: &str) -> Verdict {
        match code {
            "InvalidIdentityToken" => self.invalid_token(message),
            "ExpiredTokenException" | "ExpiredToken" => {
                Verdict::new(Link::Token, Class::Denied, "K11")
                    .required("a token that has not expired by the clock of AWS")
                    .hint(
                        "Compare the clocks of the node and the API server with true time, and \
                         let nothing keep an old token",
                    )
            }
            "IDPCommunicationError" => {
                Verdict::new(Link::IssuerDocument, Class::Unavailable, "A8").hint(self.reach())
            }
            "IDPRejectedClaim" => Verdict::new(Link::TrustObject, Class::Denied, "A3"),
            "AccessDenied" | "AccessDeniedException" => self.denied(message),
            "ValidationError" => self.invalid_request(message),
            "RegionDisabledException" => Verdict::new(Link::Identity, Class::Config, "A11")
                .required(format!("STS active in {}", self.region))
                .hint(format!(
                    "Activate STS for region {} in account {}",
                    self.region,
                    self.role.account()
                )),
            "PackedPolicyTooLarge" | "MalformedPolicyDocument" => {
                Verdict::new(Link::Identity, Class::Config, "")
            }
            _ => by_status(status, code),
        }
    }

    fn invalid_token(&self, message: &str) -> Verdict {
        let account = self.role.account();
        let issuer = self
            .token
            .map_or("the issuer", |token| token.issuer.as_str());
        let audiences = self
            .token
            .map(|token| token.audiences.join(", "))
            .unwrap_or_default();
        let text = message.to_ascii_lowercase();
        let denied = |link, code| Verdict::new(link, Class::Denied, code);
        if text.contains("no openidconnect provider found") {
            denied(Link::TrustObject, "A1")
                .required(format!(
                    "an IAM OIDC provider for exactly {issuer} in account {account}"
                ))
                .hint(format!(
                    "Create an IAM OIDC provider for {issuer} in account {account}, or correct \
                     the role's account"
                ))
        } else if text.contains("incorrect token audience") {
            denied(Link::TrustObject, "A2")
                .required(format!(
                    "one of the audiences {audiences:?} among the provider's client ids"
                ))
                .hint(format!(
                    "Add {audiences:?} to the client ids of the IAM OIDC provider for {issuer} in \
                     account {account}"
                ))
        } else if text.contains("retrieve verification key") {
            denied(Link::Keys, "A8")
                .required(match self.token.and_then(|token| token.key_id.as_ref()) {
                    Some(kid) => format!("key {kid:?} in the key set that {issuer} publishes"),
                    None => format!("the signing key in the key set that {issuer} publishes"),
                })
                .hint(self.reach())
        } else if text.contains("thumbprint") {
            denied(Link::TrustObject, "A9").hint(format!(
                "Remove the thumbprints of the IAM OIDC provider for {issuer}, or with a private \
                 CA set that of its present root"
            ))
        } else if text.contains("not yet valid") {
            denied(Link::Token, "K12")
                .required("a token from the past by the clock of AWS")
                .hint("Compare the clocks of the API server and AWS with true time")
        } else {
            denied(Link::Token, "K16").hint(
                "Use a token minted for this audience (TokenRequest or a projected volume), not \
                 a legacy Secret or access token",
            )
        }
    }

    fn reach(&self) -> String {
        let issuer = self
            .token
            .map_or("the issuer", |token| token.issuer.as_str());
        format!(
            "Serve {issuer}/.well-known/openid-configuration and its jwks_uri publicly, within \
             5 s, with the present signing key in it"
        )
    }

    fn denied(&self, message: &str) -> Verdict {
        match policy_layer(message) {
            Some(PolicyLayer::Organisation) => {
                return Verdict::new(Link::Identity, Class::Denied, "A6").hint(format!(
                    "Let the organisation's control policies allow sts:AssumeRoleWithWebIdentity \
                     in account {}",
                    self.role.account()
                ));
            }
            Some(PolicyLayer::VpcEndpoint) => {
                return Verdict::new(Link::Network, Class::Denied, "A25")
                    .hint("Let the policy of the STS VPC endpoint allow this role");
            }
            _ => {}
        }
        let verdict = Verdict::new(Link::Identity, Class::Denied, "A3");
        let Some(token) = self.token else {
            return verdict.hint(format!(
                "Check that role {} exists and that its trust policy allows this token",
                self.role
            ));
        };
        let host = token.issuer_host();
        let audience = token.audiences.first().map_or("", String::as_str);
        verdict
            .required(format!(
                "role {} with a trust policy for {host}:sub = {} and {host}:aud = {audience}",
                self.role, token.subject
            ))
            .hint(format!(
                "Let the trust policy of role {} allow sts:AssumeRoleWithWebIdentity with \
                 {host}:sub = {} and {host}:aud = {audience}, or correct the role's name",
                self.role, token.subject
            ))
    }

    fn invalid_request(&self, message: &str) -> Verdict {
        if message.contains("MaxSessionDuration") {
            return Verdict::new(Link::Identity, Class::Config, "A10").hint(format!(
                "Raise the maximum session duration of role {}, or ask for less",
                self.role
            ));
        }
        if message.to_ascii_lowercase().contains("sessionname") {
            return Verdict::new(Link::Identity, Class::Config, "")
                .hint("Correct AWS_ROLE_SESSION_NAME: 2 to 64 of letters, digits and _+=,.@-");
        }
        Verdict::new(Link::Identity, Class::Config, "A4").hint(format!(
            "Correct the role's ARN: {} was refused as malformed",
            self.role
        ))
    }
}

/// Classes that need no text.
pub(super) fn by_status(status: u16, code: &str) -> Verdict {
    let throttled = matches!(
        code,
        "Throttling" | "ThrottlingException" | "RequestLimitExceeded" | "TooManyRequestsException"
    );
    let class = match status {
        _ if throttled => Class::Throttled,
        429 => Class::Throttled,
        500.. => Class::Unavailable,
        404 => Class::NotFound,
        401 | 403 => Class::Denied,
        _ => Class::Config,
    };
    let link = match class {
        Class::Throttled | Class::Unavailable => Link::Network,
        _ => Link::Identity,
    };
    Verdict::new(link, class, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(status: u16, code: &str, message: &str) -> Verdict {
        let role = RoleArn::parse("arn:aws:iam::111122223333:role/app", "x").unwrap();
        let token = TokenFacts {
            issuer: "https://issuer.example/c1".into(),
            subject: "system:serviceaccount:ns:sa".into(),
            audiences: vec!["sts.amazonaws.com".into()],
            key_id: Some("k1".into()),
            ..TokenFacts::default()
        };
        Attempt {
            role: &role,
            token: Some(&token),
            region: "eu-central-1",
        }
        .judge(status, code, message)
    }

    #[test]
    fn every_code_of_the_protocol_has_its_row() {
        let invalid = "InvalidIdentityToken";
        for (status, code, message, link, class, row) in [
            (
                400,
                invalid,
                "No OpenIDConnect provider found in your account for https://issuer.example/c1",
                Link::TrustObject,
                Class::Denied,
                "A1",
            ),
            (
                400,
                invalid,
                "Incorrect token audience",
                Link::TrustObject,
                Class::Denied,
                "A2",
            ),
            (
                400,
                invalid,
                "Couldn't retrieve verification key from your identity provider,  please reference AssumeRoleWithWebIdentity documentation for requirements",
                Link::Keys,
                Class::Denied,
                "A8",
            ),
            (
                400,
                invalid,
                "OpenIDConnect provider's HTTPS certificate doesn't match configured thumbprint",
                Link::TrustObject,
                Class::Denied,
                "A9",
            ),
            (
                400,
                invalid,
                "The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)",
                Link::Token,
                Class::Denied,
                "K16",
            ),
            (
                400,
                invalid,
                "Missing a required claim: aud",
                Link::Token,
                Class::Denied,
                "K16",
            ),
            (
                400,
                invalid,
                "Token not yet valid: current date/time 1 must be on or after the date/time 2",
                Link::Token,
                Class::Denied,
                "K12",
            ),
            (
                400,
                "ExpiredTokenException",
                "Token expired: current date/time 2 must be before the expiration date/time 1",
                Link::Token,
                Class::Denied,
                "K11",
            ),
            (
                400,
                "IDPCommunicationError",
                "x",
                Link::IssuerDocument,
                Class::Unavailable,
                "A8",
            ),
            (
                403,
                "IDPRejectedClaim",
                "x",
                Link::TrustObject,
                Class::Denied,
                "A3",
            ),
            (
                403,
                "AccessDenied",
                "Not authorized to perform sts:AssumeRoleWithWebIdentity",
                Link::Identity,
                Class::Denied,
                "A3",
            ),
            (
                403,
                "AccessDenied",
                "User: x is not authorized to perform: sts:AssumeRoleWithWebIdentity on resource: y with an explicit deny in a service control policy",
                Link::Identity,
                Class::Denied,
                "A6",
            ),
            (
                403,
                "AccessDenied",
                "x with an explicit deny in a resource control policy",
                Link::Identity,
                Class::Denied,
                "A6",
            ),
            (
                403,
                "AccessDenied",
                "x because no VPC endpoint policy allows it",
                Link::Network,
                Class::Denied,
                "A25",
            ),
            (
                400,
                "ValidationError",
                "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
                Link::Identity,
                Class::Config,
                "A10",
            ),
            (
                400,
                "ValidationError",
                "Request ARN is invalid",
                Link::Identity,
                Class::Config,
                "A4",
            ),
            (
                403,
                "RegionDisabledException",
                "x",
                Link::Identity,
                Class::Config,
                "A11",
            ),
            (
                400,
                "PackedPolicyTooLarge",
                "x",
                Link::Identity,
                Class::Config,
                "",
            ),
            (
                400,
                "Throttling",
                "Rate exceeded",
                Link::Network,
                Class::Throttled,
                "",
            ),
            (
                503,
                "RequestLimitExceeded",
                "x",
                Link::Network,
                Class::Throttled,
                "",
            ),
            (429, "Whatever", "x", Link::Network, Class::Throttled, ""),
            (
                500,
                "InternalFailure",
                "x",
                Link::Network,
                Class::Unavailable,
                "",
            ),
            (400, "InvalidAction", "x", Link::Identity, Class::Config, ""),
        ] {
            let verdict = judged(status, code, message);
            assert_eq!(
                (verdict.link, verdict.class, verdict.code),
                (link, class, row),
                "{code} {message}"
            );
        }
    }

    #[test]
    fn hints_name_the_concrete_fix() {
        let invalid = "InvalidIdentityToken";
        for (code, message, hint) in [
            (
                invalid,
                "No OpenIDConnect provider found",
                "Create an IAM OIDC provider for https://issuer.example/c1 in account 111122223333, or correct the role's account",
            ),
            (
                "AccessDenied",
                "Not authorized",
                "issuer.example/c1:sub = system:serviceaccount:ns:sa and issuer.example/c1:aud = sts.amazonaws.com",
            ),
            (
                invalid,
                "Incorrect token audience",
                "\"sts.amazonaws.com\" to the client ids",
            ),
            (
                invalid,
                "Couldn't retrieve verification key",
                "https://issuer.example/c1/.well-known/openid-configuration",
            ),
            (
                "RegionDisabledException",
                "",
                "Activate STS for region eu-central-1 in account 111122223333",
            ),
        ] {
            let found = judged(400, code, message).hint.unwrap();
            assert!(found.contains(hint), "{found}");
        }
    }
}

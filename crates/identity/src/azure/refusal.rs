//! What each refusal of Entra means.
//!
//! Owns: the table from `AADSTS` number to link, class, catalogue row and fix. Refuses: guesses
//! about what was not answered.

use keyless_fault::{Class, Link, Verdict};

use super::{Client, Cloud};
use crate::TokenFacts;

/// What was tried: the context that a hint needs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attempt<'a> {
    /// Whom the login was for.
    pub(super) client: &'a Client,
    /// Where.
    pub(super) cloud: &'a Cloud,
    /// The presented token's own claims; `None` for a stored secret or certificate.
    pub(super) token: Option<&'a TokenFacts>,
}

impl Attempt<'_> {
    /// Judges an answer of the token endpoint.
    pub(super) fn judge(&self, status: u16, number: Option<u64>) -> Verdict {
        let Some(number) = number else {
            return by_status(status);
        };
        match number {
            700_211 | 7_002_121 => self.no_credential("Z1", "issuer"),
            700_212 => self.no_credential("Z2", "audience"),
            700_213 | 7_002_131 | 7_002_137 => self.no_credential("Z3", "subject"),
            7_002_138 => self.no_credential("Z3", "subject").hint(format!(
                "The subject differs only in upper and lower case; if it does not, delete the \
                 federated credential of {} and create it anew",
                self.client
            )),
            70_021 => self.no_credential("Z4", "issuer, subject and audience"),
            70_025 => denied(Link::TrustObject, "Z5")
                .required(format!("a federated credential on {}", self.client))
                .hint(format!(
                    "Create the federated credential on the application or managed identity with \
                     client id {}, or correct the client id",
                    self.client.id
                )),
            700_016 | 90_002 | 900_023 | 50_020 => self.unknown(),
            700_024 => denied(Link::Token, "Z7")
                .required("a token inside its valid time by the clock of Entra")
                .hint(
                    "Compare the clocks of the node and the API server with true time, and let \
                     nothing keep an old token",
                ),
            7_000_272 => denied(Link::Keys, "Z8").required(self.key()).hint(
                "Publish the new key before signing with it; Entra takes half an hour or more \
                     to see it",
            ),
            700_027 | 7_000_274 if self.token.is_none() => denied(Link::Identity, "").hint(
                format!("Register the stored certificate on {}", self.client),
            ),
            700_027 | 7_000_274 => denied(Link::Keys, "Z8").required(self.key()).hint(format!(
                "Publish the key that signs {}'s tokens under its jwks_uri",
                self.issuer()
            )),
            90_061 | 50_166 | 501_661 => denied(Link::IssuerDocument, "Z9").hint(format!(
                "Serve {}/.well-known/openid-configuration and its jwks_uri publicly over HTTPS, \
                 as JSON without empty fields",
                self.issuer()
            )),
            900_612 => denied(Link::Keys, "Z10").hint(format!(
                "Correct the key set of {}: a JSON object with a list \"keys\" of RSA keys",
                self.issuer()
            )),
            5_002_738 | 5_002_727 | 5_002_723 => denied(Link::Token, "Z11")
                .required("a token signed RS256 with a key id, of type JWT or none")
                .hint("Sign service account tokens with an RSA key"),
            50_027 => denied(Link::Token, "K16").hint(
                "Use a token minted for this audience (TokenRequest or a projected volume), not a \
                 legacy Secret",
            ),
            700_222 | 700_223 | 700_226 | 700_227 | 700_236 | 700_238 | 53_003 | 50_005 => {
                denied(Link::Identity, "Z12").hint(format!(
                    "Let the policies of tenant {} allow workload identities of this issuer",
                    self.client.tenant
                ))
            }
            7_000_215 => denied(Link::Identity, "")
                .hint("Correct authSecretRef.clientSecret: it is the secret's value, not its id"),
            7_000_222 => denied(Link::Identity, "").hint(format!(
                "Renew the secret of {}, or use WorkloadIdentity and store none",
                self.client
            )),
            7_000_112 => denied(Link::Identity, "")
                .hint(format!("Enable the application of {}", self.client)),
            500_011 | 70_011 | 1_002_012 => Verdict::new(Link::Identity, Class::Config, "Z18")
                .required(format!("resource {} in the tenant", self.cloud.resource))
                .hint("Correct environmentType or customCloudConfig.keyVaultEndpoint"),
            90_055 | 50_196 => Verdict::new(Link::Network, Class::Throttled, ""),
            _ => by_status(status),
        }
    }

    fn issuer(&self) -> &str {
        self.token
            .map_or("the issuer", |token| token.issuer.trim_end_matches('/'))
    }

    fn key(&self) -> String {
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

    /// No federated credential fits the token; `what` is the part that differs.
    fn no_credential(&self, code: &'static str, what: &str) -> Verdict {
        let verdict = denied(Link::TrustObject, code);
        verdict
            .required(format!(
                "a federated credential on client {} with exactly this issuer, subject and \
                 audience",
                self.client.id
            ))
            .hint(format!(
                "Correct the {what} of the federated credential, to the letter; a new one needs a \
                 few minutes"
            ))
    }

    fn unknown(&self) -> Verdict {
        denied(Link::Identity, "Z6")
            .required(format!(
                "an application or managed identity as {}",
                self.client
            ))
            .hint(
                "Correct client id and tenant id; the client id is not the object id, and a \
                 recreated identity has another",
            )
    }
}

fn denied(link: Link, code: &'static str) -> Verdict {
    Verdict::new(link, Class::Denied, code)
}

/// Classes that need no number.
pub(super) fn by_status(status: u16) -> Verdict {
    let class = match status {
        429 => Class::Throttled,
        500.. => Class::Unavailable,
        404 => Class::NotFound,
        401 | 403 => Class::Denied,
        _ => Class::Config,
    };
    let link = match (class, status) {
        (Class::Throttled | Class::Unavailable, _) | (_, 300..=399) => Link::Network,
        _ => Link::Identity,
    };
    Verdict::new(link, class, "")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Environment;

    fn judged(status: u16, number: Option<u64>, federated: bool) -> Verdict {
        let spec = keyless_api::AzureKvProvider::default();
        let cloud = Cloud::of(&spec, &Environment::default(), false).unwrap();
        let client = Client {
            id: "11111111-2222-3333-4444-555555555555".into(),
            tenant: "tenant".into(),
        };
        let token = TokenFacts {
            issuer: "https://issuer.example/c1".into(),
            subject: "system:serviceaccount:ns:sa".into(),
            audiences: vec!["api://AzureADTokenExchange".into()],
            key_id: Some("k1".into()),
            ..TokenFacts::default()
        };
        Attempt {
            client: &client,
            cloud: &cloud,
            token: federated.then_some(&token),
        }
        .judge(status, number)
    }

    #[test]
    fn every_number_of_the_catalogue_has_its_row() {
        use Class::{Config, Denied, Throttled, Unavailable};
        for (status, number, link, class, row) in [
            (401, 700_211, Link::TrustObject, Denied, "Z1"),
            (401, 7_002_121, Link::TrustObject, Denied, "Z1"),
            (401, 700_212, Link::TrustObject, Denied, "Z2"),
            (401, 700_213, Link::TrustObject, Denied, "Z3"),
            (401, 7_002_138, Link::TrustObject, Denied, "Z3"),
            (401, 7_002_137, Link::TrustObject, Denied, "Z3"),
            (401, 7_002_131, Link::TrustObject, Denied, "Z3"),
            (400, 70_021, Link::TrustObject, Denied, "Z4"),
            (401, 70_025, Link::TrustObject, Denied, "Z5"),
            (400, 700_016, Link::Identity, Denied, "Z6"),
            (400, 90_002, Link::Identity, Denied, "Z6"),
            (400, 900_023, Link::Identity, Denied, "Z6"),
            (401, 700_024, Link::Token, Denied, "Z7"),
            (401, 7_000_272, Link::Keys, Denied, "Z8"),
            (401, 700_027, Link::Keys, Denied, "Z8"),
            (400, 90_061, Link::IssuerDocument, Denied, "Z9"),
            (400, 50_166, Link::IssuerDocument, Denied, "Z9"),
            (400, 501_661, Link::IssuerDocument, Denied, "Z9"),
            (400, 900_612, Link::Keys, Denied, "Z10"),
            (401, 5_002_738, Link::Token, Denied, "Z11"),
            (401, 5_002_727, Link::Token, Denied, "Z11"),
            (401, 5_002_723, Link::Token, Denied, "Z11"),
            (401, 50_027, Link::Token, Denied, "K16"),
            (401, 700_223, Link::Identity, Denied, "Z12"),
            (401, 53_003, Link::Identity, Denied, "Z12"),
            (401, 7_000_215, Link::Identity, Denied, ""),
            (401, 7_000_222, Link::Identity, Denied, ""),
            (400, 500_011, Link::Identity, Config, "Z18"),
            (400, 70_011, Link::Identity, Config, "Z18"),
            (400, 90_055, Link::Network, Throttled, ""),
            (400, 1, Link::Identity, Config, ""),
            (503, 1, Link::Network, Unavailable, ""),
        ] {
            let verdict = judged(status, Some(number), true);
            assert_eq!(
                (verdict.link, verdict.class, verdict.code),
                (link, class, row),
                "{number}"
            );
        }
        assert_eq!(judged(302, None, true).link, Link::Network);
        assert_eq!(judged(429, None, true).class, Throttled);
        assert_eq!(judged(502, None, true).class, Unavailable);
        assert_eq!(judged(401, Some(700_027), false).link, Link::Identity);
    }

    #[test]
    fn a_missing_credential_is_told_by_the_part_that_differs() {
        for (number, part) in [
            (700_211, "issuer"),
            (700_212, "audience"),
            (700_213, "subject"),
        ] {
            let verdict = judged(401, Some(number), true);
            assert!(
                verdict
                    .required
                    .unwrap()
                    .contains("11111111-2222-3333-4444-555555555555")
            );
            assert!(
                verdict
                    .hint
                    .unwrap()
                    .contains(&format!("the {part} of the federated"))
            );
        }
    }
}

//! Workload identity pools and their providers, as the API checks them when they are made.
//!
//! Owns: the rules of new ids, mappings, conditions and uploaded key sets; those of issuers and
//! audiences are the model's (`keyless_trust::gcp`). Refuses: SAML,
//! X.509, and looking at an issuer: nobody does before the first token comes.

use std::collections::BTreeMap;
use std::sync::Arc;

use keyless_trust::gcp::provider::MAX_KEYS;
use keyless_trust::gcp::{self, PoolProvider};
use serde_json::Value;

use super::answer::Answer;
use super::cel::Expression;
use crate::federation::jws::KeySet;

/// Longest mapping expression and longest condition, in characters.
const MAPPING: usize = 2048;
const CONDITION: usize = 4096;
const MAX_MAPPINGS: usize = 50;
/// How long a deleted pool or provider can be had back, in seconds.
pub(super) const KEPT: i64 = 30 * 86_400;

/// A provider for an OpenID Connect issuer.
#[derive(Clone, Debug, Default)]
pub struct OidcProvider {
    /// Compared with a token's `iss` byte for byte.
    pub issuer: String,
    /// What tokens must be for; empty: the provider's own name.
    pub audiences: Vec<String>,
    /// Attributes and their expressions; empty: `google.subject` from `assertion.sub`.
    pub mapping: Vec<(String, String)>,
    /// Which tokens are taken at all.
    pub condition: Option<String>,
    /// The issuer's keys, so that nothing is fetched.
    pub jwks: Option<String>,
}

/// A provider for an AWS account.
#[derive(Clone, Debug, Default)]
pub struct AwsProvider {
    /// The account's number.
    pub account: String,
    /// As [`OidcProvider::mapping`]; empty: Google's default for AWS.
    pub mapping: Vec<(String, String)>,
    /// As [`OidcProvider::condition`].
    pub condition: Option<String>,
}

/// A pool: a namespace of foreign identities.
#[derive(Clone, Debug, Default)]
pub(super) struct Pool {
    pub display_name: String,
    pub description: String,
    pub disabled: bool,
    /// When it was softly deleted; its id stays taken for [`KEPT`].
    pub deleted: Option<i64>,
    pub providers: BTreeMap<String, Provider>,
}

/// A provider of a pool.
#[derive(Clone, Debug)]
pub(super) struct Provider {
    pub display_name: String,
    pub description: String,
    pub disabled: bool,
    /// As [`Pool::deleted`].
    pub deleted: Option<i64>,
    pub mapping: Vec<(String, Expression)>,
    pub condition: Option<Expression>,
    pub kind: Kind,
}

/// Whose tokens a provider takes.
#[derive(Clone, Debug)]
pub(super) enum Kind {
    Oidc {
        rules: gcp::OidcProvider,
        /// Uploaded keys.
        jwks: Option<Arc<KeySet>>,
        /// As it was written.
        given: Box<OidcProvider>,
    },
    Aws {
        account: String,
    },
}

fn bad(message: impl Into<String>) -> Answer {
    Answer::error("INVALID_ARGUMENT", message)
}

/// Pools and providers have ids of the same form.
pub(super) fn check_id(what: &str, id: &str) -> Result<(), Answer> {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    if (4..=32).contains(&id.len()) && id.bytes().all(plain) && !id.starts_with("gcp-") {
        return Ok(());
    }
    Err(bad(format!(
        "{what} id {id} must have 4 to 32 characters of [a-z0-9-] and must not begin with gcp-."
    )))
}

fn expressions(
    given: &[(String, String)],
    default: &[(&str, &str)],
) -> Result<Vec<(String, Expression)>, Answer> {
    let owned: Vec<(String, String)> = default
        .iter()
        .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
        .collect();
    let given = if given.is_empty() { &owned } else { given };
    if !given.iter().any(|(name, _)| name == "google.subject") {
        return Err(bad(
            "The attribute mapping must have an expression for google.subject.",
        ));
    }
    if given.len() > MAX_MAPPINGS {
        return Err(bad(format!(
            "At most {MAX_MAPPINGS} attributes can be mapped."
        )));
    }
    let mut parsed = Vec::new();
    for (name, text) in given {
        let custom = name.strip_prefix("attribute.").is_some_and(|name| {
            !name.is_empty()
                && name.len() <= 100
                && name
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        });
        let known = matches!(&**name, "google.subject" | "google.groups");
        if !custom && !known {
            return Err(bad(format!(
                "Invalid mapped attribute key: {name}. Custom mapped attributes must be in format \
                 'attribute.{{custom_attribute}}'."
            )));
        }
        let compiled = Expression::parse(text, MAPPING)
            .and_then(|expression| expression.refers_to(&["assertion"]));
        let expression = compiled.map_err(|error| {
            bad(format!(
                "The expression of the attribute {name} cannot be compiled: {error}"
            ))
        })?;
        parsed.push((name.clone(), expression));
    }
    Ok(parsed)
}

fn condition(text: Option<&str>) -> Result<Option<Expression>, Answer> {
    text.filter(|text| !text.is_empty())
        .map(|text| {
            let compiled = Expression::parse(text, CONDITION)
                .and_then(|expression| expression.refers_to(&["assertion", "google", "attribute"]));
            compiled.map_err(|error| {
                bad(format!(
                    "The attribute condition cannot be compiled: {error}"
                ))
            })
        })
        .transpose()
}

fn key_set(text: &str) -> Result<Arc<KeySet>, Answer> {
    let invalid = || bad("Input JWK is not in a valid json format");
    let document: Value = serde_json::from_str(text).map_err(|_| invalid())?;
    let keys = document
        .get("keys")
        .and_then(Value::as_array)
        .ok_or_else(invalid)?;
    let fields = ["kty", "alg", "use", "kid", "n", "e", "x", "y", "crv"];
    let known = |key: &Value| {
        key.as_object()
            .is_some_and(|key| key.keys().all(|name| fields.contains(&&**name)))
    };
    if keys.len() > MAX_KEYS || !keys.iter().all(known) {
        return Err(invalid());
    }
    KeySet::parse(text.as_bytes())
        .map(Arc::new)
        .map_err(|_| invalid())
}

impl OidcProvider {
    pub(super) fn check(&self, name: PoolProvider) -> Result<Provider, Answer> {
        let rules = gcp::OidcProvider::new(name, &self.issuer, self.audiences.clone())
            .map_err(|error| bad(error.to_string()))?;
        Ok(Provider {
            display_name: String::new(),
            description: String::new(),
            disabled: false,
            deleted: None,
            mapping: expressions(&self.mapping, &[("google.subject", "assertion.sub")])?,
            condition: condition(self.condition.as_deref())?,
            kind: Kind::Oidc {
                rules,
                jwks: self.jwks.as_deref().map(key_set).transpose()?,
                given: Box::new(self.clone()),
            },
        })
    }
}

/// Google's own mapping for AWS: sessions of a role are one identity.
const AWS_MAPPING: [(&str, &str); 2] = [
    ("google.subject", "assertion.arn"),
    (
        "attribute.aws_role",
        "assertion.arn.contains('assumed-role') ? \
         assertion.arn.extract('{account_arn}assumed-role/') + 'assumed-role/' + \
         assertion.arn.extract('assumed-role/{role_name}/') : assertion.arn",
    ),
];

impl AwsProvider {
    pub(super) fn check(&self) -> Result<Provider, Answer> {
        let number = self.account.len() == 12 && self.account.bytes().all(|b| b.is_ascii_digit());
        if !number {
            return Err(bad(format!(
                "The AWS account {} must have 12 digits.",
                self.account
            )));
        }
        Ok(Provider {
            display_name: String::new(),
            description: String::new(),
            disabled: false,
            deleted: None,
            mapping: expressions(&self.mapping, &AWS_MAPPING)?,
            condition: condition(self.condition.as_deref())?,
            kind: Kind::Aws {
                account: self.account.clone(),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_of_a_provider() {
        let good = OidcProvider {
            issuer: "https://issuer.example".to_owned(),
            ..OidcProvider::default()
        };
        let name = || {
            let text = "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/pool-1/providers/prov-1";
            PoolProvider::parse(text).unwrap()
        };
        assert_eq!(good.check(name()).unwrap().mapping.len(), 1);
        let pair = |name: &str, text: &str| (name.to_owned(), text.to_owned());
        let subject = || pair("google.subject", "assertion.sub");
        for (case, provider) in [
            (
                "http",
                OidcProvider {
                    issuer: "http://issuer.example".to_owned(),
                    ..good.clone()
                },
            ),
            (
                "audiences",
                OidcProvider {
                    audiences: vec!["a".to_owned(); 11],
                    ..good.clone()
                },
            ),
            (
                "long",
                OidcProvider {
                    audiences: vec!["a".repeat(257)],
                    ..good.clone()
                },
            ),
            (
                "no subject",
                OidcProvider {
                    mapping: vec![pair("attribute.a", "assertion.a")],
                    ..good.clone()
                },
            ),
            (
                "name",
                OidcProvider {
                    mapping: vec![subject(), pair("attribute.A", "assertion.a")],
                    ..good.clone()
                },
            ),
            (
                "foreign",
                OidcProvider {
                    mapping: vec![subject(), pair("google.none", "assertion.a")],
                    ..good.clone()
                },
            ),
            (
                "expression",
                OidcProvider {
                    mapping: vec![pair("google.subject", "assertion.")],
                    ..good.clone()
                },
            ),
            (
                "condition",
                OidcProvider {
                    condition: Some("(".to_owned()),
                    ..good.clone()
                },
            ),
            (
                "unknown variable",
                OidcProvider {
                    condition: Some("subject == 'a'".to_owned()),
                    ..good.clone()
                },
            ),
            (
                "no keys",
                OidcProvider {
                    jwks: Some("{}".to_owned()),
                    ..good.clone()
                },
            ),
            (
                "fields",
                OidcProvider {
                    jwks: Some(
                        r#"{"keys":[{"kty":"RSA","kid":"a","n":"AQAB","e":"AQAB","x5t":"a"}]}"#
                            .to_owned(),
                    ),
                    ..good.clone()
                },
            ),
        ] {
            let refused = provider.check(name()).expect_err(case);
            assert_eq!(refused.status, 400, "{case}");
        }
    }

    #[test]
    fn ids() {
        for (id, good) in [
            ("my-pool", true),
            ("abc", false),
            ("gcp-pool", false),
            ("My-pool", false),
        ] {
            assert_eq!(check_id("Pool", id).is_ok(), good, "{id}");
        }
        assert!(check_id("Pool", &"a".repeat(33)).is_err());
    }
}

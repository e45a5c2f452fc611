//! The discovery document (OpenID Connect Discovery 1.0, section 3), as far as issuers of workload
//! tokens have one.
//!
//! Owns: reading it without losing what is wrong with it, and the six fields that satisfy every
//! service provider. Refuses: judging.

use keyless_trust::Issuer;
use serde_json::{Map, Value, json};

use super::json::{self as reader, Unreadable};
use super::{Algorithm, JWKS_PATH};

/// What Kubernetes' documents say where an authorization endpoint is demanded: there is none, and
/// some readers refuse a document without this field and others an empty one.
pub const NO_AUTHORIZATION: &str = "urn:kubernetes:programmatic_authorization";

/// A discovery document.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Discovery {
    /// `issuer`, byte for byte.
    pub issuer: Option<String>,
    /// `jwks_uri`.
    pub jwks_uri: Option<String>,
    /// `response_types_supported`.
    pub response_types: Option<Vec<String>>,
    /// `subject_types_supported`.
    pub subject_types: Option<Vec<String>>,
    /// `id_token_signing_alg_values_supported`.
    pub algorithms: Option<Vec<String>>,
    /// `authorization_endpoint`.
    pub authorization_endpoint: Option<String>,
    /// Members that hold an empty text, list or null.
    pub empty: Vec<String>,
    /// Members that workload issuers do not need.
    pub other: Vec<String>,
}

impl Discovery {
    /// Reads a document.
    ///
    /// # Errors
    /// When it is no JSON object, or a known member has a wrong type.
    pub fn parse(body: &[u8]) -> Result<Self, Unreadable> {
        let object = reader::object(body)?;
        let mut found = Self::default();
        for (name, value) in &object {
            let empty = match value {
                Value::Null => true,
                Value::String(text) => text.is_empty(),
                Value::Array(list) => list.is_empty() || list.iter().any(|v| v == ""),
                _ => false,
            };
            if empty {
                found.empty.push(name.clone());
            }
            match name.as_str() {
                "issuer" => found.issuer = text(name, value)?,
                "jwks_uri" => found.jwks_uri = text(name, value)?,
                "authorization_endpoint" => found.authorization_endpoint = text(name, value)?,
                "response_types_supported" => found.response_types = list(name, value)?,
                "subject_types_supported" => found.subject_types = list(name, value)?,
                "id_token_signing_alg_values_supported" => found.algorithms = list(name, value)?,
                _ => found.other.push(name.clone()),
            }
        }
        Ok(found)
    }

    /// The document that every service provider takes.
    #[must_use]
    pub fn canonical(issuer: &Issuer, algorithms: &[Algorithm]) -> Self {
        let mut names: Vec<String> = algorithms.iter().map(|a| a.as_str().to_owned()).collect();
        names.sort_by_key(|name| (name != "RS256", name.clone()));
        names.dedup();
        Self {
            issuer: Some(issuer.as_str().to_owned()),
            jwks_uri: Some(jwks_uri(issuer)),
            response_types: Some(vec!["id_token".into()]),
            subject_types: Some(vec!["public".into()]),
            algorithms: Some(names),
            authorization_endpoint: Some(NO_AUTHORIZATION.into()),
            empty: Vec::new(),
            other: Vec::new(),
        }
    }

    /// The bytes that are published: fields in a fixed order, a line each.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        // Written by hand because the order of a map's members is not ours to choose.
        let fields = [
            ("issuer", self.issuer.as_ref().map(|v| json!(v))),
            ("jwks_uri", self.jwks_uri.as_ref().map(|v| json!(v))),
            (
                "authorization_endpoint",
                self.authorization_endpoint.as_ref().map(|v| json!(v)),
            ),
            (
                "response_types_supported",
                self.response_types.as_ref().map(|v| json!(v)),
            ),
            (
                "subject_types_supported",
                self.subject_types.as_ref().map(|v| json!(v)),
            ),
            (
                "id_token_signing_alg_values_supported",
                self.algorithms.as_ref().map(|v| json!(v)),
            ),
        ];
        let lines: Vec<String> = fields
            .into_iter()
            .filter_map(|(name, value)| Some(format!("  \"{name}\": {}", value?)))
            .collect();
        format!("{{\n{}\n}}\n", lines.join(",\n")).into_bytes()
    }

    /// The document as one JSON value.
    #[must_use]
    pub fn to_value(&self) -> Value {
        serde_json::from_slice(&self.to_bytes()).unwrap_or_else(|_| Value::Object(Map::new()))
    }
}

/// Where the key set of `issuer` is published.
#[must_use]
pub fn jwks_uri(issuer: &Issuer) -> String {
    let base = issuer.as_str();
    format!("{}/{JWKS_PATH}", base.strip_suffix('/').unwrap_or(base))
}

fn text(name: &str, value: &Value) -> Result<Option<String>, Unreadable> {
    match value {
        Value::String(text) => Ok(Some(text.clone())),
        Value::Null => Ok(None),
        _ => Err(Unreadable::Type(name.to_owned())),
    }
}

fn list(name: &str, value: &Value) -> Result<Option<Vec<String>>, Unreadable> {
    let wrong = || Unreadable::Type(name.to_owned());
    match value {
        Value::Array(items) => items
            .iter()
            .map(|item| item.as_str().map(str::to_owned).ok_or_else(wrong))
            .collect::<Result<_, _>>()
            .map(Some),
        Value::Null => Ok(None),
        _ => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn issuer(url: &str) -> Issuer {
        Issuer::parse(url).unwrap()
    }

    #[test]
    fn the_canonical_document_to_the_byte() {
        let document = Discovery::canonical(
            &issuer("https://a.example/c"),
            &[Algorithm::Es256, Algorithm::Rs256],
        );
        assert_eq!(
            String::from_utf8(document.to_bytes()).unwrap(),
            "{\n  \"issuer\": \"https://a.example/c\",\n  \"jwks_uri\": \"https://a.example/c/openid/v1/jwks\",\n  \
             \"authorization_endpoint\": \"urn:kubernetes:programmatic_authorization\",\n  \
             \"response_types_supported\": [\"id_token\"],\n  \"subject_types_supported\": [\"public\"],\n  \
             \"id_token_signing_alg_values_supported\": [\"RS256\",\"ES256\"]\n}\n"
        );
    }

    #[test]
    fn what_is_wrong_is_kept() {
        let read = Discovery::parse(br#"{"issuer":"","jwks_uri":null,"authorization_endpoint":"","claims_supported":["x"],"subject_types_supported":[]}"#).unwrap();
        assert_eq!(read.empty.len(), 4);
        assert_eq!((read.issuer.as_deref(), read.jwks_uri), (Some(""), None));
        assert_eq!(read.other, ["claims_supported"]);
        for body in [
            r#"{"issuer":1}"#,
            r#"{"response_types_supported":"id_token"}"#,
            r#"{"subject_types_supported":[1]}"#,
        ] {
            assert!(
                matches!(Discovery::parse(body.as_bytes()), Err(Unreadable::Type(_))),
                "{body}"
            );
        }
    }

    proptest! {
        /// What is written is read as the same, and written again as the same bytes.
        #[test]
        fn round_trip(host in "[a-z]{1,10}", path in "(/[a-zA-Z0-9._-]{1,8}){0,3}/?", both in any::<bool>()) {
            let algorithms = if both { vec![Algorithm::Rs256, Algorithm::Es384] } else { vec![Algorithm::Rs256] };
            let document = Discovery::canonical(&issuer(&format!("https://{host}.example{path}")), &algorithms);
            let read = Discovery::parse(&document.to_bytes()).unwrap();
            prop_assert_eq!(&read, &document);
            prop_assert_eq!(read.to_bytes(), document.to_bytes());
            prop_assert!(!read.jwks_uri.unwrap().contains("//openid"));
        }

        #[test]
        fn never_panics(body in any::<Vec<u8>>()) {
            let _ = Discovery::parse(&body);
        }
    }
}

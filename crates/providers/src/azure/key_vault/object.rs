//! What a vault says about one object.
//!
//! Owns: reading it strictly, and tags and times as `metadataPolicy: Fetch` gives them. Refuses:
//! quoting a value.

use std::collections::BTreeMap;

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use keyless_secret::SecretBytes;
use keyless_secret::property::PropertyLookup;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::name::Kind;
use crate::Error;
use crate::property::go_json;

/// The tag of what keyless and its predecessor wrote.
pub(super) const MANAGED_BY: (&str, &str) = ("managed-by", "external-secrets");

/// One version of a secret, certificate or key.
#[derive(Clone, Debug, Default)]
pub(super) struct Object {
    /// A secret's text, a certificate's DER, a key's JWK.
    pub(super) value: SecretBytes,
    /// `contentType` of a secret.
    pub(super) content_type: Option<String>,
    pub(super) tags: BTreeMap<String, String>,
    pub(super) times: Times,
}

/// Seconds since 1970.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub(super) struct Times {
    #[serde(rename = "exp")]
    pub(super) expires: Option<i64>,
    #[serde(rename = "nbf")]
    not_before: Option<i64>,
    created: Option<i64>,
    updated: Option<i64>,
}

#[derive(Deserialize)]
struct Wire<'a> {
    value: Option<String>,
    cer: Option<String>,
    #[serde(borrow)]
    key: Option<&'a RawValue>,
    #[serde(rename = "contentType")]
    content_type: Option<String>,
    #[serde(default)]
    attributes: Times,
    #[serde(default)]
    tags: Option<BTreeMap<String, Option<String>>>,
}

impl Object {
    /// Reads an answer about an object of `kind`. The error says what is missing.
    pub(super) fn read(kind: Kind, body: &[u8]) -> Result<Self, &'static str> {
        // The parser's own words may quote the document.
        let wire: Wire<'_> =
            serde_json::from_slice(body).map_err(|_| "it is no object of a vault in JSON")?;
        let value: SecretBytes = match kind {
            Kind::Secret => wire.value.ok_or("it has no value")?.into(),
            Kind::Certificate => {
                let text = wire.cer.ok_or("it has no cer")?;
                SecretBytes::new(STANDARD.decode(text).map_err(|_| "its cer is no base64")?)
            }
            Kind::Key => wire.key.ok_or("it has no key")?.get().into(),
        };
        let tags = wire.tags.unwrap_or_default();
        Ok(Self {
            value,
            content_type: wire.content_type,
            tags: tags
                .into_iter()
                .filter_map(|(name, value)| Some((name, value?)))
                .collect(),
            times: wire.attributes,
        })
    }

    /// Whether [`MANAGED_BY`] marks it as ours.
    pub(super) fn is_ours(&self) -> bool {
        self.tags
            .get(MANAGED_BY.0)
            .is_some_and(|by| by == MANAGED_BY.1)
    }

    /// Tags, and times beside them.
    pub(super) fn metadata(&self) -> BTreeMap<String, String> {
        let mut all = self.tags.clone();
        all.extend(self.named_times());
        all
    }

    fn named_times(&self) -> impl Iterator<Item = (String, String)> {
        let times = self.times;
        [
            ("expires", times.expires),
            ("created", times.created),
            ("updated", times.updated),
            ("notBefore", times.not_before),
        ]
        .into_iter()
        .filter_map(|(name, seconds)| {
            let text = DateTime::from_secs(seconds?).fmt(Format::DateTime).ok()?;
            Some((name.to_owned(), text))
        })
    }

    /// `metadataPolicy: Fetch` of one value: a tag or a part of one, or all of them as JSON.
    pub(super) fn fetched(&self, property: Option<&str>, key: &str) -> Result<SecretBytes, Error> {
        let all = self.metadata();
        match property {
            None => Ok(as_json(&all).into()),
            Some(property) => tag(&all, property).ok_or_else(|| Error::Shape {
                reason: format!("tag {property} does not exist on {key}"),
                hint: Some("Correct remoteRef.property; it names a tag".into()),
            }),
        }
    }

    /// `metadataPolicy: Fetch` of a map: every tag under the object's `name`, a tag that is a JSON
    /// object of texts in its parts.
    pub(super) fn fetched_map(&self, name: &str) -> BTreeMap<String, SecretBytes> {
        let mut map = BTreeMap::new();
        for (tag, value) in &self.tags {
            let key = format!("{name}_{tag}");
            match serde_json::from_str::<BTreeMap<String, String>>(value) {
                Ok(parts) => {
                    for (part, value) in parts {
                        map.insert(format!("{key}_{part}"), value.into());
                    }
                }
                Err(_) => {
                    map.insert(key, value.as_str().into());
                }
            }
        }
        for (time, value) in self.named_times() {
            map.insert(format!("{name}_{time}"), value.into());
        }
        map
    }
}

/// The tag of that name, or what the rest of the path names in a tag that is JSON.
fn tag(all: &BTreeMap<String, String>, property: &str) -> Option<SecretBytes> {
    if let Some(value) = all.get(property) {
        return Some(value.as_str().into());
    }
    let (name, path) = property.split_once('.')?;
    let value: SecretBytes = all.get(name)?.as_str().into();
    PropertyLookup::PathFirst.find(&value, path)
}

fn as_json(map: &BTreeMap<String, String>) -> String {
    // A map of texts always has a JSON form.
    go_json(&serde_json::to_string(map).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = r#"{"value":"v","id":"x","contentType":"text/plain","attributes":{"enabled":true,"exp":2000000000,"created":0},"tags":{"env":"<prod>","j":"{\"a\":\"b\"}","none":null}}"#;

    #[test]
    fn kinds_have_their_values() {
        let secret = Object::read(Kind::Secret, SECRET.as_bytes()).unwrap();
        assert_eq!(secret.value.expose(), b"v");
        assert_eq!(secret.content_type.as_deref(), Some("text/plain"));
        let cert = Object::read(Kind::Certificate, br#"{"cer":"AQID"}"#).unwrap();
        assert_eq!(cert.value.expose(), [1, 2, 3]);
        let key = Object::read(Kind::Key, br#"{"key":{"kty":"RSA","n":"AQ"}}"#).unwrap();
        assert_eq!(key.value.expose(), br#"{"kty":"RSA","n":"AQ"}"#);
        for (kind, bad) in [
            (Kind::Secret, "{}"),
            (Kind::Secret, "<html>canary"),
            (Kind::Certificate, r#"{"cer":"canary!"}"#),
            (Kind::Key, r#"{"value":"canary"}"#),
            (Kind::Secret, r#"{"value":"canary"#),
        ] {
            assert!(
                !Object::read(kind, bad.as_bytes())
                    .unwrap_err()
                    .contains("canary")
            );
        }
    }

    #[test]
    fn tags_and_times() {
        let secret = Object::read(Kind::Secret, SECRET.as_bytes()).unwrap();
        let text = |property| {
            let found = secret.fetched(property, "k")?;
            Ok::<_, Error>(found.expose_str().unwrap().to_owned())
        };
        assert_eq!(text(Some("env")).unwrap(), "<prod>");
        assert_eq!(text(Some("j.a")).unwrap(), "b");
        assert_eq!(text(Some("expires")).unwrap(), "2033-05-18T03:33:20Z");
        assert!(text(Some("none")).is_err() && text(Some("x.y")).is_err());
        assert_eq!(
            text(None).unwrap(),
            r#"{"created":"1970-01-01T00:00:00Z","env":"\u003cprod\u003e","expires":"2033-05-18T03:33:20Z","j":"{\"a\":\"b\"}"}"#
        );
        let map = secret.fetched_map("s");
        let names: Vec<&str> = map.keys().map(String::as_str).collect();
        assert_eq!(names, ["s_created", "s_env", "s_expires", "s_j_a"]);
    }
}

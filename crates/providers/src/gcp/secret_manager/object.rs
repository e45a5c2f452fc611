//! What Secret Manager says about a secret and its versions.
//!
//! Owns: reading it strictly, the payload's checksum, and labels and annotations as
//! `metadataPolicy: Fetch` gives them. Refuses: quoting a value.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use keyless_secret::SecretBytes;
use serde::{Deserialize, Serialize};

use super::checksum::crc32c;
use crate::Error;
use crate::property::go_json;

/// The label of what keyless and its predecessor wrote.
pub(super) const MANAGED_BY: (&str, &str) = ("managed-by", "external-secrets");

/// Reads a JSON object that is no error document: a list without entries is `{}` here, and whatever
/// else could be read as one must not empty anybody's Secret.
pub(super) fn document<T: serde::de::DeserializeOwned>(body: &[u8]) -> Option<T> {
    #[derive(Deserialize)]
    struct Probe {
        error: Option<serde::de::IgnoredAny>,
    }
    let object = body.trim_ascii_start().starts_with(b"{");
    let probe: Probe = serde_json::from_slice(body).ok()?;
    if !object || probe.error.is_some() {
        return None;
    }
    serde_json::from_slice(body).ok()
}

/// Why a payload cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unusable {
    /// The answer has another form.
    Form(&'static str),
    /// Its checksum is another one.
    Checksum,
}

#[derive(Deserialize)]
struct Access {
    payload: Option<Payload>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Payload {
    data: Option<String>,
    data_crc32c: Option<Number>,
}

/// JSON writes 64-bit numbers as text.
#[derive(Deserialize)]
#[serde(untagged)]
enum Number {
    Text(String),
    Number(i64),
}

/// Reads the payload of a version, whose checksum must be that of the bytes.
pub(super) fn payload(body: &[u8]) -> Result<SecretBytes, Unusable> {
    // The parser's own words may quote the document.
    let access: Access =
        document(body).ok_or(Unusable::Form("it is no version of a secret in JSON"))?;
    let payload = access.payload.ok_or(Unusable::Form("it has no payload"))?;
    let text = payload
        .data
        .ok_or(Unusable::Form("its payload has no data"))?;
    let data = STANDARD
        .decode(&text)
        .or_else(|_| URL_SAFE.decode(&text))
        .map(SecretBytes::new)
        .map_err(|_| Unusable::Form("its payload is no base64"))?;
    drop(SecretBytes::from(text));
    let sum = match payload.data_crc32c {
        None => return Ok(data),
        Some(Number::Number(sum)) => sum,
        Some(Number::Text(text)) => text
            .parse()
            .map_err(|_| Unusable::Form("its checksum is no number"))?,
    };
    if sum == i64::from(crc32c(data.expose())) {
        Ok(data)
    } else {
        Err(Unusable::Checksum)
    }
}

/// A secret without its values.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Metadata {
    pub(super) labels: BTreeMap<String, String>,
    pub(super) annotations: BTreeMap<String, String>,
    pub(super) topics: Vec<Topic>,
    pub(super) etag: String,
}

/// Where changes are announced.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Topic {
    pub(super) name: String,
}

impl Metadata {
    /// Reads an answer about a secret.
    pub(super) fn read(body: &[u8]) -> Result<Self, &'static str> {
        #[derive(Deserialize)]
        struct Named {
            name: String,
            #[serde(flatten)]
            metadata: Metadata,
        }
        let found: Named = document(body).ok_or("it is no secret's description in JSON")?;
        if found.name.is_empty() {
            return Err("it describes no secret");
        }
        Ok(found.metadata)
    }

    /// Whether [`MANAGED_BY`] marks it as ours.
    pub(super) fn is_ours(&self) -> bool {
        self.labels
            .get(MANAGED_BY.0)
            .is_some_and(|by| by == MANAGED_BY.1)
    }

    /// `metadataPolicy: Fetch`: an annotation or label, all of one kind, or all of both as JSON.
    pub(super) fn fetched(&self, property: Option<&str>, key: &str) -> Result<SecretBytes, Error> {
        let property = property.unwrap_or_default();
        let one = |map: &BTreeMap<String, String>, kind: &str, name: &str| {
            let found = map.get(name).map(|value| value.as_str().into());
            found.ok_or_else(|| Error::Shape {
                reason: format!("{kind} with key {name} does not exist in secret {key}"),
                hint: Some("Correct remoteRef.property, or set it on the secret".into()),
            })
        };
        if let Some(name) = property.strip_prefix("annotations.") {
            return one(&self.annotations, "annotation", name);
        }
        if let Some(name) = property.strip_prefix("labels.") {
            return one(&self.labels, "label", name);
        }
        match property {
            "annotations" => Ok(as_json(&self.annotations).into()),
            "labels" => Ok(as_json(&self.labels).into()),
            "" => Ok(format!(
                "{{\"annotations\":{},\"labels\":{}}}",
                as_json(&self.annotations),
                as_json(&self.labels)
            )
            .into()),
            _ => Err(Error::Shape {
                reason: format!(
                    "invalid property {property}: metadata property should start with either \
                     annotations or labels"
                ),
                hint: Some("Write annotations.NAME or labels.NAME".into()),
            }),
        }
    }
}

/// An empty map has no form of its own in Go.
fn as_json(map: &BTreeMap<String, String>) -> String {
    if map.is_empty() {
        return "null".to_owned();
    }
    // A map of texts always has a JSON form.
    go_json(&serde_json::to_string(map).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn body(data: &str, sum: &str) -> String {
        format!(
            r#"{{"name":"projects/1/secrets/s/versions/1","payload":{{"data":"{data}"{sum}}}}}"#
        )
    }

    #[test]
    fn payloads_are_those_that_were_stored() {
        // "123456789"
        let data = "MTIzNDU2Nzg5";
        for sum in [
            r#","dataCrc32c":"3808858755""#,
            r#","dataCrc32c":3808858755"#,
            "",
        ] {
            let found = payload(body(data, sum).as_bytes()).unwrap();
            assert_eq!(found.expose(), b"123456789");
        }
        for (document, expected) in [
            (
                body(data, r#","dataCrc32c":"3808858754""#),
                Unusable::Checksum,
            ),
            (
                body("MTIzNDU2Nzg4", r#","dataCrc32c":"3808858755""#),
                Unusable::Checksum,
            ),
            // The other CRC-32 of the same bytes.
            (
                body(data, r#","dataCrc32c":"3421780262""#),
                Unusable::Checksum,
            ),
            (
                body(data, r#","dataCrc32c":"x""#),
                Unusable::Form("its checksum is no number"),
            ),
            (
                body("canary!", ""),
                Unusable::Form("its payload is no base64"),
            ),
            (
                r#"{"error":{"code":403}}"#.into(),
                Unusable::Form("it is no version of a secret in JSON"),
            ),
            ("{}".into(), Unusable::Form("it has no payload")),
            (
                r#"{"payload":{}}"#.into(),
                Unusable::Form("its payload has no data"),
            ),
            (
                body(data, "").split_at(50).0.into(),
                Unusable::Form("it is no version of a secret in JSON"),
            ),
            (
                "<html>".into(),
                Unusable::Form("it is no version of a secret in JSON"),
            ),
        ] {
            assert_eq!(
                payload(document.as_bytes()).unwrap_err(),
                expected,
                "{document}"
            );
        }
    }

    #[test]
    fn labels_and_annotations() {
        let body = br#"{"name":"n","labels":{"env":"prod"},"annotations":{"a.b/c":"<x>"},"etag":"\"1\"","topics":[{"name":"t"}]}"#;
        let secret = Metadata::read(body).unwrap();
        let text = |property| {
            let found = secret.fetched(property, "k")?;
            Ok::<_, Error>(found.expose_str().unwrap().to_owned())
        };
        assert_eq!(text(Some("labels.env")).unwrap(), "prod");
        assert_eq!(text(Some("annotations.a.b/c")).unwrap(), "<x>");
        assert_eq!(text(Some("labels")).unwrap(), r#"{"env":"prod"}"#);
        assert_eq!(
            text(None).unwrap(),
            r#"{"annotations":{"a.b/c":"\u003cx\u003e"},"labels":{"env":"prod"}}"#
        );
        for bad in ["labels.none", "annotations.none", "other", "label.env"] {
            assert!(text(Some(bad)).is_err(), "{bad}");
        }
        let bare = Metadata::read(br#"{"name":"n"}"#).unwrap();
        let all = bare.fetched(None, "k").unwrap();
        assert_eq!(all.expose(), br#"{"annotations":null,"labels":null}"#);
        for bad in ["{}", r#"{"error":{"code":403}}"#, "[]", "<html>"] {
            assert!(Metadata::read(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn anything_may_come(bytes: Vec<u8>, text in ".{0,80}") {
            let _ = (payload(&bytes), Metadata::read(&bytes));
            let document = serde_json::json!({"payload": {"data": text, "dataCrc32c": text}});
            let _ = payload(document.to_string().as_bytes());
        }
    }
}

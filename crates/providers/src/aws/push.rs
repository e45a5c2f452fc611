//! What every push to AWS has in common.
//!
//! Owns: the mark of ownership, the settings that come with a value, and the value itself where
//! only a property is written. Refuses: calls.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{Error, Push, merge};

/// The tag that marks what was pushed.
pub(super) const MARK: (&str, &str) = ("managed-by", "external-secrets");

pub(super) type Tags = BTreeMap<String, String>;

/// Whether `tags` have the mark.
pub(super) fn is_ours(tags: &Tags) -> bool {
    tags.get(MARK.0).is_some_and(|value| value == MARK.1)
}

/// The refusal to touch what somebody else made.
pub(super) fn foreign(key: &str) -> Error {
    Error::Config {
        reason: format!("secret not managed by external-secrets: {key}"),
        hint: Some(format!(
            "Write to another name, or tag it {}={} to hand it over",
            MARK.0, MARK.1
        )),
    }
}

/// `tags` and the mark.
pub(super) fn marked(tags: &Tags) -> Tags {
    let mut tags = tags.clone();
    tags.insert(MARK.0.to_owned(), MARK.1.to_owned());
    tags
}

/// Which tags must be set and which removed. Where none are asked for, those that exist stay, and
/// AWS's own are never touched.
pub(super) fn changes(found: &Tags, wanted: &Tags) -> (Tags, Vec<String>) {
    let wanted_all = marked(wanted);
    let set = wanted_all
        .iter()
        .filter(|(key, value)| found.get(*key) != Some(value))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    let removed = if wanted.is_empty() {
        Vec::new()
    } else {
        let surplus = |key: &&String| !wanted_all.contains_key(*key) && !key.starts_with("aws:");
        found.keys().filter(surplus).cloned().collect()
    };
    (set, removed)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Document<T> {
    api_version: String,
    kind: String,
    #[serde(default)]
    spec: Option<T>,
}

/// The settings in `metadata`; defaults without any.
///
/// # Errors
/// When it is another document, or has a field that is not known.
pub(super) fn settings<T: DeserializeOwned + Default>(
    metadata: Option<&Value>,
) -> Result<T, Error> {
    const VERSION: &str = "kubernetes.external-secrets.io/v1alpha1";
    let Some(metadata) = metadata.filter(|metadata| !metadata.is_null()) else {
        return Ok(T::default());
    };
    let wrong = |reason: String| Error::Config {
        reason: format!("data[].metadata: {reason}"),
        hint: Some(format!(
            "Write apiVersion {VERSION}, kind PushSecretMetadata and the settings in spec"
        )),
    };
    let document = Document::<T>::deserialize(metadata).map_err(|e| wrong(e.to_string()))?;
    if document.api_version != VERSION || document.kind != "PushSecretMetadata" {
        return Err(wrong(format!(
            "unexpected apiVersion {:?} or kind {:?}",
            document.api_version, document.kind
        )));
    }
    Ok(document.spec.unwrap_or_default())
}

/// The bytes to be written: the value, or `existing` with the property set to it.
///
/// # Errors
/// When the property's value is no text or the existing value no JSON object.
pub(super) fn content(push: &Push, existing: &[u8]) -> Result<Vec<u8>, Error> {
    let Some(property) = property(push.remote.property.as_deref()) else {
        return Ok(push.value.expose().to_vec());
    };
    let key = &push.remote.key;
    let value = push.value.expose_str().ok_or_else(|| Error::Shape {
        reason: format!("the value for property {property} of secret {key} is not text"),
        hint: Some("Push it without a property, or encode it".into()),
    })?;
    merge::set(existing, property, value, key).map(String::into_bytes)
}

/// An empty property is none.
pub(super) fn property(property: Option<&str>) -> Option<&str> {
    property.filter(|property| !property.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Remote;
    use serde_json::json;

    fn tags(pairs: &[(&str, &str)]) -> Tags {
        let pairs = pairs.iter().map(|(k, v)| ((*k).into(), (*v).into()));
        pairs.collect()
    }

    #[test]
    fn tags_are_left_alone_unless_some_are_asked_for() {
        let found = tags(&[
            ("managed-by", "external-secrets"),
            ("a", "1"),
            ("aws:x", "y"),
        ]);
        assert_eq!(changes(&found, &tags(&[])), (tags(&[]), vec![]));
        assert_eq!(
            changes(&found, &tags(&[("b", "2")])),
            (tags(&[("b", "2")]), vec!["a".to_owned()])
        );
        assert_eq!(
            changes(&found, &tags(&[("a", "2")])),
            (tags(&[("a", "2")]), vec![])
        );
        assert!(is_ours(&found) && !is_ours(&tags(&[("managed-by", "me")])));
    }

    #[derive(Debug, Default, Deserialize, PartialEq)]
    #[serde(rename_all = "camelCase", deny_unknown_fields, default)]
    struct Spec {
        description: Option<String>,
    }

    #[test]
    fn settings_are_strict() {
        let document = |spec: Value| json!({"apiVersion": "kubernetes.external-secrets.io/v1alpha1", "kind": "PushSecretMetadata", "spec": spec});
        let read = |json: Value| settings::<Spec>(Some(&json));
        assert_eq!(settings::<Spec>(None).unwrap(), Spec::default());
        assert_eq!(
            read(document(json!({"description": "d"})))
                .unwrap()
                .description
                .as_deref(),
            Some("d")
        );
        for bad in [
            document(json!({"descriptio": "d"})),
            json!({"description": "d"}),
            json!({"apiVersion": "v1", "kind": "PushSecretMetadata"}),
            json!("text"),
        ] {
            assert!(read(bad).is_err());
        }
    }

    #[test]
    fn a_property_is_merged_into_what_exists() {
        let push = |property: Option<&str>, value: &[u8]| Push {
            remote: Remote {
                key: "k".into(),
                property: property.map(Into::into),
            },
            value: keyless_secret::SecretBytes::new(value.to_vec()),
            metadata: None,
        };
        assert_eq!(content(&push(None, b"\xff"), b"old").unwrap(), b"\xff");
        assert_eq!(content(&push(Some(""), b"v"), b"old").unwrap(), b"v");
        assert_eq!(
            content(&push(Some("a"), b"v"), br#"{"b":1}"#).unwrap(),
            br#"{"b":1,"a":"v"}"#
        );
        assert!(content(&push(Some("a"), b"\xff"), b"{}").is_err());
        assert!(content(&push(Some("a"), b"v"), b"text").is_err());
    }
}

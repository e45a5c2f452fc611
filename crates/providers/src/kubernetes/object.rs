//! A Secret as this provider sees it.
//!
//! Owns: decoding one, and its two documents. Refuses: quoting any of it in an error.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use keyless_secret::SecretBytes;
use serde::Deserialize;
use serde_json::json;

/// Data, labels and annotations of a Secret.
#[derive(Clone, Debug, Default)]
pub(super) struct Object {
    pub data: BTreeMap<String, SecretBytes>,
    pub labels: BTreeMap<String, String>,
    pub annotations: BTreeMap<String, String>,
}

/// A Secret on the wire.
#[derive(Deserialize)]
pub(super) struct Wire {
    pub metadata: Metadata,
    data: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
pub(super) struct Metadata {
    #[serde(default)]
    pub name: String,
    labels: Option<BTreeMap<String, String>>,
    annotations: Option<BTreeMap<String, String>>,
}

impl Wire {
    /// The object; `None` if a value is not base64.
    pub fn object(self) -> Option<Object> {
        let decode = |(key, text): (String, String)| {
            let bytes = STANDARD.decode(text).ok()?;
            Some((key, SecretBytes::new(bytes)))
        };
        Some(Object {
            data: self
                .data
                .unwrap_or_default()
                .into_iter()
                .map(decode)
                .collect::<Option<_>>()?,
            labels: self.metadata.labels.unwrap_or_default(),
            annotations: self.metadata.annotations.unwrap_or_default(),
        })
    }
}

impl Object {
    /// All data as a JSON object of texts; bytes that are no text are replaced, as Go does.
    pub fn document(&self) -> SecretBytes {
        let texts: BTreeMap<&str, std::borrow::Cow<'_, str>> = self
            .data
            .iter()
            .map(|(key, value)| (key.as_str(), String::from_utf8_lossy(value.expose())))
            .collect();
        SecretBytes::new(serde_json::to_vec(&texts).unwrap_or_default())
    }

    /// Labels and annotations as a JSON object.
    pub fn metadata(&self) -> SecretBytes {
        json!({"annotations": self.annotations, "labels": self.labels})
            .to_string()
            .into()
    }

    /// Bytes that keeping it costs.
    pub fn weight(&self) -> usize {
        let texts = self.labels.iter().chain(&self.annotations);
        let data = self.data.iter().map(|(key, value)| key.len() + value.len());
        data.sum::<usize>()
            + texts
                .map(|(key, value)| key.len() + value.len())
                .sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(json: &str) -> Option<Object> {
        serde_json::from_str::<Wire>(json).unwrap().object()
    }

    #[test]
    fn documents() {
        let found =
            object(r#"{"metadata":{"labels":{"l":"1"}},"data":{"b":"PGI+","a":"/w==","e":""}}"#)
                .unwrap();
        assert_eq!(
            found.document().expose_str(),
            Some("{\"a\":\"\u{fffd}\",\"b\":\"<b>\",\"e\":\"\"}")
        );
        assert_eq!(
            found.metadata().expose_str(),
            Some(r#"{"annotations":{},"labels":{"l":"1"}}"#)
        );
        assert!(object(r#"{"metadata":{},"data":{"a":"?"}}"#).is_none());
        assert_eq!(
            object(r#"{"metadata":{}}"#).unwrap().document().expose(),
            b"{}"
        );
    }
}

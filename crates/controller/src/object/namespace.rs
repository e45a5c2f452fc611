//! A namespace: name, labels, whether it is going.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::metadata::{Metadata, json_map, map_text};

/// A namespace as selectors see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Namespace {
    /// Name.
    pub name: Box<str>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Whether deletionTimestamp is set: nothing can be created in it any more.
    pub deleting: bool,
}

impl Namespace {
    /// Decodes a watch event's object.
    ///
    /// # Errors
    /// What is wrong, for the log.
    pub fn decode(object: &str) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Raw<'a> {
            #[serde(borrow)]
            metadata: Metadata<'a>,
        }
        let raw: Raw<'_> = serde_json::from_str(object).map_err(|e| e.to_string())?;
        Ok(Self {
            name: raw.metadata.name.as_ref().into(),
            labels: json_map(&map_text(raw.metadata.labels)),
            deleting: raw.metadata.deletion_timestamp.is_some(),
        })
    }
}

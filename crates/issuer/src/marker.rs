//! The record that lies beside the two documents: whose they are, and what became of each key.
//!
//! Owns: its form. It holds nothing that the key set does not, besides the cluster's uid and
//! times, and may be read by everyone. Refuses: being the truth about keys: the key set is.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::documents::json::{self, Unreadable};

/// Its name below the issuer.
pub const MARKER_PATH: &str = "keyless-publication.json";

/// The most names of withdrawn keys that are remembered.
const MEMORY: usize = 50;

/// The record.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Marker {
    /// The uid of the owning cluster's namespace `kube-system`, or what was given in its place.
    pub owner: String,
    /// The issuer, byte for byte.
    pub issuer: String,
    /// By key name.
    #[serde(default)]
    pub keys: BTreeMap<String, KeyRecord>,
    /// Names of keys that were published once, the last one last.
    #[serde(default)]
    pub withdrawn: Vec<String>,
}

/// What became of a key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyRecord {
    /// When it was first published, seconds since 1970.
    pub since: i64,
    /// Published before any API server had it: kept until one has, or until it is retired.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub announced: bool,
    /// Since when no API server has it any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing: Option<i64>,
}

impl Marker {
    /// Reads a record.
    ///
    /// # Errors
    /// When it is none.
    pub fn parse(body: &[u8]) -> Result<Self, Unreadable> {
        let object = json::object(body)?;
        serde_json::from_value(serde_json::Value::Object(object))
            .map_err(|error| Unreadable::Syntax(error.to_string()))
    }

    /// The bytes that are published.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut text = serde_json::to_string_pretty(self).unwrap_or_default();
        text.push('\n');
        text.into_bytes()
    }

    /// Remembers withdrawn keys.
    pub fn withdraw(&mut self, names: impl IntoIterator<Item = String>) {
        for name in names {
            self.withdrawn.retain(|n| *n != name);
            self.withdrawn.push(name);
        }
        let surplus = self.withdrawn.len().saturating_sub(MEMORY);
        self.withdrawn.drain(..surplus);
    }
}

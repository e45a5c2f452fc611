//! ObjectMeta, borrowed.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::ObjectKey;

/// The fields of ObjectMeta that decisions need. managedFields is skipped without allocation.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Metadata<'a> {
    #[serde(borrow)]
    pub name: Cow<'a, str>,
    #[serde(borrow, default)]
    pub namespace: Cow<'a, str>,
    #[serde(borrow, default)]
    pub uid: Cow<'a, str>,
    #[serde(borrow, default)]
    pub resource_version: Cow<'a, str>,
    #[serde(default)]
    pub generation: i64,
    #[serde(borrow, default)]
    pub labels: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub annotations: Option<&'a RawValue>,
    #[serde(default)]
    pub deletion_timestamp: Option<IgnoredAny>,
    #[serde(borrow, default)]
    pub finalizers: Vec<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub owner_references: Vec<Owner<'a>>,
}

/// One owner reference.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Owner<'a> {
    #[serde(borrow, default)]
    pub api_version: Cow<'a, str>,
    #[serde(borrow, default)]
    pub kind: Cow<'a, str>,
    #[serde(borrow, default)]
    pub name: Cow<'a, str>,
    #[serde(borrow, default)]
    pub uid: Cow<'a, str>,
    #[serde(default)]
    pub controller: bool,
}

impl Metadata<'_> {
    pub fn key(&self) -> ObjectKey {
        ObjectKey::new(&self.namespace, &self.name)
    }

    /// resourceVersion as a number: they are ordered on every server that has ever existed.
    pub fn version(&self) -> u64 {
        self.resource_version.parse().unwrap_or(0)
    }
}

/// A JSON object of strings; anything else is empty.
#[must_use]
pub fn json_map(text: &str) -> BTreeMap<String, String> {
    if text.is_empty() {
        return BTreeMap::new();
    }
    serde_json::from_str(text).unwrap_or_default()
}

/// The text of a JSON object, empty for `null` and `{}`.
pub fn map_text(raw: Option<&RawValue>) -> Box<str> {
    match raw.map(RawValue::get) {
        None | Some("null" | "{}") => "".into(),
        Some(text) => text.into(),
    }
}

/// Only the key of an object; enough for its deletion.
#[must_use]
pub fn key_of(object: &str) -> Option<(ObjectKey, u64)> {
    #[derive(Deserialize)]
    struct Object<'a> {
        #[serde(borrow)]
        metadata: Metadata<'a>,
    }
    let object: Object<'_> = serde_json::from_str(object).ok()?;
    Some((object.metadata.key(), object.metadata.version()))
}

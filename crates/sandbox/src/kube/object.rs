//! One stored object: its value, its wire forms (made once, shared by all readers), its metadata.

use std::sync::OnceLock;

use bytes::Bytes;
use serde_json::{Map, Value};

/// An object as of one resource version. Never changed; a write makes another.
#[derive(Debug)]
pub struct Object {
    value: Value,
    version: u64,
    full: OnceLock<Bytes>,
    partial: OnceLock<Bytes>,
}

impl Object {
    /// Wraps `value`, whose `metadata.resourceVersion` must already say `version`.
    #[must_use]
    pub fn new(value: Value, version: u64) -> Self {
        Self {
            value,
            version,
            full: OnceLock::new(),
            partial: OnceLock::new(),
        }
    }

    /// The object itself.
    #[must_use]
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// Its resource version.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Its JSON, in the version that it is stored in.
    pub fn full(&self) -> Bytes {
        self.full
            .get_or_init(|| Bytes::from(serde_json::to_vec(&self.value).unwrap_or_default()))
            .clone()
    }

    /// Its metadata alone, as a `PartialObjectMetadata`.
    pub fn partial(&self) -> Bytes {
        let make = || {
            let metadata = self
                .value
                .get("metadata")
                .map(Value::to_string)
                .unwrap_or_else(|| "{}".to_owned());
            Bytes::from(format!(
                r#"{{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1","metadata":{metadata}}}"#
            ))
        };
        self.partial.get_or_init(make).clone()
    }

    /// Its JSON under `api_version`; without a change of version the shared bytes.
    pub fn full_as(&self, api_version: &str) -> Bytes {
        let stored = text(&self.value, "apiVersion");
        if stored == api_version {
            return self.full();
        }
        let full = self.full();
        let head = format!(r#"{{"apiVersion":"{stored}","#);
        if let Some(rest) = full.strip_prefix(head.as_bytes()) {
            let mut out = format!(r#"{{"apiVersion":"{api_version}","#).into_bytes();
            out.extend_from_slice(rest);
            return Bytes::from(out);
        }
        let mut value = self.value.clone();
        set(&mut value, "apiVersion", api_version);
        Bytes::from(value.to_string())
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        meta(&self.value, "name")
    }

    /// Its namespace; empty for cluster-scoped objects.
    #[must_use]
    pub fn namespace(&self) -> &str {
        meta(&self.value, "namespace")
    }

    /// Its uid.
    #[must_use]
    pub fn uid(&self) -> &str {
        meta(&self.value, "uid")
    }
}

/// A string field at the top; empty when absent.
#[must_use]
pub fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value.get(field).and_then(Value::as_str).unwrap_or_default()
}

/// A string field of the metadata; empty when absent.
#[must_use]
pub fn meta<'a>(value: &'a Value, field: &str) -> &'a str {
    value
        .get("metadata")
        .map(|m| text(m, field))
        .unwrap_or_default()
}

/// Sets a field at the top of an object; nothing when `value` is no object.
pub fn set(value: &mut Value, field: &str, to: impl Into<Value>) {
    if let Some(map) = value.as_object_mut() {
        map.insert(field.to_owned(), to.into());
    }
}

/// Removes a field at the top of an object.
pub fn unset(value: &mut Value, field: &str) -> Option<Value> {
    value.as_object_mut().and_then(|m| m.remove(field))
}

/// The metadata, made when absent. `None` when `value` or its metadata is no object.
pub fn metadata_mut(value: &mut Value) -> Option<&mut Map<String, Value>> {
    value
        .as_object_mut()?
        .entry("metadata")
        .or_insert_with(|| Value::Object(Map::new()))
        .as_object_mut()
}

/// Sets a metadata field.
pub fn set_meta(value: &mut Value, field: &str, to: impl Into<Value>) {
    if let Some(map) = metadata_mut(value) {
        map.insert(field.to_owned(), to.into());
    }
}

/// Removes a metadata field.
pub fn unset_meta(value: &mut Value, field: &str) -> Option<Value> {
    metadata_mut(value).and_then(|m| m.remove(field))
}

/// The object's finalizers.
pub fn finalizers(value: &Value) -> impl Iterator<Item = &str> {
    strings(value.get("metadata").and_then(|m| m.get("finalizers")))
}

/// The strings of a list; nothing for anything else.
pub fn strings(list: Option<&Value>) -> impl Iterator<Item = &str> {
    list.and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
}

/// The objects of a list.
pub fn items<'a>(value: &'a Value, field: &str) -> impl Iterator<Item = &'a Value> {
    value
        .get(field)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
}

/// Whether deletion has begun.
#[must_use]
pub fn is_terminating(value: &Value) -> bool {
    value
        .get("metadata")
        .is_some_and(|m| m.get("deletionTimestamp").is_some_and(|t| !t.is_null()))
}

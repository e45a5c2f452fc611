//! The wanted Secret against the existing one, as JSON.
//!
//! Pure: takes the existing Secret as the API server gave it (or none) and gives the one write
//! that makes it as `keyless-secret` says it ought to be, or none. Fields that a sync does not
//! decide are sent back as they came.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use keyless_api::constants::{annotation, label, message};
use keyless_api::{CreationPolicy, ExternalSecretSpec};
use keyless_secret::managed_fields::managed_keys;
use keyless_secret::template::Content;
use keyless_secret::wanted::{self, Existing, OwnerReference, OwnershipError, Wanted, Writer};
use keyless_secret::{SecretBytes, hash};
use serde_json::{Map, Value, json};

use super::problem::{Failed, Problem};
use crate::object::{ExternalSecret, ObjectKey};
use crate::schedule::phase::seed;

/// Whose Secret it is to be.
#[derive(Clone, Debug)]
pub struct Sync<'a> {
    /// The target.
    pub target: &'a ObjectKey,
    /// The ExternalSecret.
    pub object: &'a ExternalSecret,
    /// Its spec; the creation policy is not None.
    pub spec: &'a ExternalSecretSpec,
}

/// The one write.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// Nothing differs.
    None,
    /// Create this object.
    Create(Value),
    /// Replace the existing object by this one, which carries its resourceVersion.
    Replace(Value),
    /// Replace it if given, but the data cannot be as wanted: it is immutable.
    ReplaceThenFail(Option<Value>, Failed),
    /// `creationPolicy: Merge` and nothing to merge with.
    Missing,
}

/// A hash of everything wanted. A Secret that was found to satisfy it needs no further look.
#[must_use]
pub fn satisfaction(sync: &Sync<'_>, content: &Content) -> u64 {
    seed(&format!(
        "{}|{:?}|{:?}|{:?}|{:?}|{}|{:?}|{:?}",
        hash::data_hash(&content.data),
        content.labels,
        content.annotations,
        content.finalizers,
        content.kind,
        sync.object.uid,
        sync.spec.creation_policy(),
        sync.spec.target.as_ref().and_then(|t| t.immutable),
    ))
}

/// Whether a Secret given as JSON is managed and its data has the hash of its annotation.
#[must_use]
pub fn is_valid(object: &Value) -> bool {
    let managed = texts(object, "labels").remove(label::MANAGED);
    let noted = texts(object, "annotations").remove(annotation::DATA_HASH);
    managed.as_deref() == Some(label::MANAGED_VALUE)
        && noted == Some(hash::data_hash(&data(object)))
}

/// The write that makes `existing` as wanted.
///
/// # Errors
/// The Secret belongs to someone else.
pub fn change(
    sync: &Sync<'_>,
    content: &Content,
    existing: Option<&Value>,
) -> Result<Change, Failed> {
    if existing.is_none() && sync.spec.creation_policy() == CreationPolicy::Merge {
        return Ok(Change::Missing);
    }
    let wanted = wanted(sync, content, existing)?.1;
    let Some(old) = existing else {
        return Ok(Change::Create(create(sync.target, &wanted)));
    };
    let mut new = old.clone();
    write(&mut new, &wanted);
    let changed = (new != *old).then_some(new);
    if wanted.refused {
        let problem = Problem::Immutable {
            secret: sync.target.to_string(),
        };
        let failed = Failed::new(message::TARGET_IMMUTABLE, &problem).without_retry();
        return Ok(Change::ReplaceThenFail(changed, failed));
    }
    Ok(changed.map_or(Change::None, Change::Replace))
}

/// The existing Secret as the pipeline sees it, and the Secret as it ought to be.
///
/// # Errors
/// The Secret belongs to someone else.
pub fn wanted(
    sync: &Sync<'_>,
    content: &Content,
    existing: Option<&Value>,
) -> Result<(Option<Existing>, Wanted), Failed> {
    let key = &sync.object.key;
    let writer = Writer {
        namespace: key.namespace.to_string(),
        name: key.name.to_string(),
        uid: sync.object.uid.to_string(),
    };
    let present = existing.map(|object| read(object, &key.name));
    let needed = wanted::needs_content(sync.spec, existing.is_some());
    let content = needed.then(|| content.clone());
    let wanted = wanted::wanted(&writer, sync.spec, content, present.as_ref())
        .map_err(|error| foreign(&error))?;
    // Together with the keys of others it may be too much.
    storable(sync, &wanted.data)?;
    Ok((present, wanted))
}

/// The Secret as it is created.
#[must_use]
pub fn create(target: &ObjectKey, wanted: &Wanted) -> Value {
    let mut new = json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": &*target.name, "namespace": &*target.namespace},
    });
    write(&mut new, wanted);
    new
}

/// The most that the API server takes as data of one Secret, in bytes.
const MOST: usize = 1 << 20;

/// Refuses what the API server would refuse, before it is hashed or sent: here it is known which
/// part of the spec leads to it.
///
/// # Errors
/// A key that no Secret may have, or more data than one may hold.
pub fn storable(sync: &Sync<'_>, data: &BTreeMap<String, SecretBytes>) -> Result<(), Failed> {
    let secret = || sync.target.to_string();
    let refuse = |problem: &Problem| Err(Failed::new(message::COULD_NOT_UPDATE, problem));
    if let Some(key) = data.keys().find(|key| !is_key(key)) {
        return refuse(&Problem::Key {
            path: path_of(sync.spec, key),
            secret: secret(),
            key: key.clone(),
        });
    }
    let sizes = data.iter().map(|(k, v)| (v.expose().len(), k));
    let bytes: usize = sizes.clone().map(|(size, _)| size).sum();
    match sizes.max() {
        Some((largest, key)) if bytes > MOST => refuse(&Problem::TooLarge {
            path: path_of(sync.spec, key),
            secret: secret(),
            bytes,
            most: MOST,
            key: key.clone(),
            largest,
        }),
        _ => Ok(()),
    }
}

/// Whether a Secret may have this key.
fn is_key(key: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-._".contains(&b);
    (1..=253).contains(&key.len())
        && key.bytes().all(allowed)
        && key != "."
        && !key.starts_with("..")
}

/// The field that gives the Secret this key, as closely as the spec alone tells.
fn path_of(spec: &ExternalSecretSpec, key: &str) -> String {
    let template = spec.template();
    if template.is_some_and(|t| t.data.contains_key(key)) {
        return format!("spec.target.template.data[{key}]");
    }
    if template.is_some_and(|t| !t.template_from.is_empty()) {
        return "spec.target.template.templateFrom".into();
    }
    match spec.data.iter().rposition(|entry| entry.secret_key == key) {
        Some(position) => format!("spec.data[{position}]"),
        None => "spec.dataFrom".into(),
    }
}

fn foreign(error: &OwnershipError) -> Failed {
    let sentence = match error {
        OwnershipError::OtherExternalSecret { .. } => message::OWNED_BY_OTHER,
        OwnershipError::OtherKind { .. } => message::OWNERSHIP_FAILED,
    };
    Failed::new(sentence, error).without_retry()
}

/// The existing Secret as the pipeline sees it, for the ExternalSecret `writer`.
#[must_use]
pub fn read(object: &Value, writer: &str) -> Existing {
    let meta = |field: &str| object.get("metadata").and_then(|m| m.get(field));
    let list = |field: &str| {
        meta(field)
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default()
    };
    let text = |v: &Value| v.as_str().map(str::to_owned);
    Existing {
        data: data(object),
        labels: texts(object, "labels"),
        annotations: texts(object, "annotations"),
        kind: object.get("type").and_then(text).unwrap_or_default(),
        immutable: object.get("immutable") == Some(&Value::Bool(true)),
        finalizers: list("finalizers").iter().filter_map(text).collect(),
        owner_references: list("ownerReferences")
            .into_iter()
            .filter_map(|v| serde_json::from_value::<OwnerReference>(v).ok())
            .collect(),
        managed: managed_keys(&list("managedFields"), &hash::field_manager(writer)),
    }
}

/// The data of a Secret given as JSON; what is not base64 is left out.
#[must_use]
pub fn data(object: &Value) -> BTreeMap<String, SecretBytes> {
    let data = object.get("data").and_then(Value::as_object);
    data.into_iter()
        .flatten()
        .filter_map(|(k, v)| {
            Some((
                k.clone(),
                SecretBytes::new(STANDARD.decode(v.as_str()?).ok()?),
            ))
        })
        .collect()
}

/// The labels or annotations of an object given as JSON.
#[must_use]
pub fn texts(object: &Value, map: &str) -> BTreeMap<String, String> {
    let map = object.get("metadata").and_then(|m| m.get(map));
    map.and_then(Value::as_object)
        .into_iter()
        .flatten()
        .filter_map(|(k, v)| Some((k.clone(), v.as_str()?.to_owned())))
        .collect()
}

/// Puts what is wanted into the object.
fn write(object: &mut Value, wanted: &Wanted) {
    if let Some(meta) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        set(
            meta,
            "labels",
            json!(wanted.labels),
            wanted.labels.is_empty(),
        );
        let none = wanted.annotations.is_empty();
        set(meta, "annotations", json!(wanted.annotations), none);
        let none = wanted.owner_references.is_empty();
        set(
            meta,
            "ownerReferences",
            json!(wanted.owner_references),
            none,
        );
        let none = wanted.finalizers.is_empty();
        set(meta, "finalizers", json!(wanted.finalizers), none);
    }
    let Some(object) = object.as_object_mut() else {
        return;
    };
    let encode = |(key, value): (&String, &SecretBytes)| {
        (key.clone(), Value::String(STANDARD.encode(value.expose())))
    };
    let data: Map<String, Value> = wanted.data.iter().map(encode).collect();
    let none = data.is_empty();
    set(object, "data", Value::Object(data), none);
    if let Some(kind) = &wanted.kind {
        object.insert("type".into(), json!(kind));
    }
    if wanted.immutable {
        object.insert("immutable".into(), Value::Bool(true));
    }
}

/// Sets a field, or leaves it out where it is empty: that is how the API server stores it.
fn set(object: &mut Map<String, Value>, key: &str, value: Value, empty: bool) {
    if empty {
        object.remove(key);
    } else {
        object.insert(key.into(), value);
    }
}

#[cfg(test)]
mod tests;

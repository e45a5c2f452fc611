//! The wanted Secret against the existing one.
//!
//! Pure: takes the existing Secret as JSON (or none) and what the values became, and gives the
//! one write that makes it so, or none. What belongs to others stays: their keys (when merging),
//! labels, annotations, owner references and finalizers. What an earlier sync of the same
//! ExternalSecret wrote and this one does not want goes; managedFields tell which that is.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use keyless_api::CreationPolicy;
use keyless_api::constants::{annotation, label, message};
use keyless_secret::{SecretBytes, hash};
use serde_json::{Map, Value, json};

use super::problem::{Failed, Problem};
use crate::object::ObjectKey;
use crate::schedule::phase::seed;

/// What the values became: everything about the Secret that a sync decides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Keys and values.
    pub data: BTreeMap<String, SecretBytes>,
    /// Labels of the template, or of the ExternalSecret.
    pub labels: BTreeMap<String, String>,
    /// Annotations likewise.
    pub annotations: BTreeMap<String, String>,
    /// Finalizers of the template; added, never removed.
    pub finalizers: Vec<String>,
    /// The template's type.
    pub kind: Option<String>,
}

/// Whose Secret it is to be.
#[derive(Clone, Debug)]
pub struct Sync<'a> {
    /// The target.
    pub target: &'a ObjectKey,
    /// Name of the ExternalSecret.
    pub name: &'a str,
    /// uid of the ExternalSecret.
    pub uid: &'a str,
    /// Creation policy; not None.
    pub policy: CreationPolicy,
    /// `target.immutable`.
    pub immutable: bool,
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
    /// Replace it, but the data cannot be as wanted: it is immutable.
    ReplaceThenFail(Option<Value>, Failed),
    /// `creationPolicy: Merge` and nothing to merge with.
    Missing,
}

const API_VERSION: &str = "external-secrets.io/v1";

/// A hash of everything wanted. A Secret that was found to satisfy it needs no further look.
#[must_use]
pub fn satisfaction(sync: &Sync<'_>, wanted: &Wanted) -> u64 {
    seed(&format!(
        "{}|{:?}|{:?}|{:?}|{:?}|{}|{:?}|{}",
        hash::data_hash(&wanted.data),
        wanted.labels,
        wanted.annotations,
        wanted.finalizers,
        wanted.kind,
        sync.uid,
        sync.policy,
        sync.immutable,
    ))
}

/// Whether `owner`, the controller of the existing Secret, lets this sync go on.
///
/// # Errors
/// It belongs to another ExternalSecret, or to something else and ownership is wanted.
pub fn check_owner(sync: &Sync<'_>, owner: Option<(&str, &str)>) -> Result<(), Failed> {
    let Some((kind, name)) = owner else {
        return Ok(());
    };
    if kind == "ExternalSecret" && name == sync.name {
        return Ok(());
    }
    let problem = Problem::Owned {
        secret: sync.target.to_string(),
        owner: format!("{kind} {name}"),
    };
    if kind == "ExternalSecret" {
        Err(Failed::new(message::OWNED_BY_OTHER, &problem).without_retry())
    } else if sync.policy == CreationPolicy::Owner {
        Err(Failed::new(message::OWNERSHIP_FAILED, &problem).without_retry())
    } else {
        Ok(())
    }
}

/// The controller of a Secret given as JSON.
#[must_use]
pub fn controller(object: &Value) -> Option<(&str, &str)> {
    let owners = object.pointer("/metadata/ownerReferences")?.as_array()?;
    let owner = owners
        .iter()
        .find(|o| o.get("controller") == Some(&Value::Bool(true)))?;
    Some((owner.get("kind")?.as_str()?, owner.get("name")?.as_str()?))
}

/// The data of a Secret given as JSON; what is not base64 is left out.
#[must_use]
pub fn data(object: &Value) -> BTreeMap<String, SecretBytes> {
    let data = object.get("data").and_then(Value::as_object);
    data.into_iter()
        .flatten()
        .filter_map(|(k, v)| Some((k.clone(), SecretBytes::new(STANDARD.decode(v.as_str()?).ok()?))))
        .collect()
}

/// Whether a Secret given as JSON is managed and its data has the hash of its annotation.
#[must_use]
pub fn is_valid(object: &Value) -> bool {
    let managed = text(object, "labels", label::MANAGED) == Some(label::MANAGED_VALUE);
    managed && text(object, "annotations", annotation::DATA_HASH) == Some(&hash::data_hash(&data(object)))
}

fn text<'a>(object: &'a Value, map: &str, key: &str) -> Option<&'a str> {
    object.get("metadata")?.get(map)?.get(key)?.as_str()
}

/// The write that makes `existing` as wanted.
///
/// # Errors
/// The Secret belongs to someone else.
pub fn change(
    sync: &Sync<'_>,
    wanted: &Wanted,
    existing: Option<&Value>,
) -> Result<Change, Failed> {
    let Some(old) = existing else {
        if sync.policy == CreationPolicy::Merge {
            return Ok(Change::Missing);
        }
        return Ok(Change::Create(create(sync, wanted)));
    };
    check_owner(sync, controller(old))?;
    let own = OwnFields::of(old, &hash::field_manager(sync.name));
    let present = data(old);
    let rendered = rendered(sync, wanted, &own, &present);
    let locked = old.get("immutable") == Some(&Value::Bool(true));
    let keep = sync.immutable || (locked && rendered != present);
    let data = if keep { &present } else { &rendered };
    let mut new = old.clone();
    apply(&mut new, sync, wanted, &own, data);
    let changed = (new != *old).then_some(new);
    if locked && !sync.immutable && rendered != present {
        let problem = Problem::Immutable {
            secret: sync.target.to_string(),
        };
        let failed = Failed::new(message::TARGET_IMMUTABLE, &problem).without_retry();
        return Ok(Change::ReplaceThenFail(changed, failed));
    }
    Ok(changed.map_or(Change::None, Change::Replace))
}

fn create(sync: &Sync<'_>, wanted: &Wanted) -> Value {
    let mut new = json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": &*sync.target.name, "namespace": &*sync.target.namespace},
    });
    apply(&mut new, sync, wanted, &OwnFields::default(), &wanted.data);
    new
}

/// The data as it would be if nothing forbade a change.
fn rendered(
    sync: &Sync<'_>,
    wanted: &Wanted,
    own: &OwnFields,
    present: &BTreeMap<String, SecretBytes>,
) -> BTreeMap<String, SecretBytes> {
    let keeps = matches!(
        sync.policy,
        CreationPolicy::Merge | CreationPolicy::CreateOrMerge
    );
    let mut data = if keeps { present.clone() } else { BTreeMap::new() };
    data.retain(|key, _| !own.data.contains(key));
    data.extend(wanted.data.iter().map(|(k, v)| (k.clone(), v.clone())));
    data
}

fn apply(
    object: &mut Value,
    sync: &Sync<'_>,
    wanted: &Wanted,
    own: &OwnFields,
    data: &BTreeMap<String, SecretBytes>,
) {
    let owner = sync.policy == CreationPolicy::Owner;
    let mut labels = strings(object, "labels");
    labels.retain(|key, _| !own.labels.contains(key));
    labels.extend(wanted.labels.clone());
    labels.insert(label::MANAGED.into(), label::MANAGED_VALUE.into());
    if owner {
        let creator = hash::created_by(&sync.target.namespace, sync.name);
        labels.insert(label::CREATED_BY.into(), creator);
    } else {
        labels.remove(label::CREATED_BY);
    }
    let mut annotations = strings(object, "annotations");
    annotations.retain(|key, _| !own.annotations.contains(key));
    annotations.extend(wanted.annotations.clone());
    annotations.insert(annotation::DATA_HASH.into(), hash::data_hash(data));
    let owners = owners(object, sync, owner);
    let finalizers = finalizers(object, wanted);
    if let Some(meta) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        set(meta, "labels", json!(labels), labels.is_empty());
        set(meta, "annotations", json!(annotations), annotations.is_empty());
        let none = owners.is_empty();
        set(meta, "ownerReferences", Value::Array(owners), none);
        let none = finalizers.is_empty();
        set(meta, "finalizers", json!(finalizers), none);
    }
    if let Some(object) = object.as_object_mut() {
        let encoded: Map<String, Value> = data
            .iter()
            .map(|(k, v)| (k.clone(), Value::String(STANDARD.encode(v.expose()))))
            .collect();
        let none = encoded.is_empty();
        set(object, "data", Value::Object(encoded), none);
        if let Some(kind) = &wanted.kind {
            object.insert("type".into(), json!(kind));
        }
        if sync.immutable {
            object.insert("immutable".into(), Value::Bool(true));
        }
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

fn strings(object: &Value, map: &str) -> BTreeMap<String, String> {
    let map = object.get("metadata").and_then(|m| m.get(map));
    map.and_then(Value::as_object)
        .into_iter()
        .flatten()
        .filter_map(|(k, v)| Some((k.clone(), v.as_str()?.to_owned())))
        .collect()
}

fn owners(object: &Value, sync: &Sync<'_>, owner: bool) -> Vec<Value> {
    let present = object
        .pointer("/metadata/ownerReferences")
        .and_then(Value::as_array);
    let mut owners: Vec<Value> = present.cloned().unwrap_or_default();
    let ours = |o: &Value| {
        o.get("kind").and_then(Value::as_str) == Some("ExternalSecret")
            && o.get("name").and_then(Value::as_str) == Some(sync.name)
    };
    let reference = json!({
        "apiVersion": API_VERSION,
        "kind": "ExternalSecret",
        "name": sync.name,
        "uid": sync.uid,
        "controller": true,
        "blockOwnerDeletion": true,
    });
    if !owner {
        owners.retain(|o| !ours(o));
    } else if let Some(own) = owners.iter_mut().find(|o| ours(o)) {
        *own = reference;
    } else {
        owners.push(reference);
    }
    owners
}

fn finalizers(object: &Value, wanted: &Wanted) -> Vec<String> {
    let present = object.pointer("/metadata/finalizers").and_then(Value::as_array);
    let mut all: Vec<String> = present
        .into_iter()
        .flatten()
        .filter_map(|f| f.as_str().map(str::to_owned))
        .collect();
    for finalizer in &wanted.finalizers {
        if !all.contains(finalizer) {
            all.push(finalizer.clone());
        }
    }
    all
}

/// The fields that the ExternalSecret's own manager wrote with earlier updates.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct OwnFields {
    data: BTreeSet<String>,
    labels: BTreeSet<String>,
    annotations: BTreeSet<String>,
}

impl OwnFields {
    fn of(object: &Value, manager: &str) -> Self {
        let mut own = Self::default();
        let entries = object.pointer("/metadata/managedFields").and_then(Value::as_array);
        for entry in entries.into_iter().flatten() {
            let field = |name: &str| entry.get(name).and_then(Value::as_str);
            let subresource = field("subresource").unwrap_or_default();
            if field("manager") != Some(manager)
                || field("operation") != Some("Update")
                || !subresource.is_empty()
            {
                continue;
            }
            let fields = entry.get("fieldsV1");
            let names = |path: &[&str]| {
                let mut at = fields;
                for step in path {
                    at = at.and_then(|v| v.get(*step));
                }
                at.and_then(Value::as_object)
                    .into_iter()
                    .flatten()
                    .filter_map(|(key, _)| Some(key.strip_prefix("f:")?.to_owned()))
                    .collect::<Vec<_>>()
            };
            own.data.extend(names(&["f:data"]));
            own.labels.extend(names(&["f:metadata", "f:labels"]));
            own.annotations.extend(names(&["f:metadata", "f:annotations"]));
        }
        own
    }
}

#[cfg(test)]
mod tests;

//! Object metadata: what the server sets, what a write may not change, what is valid.

use serde_json::{Value, json};

use super::names;
use super::object::{self, Object, meta, metadata_mut};
use super::resource::Resource;
use super::status::{Cause, Status, forbidden_field, invalid_value, required, too_long};

/// Most bytes that all annotations of one object may have.
const ANNOTATIONS: usize = 256 * 1024;

/// Sets what a new object gets from the server.
///
/// # Errors
/// For a resource version, or neither name nor generateName.
pub fn begin(resource: &Resource, value: &mut Value, now: &str) -> Result<(), Status> {
    let version = meta(value, "resourceVersion");
    if !matches!(version, "" | "0") {
        return Err(Status::new(
            500,
            "",
            "resourceVersion should not be set on objects to be created",
        ));
    }
    if meta(value, "name").is_empty() {
        let prefix = meta(value, "generateName").to_owned();
        if !prefix.is_empty() {
            let kept: String = prefix.chars().take(58).collect();
            object::set_meta(value, "name", format!("{kept}{}", suffix()));
        }
    }
    if resource.status && resource.custom.is_some() {
        object::unset(value, "status");
    }
    let Some(map) = metadata_mut(value) else {
        return Ok(());
    };
    for field in [
        "resourceVersion",
        "selfLink",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "generation",
        "managedFields",
    ] {
        // Server-side apply brings its own managed fields.
        if field != "managedFields"
            || map
                .get(field)
                .is_none_or(|m| m.as_array().is_none_or(Vec::is_empty))
        {
            map.remove(field);
        }
    }
    map.retain(|_, v| !v.is_null());
    map.insert("uid".into(), super::uid().into());
    map.insert("creationTimestamp".into(), now.into());
    if resource.generation {
        map.insert("generation".into(), 1.into());
    }
    Ok(())
}

/// Five characters as the API draws them: no vowels, nothing easily mistaken.
fn suffix() -> String {
    const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
    let bytes: [u8; 5] = rand::random();
    bytes
        .iter()
        .filter_map(|b| LETTERS.get(usize::from(*b) % LETTERS.len()))
        .map(|&b| char::from(b))
        .collect()
}

/// Carries over what an update cannot change.
///
/// # Errors
/// 409 for another uid.
pub fn carry(resource: &Resource, old: &Object, new: &mut Value) -> Result<(), Status> {
    let uid = meta(new, "uid");
    if !uid.is_empty() && uid != old.uid() {
        let mut place = format!("{}/{}", resource.plural, old.namespace());
        if !resource.group.is_empty() && resource.custom.is_some() {
            place = format!("{}/{place}", resource.group);
        }
        let why = format!(
            "StorageError: invalid object, Code: 4, Key: /registry/{}/{}, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in precondition: {uid}, UID in object meta: {}",
            place.trim_end_matches('/'),
            old.name(),
            old.uid()
        );
        return Err(Status::conflict(
            &resource.group,
            &resource.plural,
            old.name(),
            why,
        ));
    }
    let before = old.value().get("metadata");
    let Some(map) = metadata_mut(new) else {
        return Ok(());
    };
    for field in [
        "uid",
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "generation",
        "resourceVersion",
        "generateName",
    ] {
        match before.and_then(|m| m.get(field)) {
            Some(kept) => {
                if map.get(field) != Some(kept) {
                    map.insert(field.into(), kept.clone());
                }
            }
            None => drop(map.remove(field)),
        }
    }
    map.remove("selfLink");
    let managed = before.and_then(|m| m.get("managedFields"));
    if let (None, Some(kept)) = (map.get("managedFields"), managed) {
        map.insert("managedFields".into(), kept.clone());
    }
    for field in ["labels", "annotations", "finalizers", "ownerReferences"] {
        let empty = match map.get(field) {
            Some(Value::Null) => true,
            Some(Value::Array(list)) => list.is_empty(),
            Some(Value::Object(entries)) => entries.is_empty() && resource.custom.is_none(),
            _ => false,
        };
        if empty {
            map.remove(field);
        }
    }
    Ok(())
}

/// Whether an update changes what the generation counts: anything but metadata and status.
#[must_use]
pub fn is_new_generation(resource: &Resource, old: &Value, new: &Value) -> bool {
    let deleting = object::is_terminating(new) && !object::is_terminating(old);
    let (Some(old), Some(new)) = (old.as_object(), new.as_object()) else {
        return false;
    };
    let counts = |key: &str| key != "metadata" && !(key == "status" && resource.status);
    let differs = old.iter().any(|(k, v)| counts(k) && new.get(k) != Some(v));
    deleting || differs || new.keys().any(|k| counts(k) && !old.contains_key(k))
}

/// What is wrong with an object's metadata.
#[must_use]
pub fn validate(resource: &Resource, value: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    let (name, prefix) = (meta(value, "name"), meta(value, "generateName"));
    // The prefix may end in a dash, which what follows makes valid.
    if !prefix.is_empty()
        && let Some(why) = name_rule(resource)(&format!("{}a", prefix.trim_end_matches('-')))
    {
        causes.push(invalid_value("metadata.generateName", &json!(prefix), why));
    }
    if name.is_empty() {
        causes.push(required(
            "metadata.name",
            "name or generateName is required",
        ));
    } else if let Some(why) = name_rule(resource)(name) {
        causes.push(invalid_value("metadata.name", &json!(name), why));
    }
    let Some(metadata) = value.get("metadata") else {
        return causes;
    };
    labels(metadata.get("labels"), &mut causes);
    annotations(metadata.get("annotations"), &mut causes);
    owners(metadata, &mut causes);
    // Only the built-in kinds insist on a slash.
    let is_core = resource.custom.is_none() && &*resource.group != "apiextensions.k8s.io";
    for (at, finalizer) in object::finalizers(value).enumerate() {
        let field = format!("metadata.finalizers[{at}]");
        if let Some(why) = names::label_key(finalizer) {
            causes.push(invalid_value("metadata.finalizers", &json!(finalizer), why));
        } else if is_core
            && !finalizer.contains('/')
            && !matches!(finalizer, "orphan" | "foregroundDeletion" | "kubernetes")
        {
            causes.push(invalid_value(
                field,
                &json!(finalizer),
                "name is neither a standard finalizer name nor is it fully qualified",
            ));
        }
    }
    causes
}

fn name_rule(resource: &Resource) -> fn(&str) -> Option<String> {
    match (&*resource.group, &*resource.plural) {
        ("", "namespaces" | "services") => names::dns_label,
        ("rbac.authorization.k8s.io", _) => names::path_segment,
        _ => names::dns_subdomain,
    }
}

fn labels(labels: Option<&Value>, causes: &mut Vec<Cause>) {
    for (key, value) in labels.and_then(Value::as_object).into_iter().flatten() {
        if let Some(why) = names::label_key(key) {
            causes.push(invalid_value("metadata.labels", &json!(key), why));
        }
        match value.as_str() {
            Some(text) => {
                if let Some(why) = names::label_value(text) {
                    causes.push(invalid_value("metadata.labels", value, why));
                }
            }
            None => causes.push(invalid_value("metadata.labels", value, "must be a string")),
        }
    }
}

fn annotations(annotations: Option<&Value>, causes: &mut Vec<Cause>) {
    let mut total = 0;
    for (key, value) in annotations.and_then(Value::as_object).into_iter().flatten() {
        if let Some(why) = names::label_key(&key.to_ascii_lowercase()) {
            causes.push(invalid_value("metadata.annotations", &json!(key), why));
        }
        match value.as_str() {
            Some(text) => total += key.len() + text.len(),
            None => causes.push(invalid_value(
                "metadata.annotations",
                value,
                "must be a string",
            )),
        }
    }
    if total > ANNOTATIONS {
        causes.push(too_long("metadata.annotations", ANNOTATIONS));
    }
}

fn owners(metadata: &Value, causes: &mut Vec<Cause>) {
    let mut controller: Option<String> = None;
    for (at, owner) in object::items(metadata, "ownerReferences").enumerate() {
        for field in ["apiVersion", "kind", "name", "uid"] {
            if object::text(owner, field).is_empty() {
                let field = format!("metadata.ownerReferences[{at}].{field}");
                causes.push(required(field, "must not be empty"));
            }
        }
        if owner.get("controller").and_then(Value::as_bool) == Some(true) {
            let name = object::text(owner, "name").to_owned();
            if let Some(first) = &controller {
                let why = format!(
                    "Only one reference can have Controller set to true. Found \"true\" in references for {first} and {name}"
                );
                causes.push(invalid_value("metadata.ownerReferences", &json!(null), why));
            }
            controller = Some(name);
        }
    }
}

/// A change of a field that must stay.
#[must_use]
pub fn immutable(field: &str, value: &Value) -> Cause {
    invalid_value(field, value, "field is immutable")
}

/// A change that immutable Secrets and ConfigMaps refuse.
#[must_use]
pub fn sealed(field: &str) -> Cause {
    forbidden_field(field, "field is immutable when `immutable` is set")
}

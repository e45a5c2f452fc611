//! The object as it ought to be, given what exists.

use std::collections::BTreeSet;

use keyless_api::constants::{annotation, label};
use keyless_api::{CreationPolicy, ExternalSecretSpec};
use serde_json::{Map, Value, json};

use super::{ManifestContent, ManifestError, TargetKind, Texts};
use crate::hash::{created_by, field_manager, value_hash};
use crate::managed_fields::{managed_keys, managed_members};
use crate::wanted::{OwnerReference, Writer, owner_references};

/// How many elements the lists of one object may grow by. Far beyond what an API server stores.
const MAX_GROWTH: usize = 100_000;

/// The target `name` of `writer`, in the writer's namespace, with `content`.
///
/// Of an existing object owners, finalizers, and labels and annotations of others are kept. Under
/// the policies Merge and CreateOrMerge everything else is kept too, but for the members of
/// `data` and `spec.data` that the writer wrote before; under Owner and Orphan only the content
/// counts. For the policy Merge and no existing target there is nothing to write; the caller does
/// not ask. Under the policy None it does not ask either.
///
/// # Errors
/// The target belongs to someone else, or a value does not fit into it.
pub fn wanted(
    writer: &Writer,
    spec: &ExternalSecretSpec,
    kind: &TargetKind,
    name: &str,
    content: &ManifestContent,
    existing: Option<&Value>,
) -> Result<Value, ManifestError> {
    let policy = spec.creation_policy();
    let owned = policy == CreationPolicy::Owner;
    let shared = matches!(
        policy,
        CreationPolicy::Merge | CreationPolicy::CreateOrMerge
    );
    let mut object = match existing {
        Some(existing) if shared => existing.clone(),
        Some(existing) => emptied(existing, kind),
        None => json!({}),
    };
    let managed = list(&object, "managedFields");
    let manager = field_manager(&writer.name);
    if existing.is_none() || !shared {
        fill(
            &mut object,
            if kind.is_config_map() { "data" } else { "spec" },
        );
    } else {
        let own = managed_keys(&managed, &manager).data;
        forget(object.get_mut("data"), &own);
        let own = managed_members(&managed, &manager, &["f:spec", "f:data"]);
        forget(object.pointer_mut("/spec/data"), &own);
    }
    let labels = texts(&object, "labels");
    let annotations = texts(&object, "annotations");
    let references = list(&object, "ownerReferences")
        .into_iter()
        .filter_map(|value| serde_json::from_value::<OwnerReference>(value).ok())
        .collect::<Vec<_>>();
    let references =
        owner_references(writer, &references, owned).map_err(ManifestError::Ownership)?;
    let own = managed_keys(&managed, &manager);
    // Placed below metadata are labels and annotations only; they join those of the content.
    let mut placed = json!({"metadata": {"labels": {}, "annotations": {}}});
    let mut budget = MAX_GROWTH;
    for placement in &content.placements {
        let into = match placement.is_metadata() {
            true => &mut placed,
            false => &mut object,
        };
        placement.apply(into, &mut budget)?;
    }
    let mut labels: Texts = keep(labels, &own.labels);
    labels.extend(texts(&placed, "labels"));
    labels.extend(content.labels.clone());
    match owned {
        true => {
            let creator = created_by(&writer.namespace, &writer.name);
            labels.insert(label::CREATED_BY.to_owned(), creator);
        }
        false => {
            labels.remove(label::CREATED_BY);
        }
    }
    let managed_value = label::MANAGED_VALUE.to_owned();
    labels.insert(label::MANAGED.to_owned(), managed_value);
    let mut annotations: Texts = keep(annotations, &own.annotations);
    annotations.extend(texts(&placed, "annotations"));
    annotations.extend(content.annotations.clone());
    let hash = content_hash(kind, &object).ok_or_else(|| ManifestError::NoContent {
        kind: kind.kind().to_owned(),
        name: name.to_owned(),
    })?;
    annotations.insert(annotation::DATA_HASH.to_owned(), hash);
    let mut finalizers = list(&object, "finalizers");
    for finalizer in &content.finalizers {
        if !finalizers.iter().any(|known| known == finalizer) {
            finalizers.push(json!(finalizer));
        }
    }
    let fields = [
        ("name", json!(name)),
        ("namespace", json!(writer.namespace)),
        ("labels", json!(labels)),
        ("annotations", json!(annotations)),
        ("ownerReferences", json!(references)),
        ("finalizers", Value::Array(finalizers)),
    ];
    identify(&mut object, kind, fields);
    Ok(object)
}

/// Whether an object given as JSON is managed and its content has the hash of its annotation.
#[must_use]
pub fn is_valid(kind: &TargetKind, object: &Value) -> bool {
    let noted = texts(object, "annotations").remove(annotation::DATA_HASH);
    is_managed(object) && noted.is_some() && noted == content_hash(kind, object)
}

/// Whether an object given as JSON carries the managed label.
#[must_use]
pub fn is_managed(object: &Value) -> bool {
    let managed = texts(object, "labels").remove(label::MANAGED);
    managed.as_deref() == Some(label::MANAGED_VALUE)
}

/// The hash of an object's `spec`, or of its `data` if it has none; none if it has neither. A
/// ConfigMap always has data, if only empty.
#[must_use]
pub fn content_hash(kind: &TargetKind, object: &Value) -> Option<String> {
    let field = |name: &str| object.get(name).filter(|value| !value.is_null());
    match field("spec").or_else(|| field("data")) {
        Some(content) => Some(value_hash(content)),
        None if kind.is_config_map() => Some(value_hash(&json!({}))),
        None => None,
    }
}

/// What stays of an object whose content is the writer's alone: what identifies it, and what its
/// own controller says. An immutable ConfigMap cannot become another.
fn emptied(existing: &Value, kind: &TargetKind) -> Value {
    let mut object = existing.clone();
    if let Some(fields) = object.as_object_mut() {
        fields.retain(|name, _| {
            matches!(name.as_str(), "apiVersion" | "kind" | "metadata" | "status")
                || (kind.is_config_map() && name == "immutable")
        });
    }
    object
}

fn fill(object: &mut Value, field: &str) {
    if let Some(fields) = object.as_object_mut() {
        fields.insert(field.to_owned(), json!({}));
    }
}

fn forget(members: Option<&mut Value>, own: &BTreeSet<String>) {
    if let Some(members) = members.and_then(Value::as_object_mut) {
        members.retain(|key, _| !own.contains(key));
    }
}

fn keep(texts: Texts, own: &BTreeSet<String>) -> Texts {
    texts
        .into_iter()
        .filter(|(key, _)| !own.contains(key))
        .collect()
}

/// Kind, name, place and metadata: last, so that nothing placed before can change them. An empty
/// field is left out: that is how the API server stores it.
fn identify<const N: usize>(object: &mut Value, kind: &TargetKind, fields: [(&str, Value); N]) {
    let Some(object) = object.as_object_mut() else {
        return;
    };
    object.insert("apiVersion".to_owned(), json!(kind.api_version()));
    object.insert("kind".to_owned(), json!(kind.kind()));
    if kind.is_config_map() && object.get("data") == Some(&json!({})) {
        object.remove("data");
    }
    let metadata = object
        .entry("metadata")
        .or_insert_with(|| Value::Object(Map::new()));
    let Some(metadata) = metadata.as_object_mut() else {
        return;
    };
    for (name, value) in fields {
        let empty = value.as_array().is_some_and(Vec::is_empty)
            || value.as_object().is_some_and(Map::is_empty);
        if empty {
            metadata.remove(name);
        } else {
            metadata.insert(name.to_owned(), value);
        }
    }
}

fn list(object: &Value, field: &str) -> Vec<Value> {
    let field = object.get("metadata").and_then(|m| m.get(field));
    field.and_then(Value::as_array).cloned().unwrap_or_default()
}

fn texts(object: &Value, field: &str) -> Texts {
    let field = object.get("metadata").and_then(|m| m.get(field));
    field
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
        .collect()
}

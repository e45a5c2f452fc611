//! What is special about the built-in kinds: preparation, pruning, validation.
//!
//! Owns: one small module for each kind that has rules of its own. Refuses: schemas of custom
//! resources, which `schema` judges.

mod crd;
mod data;
mod role;

use serde_json::{Value, json};

use super::object::{self, items, meta, set, text};
use super::resource::Resource;
use super::status::{Cause, Status};

pub use crd::CLEANUP;
pub use data::json_type;

/// Fields of an object's metadata that the API knows.
const METADATA: &[&str] = &[
    "annotations",
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "finalizers",
    "generateName",
    "generation",
    "labels",
    "managedFields",
    "name",
    "namespace",
    "ownerReferences",
    "resourceVersion",
    "selfLink",
    "uid",
];

/// Fields of the simple kinds beside apiVersion, kind and metadata.
fn known(resource: &Resource) -> Option<&'static [&'static str]> {
    Some(match (&*resource.group, &*resource.plural) {
        ("", "secrets") => &["data", "immutable", "stringData", "type"],
        ("", "configmaps") => &["binaryData", "data", "immutable"],
        ("", "serviceaccounts") => &[
            "automountServiceAccountToken",
            "imagePullSecrets",
            "secrets",
        ],
        ("", "endpoints") => &["subsets"],
        ("discovery.k8s.io", _) => &["addressType", "endpoints", "ports"],
        ("rbac.authorization.k8s.io", "roles") => &["rules"],
        ("rbac.authorization.k8s.io", "clusterroles") => &["aggregationRule", "rules"],
        ("rbac.authorization.k8s.io", _) => &["roleRef", "subjects"],
        ("admissionregistration.k8s.io", _) => &["webhooks"],
        ("", "events") | ("events.k8s.io", _) => return None,
        _ => &["spec", "status"],
    })
}

/// Checks a request's body against what the kind can hold and drops what it does not know.
///
/// # Errors
/// 400 for values of the wrong type.
pub fn decode(resource: &Resource, body: &mut Value) -> Result<Vec<String>, Status> {
    let mut dropped = Vec::new();
    if let Some(metadata) = object::metadata_mut(body) {
        metadata.retain(|key, _| {
            METADATA.contains(&key.as_str()) || {
                dropped.push(format!("metadata.{key}"));
                false
            }
        });
    }
    metadata_types(resource, body)?;
    if resource.custom.is_some() {
        return Ok(dropped);
    }
    if let (Some(known), Some(map)) = (known(resource), body.as_object_mut()) {
        map.retain(|key, _| {
            let keep = matches!(key.as_str(), "apiVersion" | "kind" | "metadata")
                || known.contains(&key.as_str());
            if !keep {
                dropped.push(key.clone());
            }
            keep
        });
    }
    data::decode(resource, body)?;
    Ok(dropped)
}

/// Labels and annotations hold strings only.
fn metadata_types(resource: &Resource, body: &Value) -> Result<(), Status> {
    for field in ["labels", "annotations"] {
        let Some(map) = body.get("metadata").and_then(|m| m.get(field)) else {
            continue;
        };
        let values = map.as_object().into_iter().flatten().map(|(_, v)| v);
        let wrong = values.filter(|v| !v.is_string() && !v.is_null());
        let wrong = wrong
            .chain(Some(map).filter(|m| !m.is_object() && !m.is_null()))
            .next();
        if let Some(value) = wrong {
            let (kind, version, found) =
                (&resource.kind, &resource.version, data::json_type(value));
            return Err(Status::bad_request(format!(
                "{kind} in version \"{version}\" cannot be handled as a {kind}: json: cannot unmarshal {found} into Go struct field ObjectMeta.metadata.{field} of type string"
            )));
        }
    }
    Ok(())
}

/// Fills in what decoding fills in; a client that sends it owns it.
pub fn default(resource: &Resource, new: &mut Value) {
    match (&*resource.group, &*resource.plural) {
        ("", "secrets") => data::default_secret(new),
        ("", "namespaces") => label_namespace(new),
        ("", "pods") => default_pod(new),
        ("apiextensions.k8s.io", _) => crd::default(new),
        ("rbac.authorization.k8s.io", plural) => role::default(plural, new),
        ("admissionregistration.k8s.io", _) => super::admission::prepare(new),
        _ => {}
    }
}

/// Sets what only the server sets in a new or changed object.
pub fn prepare(
    resource: &Resource,
    new: &mut Value,
    old: Option<&Value>,
    subresource: &str,
    now: &str,
) {
    match (&*resource.group, &*resource.plural) {
        ("", "namespaces") => namespace(new, old, subresource),
        ("", "pods") if old.is_none() => {
            set(
                new,
                "status",
                json!({"phase": "Pending", "qosClass": "BestEffort"}),
            );
        }
        ("apiextensions.k8s.io", _) => crd::prepare(new, old, now),
        ("apps", "deployments") if old.is_none() => set(new, "status", json!({})),
        ("", "services") if old.is_none() => set(new, "status", json!({"loadBalancer": {}})),
        _ => {}
    }
}

/// What is wrong with an object.
#[must_use]
pub fn validate(resource: &Resource, new: &Value, old: Option<&Value>) -> Vec<Cause> {
    match (&*resource.group, &*resource.plural) {
        ("", "secrets") => data::validate_secret(new, old),
        ("", "configmaps") => data::validate_config_map(new, old),
        ("apiextensions.k8s.io", _) => crd::validate(new, old),
        ("rbac.authorization.k8s.io", plural) => role::validate(plural, new, old),
        _ => Vec::new(),
    }
}

/// Whether `PUT` may create an object of this kind.
#[must_use]
pub fn may_create_on_update(resource: &Resource) -> bool {
    matches!(
        (&*resource.group, &*resource.plural),
        ("" | "events.k8s.io", "events" | "endpoints" | "services")
            | ("coordination.k8s.io" | "rbac.authorization.k8s.io", _)
    )
}

/// Whether `PUT` may overwrite an object without naming the version it has seen.
#[must_use]
pub fn may_update_blindly(resource: &Resource) -> bool {
    let careful = matches!(
        &*resource.group,
        "coordination.k8s.io" | "apiextensions.k8s.io" | "admissionregistration.k8s.io"
    );
    resource.custom.is_none() && !careful
}

/// Whether a terminating object must stay for another reason than its finalizers.
#[must_use]
pub fn is_held(resource: &Resource, value: &Value) -> bool {
    resource.is("", "namespaces")
        && value
            .get("spec")
            .is_some_and(|s| items(s, "finalizers").next().is_some())
}

/// Whether a completed delete answers with the object instead of a Status.
#[must_use]
pub fn answers_deleted_object(resource: &Resource) -> bool {
    matches!(
        (&*resource.group, &*resource.plural),
        ("", "serviceaccounts" | "pods" | "services")
    )
}

fn label_namespace(new: &mut Value) {
    let name = meta(new, "name").to_owned();
    if name.is_empty() {
        return;
    }
    if let Some(metadata) = object::metadata_mut(new) {
        let labels = metadata.entry("labels").or_insert_with(|| json!({}));
        set(labels, "kubernetes.io/metadata.name", name);
    }
}

fn namespace(new: &mut Value, old: Option<&Value>, subresource: &str) {
    match old {
        None => {
            set(new, "spec", json!({"finalizers": ["kubernetes"]}));
            set(new, "status", json!({"phase": "Active"}));
        }
        Some(old) if subresource != "finalize" => {
            set(new, "spec", old.get("spec").cloned().unwrap_or_default());
        }
        Some(_) => {}
    }
}

fn default_pod(new: &mut Value) {
    let Some(spec) = new.get_mut("spec") else {
        return;
    };
    for (field, value) in [
        ("restartPolicy", "Always"),
        ("serviceAccountName", "default"),
        ("dnsPolicy", "ClusterFirst"),
        ("schedulerName", "default-scheduler"),
    ] {
        if text(spec, field).is_empty() {
            set(spec, field, value);
        }
    }
    let account = text(spec, "serviceAccountName").to_owned();
    set(spec, "serviceAccount", account);
}

//! Namespaces: what they are furnished with, what they refuse, how they are emptied.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::{amend, delete};
use crate::kube::object::{self, Object, text};
use crate::kube::resource::Resource;
use crate::kube::server::App;
use crate::kube::status::Status;
use crate::kube::store::{Bucket, Key};
use crate::kube::{access, rbac};

/// Namespaces that always exist.
pub const SYSTEM: &[&str] = &["default", "kube-system", "kube-public", "kube-node-lease"];

fn bucket() -> Bucket {
    Bucket::new("", "namespaces")
}

/// Whether the new object `name` may come into `namespace`.
///
/// # Errors
/// 404 when it does not exist, 403 while it ends.
pub fn may_create_in(
    app: &App,
    resource: &Resource,
    namespace: &str,
    name: &str,
) -> Result<(), Status> {
    if !resource.namespaced {
        return Ok(());
    }
    let found = app
        .store
        .get(&bucket(), "", namespace)
        .ok_or_else(|| Status::not_found("", "namespaces", namespace))?;
    if !object::is_terminating(found.value()) {
        return Ok(());
    }
    let why = format!(
        "unable to create new content in namespace {namespace} because it is being terminated"
    );
    let cause = format!("namespace {namespace} is being terminated");
    Err(
        Status::forbidden(&resource.group, &resource.plural, name, why).with_cause(
            "NamespaceTerminating",
            cause,
            "metadata.namespace",
        ),
    )
}

/// Whether an object may be deleted at all.
///
/// # Errors
/// 403 for the namespaces that always exist.
pub fn may_delete(resource: &Resource, object: &Object) -> Result<(), Status> {
    if resource.is("", "namespaces")
        && matches!(object.name(), "default" | "kube-system" | "kube-public")
    {
        return Err(Status::forbidden(
            "",
            "namespaces",
            object.name(),
            "this namespace may not be deleted",
        ));
    }
    Ok(())
}

/// Makes what every namespace has: the default service account and the cluster's certificate.
pub(super) fn furnish(app: &Arc<App>, namespace: &str) {
    let metadata = |name: &str| json!({"name": name, "namespace": namespace, "uid": crate::kube::uid(), "creationTimestamp": app.now()});
    let account =
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata("default")});
    let mut certificate = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata("kube-root-ca.crt"), "data": {"ca.crt": app.ca_pem}});
    let note = "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes clusters.";
    object::set_meta(
        &mut certificate,
        "annotations",
        json!({"kubernetes.io/description": note}),
    );
    let _ = app
        .store
        .create(&Bucket::new("", "serviceaccounts"), account);
    let _ = app
        .store
        .create(&Bucket::new("", "configmaps"), certificate);
}

/// Makes again what was deleted, as long as the namespace is to stay.
pub(super) fn refurnish(app: &Arc<App>, namespace: &str) {
    if app
        .store
        .get(&bucket(), "", namespace)
        .is_some_and(|n| !object::is_terminating(n.value()))
    {
        furnish(app, namespace);
    }
}

/// Makes what always exists: namespaces, default roles and bindings.
pub fn found(app: &Arc<App>) {
    for name in SYSTEM {
        let value = json!({"apiVersion": "v1", "kind": "Namespace",
            "metadata": {"name": name, "uid": crate::kube::uid(), "creationTimestamp": app.now(), "labels": {"kubernetes.io/metadata.name": name}},
            "spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"}});
        let _ = app.store.create(&bucket(), value);
        furnish(app, name);
    }
    let (roles, bindings) = rbac::default_objects();
    for mut object in roles.into_iter().chain(bindings) {
        let plural = format!("{}s", text(&object, "kind").to_lowercase());
        object::set_meta(&mut object, "uid", crate::kube::uid());
        object::set_meta(&mut object, "creationTimestamp", app.now());
        let _ = app
            .store
            .create(&Bucket::new(access::GROUP, &plural), object);
    }
}

/// Deletes a terminating namespace's content; the namespace goes when nothing is left.
pub(super) fn empty(app: &Arc<App>, namespace: &Arc<Object>) -> bool {
    let name = namespace.name();
    let mut left: BTreeMap<String, usize> = BTreeMap::new();
    let mut held: BTreeMap<String, usize> = BTreeMap::new();
    let catalogue = app.registry.catalogue();
    for bucket in app.store.buckets() {
        let Some(resource) = catalogue.by_bucket(&bucket).filter(|r| r.namespaced) else {
            continue;
        };
        for object in app.store.list(&bucket, Some(name)).0 {
            if !object::is_terminating(object.value()) {
                delete(app, &resource, &object, "Background");
            }
            if let Some(object) = app.store.get(&bucket, name, object.name()) {
                *left
                    .entry(format!("{}.{}", bucket.plural, bucket.group))
                    .or_default() += 1;
                for finalizer in object::finalizers(object.value()) {
                    *held.entry(finalizer.to_owned()).or_default() += 1;
                }
            }
        }
    }
    let key = Key {
        bucket: bucket(),
        namespace: String::new(),
        name: name.to_owned(),
    };
    if left.is_empty() {
        amend(app, &key, |value| {
            object::set(value, "spec", json!({}));
            true
        });
        return true;
    }
    let now = app.now();
    amend(app, &key, |value| remaining(value, &left, &held, &now));
    false
}

/// Says in the status what is left; false when it says so already.
fn remaining(
    value: &mut Value,
    left: &BTreeMap<String, usize>,
    held: &BTreeMap<String, usize>,
    now: &str,
) -> bool {
    let list = |map: &BTreeMap<String, usize>, what: &str| {
        map.iter()
            .map(|(name, n)| format!("{name} {what} {n} resource instances"))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let content = format!("Some resources are remaining: {}", list(left, "has"));
    let finalizers = format!(
        "Some content in the namespace has finalizers remaining: {}",
        list(held, "in")
    );
    let before = value
        .pointer("/status/conditions")
        .cloned()
        .unwrap_or_default();
    let mut conditions = Vec::new();
    for (kind, status, reason, message) in [
        (
            "NamespaceDeletionDiscoveryFailure",
            "False",
            "ResourcesDiscovered",
            "All resources successfully discovered".to_owned(),
        ),
        (
            "NamespaceDeletionGroupVersionParsingFailure",
            "False",
            "ParsedGroupVersions",
            "All legacy kube types successfully parsed".to_owned(),
        ),
        (
            "NamespaceDeletionContentFailure",
            "False",
            "ContentDeleted",
            "All content successfully deleted, may be waiting on finalization".to_owned(),
        ),
        (
            "NamespaceContentRemaining",
            "True",
            "SomeResourcesRemain",
            content,
        ),
        (
            "NamespaceFinalizersRemaining",
            if held.is_empty() { "False" } else { "True" },
            if held.is_empty() {
                "ContentHasNoFinalizers"
            } else {
                "SomeFinalizersRemain"
            },
            finalizers,
        ),
    ] {
        let known = before
            .as_array()
            .into_iter()
            .flatten()
            .find(|c| text(c, "type") == kind && text(c, "status") == status);
        let since = known.map_or(now, |c| text(c, "lastTransitionTime"));
        conditions.push(json!({"type": kind, "status": status, "reason": reason, "message": message, "lastTransitionTime": since}));
    }
    let conditions = Value::Array(conditions);
    if conditions == before {
        return false;
    }
    value.get_mut("status").is_some_and(|status| {
        object::set(status, "conditions", conditions);
        true
    })
}

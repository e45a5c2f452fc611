//! The garbage collector: dependents of what is gone, and finalizers that are the server's own.

use std::collections::HashSet;
use std::sync::{Arc, PoisonError};

use serde_json::Value;

use super::{FOREGROUND, ORPHAN, amend, delete, namespace, release};
use crate::kube::kinds;
use crate::kube::object::{self, Object, items, text};
use crate::kube::server::App;
use crate::kube::store::{Key, owners};

/// One look at everything pending; true when it changed anything.
pub(super) fn pass(app: &Arc<App>) -> bool {
    let start = app.store.version();
    for gone in app.store.take_removed() {
        for (key, dependent) in app.store.dependents(gone.uid()) {
            bereaved(app, &key, &dependent);
        }
    }
    let pending: HashSet<Key> = app
        .pending
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .drain(..)
        .collect();
    let mut unfinished = Vec::new();
    for key in pending {
        if let Some(object) = app.store.get(&key.bucket, &key.namespace, &key.name)
            && !settle(app, &key, &object)
        {
            unfinished.push(key);
        }
    }
    app.pending
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .extend(unfinished);
    app.store.version() != start
}

/// Whether nothing more is to be done for this object.
fn settle(app: &Arc<App>, key: &Key, object: &Arc<Object>) -> bool {
    let value = object.value();
    if owners(value).next().is_some() && !object::is_terminating(value) {
        bereaved(app, key, object);
        return true;
    }
    if !object::is_terminating(value) {
        return true;
    }
    for finalizer in object::finalizers(value) {
        match finalizer {
            ORPHAN => {
                for (dependent, _) in app.store.dependents(object.uid()) {
                    amend(app, &dependent, |v| disown(v, |uid| uid == object.uid()));
                }
                release(app, key, ORPHAN);
                return false;
            }
            FOREGROUND => return foreground(app, key, object),
            kinds::CLEANUP => return definition(app, key, object),
            _ => {}
        }
    }
    if &*key.bucket.plural == "namespaces" && key.bucket.group.is_empty() {
        return namespace::empty(app, object);
    }
    // Others' finalizers: the write that takes the last one ends the object.
    true
}

/// Deletes dependents; the owner goes when none that blocks is left.
fn foreground(app: &Arc<App>, key: &Key, object: &Arc<Object>) -> bool {
    let mut blocked = false;
    for (dependent, state) in app.store.dependents(object.uid()) {
        if !object::is_terminating(state.value()) {
            if owners(state.value())
                .any(|uid| uid != object.uid() && is_alive(app, &dependent, uid))
            {
                amend(app, &dependent, |v| disown(v, |uid| uid == object.uid()));
                continue;
            }
            if let Some(resource) = app.registry.catalogue().by_bucket(&dependent.bucket) {
                // Its own dependents may block it in turn.
                delete(app, &resource, &state, "Foreground");
            }
        }
        let references = state
            .value()
            .get("metadata")
            .into_iter()
            .flat_map(|m| items(m, "ownerReferences"));
        let blocks = |r: &Value| {
            text(r, "uid") == object.uid()
                && r.get("blockOwnerDeletion").and_then(Value::as_bool) == Some(true)
        };
        let still = app
            .store
            .get(&dependent.bucket, &dependent.namespace, &dependent.name)
            .is_some();
        blocked |= still && references.into_iter().any(blocks);
    }
    if !blocked {
        release(app, key, FOREGROUND);
    }
    false
}

/// Removes a definition's objects, then lets the definition go.
fn definition(app: &Arc<App>, key: &Key, object: &Arc<Object>) -> bool {
    let spec = object.value().get("spec");
    let names = spec.and_then(|s| s.get("names"));
    let bucket = crate::kube::store::Bucket::new(
        spec.map(|s| text(s, "group")).unwrap_or_default(),
        names.map(|n| text(n, "plural")).unwrap_or_default(),
    );
    let catalogue = app.registry.catalogue();
    let resource = catalogue.by_bucket(&bucket);
    for each in app.store.list(&bucket, None).0 {
        if let Some(resource) = &resource
            && !object::is_terminating(each.value())
        {
            delete(app, resource, &each, "Background");
        }
    }
    if app.store.list(&bucket, None).0.is_empty() || resource.is_none() {
        release(app, key, kinds::CLEANUP);
    }
    false
}

/// An object whose owner may be gone: it goes too, unless another owner lives.
fn bereaved(app: &Arc<App>, key: &Key, object: &Arc<Object>) {
    let (alive, dead): (Vec<&str>, Vec<&str>) =
        owners(object.value()).partition(|uid| is_alive(app, key, uid));
    if dead.is_empty() {
        return;
    }
    if alive.is_empty() {
        let Some(resource) = app.registry.catalogue().by_bucket(&key.bucket) else {
            return;
        };
        if !object::is_terminating(object.value())
            && delete(app, &resource, object, "Background").is_none()
        {
            // Changed in between: look again.
            app.pending
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(key.clone());
        }
        return;
    }
    amend(app, key, |value| disown(value, |uid| dead.contains(&uid)));
}

/// Whether an owner exists, in the cluster or in the dependent's own namespace.
fn is_alive(app: &App, dependent: &Key, uid: &str) -> bool {
    app.store.find(uid).is_some_and(|(owner, _)| {
        owner.namespace.is_empty() || owner.namespace == dependent.namespace
    })
}

/// Takes owner references out; false when there was none.
fn disown(value: &mut Value, gone: impl Fn(&str) -> bool) -> bool {
    let Some(metadata) = object::metadata_mut(value) else {
        return false;
    };
    let Some(list) = metadata
        .get_mut("ownerReferences")
        .and_then(Value::as_array_mut)
    else {
        return false;
    };
    let before = list.len();
    list.retain(|r| !gone(text(r, "uid")));
    let (after, changed) = (list.len(), list.len() != before);
    if after == 0 {
        metadata.remove("ownerReferences");
    }
    changed
}

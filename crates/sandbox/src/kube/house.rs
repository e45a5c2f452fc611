//! What keeps the house in order: namespaces' contents, deletion, and the garbage collector.
//!
//! Owns: the consequences of writes that no client sends. Refuses: answering requests.

mod collector;
mod namespace;

use std::sync::{Arc, PoisonError, Weak};
use std::time::Duration;

use serde_json::{Value, json};

pub use namespace::{found, may_create_in, may_delete};

use super::kinds;
use super::object::{self, Object};
use super::resource::{self, Resource};
use super::server::App;
use super::status::Status;
use super::store::{Bucket, Key, Refused};

/// Holds an owner until its dependents are gone.
pub const FOREGROUND: &str = "foregroundDeletion";
/// Holds an owner until its dependents are released.
pub const ORPHAN: &str = "orphan";

/// Bucket of custom resource definitions.
#[must_use]
pub fn definitions() -> Bucket {
    Bucket::new("apiextensions.k8s.io", "customresourcedefinitions")
}

/// Called after every write of an object.
pub fn written(
    app: &Arc<App>,
    resource: &Resource,
    object: &Arc<Object>,
    old: Option<&Arc<Object>>,
) {
    changed(app, resource);
    if old.is_none() && resource.is("", "namespaces") {
        namespace::furnish(app, object.name());
    }
    let value = object.value();
    let owned = super::store::owners(value).next().is_some();
    if owned || object::is_terminating(value) {
        let key = Key::of(&resource.bucket, value);
        app.pending
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(key);
        app.chores.notify_one();
    }
}

/// Called after an object is gone.
pub fn removed(app: &Arc<App>, resource: &Resource, gone: &Object) {
    changed(app, resource);
    if resource.is("", "serviceaccounts") || resource.is("", "configmaps") {
        namespace::refurnish(app, gone.namespace());
    }
    app.chores.notify_one();
}

/// Whether new objects of a custom resource may come.
///
/// # Errors
/// 403 while its definition ends.
pub fn may_create_of(app: &App, resource: &Resource, name: &str) -> Result<(), Status> {
    if resource.custom.is_none() {
        return Ok(());
    }
    let definition = format!("{}.{}", resource.plural, resource.group);
    match app.store.get(&definitions(), "", &definition) {
        Some(found) if object::is_terminating(found.value()) => {
            let why = "create not allowed while custom resource definition is terminating";
            Err(Status::forbidden(
                &resource.group,
                &resource.plural,
                name,
                why,
            ))
        }
        _ => Ok(()),
    }
}

/// Makes anew what is derived from stored objects.
fn changed(app: &Arc<App>, resource: &Resource) {
    match &*resource.group {
        super::access::GROUP => app.access.reset(),
        "apiextensions.k8s.io" => refresh(app),
        "admissionregistration.k8s.io" => app.webhooks.reset(),
        _ => {}
    }
}

/// Serves what the stored definitions say.
pub fn refresh(app: &App) {
    let (definitions, _) = app.store.list(&definitions(), None);
    app.registry.replace(
        definitions
            .iter()
            .flat_map(|crd| resource::resources(crd.value()))
            .collect(),
    );
}

/// Deletes `object` as of now, or begins to. The object and whether it is gone; `None` when
/// another write came between.
pub fn delete(
    app: &Arc<App>,
    resource: &Resource,
    object: &Arc<Object>,
    propagation: &str,
) -> Option<(Arc<Object>, bool)> {
    let mut finalizers: Vec<String> = object::finalizers(object.value())
        .map(str::to_owned)
        .collect();
    finalizers.retain(|f| {
        !(matches!(propagation, "Background" | "Foreground") && f == ORPHAN
            || matches!(propagation, "Background" | "Orphan") && f == FOREGROUND)
    });
    let wanted = match propagation {
        "Foreground" => Some(FOREGROUND),
        "Orphan" => Some(ORPHAN),
        _ => None,
    };
    if let Some(wanted) = wanted.filter(|w| !finalizers.iter().any(|f| f == w)) {
        finalizers.push(wanted.to_owned());
    }
    let key = Key::of(&resource.bucket, object.value());
    if finalizers.is_empty() && !kinds::is_held(resource, object.value()) {
        return match app.store.remove(&key, object.version()) {
            Ok(gone) => {
                removed(app, resource, &gone);
                Some((gone, true))
            }
            Err(_) => None,
        };
    }
    let mut new = object.value().clone();
    let same = object::finalizers(object.value()).eq(finalizers.iter().map(String::as_str));
    if object::is_terminating(&new) && same {
        return Some((Arc::clone(object), false));
    }
    begin_deletion(app, resource, &mut new);
    if finalizers.is_empty() {
        object::unset_meta(&mut new, "finalizers");
    } else {
        object::set_meta(&mut new, "finalizers", json!(finalizers));
    }
    match app.store.replace(&resource.bucket, object.version(), new) {
        Ok(marked) => {
            written(app, resource, &marked, Some(object));
            Some((marked, false))
        }
        Err(_) => None,
    }
}

fn begin_deletion(app: &App, resource: &Resource, new: &mut Value) {
    if object::is_terminating(new) {
        return;
    }
    object::set_meta(new, "deletionTimestamp", app.now());
    if !resource.is("", "namespaces")
        && !resource.is("apiextensions.k8s.io", "customresourcedefinitions")
    {
        object::set_meta(new, "deletionGracePeriodSeconds", 0);
    }
    if resource.generation && &*resource.group != "apiextensions.k8s.io" {
        let generation = new
            .pointer("/metadata/generation")
            .and_then(Value::as_i64)
            .unwrap_or(0);
        object::set_meta(new, "generation", generation + 1);
    }
    if resource.is("", "namespaces")
        && let Some(status) = new.get_mut("status")
    {
        object::set(status, "phase", "Terminating");
    }
}

/// Changes an object whatever comes between; nothing when it is gone or `change` says so.
pub(super) fn amend(
    app: &Arc<App>,
    key: &Key,
    change: impl Fn(&mut Value) -> bool,
) -> Option<Arc<Object>> {
    let resource = app.registry.catalogue().by_bucket(&key.bucket)?;
    loop {
        let old = app.store.get(&key.bucket, &key.namespace, &key.name)?;
        let mut new = old.value().clone();
        if !change(&mut new) {
            return Some(old);
        }
        let ends = object::is_terminating(&new)
            && object::finalizers(&new).next().is_none()
            && !kinds::is_held(&resource, &new);
        let done = if ends {
            app.store.remove(key, old.version())
        } else {
            app.store.replace(&key.bucket, old.version(), new)
        };
        match done {
            Ok(object) if ends => {
                removed(app, &resource, &object);
                return Some(object);
            }
            Ok(object) => {
                written(app, &resource, &object, Some(&old));
                return Some(object);
            }
            Err(Refused::Stale) => {}
            Err(_) => return None,
        }
    }
}

/// Takes a finalizer from an object.
pub(super) fn release(app: &Arc<App>, key: &Key, finalizer: &str) {
    amend(app, key, |value| {
        let kept: Vec<String> = object::finalizers(value)
            .filter(|f| *f != finalizer)
            .map(str::to_owned)
            .collect();
        if kept.len() == object::finalizers(value).count() {
            return false;
        }
        if kept.is_empty() {
            object::unset_meta(value, "finalizers");
        } else {
            object::set_meta(value, "finalizers", json!(kept));
        }
        true
    });
}

/// Does what is to be done until the server is gone.
pub async fn keep(app: Weak<App>) {
    loop {
        let Some(chores) = app.upgrade().map(|a| Arc::clone(&a.chores)) else {
            return;
        };
        let _ = tokio::time::timeout(Duration::from_secs(5), chores.notified()).await;
        let Some(app) = app.upgrade() else { return };
        if *app.stopped.borrow() {
            return;
        }
        // One pass may give cause for the next: owners of owners.
        while collector::pass(&app) {
            tokio::task::yield_now().await;
        }
    }
}

/// Looks at every object once: what a restart may have interrupted.
pub fn take_stock(app: &Arc<App>) {
    let mut pending = app.pending.lock().unwrap_or_else(PoisonError::into_inner);
    for bucket in app.store.buckets() {
        for object in app.store.list(&bucket, None).0 {
            if object::is_terminating(object.value())
                || super::store::owners(object.value()).next().is_some()
            {
                pending.push(Key::of(&bucket, object.value()));
            }
        }
    }
    drop(pending);
    app.chores.notify_one();
}

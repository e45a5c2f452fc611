//! The stores of an ExternalSecret: which may be used now, and what their answers mean for others.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::future::BoxFuture;
use keyless_api::SecretStoreSpec;
use keyless_fault::{Class, Fault, Link, ObjectRef};
use keyless_providers::{Error, StoreScope};

use super::fetch::{Opened, Stores};
use super::problem::{Failed, Problem};
use crate::context::Context;
use crate::judgement::{Scene, split_code};
use crate::object::{ObjectKey, Store, StoreKind};
use crate::schedule::circuit::Admission;
use crate::store::admission;

/// The stores of the operator's index.
#[derive(Debug)]
pub struct Watched<'a>(pub &'a Context);

impl Stores for Watched<'_> {
    fn open<'a>(
        &'a self,
        namespace: &'a str,
        key: &'a ObjectKey,
    ) -> BoxFuture<'a, Result<Opened, Failed>> {
        let context = self.0;
        Box::pin(async move {
            let spec = usable(context, namespace, key).map_err(|p| Failed::data(&p))?;
            let opened = context.backends.open(scope(namespace, key), &spec).await;
            let provider = opened.map_err(|error| {
                note(context, key, &[Err(&error)]);
                let scene = Scene {
                    store: key,
                    spec: &spec,
                    namespace,
                };
                Failed::read("", &error, &scene)
            })?;
            Ok(Opened::new(provider, spec))
        })
    }

    fn answered(&self, key: &ObjectKey, results: &[Result<(), &Error>]) {
        note(self.0, key, results);
    }
}

/// The use of a store by a reader in `namespace`.
#[must_use]
pub fn scope(namespace: &str, key: &ObjectKey) -> StoreScope {
    StoreScope {
        store: store_ref(key),
        consumer_namespace: Some(namespace.to_owned()),
    }
}

/// A store as errors name it.
#[must_use]
pub fn store_ref(key: &ObjectKey) -> ObjectRef {
    ObjectRef::new(StoreKind::of(key).as_str(), &*key.namespace, &*key.name)
}

/// The spec of `store` for a reader in `namespace`, which has these labels.
///
/// # Errors
/// The spec cannot be read, the store's conditions leave the namespace out, or it is not `ready`.
pub fn admitted(
    store: &Store,
    namespace: &str,
    labels: BTreeMap<String, String>,
    ready: bool,
) -> Result<SecretStoreSpec, Problem> {
    let name = store_ref(&store.key);
    let spec = match &store.spec {
        Ok(spec) => spec.clone(),
        Err(error) => {
            return Err(Problem::StoreSpec {
                store: name,
                reason: error.to_string(),
            });
        }
    };
    if store.key.namespace.is_empty() && !admission::admits(&spec, namespace, &labels) {
        return Err(Problem::StoreDenied {
            store: name,
            namespace: namespace.to_owned(),
        });
    }
    if ready {
        return Ok(spec);
    }
    let said = store.ready().filter(|c| !c.is_true());
    let said = said.and_then(|c| c.message.as_deref());
    let (reason, code) = said.map(split_code).unzip();
    Err(Problem::StoreNotReady {
        store: name,
        reason: reason.map(str::to_owned),
        code: code.unwrap_or_default(),
    })
}

fn usable(context: &Context, namespace: &str, key: &ObjectKey) -> Result<SecretStoreSpec, Problem> {
    let store = store_ref(key);
    let now = context.clock.elapsed();
    let mut state = context.state();
    let labels = state.index.namespace(namespace).map(|n| n.labels.clone());
    let Some(entry) = state.index.store_mut(key) else {
        return Err(Problem::StoreMissing { store });
    };
    let ready = !context.options.flood_gate || entry.is_ready();
    let spec = admitted(&entry.store, namespace, labels.unwrap_or_default(), ready)?;
    match entry.circuit.admit(now) {
        Admission::Yes => Ok(spec),
        Admission::NotBefore(moment) => Err(Problem::StoreSilent {
            store,
            wait: moment.saturating_sub(now),
        }),
    }
}

/// Tells the store's circuit how calls went.
fn note(context: &Context, key: &ObjectKey, results: &[Result<(), &Error>]) {
    let now = context.clock.elapsed();
    let cluster = key.namespace.is_empty();
    let mut worst: Option<Option<Duration>> = None;
    let mut reached = false;
    for result in results {
        match result {
            Err(error) if hits_everyone(error, cluster) => {
                worst = Some(worst.flatten().max(error.retry_after()));
            }
            _ => reached = true,
        }
    }
    context.change(|index| {
        let Some(entry) = index.store_mut(key) else {
            return Vec::new();
        };
        if reached {
            if entry.circuit.success() {
                let readers: Vec<_> = index.readers_of(key).cloned().collect();
                let failing = readers.into_iter().filter(|reader| {
                    index
                        .external_secret(reader)
                        .is_some_and(|e| e.failure.is_some())
                });
                return failing
                    .map(|r| {
                        (
                            crate::index::Work::ExternalSecret(r),
                            crate::schedule::Lane::Retry,
                        )
                    })
                    .collect();
            }
        } else if let Some(retry_after) = worst {
            entry.circuit.failure(now, retry_after);
        }
        Vec::new()
    });
}

/// Whether a failure would hit every object of the store. A refused login does so in a namespaced
/// store; in a ClusterSecretStore each namespace may log in as someone else.
fn hits_everyone(error: &Error, cluster: bool) -> bool {
    let login = matches!(
        error.link(),
        Link::Token | Link::IssuerDocument | Link::Keys | Link::TrustObject | Link::Identity
    );
    match error.class() {
        Class::Unavailable | Class::Throttled => !(login && cluster),
        _ => login && !cluster,
    }
}

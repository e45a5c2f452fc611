//! From watch events to the index, one sink per kind, and the moment when everything is known.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use keyless_kubernetes::watch::Sink;
use tokio::sync::watch as signal;

use crate::Error;
use crate::context::Context;
use crate::dependencies;
use crate::index::{Index, Kind, Origin, Wakes, Work};
use crate::object::{ClusterExternalSecret, ExternalSecret, Namespace, Secret, Store, key_of};

/// Where all sinks lead.
#[derive(Clone)]
pub struct Feed {
    context: Arc<Context>,
    kinds: Arc<Vec<Kind>>,
    ready: signal::Sender<bool>,
    /// Everything that an ExternalSecret needs is known: work may begin.
    open: signal::Sender<bool>,
    widened: Arc<AtomicBool>,
}

impl Feed {
    /// A feed of `kinds`; `ready` is told when all of them are known.
    pub fn new(context: Arc<Context>, kinds: Vec<Kind>, ready: signal::Sender<bool>) -> Self {
        Self {
            context,
            kinds: Arc::new(kinds),
            ready,
            open: signal::Sender::new(false),
            widened: Arc::new(AtomicBool::new(false)),
        }
    }

    /// Waits until work may begin: a reconcile must know the stores, Secrets and namespaces.
    pub async fn opened(&self) {
        let mut open = self.open.subscribe();
        // The sender lives in self.
        let _ = open.wait_for(|open| *open).await;
    }

    fn synced(&self, kind: Kind) {
        self.context.change(|index| index.finish(kind));
        tracing::debug!(?kind, "list complete");
        let (all, others) = {
            let state = self.context.state();
            let synced = |k: &&Kind| state.index.is_synced(**k);
            // ClusterExternalSecrets wait by themselves, so that a cluster without their
            // definition still gets its Secrets.
            let waits = [Kind::ExternalSecrets, Kind::ClusterExternalSecrets];
            let others = self.kinds.iter().filter(|k| !waits.contains(k));
            (
                self.kinds.iter().all(|k| synced(&k)),
                others.clone().all(|k| synced(&k)),
            )
        };
        if others {
            self.open.send_replace(true);
        }
        if all {
            self.ready.send_replace(true);
            if !self.widened.swap(true, Ordering::Relaxed) {
                let options = &self.context.options;
                let more = options.writers.saturating_sub(options.writers_at_start);
                self.context.writers.add(more);
            }
        }
    }

    fn malformed(&self, kind: Kind, reason: &str) {
        self.context
            .counters
            .malformed
            .fetch_add(1, Ordering::Relaxed);
        tracing::error!(?kind, reason, "an object cannot be decoded and is left out");
    }
}

/// A sink of `kind`.
pub fn sink(kind: Kind, feed: Feed) -> Box<dyn Sink> {
    Box::new(KindSink { kind, feed })
}

struct KindSink {
    kind: Kind,
    feed: Feed,
}

impl KindSink {
    fn upserted(&self, object: &str, initial: bool) -> Result<(), String> {
        let change: Box<dyn FnOnce(&mut Index) -> Wakes> = match self.kind {
            Kind::ExternalSecrets => {
                let object = ExternalSecret::decode(object)?;
                Box::new(move |index| index.upsert_external_secret(object, initial))
            }
            Kind::ClusterExternalSecrets => {
                let object = ClusterExternalSecret::decode(object)?;
                Box::new(move |index| index.upsert_cluster_external_secret(object, initial))
            }
            Kind::Stores | Kind::ClusterStores => {
                let store = Store::decode(object)?;
                Box::new(move |index| index.upsert_store(store, initial))
            }
            Kind::Secrets => {
                let secret = Secret::decode(object)?;
                // Another ExternalSecret's Secret may hold a credential or a template.
                dependencies::sighted(&self.feed.context, Origin::Managed, object, initial)?;
                Box::new(move |index| index.upsert_secret(secret, initial))
            }
            Kind::Namespaces => {
                let namespace = Namespace::decode(object)?;
                Box::new(move |index| index.upsert_namespace(namespace))
            }
        };
        self.feed.context.change(change);
        Ok(())
    }
}

impl Sink for KindSink {
    fn begin(&self) {
        let mut state = self.feed.context.state();
        state.index.begin(self.kind);
        if self.kind == Kind::Secrets {
            state.index.begin_sightings(Origin::Managed);
        }
    }

    fn upsert(&self, object: &str, initial: bool) {
        if let Err(reason) = self.upserted(object, initial) {
            self.feed.malformed(self.kind, &reason);
        }
    }

    fn delete(&self, object: &str) {
        let Some((key, version)) = key_of(object) else {
            self.feed
                .malformed(self.kind, "a deleted object has no name");
            return;
        };
        let context = &self.feed.context;
        match self.kind {
            Kind::ExternalSecrets => {
                context.change(|index| index.remove_external_secret(&key));
                let work = Work::ExternalSecret(key);
                context.state().scheduler.forget(&work);
            }
            Kind::ClusterExternalSecrets => {
                // Forgotten first: what it leaves behind may wake it once more.
                let work = Work::ClusterExternalSecret(key.clone());
                context.state().scheduler.forget(&work);
                context.change(|index| index.remove_cluster_external_secret(&key));
            }
            Kind::Stores | Kind::ClusterStores => {
                context.change(|index| index.remove_store(&key));
                // Nobody uses its logins any more.
                context
                    .backends
                    .changed(&crate::external_secret::store_ref(&key));
                context.state().scheduler.forget(&Work::Store(key));
            }
            Kind::Secrets => {
                context.change(|index| index.remove_secret(&key, version));
                context.disturb(|index| index.vanished(Origin::Managed, &key, version));
            }
            Kind::Namespaces => context.change(|index| index.remove_namespace(&key.name)),
        }
    }

    fn synced(&self) {
        self.feed.synced(self.kind);
        if self.kind == Kind::Secrets {
            let context = &self.feed.context;
            context.disturb(|index| index.finish_sightings(Origin::Managed));
        }
    }

    fn failing(&self, _: &Error) {
        self.feed
            .context
            .counters
            .interrupted
            .fetch_add(1, Ordering::Relaxed);
    }
}

//! The watches of what ExternalSecrets and stores depend on.
//!
//! Owns: when a watch of metadata runs (from the first dependency on its kind to a moment after
//! the last), what it tells the index, and how it is doing. Refuses: bodies, and whatever nobody
//! depends on: a cluster's other objects pass by and are forgotten.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use keyless_api::ReferenceKind;
use keyless_kubernetes::watch::{self, Resource, Sink};
use tokio::sync::watch as signal;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::Instant;

use crate::Error;
use crate::context::Context;
use crate::index::Origin;
use crate::object::{Sighting, key_of};

/// How long a watch outlives the last dependency on its kind: each start lists everything.
const LINGER: Duration = Duration::from_secs(10);

/// How a watch of what others depend on is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// Nothing depends on the kind.
    Off,
    /// Its list is under way.
    Starting,
    /// Its list is complete and its events come in.
    Up,
    /// The operator is not allowed to watch the kind.
    Forbidden,
}

impl Health {
    const ALL: [Self; 4] = [Self::Off, Self::Starting, Self::Up, Self::Forbidden];
}

/// How each of them is doing.
#[derive(Debug, Default)]
pub struct Watches([AtomicU8; 3]);

impl Watches {
    /// How that of `kind` is doing.
    #[must_use]
    pub fn health(&self, kind: ReferenceKind) -> Health {
        let slot = self.0.get(kind as usize);
        let value = slot.map_or(0, |slot| slot.load(Ordering::Relaxed));
        let health = Health::ALL.get(usize::from(value));
        health.copied().unwrap_or(Health::Off)
    }

    fn set(&self, kind: ReferenceKind, health: Health) {
        if let Some(slot) = self.0.get(kind as usize) {
            slot.store(health as u8, Ordering::Relaxed);
        }
    }
}

/// Starts and stops the watches as the index demands, once everything else is known.
///
/// # Errors
/// A watch ended, which is a defect.
pub async fn run(
    context: Arc<Context>,
    client: kube::Client,
    mut ready: signal::Receiver<bool>,
) -> Result<(), Error> {
    // The operator ends before its readiness does.
    let _ = ready.wait_for(|ready| *ready).await;
    let mut demand = context.demand.subscribe();
    let mut tasks: JoinSet<()> = JoinSet::new();
    let mut running: HashMap<ReferenceKind, AbortHandle> = HashMap::new();
    let mut idle: HashMap<ReferenceKind, Instant> = HashMap::new();
    loop {
        let wanted = *demand.borrow_and_update();
        let now = Instant::now();
        for kind in ReferenceKind::ALL {
            if wanted.has(kind) {
                idle.remove(&kind);
                running.entry(kind).or_insert_with(|| {
                    tracing::debug!(resource = kind.plural(), "watching dependencies");
                    context
                        .counters
                        .dependency_watches
                        .set(kind, Health::Starting);
                    tasks.spawn(watch(Arc::clone(&context), client.clone(), kind))
                });
            } else if running.contains_key(&kind) {
                let since = *idle.entry(kind).or_insert(now);
                if now >= since + LINGER
                    && let Some(task) = running.remove(&kind)
                {
                    idle.remove(&kind);
                    task.abort();
                    context.counters.dependency_watches.set(kind, Health::Off);
                    context.state().index.end_sightings(Origin::Demanded(kind));
                    tracing::debug!(resource = kind.plural(), "nothing depends on it any more");
                }
            }
        }
        let stop = idle.values().min().map(|since| *since + LINGER);
        tokio::select! {
            // The sender lives in the context.
            _ = demand.changed() => {}
            () = until(stop) => {}
            Some(ended) = tasks.join_next() => {
                if let Err(error) = ended && !error.is_cancelled() {
                    return Err(Error::Task { reason: error.to_string() });
                }
            }
        }
    }
}

async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

async fn watch(context: Arc<Context>, client: kube::Client, kind: ReferenceKind) {
    let scopes = context.options.secret_scopes().into_iter();
    let resources = scopes.map(|scope| resource(kind, &scope)).collect();
    let sink = DependencySink { context, kind };
    watch::run_all(client, resources, &sink).await;
}

fn resource(kind: ReferenceKind, scope: &str) -> Resource {
    Resource {
        plural: kind.plural().into(),
        path: format!("/api/v1{scope}/{}", kind.plural()),
        selector: match kind {
            // The others are watched in any case.
            ReferenceKind::Secret => "reconcile.external-secrets.io/managed!=true",
            ReferenceKind::ConfigMap | ReferenceKind::ServiceAccount => "",
        },
        fields: "".into(),
        metadata_only: true,
        optional: true,
    }
}

/// Tells the index of an object that others may depend on.
///
/// # Errors
/// What is wrong with it, for the log.
pub fn sighted(
    context: &Context,
    origin: Origin,
    object: &str,
    initial: bool,
) -> Result<(), String> {
    if !context.demand.borrow().has(origin.kind()) {
        return Ok(());
    }
    let (key, sighting) = Sighting::decode(origin.kind(), object)?;
    context.disturb(|index| index.sighted(origin, &key, sighting, initial));
    Ok(())
}

struct DependencySink {
    context: Arc<Context>,
    kind: ReferenceKind,
}

impl DependencySink {
    const fn origin(&self) -> Origin {
        Origin::Demanded(self.kind)
    }

    fn malformed(&self, reason: &str) {
        let counters = &self.context.counters;
        counters.malformed.fetch_add(1, Ordering::Relaxed);
        tracing::error!(
            resource = self.kind.plural(),
            reason,
            "an object cannot be decoded and is left out"
        );
    }

    fn health(&self, health: Health) {
        self.context
            .counters
            .dependency_watches
            .set(self.kind, health);
    }
}

impl Sink for DependencySink {
    fn begin(&self) {
        let watches = &self.context.counters.dependency_watches;
        if watches.health(self.kind) != Health::Forbidden {
            self.health(Health::Starting);
        }
        let origin = self.origin();
        self.context.state().index.begin_sightings(origin);
    }

    fn upsert(&self, object: &str, initial: bool) {
        if let Err(reason) = sighted(&self.context, self.origin(), object, initial) {
            self.malformed(&reason);
        }
    }

    fn delete(&self, object: &str) {
        let Some((key, version)) = key_of(object) else {
            self.malformed("a deleted object has no name");
            return;
        };
        let origin = self.origin();
        self.context
            .disturb(|index| index.vanished(origin, &key, version));
    }

    fn synced(&self) {
        self.health(Health::Up);
        let origin = self.origin();
        self.context.disturb(|index| index.finish_sightings(origin));
    }

    fn failing(&self, error: &Error) {
        let counters = &self.context.counters;
        counters.interrupted.fetch_add(1, Ordering::Relaxed);
        // Any other interruption ends by itself, and nothing is missed by it.
        if error.is_forbidden() {
            self.health(Health::Forbidden);
        }
    }
}

//! Stores in the index.

use std::sync::Arc;

use super::{Index, Kind, Wakes, Work};
use crate::object::{ObjectKey, Store};
use crate::schedule::Lane;
use crate::schedule::circuit::Circuit;

/// What this process found when it validated a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Whether ExternalSecrets may use it.
    pub ready: bool,
    /// The generation that was validated.
    pub generation: i64,
    /// A hash of the verdict's text: its readers tell the newest one.
    pub said: u64,
}

/// A store and what this process knows about it.
#[derive(Clone, Debug)]
pub struct StoreEntry {
    /// The object.
    pub store: Arc<Store>,
    /// The list it was seen in.
    pub mark: u64,
    /// The newest validation, which the status may not show yet.
    pub outcome: Option<Outcome>,
    /// Failed validations in a row.
    pub attempt: u32,
    /// Something that its login depends on changed: forget what was resolved for it.
    pub stale: bool,
    /// Holds back calls that would fail.
    pub circuit: Circuit,
    /// Nanoseconds of the last reconcile, for metrics.
    pub nanos: u64,
}

impl StoreEntry {
    /// Whether the store passes the flood gate: it was found ready by us, or says so itself.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        match &self.outcome {
            Some(outcome) => outcome.ready,
            None => self
                .store
                .ready()
                .is_some_and(keyless_api::Condition::is_true),
        }
    }

    /// Whether nobody has ever judged the store: then its readers wait for the first verdict,
    /// which wakes them, instead of failing for a moment.
    #[must_use]
    pub fn is_unjudged(&self) -> bool {
        self.outcome.is_none() && self.store.ready().is_none()
    }
}

impl Index {
    /// The store `key`.
    #[must_use]
    pub fn store(&self, key: &ObjectKey) -> Option<&StoreEntry> {
        self.stores.get(key)
    }

    /// The store `key`, to note something down.
    pub fn store_mut(&mut self, key: &ObjectKey) -> Option<&mut StoreEntry> {
        self.stores.get_mut(key)
    }

    /// All stores.
    pub fn stores(&self) -> impl Iterator<Item = (&ObjectKey, &StoreEntry)> {
        self.stores.iter()
    }

    /// A store exists in this state. A changed spec validates it anew; whoever reads from it is
    /// woken when the outcome is known.
    pub fn upsert_store(&mut self, mut store: Store, initial: bool) -> Wakes {
        store.key = self.intern(&store.key);
        let key = store.key.clone();
        let kind = if key.namespace.is_empty() {
            Kind::ClusterStores
        } else {
            Kind::Stores
        };
        let mark = self.mark(kind);
        let lane = if initial { Lane::Event } else { Lane::User };
        let Some(entry) = self.stores.get_mut(&key) else {
            self.link_store(&store);
            self.stores.insert(
                key.clone(),
                StoreEntry {
                    store: Arc::new(store),
                    mark,
                    outcome: None,
                    attempt: 0,
                    stale: false,
                    circuit: Circuit::default(),
                    nanos: 0,
                },
            );
            return vec![(Work::Store(key), lane)];
        };
        entry.mark = mark;
        if store.version < entry.store.version {
            return Wakes::new();
        }
        let changed = entry.store.uid != store.uid
            || entry.store.spec_text != store.spec_text
            || entry.store.silent != store.silent
            || entry.store.forced != store.forced
            || entry.store.deleting != store.deleting;
        if entry.store.uid != store.uid {
            entry.outcome = None;
        }
        if changed {
            entry.circuit = Circuit::default();
            entry.attempt = 0;
        }
        let old = std::mem::replace(&mut entry.store, Arc::new(store));
        if changed {
            let new = Arc::clone(&entry.store);
            self.unlink_store(&old);
            self.link_store(&new);
            vec![(Work::Store(key), Lane::User)]
        } else {
            Wakes::new()
        }
    }

    /// A store is gone: whoever reads from it will say so.
    pub fn remove_store(&mut self, key: &ObjectKey) -> Wakes {
        let Some(entry) = self.stores.remove(key) else {
            return Wakes::new();
        };
        self.unlink_store(&entry.store);
        // A store that is deleted is no reason to read anything again; the next refresh tells.
        Wakes::new()
    }

    /// A validation ended. Its readers are woken when the store turned ready, or was changed
    /// and is ready: then their values may differ, and are read again.
    pub fn store_validated(&mut self, key: &ObjectKey, outcome: Outcome) -> Wakes {
        let Some(entry) = self.stores.get_mut(key) else {
            return Wakes::new();
        };
        let was_ready = entry.is_ready();
        let changed = entry
            .outcome
            .as_ref()
            .is_some_and(|old| old.generation != outcome.generation);
        let ready = outcome.ready;
        let news = entry
            .outcome
            .as_ref()
            .is_none_or(|old| old.said != outcome.said);
        entry.outcome = Some(outcome);
        // A reader of a store that is not ready shows why, so it must hear of another reason.
        if (ready && was_ready && !changed) || (!ready && !news) {
            return Wakes::new();
        }
        let readers: Vec<ObjectKey> = self.readers_of(key).cloned().collect();
        for reader in &readers {
            if let Some(entry) = self.external_secrets.get_mut(reader) {
                entry.refetch |= changed;
            }
        }
        let wakes = readers.into_iter();
        wakes
            .map(|reader| (Work::ExternalSecret(reader), Lane::Event))
            .collect()
    }
}

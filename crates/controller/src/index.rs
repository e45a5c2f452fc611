//! What exists, as plain Rust: changed by watch events and by our own successful writes.
//!
//! Owns: ExternalSecrets by key, by store, by target and by controller, ClusterExternalSecrets,
//! stores, managed Secrets, namespaces, who depends on which other object, and the decision whom
//! an event wakes. Refuses: I/O, time, and waking for our own echoes.
//!
//! Echoes are told by resourceVersion: an event that is not newer than what is known changes
//! nothing. A restarted list marks what it names; what it does not name is gone.

mod cluster_external_secrets;
mod dependencies;
mod external_secrets;
mod resources;
mod secrets;
mod stores;

pub use cluster_external_secrets::{ClusterEntry, Scope, Standing};
pub use dependencies::{Demand, Disturbed, Origin};
pub use external_secrets::{Entry, Failure};
pub use resources::{KindState, ResourceEntry};
pub use secrets::SecretEntry;
pub use stores::{Outcome, StoreEntry};

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::Hash;
use std::sync::Arc;

use crate::object::{ExternalSecret, Namespace, ObjectKey};
use crate::schedule::Lane;

/// Something to work on.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Work {
    /// An ExternalSecret.
    ExternalSecret(ObjectKey),
    /// A SecretStore, or a ClusterSecretStore if the namespace is empty.
    Store(ObjectKey),
    /// A ClusterExternalSecret; one that is gone may have left something to tidy up.
    ClusterExternalSecret(ObjectKey),
}

/// Who must be worked on because of an event.
pub type Wakes = Vec<(Work, Lane)>;

/// The watched kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// ExternalSecrets.
    ExternalSecrets,
    /// ClusterExternalSecrets.
    ClusterExternalSecrets,
    /// SecretStores.
    Stores,
    /// ClusterSecretStores.
    ClusterStores,
    /// Managed Secrets.
    Secrets,
    /// Namespaces.
    Namespaces,
}

/// Everything known.
#[derive(Debug, Default)]
pub struct Index {
    external_secrets: HashMap<ObjectKey, Entry>,
    by_store: HashMap<ObjectKey, BTreeSet<ObjectKey>>,
    /// Nearly always one each, so that a tree would be nearly empty five thousand times.
    by_target: HashMap<ObjectKey, Vec<ObjectKey>>,
    /// ExternalSecrets by the name of the ClusterExternalSecret that made them.
    by_controller: HashMap<Box<str>, BTreeSet<ObjectKey>>,
    clusters: HashMap<ObjectKey, ClusterEntry>,
    /// ClusterExternalSecrets by the name of the ExternalSecrets that they make.
    by_template: HashMap<Box<str>, Vec<ObjectKey>>,
    /// Namespaces by the name of the ClusterExternalSecret that ESO left a finalizer for.
    held: HashMap<Box<str>, BTreeSet<Arc<str>>>,
    secrets: HashMap<ObjectKey, SecretEntry>,
    by_creator: HashMap<Box<str>, Vec<ObjectKey>>,
    stores: HashMap<ObjectKey, StoreEntry>,
    namespaces: HashMap<Arc<str>, (Namespace, u64)>,
    dependencies: dependencies::Dependencies,
    names: BTreeSet<Arc<str>>,
    /// The number of the newest list of each kind; objects carry the number they were seen in.
    lists: HashMap<Kind, u64>,
    synced: Vec<Kind>,
    resources: resources::Resources,
}

impl Index {
    /// A list of `kind` begins.
    pub fn begin(&mut self, kind: Kind) {
        *self.lists.entry(kind).or_default() += 1;
    }

    /// The list of `kind` is complete: forgets what it did not name.
    pub fn finish(&mut self, kind: Kind) -> Wakes {
        let mark = self.mark(kind);
        let knew = self.knows_clusters();
        if !self.synced.contains(&kind) {
            self.synced.push(kind);
        }
        let mut wakes = self.forget_unmarked(kind, mark);
        if !knew && self.knows_clusters() {
            wakes.extend(self.wake_clusters());
        }
        wakes
    }

    fn forget_unmarked(&mut self, kind: Kind, mark: u64) -> Wakes {
        match kind {
            Kind::ExternalSecrets => {
                let gone = self.external_secrets.iter();
                let gone = gone.filter(|(_, e)| e.mark < mark).map(|(k, _)| k.clone());
                let gone: Vec<_> = gone.collect();
                gone.iter()
                    .flat_map(|key| self.remove_external_secret(key))
                    .collect()
            }
            Kind::ClusterExternalSecrets => {
                let gone = self.clusters.iter();
                let gone = gone.filter(|(_, e)| e.mark < mark).map(|(k, _)| k.clone());
                let gone: Vec<_> = gone.collect();
                gone.iter()
                    .flat_map(|key| self.remove_cluster_external_secret(key))
                    .collect()
            }
            Kind::Secrets => {
                let gone = self.secrets.iter();
                let gone = gone.filter(|(_, e)| e.mark < mark).map(|(k, _)| k.clone());
                let gone: Vec<_> = gone.collect();
                gone.iter()
                    .flat_map(|key| self.remove_secret(key, u64::MAX))
                    .collect()
            }
            Kind::Stores | Kind::ClusterStores => {
                let cluster = kind == Kind::ClusterStores;
                let gone = self
                    .stores
                    .iter()
                    .filter(|(k, e)| k.namespace.is_empty() == cluster && e.mark < mark);
                let gone: Vec<_> = gone.map(|(k, _)| k.clone()).collect();
                gone.iter().flat_map(|key| self.remove_store(key)).collect()
            }
            Kind::Namespaces => {
                let gone = self.namespaces.iter();
                let gone = gone.filter(|(_, (_, seen))| *seen < mark);
                let gone: Vec<_> = gone.map(|(name, _)| Arc::clone(name)).collect();
                gone.iter()
                    .flat_map(|name| self.remove_namespace(name))
                    .collect()
            }
        }
    }

    /// Whether the first list of `kind` is complete.
    #[must_use]
    pub fn is_synced(&self, kind: Kind) -> bool {
        self.synced.contains(&kind)
    }

    /// The namespace `name`.
    #[must_use]
    pub fn namespace(&self, name: &str) -> Option<&Namespace> {
        self.namespaces.get(name).map(|(n, _)| n)
    }

    /// All namespaces.
    pub fn namespaces(&self) -> impl Iterator<Item = &Namespace> {
        self.namespaces.values().map(|(namespace, _)| namespace)
    }

    /// A namespace exists in this state. When its labels changed, exactly those of its
    /// ExternalSecrets are woken that a ClusterSecretStore admits now and did not before, or
    /// admitted and does not any more; and so is every ClusterExternalSecret that selects it or
    /// did.
    pub fn upsert_namespace(&mut self, mut namespace: Namespace) -> Wakes {
        let mark = self.mark(Kind::Namespaces);
        namespace.name = self.intern_name(&namespace.name);
        if let Some((known, seen)) = self.namespaces.get_mut(&namespace.name)
            && known.version > namespace.version
        {
            *seen = mark;
            return Wakes::new();
        }
        let name = Arc::clone(&namespace.name);
        let new = namespace.clone();
        let old = self.namespaces.insert(name, (namespace, mark));
        let old = old.map(|(old, _)| old);
        let relabelled = old.as_ref().is_some_and(|old| old.labels != new.labels);
        let changed = old
            .as_ref()
            .is_none_or(|old| old.deleting != new.deleting || old.foreign != new.foreign);
        let mut wakes = self.admission_changed(old.as_ref(), &new);
        if relabelled || changed {
            wakes.extend(self.namespace_changed(old.as_ref(), Some(&new)));
        }
        wakes
    }

    /// Whom another label of a namespace lets in at a ClusterSecretStore, or keeps out.
    fn admission_changed(&mut self, old: Option<&Namespace>, new: &Namespace) -> Wakes {
        let none = BTreeMap::new();
        // A namespace that its objects' events overtook was judged without labels.
        let before = old.map_or(&none, |old| &old.labels);
        if *before == new.labels || !self.is_synced(Kind::Namespaces) {
            return Wakes::new();
        }
        let first = ObjectKey {
            namespace: Arc::clone(&new.name),
            name: "".into(),
        };
        let mut woken = BTreeSet::new();
        let stores = self.stores.iter();
        for (store, entry) in stores.filter(|(key, _)| key.namespace.is_empty()) {
            let Ok(spec) = &entry.store.spec else {
                continue;
            };
            let admitted = |labels| crate::store::admission::admits(spec, &new.name, labels);
            if spec.conditions.is_empty() || admitted(before) == admitted(&new.labels) {
                continue;
            }
            let readers = self.by_store.get(store);
            let readers = readers.into_iter().flat_map(|r| r.range(first.clone()..));
            woken.extend(readers.take_while(|r| r.namespace == new.name).cloned());
        }
        for key in &woken {
            if let Some(entry) = self.external_secrets.get_mut(key) {
                entry.refetch = true;
            }
        }
        let woken = woken.into_iter();
        woken
            .map(|key| (Work::ExternalSecret(key), Lane::Event))
            .collect()
    }

    /// A namespace is gone.
    pub fn remove_namespace(&mut self, name: &str) -> Wakes {
        match self.namespaces.remove(name) {
            Some((old, _)) => self.namespace_changed(Some(&old), None),
            None => Wakes::new(),
        }
    }

    fn mark(&self, kind: Kind) -> u64 {
        self.lists.get(&kind).copied().unwrap_or_default()
    }

    /// The same text as one shared allocation: five thousand keys have few namespaces.
    fn intern(&mut self, key: &ObjectKey) -> ObjectKey {
        ObjectKey {
            namespace: self.intern_name(&key.namespace),
            name: Arc::clone(&key.name),
        }
    }

    fn intern_name(&mut self, namespace: &Arc<str>) -> Arc<str> {
        match self.names.get(namespace) {
            Some(known) => Arc::clone(known),
            None => {
                self.names.insert(Arc::clone(namespace));
                Arc::clone(namespace)
            }
        }
    }

    /// The ExternalSecrets that write to the Secret `target`.
    fn writers_of(&self, target: &ObjectKey) -> Wakes {
        let writers = self.by_target.get(target).into_iter().flatten();
        writers
            .map(|key| (Work::ExternalSecret(key.clone()), Lane::Event))
            .collect()
    }

    /// The ExternalSecret `key`.
    #[must_use]
    pub fn external_secret(&self, key: &ObjectKey) -> Option<&Entry> {
        self.external_secrets.get(key)
    }

    /// The ExternalSecret `key`, to note something down.
    pub fn external_secret_mut(&mut self, key: &ObjectKey) -> Option<&mut Entry> {
        self.external_secrets.get_mut(key)
    }

    /// All ExternalSecrets.
    pub fn external_secrets(&self) -> impl Iterator<Item = (&ObjectKey, &Entry)> {
        self.external_secrets.iter()
    }
}

fn link<K: Eq + Hash + Clone>(map: &mut HashMap<K, Vec<ObjectKey>>, from: &K, to: &ObjectKey) {
    match map.get_mut(from) {
        Some(linked) if linked.contains(to) => {}
        Some(linked) => linked.push(to.clone()),
        None => {
            map.insert(from.clone(), vec![to.clone()]);
        }
    }
}

fn unlink<K: Eq + Hash>(map: &mut HashMap<K, Vec<ObjectKey>>, from: &K, to: &ObjectKey) {
    if let Some(linked) = map.get_mut(from) {
        linked.retain(|key| key != to);
        if linked.is_empty() {
            map.remove(from);
        }
    }
}

/// The Secret that an ExternalSecret writes to, if its target is one.
#[must_use]
pub fn target_of(object: &ExternalSecret) -> Option<ObjectKey> {
    let summary = object.summary.as_ref().ok().filter(|s| !s.manifest)?;
    Some(ObjectKey {
        namespace: Arc::clone(&object.key.namespace),
        name: (*summary.target).into(),
    })
}

#[cfg(test)]
mod tests;

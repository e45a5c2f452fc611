//! ClusterExternalSecrets in the index.
//!
//! An event about a namespace or an ExternalSecret names one namespace. It is noted down with the
//! ClusterExternalSecrets that it concerns, and only that namespace is looked at: with thousands
//! of namespaces a look at all of them for each event would be the operator's main work.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::external_secrets::Failure;
use super::{Index, Kind, Wakes, Work};
use crate::object::{ClusterExternalSecret, ClusterStatus, ExternalSecret, Namespace, ObjectKey};
use crate::schedule::{Lane, Moment};

/// The namespaces that a ClusterExternalSecret must be compared with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Every one.
    All,
    /// These.
    Some(BTreeSet<Arc<str>>),
}

impl Default for Scope {
    fn default() -> Self {
        Self::Some(BTreeSet::new())
    }
}

impl Scope {
    /// Adds one namespace.
    pub fn add(&mut self, namespace: &Arc<str>) {
        if let Self::Some(set) = self {
            set.insert(Arc::clone(namespace));
        }
    }

    /// Adds another scope.
    pub fn merge(&mut self, other: Self) {
        match (self, other) {
            (Self::All, _) => {}
            (this, Self::All) => *this = Self::All,
            (Self::Some(this), Self::Some(other)) => this.extend(other),
        }
    }
}

/// How a namespace stands with a ClusterExternalSecret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is none of its namespaces.
    Absent,
    /// The ExternalSecret is there, as wanted.
    Provisioned,
    /// It could not be made, changed or deleted.
    Failed(String),
}

/// A ClusterExternalSecret and what this process knows about it.
#[derive(Clone, Debug)]
pub struct ClusterEntry {
    /// The object.
    pub object: Arc<ClusterExternalSecret>,
    /// The list it was seen in.
    pub mark: u64,
    /// What to look at next.
    pub scope: Scope,
    /// What is being looked at; put back if that look never ends.
    pub looking: Scope,
    /// The namespaces that have their ExternalSecret.
    pub provisioned: BTreeSet<Arc<str>>,
    /// The namespaces where something failed, and what.
    pub failed: BTreeMap<Arc<str>, String>,
    /// The namespaces where a request failed: only asking again can tell whether it would now.
    pub retry: BTreeSet<Arc<str>>,
    /// When to ask again.
    pub retry_at: Option<Moment>,
    /// When to look at every namespace again.
    pub whole_at: Option<Moment>,
    /// The last failed request, until none fails.
    pub failure: Option<Failure>,
    /// What an API server made of a template's form, where that is another: its admission adds
    /// or drops something, and writing the same again would change nothing.
    pub admitted: HashMap<Arc<str>, (u64, u64)>,
    /// Whether the stored status is known to say what is to be said.
    pub told: bool,
    /// Nanoseconds of the last reconcile, for metrics.
    pub nanos: u64,
}

impl ClusterEntry {
    fn new(object: ClusterExternalSecret, mark: u64) -> Self {
        Self {
            object: Arc::new(object),
            mark,
            scope: Scope::All,
            looking: Scope::default(),
            provisioned: BTreeSet::new(),
            failed: BTreeMap::new(),
            retry: BTreeSet::new(),
            retry_at: None,
            whole_at: None,
            failure: None,
            admitted: HashMap::new(),
            told: false,
            nanos: 0,
        }
    }

    /// Notes how a namespace stands now.
    pub fn note(&mut self, namespace: &Arc<str>, standing: Standing) {
        let (there, failed) = match standing {
            Standing::Absent => (false, None),
            Standing::Provisioned => (true, None),
            Standing::Failed(reason) => (false, Some(reason)),
        };
        let changed = if there {
            self.provisioned.insert(Arc::clone(namespace))
        } else {
            self.provisioned.remove(namespace)
        };
        let old = match &failed {
            Some(reason) => self.failed.insert(Arc::clone(namespace), reason.clone()),
            None => self.failed.remove(namespace),
        };
        if changed || old != failed {
            self.told = false;
        }
    }
}

impl Index {
    /// The ClusterExternalSecret `key`.
    #[must_use]
    pub fn cluster_external_secret(&self, key: &ObjectKey) -> Option<&ClusterEntry> {
        self.clusters.get(key)
    }

    /// The ClusterExternalSecret `key`, to note something down.
    pub fn cluster_external_secret_mut(&mut self, key: &ObjectKey) -> Option<&mut ClusterEntry> {
        self.clusters.get_mut(key)
    }

    /// All ClusterExternalSecrets.
    pub fn cluster_external_secrets(&self) -> impl Iterator<Item = (&ObjectKey, &ClusterEntry)> {
        self.clusters.iter()
    }

    /// Whether everything is known that a look at a ClusterExternalSecret needs: what is missing
    /// in the index would be created, and what matches no known namespace would be left.
    #[must_use]
    pub fn knows_clusters(&self) -> bool {
        [
            Kind::ClusterExternalSecrets,
            Kind::Namespaces,
            Kind::ExternalSecrets,
        ]
        .iter()
        .all(|kind| self.is_synced(*kind))
    }

    /// The ExternalSecrets that the ClusterExternalSecret `name` made.
    pub fn made_by(&self, name: &str) -> impl Iterator<Item = &ObjectKey> {
        self.by_controller.get(name).into_iter().flatten()
    }

    /// Those of them in one namespace.
    pub fn made_in(&self, name: &str, namespace: &Arc<str>) -> impl Iterator<Item = &ObjectKey> {
        let first = ObjectKey {
            namespace: Arc::clone(namespace),
            name: "".into(),
        };
        let namespace = Arc::clone(namespace);
        let made = self.by_controller.get(name).into_iter();
        made.flat_map(move |keys| keys.range(first.clone()..))
            .take_while(move |key| key.namespace == namespace)
    }

    /// The namespaces that carry ESO's finalizer for the ClusterExternalSecret `name`.
    pub fn held_for(&self, name: &str) -> impl Iterator<Item = &Arc<str>> {
        self.held.get(name).into_iter().flatten()
    }

    /// A ClusterExternalSecret exists in this state. Wakes it when something but its status
    /// changed.
    pub fn upsert_cluster_external_secret(
        &mut self,
        object: ClusterExternalSecret,
        initial: bool,
    ) -> Wakes {
        let key = object.key.clone();
        let mark = self.mark(Kind::ClusterExternalSecrets);
        let Some(entry) = self.clusters.get_mut(&key) else {
            self.link_cluster(&object);
            self.clusters
                .insert(key.clone(), ClusterEntry::new(object, mark));
            let lane = if initial { Lane::Event } else { Lane::User };
            return vec![(Work::ClusterExternalSecret(key), lane)];
        };
        entry.mark = mark;
        if object.version < entry.object.version {
            return Wakes::new();
        }
        if entry.object.uid != object.uid {
            self.remove_cluster_external_secret(&key);
            return self.upsert_cluster_external_secret(object, false);
        }
        let old = Arc::clone(&entry.object);
        let changed = old.fingerprint != object.fingerprint
            || old.deleting != object.deleting
            || old.finalizers != object.finalizers;
        let edited = old.status != object.status;
        if changed {
            entry.scope = Scope::All;
            entry.failure = None;
        }
        if changed || edited {
            entry.told = false;
        }
        self.unlink_cluster(&old);
        self.link_cluster(&object);
        if let Some(entry) = self.clusters.get_mut(&key) {
            entry.object = Arc::new(object);
        }
        let lane = match (changed, edited) {
            (true, _) => Lane::User,
            (false, true) => Lane::Event,
            (false, false) => return Wakes::new(),
        };
        vec![(Work::ClusterExternalSecret(key), lane)]
    }

    /// A ClusterExternalSecret is gone. It is looked at once more if namespaces wait for that.
    pub fn remove_cluster_external_secret(&mut self, key: &ObjectKey) -> Wakes {
        if let Some(entry) = self.clusters.remove(key) {
            self.unlink_cluster(&entry.object);
        }
        if self.held.contains_key(&*key.name) {
            vec![(Work::ClusterExternalSecret(key.clone()), Lane::Event)]
        } else {
            Wakes::new()
        }
    }

    /// The status that we wrote, with the resourceVersion that the write led to.
    pub fn cluster_status_written(&mut self, key: &ObjectKey, version: u64, status: ClusterStatus) {
        if let Some(entry) = self.clusters.get_mut(key)
            && version >= entry.object.version
        {
            let object = Arc::make_mut(&mut entry.object);
            object.version = version;
            object.status = status;
            entry.told = true;
        }
    }

    /// Everything that there is to look at when everything is known for the first time.
    pub(super) fn wake_clusters(&self) -> Wakes {
        let known = self.clusters.keys().cloned();
        let held = self.held.keys().map(|name| ObjectKey::new("", name));
        known
            .chain(held)
            .map(|key| (Work::ClusterExternalSecret(key), Lane::Event))
            .collect()
    }

    /// A namespace came, changed or went: which ClusterExternalSecrets must look at it.
    pub(super) fn namespace_changed(
        &mut self,
        old: Option<&Namespace>,
        new: Option<&Namespace>,
    ) -> Wakes {
        let Some(name) = new.or(old).map(|n| Arc::clone(&n.name)) else {
            return Wakes::new();
        };
        for (_, cluster) in old.iter().flat_map(|n| &n.foreign) {
            if let Some(held) = self.held.get_mut(cluster) {
                held.remove(&name);
                if held.is_empty() {
                    self.held.remove(cluster);
                }
            }
        }
        let mut wakes = Wakes::new();
        for (_, cluster) in new.iter().flat_map(|n| &n.foreign) {
            let held = self.held.entry(cluster.clone()).or_default();
            held.insert(Arc::clone(&name));
            let key = ObjectKey::new("", cluster);
            if let Some(entry) = self.clusters.get_mut(&key) {
                entry.scope.add(&name);
            }
            // One that is gone is looked at as well, for the finalizer's sake.
            wakes.push((Work::ClusterExternalSecret(key), Lane::Event));
        }
        for (key, entry) in &mut self.clusters {
            let concerned = |n: &Namespace| entry.object.selects(n);
            if new.is_some_and(concerned) || old.is_some_and(concerned) {
                entry.scope.add(&name);
                wakes.push((Work::ClusterExternalSecret(key.clone()), Lane::Event));
            }
        }
        wakes
    }

    /// An ExternalSecret came, changed or went: which ClusterExternalSecrets must look at its
    /// namespace. These are the one that made it, and those that would.
    pub(super) fn external_secret_changed(
        &mut self,
        old: Option<&ExternalSecret>,
        new: Option<&ExternalSecret>,
    ) -> Wakes {
        let Some(key) = new.or(old).map(|o| o.key.clone()) else {
            return Wakes::new();
        };
        let controllers = [old, new].into_iter().flatten();
        let controllers = controllers.filter_map(|o| o.controller.as_ref());
        let mut names: BTreeSet<Box<str>> = controllers.map(|c| c.name.clone()).collect();
        if let Some(wanting) = self.by_template.get(&*key.name) {
            let namespace = self.namespaces.get(&*key.namespace).map(|(n, _)| n);
            let wanting = wanting.iter().filter(|name| {
                let entry = self.clusters.get(*name);
                entry
                    .zip(namespace)
                    .is_some_and(|(e, n)| e.object.selects(n))
            });
            names.extend(wanting.map(|key| Box::from(&*key.name)));
        }
        let mut wakes = Wakes::new();
        for name in names {
            let cluster = ObjectKey::new("", &name);
            if let Some(entry) = self.clusters.get_mut(&cluster) {
                entry.scope.add(&key.namespace);
                wakes.push((Work::ClusterExternalSecret(cluster), Lane::Event));
            }
        }
        wakes
    }

    fn link_cluster(&mut self, object: &ClusterExternalSecret) {
        if let Ok(template) = &object.template {
            super::link(&mut self.by_template, &template.name, &object.key);
        }
    }

    fn unlink_cluster(&mut self, object: &ClusterExternalSecret) {
        if let Ok(template) = &object.template {
            super::unlink(&mut self.by_template, &template.name, &object.key);
        }
    }
}

#[cfg(test)]
mod tests;

//! Who depends on which Secret, ConfigMap or service account, and what was last seen of these.
//!
//! Owns: edges from names to dependents, sightings of what is depended on, the demand for
//! watches, and the decision whom a change disturbs. Refuses: whatever nobody depends on (it is
//! forgotten as soon as it is seen), bodies, and time.
//!
//! Edges are kept by name; the namespace is matched when an event comes, because a
//! ClusterSecretStore whose selector names none is looked up in the namespaces of its readers,
//! which come and go.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use keyless_api::{ReferenceKind, SecretStoreSpec};

use super::Index;
use crate::object::{ExternalSecret, ObjectKey, Sighting, Store};
use crate::schedule::circuit::Circuit;

/// Where a sighting comes from. Secrets are seen by two watches that share them by label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Origin {
    /// The watch of managed Secrets, which always runs.
    Managed,
    /// A watch of metadata that runs while something depends on its kind.
    Demanded(ReferenceKind),
}

impl Origin {
    /// What is seen there.
    #[must_use]
    pub const fn kind(self) -> ReferenceKind {
        match self {
            Self::Managed => ReferenceKind::Secret,
            Self::Demanded(kind) => kind,
        }
    }
}

/// Who depends on an object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Dependent {
    /// An ExternalSecret that takes templates from it.
    Template(ObjectKey),
    /// An ExternalSecret that cannot go on before it appears, goes, or is given up by its owner.
    Target(ObjectKey),
    /// A store that logs in or trusts by it.
    Store(ObjectKey),
}

#[derive(Clone, Copy, Debug)]
struct Seen {
    sighting: Sighting,
    origin: Origin,
    mark: u64,
}

/// Objects of one kind and name.
#[derive(Debug, Default)]
struct Referenced {
    /// Who means the object of one namespace.
    within: HashMap<Arc<str>, BTreeSet<Dependent>>,
    /// ClusterSecretStores that mean the object in the namespace of each of their readers.
    referent: BTreeSet<ObjectKey>,
    /// What was seen, by namespace.
    seen: BTreeMap<Arc<str>, Seen>,
}

/// The graph.
#[derive(Debug, Default)]
pub struct Dependencies {
    referenced: HashMap<(ReferenceKind, Arc<str>), Referenced>,
    /// How many names of each kind are referenced.
    names: HashMap<ReferenceKind, usize>,
    lists: HashMap<Origin, List>,
}

#[derive(Clone, Copy, Debug, Default)]
struct List {
    mark: u64,
    /// Whether one was complete: only then is something new in a list news.
    known: bool,
}

/// Whom a change disturbs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Disturbed {
    /// ExternalSecrets to look at.
    pub external_secrets: Vec<ObjectKey>,
    /// Stores whose logins are to be forgotten and which are to be validated.
    pub stores: Vec<ObjectKey>,
    /// Whether to wait a moment, because something needed is gone: what is replaced is gone for
    /// that long. Stores forget their logins then, not before.
    pub gone: bool,
}

impl Disturbed {
    /// Whether nobody is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.external_secrets.is_empty() && self.stores.is_empty()
    }
}

/// What a change of one object touched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Touch {
    state: bool,
    identity: bool,
    gone: bool,
}

impl Touch {
    const fn everything(gone: bool) -> Self {
        Self {
            state: true,
            identity: true,
            gone,
        }
    }
}

/// The kinds that something depends on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Demand([Option<ReferenceKind>; 3]);

impl Demand {
    /// Whether something depends on objects of `kind`.
    #[must_use]
    pub fn has(self, kind: ReferenceKind) -> bool {
        self.0.contains(&Some(kind))
    }
}

/// Where a dependent looks for an object: in this namespace, or (`None`) in those of its readers.
type Place = Option<Arc<str>>;

impl Dependencies {
    fn link(&mut self, kind: ReferenceKind, name: &str, dependent: Dependent, place: Place) {
        let key = (kind, Arc::from(name));
        let entry = self.referenced.entry(key).or_insert_with(|| {
            *self.names.entry(kind).or_default() += 1;
            Referenced::default()
        });
        match (place, dependent) {
            (Some(namespace), dependent) => {
                entry.within.entry(namespace).or_default().insert(dependent);
            }
            (None, Dependent::Store(store)) => {
                entry.referent.insert(store);
            }
            (None, _) => {}
        }
    }

    fn unlink(&mut self, kind: ReferenceKind, name: &str, dependent: &Dependent, place: &Place) {
        let key = (kind, Arc::from(name));
        let Some(entry) = self.referenced.get_mut(&key) else {
            return;
        };
        match (place, dependent) {
            (Some(namespace), _) => {
                if let Some(dependents) = entry.within.get_mut(namespace) {
                    dependents.remove(dependent);
                    if dependents.is_empty() {
                        entry.within.remove(namespace);
                    }
                }
            }
            (None, Dependent::Store(store)) => {
                entry.referent.remove(store);
            }
            (None, _) => {}
        }
        if entry.referent.is_empty() {
            let within = &entry.within;
            entry
                .seen
                .retain(|namespace, _| within.contains_key(namespace));
            if within.is_empty() {
                self.referenced.remove(&key);
                if let Some(names) = self.names.get_mut(&kind) {
                    *names = names.saturating_sub(1);
                }
            }
        }
    }

    fn depends(&self, name: &str, dependent: &Dependent, namespace: &Arc<str>) -> bool {
        let entry = self
            .referenced
            .get(&(ReferenceKind::Secret, Arc::from(name)));
        let within = entry.and_then(|entry| entry.within.get(namespace));
        within.is_some_and(|dependents| dependents.contains(dependent))
    }

    fn list(&self, origin: Origin) -> List {
        self.lists.get(&origin).copied().unwrap_or_default()
    }
}

impl Index {
    /// The kinds that something depends on.
    #[must_use]
    pub fn demand(&self) -> Demand {
        let names = &self.dependencies.names;
        let has = |kind| names.get(&kind).is_some_and(|count| *count > 0);
        Demand(ReferenceKind::ALL.map(|kind| has(kind).then_some(kind)))
    }

    /// How many objects are remembered because something depends on them.
    #[must_use]
    pub fn sightings(&self) -> usize {
        let referenced = self.dependencies.referenced.values();
        referenced.map(|entry| entry.seen.len()).sum()
    }

    /// A list of `origin` begins.
    pub fn begin_sightings(&mut self, origin: Origin) {
        self.dependencies.lists.entry(origin).or_default().mark += 1;
    }

    /// The watch of `origin` has ended: its next list is a first one, after which nothing is
    /// news that was not known.
    pub fn end_sightings(&mut self, origin: Origin) {
        self.dependencies.lists.remove(&origin);
        for entry in self.dependencies.referenced.values_mut() {
            entry.seen.retain(|_, seen| seen.origin != origin);
        }
    }

    /// The list of `origin` is complete: what it did not name is gone.
    pub fn finish_sightings(&mut self, origin: Origin) -> Disturbed {
        let list = self.dependencies.lists.entry(origin).or_default();
        list.known = true;
        let mark = list.mark;
        let kind = origin.kind();
        let mut gone = Vec::new();
        for ((_, name), entry) in self
            .dependencies
            .referenced
            .iter_mut()
            .filter(|e| e.0.0 == kind)
        {
            for (namespace, seen) in &mut entry.seen {
                let key = ObjectKey {
                    namespace: Arc::clone(namespace),
                    name: Arc::clone(name),
                };
                // One that was read may be seen by the other watch of Secrets.
                let elsewhere = origin != Origin::Managed
                    && kind == ReferenceKind::Secret
                    && self.secrets.contains_key(&key);
                let unnamed = seen.origin == origin && seen.mark < mark && !elsewhere;
                if unnamed && seen.sighting.state != 0 {
                    seen.sighting = Sighting {
                        version: seen.sighting.version,
                        ..Sighting::ABSENT
                    };
                    gone.push(key);
                }
            }
        }
        let mut all = Disturbed::default();
        for key in gone {
            let disturbed = self.disturb(kind, &key, Touch::everything(true), None);
            all.external_secrets.extend(disturbed.external_secrets);
            all.stores.extend(disturbed.stores);
            all.gone |= disturbed.gone;
        }
        all
    }

    /// An object exists in this state. Disturbs whoever depends on it and has not seen it so;
    /// the first list of a watch disturbs nobody but those who have seen another state.
    pub fn sighted(
        &mut self,
        origin: Origin,
        key: &ObjectKey,
        sighting: Sighting,
        initial: bool,
    ) -> Disturbed {
        let list = self.dependencies.list(origin);
        let news = !initial || list.known;
        let found = Seen {
            sighting,
            origin,
            mark: list.mark,
        };
        match self.see(key, found, news) {
            Some(touch) => self.disturb(origin.kind(), key, touch, None),
            None => Disturbed::default(),
        }
    }

    /// An object is gone, or is no longer seen by `origin`. `version` is that of the event.
    pub fn vanished(&mut self, origin: Origin, key: &ObjectKey, version: u64) -> Disturbed {
        let mark = self.dependencies.list(origin).mark;
        let sighting = Sighting {
            version,
            ..Sighting::ABSENT
        };
        let found = Seen {
            sighting,
            origin,
            mark,
        };
        match self.see(key, found, true) {
            Some(touch) => self.disturb(origin.kind(), key, touch, None),
            None => Disturbed::default(),
        }
    }

    /// `reader` has read an object of `kind`, or found it missing. Closes the gap between a read
    /// and the list of a watch that starts because of it, and tells other readers of a change
    /// that no watch may show.
    pub fn read(
        &mut self,
        kind: ReferenceKind,
        key: &ObjectKey,
        sighting: Sighting,
        reader: &ObjectKey,
    ) -> Disturbed {
        let origin = Origin::Demanded(kind);
        let known = self.seen(kind, key).copied();
        // A miss has no version to be compared by: the watch tells.
        if sighting.version == 0 && known.is_some() {
            return Disturbed::default();
        }
        let found = Seen {
            sighting,
            origin: known.map_or(origin, |seen| seen.origin),
            mark: known.map_or(self.dependencies.list(origin).mark, |seen| seen.mark),
        };
        match self.see(key, found, false) {
            Some(touch) => self.disturb(kind, key, touch, Some(reader)),
            None => Disturbed::default(),
        }
    }

    fn seen(&self, kind: ReferenceKind, key: &ObjectKey) -> Option<&Seen> {
        let entry = self
            .dependencies
            .referenced
            .get(&(kind, Arc::clone(&key.name)))?;
        entry.seen.get(&key.namespace)
    }

    /// Remembers what was found, if anyone depends on it; says what differs from before.
    /// `news`: whether something unknown until now is a change.
    fn see(&mut self, key: &ObjectKey, found: Seen, news: bool) -> Option<Touch> {
        let name = (found.origin.kind(), Arc::clone(&key.name));
        let entry = self.dependencies.referenced.get_mut(&name)?;
        let by_store = &self.by_store;
        let namespace = &key.namespace;
        let meant = entry.within.contains_key(namespace)
            || (entry.referent.iter()).any(|store| reads_in(by_store, store, namespace));
        if !meant {
            return None;
        }
        let Some(old) = entry.seen.get_mut(namespace) else {
            entry.seen.insert(Arc::clone(namespace), found);
            return news.then_some(Touch::everything(found.sighting.state == 0));
        };
        let (before, after) = (old.sighting, found.sighting);
        if before.version >= after.version && before.version != 0 {
            if before.state != 0 && after.state != 0 {
                (old.mark, old.origin) = (found.mark, found.origin);
            }
            if before.version == after.version {
                // A body that was read is now known in full.
                old.sighting.identity = before.identity.or(after.identity);
            }
            return None;
        }
        *old = found;
        let differs = |a: Option<u64>, b: Option<u64>| a.zip(b).is_some_and(|(a, b)| a != b);
        let touch = Touch {
            state: before.state != after.state,
            identity: differs(before.identity, after.identity),
            gone: after.state == 0,
        };
        (touch.state || touch.identity).then_some(touch)
    }

    /// Notes down what whoever depends on the object has to do, and names them.
    fn disturb(
        &mut self,
        kind: ReferenceKind,
        key: &ObjectKey,
        touch: Touch,
        reader: Option<&ObjectKey>,
    ) -> Disturbed {
        let mut disturbed = Disturbed::default();
        let name = (kind, Arc::clone(&key.name));
        let Some(entry) = self.dependencies.referenced.get(&name) else {
            return disturbed;
        };
        let mut stores = Vec::new();
        for dependent in entry.within.get(&key.namespace).into_iter().flatten() {
            match dependent {
                Dependent::Template(object) if touch.state && reader != Some(object) => {
                    if let Some(entry) = self.external_secrets.get_mut(object) {
                        entry.rerender = true;
                        disturbed.gone = touch.gone;
                        disturbed.external_secrets.push(object.clone());
                    }
                }
                Dependent::Target(object) if touch.identity && reader != Some(object) => {
                    disturbed.external_secrets.push(object.clone());
                }
                Dependent::Store(store) if touch.state => stores.push((store.clone(), None)),
                _ => {}
            }
        }
        let namespace = &key.namespace;
        let referent = entry.referent.iter().filter(|_| touch.state);
        let referent = referent.filter(|store| reads_in(&self.by_store, store, namespace));
        stores.extend(referent.map(|store| (store.clone(), Some(Arc::clone(namespace)))));
        for (store, namespace) in stores {
            let failing = self.unsettle(&store, namespace.as_ref(), touch.gone);
            disturbed.external_secrets.extend(failing);
            disturbed.gone = touch.gone;
            disturbed.stores.push(store);
        }
        disturbed.external_secrets.sort();
        disturbed.external_secrets.dedup();
        disturbed
    }

    /// A store's login may go another way now. Returns its failing readers (in `namespace`, if
    /// one is given); those of a store that is not ready hear its verdict instead.
    fn unsettle(
        &mut self,
        store: &ObjectKey,
        namespace: Option<&Arc<str>>,
        gone: bool,
    ) -> Vec<ObjectKey> {
        let Some(entry) = self.stores.get_mut(store) else {
            return Vec::new();
        };
        entry.circuit = Circuit::default();
        entry.attempt = 0;
        entry.stale |= gone;
        if !entry.is_ready() || gone {
            return Vec::new();
        }
        let readers = self.by_store.get(store).into_iter().flatten();
        let readers = readers.filter(|reader| namespace.is_none_or(|n| reader.namespace == *n));
        let failing = readers.filter(|reader| {
            let entry = self.external_secrets.get(*reader);
            entry.is_some_and(|entry| entry.failure.is_some())
        });
        failing.cloned().collect()
    }

    /// Links the templates of an ExternalSecret. Its own target is left out: it would wake itself.
    pub(super) fn link_templates(&mut self, object: &ExternalSecret) {
        let sources = object.summary.iter().flat_map(|summary| {
            let own = |kind, name: &str| kind == ReferenceKind::Secret && *name == *summary.target;
            let others = summary.sources.iter();
            others.filter(move |(kind, name)| !own(*kind, name))
        });
        for (kind, name) in sources {
            let place = Some(Arc::clone(&object.key.namespace));
            let dependent = Dependent::Template(object.key.clone());
            self.dependencies.link(*kind, name, dependent, place);
        }
    }

    /// Undoes [`Self::link_templates`] and forgets what the object waits for.
    pub(super) fn unlink_templates(&mut self, object: &ExternalSecret) {
        let Ok(summary) = &object.summary else {
            return;
        };
        let place = Some(Arc::clone(&object.key.namespace));
        let dependent = Dependent::Template(object.key.clone());
        for (kind, name) in &summary.sources {
            self.dependencies.unlink(*kind, name, &dependent, &place);
        }
        let waiting = Dependent::Target(object.key.clone());
        self.dependencies
            .unlink(ReferenceKind::Secret, &summary.target, &waiting, &place);
    }

    /// `object` cannot go on before `target` changes from what was seen of it; `None` if it can.
    /// Returns whether that is new: what happened between the look and this moment may have been
    /// noticed by nobody, so the object must look once more.
    pub fn await_target(
        &mut self,
        object: &ObjectKey,
        target: &ObjectKey,
        seen: Option<Sighting>,
    ) -> bool {
        let kind = ReferenceKind::Secret;
        let dependent = Dependent::Target(object.clone());
        let place = Some(Arc::clone(&target.namespace));
        let Some(sighting) = seen.filter(|_| self.external_secrets.contains_key(object)) else {
            self.dependencies
                .unlink(kind, &target.name, &dependent, &place);
            return false;
        };
        let dependencies = &mut self.dependencies;
        let new = !dependencies.depends(&target.name, &dependent, &target.namespace);
        dependencies.link(kind, &target.name, dependent, place);
        // Whoever else waits for it has its own look ahead.
        let _ = self.read(kind, target, sighting, object);
        new
    }

    pub(super) fn link_store(&mut self, store: &Store) {
        for (kind, name, place) in named_by(store) {
            let dependent = Dependent::Store(store.key.clone());
            self.dependencies.link(kind, &name, dependent, place);
        }
    }

    pub(super) fn unlink_store(&mut self, store: &Store) {
        let dependent = Dependent::Store(store.key.clone());
        for (kind, name, place) in named_by(store) {
            self.dependencies.unlink(kind, &name, &dependent, &place);
        }
    }
}

/// Whether an object in `namespace` reads from `store`.
fn reads_in(
    by_store: &HashMap<ObjectKey, BTreeSet<ObjectKey>>,
    store: &ObjectKey,
    namespace: &Arc<str>,
) -> bool {
    let first = ObjectKey {
        namespace: Arc::clone(namespace),
        name: "".into(),
    };
    let readers = by_store.get(store);
    let next = readers.and_then(|readers| readers.range(first..).next());
    next.is_some_and(|reader| reader.namespace == *namespace)
}

/// What a store names, and in which namespaces. A SecretStore that names another namespace is
/// refused, so nothing there concerns it.
fn named_by(store: &Store) -> Vec<(ReferenceKind, String, Place)> {
    let own = &store.key.namespace;
    let references = store.spec.iter().flat_map(SecretStoreSpec::references);
    references
        .filter_map(|reference| {
            let place = match reference.namespace {
                None if own.is_empty() => None,
                None => Some(Arc::clone(own)),
                Some(named) if own.is_empty() => Some(named.into()),
                Some(named) if *named == **own => Some(Arc::clone(own)),
                Some(_) => return None,
            };
            Some((reference.kind, reference.name, place))
        })
        .collect()
}

#[cfg(test)]
mod tests;

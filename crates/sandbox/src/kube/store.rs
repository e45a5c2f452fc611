//! All objects, one growing resource version, and each resource's recent events.
//!
//! Owns: atomic compare-and-set writes, ordered lists, the ring of events that watches read, and
//! the index from owners to dependents. Refuses: any meaning of an object beyond its metadata.
//! Tests: `store/tests.rs`.

mod log;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::ops::Bound;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use serde_json::Value;
use tokio::sync::watch;

use super::object::{self, Object};

/// Most events that are handed out at once.
const BATCH: usize = 256;

/// Group and plural: where objects of a resource are kept, whatever version they are asked in.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Bucket {
    /// API group, empty for the core group.
    pub group: Arc<str>,
    /// Plural resource name.
    pub plural: Arc<str>,
}

impl Bucket {
    /// A bucket's name.
    #[must_use]
    pub fn new(group: &str, plural: &str) -> Self {
        Self {
            group: group.into(),
            plural: plural.into(),
        }
    }
}

/// Full address of one object.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// The resource.
    pub bucket: Bucket,
    /// Namespace, empty for cluster-scoped objects.
    pub namespace: String,
    /// Name.
    pub name: String,
}

impl Key {
    /// The address of `object` in `bucket`.
    #[must_use]
    pub fn of(bucket: &Bucket, object: &Value) -> Self {
        Self {
            bucket: bucket.clone(),
            namespace: object::meta(object, "namespace").to_owned(),
            name: object::meta(object, "name").to_owned(),
        }
    }
}

/// What happened to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It came into being.
    Added,
    /// It changed.
    Modified,
    /// It went; the event holds its last state.
    Deleted,
}

/// One change of one object.
#[derive(Clone, Debug)]
pub struct Event {
    /// What happened.
    pub change: Change,
    /// The object after the change.
    pub object: Arc<Object>,
    /// The object before the change.
    pub before: Option<Arc<Object>>,
}

/// Why a write was not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The name is taken.
    Exists,
    /// There is no such object.
    Missing,
    /// The object has changed since it was read.
    Stale,
}

/// Objects by namespace, then name: the order of lists.
type Objects = BTreeMap<String, BTreeMap<String, Arc<Object>>>;

struct Table {
    objects: Objects,
    events: VecDeque<Event>,
    /// Highest version whose event is gone.
    compacted: u64,
    news: watch::Sender<u64>,
}

struct Inner {
    version: u64,
    tables: HashMap<Bucket, Table>,
    by_uid: HashMap<String, Key>,
    /// Owner uid to its dependents.
    dependents: HashMap<String, HashSet<Key>>,
}

/// The store. Every method takes a lock for microseconds; none waits on anything else.
pub struct Store {
    inner: RwLock<Inner>,
    ring: usize,
    log: Option<Mutex<log::Log>>,
    removed: Mutex<Vec<Arc<Object>>>,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store")
            .field("version", &self.version())
            .finish_non_exhaustive()
    }
}

impl Store {
    /// An empty store that remembers `ring` events of each resource.
    #[must_use]
    pub fn new(ring: usize) -> Self {
        let inner = Inner {
            version: 0,
            tables: HashMap::new(),
            by_uid: HashMap::new(),
            dependents: HashMap::new(),
        };
        Self {
            inner: RwLock::new(inner),
            ring: ring.max(1),
            log: None,
            removed: Mutex::default(),
        }
    }

    /// The store kept in `folder`; empty when the folder is.
    ///
    /// # Errors
    /// When the folder cannot be read or written.
    pub fn open(folder: &Path, ring: usize) -> std::io::Result<Self> {
        let mut store = Self::new(ring);
        let (log, kept) = log::Log::open(folder)?;
        {
            let mut inner = store.write();
            inner.version = kept.version;
            for (bucket, value) in kept.objects {
                let version = object::meta(&value, "resourceVersion")
                    .parse()
                    .unwrap_or_default();
                inner.insert(&bucket, &Arc::new(Object::new(value, version)), None);
            }
            // Events from before the restart are gone: a watch from there must start anew.
            let version = inner.version;
            for table in inner.tables.values_mut() {
                table.compacted = version;
            }
        }
        store.log = Some(Mutex::new(log));
        Ok(store)
    }

    fn read(&self) -> RwLockReadGuard<'_, Inner> {
        self.inner.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Inner> {
        self.inner.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// The present resource version.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.read().version
    }

    /// Objects removed since this was last asked, for the garbage collector.
    pub fn take_removed(&self) -> Vec<Arc<Object>> {
        std::mem::take(&mut *self.removed.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// One object.
    #[must_use]
    pub fn get(&self, bucket: &Bucket, namespace: &str, name: &str) -> Option<Arc<Object>> {
        self.read()
            .tables
            .get(bucket)?
            .objects
            .get(namespace)?
            .get(name)
            .cloned()
    }

    /// Where the object with this uid is.
    #[must_use]
    pub fn find(&self, uid: &str) -> Option<(Key, Arc<Object>)> {
        let inner = self.read();
        let key = inner.by_uid.get(uid)?;
        let object = inner
            .tables
            .get(&key.bucket)?
            .objects
            .get(&key.namespace)?
            .get(&key.name)?;
        Some((key.clone(), Arc::clone(object)))
    }

    /// The objects that name `uid` as an owner.
    #[must_use]
    pub fn dependents(&self, uid: &str) -> Vec<(Key, Arc<Object>)> {
        let inner = self.read();
        let keys = inner.dependents.get(uid).into_iter().flatten();
        keys.filter_map(|key| {
            let object = inner
                .tables
                .get(&key.bucket)?
                .objects
                .get(&key.namespace)?
                .get(&key.name)?;
            Some((key.clone(), Arc::clone(object)))
        })
        .collect()
    }

    /// All objects of a resource, or of one namespace, in order, with the version they are of.
    #[must_use]
    pub fn list(&self, bucket: &Bucket, namespace: Option<&str>) -> (Vec<Arc<Object>>, u64) {
        let inner = self.read();
        let Some(table) = inner.tables.get(bucket) else {
            return (Vec::new(), inner.version);
        };
        let objects = match namespace {
            Some(ns) => table
                .objects
                .get(ns)
                .into_iter()
                .flat_map(BTreeMap::values)
                .cloned()
                .collect(),
            None => table
                .objects
                .values()
                .flat_map(BTreeMap::values)
                .cloned()
                .collect(),
        };
        (objects, inner.version)
    }

    /// The buckets that hold any object.
    #[must_use]
    pub fn buckets(&self) -> Vec<Bucket> {
        self.read()
            .tables
            .iter()
            .filter(|(_, t)| !t.objects.is_empty())
            .map(|(b, _)| b.clone())
            .collect()
    }

    /// The next events of a resource after `version`, and the version they reach.
    ///
    /// # Errors
    /// The oldest version that can be resumed from, when `version` is older.
    pub fn events_after(&self, bucket: &Bucket, version: u64) -> Result<(Vec<Event>, u64), u64> {
        let inner = self.read();
        let Some(table) = inner.tables.get(bucket) else {
            return Ok((Vec::new(), inner.version));
        };
        if version < table.compacted {
            return Err(table.compacted);
        }
        let start = table
            .events
            .partition_point(|e| e.object.version() <= version);
        let rest = table
            .events
            .range((Bound::Included(start), Bound::Unbounded));
        let events: Vec<Event> = rest.take(BATCH).cloned().collect();
        let reached = match events.last() {
            Some(last) if events.len() == BATCH => last.object.version(),
            _ => inner.version,
        };
        Ok((events, reached))
    }

    /// Announces each event of a resource by its version.
    #[must_use]
    pub fn subscribe(&self, bucket: &Bucket) -> watch::Receiver<u64> {
        self.write().table(bucket).news.subscribe()
    }

    /// Forgets all events up to now, as a compaction does: older watches must start anew.
    pub fn compact(&self) {
        let mut inner = self.write();
        let version = inner.version;
        for table in inner.tables.values_mut() {
            table.events.clear();
            table.compacted = version;
        }
    }

    /// Adds an object.
    ///
    /// # Errors
    /// [`Refused::Exists`].
    pub fn create(&self, bucket: &Bucket, value: Value) -> Result<Arc<Object>, Refused> {
        let mut inner = self.write();
        let key = Key::of(bucket, &value);
        if inner
            .table(bucket)
            .objects
            .get(&key.namespace)
            .is_some_and(|m| m.contains_key(&key.name))
        {
            return Err(Refused::Exists);
        }
        Ok(self.put(&mut inner, bucket, value, None))
    }

    /// Replaces an object that is still as of `seen`.
    ///
    /// # Errors
    /// [`Refused::Missing`] or [`Refused::Stale`].
    pub fn replace(
        &self,
        bucket: &Bucket,
        seen: u64,
        value: Value,
    ) -> Result<Arc<Object>, Refused> {
        let mut inner = self.write();
        let before = inner.current(&Key::of(bucket, &value), seen)?;
        Ok(self.put(&mut inner, bucket, value, Some(before)))
    }

    /// Removes an object that is still as of `seen`; returns its last state.
    ///
    /// # Errors
    /// [`Refused::Missing`] or [`Refused::Stale`].
    pub fn remove(&self, key: &Key, seen: u64) -> Result<Arc<Object>, Refused> {
        let mut inner = self.write();
        let before = inner.current(key, seen)?;
        inner.version += 1;
        let version = inner.version;
        let mut value = before.value().clone();
        object::set_meta(&mut value, "resourceVersion", version.to_string());
        let last = Arc::new(Object::new(value, version));
        inner.forget(key, &before);
        self.log(&key.bucket, &last, true, &inner);
        self.removed
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(Arc::clone(&last));
        self.announce(
            &mut inner,
            &key.bucket,
            Event {
                change: Change::Deleted,
                object: Arc::clone(&last),
                before: Some(before),
            },
        );
        Ok(last)
    }

    fn put(
        &self,
        inner: &mut Inner,
        bucket: &Bucket,
        mut value: Value,
        before: Option<Arc<Object>>,
    ) -> Arc<Object> {
        inner.version += 1;
        let version = inner.version;
        object::set_meta(&mut value, "resourceVersion", version.to_string());
        let object = Arc::new(Object::new(value, version));
        inner.insert(bucket, &object, before.as_ref());
        self.log(bucket, &object, false, inner);
        let change = if before.is_some() {
            Change::Modified
        } else {
            Change::Added
        };
        self.announce(
            inner,
            bucket,
            Event {
                change,
                object: Arc::clone(&object),
                before,
            },
        );
        object
    }

    fn log(&self, bucket: &Bucket, object: &Object, gone: bool, inner: &Inner) {
        let Some(log) = &self.log else { return };
        let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
        log.append(bucket, object, gone);
        if log.is_due() {
            let all = inner.tables.iter().flat_map(|(b, t)| {
                t.objects
                    .values()
                    .flat_map(BTreeMap::values)
                    .map(move |o| (b, o.as_ref()))
            });
            log.rewrite(inner.version, all);
        }
    }

    fn announce(&self, inner: &mut Inner, bucket: &Bucket, event: Event) {
        let version = event.object.version();
        let ring = self.ring;
        let table = inner.table(bucket);
        table.events.push_back(event);
        while table.events.len() > ring {
            if let Some(old) = table.events.pop_front() {
                table.compacted = old.object.version();
            }
        }
        table.news.send_replace(version);
    }
}

impl Inner {
    fn table(&mut self, bucket: &Bucket) -> &mut Table {
        self.tables.entry(bucket.clone()).or_insert_with(|| Table {
            objects: Objects::new(),
            events: VecDeque::new(),
            compacted: 0,
            news: watch::Sender::new(0),
        })
    }

    fn current(&self, key: &Key, seen: u64) -> Result<Arc<Object>, Refused> {
        let found = self
            .tables
            .get(&key.bucket)
            .and_then(|t| t.objects.get(&key.namespace))
            .and_then(|m| m.get(&key.name));
        match found {
            None => Err(Refused::Missing),
            Some(object) if object.version() == seen => Ok(Arc::clone(object)),
            Some(_) => Err(Refused::Stale),
        }
    }

    fn insert(&mut self, bucket: &Bucket, object: &Arc<Object>, before: Option<&Arc<Object>>) {
        let key = Key::of(bucket, object.value());
        if before.is_none_or(|b| {
            b.value().pointer("/metadata/ownerReferences")
                != object.value().pointer("/metadata/ownerReferences")
        }) {
            if let Some(before) = before {
                self.disown(&key, before);
            }
            for owner in owners(object.value()) {
                self.dependents
                    .entry(owner.to_owned())
                    .or_default()
                    .insert(key.clone());
            }
        }
        if before.is_none() {
            self.by_uid.insert(object.uid().to_owned(), key.clone());
        }
        self.table(bucket)
            .objects
            .entry(key.namespace)
            .or_default()
            .insert(key.name, Arc::clone(object));
    }

    fn forget(&mut self, key: &Key, object: &Object) {
        self.disown(key, object);
        self.by_uid.remove(object.uid());
        let objects = &mut self.table(&key.bucket).objects;
        if let Some(names) = objects.get_mut(&key.namespace) {
            names.remove(&key.name);
            if names.is_empty() {
                objects.remove(&key.namespace);
            }
        }
    }

    fn disown(&mut self, key: &Key, object: &Object) {
        for owner in owners(object.value()) {
            if let Some(set) = self.dependents.get_mut(owner) {
                set.remove(key);
                if set.is_empty() {
                    self.dependents.remove(owner);
                }
            }
        }
    }
}

/// Uids of an object's owners.
pub fn owners(value: &Value) -> impl Iterator<Item = &str> {
    value
        .get("metadata")
        .into_iter()
        .flat_map(|m| object::items(m, "ownerReferences"))
        .map(|o| object::text(o, "uid"))
}

//! ExternalSecrets in the index.

use std::sync::Arc;

use keyless_fault::Class;

use super::{Index, Kind, Wakes, Work, link, target_of, unlink};
use crate::object::{ExternalSecret, ObjectKey};
use crate::schedule::Lane;

/// The last failure of an ExternalSecret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Failures in a row of the same kind.
    pub attempt: u32,
    /// Class of the newest.
    pub class: Class,
    /// A hash of what it said, to know the next one by.
    pub said: u64,
}

impl Failure {
    /// The failure after `previous`. Another text means that something was mended and the next
    /// link broke: the pauses begin anew, so that whoever mends a chain need not wait longer at
    /// each link.
    #[must_use]
    pub fn after(previous: Option<&Self>, class: Class, message: &str) -> Self {
        let said = crate::schedule::phase::seed(message);
        let again = previous.filter(|p| p.class == class && p.said == said);
        Self {
            attempt: again.map_or(0, |p| p.attempt) + 1,
            class,
            said,
        }
    }
}

/// An ExternalSecret and what this process knows about it beyond its own fields.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The object.
    pub object: Arc<ExternalSecret>,
    /// The list it was seen in.
    pub mark: u64,
    /// When the values were last read, in milliseconds since the Unix epoch; the status may be
    /// older, because an unchanged refresh is not always written.
    pub refreshed: Option<i64>,
    /// The last failure, until a success.
    pub failure: Option<Failure>,
    /// The store changed: read the values again even if none is due.
    pub refetch: bool,
    /// Something that its templates come from changed: render again even if no read is due.
    pub rerender: bool,
    /// Whether it was worked on in this process.
    pub looked: bool,
    /// A hash of the missing remote secrets last told of, so that refreshes do not repeat it.
    pub missing: u64,
    /// What was written lately against somebody's will.
    pub pace: crate::external_secret::Pace,
    /// A hash of what the Secret was last given by this process.
    pub given: u64,
    /// Reconciles, for metrics.
    pub calls: u64,
    /// Failed reconciles, for metrics.
    pub errors: u64,
    /// Nanoseconds of the last reconcile, for metrics.
    pub nanos: u64,
}

impl Entry {
    fn new(object: ExternalSecret, mark: u64) -> Self {
        Self {
            refreshed: object.refresh_time,
            object: Arc::new(object),
            mark,
            failure: None,
            refetch: false,
            rerender: false,
            looked: false,
            missing: 0,
            pace: crate::external_secret::Pace::default(),
            given: 0,
            calls: 0,
            errors: 0,
            nanos: 0,
        }
    }

    /// The group in which the scheduler is fair: the first store, or the namespace.
    #[must_use]
    pub fn group(&self) -> ObjectKey {
        let store = self.object.summary.as_ref().ok();
        let store = store.and_then(|s| s.stores.first());
        store.cloned().unwrap_or_else(|| ObjectKey {
            namespace: Arc::clone(&self.object.key.namespace),
            name: "".into(),
        })
    }
}

impl Index {
    /// An ExternalSecret exists in this state. Wakes it when something but its status changed.
    pub fn upsert_external_secret(&mut self, mut object: ExternalSecret, initial: bool) -> Wakes {
        object.key = self.intern(&object.key);
        let key = object.key.clone();
        let mark = self.mark(Kind::ExternalSecrets);
        let Some(entry) = self.external_secrets.get_mut(&key) else {
            let lane = match (initial, object.synced.as_ref()) {
                (false, _) => Lane::User,
                (true, Some(synced)) if *synced == object.fingerprint => Lane::Periodic,
                (true, _) => Lane::Event,
            };
            self.link_external_secret(&object);
            let mut wakes = vec![(Work::ExternalSecret(key.clone()), lane)];
            wakes.extend(self.external_secret_changed(None, Some(&object)));
            self.external_secrets.insert(key, Entry::new(object, mark));
            return wakes;
        };
        entry.mark = mark;
        if object.version < entry.object.version {
            return Wakes::new();
        }
        let old = Arc::clone(&entry.object);
        if old.uid != object.uid {
            let mut wakes = self.remove_external_secret(&key);
            wakes.extend(self.upsert_external_secret(object, false));
            return wakes;
        }
        let changed = old.fingerprint != object.fingerprint
            || old.deleting != object.deleting
            || old.finalizers != object.finalizers;
        if changed {
            entry.failure = None;
        }
        let mut wakes = Wakes::new();
        if changed || old.controller != object.controller {
            self.unlink_external_secret(&old);
            self.link_external_secret(&object);
            wakes = self.external_secret_changed(Some(&old), Some(&object));
        }
        if let Some(entry) = self.external_secrets.get_mut(&key) {
            entry.object = Arc::new(object);
        }
        if changed {
            wakes.push((Work::ExternalSecret(key), Lane::User));
        }
        wakes
    }

    /// An ExternalSecret is gone.
    pub fn remove_external_secret(&mut self, key: &ObjectKey) -> Wakes {
        self.need_kind(key, None);
        let Some(entry) = self.external_secrets.remove(key) else {
            return Wakes::new();
        };
        self.unlink_external_secret(&entry.object);
        self.external_secret_changed(Some(&entry.object), None)
    }

    /// The status that we wrote, with the resourceVersion that the write led to, so that an
    /// older event does not bring back the old one.
    pub fn status_written(
        &mut self,
        key: &ObjectKey,
        version: u64,
        change: impl FnOnce(&mut ExternalSecret),
    ) {
        if let Some(entry) = self.external_secrets.get_mut(key) {
            let object = Arc::make_mut(&mut entry.object);
            if version >= object.version {
                object.version = version;
                change(object);
            }
        }
    }

    /// The ExternalSecrets that read from the store `key`.
    pub fn readers_of(&self, key: &ObjectKey) -> impl Iterator<Item = &ObjectKey> {
        self.by_store.get(key).into_iter().flatten()
    }

    fn link_external_secret(&mut self, object: &ExternalSecret) {
        self.link_templates(object);
        if let Some(target) = target_of(object) {
            link(&mut self.by_target, &target, &object.key);
        }
        for store in object.summary.iter().flat_map(|s| &s.stores) {
            let readers = self.by_store.entry(store.clone()).or_default();
            readers.insert(object.key.clone());
        }
        if let Some(controller) = &object.controller {
            let made = self.by_controller.entry(controller.name.clone());
            made.or_default().insert(object.key.clone());
        }
    }

    fn unlink_external_secret(&mut self, object: &ExternalSecret) {
        self.unlink_templates(object);
        if let Some(target) = target_of(object) {
            unlink(&mut self.by_target, &target, &object.key);
        }
        for store in object.summary.iter().flat_map(|s| &s.stores) {
            if let Some(readers) = self.by_store.get_mut(store) {
                readers.remove(&object.key);
                if readers.is_empty() {
                    self.by_store.remove(store);
                }
            }
        }
        if let Some(controller) = &object.controller
            && let Some(made) = self.by_controller.get_mut(&controller.name)
        {
            made.remove(&object.key);
            if made.is_empty() {
                self.by_controller.remove(&controller.name);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_only_while_the_failure_is_the_same() {
        let first = Failure::after(None, Class::Denied, "no trust");
        let second = Failure::after(Some(&first), Class::Denied, "no trust");
        assert_eq!((first.attempt, second.attempt), (1, 2));
        assert_eq!(
            Failure::after(Some(&second), Class::Denied, "no permission").attempt,
            1
        );
    }
}

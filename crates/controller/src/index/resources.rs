//! Targets that are no Secrets in the index: which kinds are needed, and their managed objects.
//!
//! Owns: who needs a kind, whether the kind is served and its list complete, the objects, and whom
//! an event wakes. Refuses: finding out how a kind is served; [`crate::kinds`] does.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use keyless_secret::manifest::TargetKind;

use super::{Index, Wakes, Work, link, unlink};
use crate::kinds::{KindProblem, Served};
use crate::object::{ObjectKey, Resource};
use crate::schedule::Lane;

/// A managed object and how much of it has been checked.
#[derive(Clone, Debug)]
pub struct ResourceEntry {
    /// Its metadata.
    pub resource: Resource,
    /// The list it was seen in.
    mark: u64,
    /// Whether its content is known: we wrote or read it at this resourceVersion, or its kind
    /// counts changes of content and counted none since.
    pub verified: bool,
    /// Whether an event told of a version that we did not write; its content may differ.
    pub suspect: bool,
    /// A hash of the metadata, and of the wanted content that it was found to satisfy.
    pub approved: Option<(u64, u64)>,
    /// The hash of the content as the API server keeps it, with the defaults that it added.
    pub stored: Option<Box<str>>,
}

/// What is known of a kind.
#[derive(Clone, Debug, Default)]
pub enum KindState {
    /// Not yet known whether it is served, or its first list is not complete.
    #[default]
    Unknown,
    /// It cannot be used.
    Refused(Arc<KindProblem>),
    /// Its objects are known.
    Known(Arc<Served>),
}

/// A kind that is needed.
#[derive(Debug, Default)]
struct KindEntry {
    users: BTreeSet<ObjectKey>,
    by_target: HashMap<ObjectKey, Vec<ObjectKey>>,
    served: Option<Arc<Served>>,
    problem: Option<Arc<KindProblem>>,
    listed: bool,
    list: u64,
    objects: HashMap<ObjectKey, ResourceEntry>,
}

/// Every kind that is needed.
#[derive(Debug, Default)]
pub(super) struct Resources {
    kinds: HashMap<Arc<TargetKind>, KindEntry>,
    needs: HashMap<ObjectKey, (Arc<TargetKind>, ObjectKey)>,
    changed: bool,
}

impl Index {
    /// The ExternalSecret `user` writes to the object `target` of a kind; or to none.
    pub fn need_kind(&mut self, user: &ObjectKey, need: Option<(&TargetKind, &ObjectKey)>) {
        let resources = &mut self.resources;
        let known = resources.needs.get(user).map(|(k, t)| (&**k, t));
        if known == need {
            return;
        }
        if let Some((kind, target)) = resources.needs.remove(user)
            && let Some(entry) = resources.kinds.get_mut(&kind)
        {
            unlink(&mut entry.by_target, &target, user);
            entry.users.remove(user);
            resources.changed |= entry.users.is_empty();
        }
        let Some((kind, target)) = need else {
            return;
        };
        let kind = match resources.kinds.get_key_value(kind) {
            Some((kind, _)) => Arc::clone(kind),
            None => Arc::new(kind.clone()),
        };
        let entry = resources.kinds.entry(Arc::clone(&kind)).or_default();
        resources.changed |= entry.users.is_empty();
        entry.users.insert(user.clone());
        link(&mut entry.by_target, target, user);
        resources.needs.insert(user.clone(), (kind, target.clone()));
    }

    /// Whether the set of needed kinds has changed since it was last asked.
    pub fn take_kinds_changed(&mut self) -> bool {
        std::mem::take(&mut self.resources.changed)
    }

    /// The kinds that are needed.
    #[must_use]
    pub fn needed_kinds(&self) -> Vec<Arc<TargetKind>> {
        let needed = self.resources.kinds.iter();
        let needed = needed.filter(|(_, entry)| !entry.users.is_empty());
        needed.map(|(kind, _)| Arc::clone(kind)).collect()
    }

    /// Forgets a kind that nobody needs any more.
    pub fn forget_kind(&mut self, kind: &TargetKind) {
        let entry = self.resources.kinds.get(kind);
        if entry.is_some_and(|entry| entry.users.is_empty()) {
            self.resources.kinds.remove(kind);
        }
    }

    /// What is known of a kind.
    #[must_use]
    pub fn kind_state(&self, kind: &TargetKind) -> KindState {
        let Some(entry) = self.resources.kinds.get(kind) else {
            return KindState::Unknown;
        };
        match (&entry.problem, &entry.served) {
            (Some(problem), _) => KindState::Refused(Arc::clone(problem)),
            (None, Some(served)) if entry.listed => KindState::Known(Arc::clone(served)),
            _ => KindState::Unknown,
        }
    }

    /// A kind is served; its list begins next.
    pub fn kind_served(&mut self, kind: &TargetKind, served: Served) {
        if let Some(entry) = self.resources.kinds.get_mut(kind) {
            entry.served = Some(Arc::new(served));
        }
    }

    /// A kind cannot be used. Wakes its users if that is news.
    pub fn kind_refused(&mut self, kind: &TargetKind, problem: KindProblem) -> Wakes {
        let Some(entry) = self.resources.kinds.get_mut(kind) else {
            return Wakes::new();
        };
        let news = entry.problem.as_deref() != Some(&problem);
        entry.problem = Some(Arc::new(problem));
        if news {
            self.users_of(kind)
        } else {
            Wakes::new()
        }
    }

    /// A list of a kind begins.
    pub fn kind_begin(&mut self, kind: &TargetKind) {
        if let Some(entry) = self.resources.kinds.get_mut(kind) {
            entry.list += 1;
        }
    }

    /// The list of a kind is complete: forgets what it did not name. Wakes all users if they
    /// waited for it.
    pub fn kind_listed(&mut self, kind: &TargetKind) -> Wakes {
        let Some(entry) = self.resources.kinds.get_mut(kind) else {
            return Wakes::new();
        };
        let waited = entry.problem.take().is_some() | !std::mem::replace(&mut entry.listed, true);
        let list = entry.list;
        let gone = entry.objects.extract_if(|_, object| object.mark < list);
        let gone: Vec<ObjectKey> = gone.map(|(key, _)| key).collect();
        if waited {
            return self.users_of(kind);
        }
        gone.iter()
            .flat_map(|key| self.writers_of_resource(kind, key))
            .collect()
    }

    /// A managed object.
    #[must_use]
    pub fn resource(&self, kind: &TargetKind, key: &ObjectKey) -> Option<&ResourceEntry> {
        self.resources.kinds.get(kind)?.objects.get(key)
    }

    /// The objects that the ExternalSecret `owner` made and owns under another name than `target`.
    #[must_use]
    pub fn orphaned_resources(
        &self,
        kind: &TargetKind,
        creator: &str,
        owner: &str,
        target: &ObjectKey,
    ) -> Vec<ObjectKey> {
        let objects = self.resources.kinds.get(kind).into_iter();
        let objects = objects.flat_map(|entry| &entry.objects);
        objects
            .filter(|(key, entry)| {
                key.namespace == target.namespace
                    && *key != target
                    && entry.resource.created_by.as_deref() == Some(creator)
                    && entry.resource.is_owned_by(owner)
            })
            .map(|(key, _)| key.clone())
            .collect()
    }

    /// A managed object exists in this state. Wakes its writers if its content may have changed.
    pub fn upsert_resource(
        &mut self,
        kind: &TargetKind,
        resource: Resource,
        initial: bool,
    ) -> Wakes {
        let Some(entry) = self.resources.kinds.get_mut(kind) else {
            return Wakes::new();
        };
        let key = resource.key.clone();
        let mark = entry.list;
        let fresh_start = initial && !entry.listed;
        let old = entry.objects.get_mut(&key);
        let mut new = ResourceEntry {
            mark,
            verified: false,
            suspect: !fresh_start,
            approved: None,
            stored: None,
            resource,
        };
        if let Some(old) = old {
            if old.resource.version >= new.resource.version {
                old.mark = mark;
                return Wakes::new();
            }
            new.approved = old.approved;
            let same = new.resource.uid == old.resource.uid
                && new.resource.generation > 0
                && new.resource.generation == old.resource.generation
                && new.resource.data_hash == old.resource.data_hash;
            if new.resource.uid == old.resource.uid {
                new.stored = old.stored.take();
            }
            // Its own controller wrote the status, or someone a label.
            if same {
                new.verified = old.verified;
                new.suspect = old.suspect;
            }
        }
        let wakes = !fresh_start && new.suspect;
        entry.objects.insert(key.clone(), new);
        if wakes {
            self.writers_of_resource(kind, &key)
        } else {
            Wakes::new()
        }
    }

    /// An object that we wrote, or read in full and found in order. `stored` is the hash of its
    /// content, `satisfied` the hash of the wanted content that it satisfies.
    pub fn resource_known(
        &mut self,
        kind: &TargetKind,
        resource: Resource,
        stored: Option<Box<str>>,
        satisfied: Option<u64>,
    ) {
        let Some(entry) = self.resources.kinds.get_mut(kind) else {
            return;
        };
        let newer = entry.objects.get(&resource.key);
        if newer.is_some_and(|known| known.resource.version > resource.version) {
            return;
        }
        let shape = resource.shape;
        let mark = entry.list;
        entry.objects.insert(
            resource.key.clone(),
            ResourceEntry {
                resource,
                mark,
                verified: true,
                suspect: false,
                approved: satisfied.map(|wanted| (shape, wanted)),
                stored,
            },
        );
    }

    /// An object is gone, or is no longer managed. `version` is that of the deletion.
    pub fn remove_resource(&mut self, kind: &TargetKind, key: &ObjectKey, version: u64) -> Wakes {
        let Some(entry) = self.resources.kinds.get_mut(kind) else {
            return Wakes::new();
        };
        let known = entry.objects.get(key);
        if known.is_none_or(|known| known.resource.version > version) {
            return Wakes::new();
        }
        entry.objects.remove(key);
        self.writers_of_resource(kind, key)
    }

    fn writers_of_resource(&self, kind: &TargetKind, key: &ObjectKey) -> Wakes {
        let entry = self.resources.kinds.get(kind);
        let writers = entry.and_then(|entry| entry.by_target.get(key));
        let writers = writers.into_iter().flatten();
        writers
            .map(|user| (Work::ExternalSecret(user.clone()), Lane::Event))
            .collect()
    }

    /// Every user of a kind; those that were in step before are in no hurry.
    fn users_of(&self, kind: &TargetKind) -> Wakes {
        let entry = self.resources.kinds.get(kind);
        let users = entry.into_iter().flat_map(|entry| &entry.users);
        users
            .map(|user| {
                let known = self.external_secrets.get(user).map(|entry| &entry.object);
                let in_step =
                    known.is_some_and(|object| object.synced.as_ref() == Some(&object.fingerprint));
                let lane = if in_step { Lane::Periodic } else { Lane::Event };
                (Work::ExternalSecret(user.clone()), lane)
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use keyless_api::Manifest;

    use super::*;

    fn kind(name: &str) -> TargetKind {
        let manifest = Manifest {
            api_version: "v1".into(),
            kind: name.into(),
        };
        TargetKind::of(&manifest).unwrap().unwrap()
    }

    fn object(version: u64, generation: i64) -> Resource {
        Resource::decode(&format!(
            r#"{{"metadata":{{"name":"t","namespace":"n","uid":"u","resourceVersion":"{version}","generation":{generation}}}}}"#
        ))
        .unwrap()
    }

    fn served() -> Served {
        Served {
            base: "/api/v1".into(),
            plural: "things".into(),
        }
    }

    fn listed(index: &mut Index, user: &ObjectKey) -> TargetKind {
        let kind = kind("Thing");
        index.need_kind(user, Some((&kind, &ObjectKey::new("n", "t"))));
        index.kind_served(&kind, served());
        index.kind_begin(&kind);
        assert_eq!(index.kind_listed(&kind).len(), 1, "who waited is woken");
        kind
    }

    #[test]
    fn a_kind_is_needed_while_it_has_users() {
        let mut index = Index::default();
        let (a, b) = (ObjectKey::new("n", "a"), ObjectKey::new("n", "b"));
        let target = ObjectKey::new("n", "t");
        let thing = kind("Thing");
        index.need_kind(&a, Some((&thing, &target)));
        assert!(index.take_kinds_changed());
        index.need_kind(&a, Some((&thing, &target)));
        index.need_kind(&b, Some((&thing, &target)));
        assert!(!index.take_kinds_changed());
        index.need_kind(&a, None);
        index.forget_kind(&thing);
        assert_eq!(index.needed_kinds().len(), 1);
        index.need_kind(&b, Some((&kind("Other"), &target)));
        assert!(index.take_kinds_changed());
        assert_eq!(*index.needed_kinds()[0], kind("Other"));
        index.forget_kind(&thing);
        assert!(matches!(index.kind_state(&thing), KindState::Unknown));
        index.remove_external_secret(&b);
        assert!(index.take_kinds_changed() && index.needed_kinds().is_empty());
    }

    #[test]
    fn only_what_may_be_a_change_of_content_wakes() {
        let mut index = Index::default();
        let user = ObjectKey::new("n", "a");
        let kind = listed(&mut index, &user);
        let key = ObjectKey::new("n", "t");
        index.resource_known(&kind, object(5, 1), Some("h".into()), Some(1));
        assert!(
            index.upsert_resource(&kind, object(5, 1), false).is_empty(),
            "our echo"
        );
        assert!(
            index.upsert_resource(&kind, object(6, 1), false).is_empty(),
            "a status"
        );
        assert!(index.resource(&kind, &key).unwrap().verified);
        assert_eq!(index.upsert_resource(&kind, object(7, 2), false).len(), 1);
        let entry = index.resource(&kind, &key).unwrap();
        assert!(entry.suspect && !entry.verified && entry.stored.is_some());
        assert_eq!(
            index.upsert_resource(&kind, object(8, 0), false).len(),
            1,
            "not counted"
        );
        assert_eq!(
            index.remove_resource(&kind, &key, 7).len(),
            0,
            "an old deletion"
        );
        assert_eq!(index.remove_resource(&kind, &key, 9).len(), 1);
    }

    #[test]
    fn what_a_list_does_not_name_is_gone() {
        let mut index = Index::default();
        let user = ObjectKey::new("n", "a");
        let kind = listed(&mut index, &user);
        index.resource_known(&kind, object(5, 1), None, None);
        index.kind_begin(&kind);
        assert_eq!(index.kind_listed(&kind).len(), 1);
        assert!(index.resource(&kind, &ObjectKey::new("n", "t")).is_none());
    }

    #[test]
    fn a_refusal_is_told_once_and_ends_with_a_list() {
        let mut index = Index::default();
        let user = ObjectKey::new("n", "a");
        let kind = listed(&mut index, &user);
        let problem = || KindProblem::ClusterScoped {
            kind: "v1 Thing".into(),
        };
        assert_eq!(index.kind_refused(&kind, problem()).len(), 1);
        assert_eq!(index.kind_refused(&kind, problem()).len(), 0);
        assert!(matches!(index.kind_state(&kind), KindState::Refused(_)));
        index.kind_begin(&kind);
        assert_eq!(index.kind_listed(&kind).len(), 1);
        assert!(matches!(index.kind_state(&kind), KindState::Known(_)));
    }
}

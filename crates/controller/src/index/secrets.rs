//! Managed Secrets in the index.

use super::{Index, Kind, Wakes, link, unlink};
use crate::object::{ObjectKey, Secret};

/// A managed Secret and how much of it has been checked.
#[derive(Clone, Debug)]
pub struct SecretEntry {
    /// Its metadata.
    pub secret: Secret,
    /// The list it was seen in.
    pub mark: u64,
    /// Whether its data is known to have the hash of its annotation: we wrote or read it at this
    /// resourceVersion. Bodies are not watched.
    pub verified: bool,
    /// Whether an event told of a version that we did not write; its data may differ.
    pub suspect: bool,
    /// A hash of the metadata, and of the wanted metadata that it was found to satisfy.
    pub approved: Option<(u64, u64)>,
}

impl Index {
    /// The managed Secret `key`.
    #[must_use]
    pub fn secret(&self, key: &ObjectKey) -> Option<&SecretEntry> {
        self.secrets.get(key)
    }

    /// How many managed Secrets there are.
    #[must_use]
    pub fn secret_count(&self) -> usize {
        self.secrets.len()
    }

    /// The Secrets whose created-by label is `creator`, except `target`.
    #[must_use]
    pub fn orphans(&self, creator: &str, target: &ObjectKey) -> Vec<ObjectKey> {
        let created = self.by_creator.get(creator).into_iter().flatten();
        let created = created.filter(|k| k.namespace == target.namespace && *k != target);
        created.cloned().collect()
    }

    /// A managed Secret exists in this state. Wakes its writers if we did not write that state.
    pub fn upsert_secret(&mut self, mut secret: Secret, initial: bool) -> Wakes {
        secret.key = self.intern(&secret.key);
        let key = secret.key.clone();
        let mark = self.mark(Kind::Secrets);
        let fresh_start = initial && !self.is_synced(Kind::Secrets);
        let approved = match self.secrets.get_mut(&key) {
            Some(entry) if entry.secret.version >= secret.version => {
                entry.mark = mark;
                return Wakes::new();
            }
            Some(entry) => entry.approved,
            None => None,
        };
        self.store_secret(SecretEntry {
            secret,
            mark,
            verified: false,
            suspect: !fresh_start,
            approved,
        });
        if fresh_start {
            Wakes::new()
        } else {
            self.writers_of(&key)
        }
    }

    /// A Secret that we wrote, or read in full and found its data to match its annotation.
    /// `satisfied` is the hash of the wanted metadata that it satisfies.
    pub fn secret_known(&mut self, mut secret: Secret, satisfied: Option<u64>) {
        secret.key = self.intern(&secret.key);
        if let Some(entry) = self.secrets.get(&secret.key)
            && entry.secret.version > secret.version
        {
            return;
        }
        let shape = secret.shape;
        let mark = self.mark(Kind::Secrets);
        self.store_secret(SecretEntry {
            secret,
            mark,
            verified: true,
            suspect: false,
            approved: satisfied.map(|wanted| (shape, wanted)),
        });
    }

    /// A Secret is gone, or is no longer managed. `version` is that of the deletion.
    pub fn remove_secret(&mut self, key: &ObjectKey, version: u64) -> Wakes {
        if self
            .secrets
            .get(key)
            .is_some_and(|e| e.secret.version > version)
        {
            return Wakes::new();
        }
        let Some(entry) = self.secrets.remove(key) else {
            return Wakes::new();
        };
        self.forget_creator(&entry.secret);
        self.writers_of(key)
    }

    fn store_secret(&mut self, entry: SecretEntry) {
        let key = entry.secret.key.clone();
        let creator = entry.secret.created_by.clone();
        if let Some(old) = self.secrets.insert(key.clone(), entry) {
            self.forget_creator(&old.secret);
        }
        if let Some(creator) = creator {
            link(&mut self.by_creator, &creator, &key);
        }
    }

    fn forget_creator(&mut self, secret: &Secret) {
        let Some(creator) = &secret.created_by else {
            return;
        };
        unlink(&mut self.by_creator, creator, &secret.key);
    }
}

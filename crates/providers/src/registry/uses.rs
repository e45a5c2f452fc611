//! Which references lead to which identity, so that one that nobody uses any more can be ended.
//!
//! Owns: who uses what, and since when not. Refuses: ending anything.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use keyless_fault::ObjectRef;
use tokio::time::Instant;

use super::references::Reference;

#[derive(Debug)]
struct Use<L> {
    login: Arc<L>,
    used: Instant,
    /// Its store was changed or deleted, and has not been used since.
    forgotten: bool,
}

/// The uses of identities `L`.
#[derive(Debug)]
pub(super) struct Uses<L> {
    uses: Mutex<HashMap<Reference, Use<L>>>,
    idle: Duration,
}

impl<L: Eq> Uses<L> {
    /// A use ends when `idle` has passed without another one.
    pub(super) fn new(idle: Duration) -> Self {
        Self {
            uses: Mutex::new(HashMap::new()),
            idle,
        }
    }

    /// `reference` leads to `login`. The identity that it led to before, if nobody else uses it.
    pub(super) fn record(&self, reference: &Reference, login: &Arc<L>) -> Option<Arc<L>> {
        let used = Instant::now();
        let mut uses = self.lock();
        if let Some(known) = uses.get_mut(reference)
            && *known.login == **login
        {
            known.used = used;
            known.forgotten = false;
            return None;
        }
        let new = Use {
            login: Arc::clone(login),
            used,
            forgotten: false,
        };
        let before = uses.insert(reference.clone(), new)?.login;
        unused(&uses, &before).then_some(before)
    }

    /// `reference` leads nowhere any more. The identity that it led to, if nobody else uses it.
    pub(super) fn remove(&self, reference: &Reference) -> Option<Arc<L>> {
        let mut uses = self.lock();
        let before = uses.remove(reference)?.login;
        unused(&uses, &before).then_some(before)
    }

    /// The references of `store` lead nowhere unless they are used again. Their identities.
    pub(super) fn forget(&self, store: &ObjectRef) -> Vec<Arc<L>> {
        let mut logins = Vec::new();
        for (reference, known) in self.lock().iter_mut() {
            if reference.consumer.store == *store {
                known.forgotten = true;
                logins.push(Arc::clone(&known.login));
            }
        }
        logins
    }

    /// Drops what is forgotten or idle; the identities that nobody uses any more.
    pub(super) fn collect(&self) -> Vec<Arc<L>> {
        let now = Instant::now();
        let mut uses = self.lock();
        let mut dropped: Vec<Arc<L>> = Vec::new();
        uses.retain(|_, known| {
            let keep = !known.forgotten && now.duration_since(known.used) < self.idle;
            if !keep {
                dropped.push(Arc::clone(&known.login));
            }
            keep
        });
        dropped.retain(|login| unused(&uses, login));
        dropped
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Reference, Use<L>>> {
        self.uses.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn unused<L: Eq>(uses: &HashMap<Reference, Use<L>>, login: &L) -> bool {
    uses.values().all(|known| *known.login != *login)
}

#[cfg(test)]
mod tests {
    use super::*;
    use keyless_identity::Consumer;

    fn reference(store: &str, consumer: &str) -> Reference {
        Reference {
            spec: String::new(),
            consumer: Consumer {
                store: ObjectRef::new("SecretStore", "ns", store),
                namespace: Some(consumer.to_owned()),
            },
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_identity_ends_with_its_last_user() {
        let uses = Uses::new(Duration::from_secs(60));
        let (one, two) = (Arc::new("one"), Arc::new("two"));
        assert_eq!(uses.record(&reference("a", "ns"), &one), None);
        assert_eq!(uses.record(&reference("b", "ns"), &one), None);
        // The first leads elsewhere, the second still there.
        assert_eq!(uses.record(&reference("a", "ns"), &two), None);
        assert_eq!(uses.record(&reference("b", "ns"), &two), Some(one));
        assert_eq!(uses.remove(&reference("a", "ns")), None);
        assert_eq!(uses.remove(&reference("b", "ns")), Some(two));
    }

    #[tokio::test(start_paused = true)]
    async fn a_forgotten_store_that_is_used_again_keeps_its_identity() {
        let uses = Uses::new(Duration::from_secs(60));
        let one = Arc::new("one");
        let store = ObjectRef::new("SecretStore", "ns", "a");
        uses.record(&reference("a", "ns"), &one);
        assert_eq!(uses.forget(&store), std::slice::from_ref(&one));
        uses.record(&reference("a", "ns"), &one);
        assert!(uses.collect().is_empty());
        uses.forget(&store);
        assert_eq!(uses.collect(), std::slice::from_ref(&one));
        uses.record(&reference("a", "ns"), &one);
        tokio::time::advance(Duration::from_secs(61)).await;
        assert_eq!(uses.collect(), [one]);
        assert!(uses.collect().is_empty());
    }
}

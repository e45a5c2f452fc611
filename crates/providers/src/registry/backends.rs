//! The clients that are kept open.
//!
//! Owns: one for each identity, closing idle ones. Refuses: knowing how they are opened, and
//! what makes two of them different (that is the key's business).

use std::collections::HashMap;
use std::convert::Infallible;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// A client that keeps answers for a while.
pub(super) trait Sweep {
    /// Drops answers that nobody would accept any more.
    fn sweep(&self);
}

/// Clients `B`, each under what makes it different.
#[derive(Debug)]
pub(super) struct Backends<K, B> {
    open: Mutex<Open<K, B>>,
    most: usize,
    idle: Duration,
}

#[derive(Debug)]
struct Open<K, B> {
    backends: HashMap<K, (Arc<B>, Instant)>,
    swept: Option<Instant>,
}

impl<K: Clone + Eq + Hash, B: Sweep> Backends<K, B> {
    pub(super) fn new(most: usize, idle: Duration) -> Self {
        Self {
            open: Mutex::new(Open {
                backends: HashMap::new(),
                swept: None,
            }),
            most: most.max(1),
            idle,
        }
    }

    pub(super) fn get_or_open(&self, key: &K, open: impl FnOnce() -> B) -> Arc<B> {
        let opened = self.get_or_try_open(key, || Ok::<B, Infallible>(open()));
        opened.unwrap_or_else(|never| match never {})
    }

    /// As [`Self::get_or_open`] for a client that may not open: then nothing is kept.
    pub(super) fn get_or_try_open<E>(
        &self,
        key: &K,
        open: impl FnOnce() -> Result<B, E>,
    ) -> Result<Arc<B>, E> {
        let now = Instant::now();
        let mut state = self.lock();
        self.sweep(&mut state, now);
        if let Some((backend, used)) = state.backends.get_mut(key) {
            *used = now;
            return Ok(Arc::clone(backend));
        }
        let backend = Arc::new(open()?);
        if state.backends.len() >= self.most {
            let oldest = state
                .backends
                .iter()
                .min_by_key(|(_, (_, used))| *used)
                .map(|(key, _)| key.clone());
            if let Some(oldest) = oldest {
                state.backends.remove(&oldest);
            }
        }
        state
            .backends
            .insert(key.clone(), (Arc::clone(&backend), now));
        Ok(backend)
    }

    pub(super) fn len(&self) -> usize {
        self.lock().backends.len()
    }

    /// At most once a minute: closes idle clients and drops old answers of the others.
    fn sweep(&self, state: &mut Open<K, B>, now: Instant) {
        let due = state
            .swept
            .is_none_or(|last| now.duration_since(last) >= Duration::from_secs(60));
        if !due {
            return;
        }
        state.swept = Some(now);
        state
            .backends
            .retain(|_, (_, used)| now.duration_since(*used) < self.idle);
        for (backend, _) in state.backends.values() {
            backend.sweep();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Open<K, B>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

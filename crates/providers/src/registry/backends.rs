//! The clients that are kept open.
//!
//! Owns: one for each identity, closing idle ones. Refuses: knowing how they are opened.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use keyless_identity::aws::Login;
use tokio::time::Instant;

use crate::aws::Backend;

/// What makes a client different.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) login: Arc<Login>,
    pub(super) attempts: Option<u32>,
    pub(super) interval: Option<Duration>,
}

#[derive(Debug)]
pub(super) struct Backends {
    open: Mutex<Open>,
    most: usize,
    idle: Duration,
}

#[derive(Debug, Default)]
struct Open {
    backends: HashMap<Key, (Arc<Backend>, Instant)>,
    swept: Option<Instant>,
}

impl Backends {
    pub(super) fn new(most: usize, idle: Duration) -> Self {
        Self {
            open: Mutex::default(),
            most: most.max(1),
            idle,
        }
    }

    pub(super) fn get_or_open(&self, key: &Key, open: impl FnOnce() -> Backend) -> Arc<Backend> {
        let now = Instant::now();
        let mut state = self.lock();
        self.sweep(&mut state, now);
        if let Some((backend, used)) = state.backends.get_mut(key) {
            *used = now;
            return Arc::clone(backend);
        }
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
        let backend = Arc::new(open());
        state
            .backends
            .insert(key.clone(), (Arc::clone(&backend), now));
        backend
    }

    pub(super) fn len(&self) -> usize {
        self.lock().backends.len()
    }

    /// At most once a minute: closes idle clients and drops old answers of the others.
    fn sweep(&self, state: &mut Open, now: Instant) {
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

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

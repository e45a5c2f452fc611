//! The one credential cache.
//!
//! Owns: one login at a time for each key, early refresh by the first caller who comes after
//! the refresh point while the others keep the old value, back-off of failed logins whoever
//! asks, and the bound on how much is kept. Refuses: background tasks, and knowing what a
//! credential is.

mod entry;

use std::collections::HashMap;
use std::future::Future;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use keyless_fault::Fault;
use tokio::time::Instant;

use entry::{Entry, Found};

/// A value and for how long it may be used.
#[derive(Clone, Debug)]
pub struct Leased<V> {
    /// The value.
    pub value: V,
    /// From now; `None` is for ever.
    pub ttl: Option<Duration>,
}

/// What the cache did so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheStats {
    /// Logins that gave a value.
    pub logins: u64,
    /// Logins that were refused or failed.
    pub failed: u64,
    /// Of those, refused by the peer.
    pub denied: u64,
    /// Requests answered by a kept value.
    pub hits: u64,
    /// Requests answered by a kept failure, the peer left in peace.
    pub spared: u64,
}

impl std::ops::Add for CacheStats {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            logins: self.logins + other.logins,
            failed: self.failed + other.failed,
            denied: self.denied + other.denied,
            hits: self.hits + other.hits,
            spared: self.spared + other.spared,
        }
    }
}

#[derive(Debug, Default)]
struct Counters {
    logins: AtomicU64,
    failed: AtomicU64,
    denied: AtomicU64,
    hits: AtomicU64,
    spared: AtomicU64,
}

/// Values by key. `K` must hold everything that makes a value different.
#[derive(Debug)]
pub struct Cache<K, V, E> {
    entries: Mutex<HashMap<K, Arc<Entry<V, E>>>>,
    capacity: usize,
    random: RandomState,
    counters: Counters,
}

impl<K, V, E> Cache<K, V, E>
where
    K: Clone + Eq + Hash + Send + Sync,
    V: Clone + Send + Sync,
    E: Clone + Fault,
{
    /// A cache of at most `capacity` keys.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self {
            entries: Mutex::new(HashMap::new()),
            capacity: capacity.max(1),
            random: RandomState::new(),
            counters: Counters::default(),
        }
    }

    /// The value of `key`, by `login` unless one is kept. Dropping the future is safe: the
    /// next caller logs in.
    ///
    /// # Errors
    /// That of `login`, or of an earlier one whose back-off still runs.
    pub async fn get<L, F>(&self, key: &K, login: L) -> Result<V, E>
    where
        L: FnOnce() -> F,
        F: Future<Output = Result<Leased<V>, E>>,
    {
        let entry = self.entry(key);
        let seen = match entry.look(Instant::now()) {
            Found::Fresh(value) => return Ok(self.hit(value)),
            Found::Failed(error) => return Err(self.spare(error)),
            Found::Old(value) => {
                let Ok(flight) = entry.flight.try_lock() else {
                    return Ok(self.hit(value));
                };
                return self.refresh(key, &entry, flight, value, login).await;
            }
            Found::Nothing(generation) => generation,
        };
        let _flight = entry.flight.lock().await;
        // Someone may have finished while this caller waited: that outcome is as new as its own.
        match entry.outcome_since(seen, Instant::now()) {
            Some(Ok(value)) => return Ok(self.hit(value)),
            Some(Err(error)) => return Err(self.spare(error)),
            None => {}
        }
        let outcome = login().await;
        self.count(&outcome);
        entry.record(outcome.clone(), Instant::now(), self.jitter(key));
        outcome.map(|leased| leased.value)
    }

    /// Forgets what is kept for `key`: the next caller logs in at once.
    pub fn invalidate(&self, key: &K) {
        self.lock().remove(key);
    }

    /// Forgets the value of `key` if `is` holds for it: the peer refused that very value.
    pub fn invalidate_value(&self, key: &K, is: impl FnOnce(&V) -> bool) {
        let mut entries = self.lock();
        if entries.get(key).is_some_and(|entry| entry.holds(is)) {
            entries.remove(key);
        }
    }

    /// The kept value of `key`, whatever its age.
    #[must_use]
    pub fn kept(&self, key: &K) -> Option<V> {
        self.lock().get(key).and_then(|entry| entry.value())
    }

    /// Forgets the keys for which `gone` holds, and returns their values.
    pub fn invalidate_if(&self, mut gone: impl FnMut(&K) -> bool) -> Vec<V> {
        let mut values = Vec::new();
        self.lock().retain(|key, entry| {
            let gone = gone(key);
            if gone {
                values.extend(entry.value());
            }
            !gone
        });
        values
    }

    /// Forgets a failed login of `key`, not its value: the next caller who needs one logs in at
    /// once.
    pub fn forgive(&self, key: &K) {
        if let Some(entry) = self.lock().get(key) {
            entry.forgive();
        }
    }

    /// What happened so far.
    #[must_use]
    pub fn stats(&self) -> CacheStats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        CacheStats {
            logins: read(&self.counters.logins),
            failed: read(&self.counters.failed),
            denied: read(&self.counters.denied),
            hits: read(&self.counters.hits),
            spared: read(&self.counters.spared),
        }
    }

    /// How many keys are kept.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Whether nothing is kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    /// One caller refreshes while `old` still serves; a failure leaves `old` in place.
    async fn refresh<L, F>(
        &self,
        key: &K,
        entry: &Entry<V, E>,
        _flight: tokio::sync::MutexGuard<'_, ()>,
        old: V,
        login: L,
    ) -> Result<V, E>
    where
        L: FnOnce() -> F,
        F: Future<Output = Result<Leased<V>, E>>,
    {
        if let Found::Fresh(value) = entry.look(Instant::now()) {
            return Ok(self.hit(value));
        }
        let outcome = login().await;
        self.count(&outcome);
        entry.record(outcome.clone(), Instant::now(), self.jitter(key));
        match outcome {
            Ok(leased) => Ok(leased.value),
            Err(error) if entry.usable(Instant::now()) => {
                tracing::warn!(%error, "refresh failed; the credential in hand is still good");
                Ok(old)
            }
            Err(error) => Err(error),
        }
    }

    fn entry(&self, key: &K) -> Arc<Entry<V, E>> {
        let mut entries = self.lock();
        if let Some(entry) = entries.get(key) {
            return Arc::clone(entry);
        }
        if entries.len() >= self.capacity {
            make_room(&mut entries, self.capacity, Instant::now());
        }
        let entry = Arc::new(Entry::new());
        entries.insert(key.clone(), Arc::clone(&entry));
        entry
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<K, Arc<Entry<V, E>>>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn jitter(&self, key: &K) -> u64 {
        self.random.hash_one(key)
    }

    fn hit(&self, value: V) -> V {
        self.counters.hits.fetch_add(1, Ordering::Relaxed);
        value
    }

    fn spare(&self, error: E) -> E {
        self.counters.spared.fetch_add(1, Ordering::Relaxed);
        error
    }

    fn count(&self, outcome: &Result<Leased<V>, E>) {
        let add = |counter: &AtomicU64| counter.fetch_add(1, Ordering::Relaxed);
        match outcome {
            Ok(_) => {
                add(&self.counters.logins);
            }
            Err(error) => {
                add(&self.counters.failed);
                if error.class() == keyless_fault::Class::Denied {
                    add(&self.counters.denied);
                }
            }
        }
    }
}

/// Drops an eighth of the keys: first what is of no use any more, then what was asked for
/// longest ago. Keys with a login under way are kept.
fn make_room<K: Clone + Eq + Hash, V: Clone, E: Clone + Fault>(
    entries: &mut HashMap<K, Arc<Entry<V, E>>>,
    capacity: usize,
    now: Instant,
) {
    entries.retain(|_, entry| Arc::strong_count(entry) > 1 || entry.useful(now));
    let goal = capacity - capacity.div_ceil(8);
    if entries.len() <= goal {
        return;
    }
    let mut idle: Vec<(Instant, K)> = entries
        .iter()
        .filter(|(_, entry)| Arc::strong_count(entry) == 1)
        .map(|(key, entry)| (entry.last_used(), key.clone()))
        .collect();
    idle.sort_by_key(|(used, _)| *used);
    let excess = entries.len() - goal;
    for (_, key) in idle.into_iter().take(excess) {
        entries.remove(&key);
    }
}

#[cfg(test)]
mod tests;

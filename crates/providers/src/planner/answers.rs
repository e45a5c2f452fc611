//! Recent answers, within a bound of bytes shared by all planners.
//!
//! Owns: age and size. Refuses: keeping anything longer than some caller has said it would
//! accept.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// Longest time that an answer is kept, whatever callers accept.
const LONGEST: Duration = Duration::from_secs(600);
/// What one answer costs besides its bytes.
const OVERHEAD: usize = 128;

/// The bytes that all planners together may keep.
#[derive(Debug)]
pub struct Budget {
    used: AtomicUsize,
    most: usize,
}

impl Budget {
    /// At most `most` bytes.
    #[must_use]
    pub const fn new(most: usize) -> Self {
        Self {
            used: AtomicUsize::new(0),
            most,
        }
    }

    /// Bytes kept now.
    #[must_use]
    pub fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    fn reserve(&self, bytes: usize) -> bool {
        self.used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
                used.checked_add(bytes).filter(|sum| *sum <= self.most)
            })
            .is_ok()
    }

    fn release(&self, bytes: usize) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// The answers of one planner.
#[derive(Debug)]
pub(super) struct Answers<K, V> {
    budget: Arc<Budget>,
    kept: HashMap<K, Kept<V>>,
    /// Oldest first; an entry whose time differs from the kept one's is stale.
    order: VecDeque<(Instant, K)>,
    /// The oldest age that any caller accepted so far.
    horizon: Duration,
}

#[derive(Debug)]
struct Kept<V> {
    value: V,
    started: Instant,
    bytes: usize,
}

impl<K: Clone + Eq + Hash, V: Clone> Answers<K, V> {
    pub(super) fn new(budget: Arc<Budget>) -> Self {
        Self {
            budget,
            kept: HashMap::new(),
            order: VecDeque::new(),
            horizon: Duration::ZERO,
        }
    }

    /// The answer of a call that started at most `max_age` ago.
    pub(super) fn get(&mut self, key: &K, max_age: Duration, now: Instant) -> Option<V> {
        if max_age.is_zero() {
            return None;
        }
        self.horizon = self.horizon.max(max_age.min(LONGEST));
        let kept = self.kept.get(key)?;
        (now.duration_since(kept.started) <= max_age).then(|| kept.value.clone())
    }

    /// Keeps the answer of a call that started at `started`, if anybody may want it.
    pub(super) fn put(&mut self, key: &K, value: &V, bytes: usize, started: Instant, now: Instant) {
        self.expire(now);
        if self.horizon.is_zero() {
            return;
        }
        if self
            .kept
            .get(key)
            .is_some_and(|kept| kept.started > started)
        {
            return;
        }
        self.remove(key);
        let bytes = bytes + OVERHEAD;
        while !self.budget.reserve(bytes) {
            let Some((_, oldest)) = self.order.pop_front() else {
                return;
            };
            self.remove(&oldest);
        }
        self.order.push_back((started, key.clone()));
        let value = value.clone();
        self.kept.insert(
            key.clone(),
            Kept {
                value,
                started,
                bytes,
            },
        );
    }

    /// Drops what no caller would accept any more.
    pub(super) fn expire(&mut self, now: Instant) {
        while let Some((started, key)) = self.order.front() {
            let current = self
                .kept
                .get(key)
                .is_some_and(|kept| kept.started == *started);
            if current && now.duration_since(*started) <= self.horizon {
                break;
            }
            let key = key.clone();
            self.order.pop_front();
            if current {
                self.remove(&key);
            }
        }
    }

    fn remove(&mut self, key: &K) {
        if let Some(kept) = self.kept.remove(key) {
            self.budget.release(kept.bytes);
        }
    }
}

impl<K, V> Drop for Answers<K, V> {
    fn drop(&mut self) {
        for kept in self.kept.values() {
            self.budget.release(kept.bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn bytes_are_bounded_and_given_back() {
        let budget = Arc::new(Budget::new(10_000));
        let mut answers = Answers::new(Arc::clone(&budget));
        assert_eq!(
            answers.get(&0, Duration::from_secs(60), Instant::now()),
            None
        );
        for key in 0..100 {
            let now = Instant::now();
            answers.put(&key, &key, 1000, now, now);
            answers.put(&key, &key, 1000, now, now);
            assert!(budget.used() <= 10_000);
            assert_eq!(answers.get(&key, Duration::from_secs(60), now), Some(key));
            assert!(answers.order.len() <= 20);
        }
        answers.put(&1000, &0, 20_000, Instant::now(), Instant::now());
        assert_eq!(
            answers.get(&1000, Duration::from_secs(60), Instant::now()),
            None
        );
        drop(answers);
        assert_eq!(budget.used(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_kept_until_somebody_accepts_an_age_nor_after_it() {
        let budget = Arc::new(Budget::new(10_000));
        let mut answers = Answers::new(Arc::clone(&budget));
        answers.put(&1, &1, 10, Instant::now(), Instant::now());
        assert_eq!(budget.used(), 0);
        answers.get(&1, Duration::from_secs(5), Instant::now());
        answers.put(&1, &1, 10, Instant::now(), Instant::now());
        assert!(budget.used() > 0);
        tokio::time::advance(Duration::from_secs(6)).await;
        assert_eq!(
            answers.get(&1, Duration::from_secs(5), Instant::now()),
            None
        );
        answers.expire(Instant::now());
        assert_eq!(budget.used(), 0);
    }
}

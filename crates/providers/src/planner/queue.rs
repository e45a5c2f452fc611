//! Who waits for which key.
//!
//! Owns: joining equal reads, forming batches, and remembering keys that spoil one. Refuses:
//! time passing and calls being made.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::Outcome;
use super::answers::{Answers, Budget};

/// How long a key that spoiled a batch is read alone.
const ALONE: Duration = Duration::from_secs(600);
/// How many such keys are remembered.
const MOST_ALONE: usize = 1024;
/// Where a reader stands.
pub(super) enum Joined<V> {
    /// A recent answer.
    Ready(V),
    /// An answer to come.
    Waits(watch::Receiver<Outcome<V>>),
}

/// What happened to the keys of one read.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) cached: usize,
    pub(super) coalesced: usize,
    pub(super) queued: usize,
}

/// A key that waits to be called, or is being called. Dropping it tells its readers.
pub(super) struct Item<K, V> {
    pub(super) key: K,
    pub(super) since: Instant,
    pub(super) outcome: watch::Sender<Outcome<V>>,
}

struct Running<V> {
    started: Instant,
    outcome: watch::Receiver<Outcome<V>>,
}

/// The state of one planner.
pub(super) struct Queue<K, V> {
    waiting: VecDeque<Item<K, V>>,
    /// The outcome of each waiting key.
    queued: HashMap<K, watch::Receiver<Outcome<V>>>,
    running: HashMap<K, Vec<Running<V>>>,
    answers: Answers<K, V>,
    alone: HashMap<K, Instant>,
    singly: Option<Instant>,
    driving: bool,
}

impl<K: Clone + Eq + Hash, V: Clone> Queue<K, V> {
    pub(super) fn new(budget: Arc<Budget>) -> Self {
        Self {
            waiting: VecDeque::new(),
            queued: HashMap::new(),
            running: HashMap::new(),
            answers: Answers::new(budget),
            alone: HashMap::new(),
            singly: None,
            driving: false,
        }
    }

    /// Finds or makes a place for a read of `key`.
    pub(super) fn join(
        &mut self,
        key: &K,
        max_age: Duration,
        now: Instant,
        counts: &mut Counts,
    ) -> Joined<V> {
        if let Some(value) = self.answers.get(key, max_age, now) {
            counts.cached += 1;
            return Joined::Ready(value);
        }
        if let Some(outcome) = self.queued.get(key) {
            counts.coalesced += 1;
            return Joined::Waits(outcome.clone());
        }
        if !max_age.is_zero()
            && let Some(outcome) = self.young_call(key, max_age, now)
        {
            counts.coalesced += 1;
            return Joined::Waits(outcome);
        }
        let (sender, receiver) = watch::channel(None);
        self.waiting.push_back(Item {
            key: key.clone(),
            since: now,
            outcome: sender,
        });
        self.queued.insert(key.clone(), receiver.clone());
        counts.queued += 1;
        Joined::Waits(receiver)
    }

    fn young_call(
        &self,
        key: &K,
        max_age: Duration,
        now: Instant,
    ) -> Option<watch::Receiver<Outcome<V>>> {
        self.running
            .get(key)?
            .iter()
            .find(|call| {
                now.duration_since(call.started) <= max_age && call.outcome.has_changed().is_ok()
            })
            .map(|call| call.outcome.clone())
    }

    /// Whether the caller must start the driver.
    pub(super) fn start_driving(&mut self) -> bool {
        !std::mem::replace(&mut self.driving, true)
    }

    /// Lets the driver end if nothing waits.
    pub(super) fn stop_if_idle(&mut self) -> bool {
        if self.waiting.is_empty() {
            self.driving = false;
        }
        !self.driving
    }

    /// Whether a whole batch waits.
    pub(super) fn full(&self, limit: usize) -> bool {
        self.waiting.len() >= limit
    }

    /// How many wait.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Since when the first waits.
    pub(super) fn oldest(&self) -> Option<Instant> {
        self.waiting.front().map(|item| item.since)
    }

    /// Takes the next batch of at most `limit` keys and marks it as started.
    pub(super) fn take(&mut self, limit: usize, now: Instant) -> Vec<Item<K, V>> {
        let limit = if self.reads_singly(now) {
            1
        } else {
            limit.max(1)
        };
        let mut batch: Vec<Item<K, V>> = Vec::new();
        let mut left = Vec::new();
        while let Some(item) = self.waiting.pop_front() {
            let alone = self.is_alone(&item.key, now);
            if alone && !batch.is_empty() {
                left.push(item);
                continue;
            }
            batch.push(item);
            if alone || batch.len() >= limit {
                break;
            }
        }
        for item in left.into_iter().rev() {
            self.waiting.push_front(item);
        }
        for item in &batch {
            if let Some(outcome) = self.queued.remove(&item.key) {
                let calls = self.running.entry(item.key.clone()).or_default();
                calls.retain(|call| call.outcome.has_changed().is_ok());
                calls.push(Running {
                    started: now,
                    outcome,
                });
            }
        }
        batch
    }

    /// A call for `item` that started at `started` ended well.
    pub(super) fn answered(
        &mut self,
        item: &Item<K, V>,
        value: &V,
        bytes: usize,
        started: Instant,
        now: Instant,
    ) {
        self.answers.put(&item.key, value, bytes, started, now);
        self.finished(item);
    }

    /// A call for `item` ended.
    pub(super) fn finished(&mut self, item: &Item<K, V>) {
        let mine = item.outcome.subscribe();
        if let Some(calls) = self.running.get_mut(&item.key) {
            calls.retain(|call| {
                !call.outcome.same_channel(&mine) && call.outcome.has_changed().is_ok()
            });
            if calls.is_empty() {
                self.running.remove(&item.key);
            }
        }
    }

    /// Reads `key` alone for a while.
    pub(super) fn isolate(&mut self, key: &K, now: Instant) {
        if self.alone.len() >= MOST_ALONE {
            self.alone.retain(|_, until| now < *until);
            if self.alone.len() >= MOST_ALONE {
                self.alone.clear();
            }
        }
        self.alone.insert(key.clone(), now + ALONE);
    }

    /// Gives batches up for a while.
    pub(super) fn read_singly(&mut self, now: Instant) {
        self.singly = Some(now + ALONE);
    }

    /// Whether batches are given up for now.
    pub(super) fn reads_singly(&mut self, now: Instant) -> bool {
        if self.singly.is_some_and(|until| now >= until) {
            self.singly = None;
        }
        self.singly.is_some()
    }

    /// Drops answers that nobody would accept any more.
    pub(super) fn sweep(&mut self, now: Instant) {
        self.answers.expire(now);
    }

    fn is_alone(&self, key: &K, now: Instant) -> bool {
        self.alone.get(key).is_some_and(|until| now < *until)
    }
}

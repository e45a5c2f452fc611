//! What was called and what was saved.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// Counters shared by all planners of one registry.
#[derive(Debug, Default)]
pub struct Counters {
    calls: Mutex<BTreeMap<(&'static str, &'static str, &'static str), u64>>,
    coalesced: AtomicU64,
    batched: AtomicU64,
    cached: AtomicU64,
}

/// The counters at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Calls that were made.
    pub calls: Vec<Calls>,
    /// Reads that shared an equal read's call.
    pub coalesced: u64,
    /// Reads that shared a call with other names.
    pub batched: u64,
    /// Reads served by an answer that was young enough.
    pub cached: u64,
}

/// How often one call of one provider ended in one way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Calls {
    /// E.g. `AWS/ParameterStore`.
    pub provider: &'static str,
    /// E.g. `GetParameters`.
    pub call: &'static str,
    /// `success`, or the class of failure.
    pub outcome: &'static str,
    /// How often.
    pub count: u64,
}

impl Counters {
    /// A call ended.
    pub fn called(&self, provider: &'static str, call: &'static str, outcome: &'static str) {
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        *calls.entry((provider, call, outcome)).or_default() += 1;
    }

    pub(super) fn coalesced(&self, reads: usize) {
        self.coalesced.fetch_add(reads as u64, Ordering::Relaxed);
    }

    pub(super) fn batched(&self, reads: usize) {
        self.batched.fetch_add(reads as u64, Ordering::Relaxed);
    }

    pub(super) fn cached(&self, reads: usize) {
        self.cached.fetch_add(reads as u64, Ordering::Relaxed);
    }

    /// The counters now.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        Snapshot {
            calls: calls
                .iter()
                .map(|((provider, call, outcome), count)| Calls {
                    provider,
                    call,
                    outcome,
                    count: *count,
                })
                .collect(),
            coalesced: self.coalesced.load(Ordering::Relaxed),
            batched: self.batched.load(Ordering::Relaxed),
            cached: self.cached.load(Ordering::Relaxed),
        }
    }
}

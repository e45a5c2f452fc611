//! What was called and what was saved.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// A provider and one of its calls, as the metrics name them.
pub type Name = (&'static str, &'static str);

/// The read shared an equal read's call.
pub(super) const COALESCED: &str = "coalesced";
/// The read shared a call with other names.
pub(super) const BATCHED: &str = "batched";
/// The read was served by an answer that was young enough.
pub(super) const CACHED: &str = "cached";

/// Counters shared by all planners of one registry.
#[derive(Debug, Default)]
pub struct Counters {
    calls: Mutex<Counts>,
    saved: Mutex<Counts>,
}

/// By provider, call and outcome.
type Counts = BTreeMap<(&'static str, &'static str, &'static str), u64>;

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
    /// The same by provider and call; `outcome` is `coalesced`, `batched` or `cached`.
    pub saved: Vec<Calls>,
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

    /// So many reads through `call` needed no call of their own, and why.
    pub(super) fn saved(&self, (provider, call): Name, why: &'static str, reads: usize) {
        if reads > 0 {
            let mut saved = self.saved.lock().unwrap_or_else(PoisonError::into_inner);
            *saved.entry((provider, call, why)).or_default() += reads as u64;
        }
    }

    /// The counters now.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let list = |counts: &Mutex<Counts>| -> Vec<Calls> {
            let counts = counts.lock().unwrap_or_else(PoisonError::into_inner);
            let entries = counts.iter();
            entries
                .map(|((provider, call, outcome), count)| Calls {
                    provider,
                    call,
                    outcome,
                    count: *count,
                })
                .collect()
        };
        let saved = list(&self.saved);
        let sum = |why: &str| {
            let those = saved.iter().filter(|saved| saved.outcome == why);
            those.map(|saved| saved.count).sum()
        };
        Snapshot {
            calls: list(&self.calls),
            coalesced: sum(COALESCED),
            batched: sum(BATCHED),
            cached: sum(CACHED),
            saved,
        }
    }
}

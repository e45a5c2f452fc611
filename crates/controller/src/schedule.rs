//! The scheduler: which object is worked on next, and when.
//!
//! Owns: four lanes, a heap of due times, fairness between groups (stores), the rule that one
//! key is never worked on twice at once, and the age of the oldest overdue key.
//! Refuses: clocks (every time is passed in), async, and knowledge of what a key means.

pub mod backoff;
pub mod circuit;
mod lanes;
pub mod phase;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::hash::Hash;
use std::time::Duration;

use lanes::Lanes;

/// Why a key is worked on; earlier lanes go first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lane {
    /// A user made or changed it.
    User,
    /// Something it depends on changed, or it was found at start.
    Event,
    /// It failed before.
    Retry,
    /// Its interval has passed.
    Periodic,
}

impl Lane {
    /// All lanes, first to last.
    pub const ALL: [Self; 4] = [Self::User, Self::Event, Self::Retry, Self::Periodic];

    /// The label used in metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Event => "event",
            Self::Retry => "retry",
            Self::Periodic => "periodic",
        }
    }
}

/// A point in time: how long after the scheduler's origin. The caller owns the clock.
pub type Moment = Duration;

/// How fast nudges may follow each other.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// At most one each.
    pub every: Duration,
    /// Whether even the first waits.
    pub later: bool,
}

#[derive(Debug)]
enum Slot {
    Waiting {
        ticket: u64,
        lane: Lane,
        due: Moment,
    },
    Queued {
        ticket: u64,
        lane: Lane,
        since: Moment,
    },
    Running {
        again: Option<(Lane, Moment)>,
        /// Wanted at this time, whatever the work's own wish.
        by: Option<(Lane, Moment)>,
    },
}

/// Orders keys `K` fairly between groups `G`.
#[derive(Debug)]
pub struct Scheduler<K, G> {
    slots: HashMap<K, Slot>,
    groups: HashMap<K, G>,
    heap: BinaryHeap<Reverse<(Moment, u64)>>,
    /// The keys of heap entries by ticket; a ticket that is absent or outdated is skipped.
    waiting: HashMap<u64, K>,
    lanes: Lanes<K, G>,
    ticket: u64,
    /// When each nudged key was, or will be, nudged last.
    nudged: HashMap<K, Moment>,
}

impl<K, G> Default for Scheduler<K, G> {
    fn default() -> Self {
        Self {
            slots: HashMap::new(),
            groups: HashMap::new(),
            heap: BinaryHeap::new(),
            waiting: HashMap::new(),
            lanes: Lanes::default(),
            ticket: 0,
            nudged: HashMap::new(),
        }
    }
}

/// After how many keys nudges of the past are forgotten.
const NUDGED: usize = 1024;

impl<K: Clone + Eq + Hash, G: Clone + Eq + Hash> Scheduler<K, G> {
    /// Wants `key` worked on as soon as its lane allows. A key that is being worked on is queued
    /// again when it is done; a key that is queued moves up, never down.
    pub fn wake(&mut self, key: &K, group: &G, lane: Lane, now: Moment) {
        self.set_group(key, group);
        let (lane, since) = match self.slots.get_mut(key) {
            Some(Slot::Running { again, .. }) => {
                *again = match *again {
                    Some((old, since)) => Some((old.min(lane), since)),
                    None => Some((lane, now)),
                };
                return;
            }
            Some(Slot::Queued {
                lane: old, since, ..
            }) => {
                if *old <= lane {
                    return;
                }
                (lane, *since)
            }
            Some(Slot::Waiting { ticket, .. }) => {
                self.waiting.remove(ticket);
                (lane, now)
            }
            None => (lane, now),
        };
        self.enqueue(key.clone(), lane, since);
    }

    /// Wants `key` worked on at `due`, instead of any earlier wish for a time. A key that is
    /// queued stays queued: it is overdue already.
    pub fn schedule(&mut self, key: &K, group: &G, lane: Lane, due: Moment) {
        self.set_group(key, group);
        match self.slots.get(key) {
            Some(Slot::Queued { .. } | Slot::Running { .. }) => return,
            Some(Slot::Waiting { ticket, .. }) => {
                self.waiting.remove(ticket);
            }
            None => {}
        }
        self.ticket += 1;
        let ticket = self.ticket;
        self.heap.push(Reverse((due, ticket)));
        self.waiting.insert(ticket, key.clone());
        self.slots
            .insert(key.clone(), Slot::Waiting { ticket, lane, due });
        self.compact();
    }

    /// Wakes `key` at once, unless it was nudged less than `pace` ago: then when `pace` has
    /// passed, however often it is nudged meanwhile. In any time T a key is nudged awake at most
    /// 1 + T / `pace` times. With `later` it waits for one `pace` in any case.
    pub fn nudge(&mut self, key: &K, group: &G, lane: Lane, now: Moment, pace: Pace) {
        let Pace { every, later } = pace;
        let earliest = if later { now + every } else { now };
        let due = match self.nudged.get(key) {
            // One that is still to come serves this nudge as well.
            Some(coming) if *coming > now => *coming,
            Some(last) => earliest.max(*last + every),
            None => earliest,
        };
        if self.nudged.len() >= NUDGED {
            self.nudged.retain(|_, last| now < *last + every);
        }
        self.nudged.insert(key.clone(), due);
        if due <= now {
            self.wake(key, group, lane, now);
        } else {
            self.hasten(key, group, lane, due);
        }
    }

    /// Wants `key` worked on at `due` if nothing wants it earlier.
    fn hasten(&mut self, key: &K, group: &G, lane: Lane, due: Moment) {
        self.set_group(key, group);
        match self.slots.get_mut(key) {
            Some(Slot::Queued { .. }) => {}
            Some(Slot::Running { by, .. }) => {
                let first = by.filter(|(_, known)| *known <= due);
                *by = first.or(Some((lane, due)));
            }
            Some(Slot::Waiting { due: known, .. }) if *known <= due => {}
            Some(Slot::Waiting { .. }) | None => self.schedule(key, group, lane, due),
        }
    }

    /// The next key to work on, if any is due.
    pub fn pop(&mut self, now: Moment) -> Option<(K, Lane)> {
        self.promote(now);
        loop {
            let (key, lane, ticket) = self.lanes.pop()?;
            if let Some(Slot::Queued { ticket: valid, .. }) = self.slots.get(&key)
                && *valid == ticket
            {
                let running = Slot::Running {
                    again: None,
                    by: None,
                };
                self.slots.insert(key.clone(), running);
                return Some((key, lane));
            }
        }
    }

    /// The work on `key` has ended. `next` is when it wants to be worked on again; a wake
    /// that came meanwhile goes before.
    pub fn done(&mut self, key: &K, next: Option<(Lane, Moment)>) {
        let Some(Slot::Running { again, by }) = self.slots.get(key) else {
            return;
        };
        let (again, by) = (*again, *by);
        self.slots.remove(key);
        let Some(group) = self.groups.get(key).cloned() else {
            return;
        };
        if let Some((lane, since)) = again {
            self.enqueue(key.clone(), lane, since);
            return;
        }
        let wishes = next.into_iter().chain(by);
        if let Some((lane, due)) = wishes.min_by_key(|(_, due)| *due) {
            self.schedule(key, &group, lane, due);
        }
    }

    /// The key is gone. Work under way on it ends without effect here.
    pub fn forget(&mut self, key: &K) {
        self.groups.remove(key);
        self.nudged.remove(key);
        match self.slots.get_mut(key) {
            // Kept until it ends, so that a namesake made meanwhile waits for it.
            Some(Slot::Running { again, by }) => (*again, *by) = (None, None),
            Some(Slot::Waiting { ticket, .. }) => {
                self.waiting.remove(ticket);
                self.slots.remove(key);
            }
            Some(Slot::Queued { .. }) => {
                self.slots.remove(key);
            }
            None => {}
        }
    }

    /// When the next waiting key is due, if none is queued.
    pub fn next_due(&mut self) -> Option<Moment> {
        while let Some(Reverse((due, ticket))) = self.heap.peek() {
            if self.waiting.contains_key(ticket) {
                return Some(*due);
            }
            self.heap.pop();
        }
        None
    }

    /// The keys that are due and wait for their turn.
    pub fn queued(&self) -> impl Iterator<Item = &K> {
        let queued = self.slots.iter();
        queued.filter_map(|(key, slot)| matches!(slot, Slot::Queued { .. }).then_some(key))
    }

    /// How many keys are queued in each lane.
    #[must_use]
    pub fn depth(&self) -> [usize; 4] {
        let mut depth = [0; 4];
        for slot in self.slots.values() {
            if let Slot::Queued { lane, .. } = slot
                && let Some(n) = depth.get_mut(*lane as usize)
            {
                *n += 1;
            }
        }
        depth
    }

    /// How long the longest-waiting key has been due; zero if none is.
    #[must_use]
    pub fn oldest_overdue(&self, now: Moment) -> Duration {
        let since = self.slots.values().filter_map(|slot| match slot {
            Slot::Queued { since, .. } => Some(*since),
            Slot::Waiting { due, .. } if *due <= now => Some(*due),
            Slot::Running {
                again: Some((_, since)),
                ..
            } => Some(*since),
            _ => None,
        });
        since
            .min()
            .map_or(Duration::ZERO, |s| now.saturating_sub(s))
    }

    fn set_group(&mut self, key: &K, group: &G) {
        if self.groups.get(key) != Some(group) {
            self.groups.insert(key.clone(), group.clone());
        }
    }

    fn enqueue(&mut self, key: K, lane: Lane, since: Moment) {
        let Some(group) = self.groups.get(&key).cloned() else {
            return;
        };
        self.ticket += 1;
        let ticket = self.ticket;
        self.lanes.push(lane, group, key.clone(), ticket);
        self.slots.insert(
            key,
            Slot::Queued {
                ticket,
                lane,
                since,
            },
        );
    }

    /// Moves everything due into its lane.
    fn promote(&mut self, now: Moment) {
        while let Some(Reverse((due, ticket))) = self.heap.peek().copied() {
            let Some(key) = self.waiting.get(&ticket) else {
                self.heap.pop();
                continue;
            };
            if due > now {
                return;
            }
            let key = key.clone();
            self.heap.pop();
            self.waiting.remove(&ticket);
            if let Some(Slot::Waiting { lane, .. }) = self.slots.get(&key) {
                let lane = *lane;
                self.enqueue(key, lane, due);
            }
        }
    }

    /// Drops outdated heap entries once they are the majority.
    fn compact(&mut self) {
        if self.heap.len() > 64 && self.heap.len() > 2 * self.waiting.len() {
            let waiting = &self.waiting;
            self.heap.retain(|Reverse((_, t))| waiting.contains_key(t));
        }
    }
}

#[cfg(test)]
mod tests;

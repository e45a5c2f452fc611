//! The queues of due keys: by lane, and inside a lane in turns between groups.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

use super::Lane;

/// How many keys a lane may give in a row while a later lane waits.
const STREAK: u32 = 8;

#[derive(Debug)]
struct Fair<K, G> {
    queues: HashMap<G, VecDeque<(K, u64)>>,
    turns: VecDeque<G>,
}

impl<K, G> Default for Fair<K, G> {
    fn default() -> Self {
        Self {
            queues: HashMap::new(),
            turns: VecDeque::new(),
        }
    }
}

impl<K, G: Clone + Eq + Hash> Fair<K, G> {
    fn push(&mut self, group: G, key: K, ticket: u64) {
        let queue = self.queues.entry(group.clone()).or_default();
        if queue.is_empty() {
            self.turns.push_back(group);
        }
        queue.push_back((key, ticket));
    }

    fn pop(&mut self) -> Option<(K, u64)> {
        let group = self.turns.pop_front()?;
        let queue = self.queues.get_mut(&group)?;
        let item = queue.pop_front();
        if queue.is_empty() {
            self.queues.remove(&group);
        } else {
            self.turns.push_back(group);
        }
        item
    }

    fn is_empty(&self) -> bool {
        self.turns.is_empty()
    }
}

/// All lanes. Entries may be outdated: the scheduler compares tickets.
#[derive(Debug)]
pub struct Lanes<K, G> {
    lanes: [Fair<K, G>; 4],
    streak: u32,
    /// Which later lane gets the next exception.
    turn: usize,
}

impl<K, G> Default for Lanes<K, G> {
    fn default() -> Self {
        Self {
            lanes: [
                Fair::default(),
                Fair::default(),
                Fair::default(),
                Fair::default(),
            ],
            streak: 0,
            turn: 0,
        }
    }
}

impl<K, G: Clone + Eq + Hash> Lanes<K, G> {
    /// Adds a key at the end of its group's queue.
    pub fn push(&mut self, lane: Lane, group: G, key: K, ticket: u64) {
        if let Some(fair) = self.lanes.get_mut(lane as usize) {
            fair.push(group, key, ticket);
        }
    }

    /// The next entry: the first lane's, but after [`STREAK`] in a row one of a later lane.
    pub fn pop(&mut self) -> Option<(K, Lane, u64)> {
        let mut filled = Lane::ALL.into_iter().filter(|lane| {
            self.lanes
                .get(*lane as usize)
                .is_some_and(|f| !f.is_empty())
        });
        let first = filled.next()?;
        let later: Vec<Lane> = filled.collect();
        let lane = if later.is_empty() {
            self.streak = 0;
            first
        } else if self.streak < STREAK {
            self.streak += 1;
            first
        } else {
            self.streak = 0;
            self.turn = self.turn.wrapping_add(1);
            later.get(self.turn % later.len()).copied().unwrap_or(first)
        };
        let (key, ticket) = self.lanes.get_mut(lane as usize)?.pop()?;
        Some((key, lane, ticket))
    }
}

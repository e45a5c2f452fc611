//! Turns at writing: few at a time, and who a user waits for goes first.
//!
//! One object keeps its turn from its first write to its last, so that the first object is Ready
//! before the last Secret is written. Earlier lanes get free turns first, but never more than
//! eight in a row while a later lane waits.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::schedule::Lane;

/// How many turns in a row may pass over a waiting later lane.
const STREAK: u32 = 8;

#[derive(Debug, Default)]
struct Queues {
    free: usize,
    waiting: [VecDeque<oneshot::Sender<Turn>>; 4],
    streak: u32,
}

/// The turns of one operator.
#[derive(Clone, Debug, Default)]
pub struct Writers(Arc<Mutex<Queues>>);

/// One turn; the next one waiting gets it when this is dropped.
#[derive(Debug)]
pub struct Turn(Option<Writers>);

impl Writers {
    /// So many turns at once.
    #[must_use]
    pub fn new(turns: usize) -> Self {
        let writers = Self::default();
        writers.queues().free = turns;
        writers
    }

    /// More turns at once.
    pub fn add(&self, turns: usize) {
        for _ in 0..turns {
            self.give();
        }
    }

    /// Waits for a turn.
    pub async fn turn(&self, lane: Lane) -> Turn {
        let waiting = {
            let mut queues = self.queues();
            if queues.free > 0 {
                queues.free -= 1;
                return Turn(Some(self.clone()));
            }
            let (give, take) = oneshot::channel();
            if let Some(queue) = queues.waiting.get_mut(lane as usize) {
                queue.push_back(give);
            }
            take
        };
        // The queue outlives the wait; without it the write goes out all the same.
        waiting.await.unwrap_or(Turn(None))
    }

    /// How many wait for a turn.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.queues().waiting.iter().map(VecDeque::len).sum()
    }

    fn give(&self) {
        let next = {
            let mut queues = self.queues();
            let next = queues.next();
            if next.is_none() {
                queues.free += 1;
            }
            next
        };
        if let Some(next) = next {
            // Whoever no longer waits drops the turn, and with it gives to the next.
            drop(next.send(Turn(Some(self.clone()))));
        }
    }

    fn queues(&self) -> MutexGuard<'_, Queues> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queues {
    fn next(&mut self) -> Option<oneshot::Sender<Turn>> {
        let mut filled = self.waiting.iter_mut().filter(|queue| !queue.is_empty());
        let first = filled.next()?;
        let Some(later) = filled.next() else {
            self.streak = 0;
            return first.pop_front();
        };
        if self.streak < STREAK {
            self.streak += 1;
            first.pop_front()
        } else {
            self.streak = 0;
            later.pop_front()
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(writers) = self.0.take() {
            writers.give();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;

    #[tokio::test]
    async fn users_go_first_and_others_are_not_starved() {
        let writers = Writers::new(1);
        let held = writers.turn(Lane::Event).await;
        let order = Arc::new(Mutex::new(Vec::new()));
        let mut tasks = tokio::task::JoinSet::new();
        for (lane, count) in [(Lane::Periodic, 3), (Lane::User, 20)] {
            for _ in 0..count {
                let (writers, order) = (writers.clone(), Arc::clone(&order));
                tasks.spawn(async move {
                    let _turn = writers.turn(lane).await;
                    order.lock().unwrap().push(lane);
                });
            }
        }
        tokio::task::yield_now().await;
        drop(held);
        tasks.join_all().await;
        let order = order.lock().unwrap();
        assert_eq!(order.len(), 23);
        assert!(order[..8].iter().all(|l| *l == Lane::User));
        assert_eq!(order[8], Lane::Periodic);
        assert_eq!(order[9], Lane::User);
    }

    #[tokio::test]
    async fn a_turn_is_not_lost_with_who_waited_for_it() {
        let writers = Writers::new(1);
        let held = writers.turn(Lane::User).await;
        let mut gone = Box::pin(writers.turn(Lane::User));
        assert!(gone.as_mut().now_or_never().is_none());
        drop(held);
        drop(gone);
        assert!(writers.turn(Lane::Periodic).now_or_never().is_some());
    }

    #[tokio::test]
    async fn more_turns_reach_those_who_wait() {
        let writers = Writers::new(0);
        let mut waiting = Box::pin(writers.turn(Lane::Retry));
        assert!(waiting.as_mut().now_or_never().is_none());
        writers.add(2);
        let first = waiting.await;
        let second = writers.turn(Lane::User).now_or_never();
        assert!(second.is_some());
        assert!(writers.turn(Lane::User).now_or_never().is_none());
        drop(first);
    }
}

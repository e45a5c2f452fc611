//! What the cache knows of one key, and the times that follow from it.
//!
//! Owns: refresh point, end of use, back-off. Refuses: waiting.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use keyless_fault::{Class, Fault};
use tokio::time::Instant;

use super::Leased;

/// Earliest refresh before the end: longer lives than an hour need no more notice.
const NOTICE: Duration = Duration::from_secs(15 * 60);
/// A credential is not handed out in its last moments: the call that uses it takes time.
const MARGIN: Duration = Duration::from_secs(30);

/// One key's state.
#[derive(Debug)]
pub(super) struct Entry<V, E> {
    /// Held by the one caller that logs in. Dropped with its future, so a cancelled or
    /// panicking leader hands over to the next waiter.
    pub(super) flight: tokio::sync::Mutex<()>,
    state: Mutex<State<V, E>>,
}

#[derive(Debug)]
struct State<V, E> {
    /// Grows with each finished login.
    generation: u64,
    value: Option<Kept<V>>,
    failure: Option<Failure<E>>,
    used: Instant,
}

#[derive(Debug)]
struct Kept<V> {
    value: V,
    refresh: Option<Instant>,
    end: Option<Instant>,
}

#[derive(Debug)]
struct Failure<E> {
    error: E,
    count: u32,
    until: Instant,
}

/// What a caller finds.
pub(super) enum Found<V, E> {
    /// Use it.
    Fresh(V),
    /// Use it, and refresh it if nobody does.
    Old(V),
    /// A login failed a short time ago.
    Failed(E),
    /// Log in; the number of logins finished so far.
    Nothing(u64),
}

impl<V: Clone, E: Clone + Fault> Entry<V, E> {
    pub(super) fn new() -> Self {
        Self {
            flight: tokio::sync::Mutex::new(()),
            state: Mutex::new(State {
                generation: 0,
                value: None,
                failure: None,
                used: Instant::now(),
            }),
        }
    }

    pub(super) fn look(&self, now: Instant) -> Found<V, E> {
        let mut state = self.lock();
        state.used = now;
        let waiting = state
            .failure
            .as_ref()
            .filter(|failure| now < failure.until)
            .map(|failure| failure.error.clone());
        match (&state.value, waiting) {
            (Some(kept), waiting) if kept.usable(now) => {
                let due = kept.refresh.is_some_and(|refresh| now >= refresh);
                if due && waiting.is_none() {
                    Found::Old(kept.value.clone())
                } else {
                    Found::Fresh(kept.value.clone())
                }
            }
            (_, Some(error)) => Found::Failed(error),
            (_, None) => Found::Nothing(state.generation),
        }
    }

    /// The outcome of a login that finished after `generation` was read, if it still holds.
    pub(super) fn outcome_since(&self, generation: u64, now: Instant) -> Option<Result<V, E>> {
        let state = self.lock();
        if state.generation == generation {
            return None;
        }
        if let Some(kept) = state.value.as_ref().filter(|kept| kept.usable(now)) {
            return Some(Ok(kept.value.clone()));
        }
        state
            .failure
            .as_ref()
            .filter(|failure| now < failure.until)
            .map(|failure| Err(failure.error.clone()))
    }

    pub(super) fn record(&self, outcome: Result<Leased<V>, E>, now: Instant, jitter: u64) {
        let mut state = self.lock();
        state.generation += 1;
        match outcome {
            Ok(leased) => {
                state.value = Some(Kept::new(leased, now, jitter));
                state.failure = None;
            }
            Err(error) => {
                // Another refusal means that someone mended a link and met the next one: the
                // pauses begin anew, or each further link would take longer to show.
                let again = state
                    .failure
                    .as_ref()
                    .filter(|failure| failure.error.to_string() == error.to_string());
                let count = again.map_or(0, |failure| failure.count) + 1;
                let until = now + back_off(&error, count, jitter);
                state.failure = Some(Failure {
                    error,
                    count,
                    until,
                });
            }
        }
    }

    /// Whether the kept value may still be handed out.
    pub(super) fn usable(&self, now: Instant) -> bool {
        self.lock()
            .value
            .as_ref()
            .is_some_and(|kept| kept.usable(now))
    }

    /// The kept value, whatever its age.
    pub(super) fn value(&self) -> Option<V> {
        self.lock().value.as_ref().map(|kept| kept.value.clone())
    }

    /// Ends the back-off.
    pub(super) fn forgive(&self) {
        self.lock().failure = None;
    }

    /// Whether `is` holds for the kept value.
    pub(super) fn holds(&self, is: impl FnOnce(&V) -> bool) -> bool {
        self.lock()
            .value
            .as_ref()
            .is_some_and(|kept| is(&kept.value))
    }

    /// Whether keeping this entry saves anything.
    pub(super) fn useful(&self, now: Instant) -> bool {
        let state = self.lock();
        state.value.as_ref().is_some_and(|kept| kept.usable(now))
            || state
                .failure
                .as_ref()
                .is_some_and(|failure| now < failure.until)
    }

    pub(super) fn last_used(&self) -> Instant {
        self.lock().used
    }

    fn lock(&self) -> MutexGuard<'_, State<V, E>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<V> Kept<V> {
    /// Refresh falls in the last third of a life, at most [`NOTICE`] before its end, spread by
    /// a tenth of the life so that many logins made at once do not end at once.
    fn new(leased: Leased<V>, now: Instant, jitter: u64) -> Self {
        let times = leased.ttl.map(|ttl| {
            let notice = (ttl / 3).min(NOTICE);
            let spread = (ttl / 10).min(notice);
            let refresh = ttl
                .saturating_sub(notice)
                .saturating_sub(fraction(spread, jitter));
            let end = ttl.saturating_sub(MARGIN.min(ttl / 10));
            (now + refresh, now + end)
        });
        Self {
            value: leased.value,
            refresh: times.map(|(refresh, _)| refresh),
            end: times.map(|(_, end)| end),
        }
    }

    fn usable(&self, now: Instant) -> bool {
        self.end.is_none_or(|end| now < end)
    }
}

/// How long a failed login is not repeated. A refusal waits from 5 s to 5 min, since trust
/// takes minutes to spread; anything else from 1 s to 30 s; never less than the peer wishes.
fn back_off(error: &impl Fault, count: u32, jitter: u64) -> Duration {
    let (first, most) = match error.class() {
        Class::Denied => (Duration::from_secs(5), Duration::from_secs(300)),
        _ => (Duration::from_secs(1), Duration::from_secs(30)),
    };
    let doubled = first * 2u32.pow(count.saturating_sub(1).min(10));
    let wait = doubled.min(most);
    let spread = fraction(wait / 10, jitter);
    let wished = error.retry_after().unwrap_or_default();
    (wait + spread)
        .min(most)
        .max(wished.min(Duration::from_secs(300)))
}

/// A part of `whole` chosen by `jitter`.
fn fraction(whole: Duration, jitter: u64) -> Duration {
    let thousandth = u32::try_from(jitter % 1000).unwrap_or(0);
    whole / 1000 * thousandth
}

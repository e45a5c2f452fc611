//! A circuit per store: a store that cannot log in or does not answer is asked by one object at
//! a time, not by all of them.
//!
//! Counts only failures that would hit every object of the store. While the circuit is open an
//! object is told so (and shows it in its condition) without a call; after a pause a single
//! object may try, and its success lets all others through.

use std::time::Duration;

use super::Moment;

/// Failures in a row that open the circuit.
const THRESHOLD: u32 = 5;
/// The first pause; doubles with each failed trial.
const FIRST: Duration = Duration::from_secs(5);
/// The longest pause.
const LONGEST: Duration = Duration::from_secs(120);
/// After this long an unreported trial counts as lost.
const TRIAL: Duration = Duration::from_secs(90);

/// May a call be made?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Go on.
    Yes,
    /// Not before this moment.
    NotBefore(Moment),
}

/// One store's circuit.
#[derive(Clone, Debug, Default)]
pub struct Circuit {
    failures: u32,
    open_until: Option<Moment>,
    trial: Option<Moment>,
}

impl Circuit {
    /// Asks for one call.
    pub fn admit(&mut self, now: Moment) -> Admission {
        let Some(until) = self.open_until else {
            return Admission::Yes;
        };
        if now < until {
            return Admission::NotBefore(until);
        }
        match self.trial {
            Some(since) if now < since + TRIAL => Admission::NotBefore(since + TRIAL),
            _ => {
                self.trial = Some(now);
                Admission::Yes
            }
        }
    }

    /// A call reached the store: it works. True if that closed an open circuit.
    pub fn success(&mut self) -> bool {
        let was_open = self.open_until.is_some();
        *self = Self::default();
        was_open
    }

    /// A call failed in a way that would hit every object of the store.
    pub fn failure(&mut self, now: Moment, retry_after: Option<Duration>) {
        self.failures = self.failures.saturating_add(1);
        if self.failures < THRESHOLD {
            return;
        }
        // Calls that were under way when it opened must not lengthen the pause.
        if self.open_until.is_some_and(|until| now < until) && self.trial.is_none() {
            self.failures = self.failures.min(THRESHOLD);
            return;
        }
        let doublings = (self.failures - THRESHOLD).min(10);
        let pause = FIRST.saturating_mul(1 << doublings).min(LONGEST);
        self.open_until = Some(now + pause.max(retry_after.unwrap_or_default()));
        self.trial = None;
    }

    /// Whether calls are being held back.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.open_until.is_some()
    }

    /// Failures in a row.
    #[must_use]
    pub const fn failures(&self) -> u32 {
        self.failures
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(seconds: u64) -> Moment {
        Duration::from_secs(seconds)
    }

    fn opened() -> Circuit {
        let mut circuit = Circuit::default();
        for _ in 0..THRESHOLD {
            assert_eq!(circuit.admit(s(1)), Admission::Yes);
            circuit.failure(s(1), None);
        }
        circuit
    }

    #[test]
    fn it_opens_after_failures_in_a_row_only() {
        let mut circuit = Circuit::default();
        for _ in 0..20 {
            circuit.failure(s(0), None);
            circuit.failure(s(0), None);
            circuit.success();
        }
        assert!(!circuit.is_open());
        assert!(opened().is_open());
    }

    #[test]
    fn one_trial_at_a_time_decides() {
        let mut circuit = opened();
        assert_eq!(circuit.admit(s(2)), Admission::NotBefore(s(6)));
        assert_eq!(circuit.admit(s(6)), Admission::Yes);
        assert_ne!(circuit.admit(s(6)), Admission::Yes);
        circuit.failure(s(7), None);
        assert_eq!(circuit.admit(s(8)), Admission::NotBefore(s(17)));
        assert_eq!(circuit.admit(s(17)), Admission::Yes);
        assert!(circuit.success());
        assert_eq!(circuit.admit(s(17)), Admission::Yes);
        assert_eq!(circuit.admit(s(17)), Admission::Yes);
    }

    #[test]
    fn stragglers_do_not_lengthen_the_pause() {
        let mut circuit = opened();
        for _ in 0..200 {
            circuit.failure(s(2), None);
        }
        assert_eq!(circuit.admit(s(6)), Admission::Yes);
    }

    #[test]
    fn a_lost_trial_does_not_block_for_ever() {
        let mut circuit = opened();
        assert_eq!(circuit.admit(s(6)), Admission::Yes);
        assert_eq!(circuit.admit(s(6 + 90)), Admission::Yes);
    }

    #[test]
    fn the_peers_wish_is_kept() {
        let mut circuit = Circuit::default();
        for _ in 0..THRESHOLD {
            circuit.failure(s(0), Some(s(600)));
        }
        assert_eq!(circuit.admit(s(599)), Admission::NotBefore(s(600)));
    }
}

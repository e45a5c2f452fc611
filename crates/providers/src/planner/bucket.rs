//! The token bucket in front of one API of one identity.
//!
//! Owns: the published rate, slowing down when the peer throttles, and speeding up again.
//! Refuses: knowing what is called.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use keyless_fault::{Class, Fault};
use tokio::time::Instant;

use crate::Error;

/// Longest pause that a peer may impose.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);
/// Pause after a throttled call whose answer names none.
const PAUSE: Duration = Duration::from_secs(1);

/// Calls per second, with as many saved up as a second gives.
#[derive(Debug)]
pub struct Bucket {
    rate: f64,
    /// First come, first served.
    turn: tokio::sync::Mutex<()>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// The present rate: the configured one, or less after throttling.
    rate: f64,
    tokens: f64,
    filled: Instant,
    pause: Option<Instant>,
}

impl Bucket {
    /// A full bucket that lets `rate` calls pass per second.
    #[must_use]
    pub fn new(rate: f64) -> Self {
        let rate = if rate.is_finite() { rate.max(0.1) } else { 0.1 };
        Self {
            rate,
            turn: tokio::sync::Mutex::new(()),
            state: Mutex::new(State {
                rate,
                tokens: rate.max(1.0),
                filled: Instant::now(),
                pause: None,
            }),
        }
    }

    /// Waits until one more call may leave. Dropping the future takes nothing.
    pub async fn take(&self) {
        let _turn = self.turn.lock().await;
        while let Err(wait) = self.try_take(Instant::now()) {
            tokio::time::sleep_until(wait).await;
        }
    }

    /// The peer throttled: half the rate, and nothing leaves for `retry_after`.
    pub fn throttled(&self, retry_after: Option<Duration>) {
        let mut state = self.lock();
        let now = Instant::now();
        let until = now + retry_after.unwrap_or(PAUSE).min(LONGEST_PAUSE);
        // Calls that left before the pause began say nothing new.
        if state.pause.is_none_or(|pause| now >= pause) {
            state.rate = (state.rate / 2.0).max(self.rate / 64.0);
            state.tokens = 0.0;
        }
        state.pause = Some(state.pause.map_or(until, |pause| pause.max(until)));
    }

    /// A call passed: a little faster, up to the configured rate.
    pub fn passed(&self) {
        let mut state = self.lock();
        state.rate = (state.rate + self.rate / 50.0).min(self.rate);
    }

    /// A call failed: slower, if the peer throttled it.
    pub fn judged(&self, error: &Error) {
        if error.class() == Class::Throttled {
            self.throttled(error.retry_after());
        }
    }

    fn try_take(&self, now: Instant) -> Result<(), Instant> {
        let mut state = self.lock();
        if let Some(pause) = state.pause {
            if now < pause {
                return Err(pause);
            }
            state.pause = None;
            state.filled = pause;
        }
        let gained = now.duration_since(state.filled).as_secs_f64() * state.rate;
        state.tokens = (state.tokens + gained).min(state.rate.max(1.0));
        state.filled = now;
        if state.tokens >= 1.0 {
            state.tokens -= 1.0;
            return Ok(());
        }
        let missing = (1.0 - state.tokens) / state.rate;
        // A hair longer, so that rounding does not ask twice.
        Err(now + Duration::from_secs_f64(missing) + Duration::from_micros(10))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn seconds_for(bucket: &Bucket, calls: usize) -> f64 {
        let start = Instant::now();
        for _ in 0..calls {
            bucket.take().await;
        }
        start.elapsed().as_secs_f64()
    }

    #[tokio::test(start_paused = true)]
    async fn a_second_is_saved_up_and_then_the_rate_holds() {
        let bucket = Bucket::new(40.0);
        assert!(seconds_for(&bucket, 40).await < 0.01);
        let time = seconds_for(&bucket, 400).await;
        assert!((9.9..10.5).contains(&time), "{time}");
    }

    #[tokio::test(start_paused = true)]
    async fn throttling_pauses_and_halves_once_for_calls_in_flight_together() {
        let bucket = Bucket::new(40.0);
        for _ in 0..10 {
            bucket.throttled(Some(Duration::from_secs(3)));
        }
        let time = seconds_for(&bucket, 1).await;
        assert!((3.0..3.2).contains(&time), "{time}");
        let time = seconds_for(&bucket, 100).await;
        assert!((4.5..5.3).contains(&time), "{time}");
        for _ in 0..60 {
            bucket.passed();
        }
        let time = seconds_for(&bucket, 400).await;
        assert!(time < 10.5, "{time}");
    }

    #[tokio::test(start_paused = true)]
    async fn odd_rates_still_let_calls_pass() {
        for rate in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(seconds_for(&Bucket::new(rate), 3).await < 60.0);
        }
    }
}

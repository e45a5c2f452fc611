//! The two clocks: wall time for what is written into objects, elapsed time for the scheduler.

use std::time::Duration;

use tokio::time::Instant;

/// Reads both clocks. The wall clock is the system's, or follows tokio's time from a fixed
/// moment, so that a test with paused time moves hours in no time.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: Instant,
    /// Milliseconds since the Unix epoch at `origin`, if not the system's.
    anchor: Option<i64>,
}

impl Clock {
    /// The system's wall clock.
    #[must_use]
    pub fn system() -> Self {
        Self {
            origin: Instant::now(),
            anchor: None,
        }
    }

    /// A wall clock that shows `unix_millis` now and then follows tokio's time.
    #[must_use]
    pub fn anchored(unix_millis: i64) -> Self {
        Self {
            origin: Instant::now(),
            anchor: Some(unix_millis),
        }
    }

    /// Time since this clock was made.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.origin.elapsed()
    }

    /// The instant `moment` after this clock was made.
    #[must_use]
    pub fn instant(&self, moment: Duration) -> Instant {
        self.origin + moment
    }

    /// Wall time in milliseconds since the Unix epoch.
    #[must_use]
    pub fn unix_millis(&self) -> i64 {
        match self.anchor {
            None => jiff::Timestamp::now().as_millisecond(),
            Some(anchor) => {
                let passed = i64::try_from(self.elapsed().as_millis()).unwrap_or(i64::MAX);
                anchor.saturating_add(passed)
            }
        }
    }
}

/// RFC 3339 with seconds, as Kubernetes writes times.
#[must_use]
pub fn rfc3339(unix_millis: i64) -> String {
    let seconds = unix_millis.div_euclid(1000);
    jiff::Timestamp::from_second(seconds)
        .unwrap_or(jiff::Timestamp::UNIX_EPOCH)
        .to_string()
}

//! The sandbox's clock: real time plus an offset that a test may change.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Shared by everything that stamps or judges a time. Clones move together.
#[derive(Clone, Debug, Default)]
pub struct Clock(Arc<AtomicI64>);

impl Clock {
    /// The present moment as this clock has it.
    #[must_use]
    pub fn now(&self) -> SystemTime {
        let offset = self.0.load(Ordering::Relaxed);
        let shift = Duration::from_millis(offset.unsigned_abs());
        let now = SystemTime::now();
        if offset >= 0 {
            now.checked_add(shift)
        } else {
            now.checked_sub(shift)
        }
        .unwrap_or(now)
    }

    /// Seconds since the Unix epoch.
    #[must_use]
    pub fn unix(&self) -> i64 {
        self.now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |d| i64::try_from(d.as_secs()).unwrap_or(i64::MAX))
    }

    /// Sets how far this clock is ahead of real time (negative: behind), in milliseconds.
    pub fn skew(&self, milliseconds: i64) {
        self.0.store(milliseconds, Ordering::Relaxed);
    }
}

//! When an object's next refresh is due.
//!
//! Every object has its own phase: a fixed point inside its interval, derived from its uid.
//! Refreshes happen at these points, so ten thousand objects made in one minute are spread
//! over the interval from the second refresh on, for ever, whatever restarts or is relabelled.

use std::time::Duration;

/// A stable 64-bit hash (FNV-1a, finished by a mixer), the same on every run and machine.
#[must_use]
pub fn seed(text: &str) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in text.bytes() {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^ (hash >> 33)
}

/// The last point of the phase `seed` within (`last`, `last + interval`], in milliseconds since
/// the Unix epoch: a value is never older than its interval.
///
/// `interval` zero gives `last`: the caller knows what "never" means.
#[must_use]
pub fn next(last: i64, interval: Duration, seed: u64) -> i64 {
    let step = i64::try_from(interval.as_millis()).unwrap_or(i64::MAX / 4);
    if step <= 0 {
        return last;
    }
    let step = step.min(i64::MAX / 4);
    let offset = i64::try_from(seed % step.unsigned_abs()).unwrap_or(0);
    let latest = last.saturating_add(step);
    latest - (latest - offset).rem_euclid(step)
}

/// How much later than now an overdue refresh starts when the operator has just started: a part
/// of a window that is at most a quarter of the interval and one minute.
#[must_use]
pub fn overdue(interval: Duration, seed: u64) -> Duration {
    let window = (interval / 4).min(Duration::from_secs(60));
    let millis = u64::try_from(window.as_millis()).unwrap_or(u64::MAX).max(1);
    Duration::from_millis(seed % millis)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn objects_of_one_moment_do_not_fire_together() {
        let hour = Duration::from_secs(3600);
        let mut minutes = [0u32; 60];
        for n in 0..6000 {
            let due = next(1_700_000_000_000, hour, seed(&format!("uid-{n}")));
            minutes[usize::try_from((due - 1_700_000_000_000 - 1) / 60_000).unwrap()] += 1;
        }
        let (low, high) = (minutes.iter().min().unwrap(), minutes.iter().max().unwrap());
        assert!(
            *low > 60 && *high < 145,
            "{low} to {high} per minute, 100 expected"
        );
    }

    proptest! {
        #[test]
        fn a_value_is_never_older_than_its_interval(last in 0i64..4_000_000_000_000, ms in 1u64..10_000_000_000, s: u64) {
            let due = next(last, Duration::from_millis(ms), s);
            prop_assert!(due > last && due <= last + i64::try_from(ms).unwrap());
        }

        #[test]
        fn refreshes_at_the_phase_are_one_interval_apart(last in 0i64..4_000_000_000_000, ms in 1u64..10_000_000, s: u64) {
            let interval = Duration::from_millis(ms);
            let due = next(last, interval, s);
            prop_assert_eq!(next(due, interval, s), due + i64::try_from(ms).unwrap());
        }

        #[test]
        fn overdue_work_is_spread_and_bounded(ms in 0u64..10_000_000_000, s: u64) {
            prop_assert!(overdue(Duration::from_millis(ms), s) <= Duration::from_secs(60));
        }
    }
}

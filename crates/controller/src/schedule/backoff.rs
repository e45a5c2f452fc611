//! How long to wait after a failure, by its class.
//!
//! A missing grant or a typo does not heal by asking often, and asking often costs quota; a
//! network does heal. So the classes differ, and each object adds a spread of its own, or a
//! thousand objects that failed together would return together for ever.

use std::time::Duration;

use keyless_fault::Class;

/// First pause, growth per attempt as a percentage, longest pause.
const fn curve(class: Class) -> (Duration, Duration) {
    match class {
        Class::Conflict => (Duration::from_millis(20), Duration::from_secs(10)),
        Class::Unavailable => (Duration::from_secs(1), Duration::from_secs(120)),
        Class::NotFound => (Duration::from_secs(2), Duration::from_secs(300)),
        Class::Throttled => (Duration::from_secs(5), Duration::from_secs(300)),
        Class::Denied => (Duration::from_secs(4), Duration::from_secs(420)),
        Class::Config | Class::Bug => (Duration::from_secs(10), Duration::from_secs(900)),
    }
}

/// The pause before attempt `attempt + 1`, where `attempt` counts failures in a row from 1.
/// `retry_after` is the peer's wish: never come earlier. `seed` spreads by up to a fifth.
#[must_use]
pub fn delay(class: Class, attempt: u32, retry_after: Option<Duration>, seed: u64) -> Duration {
    let (first, cap) = curve(class);
    let doublings = attempt.saturating_sub(1).min(20);
    let base = first.saturating_mul(1 << doublings).min(cap);
    let base = base.max(retry_after.unwrap_or_default());
    // Another spread on each attempt: equal remainders must not travel together.
    let part = (seed.rotate_left(attempt % 64) % 1000) as f64 / 5000.0;
    base + base.mul_f64(part)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn classes_differ() {
        let wait = |class| delay(class, 1, None, 0);
        assert!(wait(Class::Conflict) < Duration::from_millis(100));
        assert!(wait(Class::Unavailable) < wait(Class::NotFound));
        assert!(wait(Class::NotFound) < wait(Class::Denied));
        assert!(wait(Class::Denied) < wait(Class::Config));
    }

    #[test]
    fn the_peers_wish_is_kept() {
        let wish = Duration::from_secs(3600);
        assert!(delay(Class::Throttled, 1, Some(wish), 7) >= wish);
    }

    proptest! {
        #[test]
        fn pauses_grow_and_are_bounded(attempt in 0u32..1_000_000, seed: u64) {
            for class in [Class::Config, Class::Denied, Class::NotFound, Class::Throttled, Class::Unavailable, Class::Conflict, Class::Bug] {
                let pause = delay(class, attempt, None, seed);
                prop_assert!(pause <= Duration::from_secs(900 * 6 / 5));
                let (first, cap) = curve(class);
                prop_assert!(pause >= first.min(cap));
            }
        }
    }
}

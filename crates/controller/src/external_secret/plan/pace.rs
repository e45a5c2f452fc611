//! How often one ExternalSecret may write what was written before, or what keeps being changed.
//!
//! Owns: telling a fight from work, and the pauses of a fight. Work is a first sync, a new value
//! at a refresh, a store that changed: it is never held up. A fight is a Secret that somebody
//! else changes back, two ExternalSecrets that write the same keys, or an ExternalSecret that is
//! rewritten over and over. Its first writes go out at once, then the pauses double. Refuses:
//! clocks, and deciding what is written.

use std::time::Duration;

/// Why an ExternalSecret is about to be synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// It is new, its interval is over, its store changed, or it failed before.
    Due,
    /// Its spec, labels or annotations changed after the last sync.
    Changed,
    /// Its Secret is not as it was left.
    Drift,
}

/// Writes of a fight that go out at once.
pub const FREE: u32 = 6;
/// How long it takes to forget one of them, in milliseconds.
const FORGET: i64 = 60_000;
/// The longest pause before a changed ExternalSecret is synced: somebody waits for it.
pub const LONGEST_CHANGED: Duration = Duration::from_secs(5);
/// The longest pause before a Secret is repaired.
pub const LONGEST_DRIFT: Duration = Duration::from_secs(60);

/// The fight of one ExternalSecret, if there is one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pace {
    /// Writes that are not forgotten.
    writes: u32,
    /// When the newest was made, in milliseconds since the Unix epoch.
    newest: i64,
}

impl Pace {
    /// Notes a write of a fight.
    #[must_use]
    pub fn after_write(self, now: i64) -> Self {
        Self {
            writes: self.remembered(now).saturating_add(1),
            newest: now,
        }
    }

    /// The time before which nothing is to be done for `cause`, if that is not over yet.
    #[must_use]
    pub fn not_before(self, cause: Cause, now: i64) -> Option<i64> {
        let over = self.remembered(now).checked_sub(FREE)?;
        let longest = match cause {
            Cause::Changed => LONGEST_CHANGED,
            Cause::Due | Cause::Drift => LONGEST_DRIFT,
        };
        let pause = Duration::from_secs(1 << over.min(16)).min(longest);
        let until = self.newest + i64::try_from(pause.as_millis()).unwrap_or(i64::MAX);
        (until > now).then_some(until)
    }

    /// The writes that count at `now`. A clock that was set back ends the fight: better one write
    /// too many than none for an hour.
    fn remembered(self, now: i64) -> u32 {
        let calm = now.saturating_sub(self.newest);
        if calm < 0 {
            return 0;
        }
        let forgotten = u32::try_from(calm / FORGET).unwrap_or(u32::MAX);
        self.writes.saturating_sub(forgotten)
    }
}

/// Whether a sync that ended was a round of a fight. `secret` tells whether the Secret was
/// written, `status` whether the status was, `again` whether the Secret was given what this
/// process had given it before.
#[must_use]
pub const fn is_fight(cause: Cause, secret: bool, status: bool, again: bool) -> bool {
    match cause {
        Cause::Changed => secret || status,
        Cause::Drift => secret,
        Cause::Due => secret && again,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Writes that a fight leads to when `tries` (milliseconds after one another) ask for one.
    fn fought(cause: Cause, tries: impl Iterator<Item = i64>) -> Vec<i64> {
        let mut pace = Pace::default();
        let mut now = 1_767_225_661_000;
        let mut writes = Vec::new();
        for pause in tries {
            now += pause;
            if pace.not_before(cause, now).is_none() {
                pace = pace.after_write(now);
                writes.push(now);
            }
        }
        writes
    }

    /// The most writes in any minute.
    fn busiest_minute(writes: &[i64]) -> usize {
        let within = |first: &i64| {
            let end = *first + 60_000;
            writes.iter().filter(|w| *w >= first && **w < end).count()
        };
        writes.iter().map(within).max().unwrap_or_default()
    }

    #[test]
    fn an_opponent_who_never_sleeps_costs_a_write_a_minute() {
        let writes = fought(Cause::Drift, std::iter::repeat_n(10, 360_000));
        assert!(busiest_minute(&writes) <= 12, "{}", busiest_minute(&writes));
        let last_half_hour = writes.iter().filter(|w| **w >= writes[0] + 1_800_000);
        assert!((25..=31).contains(&last_half_hour.count()));
    }

    #[test]
    fn an_object_that_never_rests_is_synced_every_five_seconds() {
        let writes = fought(Cause::Changed, std::iter::repeat_n(10, 360_000));
        assert!(busiest_minute(&writes) <= 19, "{}", busiest_minute(&writes));
        let last_half_hour = writes.iter().filter(|w| **w >= writes[0] + 1_800_000);
        assert!((355..=361).contains(&last_half_hour.count()));
    }

    #[test]
    fn single_edits_are_answered_at_once() {
        // A person who edits now and then for a day.
        let writes = fought(Cause::Changed, std::iter::repeat_n(60_000, 1440));
        assert_eq!(writes.len(), 1440);
        // Six edits in a row.
        assert_eq!(fought(Cause::Drift, std::iter::repeat_n(1, 6)).len(), 6);
    }

    #[test]
    fn peace_is_noticed() {
        let mut pace = Pace::default();
        for _ in 0..100 {
            pace = pace.after_write(0);
        }
        assert!(pace.not_before(Cause::Drift, 1).is_some());
        assert!(
            pace.not_before(Cause::Drift, 60_000).is_none(),
            "it is over"
        );
        assert!(
            pace.not_before(Cause::Drift, -1).is_none(),
            "a clock set back"
        );
    }

    #[test]
    fn work_is_no_fight() {
        assert!(!is_fight(Cause::Due, true, true, false), "a new value");
        assert!(!is_fight(Cause::Due, false, true, true), "only the time");
        assert!(is_fight(Cause::Due, true, false, true), "written over");
        assert!(is_fight(Cause::Drift, true, false, false));
        assert!(!is_fight(Cause::Drift, false, true, true));
        assert!(is_fight(Cause::Changed, false, true, false));
    }

    proptest! {
        /// Whatever the opponent's rhythm: the bounds hold.
        #[test]
        fn no_rhythm_gets_more(rhythm in prop::collection::vec(1i64..70_000, 1..400)) {
            prop_assert!(busiest_minute(&fought(Cause::Drift, rhythm.iter().copied())) <= 13);
            prop_assert!(busiest_minute(&fought(Cause::Changed, rhythm.into_iter())) <= 20);
        }
    }
}

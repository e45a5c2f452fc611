//! Until when what is published is safe, as far as anyone has looked.
//!
//! Owns: which things put an end to that. Pure: the time is an argument. Refuses: guessing. What
//! nobody has looked at for long is not held to be good.

use serde::Serialize;

use crate::publication::Outcome;

/// Seconds for which a look from outside is good. AWS asks for documents again after minutes to
/// hours; a fault that stays unseen for longer is met by tokens first.
pub const GOOD_FOR: i64 = 3600;

/// What puts an end to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum By {
    /// An error that concerns everyone was found: it is not safe now.
    Finding,
    /// The last good look from outside grows old.
    Verification,
    /// The served certificate ends.
    Certificate,
    /// A key whose tokens a rotation still drains is no API server's any more, and goes before
    /// they have ended.
    Rotation,
}

impl By {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Finding => "finding",
            Self::Verification => "verification",
            Self::Certificate => "certificate",
            Self::Rotation => "rotation",
        }
    }
}

/// One end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// What it is.
    pub by: By,
    /// When, seconds since 1970; absent: already.
    pub at: Option<i64>,
}

impl Limit {
    /// Seconds that are left.
    #[must_use]
    pub fn left(self, now: i64) -> i64 {
        self.at.map_or(0, |at| at.saturating_sub(now).max(0))
    }
}

/// Everything that puts an end to it, the earliest first. There is always one: a look grows old.
#[must_use]
pub fn limits(outcome: &Outcome) -> Vec<Limit> {
    let good_for = GOOD_FOR.max(outcome.interval.saturating_mul(2));
    let mut found = vec![Limit {
        by: By::Verification,
        at: outcome.verified.map(|at| at.saturating_add(good_for)),
    }];
    let ends = [
        (By::Certificate, outcome.certificate),
        (By::Rotation, outcome.goes_early),
    ];
    found.extend(
        ends.into_iter()
            .filter_map(|(by, at)| Some(Limit { by, at: Some(at?) })),
    );
    if outcome.broken == Some(true) {
        found.push(Limit {
            by: By::Finding,
            at: None,
        });
    }
    found.sort_by_key(|l| (l.at, l.by));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(outcome: &Outcome) -> Vec<(&'static str, i64)> {
        let limits = limits(outcome).into_iter();
        limits.map(|l| (l.by.as_str(), l.left(1000))).collect()
    }

    #[test]
    fn the_earliest_comes_first_and_nothing_lasts_without_a_look() {
        let mut outcome = Outcome::default();
        assert_eq!(of(&outcome), [("verification", 0)], "nobody has looked");
        outcome.verified = Some(900);
        assert_eq!(of(&outcome), [("verification", 3500)]);
        outcome.interval = 7200;
        assert_eq!(
            of(&outcome),
            [("verification", 14_300)],
            "two looks at least"
        );
        outcome.certificate = Some(1500);
        outcome.goes_early = Some(1200);
        assert_eq!(
            of(&outcome),
            [
                ("rotation", 200),
                ("certificate", 500),
                ("verification", 14_300)
            ]
        );
        outcome.certificate = Some(10);
        outcome.broken = Some(true);
        let found = of(&outcome);
        assert_eq!(found[0], ("finding", 0));
        assert_eq!(found[1], ("certificate", 0), "it has ended");
    }
}

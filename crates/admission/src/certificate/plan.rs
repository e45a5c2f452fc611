//! When it is time for what: a pure function of the certificates and the clock.
//!
//! Owns: the order of a rotation in which nobody ever meets a certificate that they do not
//! trust. A new authority is trusted by every webhook configuration for a while before anything
//! is signed with it, and the old one stays trusted until every replica has changed over.
//! Refuses: I/O and clocks.

use std::time::Duration;

/// From when to when, in seconds since the Unix epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Validity {
    /// The first moment.
    pub not_before: i64,
    /// The last.
    pub not_after: i64,
}

/// What there is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// The authorities, newest first.
    pub authorities: Vec<Validity>,
    /// Whether the newest one's key is there.
    pub newest_key: bool,
    /// The certificate, if it can be served at all.
    pub leaf: Option<LeafFacts>,
}

/// A certificate that can be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeafFacts {
    /// From when to when.
    pub validity: Validity,
    /// Which of the authorities signed it.
    pub issuer: Option<usize>,
    /// Whether a client that trusts that one takes it for every name of the server.
    pub serves: bool,
}

/// How long everything lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lives {
    /// An authority.
    pub authority: Duration,
    /// A certificate. It is replaced when a third of its life is left, an authority likewise.
    pub certificate: Duration,
    /// How long a new authority is trusted before anything is signed with it: API servers learn
    /// of a change by a watch.
    pub settle: Duration,
    /// How long an old authority stays trusted after its last certificate was replaced: replicas
    /// learn of that by a watch too.
    pub overlap: Duration,
}

impl Default for Lives {
    fn default() -> Self {
        const DAY: u64 = 86_400;
        Self {
            authority: Duration::from_secs(5 * 365 * DAY),
            certificate: Duration::from_secs(90 * DAY),
            settle: Duration::from_secs(60),
            overlap: Duration::from_secs(600),
        }
    }
}

/// What is to be done next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Everything anew: nothing that is there could be used.
    Fresh,
    /// A new authority beside those that are there.
    Authority,
    /// A new certificate of the newest authority.
    Certificate,
    /// These authorities have no part any more.
    Drop(Vec<usize>),
    /// Nothing, until so many seconds from now at the latest.
    Wait(i64),
}

/// What is to be done at `now`. `trusted` is how long every webhook configuration has been
/// seen to trust the newest authority; `None` if one does not.
#[must_use]
pub fn next(facts: &Facts, now: i64, trusted: Option<Duration>, lives: &Lives) -> Step {
    let newest = facts.authorities.first().copied();
    let newest = newest.filter(|v| facts.newest_key && v.not_after > now && v.not_before <= now);
    let leaf = facts.leaf.filter(|leaf| {
        leaf.serves && leaf.validity.not_after > now && leaf.validity.not_before <= now
    });
    let issuer_lives = |leaf: &LeafFacts| {
        let issuer = leaf.issuer.and_then(|place| facts.authorities.get(place));
        issuer.is_some_and(|v| v.not_after > now)
    };
    let Some(leaf) = leaf.filter(issuer_lives) else {
        // Whatever is served now, nobody takes: there is nothing to wait for.
        return if newest.is_some() {
            Step::Certificate
        } else {
            Step::Fresh
        };
    };
    let Some(newest) = newest else {
        return Step::Authority;
    };
    let settled = trusted.is_some_and(|trusted| trusted >= lives.settle);
    if leaf.issuer != Some(0) {
        return if settled {
            Step::Certificate
        } else {
            let left = lives.settle.saturating_sub(trusted.unwrap_or_default());
            Step::Wait(seconds(left).max(1))
        };
    }
    let renew = |validity: Validity, life: Duration| validity.not_after - seconds(life) / 3;
    // A certificate ends with its authority at the latest, so this comes first.
    let authority_due = renew(newest, lives.authority);
    if now >= authority_due {
        return Step::Authority;
    }
    let leaf_due = renew(leaf.validity, lives.certificate);
    if now >= leaf_due {
        return Step::Certificate;
    }
    let mut next = authority_due.min(leaf_due);
    let others: Vec<usize> = (1..facts.authorities.len()).collect();
    if !others.is_empty() {
        let made = leaf.validity.not_before + super::material::SKEW;
        let free = made + seconds(lives.overlap);
        if now >= free {
            return Step::Drop(others);
        }
        next = next.min(free);
    }
    Step::Wait((next - now).max(1))
}

fn seconds(life: Duration) -> i64 {
    i64::try_from(life.as_secs()).unwrap_or(i64::MAX / 4)
}

#[cfg(test)]
mod tests;

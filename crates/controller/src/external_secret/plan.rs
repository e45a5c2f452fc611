//! What to do about one ExternalSecret, decided from facts alone.
//!
//! The rules are those of the `external-secrets.io` API: when an object is left alone, when it
//! is read again, and what counts as a valid Secret.

mod pace;

pub use pace::{Cause, Pace, is_fight};

use std::time::Duration;

use keyless_api::constants::finalizer;
use keyless_api::{CreationPolicy, DeletionPolicy, ExternalSecretSpec, RefreshPolicy};

use crate::object::ExternalSecret;
use crate::schedule::{Lane, phase};

/// What the index knows of the target Secret.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Target {
    /// Whether a managed Secret of that name exists.
    pub exists: bool,
    /// Whether its controller is this ExternalSecret.
    pub owned: bool,
    /// Whether it has a data-hash annotation.
    pub hashed: bool,
    /// Whether its data may differ from that hash: someone else wrote it.
    pub suspect: bool,
}

/// Everything that decides the first step.
#[derive(Clone, Debug)]
pub struct Facts<'a> {
    /// The object.
    pub object: &'a ExternalSecret,
    /// Its spec.
    pub spec: &'a ExternalSecretSpec,
    /// Wall time in milliseconds.
    pub now: i64,
    /// Why it is looked at.
    pub lane: Lane,
    /// When the values were last read.
    pub refreshed: Option<i64>,
    /// Whether the last sync failed.
    pub failing: bool,
    /// Whether its store was changed.
    pub refetch: bool,
    /// Whether something that its templates come from was changed.
    pub rerender: bool,
    /// Whether this process looks at it for the first time.
    pub first_look: bool,
    /// The target.
    pub target: Target,
    /// Whether a store of it belongs to another controller, or to a reconciler that is off.
    pub foreign: bool,
    /// Whether its namespace is being deleted.
    pub namespace_deleting: bool,
    /// What it has written lately against somebody's will.
    pub pace: Pace,
}

/// The first step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Not ours: no status, no retry.
    Ignore,
    /// It is being deleted.
    Cleanup {
        /// Whether the target goes now.
        delete_secret: bool,
        /// Whether a finalizer of ours must go.
        remove_finalizer: bool,
    },
    /// Nothing to do before this time, if ever.
    Rest {
        /// Wall time in milliseconds.
        until: Option<i64>,
    },
    /// It has written too often lately: look again at this time.
    Pause {
        /// Wall time in milliseconds.
        until: i64,
    },
    /// Someone else wrote the Secret: read it once to see whether its data changed.
    Verify,
    /// Read the values.
    Fetch {
        /// How old an answer may be.
        max_age: Duration,
    },
}

/// How old an answer of a provider may be for a read that no user waits for.
const SHARED: Duration = Duration::from_secs(30);
/// The same after a failure.
const SHARED_RETRY: Duration = Duration::from_secs(5);

/// The first step.
#[must_use]
pub fn step(facts: &Facts<'_>) -> Step {
    if facts.object.deleting {
        return cleanup(facts);
    }
    if facts.foreign {
        return Step::Ignore;
    }
    if facts.namespace_deleting {
        return Step::Rest { until: None };
    }
    let policy = facts.spec.creation_policy();
    let target = &facts.target;
    let watched = policy != CreationPolicy::Orphan;
    let cause = cause(facts);
    let paused = facts.pace.not_before(cause, facts.now);
    if watched && target.exists && target.suspect {
        return paused.map_or(Step::Verify, |until| Step::Pause { until });
    }
    let valid = is_valid(facts);
    let due = due(facts);
    let wanted = due == Due::Now;
    if valid && wanted && !facts.rerender && overdue_at_start(facts) {
        let interval = interval(facts.spec).unwrap_or_default();
        let wait = phase::overdue(interval, phase::seed(&facts.object.uid));
        let until = facts.now + i64::try_from(wait.as_millis()).unwrap_or(0);
        // A sync window that closes meanwhile must not be missed.
        if open_from(facts.spec, until) == Some(until) {
            return Step::Rest { until: Some(until) };
        }
    }
    if valid && !wanted {
        return Step::Rest {
            until: match due {
                Due::At(time) => Some(time),
                Due::Now | Due::Never => None,
            },
        };
    }
    if let Some(until) = paused {
        return Step::Pause { until };
    }
    Step::Fetch {
        max_age: max_age(facts, valid, cause),
    }
}

/// Whether the Secret is as it was left, as far as its metadata tells. Orphan leaves it to others.
fn is_valid(facts: &Facts<'_>) -> bool {
    facts.spec.creation_policy() == CreationPolicy::Orphan
        || (facts.target.exists && facts.target.hashed)
}

/// Why a sync is due, if one is.
#[must_use]
pub fn cause(facts: &Facts<'_>) -> Cause {
    let Some(synced) = facts.object.synced.as_deref() else {
        return Cause::Due;
    };
    let suspect = facts.target.exists && facts.target.suspect;
    if synced != &*facts.object.fingerprint {
        Cause::Changed
    } else if !is_valid(facts) || suspect {
        Cause::Drift
    } else {
        Cause::Due
    }
}

fn cleanup(facts: &Facts<'_>) -> Step {
    Step::Cleanup {
        delete_secret: facts.spec.deletion_policy() == DeletionPolicy::Delete
            && facts.target.exists
            && facts.target.owned,
        remove_finalizer: facts
            .object
            .finalizers
            .iter()
            .any(|f| &**f == finalizer::EXTERNAL_SECRET),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Due {
    Now,
    At(i64),
    Never,
}

/// The refresh interval, if it is more than nothing. One that cannot be read is reported before.
#[must_use]
pub fn interval(spec: &ExternalSecretSpec) -> Option<Duration> {
    spec.refresh_interval().ok().and_then(|i| i.positive())
}

/// When the next periodic refresh of an object read at `refreshed` is due: at its phase, or when
/// the sync windows let it.
#[must_use]
pub fn next_refresh(
    object: &ExternalSecret,
    spec: &ExternalSecretSpec,
    refreshed: i64,
) -> Option<i64> {
    if spec.refresh_policy() != RefreshPolicy::Periodic {
        return None;
    }
    let interval = interval(spec)?;
    let next = phase::next(refreshed, interval, phase::seed(&object.uid));
    open_from(spec, next)
}

/// The first moment from `at` on when the sync windows allow a periodic refresh.
fn open_from(spec: &ExternalSecretSpec, at: i64) -> Option<i64> {
    match &spec.sync_windows {
        None => Some(at),
        Some(windows) => windows.gate().next_open(at),
    }
}

/// Whether the values are to be read because of policy, change, age, a failure, a changed store or
/// a changed source of templates.
///
/// Sync windows hold back what is due by time, and what only repeats or anticipates that: a retry,
/// and a read because of a changed store or template. The first read and a changed object pass.
fn due(facts: &Facts<'_>) -> Due {
    let object = facts.object;
    let synced = object.synced.as_deref();
    let changed = synced != Some(&*object.fingerprint);
    match facts.spec.refresh_policy() {
        RefreshPolicy::CreatedOnce => match (synced, object.refresh_time) {
            (Some(_), Some(_)) if !facts.failing => Due::Never,
            _ => Due::Now,
        },
        RefreshPolicy::OnChange if changed || object.refresh_time.is_none() => Due::Now,
        // The template is part of what was asked for, wherever it is kept.
        RefreshPolicy::OnChange if facts.failing || facts.rerender => Due::Now,
        RefreshPolicy::OnChange => Due::Never,
        _ => {
            let Some(interval) = interval(facts.spec) else {
                return if synced.is_some() && !facts.failing {
                    Due::Never
                } else {
                    Due::Now
                };
            };
            if changed {
                return Due::Now;
            }
            let refreshed = facts.refreshed.max(object.refresh_time);
            match refreshed {
                // In the future: another clock wrote it.
                Some(time) if time <= facts.now + 1000 => {
                    let early = facts.failing || facts.refetch || facts.rerender;
                    let next = match early {
                        true => facts.now,
                        false => phase::next(time, interval, phase::seed(&object.uid)),
                    };
                    match open_from(facts.spec, next.max(facts.now)) {
                        Some(open) if open <= facts.now => Due::Now,
                        Some(open) => Due::At(open),
                        None => Due::Never,
                    }
                }
                _ => Due::Now,
            }
        }
    }
}

/// After a start many refreshes may be overdue; they are spread instead of fired together.
fn overdue_at_start(facts: &Facts<'_>) -> bool {
    facts.first_look
        && facts.lane == Lane::Periodic
        && !facts.failing
        && facts
            .object
            .ready
            .as_ref()
            .is_some_and(|r| &*r.status == "True")
        && facts.object.synced.as_deref() == Some(&*facts.object.fingerprint)
}

fn max_age(facts: &Facts<'_>, valid: bool, cause: Cause) -> Duration {
    let shared = interval(facts.spec).map_or(SHARED, |i| SHARED.min(i / 2));
    match facts.lane {
        Lane::User => Duration::ZERO,
        Lane::Retry => SHARED_RETRY.min(shared),
        // A Secret that was deleted or changed gets the present value.
        Lane::Event if !valid && facts.object.synced.is_some() => Duration::ZERO,
        // A change that had to wait.
        Lane::Event if cause == Cause::Changed && !facts.first_look => Duration::ZERO,
        Lane::Event | Lane::Periodic => shared,
    }
}

/// What an empty answer of the provider means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Empty {
    /// There are values: write them.
    No,
    /// `deletionPolicy: Delete`: the owned Secret goes.
    Delete,
    /// `deletionPolicy: Delete`, and no Secret of ours exists.
    Absent,
    /// `deletionPolicy: Delete`, but the Secret is not ours to delete.
    NotOwner,
    /// `deletionPolicy: Retain`: nothing is written.
    Retain,
    /// `deletionPolicy: Merge`: go on, our keys vanish.
    Merge,
}

/// What to do with `count` values.
#[must_use]
pub fn empty(spec: &ExternalSecretSpec, count: usize, target: &Target) -> Empty {
    if count > 0 {
        return Empty::No;
    }
    match spec.deletion_policy() {
        DeletionPolicy::Delete if spec.creation_policy() != CreationPolicy::Owner => {
            Empty::NotOwner
        }
        DeletionPolicy::Delete if !target.exists => Empty::Absent,
        DeletionPolicy::Delete if target.owned => Empty::Delete,
        DeletionPolicy::Delete => Empty::NotOwner,
        DeletionPolicy::Merge => Empty::Merge,
        _ => Empty::Retain,
    }
}

#[cfg(test)]
mod tests;

//! One reconcile: facts, plan, writes, and when to look again.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use keyless_fault::{Class, Fault};

use super::apply::{self, Outcome};
use super::facts::{self, Gathered};
use super::plan::{self, Intent};
use super::status;
use crate::Error;
use crate::context::Context;
use crate::index::{ClusterEntry, Failure, Scope};
use crate::object::{ClusterExternalSecret, ObjectKey};
use crate::schedule::{Lane, Moment, backoff, phase};

/// When to look again, on the scheduler's clock.
type Next = Option<(Lane, Moment)>;

/// Works on the ClusterExternalSecret `key`, or on what one of that name has left.
pub async fn reconcile(context: &Context, key: &ObjectKey, lane: Lane) -> Next {
    let started = context.clock.elapsed();
    let gathered = facts::gather(context, key)?;
    let steps = gathered.places.iter();
    let steps = steps.map(|place| plan::step(gathered.intent, place));
    let outcomes = apply::all(context, lane, &gathered, steps.collect()).await;
    for outcome in &outcomes {
        if let Some((class, _, error)) = &outcome.failure
            && *class != Class::Conflict
        {
            tracing::warn!(cluster_external_secret = %key, namespace = %outcome.namespace, error, "a namespace failed");
        }
    }
    let Some(object) = &gathered.object else {
        return tidy_again(context, key, &outcomes);
    };
    let clean = outcomes.iter().all(|outcome| outcome.failure.is_none());
    note(context, &gathered, object, outcomes);
    let told = match gathered.intent {
        Intent::Withdraw { .. } => release(context, lane, object, clean).await,
        Intent::Provide | Intent::Hold => tell(context, lane, object).await,
    };
    if let Err(error) = told {
        if error.is_not_found() {
            return None;
        }
        if !error.is_conflict() {
            tracing::warn!(cluster_external_secret = %key, %error, "reconcile interrupted");
        }
        with_entry(context, object, |entry, now| {
            failed(
                entry,
                now,
                error.class(),
                error.retry_after(),
                &error.to_string(),
            );
        });
    }
    let took = context.clock.elapsed().saturating_sub(started);
    let mut next = None;
    with_entry(context, object, |entry, _| {
        entry.nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        let retry = entry.retry_at.map(|at| (Lane::Retry, at));
        let whole = entry.whole_at.map(|at| (Lane::Periodic, at));
        next = retry.into_iter().chain(whole).min_by_key(|(_, at)| *at);
    });
    next
}

/// Changes what is known of `object`, if it is still the same one.
fn with_entry(
    context: &Context,
    object: &ClusterExternalSecret,
    change: impl FnOnce(&mut ClusterEntry, Moment),
) {
    let now = context.clock.elapsed();
    let mut state = context.state();
    let entry = state.index.cluster_external_secret_mut(&object.key);
    if let Some(entry) = entry.filter(|entry| entry.object.uid == object.uid) {
        change(entry, now);
    }
}

/// Notes how it went, before the status is written: the write may never come.
fn note(
    context: &Context,
    gathered: &Gathered,
    object: &ClusterExternalSecret,
    outcomes: Vec<Outcome>,
) {
    with_entry(context, object, |entry, now| {
        entry.looking = Scope::default();
        if gathered.whole && gathered.intent == Intent::Provide {
            let template = object.template.as_ref().ok();
            entry.whole_at = template.and_then(|t| t.refresh).map(|every| now + every);
            forget_others(entry, &gathered.places);
        }
        for outcome in &outcomes {
            if let Some(standing) = &outcome.standing {
                entry.note(&outcome.namespace, standing.clone());
            }
            match outcome.admitted {
                Some((sent, stored)) if sent != stored => {
                    let namespace = Arc::clone(&outcome.namespace);
                    entry.admitted.insert(namespace, (sent, stored));
                }
                Some(_) => {
                    entry.admitted.remove(&outcome.namespace);
                }
                None => {}
            }
            if outcome.failure.is_some() {
                entry.retry.insert(Arc::clone(&outcome.namespace));
            } else {
                entry.retry.remove(&outcome.namespace);
            }
        }
        // The first in the order of names, so that the same failures are known again.
        let failures = outcomes.iter();
        match failures.filter_map(|o| o.failure.as_ref()).next() {
            Some((class, retry_after, text)) => failed(entry, now, *class, *retry_after, text),
            None if entry.retry.is_empty() => {
                entry.failure = None;
                entry.retry_at = None;
            }
            None => {}
        }
    });
}

/// Every place was looked at: what is not among them is no concern of this object any more.
fn forget_others(entry: &mut ClusterEntry, places: &[plan::Place]) {
    let places: BTreeSet<&Arc<str>> = places.iter().map(|place| &place.namespace).collect();
    let before = (entry.provisioned.len(), entry.failed.len());
    entry.provisioned.retain(|name| places.contains(name));
    entry.failed.retain(|name, _| places.contains(name));
    entry.retry.retain(|name| places.contains(name));
    entry.admitted.retain(|name, _| places.contains(name));
    if before != (entry.provisioned.len(), entry.failed.len()) {
        entry.told = false;
    }
}

fn failed(
    entry: &mut ClusterEntry,
    now: Moment,
    class: Class,
    retry_after: Option<Duration>,
    text: &str,
) {
    let failure = Failure::after(entry.failure.as_ref(), class, text);
    let seed = phase::seed(&entry.object.uid);
    entry.retry_at = Some(now + backoff::delay(class, failure.attempt, retry_after, seed));
    entry.failure = Some(failure);
}

/// Writes the status if it says anything new.
async fn tell(context: &Context, lane: Lane, object: &ClusterExternalSecret) -> Result<(), Error> {
    let mut news = None;
    with_entry(context, object, |entry, _| {
        if entry.told {
            return;
        }
        let wanted = status::wanted(entry);
        if wanted == entry.object.status {
            entry.told = true;
        } else {
            news = Some((Arc::clone(&entry.object), wanted));
        }
    });
    match news {
        Some((object, wanted)) => apply::write_status(context, lane, &object, wanted).await,
        None => Ok(()),
    }
}

/// Lets an object go that carries ESO's finalizer, once nothing is left of it.
async fn release(
    context: &Context,
    lane: Lane,
    object: &ClusterExternalSecret,
    clean: bool,
) -> Result<(), Error> {
    match object.foreign_finalizer() {
        Some(position) if clean => apply::release_cluster(context, lane, object, position).await,
        _ => Ok(()),
    }
}

/// Nobody counts how often tidying up after an object that is gone has failed.
fn tidy_again(context: &Context, key: &ObjectKey, outcomes: &[Outcome]) -> Next {
    const ATTEMPT: u32 = 3;
    let (class, retry_after, _) = outcomes.iter().find_map(|o| o.failure.as_ref())?;
    let pause = backoff::delay(*class, ATTEMPT, *retry_after, phase::seed(&key.name));
    Some((Lane::Retry, context.clock.elapsed() + pause))
}

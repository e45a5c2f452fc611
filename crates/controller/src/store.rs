//! SecretStores and ClusterSecretStores: gather facts, plan, apply.
//!
//! Owns: validation, conditions and capabilities, the time of the next validation, and waking
//! the ExternalSecrets of a store that turned ready. Refuses: finalizers (they belong to
//! PushSecret), and judging a provider's configuration (that is the provider's).

pub mod admission;
mod apply;
mod facts;
mod plan;
mod status;

pub use facts::is_judged;

use std::time::Duration;

use keyless_fault::Class;

use crate::context::Context;
use crate::index::Outcome;
use crate::object::ObjectKey;
use crate::schedule::{Lane, Moment, backoff, phase};

/// The generation validated last, or 0.
fn validated(context: &Context, key: &ObjectKey) -> i64 {
    let state = context.state();
    let entry = state.index.store(key);
    entry
        .and_then(|e| e.outcome.as_ref())
        .map_or(0, |o| o.generation)
}

/// Validates the store `key`; says when to look again.
pub async fn reconcile(context: &Context, key: &ObjectKey, lane: Lane) -> Option<(Lane, Moment)> {
    let started = context.clock.elapsed();
    let store = facts::gather(context, key)?;
    // A user who changed the store, or asks by annotation, wants an answer now and not a
    // remembered refusal.
    let stale = {
        let mut state = context.state();
        let entry = state.index.store_mut(key);
        entry.is_some_and(|entry| std::mem::take(&mut entry.stale))
    };
    if stale || lane == Lane::User || store.generation != validated(context, key) {
        context
            .backends
            .changed(&crate::external_secret::store_ref(key));
    }
    let found = facts::validate(context, &store).await;
    let verdict = plan::verdict(&store, found, context.options.store_requeue_interval);
    let outcome = Outcome {
        ready: verdict.ready,
        generation: store.generation,
        said: phase::seed(&verdict.message),
    };
    let same = context
        .state()
        .index
        .store(key)
        .and_then(|e| e.outcome.as_ref().map(|o| o.said))
        == Some(outcome.said);
    // Before the status: ExternalSecrets need not wait for a write.
    context.change(|index| index.store_validated(key, outcome));
    let written = apply::apply(context, &store, &verdict, lane).await;
    let attempt = {
        let mut state = context.state();
        let entry = state.index.store_mut(key)?;
        let took = context.clock.elapsed().saturating_sub(started);
        entry.nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        entry.attempt = if verdict.ready && written.is_ok() {
            0
        } else if same {
            entry.attempt + 1
        } else {
            // Another link broke: someone is mending the chain, so look again soon.
            1
        };
        entry.attempt
    };
    let now = context.clock.elapsed();
    let seed = phase::seed(&store.uid);
    let failure = match (&written, verdict.failure) {
        (Err(error), _) if error.is_not_found() => return None,
        (Err(error), _) => Some((keyless_fault::Fault::class(error), None)),
        (Ok(()), failure) => failure,
    };
    match failure {
        None => {
            // Spread by up to a tenth, so that many stores do not log in together for ever.
            let part = verdict.interval.mul_f64((seed % 1000) as f64 / 10_000.0);
            Some((Lane::Periodic, now + verdict.interval - part))
        }
        Some((class, retry_after)) => {
            let pause = backoff::delay(class, attempt, retry_after, seed);
            // A store holds up all its readers: what a user must repair is looked at more often.
            let pause = match class {
                Class::Throttled => pause,
                _ => pause.min(Duration::from_secs(60)),
            };
            Some((Lane::Retry, now + pause))
        }
    }
}

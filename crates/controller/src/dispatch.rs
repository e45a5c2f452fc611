//! Runs what the scheduler gives, many at once, each in a net of its own.
//!
//! A panic in one reconcile is caught, counted and backed off; it never stops another.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::FutureExt;
use keyless_fault::Class;
use tokio::task::JoinSet;

use crate::context::Context;
use crate::index::Work;
use crate::metrics::Ended;
use crate::schedule::{Lane, Moment, backoff, phase};
use crate::sinks::Feed;
use crate::{Error, cluster_external_secret, external_secret, store};

/// How many are started before they get a chance to run.
const BURST: u32 = 16;
/// How many may wait for a turn at writing before no more are started.
const QUEUE: usize = 16;

/// Works until dropped.
///
/// # Errors
/// None; the type is that of every task of the operator.
pub async fn run(context: Arc<Context>, feed: Feed) -> Result<(), Error> {
    feed.opened().await;
    let mut running: JoinSet<()> = JoinSet::new();
    loop {
        fill(&context, &mut running).await;
        let due = context.state().scheduler.next_due();
        let full = !has_room(&context, &running);
        tokio::select! {
            // Results are noted by the task itself.
            Some(_) = running.join_next() => {}
            () = context.news.notified(), if !full => {}
            () = until(&context, due), if !full => {}
        }
    }
}

/// Starts what is due while there is room.
async fn fill(context: &Arc<Context>, running: &mut JoinSet<()>) {
    let mut started = 0;
    while has_room(context, running) {
        let now = context.clock.elapsed();
        let Some((work, lane)) = context.state().scheduler.pop(now) else {
            return;
        };
        running.spawn(one(Arc::clone(context), work, lane));
        started += 1;
        if started % BURST == 0 {
            // Lets them come to where they wait: for a provider, or for a turn at writing.
            tokio::task::yield_now().await;
        }
    }
}

/// Many may wait for providers, so that these can fill their batches; few for a turn at writing,
/// where waiting brings nothing but costs memory.
fn has_room(context: &Context, running: &JoinSet<()>) -> bool {
    running.len() < context.options.gatherers.max(1) && context.writers.waiting() < QUEUE
}

async fn until(context: &Context, due: Option<Moment>) {
    match due {
        Some(moment) => tokio::time::sleep_until(context.clock.instant(moment)).await,
        None => std::future::pending().await,
    }
}

async fn one(context: Arc<Context>, work: Work, lane: Lane) {
    let started = tokio::time::Instant::now();
    context.counters.reconciles.begin(&work);
    let reconcile = async {
        match &work {
            Work::ExternalSecret(key) => external_secret::reconcile(&context, key, lane).await,
            Work::Store(key) => store::reconcile(&context, key, lane).await,
            Work::ClusterExternalSecret(key) => {
                cluster_external_secret::reconcile(&context, key, lane).await
            }
        }
    };
    let next = match AssertUnwindSafe(reconcile).catch_unwind().await {
        Ok(next) => next,
        Err(_) => {
            let panics = context.counters.panics.fetch_add(1, Ordering::Relaxed);
            tracing::error!(?work, "a reconcile panicked; it is tried again later");
            let attempt = u32::try_from(panics).unwrap_or(u32::MAX).min(6) + 1;
            let seed = phase::seed(&format!("{work:?}"));
            let pause = backoff::delay(Class::Bug, attempt, None, seed);
            Some((
                Lane::Retry,
                context.clock.elapsed() + pause.max(Duration::from_secs(1)),
            ))
        }
    };
    let ended = Ended::of(next.map(|(lane, _)| lane));
    let took = started.elapsed();
    context.counters.reconciles.end(&work, ended, took);
    context.state().scheduler.done(&work, next);
    context.news.notify_one();
}

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
use crate::schedule::{Lane, Moment, backoff, phase};
use crate::sinks::Feed;
use crate::{Error, external_secret, store};

/// Works until dropped.
///
/// # Errors
/// None; the type is that of every task of the operator.
pub async fn run(context: Arc<Context>, feed: Feed) -> Result<(), Error> {
    feed.opened().await;
    let mut running: JoinSet<()> = JoinSet::new();
    let limit = context.options.gatherers.max(1);
    loop {
        while running.len() < limit {
            let now = context.clock.elapsed();
            let Some((work, lane)) = context.state().scheduler.pop(now) else {
                break;
            };
            running.spawn(one(Arc::clone(&context), work, lane));
        }
        let due = context.state().scheduler.next_due();
        let full = running.len() >= limit;
        tokio::select! {
            // Results are noted by the task itself.
            Some(_) = running.join_next() => {}
            () = context.news.notified(), if !full => {}
            () = until(&context, due), if !full => {}
        }
    }
}

async fn until(context: &Context, due: Option<Moment>) {
    match due {
        Some(moment) => tokio::time::sleep_until(context.clock.instant(moment)).await,
        None => std::future::pending().await,
    }
}

async fn one(context: Arc<Context>, work: Work, lane: Lane) {
    let reconcile = async {
        match &work {
            Work::ExternalSecret(key) => external_secret::reconcile(&context, key, lane).await,
            Work::Store(key) => store::reconcile(&context, key, lane).await,
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
    context.state().scheduler.done(&work, next);
    context.news.notify_one();
}

//! Making the calls.
//!
//! Owns: when a batch leaves, repeating throttled calls, and splitting a batch that fails as a
//! whole until only the guilty key fails. Refuses: deciding who shares a call.

use std::sync::Arc;

use keyless_fault::{Class, Fault, Link};
use tokio::time::Instant;

use super::counters::BATCHED;
use super::queue::Item;
use super::{Api, Failure, Inner, Reply};
use crate::Error;

/// So many keys of a failed batch read without trouble one by one, and none with: the others
/// are not tried together any more.
const CLEARED: u32 = 2;

type Items<A> = Vec<Item<<A as Api>::Key, <A as Api>::Value>>;

/// Runs while somebody waits: lets full batches go at once and others after the linger.
pub(super) async fn drive<A: Api>(inner: Arc<Inner<A>>) {
    loop {
        let due = {
            let mut queue = inner.lock();
            if queue.stop_if_idle() {
                return;
            }
            match queue.oldest() {
                Some(since) if !queue.full(inner.api.limit()) => since + inner.options.linger,
                _ => Instant::now(),
            }
        };
        if due > Instant::now() {
            tokio::select! {
                () = tokio::time::sleep_until(due) => {}
                () = inner.full.notified() => continue,
            }
        }
        inner.while_company_arrives().await;
        let Ok(permit) = Arc::clone(&inner.permits).acquire_owned().await else {
            return;
        };
        // Whoever comes while the bucket is empty still gets into this batch.
        inner.bucket.take().await;
        let batch = inner.lock().take(inner.api.limit(), Instant::now());
        let inner = Arc::clone(&inner);
        tokio::spawn(async move {
            inner.run(batch).await;
            drop(permit);
        });
    }
}

/// So many times the linger may the first of a batch wait while others still arrive.
const PATIENCE: u32 = 20;
/// So many turns in a row that bring nobody: a new object takes a few until it reads.
const QUIET: u32 = 4;

/// A part of a batch that waits for its call.
struct Part<A: Api> {
    items: Items<A>,
    /// How often its call was throttled.
    throttled: u32,
}

/// One batch on its way: the parts still to be called, and what was learnt.
struct Run<A: Api> {
    parts: Vec<Part<A>>,
    /// Several keys failed together.
    split: bool,
    /// Several keys were read together.
    together: bool,
    /// A key failed on its own as well.
    guilty: bool,
    /// Keys named as the cause that were then read without trouble.
    cleared: u32,
}

impl<A: Api> Run<A> {
    fn push(&mut self, items: Items<A>, throttled: u32) {
        if !items.is_empty() {
            self.parts.push(Part { items, throttled });
        }
    }

    /// Keys fail together that are read well alone: this identity may not read batches.
    fn batches_are_refused(&self) -> bool {
        self.split && !self.together && !self.guilty
    }
}

impl<A: Api> Inner<A> {
    /// On a busy runtime the linger passes before those who are under way come to join. Each turn
    /// lets every task that is ready run once; a few turns that bring nobody end the wait, so that
    /// a lone read waits for the linger only.
    async fn while_company_arrives(&self) {
        let (mut seen, mut quiet) = (0, 0);
        while let Some(waiting) = self.partial_batch() {
            quiet = if waiting == seen { quiet + 1 } else { 0 };
            if quiet > QUIET {
                return;
            }
            seen = waiting;
            tokio::task::yield_now().await;
        }
    }

    /// How many wait, while they fill no batch and may still wait for others.
    fn partial_batch(&self) -> Option<usize> {
        let queue = self.lock();
        let since = queue.oldest()?;
        let late = since.elapsed() > self.options.linger * PATIENCE;
        (!late && !queue.full(self.api.limit())).then(|| queue.waiting())
    }

    async fn run(&self, items: Items<A>) {
        let mut run: Run<A> = Run {
            parts: Vec::new(),
            split: false,
            together: false,
            guilty: false,
            cleared: 0,
        };
        run.push(items, 0);
        let mut first = true;
        while let Some(part) = run.parts.pop() {
            if !std::mem::take(&mut first) {
                self.bucket.take().await;
            }
            let keys: Vec<A::Key> = part.items.iter().map(|item| item.key.clone()).collect();
            let started = Instant::now();
            match self.api.call(&keys).await {
                Ok(replies) => {
                    self.bucket.passed();
                    let alone = |reply: &&Reply<_>| matches!(reply, Reply::Alone);
                    let answered = replies.len() - replies.iter().filter(alone).count();
                    let saved = answered.saturating_sub(1);
                    self.counters.saved(self.api.name(), BATCHED, saved);
                    self.succeeded(part, replies, started, &mut run);
                }
                Err(failure) => self.failed(part, failure, &mut run),
            }
        }
        if run.batches_are_refused() {
            self.lock().read_singly(Instant::now());
        }
    }

    fn succeeded(
        &self,
        part: Part<A>,
        replies: Vec<Reply<A::Value>>,
        started: Instant,
        run: &mut Run<A>,
    ) {
        let now = Instant::now();
        let several = part.items.len() > 1;
        let mut queue = self.lock();
        if several {
            run.together = true;
        } else {
            run.cleared += 1;
            if run.batches_are_refused() && run.cleared >= CLEARED {
                queue.read_singly(now);
            }
        }
        let mut replies = replies.into_iter();
        for item in part.items {
            match replies.next() {
                Some(Reply::Value(value)) => {
                    queue.answered(&item, &value, self.api.weight(&value), started, now);
                    item.outcome.send_replace(Some(Ok(value)));
                }
                Some(Reply::Failed(error)) => {
                    queue.finished(&item);
                    item.outcome.send_replace(Some(Err(*error)));
                }
                Some(Reply::Alone) if several => run.push(vec![item], 0),
                Some(Reply::Alone) | None => {
                    queue.finished(&item);
                    item.outcome.send_replace(Some(Err(super::broken_off())));
                }
            }
        }
    }

    fn failed(&self, part: Part<A>, failure: Failure, run: &mut Run<A>) {
        let Failure { error, culprit } = failure;
        if error.class() == Class::Throttled {
            self.bucket.throttled(error.retry_after());
            if part.throttled < self.options.retries {
                run.push(part.items, part.throttled + 1);
                return;
            }
        } else if one_key_may_be_guilty(&error) {
            if part.items.len() > 1 {
                self.split(part, culprit, run);
                return;
            }
            run.guilty = true;
            if run.split
                && let [only] = part.items.as_slice()
            {
                self.lock().isolate(&only.key, Instant::now());
            }
        }
        let mut queue = self.lock();
        for item in part.items {
            queue.finished(&item);
            item.outcome.send_replace(Some(Err(error.clone())));
        }
    }

    /// The named culprit alone and the others together; without one, halves.
    fn split(&self, part: Part<A>, culprit: Option<usize>, run: &mut Run<A>) {
        run.split = true;
        let mut items = part.items;
        if self.lock().reads_singly(Instant::now()) {
            for item in items {
                run.push(vec![item], part.throttled);
            }
            return;
        }
        let other = match culprit.filter(|place| *place < items.len()) {
            Some(place) => vec![items.remove(place)],
            None => items.split_off(items.len() / 2),
        };
        run.push(items, part.throttled);
        run.push(other, part.throttled);
    }
}

/// Whether the call may succeed without one of its keys: the peer answered, and not about
/// the caller or itself.
fn one_key_may_be_guilty(error: &Error) -> bool {
    match error {
        Error::Identity(_) | Error::Network { .. } => false,
        _ => {
            !matches!(
                error.class(),
                Class::Unavailable | Class::Throttled | Class::Bug
            ) && !matches!(error.link(), Link::Identity | Link::Network)
        }
    }
}

//! Making the calls.
//!
//! Owns: when a batch leaves, repeating throttled calls, and splitting a batch that fails as a
//! whole until only the guilty key fails. Refuses: deciding who shares a call.

use std::sync::Arc;

use keyless_fault::{Class, Fault, Link};
use tokio::time::Instant;

use super::queue::Item;
use super::{Api, Failure, Inner, Reply};
use crate::Error;

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

/// A part of a batch that waits for its call.
struct Part<A: Api> {
    items: Items<A>,
    /// How often its call was throttled.
    throttled: u32,
    /// Split off from a batch that failed as a whole.
    split: bool,
}

impl<A: Api> Inner<A> {
    async fn run(&self, items: Items<A>) {
        let mut parts: Vec<Part<A>> = vec![Part {
            items,
            throttled: 0,
            split: false,
        }];
        let mut first = true;
        while let Some(part) = parts.pop() {
            if part.items.is_empty() {
                continue;
            }
            if !std::mem::take(&mut first) {
                self.bucket.take().await;
            }
            let keys: Vec<A::Key> = part.items.iter().map(|item| item.key.clone()).collect();
            self.counters.batched(keys.len() - 1);
            let started = Instant::now();
            match self.api.call(&keys).await {
                Ok(replies) => {
                    self.bucket.passed();
                    self.succeeded(part, replies, started, &mut parts);
                }
                Err(failure) => self.failed(part, failure, &mut parts),
            }
        }
    }

    fn succeeded(
        &self,
        part: Part<A>,
        replies: Vec<Reply<A::Value>>,
        started: Instant,
        parts: &mut Vec<Part<A>>,
    ) {
        let now = Instant::now();
        let several = part.items.len() > 1;
        let mut queue = self.lock();
        let mut replies = replies.into_iter();
        for item in part.items {
            match replies.next() {
                Some(Reply::Value(value)) => {
                    if several {
                        queue.batch_worked();
                    } else if part.split {
                        queue.alone_worked(now);
                    }
                    queue.answered(&item, &value, self.api.weight(&value), started, now);
                    item.outcome.send_replace(Some(Ok(value)));
                }
                Some(Reply::Failed(error)) => {
                    queue.finished(&item);
                    item.outcome.send_replace(Some(Err(error)));
                }
                Some(Reply::Alone) if several => parts.push(Part {
                    items: vec![item],
                    throttled: 0,
                    split: false,
                }),
                Some(Reply::Alone) | None => {
                    queue.finished(&item);
                    item.outcome.send_replace(Some(Err(super::broken_off())));
                }
            }
        }
    }

    fn failed(&self, mut part: Part<A>, failure: Failure, parts: &mut Vec<Part<A>>) {
        let Failure { error, culprit } = failure;
        if error.class() == Class::Throttled {
            self.bucket.throttled(error.retry_after());
            if part.throttled < self.options.retries {
                part.throttled += 1;
                parts.push(part);
                return;
            }
        } else if part.items.len() > 1 && one_key_may_be_guilty(&error) {
            self.split(part, culprit, parts);
            return;
        }
        let mut queue = self.lock();
        for item in part.items {
            queue.finished(&item);
            item.outcome.send_replace(Some(Err(error.clone())));
        }
    }

    /// The named culprit alone and the others together; without one, halves.
    fn split(&self, part: Part<A>, culprit: Option<usize>, parts: &mut Vec<Part<A>>) {
        let now = Instant::now();
        let mut queue = self.lock();
        let mut items = part.items;
        let mut push = |items: Items<A>| {
            parts.push(Part {
                items,
                throttled: part.throttled,
                split: true,
            });
        };
        if queue.reads_singly(now) {
            for item in items {
                push(vec![item]);
            }
            return;
        }
        match culprit.filter(|place| *place < items.len()) {
            Some(place) => {
                let guilty = items.remove(place);
                queue.isolate(&guilty.key, now);
                push(items);
                push(vec![guilty]);
            }
            None => {
                let half = items.split_off(items.len() / 2);
                for part in [half, items] {
                    if let [only] = part.as_slice() {
                        queue.isolate(&only.key, now);
                    }
                    push(part);
                }
            }
        }
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

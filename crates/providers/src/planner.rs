//! The call planner between many readers and one API of one identity.
//!
//! Owns: equal reads sharing one call, batches filled up to the API's limit, a short linger,
//! bounded concurrency, the rate, isolating the one name that makes a batch fail, and recent
//! answers. Refuses: sharing anything between two identities (each has its own planner), and
//! knowing what the answers mean.

mod answers;
mod batch;
mod bucket;
mod counters;
mod queue;

use std::fmt;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::sync::{Notify, Semaphore, watch};
use tokio::time::Instant;

use crate::Error;
use queue::{Joined, Queue};

pub use answers::Budget;
pub use bucket::Bucket;
pub use counters::{Calls, Counters, Name, Snapshot};

/// One API that reads many names in one call.
pub trait Api: Send + Sync + 'static {
    /// What is read.
    type Key: Clone + Eq + Hash + Send + Sync + 'static;
    /// What comes back. Cheap to clone.
    type Value: Clone + Send + Sync + 'static;

    /// Provider and call, for the count of what was saved: the call that reads one key.
    fn name(&self) -> Name {
        ("other", "other")
    }

    /// How many keys fit into one call.
    fn limit(&self) -> usize;

    /// One call. The answer has one entry for each key, in order.
    ///
    /// # Errors
    /// When the call failed as a whole.
    fn call<'a>(
        &'a self,
        keys: &'a [Self::Key],
    ) -> BoxFuture<'a, Result<Vec<Reply<Self::Value>>, Failure>>;

    /// Bytes that keeping `value` costs.
    fn weight(&self, value: &Self::Value) -> usize;
}

/// What one call says about one key.
#[derive(Clone, Debug)]
pub enum Reply<V> {
    /// The value.
    Value(V),
    /// The reason why there is none.
    Failed(Box<Error>),
    /// Only a call for this key alone can tell.
    Alone,
}

/// A call that failed as a whole.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The reason.
    pub error: Error,
    /// The key that the peer names as the cause, by its place in the call.
    pub culprit: Option<usize>,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self {
            error,
            culprit: None,
        }
    }
}

/// How a planner behaves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Options {
    /// How long the first of a batch waits for company.
    pub linger: Duration,
    /// Calls under way at once.
    pub concurrency: usize,
    /// How often a throttled call is repeated.
    pub retries: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            linger: Duration::from_millis(10),
            concurrency: 8,
            retries: 3,
        }
    }
}

type Outcome<V> = Option<Result<V, Error>>;

/// Plans the calls of one [`Api`].
pub struct Planner<A: Api>(Arc<Inner<A>>);

struct Inner<A: Api> {
    api: A,
    bucket: Arc<Bucket>,
    counters: Arc<Counters>,
    options: Options,
    queue: Mutex<Queue<A::Key, A::Value>>,
    /// The driver's alarm: a batch may be full.
    full: Notify,
    permits: Arc<Semaphore>,
}

impl<A: Api> fmt::Debug for Planner<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Planner")
            .field("options", &self.0.options)
            .finish_non_exhaustive()
    }
}

impl<A: Api> Planner<A> {
    /// A planner for `api` at the pace of `bucket`.
    pub fn new(
        api: A,
        bucket: Arc<Bucket>,
        budget: Arc<Budget>,
        counters: Arc<Counters>,
        options: Options,
    ) -> Self {
        Self(Arc::new(Inner {
            api,
            bucket,
            counters,
            options,
            queue: Mutex::new(Queue::new(budget)),
            full: Notify::new(),
            permits: Arc::new(Semaphore::new(options.concurrency.max(1))),
        }))
    }

    /// Reads `keys`; the answer has one entry for each, in order. With `max_age` zero only calls
    /// that start from now on count. Dropping the future is safe: a call under way ends by
    /// itself, and others who wait for it get its answer.
    pub async fn read(&self, keys: &[A::Key], max_age: Duration) -> Vec<Result<A::Value, Error>> {
        let joined = self.0.join(keys, max_age);
        let mut values = Vec::with_capacity(joined.len());
        for place in joined {
            values.push(match place {
                Joined::Ready(value) => Ok(value),
                Joined::Waits(outcome) => wait(outcome).await,
            });
        }
        values
    }

    /// Reads one key.
    ///
    /// # Errors
    /// That of the call.
    pub async fn read_one(&self, key: &A::Key, max_age: Duration) -> Result<A::Value, Error> {
        let mut values = self.read(std::slice::from_ref(key), max_age).await;
        values.pop().unwrap_or_else(|| Err(broken_off()))
    }

    /// The API behind it.
    pub fn api(&self) -> &A {
        &self.0.api
    }

    /// Drops answers that nobody would accept any more.
    pub fn sweep(&self) {
        self.0.lock().sweep(Instant::now());
    }
}

impl<A: Api> Inner<A> {
    fn join(self: &Arc<Self>, keys: &[A::Key], max_age: Duration) -> Vec<Joined<A::Value>> {
        let now = Instant::now();
        let mut queue = self.lock();
        let mut counts = queue::Counts::default();
        let joined = keys
            .iter()
            .map(|key| queue.join(key, max_age, now, &mut counts))
            .collect();
        let name = self.api.name();
        let (cached, coalesced) = (counts.cached, counts.coalesced);
        self.counters.saved(name, counters::CACHED, cached);
        self.counters.saved(name, counters::COALESCED, coalesced);
        if counts.queued > 0 {
            if queue.start_driving() {
                tokio::spawn(batch::drive(Arc::clone(self)));
            } else if queue.full(self.api.limit()) {
                self.full.notify_one();
            }
        }
        joined
    }

    fn lock(&self) -> MutexGuard<'_, Queue<A::Key, A::Value>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn wait<V: Clone>(mut outcome: watch::Receiver<Outcome<V>>) -> Result<V, Error> {
    match outcome.wait_for(Option::is_some).await {
        Ok(found) => found.clone().unwrap_or_else(|| Err(broken_off())),
        Err(_) => Err(broken_off()),
    }
}

fn broken_off() -> Error {
    Error::Network {
        intent: "read from the provider".into(),
        reason: "the call ended without an answer".into(),
    }
}

#[cfg(test)]
mod tests;

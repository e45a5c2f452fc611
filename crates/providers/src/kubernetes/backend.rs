//! One identity's way to the Secrets of one namespace.

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use keyless_identity::HttpExchange;
use keyless_identity::kubernetes::{Login, Logins};

use super::calls::Calls;
use super::object::Object;
use crate::planner::{Api, Bucket, Budget, Counters, Failure, Options, Planner, Reply};

/// Reads per second under one identity: far below what an API server bears, far above what its
/// Secrets need.
const READS: f64 = 100.0;

/// Everything that a client depends on.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The way out, with the login's authorities and certificate.
    pub http: Arc<dyn HttpExchange>,
    /// Tokens.
    pub logins: Arc<Logins>,
    /// The identity.
    pub login: Arc<Login>,
    /// The namespace whose Secrets are read.
    pub namespace: String,
    /// How the planner behaves.
    pub planner: Options,
}

/// A client and its planner.
#[derive(Debug)]
pub struct Backend {
    pub(super) calls: Arc<Calls>,
    pub(super) objects: Planner<Objects>,
}

impl Backend {
    /// Opens a client; nothing is called.
    #[must_use]
    pub fn new(settings: &Settings, budget: &Arc<Budget>, counters: &Arc<Counters>) -> Self {
        let calls = Arc::new(Calls::new(settings, Arc::clone(counters)));
        Self {
            objects: Planner::new(
                Objects(Arc::clone(&calls)),
                Arc::new(Bucket::new(READS)),
                Arc::clone(budget),
                Arc::clone(counters),
                settings.planner,
            ),
            calls,
        }
    }

    /// Drops answers that nobody would accept any more.
    pub fn sweep(&self) {
        self.objects.sweep();
    }
}

/// GET of one Secret: equal reads share it, there is no batch.
#[derive(Debug)]
pub(super) struct Objects(Arc<Calls>);

impl Api for Objects {
    type Key = String;
    type Value = Arc<Object>;

    fn limit(&self) -> usize {
        1
    }

    fn call<'a>(
        &'a self,
        keys: &'a [String],
    ) -> BoxFuture<'a, Result<Vec<Reply<Self::Value>>, Failure>> {
        async move {
            let mut replies = Vec::with_capacity(keys.len());
            for name in keys {
                replies.push(match self.0.get(name).await {
                    Ok(object) => Reply::Value(Arc::new(object)),
                    Err(error) if error.is_no_secret() => Reply::Failed(Box::new(error)),
                    Err(error) => return Err(error.into()),
                });
            }
            Ok(replies)
        }
        .boxed()
    }

    fn weight(&self, value: &Self::Value) -> usize {
        value.weight()
    }
}

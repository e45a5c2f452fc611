//! One webhook identity's way to its endpoint.

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use keyless_identity::HttpExchange;
use keyless_identity::webhook::Login;
use keyless_secret::SecretBytes;

use super::calls::Calls;
use super::request::{Spec, Variables};
use crate::planner::{Api, Bucket, Budget, Counters, Failure, Options, Planner, Reply};

/// Calls per second to one endpoint: nobody published a quota.
const CALLS: f64 = 50.0;

/// Everything that a client depends on.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The way out, with the endpoint's authorities.
    pub http: Arc<dyn HttpExchange>,
    /// What is shown.
    pub login: Arc<Login>,
    /// The store's templates.
    pub(crate) spec: Spec,
    /// How the planner behaves.
    pub planner: Options,
}

/// A client and its planner.
#[derive(Debug)]
pub struct Backend {
    pub(super) calls: Arc<Calls>,
    pub(super) answers: Planner<Answers>,
}

impl Backend {
    /// Opens a client; nothing is called.
    #[must_use]
    pub fn new(settings: &Settings, budget: &Arc<Budget>, counters: &Arc<Counters>) -> Self {
        let calls = Arc::new(Calls::new(settings, Arc::clone(counters)));
        Self {
            answers: Planner::new(
                Answers(Arc::clone(&calls)),
                Arc::new(Bucket::new(CALLS)),
                Arc::clone(budget),
                Arc::clone(counters),
                settings.planner,
            ),
            calls,
        }
    }

    pub(super) fn spec(&self) -> &Spec {
        self.calls.spec()
    }

    /// Drops answers that nobody would accept any more.
    pub fn sweep(&self) {
        self.answers.sweep();
    }
}

/// One call for each set of variables; equal ones share it.
#[derive(Debug)]
pub(super) struct Answers(Arc<Calls>);

impl Api for Answers {
    type Key = Variables;
    type Value = Arc<SecretBytes>;

    fn limit(&self) -> usize {
        1
    }

    fn call<'a>(
        &'a self,
        keys: &'a [Variables],
    ) -> BoxFuture<'a, Result<Vec<Reply<Self::Value>>, Failure>> {
        async move {
            let mut replies = Vec::with_capacity(keys.len());
            for variables in keys {
                replies.push(match self.0.get(variables).await {
                    Ok(body) => Reply::Value(Arc::new(body)),
                    Err(error) if error.is_no_secret() => Reply::Failed(Box::new(error)),
                    Err(error) => return Err(error.into()),
                });
            }
            Ok(replies)
        }
        .boxed()
    }

    fn weight(&self, value: &Self::Value) -> usize {
        value.len()
    }
}

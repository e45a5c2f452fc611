//! One identity's planners for Parameter Store.
//!
//! Owns: which calls share a rate. Refuses: anything a store may set that does not change the
//! identity or the client.

use std::sync::Arc;

use aws_smithy_types::retry::RetryConfig;
use keyless_identity::HttpExchange;
use keyless_identity::aws::{CachedCredentials, Region};

use super::calls::Calls;
use super::reads::{Tags, Values};
use super::search::Listing;
use crate::planner::{Bucket, Budget, Counters, Options, Planner};

/// GetParameter, GetParameters and GetParametersByPath together, per second, account and
/// region: the default quota of the service.
const READS: f64 = 40.0;
/// DescribeParameters and ListTagsForResource each: their quota is not published.
const OTHERS: f64 = 20.0;

/// Everything that a client depends on.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Region of the service.
    pub region: Region,
    /// Instead of the region's own endpoint.
    pub endpoint: Option<String>,
    /// Whether to use the FIPS endpoint; not together with `endpoint`.
    pub fips: bool,
    /// The way out.
    pub http: Arc<dyn HttpExchange>,
    /// The identity.
    pub credentials: CachedCredentials,
    /// Retries of a call inside the SDK.
    pub retries: RetryConfig,
    /// How the planners behave.
    pub planner: Options,
    /// Reads per second; `None` is the published default of 40.
    pub reads_per_second: Option<f64>,
}

/// A client and its planners. One for each identity, region and retry settings.
#[derive(Debug)]
pub struct Backend {
    pub(super) credentials: CachedCredentials,
    pub(super) values: Planner<Values>,
    pub(super) tags: Planner<Tags>,
    pub(super) listing: Planner<Listing>,
}

impl Backend {
    /// Opens a client; nothing is called.
    #[must_use]
    pub fn new(settings: &Settings, budget: &Arc<Budget>, counters: &Arc<Counters>) -> Self {
        let calls = Arc::new(Calls::new(settings, Arc::clone(counters)));
        let reads = Arc::new(Bucket::new(settings.reads_per_second.unwrap_or(READS)));
        let describes = Arc::new(Bucket::new(OTHERS));
        let (budget, counters) = (|| Arc::clone(budget), || Arc::clone(counters));
        Self {
            credentials: settings.credentials.clone(),
            values: Planner::new(
                Values(Arc::clone(&calls)),
                Arc::clone(&reads),
                budget(),
                counters(),
                settings.planner,
            ),
            tags: Planner::new(
                Tags(Arc::clone(&calls)),
                Arc::new(Bucket::new(OTHERS)),
                budget(),
                counters(),
                settings.planner,
            ),
            listing: Planner::new(
                Listing::new(calls, Arc::clone(&reads), describes),
                // The first page of a listing costs what a page costs: its own bucket.
                Arc::new(Bucket::new(OTHERS)),
                budget(),
                counters(),
                Options {
                    concurrency: 2,
                    ..settings.planner
                },
            ),
        }
    }

    /// Drops answers that nobody would accept any more.
    pub fn sweep(&self) {
        self.values.sweep();
        self.tags.sweep();
        self.listing.sweep();
    }
}

//! One identity's planners for Parameter Store.
//!
//! Owns: which calls share a rate. Refuses: anything a store may set that does not change the
//! identity or the client.

use std::sync::Arc;

use keyless_identity::aws::CachedCredentials;

use super::calls::{self, Calls};
use super::reads::{Tags, Values};
use super::search::Listing;
use crate::aws::settings::Settings;
use crate::planner::{Bucket, Budget, Counters, Options, Planner};

/// GetParameter, GetParameters and GetParametersByPath together, per second, account and
/// region: the default quota of the service.
const READS: f64 = 40.0;
/// DescribeParameters and ListTagsForResource each: their quota is not published.
const OTHERS: f64 = 20.0;
/// PutParameter, DeleteParameter and changes of tags together: their quotas are not published.
const WRITES: f64 = 5.0;

/// A client and its planners. One for each identity, region and retry settings.
#[derive(Debug)]
pub struct Backend {
    pub(super) credentials: CachedCredentials,
    pub(super) calls: Arc<Calls>,
    /// PutParameter, DeleteParameter and changes of tags.
    pub(super) writes: Arc<Bucket>,
    pub(super) values: Planner<Values>,
    pub(super) tags: Planner<Tags>,
    pub(super) listing: Planner<Listing>,
}

impl Backend {
    /// Opens a client; nothing is called.
    #[must_use]
    pub fn new(settings: &Settings, budget: &Arc<Budget>, counters: &Arc<Counters>) -> Self {
        let calls = Arc::new(calls::open(settings, Arc::clone(counters)));
        let rate = settings.reads_per_second.unwrap_or(READS);
        let reads = settings.pace.bucket("ssm:Get", rate);
        let describes = settings.pace.bucket("ssm:DescribeParameters", OTHERS);
        let tags = settings.pace.bucket("ssm:ListTagsForResource", OTHERS);
        let (budget, counters) = (|| Arc::clone(budget), || Arc::clone(counters));
        Self {
            writes: settings.pace.bucket("ssm:Put", WRITES),
            calls: Arc::clone(&calls),
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
                tags,
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

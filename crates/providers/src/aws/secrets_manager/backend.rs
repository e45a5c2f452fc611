//! One identity's planners for Secrets Manager.
//!
//! Owns: which calls share a rate. Refuses: anything a store may set that does not change the
//! identity or the client.

use std::sync::Arc;

use keyless_identity::aws::CachedCredentials;

use super::calls::{self, Calls};
use super::reads::{Current, Tags, Versions};
use super::search::Listing;
use crate::aws::settings::Settings;
use crate::planner::{Bucket, Budget, Counters, Options, Planner};

/// GetSecretValue and DescribeSecret together, per second, account and region.
const READS: f64 = 10_000.0;
/// BatchGetSecretValue.
const BATCHES: f64 = 100.0;
/// ListSecrets.
const LISTS: f64 = 50.0;
/// Everything that changes a secret: their quotas are 50 for each API.
const WRITES: f64 = 50.0;

/// A client and its planners. One for each identity, region and retry settings.
#[derive(Debug)]
pub struct Backend {
    pub(super) credentials: CachedCredentials,
    pub(super) calls: Arc<Calls>,
    pub(super) writes: Arc<Bucket>,
    pub(super) current: Planner<Current>,
    pub(super) versions: Planner<Versions>,
    pub(super) tags: Planner<Tags>,
    pub(super) listing: Planner<Listing>,
}

impl Backend {
    /// Opens a client; nothing is called.
    #[must_use]
    pub fn new(settings: &Settings, budget: &Arc<Budget>, counters: &Arc<Counters>) -> Self {
        let calls = Arc::new(calls::open(settings, Arc::clone(counters)));
        let pace = &settings.pace;
        let rate = settings.reads_per_second.unwrap_or(READS);
        let reads = pace.bucket("secretsmanager:Get", rate);
        let batches = pace.bucket("secretsmanager:BatchGetSecretValue", BATCHES);
        let lists = pace.bucket("secretsmanager:ListSecrets", LISTS);
        let (budget, counters) = (|| Arc::clone(budget), || Arc::clone(counters));
        Self {
            credentials: settings.credentials.clone(),
            writes: pace.bucket("secretsmanager:Put", WRITES),
            current: Planner::new(
                Current::new(Arc::clone(&calls), batches),
                Arc::clone(&reads),
                budget(),
                counters(),
                settings.planner,
            ),
            versions: Planner::new(
                Versions(Arc::clone(&calls)),
                Arc::clone(&reads),
                budget(),
                counters(),
                settings.planner,
            ),
            tags: Planner::new(
                Tags(Arc::clone(&calls)),
                reads,
                budget(),
                counters(),
                settings.planner,
            ),
            listing: Planner::new(
                Listing::new(Arc::clone(&calls), Arc::clone(&lists)),
                // The pages take from the service's own bucket.
                Arc::new(Bucket::new(LISTS)),
                budget(),
                counters(),
                Options {
                    concurrency: 2,
                    ..settings.planner
                },
            ),
            calls,
        }
    }

    /// Drops answers that nobody would accept any more.
    pub fn sweep(&self) {
        self.current.sweep();
        self.versions.sweep();
        self.tags.sweep();
        self.listing.sweep();
    }
}

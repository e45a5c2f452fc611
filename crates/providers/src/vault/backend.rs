//! One identity's planners for Vault.
//!
//! Owns: which calls share a rate. Refuses: anything a store may set that does not change the
//! identity or the calls.

use std::sync::Arc;
use std::time::Duration;

use keyless_identity::vault::CachedSession;

use super::calls::Calls;
use super::reads::{MetadataOf, Secrets};
use super::search::Listing;
use crate::planner::{Bucket, Budget, Counters, Options, Planner};

/// Calls per second of one identity: a Vault has no published quota, its administrator sets
/// one. Reads cost it little; this only keeps a cold start from being a flood.
const RATE: f64 = 300.0;
/// Calls under way at once.
const CONCURRENCY: usize = 16;

/// Everything that a client depends on.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The identity.
    pub session: CachedSession,
    /// The Vault namespace of the secrets.
    pub namespace: Option<String>,
    /// As the API's metrics name the provider.
    pub provider: &'static str,
    /// How often a call that was not decided is repeated; 3 times by default.
    pub retries: Option<u32>,
    /// Waits between attempts; growing by default.
    pub interval: Option<Duration>,
    /// Reads wait until earlier writes are visible.
    pub read_your_writes: bool,
    /// A replica that lags behind passes calls on.
    pub forward_inconsistent: bool,
    /// How the planners behave.
    pub planner: Options,
}

/// A client and its planners. One for each identity, namespace and retry settings.
#[derive(Debug)]
pub struct Backend {
    pub(super) calls: Arc<Calls>,
    pub(super) secrets: Planner<Secrets>,
    pub(super) metadata: Planner<MetadataOf>,
    pub(super) listing: Planner<Listing>,
}

impl Backend {
    /// Opens a client; nothing is called.
    #[must_use]
    pub fn new(settings: &Settings, budget: &Arc<Budget>, counters: &Arc<Counters>) -> Self {
        let calls = Arc::new(Calls::new(settings, Arc::clone(counters)));
        let rate = Arc::new(Bucket::new(RATE));
        let options = Options {
            concurrency: settings.planner.concurrency.max(CONCURRENCY),
            ..settings.planner
        };
        let (budget, counters) = (|| Arc::clone(budget), || Arc::clone(counters));
        Self {
            secrets: Planner::new(
                Secrets(Arc::clone(&calls)),
                Arc::clone(&rate),
                budget(),
                counters(),
                options,
            ),
            metadata: Planner::new(
                MetadataOf(Arc::clone(&calls)),
                Arc::clone(&rate),
                budget(),
                counters(),
                options,
            ),
            listing: Planner::new(
                Listing::new(Arc::clone(&calls), Arc::clone(&rate)),
                // Each folder takes from the rate by itself.
                Arc::new(Bucket::new(RATE)),
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
        self.secrets.sweep();
        self.metadata.sweep();
        self.listing.sweep();
    }
}

//! One identity's planners for one vault.
//!
//! Owns: which calls share a rate. Refuses: anything a store may set that does not change the
//! identity or the client.

use std::sync::Arc;
use std::time::Duration;

use keyless_identity::HttpExchange;
use keyless_identity::azure::CachedToken;
use url::Url;

use super::calls::Calls;
use super::reads::Objects;
use super::search::Listing;
use crate::planner::{Bucket, Budget, Counters, Options, Planner};

/// Transactions per second of one vault: the service's quota is 4,000 in ten seconds.
const TRANSACTIONS: f64 = 400.0;

/// The rate of one vault, whoever reads.
#[must_use]
pub fn rate() -> Bucket {
    Bucket::new(TRANSACTIONS)
}

/// Everything that a client depends on.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The vault, without a path; checked against the token's resource.
    pub vault: Url,
    /// The way out.
    pub http: Arc<dyn HttpExchange>,
    /// The identity.
    pub token: CachedToken,
    /// How often an undecided read is repeated.
    pub retries: u32,
    /// A fixed time between those; `None` grows.
    pub interval: Option<Duration>,
    /// How the planners behave.
    pub planner: Options,
    /// The vault's rate, shared by all identities.
    pub rate: Arc<Bucket>,
}

/// A client and its planners. One for each identity, vault and retry settings.
#[derive(Debug)]
pub struct Backend {
    pub(super) calls: Arc<Calls>,
    pub(super) objects: Planner<Objects>,
    pub(super) listing: Planner<Listing>,
    pub(super) rate: Arc<Bucket>,
}

impl Backend {
    /// Opens a client; nothing is called.
    #[must_use]
    pub fn new(settings: &Settings, budget: &Arc<Budget>, counters: &Arc<Counters>) -> Self {
        let calls = Arc::new(Calls::new(settings, Arc::clone(counters)));
        Self {
            objects: Planner::new(
                Objects(Arc::clone(&calls)),
                Arc::clone(&settings.rate),
                Arc::clone(budget),
                Arc::clone(counters),
                settings.planner,
            ),
            listing: Planner::new(
                Listing::new(Arc::clone(&calls), Arc::clone(&settings.rate)),
                // Each page takes its own turn at the vault's rate.
                Arc::new(Bucket::new(TRANSACTIONS)),
                Arc::clone(budget),
                Arc::clone(counters),
                Options {
                    concurrency: 2,
                    ..settings.planner
                },
            ),
            rate: Arc::clone(&settings.rate),
            calls,
        }
    }

    /// Drops answers that nobody would accept any more.
    pub fn sweep(&self) {
        self.objects.sweep();
        self.listing.sweep();
    }
}

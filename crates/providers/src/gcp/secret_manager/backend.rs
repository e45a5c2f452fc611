//! One identity's planners for the secrets of one project, or of one region of it.
//!
//! Owns: which calls share a rate. Refuses: anything a store may set that does not change the
//! identity or the client.

use std::sync::Arc;
use std::time::Duration;

use keyless_identity::HttpExchange;
use keyless_identity::gcp::CachedToken;
use url::Url;

use super::calls::Calls;
use super::reads::{Payloads, Secrets};
use super::search::Listing;
use crate::planner::{Bucket, Budget, Counters, Options, Planner};

/// How many payloads are on their way at once, for each that a batch call would have been: here is
/// none, and the quota is far.
const ABREAST: usize = 4;
/// Payloads per second of one project: the published quota is 90,000 a minute.
const ACCESS: f64 = 1500.0;
/// Other reads per second of one project: 600 a minute.
const READS: f64 = 10.0;
/// Writes per second of one project: 600 a minute.
const WRITES: f64 = 10.0;

/// The rates of one project, whoever calls.
#[derive(Debug)]
pub struct Rates {
    /// AccessSecretVersion.
    pub(super) access: Arc<Bucket>,
    /// Everything else that reads.
    pub(super) reads: Arc<Bucket>,
    /// Everything that writes.
    pub(super) writes: Arc<Bucket>,
}

impl Default for Rates {
    fn default() -> Self {
        Self {
            access: Arc::new(Bucket::new(ACCESS)),
            reads: Arc::new(Bucket::new(READS)),
            writes: Arc::new(Bucket::new(WRITES)),
        }
    }
}

/// Where secrets are.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    /// The service, without a path.
    pub base: Url,
    /// The project's id or number; checked.
    pub project: String,
    /// The region, for regional secrets; checked.
    pub location: Option<String>,
}

impl Place {
    /// What secrets lie in.
    pub(super) fn parent(&self) -> String {
        match &self.location {
            Some(location) => format!("projects/{}/locations/{location}", self.project),
            None => format!("projects/{}", self.project),
        }
    }
}

/// Everything that a client depends on.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where.
    pub place: Place,
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
    /// The project's rates, shared by all identities.
    pub rates: Arc<Rates>,
}

/// A client and its planners. One for each identity, place and retry settings.
#[derive(Debug)]
pub struct Backend {
    pub(super) calls: Arc<Calls>,
    pub(super) payloads: Planner<Payloads>,
    pub(super) secrets: Planner<Secrets>,
    pub(super) listing: Planner<Listing>,
    pub(super) rates: Arc<Rates>,
}

impl Backend {
    /// Opens a client; nothing is called.
    #[must_use]
    pub fn new(settings: &Settings, budget: &Arc<Budget>, counters: &Arc<Counters>) -> Self {
        let rates = Arc::clone(&settings.rates);
        let calls = Arc::new(Calls::new(settings, Arc::clone(counters)));
        Self {
            payloads: Planner::new(
                Payloads::new(Arc::clone(&calls), Arc::clone(&rates)),
                Arc::clone(&rates.access),
                Arc::clone(budget),
                Arc::clone(counters),
                Options {
                    concurrency: settings.planner.concurrency.saturating_mul(ABREAST),
                    ..settings.planner
                },
            ),
            secrets: Planner::new(
                Secrets(Arc::clone(&calls)),
                Arc::clone(&rates.reads),
                Arc::clone(budget),
                Arc::clone(counters),
                settings.planner,
            ),
            listing: Planner::new(
                Listing::new(Arc::clone(&calls), Arc::clone(&rates)),
                // Each page takes its own turn at the project's rate.
                Arc::new(Bucket::new(READS)),
                Arc::clone(budget),
                Arc::clone(counters),
                Options {
                    concurrency: 2,
                    ..settings.planner
                },
            ),
            rates,
            calls,
        }
    }

    /// Drops answers that nobody would accept any more.
    pub fn sweep(&self) {
        self.payloads.sweep();
        self.secrets.sweep();
        self.listing.sweep();
    }
}

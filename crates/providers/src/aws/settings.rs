//! What a client of any AWS service depends on.

use std::sync::Arc;

use aws_smithy_types::retry::RetryConfig;
use keyless_identity::HttpExchange;
use keyless_identity::aws::{CachedCredentials, Region};

use super::pace::Pace;
use crate::planner::Options;

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
    /// Reads per second; `None` is the service's published default.
    pub reads_per_second: Option<f64>,
    /// The rates of the identity's account.
    pub pace: Pace,
}

//! The emulated Google Cloud: STS and its workload identity pools, IAM with its administration, IAM
//! Credentials, Resource Manager's projects, the token endpoint for service account keys, a node's
//! metadata server, and Secret Manager.
//!
//! Owns: one TLS endpoint under the cloud's own host names, real verification of foreign tokens
//! against the issuers' published documents or an uploaded key set, access tokens that the
//! services look up, IAM with members, roles and conditions.
//! Refuses: keeping anything on disk, and being kinder than Google: what Google refuses is
//! refused here with its code, status and text. Nothing takes minutes to spread.
//!
//! A service is one file beside this one; `dispatch` is the only place that knows them all.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use keyless_trust::gcp::Caller;

use crate::clock::Clock;
use crate::federation::issuers::Issuers;

mod admin;
mod answer;
mod authorize;
mod cel;
mod dispatch;
pub mod faults;
mod fields;
mod iam;
mod iam_admin;
mod iam_credentials;
mod metadata;
mod oauth;
mod organisation;
mod pool;
mod resource_manager;
mod secret_manager;
mod state;
mod sts;
mod token;

pub use admin::AdminError;
pub use iam::Condition;
pub use metadata::{Pod, TokenSource};
pub use pool::{AwsProvider, OidcProvider};
pub use secret_manager::VersionState;
pub use state::Calls;

/// How an emulated Google Cloud is set up.
#[derive(Clone, Debug)]
pub struct GcpOptions {
    /// Judges tokens.
    pub clock: Clock,
    /// PEM of the certificate authorities under which issuers serve their documents; stands for
    /// the public authorities that Google trusts. No other root is trusted.
    pub roots: String,
    /// Id of the project that exists from the start.
    pub project: String,
    /// Its number.
    pub number: String,
    /// The endpoint of AWS STS, for providers that trust an AWS account.
    pub aws_sts: Option<String>,
    /// Addresses for host names that no name server knows, such as an issuer's.
    pub hosts: BTreeMap<String, SocketAddr>,
}

impl Default for GcpOptions {
    fn default() -> Self {
        Self {
            clock: Clock::default(),
            roots: String::new(),
            project: "my-gcp-project".to_owned(),
            number: "123456789012".to_owned(),
            aws_sts: None,
            hosts: BTreeMap::new(),
        }
    }
}

/// The host names that the one endpoint answers for: a certificate needs them, and whoever calls
/// must resolve them to it. Regional endpoints are those of three locations.
pub const HOSTS: [&str; 10] = [
    "sts.googleapis.com",
    "securetoken.googleapis.com",
    "iamcredentials.googleapis.com",
    "iam.googleapis.com",
    "cloudresourcemanager.googleapis.com",
    "oauth2.googleapis.com",
    "secretmanager.googleapis.com",
    "secretmanager.europe-west3.rep.googleapis.com",
    "secretmanager.us-central1.rep.googleapis.com",
    "secretmanager.asia-northeast1.rep.googleapis.com",
];

/// A running Google Cloud. Clones share everything.
#[derive(Clone, Debug)]
pub struct Gcp(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    options: GcpOptions,
    issuers: Issuers,
    /// Seconds by which STS judges tokens ahead of the clock.
    skew: AtomicI64,
    state: Mutex<state::State>,
}

impl Gcp {
    /// A cloud with one project, in which there is nothing but its owner.
    #[must_use]
    pub fn new(options: GcpOptions) -> Self {
        let gcp = Self(Arc::new(Inner {
            issuers: Issuers::new(&options.roots, &options.hosts),
            skew: AtomicI64::new(0),
            state: Mutex::default(),
            options,
        }));
        let (id, number) = (gcp.project().to_owned(), gcp.number().to_owned());
        let owner = iam_admin::accounts::new("administrator", &id);
        {
            let mut state = gcp.state();
            state.administrator.clone_from(&owner.email);
            state.accounts.insert(owner.email.clone(), owner);
            state.create_project(&id, &number);
        }
        gcp
    }

    /// An access token of the owner of every project, good for twelve hours: what
    /// `CLOUDSDK_AUTH_ACCESS_TOKEN_FILE` holds.
    #[must_use]
    pub fn administrator_token(&self) -> String {
        let now = self.now();
        let mut state = self.state();
        let grant = token::Grant {
            principal: Caller::ServiceAccount(state.administrator.clone()),
            scopes: vec![token::CLOUD_PLATFORM.to_owned()],
            expires: now + 12 * token::LIFE,
        };
        token::issue(&mut state, grant, now)
    }

    /// Every service, told apart by host name and path; to be served over TLS.
    pub fn router(&self) -> axum::Router {
        dispatch::router(self.clone())
    }

    /// The metadata server of a node, to be served in the clear.
    pub fn metadata_router(&self) -> axum::Router {
        metadata::router(self.clone())
    }

    /// Id of the project that exists from the start.
    #[must_use]
    pub fn project(&self) -> &str {
        &self.0.options.project
    }

    /// Its number.
    #[must_use]
    pub fn number(&self) -> &str {
        &self.0.options.number
    }

    /// Makes STS judge tokens by a clock that is ahead by `seconds`.
    pub fn skew_sts(&self, seconds: i64) {
        self.0.skew.store(seconds, Ordering::Relaxed);
    }

    fn now(&self) -> i64 {
        self.0.options.clock.unix()
    }

    /// A panic while the lock was held leaves whole records behind, so the state stays usable.
    fn state(&self) -> MutexGuard<'_, state::State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;

//! The emulated AWS: STS, IAM, Systems Manager parameters, Secrets Manager and a little KMS behind
//! one endpoint.
//!
//! Owns: one loopback endpoint for all services (what `AWS_ENDPOINT_URL` points at), the two that
//! hand out credentials on a node (EKS Pod Identity's agent, instance metadata), real SigV4
//! and real token verification, evaluation of trust and permission with `keyless-trust`.
//! Refuses: keeping anything on disk, and being kinder than AWS: what AWS refuses is refused
//! here with AWS's code, status and text.
//!
//! A service is one file beside this one; `dispatch` is the only place that knows them all.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use keyless_trust::aws::Partition;

use crate::clock::Clock;

mod admin;
mod authorize;
mod credentials;
mod dispatch;
pub mod faults;
mod guards;
mod iam;
mod imds;
mod kms;
pub mod pod_identity;
mod protocol;
mod secrets_manager;
mod sigv4;
mod ssm;
mod state;
mod sts;

pub use admin::{AdminError, SecretSeen};
pub use credentials::AccessKey;
pub use sigv4::{SigningKey, sign};
pub use state::Calls;

/// How an emulated AWS is set up.
#[derive(Clone, Debug)]
pub struct AwsOptions {
    /// Judges tokens, signatures and sessions.
    pub clock: Clock,
    /// PEM of the certificate authorities under which issuers serve their documents; stands for
    /// the public authorities that AWS trusts. No other root is trusted.
    pub roots: String,
    /// The account that the admin belongs to, twelve digits.
    pub account: String,
    /// The region of unsigned requests and of the admin handle.
    pub region: String,
    /// Addresses for host names that no name server knows, such as an issuer's.
    pub hosts: BTreeMap<String, SocketAddr>,
}

impl Default for AwsOptions {
    fn default() -> Self {
        Self {
            clock: Clock::default(),
            roots: String::new(),
            account: "111122223333".to_owned(),
            region: "eu-central-1".to_owned(),
            hosts: BTreeMap::new(),
        }
    }
}

/// A running AWS. Clones share everything.
#[derive(Clone, Debug)]
pub struct Aws(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    options: AwsOptions,
    issuers: crate::federation::issuers::Issuers,
    state: Mutex<state::State>,
    admin: AccessKey,
}

impl Aws {
    /// An AWS with nothing in it but an administrator and the policies AWS itself manages.
    #[must_use]
    pub fn new(options: AwsOptions) -> Self {
        let issuers = crate::federation::issuers::Issuers::new(&options.roots, &options.hosts);
        let (state, admin) = state::State::new(&options);
        Self(Arc::new(Inner {
            options,
            issuers,
            state: Mutex::new(state),
            admin,
        }))
    }

    /// The endpoint of all services, and `/_sandbox/faults`.
    pub fn router(&self) -> axum::Router {
        dispatch::router(self.clone())
    }

    /// The EKS Pod Identity agent of a cluster whose tokens are signed by `issuer`: what
    /// `AWS_CONTAINER_CREDENTIALS_FULL_URI` points at, with the path `/v1/credentials`.
    pub fn pod_identity_agent(&self, issuer: &str) -> axum::Router {
        pod_identity::router(self.clone(), issuer)
    }

    /// The instance metadata service of a node: what `AWS_EC2_METADATA_SERVICE_ENDPOINT` points at.
    pub fn instance_metadata(&self) -> axum::Router {
        imds::router(self.clone())
    }

    /// The administrator's key: a user whose policy allows everything.
    #[must_use]
    pub fn admin_key(&self) -> &AccessKey {
        &self.0.admin
    }

    /// The account of the administrator.
    #[must_use]
    pub fn account(&self) -> &str {
        &self.0.options.account
    }

    /// The region of unsigned requests and of this handle.
    #[must_use]
    pub fn region(&self) -> &str {
        &self.0.options.region
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

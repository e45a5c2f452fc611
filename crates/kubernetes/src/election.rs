//! How a leader is elected among replicas, named and defaulted as users of controller-runtime know it.

use std::time::Duration;

/// How a leader is elected among replicas.
#[derive(Clone, Debug)]
pub struct LeaderElection {
    /// Namespace of the Lease.
    pub namespace: String,
    /// `--leader-election-id`: name of the Lease.
    pub id: String,
    /// What tells this process from the others; the pod's name and something random.
    pub identity: String,
    /// `--leader-election-lease-duration`: how long others wait for a silent leader.
    pub lease_duration: Duration,
    /// `--leader-election-renew-deadline`: how long a leader goes on without renewing.
    pub renew_deadline: Duration,
    /// `--leader-election-retry-period`: the time between tries.
    pub retry_period: Duration,
}

impl LeaderElection {
    /// ESO's defaults for a Lease in `namespace`.
    #[must_use]
    pub fn new(namespace: impl Into<String>, identity: impl Into<String>) -> Self {
        Self {
            namespace: namespace.into(),
            id: "external-secrets-controller".into(),
            identity: identity.into(),
            lease_duration: Duration::from_secs(15),
            renew_deadline: Duration::from_secs(10),
            retry_period: Duration::from_secs(2),
        }
    }
}

//! The issuer part of `keyless controller`, under a lease of its own: one writer for all replicas.

use anyhow::{Context, Result};
use keyless_identity::Environment;
use keyless_issuer::keep::{Health, Keeper};
use keyless_kubernetes::lease::Lease;
use keyless_kubernetes::request::Requests;
use keyless_kubernetes::{Clients, LeaderElection};

/// Name of the Lease.
const LEASE: &str = "keyless-issuer";

/// The part, before it works.
pub struct Part {
    keeper: Keeper,
    lease: Lease,
}

impl Part {
    /// A part for the cluster of `config`.
    ///
    /// # Errors
    /// The configuration cannot be used.
    pub fn new(config: kube::Config, clients: &Clients, election: LeaderElection) -> Result<Self> {
        let election = LeaderElection {
            id: LEASE.to_owned(),
            ..election
        };
        Ok(Self {
            keeper: Keeper::new(config, Environment::from_process()).map_err(anyhow::Error::msg)?,
            lease: Lease::new(Requests::new(clients.requests.clone()), election),
        })
    }

    /// What is known of each object, for the metrics.
    pub fn health(&self) -> Health {
        self.keeper.health()
    }

    /// Keeps every ClusterIssuerPublication until it is dropped.
    ///
    /// # Errors
    /// The lease was lost: another process writes now, and this one must end.
    pub async fn run(mut self) -> Result<()> {
        self.lease.acquire().await;
        let (_held, renewing) = self.lease.keep();
        tokio::select! {
            () = self.keeper.run() => Ok(()),
            lost = renewing => lost.context("the issuer part stops"),
        }
    }
}

/// Runs `work` beside the part, if there is one.
///
/// # Errors
/// Those of `work`, or the part's.
pub async fn beside<T>(part: Option<Part>, work: impl Future<Output = Result<T>>) -> Result<T> {
    let Some(part) = part else { return work.await };
    tokio::select! {
        done = work => done,
        ended = part.run() => match ended {
            Ok(()) => anyhow::bail!("the issuer part ended"),
            Err(error) => Err(error),
        },
    }
}

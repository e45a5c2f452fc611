//! Everything this cloud remembers.
//!
//! Owns: the records of every service and the counters. Refuses: rules; those are with the
//! services.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use keyless_trust::gcp::{Pool as PoolName, PoolProvider};

use super::faults::Faults;
use super::iam::{Kind, Policy};
use super::metadata::Node;
use super::organisation::Organisation;
use super::pool::{KEPT, Pool, Provider};
use super::secret_manager::Secret;
use super::token::Grant;
use crate::issuer::SigningKey;

/// How the ids of GKE's pools end.
const GKE: &str = ".svc.id.goog";

/// How often an API was called and how often it refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Calls {
    /// All calls.
    pub total: u64,
    /// Those answered with an error of any kind.
    pub refused: u64,
}

#[derive(Debug, Default)]
pub(super) struct State {
    /// By id.
    pub projects: BTreeMap<String, Project>,
    pub pools: BTreeMap<PoolName, Pool>,
    /// GKE clusters by `projects/P/locations/L/clusters/C`.
    pub clusters: BTreeMap<String, Cluster>,
    /// Whoever owns every project.
    pub administrator: String,
    /// Finished changes of pools and providers, by name.
    pub operations: BTreeMap<String, serde_json::Value>,
    /// By e-mail address.
    pub accounts: BTreeMap<String, Account>,
    /// By canonical name, which has the project's number.
    pub secrets: BTreeMap<String, Secret>,
    /// Access tokens.
    pub tokens: HashMap<String, Grant>,
    pub node: Node,
    pub faults: Faults,
    /// By service and API.
    pub calls: BTreeMap<(String, String), Calls>,
}

#[derive(Clone, Debug)]
pub(super) struct Project {
    pub id: String,
    pub number: String,
    pub policy: Policy,
    /// APIs that are not enabled, by host name.
    pub disabled: BTreeSet<String>,
    pub organisation: Organisation,
}

/// A GKE cluster with Workload Identity.
#[derive(Clone, Debug)]
pub(super) struct Cluster {
    /// Of its tokens.
    pub issuer: String,
}

#[derive(Clone, Debug)]
pub(super) struct Account {
    pub email: String,
    pub unique_id: String,
    pub project: String,
    pub display_name: String,
    pub description: String,
    pub disabled: bool,
    /// Who may act as it.
    pub policy: Policy,
    /// By id.
    pub keys: BTreeMap<String, Arc<SigningKey>>,
}

impl State {
    pub fn create_project(&mut self, id: &str, number: &str) {
        let mut policy = Policy::of(Kind::Project);
        let owner = format!("serviceAccount:{}", self.administrator);
        // The role is one of this cloud's own, so that adding it cannot fail.
        let _ = policy.add("roles/owner", &owner, None);
        let project = Project {
            id: id.to_owned(),
            number: number.to_owned(),
            policy,
            disabled: BTreeSet::new(),
            organisation: Organisation::default(),
        };
        self.projects.insert(id.to_owned(), project);
    }

    /// A project by id or number.
    pub fn project(&self, name: &str) -> Option<&Project> {
        self.projects
            .get(name)
            .or_else(|| self.projects.values().find(|p| p.number == name))
    }

    /// As [`State::project`], to change it.
    pub fn project_mut(&mut self, name: &str) -> Option<&mut Project> {
        let id = self.project(name)?.id.clone();
        self.projects.get_mut(&id)
    }

    /// A provider that takes tokens: neither it nor its pool is disabled or deleted.
    pub fn provider(&self, name: &PoolProvider) -> Option<&Provider> {
        let pool = self.pools.get(&name.pool)?;
        let provider = pool.providers.get(&name.id)?;
        let deleted = pool.deleted.or(provider.deleted).is_some();
        (!deleted && !pool.disabled && !provider.disabled).then_some(provider)
    }

    /// Whether policies can name the pool's identities.
    pub fn has_pool(&self, pool: &PoolName) -> bool {
        let gke = |id: &str| {
            let project = self.projects.get(id);
            project.is_some_and(|project| project.number == pool.project)
        };
        match pool.id.strip_suffix(GKE) {
            Some(id) => gke(id) && self.has_gke_pool(&pool.id),
            None => self.pools.contains_key(pool),
        }
    }

    /// The pool of GKE, `PROJECT.svc.id.goog`, is there once the project has had its first cluster
    /// of the kind.
    pub fn has_gke_pool(&self, id: &str) -> bool {
        id.strip_suffix(GKE).is_some_and(|project| {
            let prefix = format!("projects/{project}/");
            self.clusters.keys().any(|name| name.starts_with(&prefix))
        })
    }

    /// Forgets pools and providers that were deleted long ago.
    pub fn purge(&mut self, now: i64) {
        let kept = |deleted: Option<i64>| deleted.is_none_or(|time| now - time < KEPT);
        self.pools.retain(|_, pool| kept(pool.deleted));
        for pool in self.pools.values_mut() {
            pool.providers.retain(|_, provider| kept(provider.deleted));
        }
    }

    /// An account by e-mail address or unique id.
    pub fn account(&self, name: &str) -> Option<&Account> {
        self.accounts
            .get(name)
            .or_else(|| self.accounts.values().find(|a| a.unique_id == name))
    }

    pub fn count(&mut self, service: &str, api: &str, refused: bool) {
        let calls = self
            .calls
            .entry((service.to_owned(), api.to_owned()))
            .or_default();
        calls.total += 1;
        calls.refused += u64::from(refused);
    }
}

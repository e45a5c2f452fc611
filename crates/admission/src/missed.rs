//! Pods that nobody injected: created while the webhook was away (its `failurePolicy` is
//! `Ignore`, so that the cluster works without it), or before their service account asked.
//!
//! Owns: finding them by what the rules would do to them now, and telling of each once, by an
//! Event on the pod, and in a metric. Refuses: restarting or deleting any.

mod event;
mod hook;

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use keyless_kubernetes::lease::Lease;
use keyless_kubernetes::request::{METADATA_ONLY_LIST, Requests, Verb, escape};
use keyless_kubernetes::{Error, LeaderElection};
use keyless_metrics::Text;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use tokio::sync::watch as signal;

use crate::accounts::Accounts;
use crate::cloud::{Cloud, Injectors};
use crate::foresee::foresee;
use crate::inject::Subject;
use crate::watched::Watched;
use hook::Hook;

/// Pods per page of the list.
const PAGE: u32 = 200;
/// Pods told of in one sweep; the others have their turn in the next.
const TOLD: usize = 100;
/// The pause after a sweep that failed.
const RETRY: Duration = Duration::from_secs(30);

/// Looks for them again and again.
#[derive(Debug)]
pub struct Sweeper {
    /// Requests to the API server.
    pub requests: Requests,
    /// The configurations that say which pods are to be injected at all.
    pub configurations: Vec<Arc<Watched>>,
    /// The service accounts.
    pub accounts: Arc<Accounts>,
    /// The rules.
    pub injectors: Arc<ArcSwap<Injectors>>,
    /// Where what was found is kept.
    pub found: Arc<Found>,
    /// Told when everything is known.
    pub ready: signal::Receiver<bool>,
    /// How often.
    pub every: Duration,
    /// Which replica looks; all if `None`.
    pub election: Option<LeaderElection>,
}

/// What the last sweep found.
#[derive(Debug, Default)]
pub struct Found {
    counts: Mutex<BTreeMap<Cloud, u64>>,
    sweeps: AtomicU64,
    failures: AtomicU64,
}

impl Found {
    /// Writes the metrics of sweeps.
    pub fn write(&self, text: &mut Text) {
        text.begin("keyless_injection_missed_pods");
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        for (cloud, count) in counts.iter() {
            text.sample(&[("cloud", cloud.as_str())], *count as f64);
        }
        text.begin("keyless_injection_sweeps_total");
        for (result, count) in [("success", &self.sweeps), ("failed", &self.failures)] {
            text.sample(&[("result", result)], count.load(Ordering::Relaxed) as f64);
        }
    }
}

/// A pod that lacks a token.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Missed {
    cloud: Cloud,
    namespace: String,
    name: String,
    uid: String,
    version: String,
    account: String,
}

#[derive(Deserialize)]
struct Page<'a> {
    #[serde(borrow, default)]
    items: Vec<&'a RawValue>,
    #[serde(default)]
    metadata: PageMetadata,
}

#[derive(Default, Deserialize)]
struct PageMetadata {
    #[serde(default, rename = "continue")]
    next: Option<String>,
}

/// What of a pod says whether a closer look is worth while.
#[derive(Deserialize)]
struct Glance {
    metadata: GlanceMetadata,
    spec: GlanceSpec,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct GlanceMetadata {
    #[serde(default)]
    namespace: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    uid: String,
    #[serde(default)]
    resource_version: String,
    deletion_timestamp: Option<String>,
    #[serde(default)]
    labels: Value,
    #[serde(default)]
    annotations: Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct GlanceSpec {
    #[serde(default)]
    service_account_name: String,
}

/// Written by the kubelet on pods that no API server admitted.
const MIRROR: &str = "kubernetes.io/config.mirror";

impl Sweeper {
    /// Works until dropped.
    pub async fn run(mut self) {
        if self.ready.wait_for(|ready| *ready).await.is_err() {
            return;
        }
        loop {
            let Some(election) = self.election.clone() else {
                return self.sweeps().await;
            };
            let mut lease = Lease::new(self.requests.clone(), election);
            lease.acquire().await;
            let (held, renewing) = lease.keep();
            tokio::select! {
                () = self.sweeps() => {}
                lost = renewing => {
                    if let Err(error) = lost {
                        tracing::warn!(%error, "another replica looks for pods without tokens now");
                    }
                    let mut counts = self.found.counts.lock().unwrap_or_else(PoisonError::into_inner);
                    counts.clear();
                }
            }
            drop(held);
        }
    }

    async fn sweeps(&self) {
        let mut told = HashSet::new();
        loop {
            let wait = match self.sweep(&mut told).await {
                Ok(()) => {
                    self.found.sweeps.fetch_add(1, Ordering::Relaxed);
                    self.every
                }
                Err(error) => {
                    self.found.failures.fetch_add(1, Ordering::Relaxed);
                    tracing::warn!(%error, "pods without tokens could not be looked for");
                    self.every.min(RETRY)
                }
            };
            tokio::time::sleep(wait.mul_f64(rand::random_range(1.0..1.1))).await;
        }
    }

    async fn sweep(&self, told: &mut HashSet<(String, Cloud)>) -> Result<(), Error> {
        let injectors = self.injectors.load_full();
        let hooks = hook::read(&self.configurations, &injectors);
        let mut missed = Vec::new();
        if !hooks.is_empty() {
            let namespaces = if hooks.iter().any(Hook::selects_namespaces) {
                Some(self.namespaces().await?)
            } else {
                None
            };
            self.pods(|pod| {
                missed.extend(self.look(pod, &hooks, namespaces.as_ref(), &injectors));
            })
            .await?;
        }
        let mut counts: BTreeMap<Cloud, u64> = injectors.clouds().map(|cloud| (cloud, 0)).collect();
        for one in &missed {
            *counts.entry(one.cloud).or_default() += 1;
        }
        *self
            .found
            .counts
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = counts;
        let key = |one: &Missed| (one.uid.clone(), one.cloud);
        // Those that are gone are forgotten.
        let present: HashSet<_> = missed.iter().map(key).collect();
        told.retain(|one| present.contains(one));
        let new = missed.iter().filter(|one| !told.contains(&key(one)));
        let new: Vec<&Missed> = new.take(TOLD).collect();
        for one in new {
            self.tell(one).await?;
            told.insert(key(one));
        }
        Ok(())
    }

    /// Calls `take` with each pod that has not ended, as JSON.
    async fn pods(&self, mut take: impl FnMut(&str)) -> Result<(), Error> {
        const INTENT: &str = "list pods";
        let alive = escape("status.phase!=Succeeded,status.phase!=Failed");
        let mut next = String::new();
        loop {
            let mut path = format!("/api/v1/pods?limit={PAGE}&fieldSelector={alive}");
            if !next.is_empty() {
                path.push_str(&format!("&continue={}", escape(&next)));
            }
            let body = self.requests.get(&path, INTENT).await?;
            let page: Page<'_> = serde_json::from_slice(&body).map_err(|error| Error::Answer {
                intent: INTENT.into(),
                reason: error.to_string(),
            })?;
            for item in page.items {
                take(item.get());
            }
            next = page.metadata.next.unwrap_or_default();
            if next.is_empty() {
                return Ok(());
            }
            // Reviews come first.
            tokio::task::yield_now().await;
        }
    }

    /// Labels of all namespaces.
    async fn namespaces(&self) -> Result<BTreeMap<String, BTreeMap<String, String>>, Error> {
        #[derive(Deserialize)]
        struct List {
            #[serde(default)]
            items: Vec<Item>,
        }
        #[derive(Deserialize)]
        struct Item {
            metadata: Metadata,
        }
        #[derive(Deserialize)]
        struct Metadata {
            name: String,
            #[serde(default)]
            labels: BTreeMap<String, String>,
        }
        const INTENT: &str = "list namespaces";
        let path = "/api/v1/namespaces";
        let body = self.requests.list(path, METADATA_ONLY_LIST, INTENT).await?;
        let list: List = serde_json::from_slice(&body).map_err(|error| Error::Answer {
            intent: INTENT.into(),
            reason: error.to_string(),
        })?;
        let items = list.items.into_iter().map(|item| item.metadata);
        Ok(items.map(|item| (item.name, item.labels)).collect())
    }

    /// The tokens that a pod lacks.
    fn look(
        &self,
        pod: &str,
        hooks: &[Hook],
        namespaces: Option<&BTreeMap<String, BTreeMap<String, String>>>,
        injectors: &Injectors,
    ) -> Vec<Missed> {
        let Ok(glance) = serde_json::from_str::<Glance>(pod) else {
            return Vec::new();
        };
        let meta = glance.metadata;
        if meta.deletion_timestamp.is_some() || meta.annotations.get(MIRROR).is_some() {
            return Vec::new();
        }
        let none = BTreeMap::new();
        let labels = namespaces.map(|all| all.get(&meta.namespace).unwrap_or(&none));
        let mut clouds: Vec<Cloud> = hooks
            .iter()
            .filter(|hook| hook.selects(labels.unwrap_or(&none), &meta.labels))
            .flat_map(|hook| hook.clouds(&meta.labels))
            .collect();
        clouds.sort_unstable();
        clouds.dedup();
        let account = match glance.spec.service_account_name.as_str() {
            "" => "default",
            name => name,
        };
        // One that is not known is gone: its pods cannot get a token anyway.
        let Some(annotations) = self.accounts.cached(&meta.namespace, account) else {
            return Vec::new();
        };
        let asks = |cloud: &Cloud| match cloud {
            Cloud::Azure => true,
            Cloud::Google => !annotations.is_empty(),
            Cloud::Aws => {
                let aws = injectors.aws.as_ref();
                !annotations.is_empty() || aws.is_some_and(|aws| aws.has_lists())
            }
        };
        clouds.retain(asks);
        if clouds.is_empty() {
            return Vec::new();
        }
        let Ok(pod) = serde_json::from_str::<Value>(pod) else {
            return Vec::new();
        };
        let subject = Subject {
            pod: &pod,
            namespace: &meta.namespace,
            account: Some(&annotations),
        };
        clouds
            .into_iter()
            .filter(|cloud| foresee(injectors, *cloud, &subject).lacks)
            .map(|cloud| Missed {
                cloud,
                namespace: meta.namespace.clone(),
                name: meta.name.clone(),
                uid: meta.uid.clone(),
                version: meta.resource_version.clone(),
                account: account.to_owned(),
            })
            .collect()
    }

    async fn tell(&self, missed: &Missed) -> Result<(), Error> {
        let note = event::note(missed);
        tracing::warn!(
            pod = format!("{}/{}", missed.namespace, missed.name),
            cloud = missed.cloud.as_str(),
            service_account = missed.account,
            "{note}"
        );
        let (path, body) = event::render(missed, &note, jiff::Timestamp::now());
        let intent = format!(
            "create an event about Pod {}/{}",
            missed.namespace, missed.name
        );
        let body = body.to_string().into();
        match self.requests.write(Verb::Post, &path, body, &intent).await {
            // Told already, before a restart or by another replica.
            Err(error) if error.is_conflict() => Ok(()),
            // Its namespace is being deleted, or it takes no more objects.
            Err(error) if error.is_forbidden() || error.is_not_found() => {
                tracing::debug!(%error, "event dropped");
                Ok(())
            }
            Err(error) => Err(error),
            Ok(_) => Ok(()),
        }
    }
}

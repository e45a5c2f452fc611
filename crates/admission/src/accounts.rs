//! What is known of the cluster's service accounts.
//!
//! Owns: a cache fed by a metadata-only watch, which keeps of each account its name and the few
//! annotations that a cloud reads, and a live read for one that the watch has not told of yet.
//! Refuses: keeping what a live read found: the watch will tell of it, and of its end.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use keyless_kubernetes::request::{METADATA_ONLY, Requests, escape};
use keyless_kubernetes::watch::{Resource, Sink};
use serde::Deserialize;
use tokio::sync::Semaphore;

use keyless_kubernetes::Error;

use crate::cloud::Injectors;

/// Annotations by key.
pub type Annotations = BTreeMap<String, String>;

/// Live reads at once; more wait.
const READS: usize = 32;
/// How long a live read may take: less than an API server waits for the webhook.
const PATIENCE: Duration = Duration::from_secs(3);

/// The service accounts.
pub struct Accounts {
    requests: Requests,
    injectors: Arc<ArcSwap<Injectors>>,
    known: Mutex<Known>,
    turns: Semaphore,
    /// What happened.
    pub counters: Counters,
}

/// Counted since the start.
#[derive(Debug, Default)]
pub struct Counters {
    /// Live reads that found the account.
    pub found: AtomicU64,
    /// Live reads of accounts that do not exist.
    pub missing: AtomicU64,
    /// Live reads that failed.
    pub failed: AtomicU64,
}

#[derive(Default)]
struct Known {
    /// By `namespace/name`.
    accounts: HashMap<Box<str>, Entry>,
    /// Which list an entry was last seen in.
    round: u32,
    synced: bool,
}

struct Entry {
    round: u32,
    annotations: Option<Arc<Annotations>>,
}

#[derive(Deserialize)]
struct Object {
    metadata: Metadata,
}

#[derive(Deserialize)]
struct Metadata {
    #[serde(default)]
    namespace: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    annotations: Option<BTreeMap<String, String>>,
}

impl std::fmt::Debug for Accounts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Accounts")
    }
}

/// What is watched.
#[must_use]
pub fn resource() -> Resource {
    Resource {
        plural: "serviceaccounts".into(),
        path: "/api/v1/serviceaccounts".into(),
        selector: "",
        fields: "".into(),
        metadata_only: true,
        optional: false,
    }
}

impl Accounts {
    /// None known yet. What is kept of each depends on which of its annotations the injectors
    /// read now; these do not change while the process runs.
    #[must_use]
    pub fn new(requests: Requests, injectors: Arc<ArcSwap<Injectors>>) -> Self {
        Self {
            requests,
            injectors,
            known: Mutex::default(),
            turns: Semaphore::new(READS),
            counters: Counters::default(),
        }
    }

    /// Whether the first list is complete.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.known().synced
    }

    /// How many are known, and how many of them have an annotation that a cloud reads.
    #[must_use]
    pub fn count(&self) -> (usize, usize) {
        let known = self.known();
        let annotated = known.accounts.values().filter(|e| e.annotations.is_some());
        (known.accounts.len(), annotated.count())
    }

    /// The annotations of an account that the watch has told of: `None` if it has not.
    #[must_use]
    pub fn cached(&self, namespace: &str, name: &str) -> Option<Arc<Annotations>> {
        let known = self.known();
        let entry = known.accounts.get(&*key(namespace, name))?;
        Some(entry.annotations.clone().unwrap_or_default())
    }

    /// The annotations of an account, `None` if there is no such account.
    ///
    /// # Errors
    /// It is not known, and the API server did not say.
    pub async fn get(
        &self,
        namespace: &str,
        name: &str,
    ) -> Result<Option<Arc<Annotations>>, Error> {
        if let Some(annotations) = self.cached(namespace, name) {
            return Ok(Some(annotations));
        }
        let intent = format!("read ServiceAccount {namespace}/{name}");
        let read = tokio::time::timeout(PATIENCE, self.read(namespace, name, &intent)).await;
        let read = read.unwrap_or_else(|_| {
            Err(Error::Transport {
                intent,
                reason: format!("no answer within {PATIENCE:?}"),
            })
        });
        let count = match &read {
            Ok(Some(_)) => &self.counters.found,
            Ok(None) => &self.counters.missing,
            Err(_) => &self.counters.failed,
        };
        count.fetch_add(1, Ordering::Relaxed);
        read
    }

    async fn read(
        &self,
        namespace: &str,
        name: &str,
        intent: &str,
    ) -> Result<Option<Arc<Annotations>>, Error> {
        let _turn = self.turns.acquire().await;
        let path = format!(
            "/api/v1/namespaces/{}/serviceaccounts/{}",
            escape(namespace),
            escape(name)
        );
        match self.requests.list(&path, METADATA_ONLY, intent).await {
            Ok(body) => {
                let object: Object =
                    serde_json::from_slice(&body).map_err(|error| Error::Answer {
                        intent: intent.to_owned(),
                        reason: error.to_string(),
                    })?;
                let kept = self.kept(object.metadata.annotations);
                Ok(Some(kept.unwrap_or_default()))
            }
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn kept(&self, annotations: Option<BTreeMap<String, String>>) -> Option<Arc<Annotations>> {
        let injectors = self.injectors.load();
        let mut annotations = annotations?;
        annotations.retain(|key, _| injectors.reads(key));
        (!annotations.is_empty()).then(|| Arc::new(annotations))
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key(namespace: &str, name: &str) -> Box<str> {
    format!("{namespace}/{name}").into()
}

impl Sink for Accounts {
    fn begin(&self) {
        let mut known = self.known();
        known.round = known.round.wrapping_add(1);
    }

    fn upsert(&self, object: &str, _initial: bool) {
        let object: Object = match serde_json::from_str(object) {
            Ok(object) => object,
            Err(error) => {
                tracing::warn!(%error, "a service account could not be decoded");
                return;
            }
        };
        let annotations = self.kept(object.metadata.annotations);
        let mut known = self.known();
        let round = known.round;
        let entry = Entry { round, annotations };
        let key = key(&object.metadata.namespace, &object.metadata.name);
        known.accounts.insert(key, entry);
    }

    fn delete(&self, object: &str) {
        if let Ok(object) = serde_json::from_str::<Object>(object) {
            let key = key(&object.metadata.namespace, &object.metadata.name);
            self.known().accounts.remove(&key);
        }
    }

    fn synced(&self) {
        let mut known = self.known();
        let round = known.round;
        known.accounts.retain(|_, entry| entry.round == round);
        known.accounts.shrink_to_fit();
        known.synced = true;
    }

    fn failing(&self, _: &Error) {}
}

#[cfg(test)]
mod tests;

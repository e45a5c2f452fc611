//! Opening Azure stores.
//!
//! Owns: Entra logins, what stores' references lead to, one client for each identity and vault,
//! and each vault's rate, which all identities share. Refuses: knowing how a login or a read is
//! done.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use keyless_api::{AzureKvProvider, RetrySettings};
use keyless_fault::ObjectRef;
use keyless_identity::azure::{self as login, CachedToken, Login, Logins};
use keyless_identity::{Cache, CacheStats, Leased, Resolved};
use url::Url;

use super::backends::{Backends, Sweep};
use super::{RESOLVED, Reference, Shared, retries};
use crate::azure::{Backend, KeyVault, Settings, rate};
use crate::planner::{self, Bucket};
use crate::referent::Referent;
use crate::{Capabilities, Error, Provider, StoreScope};

/// What makes a client different.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    login: Arc<Login>,
    vault: Url,
    attempts: Option<u32>,
    interval: Option<Duration>,
}

impl Sweep for Backend {
    fn sweep(&self) {
        Self::sweep(self);
    }
}

/// Everything that is kept for Azure stores.
pub(super) struct Azure {
    shared: Arc<Shared>,
    logins: Arc<Logins>,
    resolved: Cache<Reference, Resolved<Arc<Login>>, keyless_identity::Error>,
    backends: Backends<Key, Backend>,
    /// By vault; kept while a client of it is open.
    rates: Mutex<HashMap<Url, Weak<Bucket>>>,
}

impl std::fmt::Debug for Azure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Azure")
            .field("logins", &self.logins)
            .finish_non_exhaustive()
    }
}

impl Azure {
    pub(super) fn new(shared: &Arc<Shared>) -> Self {
        Self {
            logins: Arc::new(Logins::new(
                Arc::clone(&shared.cluster),
                Arc::clone(&shared.http),
                shared.env.clone(),
            )),
            resolved: Cache::new(RESOLVED),
            backends: Backends::new(shared.options.backends, shared.options.idle),
            rates: Mutex::default(),
            shared: Arc::clone(shared),
        }
    }

    pub(super) fn forget(&self, store: &ObjectRef) {
        let forgotten = self
            .resolved
            .invalidate_if(|reference| reference.consumer.store == *store);
        for resolved in forgotten {
            if let Resolved::To(login) = resolved {
                self.logins.forgive(&login);
            }
        }
    }

    pub(super) fn stats(&self) -> CacheStats {
        self.logins.stats()
    }

    pub(super) fn open_backends(&self) -> usize {
        self.backends.len()
    }

    pub(super) async fn open(
        &self,
        spec: &AzureKvProvider,
        retry: Option<&RetrySettings>,
        scope: &StoreScope,
    ) -> Result<Arc<dyn Provider>, Error> {
        let (attempts, interval) = retries(retry)?;
        let login = match self.resolve(spec, scope).await? {
            Resolved::To(login) => login,
            Resolved::Referent(reason) => {
                return Ok(Arc::new(Referent::new(reason, Capabilities::ReadWrite)));
            }
        };
        let vault = login.cloud.vault(&spec.vault_url)?;
        let key = Key {
            login: Arc::clone(&login),
            vault: vault.clone(),
            attempts,
            interval,
        };
        let backend = self.backends.get_or_open(&key, || {
            let retries = attempts.unwrap_or(self.shared.options.planner.retries);
            let settings = Settings {
                rate: self.rate(&vault),
                vault,
                http: Arc::clone(&self.shared.http),
                token: CachedToken::new(Arc::clone(&self.logins), login),
                retries,
                interval,
                planner: planner::Options {
                    retries,
                    ..self.shared.options.planner
                },
            };
            Backend::new(&settings, &self.shared.budget, &self.shared.counters)
        });
        Ok(Arc::new(KeyVault::new(backend)))
    }

    /// The rate of `vault`, shared by everybody who reads it.
    fn rate(&self, vault: &Url) -> Arc<Bucket> {
        let mut rates = self.rates.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = rates.get(vault).and_then(Weak::upgrade) {
            return known;
        }
        rates.retain(|_, bucket| bucket.strong_count() > 0);
        let bucket = Arc::new(rate());
        rates.insert(vault.clone(), Arc::downgrade(&bucket));
        bucket
    }

    /// Which identity `spec` leads to; service accounts and keys are read once in a while, not
    /// once per object.
    async fn resolve(
        &self,
        spec: &AzureKvProvider,
        scope: &StoreScope,
    ) -> Result<Resolved<Arc<Login>>, Error> {
        let reference = Reference::new(spec, scope, login::depends_on_consumer(spec))?;
        let resolve = || async {
            // Boxed: rare, and large enough to weigh in every reader's future.
            let found = login::resolve(
                self.shared.cluster.as_ref(),
                &self.shared.env,
                spec,
                &reference.consumer,
            );
            let found = Box::pin(found).await?;
            Ok(Leased {
                value: match found {
                    Resolved::To(login) => Resolved::To(Arc::new(login)),
                    Resolved::Referent(reason) => Resolved::Referent(reason),
                },
                ttl: Some(self.shared.options.resolved_for),
            })
        };
        Ok(self.resolved.get(&reference, resolve).await?)
    }
}

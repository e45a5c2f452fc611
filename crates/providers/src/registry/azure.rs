//! Opening Azure stores.
//!
//! Owns: Entra logins, what stores' references lead to, one client for each identity and vault,
//! and each vault's rate, which all identities share. Refuses: knowing how a login or a read is
//! done.

use std::sync::Arc;
use std::time::Duration;

use keyless_api::{AzureKvProvider, RetrySettings};
use keyless_fault::ObjectRef;
use keyless_identity::azure::{self as login, CachedToken, Login, Logins};
use keyless_identity::{CacheStats, Resolved};
use url::Url;

use super::backends::{Backends, Sweep};
use super::references::{Reference, References};
use super::{Shared, retries};
use crate::azure::{Backend, KeyVault, Settings, rate};
use crate::planner::{self, Bucket};
use crate::referent::Referent;
use crate::weak_map::WeakMap;
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
    references: References<Login>,
    backends: Backends<Key, Backend>,
    /// By vault, whoever reads it.
    rates: WeakMap<Url, Bucket>,
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
            references: References::new(&shared.options),
            backends: Backends::new(shared.options.backends, shared.options.idle),
            rates: WeakMap::default(),
            shared: Arc::clone(shared),
        }
    }

    pub(super) fn forget(&self, store: &ObjectRef) {
        for login in self.references.forget(store) {
            self.logins.forgive(&login);
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
                rate: self.rates.of(&vault, rate),
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

    /// Which identity `spec` leads to; service accounts and keys are read once in a while, not
    /// once per object.
    async fn resolve(
        &self,
        spec: &AzureKvProvider,
        scope: &StoreScope,
    ) -> Result<Resolved<Arc<Login>>, Error> {
        let reference = Reference::new(spec, scope, login::depends_on_consumer(spec))?;
        let resolve = || {
            login::resolve(
                self.shared.cluster.as_ref(),
                &self.shared.env,
                spec,
                &reference.consumer,
            )
        };
        Ok(self.references.lead(&reference, resolve).await?)
    }
}

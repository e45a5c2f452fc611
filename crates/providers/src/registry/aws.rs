//! Opening AWS stores.
//!
//! Owns: AWS logins, what stores' references lead to, and one client for each identity.
//! Refuses: knowing how a login or a read is done.

use std::sync::Arc;
use std::time::Duration;

use keyless_api::{AwsProvider, RetrySettings};
use keyless_fault::ObjectRef;
use keyless_identity::aws::{self as login, CachedCredentials, Login, Logins};
use keyless_identity::{Cache, CacheStats, Leased, Resolved, sdk};

use super::backends::{Backends, Sweep};
use super::{RESOLVED, Reference, Shared, retries};
use crate::aws::{Backend, ParameterStore, Settings, supported};
use crate::planner;
use crate::referent::Referent;
use crate::{Capabilities, Error, Provider, StoreScope};

/// What makes a client different.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    login: Arc<Login>,
    attempts: Option<u32>,
    interval: Option<Duration>,
}

impl Sweep for Backend {
    fn sweep(&self) {
        Self::sweep(self);
    }
}

/// Everything that is kept for AWS stores.
pub(super) struct Aws {
    shared: Arc<Shared>,
    logins: Arc<Logins>,
    resolved: Cache<Reference, Resolved<Arc<Login>>, keyless_identity::Error>,
    backends: Backends<Key, Backend>,
}

impl std::fmt::Debug for Aws {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Aws")
            .field("logins", &self.logins)
            .finish_non_exhaustive()
    }
}

impl Aws {
    pub(super) fn new(shared: &Arc<Shared>) -> Self {
        Self {
            logins: Arc::new(Logins::new(
                Arc::clone(&shared.cluster),
                Arc::clone(&shared.http),
                shared.env.clone(),
            )),
            resolved: Cache::new(RESOLVED),
            backends: Backends::new(shared.options.backends, shared.options.idle),
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
        spec: &AwsProvider,
        retry: Option<&RetrySettings>,
        scope: &StoreScope,
    ) -> Result<Arc<dyn Provider>, Error> {
        supported(&spec.service)?;
        let (attempts, interval) = retries(retry)?;
        let login = match self.resolve(spec, scope).await? {
            Resolved::To(login) => login,
            Resolved::Referent(reason) => {
                return Ok(Arc::new(Referent::new(reason, Capabilities::ReadWrite)));
            }
        };
        let endpoint = login::override_of(login::Service::Ssm, &self.shared.env)?;
        let key = Key {
            login: Arc::clone(&login),
            attempts,
            interval,
        };
        let backend = self.backends.get_or_open(&key, || {
            let settings = Settings {
                region: login.region.clone(),
                fips: endpoint.is_none() && login::use_fips(&self.shared.env),
                endpoint: endpoint.map(String::from),
                http: Arc::clone(&self.shared.http),
                credentials: CachedCredentials::new(Arc::clone(&self.logins), login),
                retries: sdk::retries(attempts, interval),
                planner: planner::Options {
                    retries: attempts.unwrap_or(self.shared.options.planner.retries),
                    ..self.shared.options.planner
                },
                reads_per_second: self.shared.options.parameter_store_rate,
            };
            Backend::new(&settings, &self.shared.budget, &self.shared.counters)
        });
        let prefix = spec.prefix.as_deref().unwrap_or_default();
        Ok(Arc::new(ParameterStore::new(backend, prefix)))
    }

    /// Which identity `spec` leads to; service accounts and keys are read once in a while, not
    /// once per object.
    async fn resolve(
        &self,
        spec: &AwsProvider,
        scope: &StoreScope,
    ) -> Result<Resolved<Arc<Login>>, Error> {
        let reference = Reference::new(spec, scope, login::depends_on_consumer(spec))?;
        let resolve = || async {
            // Boxed: rare, and large enough to weigh in every reader's future.
            let found = login::resolve(self.shared.cluster.as_ref(), spec, &reference.consumer);
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

//! Opening Vault and OpenBao stores.
//!
//! Owns: Vault logins, what stores' references lead to, one client for each identity, and the
//! end of sessions that nobody uses any more. Refuses: knowing how a login or a read is done.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use keyless_api::{RetrySettings, VaultProvider};
use keyless_fault::{Class, Fault, ObjectRef};
use keyless_identity::vault::{self as login, CachedSession, Login, Logins, Observer, Product};
use keyless_identity::{CacheStats, Resolved};
use tokio::time::Instant;

use super::backends::{Backends, Sweep};
use super::references::{Reference, References};
use super::uses::Uses;
use super::{Shared, retries};
use crate::planner;
use crate::referent::Referent;
use crate::vault::{Backend, Settings, Vault as Store};
use crate::{Capabilities, Error, Provider, StoreScope};

/// How long a changed store has to use its sessions again before they end.
const GRACE: Duration = Duration::from_secs(5);
/// How often idle sessions are looked for.
const SWEEP: Duration = Duration::from_secs(60);
/// How long the revocation of all sessions may take at the end of the process.
const PATIENCE: Duration = Duration::from_secs(5);

/// What makes a client different.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    login: Arc<Login>,
    namespace: Option<String>,
    read_your_writes: bool,
    forward_inconsistent: bool,
    attempts: Option<u32>,
    interval: Option<Duration>,
}

impl Sweep for Backend {
    fn sweep(&self) {
        Self::sweep(self);
    }
}

/// Everything that is kept for Vault stores.
pub(super) struct Vault(Arc<Inner>);

struct Inner {
    shared: Arc<Shared>,
    logins: Arc<Logins>,
    references: References<Login>,
    backends: Backends<Key, Backend>,
    uses: Uses<Login>,
    swept: Mutex<Option<Instant>>,
}

impl std::fmt::Debug for Vault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Vault")
            .field("logins", &self.0.logins)
            .finish_non_exhaustive()
    }
}

/// As the API's metrics name the providers.
const fn provider(product: Product) -> &'static str {
    match product {
        Product::Vault => "HashiCorp/Vault",
        Product::OpenBao => "OpenBao",
    }
}

impl Vault {
    /// Logins at AWS and Google come from `aws` and `gcp`: one identity there is one login, whoever
    /// needs it.
    pub(super) fn new(
        shared: &Arc<Shared>,
        aws: Arc<keyless_identity::aws::Logins>,
        gcp: Arc<keyless_identity::gcp::Logins>,
    ) -> Self {
        let counters = Arc::clone(&shared.counters);
        let observer = Observer::new(move |product, call, outcome| {
            counters.called(provider(product), call, outcome);
        });
        Self(Arc::new(Inner {
            logins: Arc::new(Logins::new(
                Arc::clone(&shared.cluster),
                Arc::clone(&shared.http),
                aws,
                gcp,
                observer,
            )),
            references: References::new(&shared.options),
            backends: Backends::new(shared.options.backends, shared.options.idle),
            uses: Uses::new(shared.options.idle),
            swept: Mutex::new(None),
            shared: Arc::clone(shared),
        }))
    }

    pub(super) fn forget(&self, store: &ObjectRef) {
        let inner = &self.0;
        for login in inner.references.forget(store) {
            inner.logins.forgive(&login);
        }
        if inner.uses.forget(store).is_empty() {
            return;
        }
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        let inner = Arc::clone(inner);
        runtime.spawn(async move {
            tokio::time::sleep(GRACE).await;
            inner.collect();
        });
    }

    pub(super) async fn close(&self) {
        self.0.logins.close(PATIENCE).await;
    }

    pub(super) fn stats(&self) -> CacheStats {
        self.0.logins.stats()
    }

    pub(super) fn open_backends(&self) -> usize {
        self.0.backends.len()
    }

    pub(super) async fn open(
        &self,
        product: Product,
        spec: &VaultProvider,
        retry: Option<&RetrySettings>,
        scope: &StoreScope,
    ) -> Result<Arc<dyn Provider>, Error> {
        let inner = &self.0;
        inner.sweep();
        let (attempts, interval) = retries(retry)?;
        let login = match inner.resolve(product, spec, scope).await? {
            Resolved::To(login) => login,
            Resolved::Referent(reason) => {
                let capabilities = match product {
                    Product::Vault => Capabilities::ReadWrite,
                    Product::OpenBao => Capabilities::ReadOnly,
                };
                return Ok(Arc::new(Referent::new(reason, capabilities)));
            }
        };
        let key = Key {
            login: Arc::clone(&login),
            namespace: spec.namespace.clone().filter(|text| !text.is_empty()),
            read_your_writes: spec.read_your_writes.unwrap_or_default(),
            forward_inconsistent: spec.forward_inconsistent.unwrap_or_default(),
            attempts,
            interval,
        };
        let backend = inner.backends.get_or_open(&key, || {
            let settings = Settings {
                session: CachedSession::new(Arc::clone(&inner.logins), login),
                namespace: key.namespace.clone(),
                provider: provider(product),
                retries: attempts,
                interval,
                read_your_writes: key.read_your_writes,
                forward_inconsistent: key.forward_inconsistent,
                planner: planner::Options {
                    retries: attempts.unwrap_or(inner.shared.options.planner.retries),
                    ..inner.shared.options.planner
                },
            };
            Backend::new(&settings, &inner.shared.budget, &inner.shared.counters)
        });
        Ok(Arc::new(Store::new(backend, product, spec)?))
    }
}

impl Inner {
    /// Which identity `spec` leads to; service accounts and secrets are read once in a while,
    /// not once per object.
    async fn resolve(
        &self,
        product: Product,
        spec: &VaultProvider,
        scope: &StoreScope,
    ) -> Result<Resolved<Arc<Login>>, Error> {
        let reference = Reference::new(spec, scope, login::depends_on_consumer(spec))?;
        let guarded = !self.shared.options.link_local;
        let resolve = || async {
            let mut found = login::resolve(
                self.shared.cluster.as_ref(),
                &self.shared.env,
                product,
                spec,
                &reference.consumer,
            )
            .await?;
            if let Resolved::To(login) = &mut found {
                login.server.peer.guarded = guarded;
            }
            Ok(found)
        };
        let found = self.references.lead(&reference, resolve).await;
        let orphan = match &found {
            Ok(Resolved::To(login)) => self.uses.record(&reference, login),
            Ok(Resolved::Referent(_)) => self.uses.remove(&reference),
            // The account or Secret is gone: nobody may use what it was good for.
            Err(error) if matches!(error.class(), Class::NotFound | Class::Config) => {
                self.uses.remove(&reference)
            }
            Err(_) => None,
        };
        if let Some(orphan) = orphan {
            self.logins.end(&orphan);
        }
        Ok(found?)
    }

    fn sweep(&self) {
        let now = Instant::now();
        let mut swept = self.swept.lock().unwrap_or_else(PoisonError::into_inner);
        if swept.is_some_and(|last| now.duration_since(last) < SWEEP) {
            return;
        }
        *swept = Some(now);
        drop(swept);
        self.collect();
    }

    fn collect(&self) {
        for login in self.uses.collect() {
            self.logins.end(&login);
        }
    }
}

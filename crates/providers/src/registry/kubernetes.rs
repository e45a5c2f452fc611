//! Opening Kubernetes stores.
//!
//! Owns: tokens for API servers, what stores' references lead to, and one client for each
//! identity and namespace. Refuses: knowing how a login or a read is done.

use std::sync::Arc;

use keyless_api::KubernetesProvider;
use keyless_fault::ObjectRef;
use keyless_identity::kubernetes::{self as login, Login, Logins};
use keyless_identity::{CacheStats, HttpExchange, Peer, Resolved};

use super::Shared;
use super::backends::{Backends, Sweep};
use super::references::{Reference, References};
use crate::kubernetes::{Backend, Kubernetes as Store, Settings};
use crate::referent::Referent;
use crate::{Capabilities, Error, Provider, StoreScope};

/// The namespace that is read where the store names none.
const NAMESPACE: &str = "default";

/// What makes a client different.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    login: Arc<Login>,
    namespace: String,
}

impl Sweep for Backend {
    fn sweep(&self) {
        Self::sweep(self);
    }
}

/// Everything that is kept for Kubernetes stores.
pub(super) struct Kubernetes {
    shared: Arc<Shared>,
    logins: Arc<Logins>,
    references: References<Login>,
    backends: Backends<Key, Backend>,
}

impl std::fmt::Debug for Kubernetes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kubernetes")
            .field("logins", &self.logins)
            .finish_non_exhaustive()
    }
}

impl Kubernetes {
    pub(super) fn new(shared: &Arc<Shared>) -> Self {
        Self {
            logins: Arc::new(Logins::new(Arc::clone(&shared.cluster))),
            references: References::new(&shared.options),
            backends: Backends::new(shared.options.backends, shared.options.idle),
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
        spec: &KubernetesProvider,
        scope: &StoreScope,
    ) -> Result<Arc<dyn Provider>, Error> {
        let login = match self.resolve(spec, scope).await? {
            Resolved::To(login) => login,
            Resolved::Referent(reason) => {
                return Ok(Arc::new(Referent::new(reason, Capabilities::ReadWrite)));
            }
        };
        let namespace = spec.remote_namespace.as_deref().unwrap_or(NAMESPACE);
        let key = Key {
            login: Arc::clone(&login),
            namespace: namespace.to_owned(),
        };
        let backend = self.backends.get_or_try_open(&key, || {
            let settings = Settings {
                http: self.way_to(&login.peer)?,
                logins: Arc::clone(&self.logins),
                login,
                namespace: namespace.to_owned(),
                planner: self.shared.options.planner,
            };
            let (budget, counters) = (&self.shared.budget, &self.shared.counters);
            Ok::<_, Error>(Backend::new(&settings, budget, counters))
        })?;
        Ok(Arc::new(Store::new(backend)))
    }

    /// The way out with the peer's own authorities and certificate, if it has any.
    fn way_to(&self, peer: &Peer) -> Result<Arc<dyn HttpExchange>, Error> {
        if *peer == Peer::default() {
            return Ok(Arc::clone(&self.shared.http));
        }
        self.shared
            .http
            .to_peer(peer)
            .map_err(|error| Error::Config {
                reason: format!("the store's certificates cannot be used: {error}"),
                hint: Some("Correct caBundle, caProvider or auth.cert: they must be PEM".into()),
            })
    }

    async fn resolve(
        &self,
        spec: &KubernetesProvider,
        scope: &StoreScope,
    ) -> Result<Resolved<Arc<Login>>, Error> {
        let reference = Reference::new(spec, scope, login::depends_on_consumer(spec))?;
        let resolve = || login::resolve(self.shared.cluster.as_ref(), spec, &reference.consumer);
        Ok(self.references.lead(&reference, resolve).await?)
    }
}

//! Opening webhook stores.
//!
//! Owns: what stores' references lead to, and one client for each store's templates and secrets.
//! Refuses: knowing how a read is done.

use std::sync::Arc;

use keyless_api::WebhookProvider;
use keyless_fault::ObjectRef;
use keyless_identity::webhook::{self as login, Login};
use keyless_identity::{Cache, Leased, Resolved};

use super::backends::{Backends, Sweep};
use super::{RESOLVED, Reference, Shared};
use crate::referent::Referent;
use crate::webhook::{Backend, Settings, Spec, Webhook as Store};
use crate::{Capabilities, Error, Provider, StoreScope};

/// What makes a client different.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    login: Arc<Login>,
    spec: Spec,
}

impl Sweep for Backend {
    fn sweep(&self) {
        Self::sweep(self);
    }
}

/// Everything that is kept for webhook stores.
pub(super) struct Webhook {
    shared: Arc<Shared>,
    resolved: Cache<Reference, Resolved<Arc<Login>>, keyless_identity::Error>,
    backends: Backends<Key, Backend>,
}

impl std::fmt::Debug for Webhook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Webhook")
    }
}

impl Webhook {
    pub(super) fn new(shared: &Arc<Shared>) -> Self {
        Self {
            resolved: Cache::new(RESOLVED),
            backends: Backends::new(shared.options.backends, shared.options.idle),
            shared: Arc::clone(shared),
        }
    }

    pub(super) fn forget(&self, store: &ObjectRef) {
        self.resolved
            .invalidate_if(|reference| reference.consumer.store == *store);
    }

    pub(super) fn open_backends(&self) -> usize {
        self.backends.len()
    }

    pub(super) async fn open(
        &self,
        provider: &WebhookProvider,
        scope: &StoreScope,
    ) -> Result<Arc<dyn Provider>, Error> {
        let spec = Spec::new(provider)?;
        let login = match self.resolve(provider, scope).await? {
            Resolved::To(login) => login,
            Resolved::Referent(reason) => {
                return Ok(Arc::new(Referent::new(reason, Capabilities::ReadWrite)));
            }
        };
        let http = self
            .shared
            .http
            .to_peer(&login.peer)
            .map_err(|error| Error::Config {
                reason: format!("the store's certificate authorities cannot be used: {error}"),
                hint: Some("Correct caBundle or caProvider: they must be PEM".into()),
            });
        let http = http?;
        let key = Key {
            login: Arc::clone(&login),
            spec: spec.clone(),
        };
        let backend = self.backends.get_or_open(&key, || {
            let settings = Settings {
                http,
                login,
                spec,
                planner: self.shared.options.planner,
            };
            Backend::new(&settings, &self.shared.budget, &self.shared.counters)
        });
        let namespace = scope.consumer_namespace.as_deref().unwrap_or_default();
        Ok(Arc::new(Store::new(backend, namespace)))
    }

    async fn resolve(
        &self,
        spec: &WebhookProvider,
        scope: &StoreScope,
    ) -> Result<Resolved<Arc<Login>>, Error> {
        let reference = Reference::new(spec, scope, login::depends_on_consumer(spec))?;
        let guarded = !self.shared.options.link_local;
        let resolve = || async {
            let cluster = self.shared.cluster.as_ref();
            let found = Box::pin(login::resolve(cluster, spec, &reference.consumer)).await?;
            Ok(Leased {
                value: match found {
                    Resolved::To(mut login) => {
                        login.peer.guarded = guarded;
                        Resolved::To(Arc::new(login))
                    }
                    Resolved::Referent(reason) => Resolved::Referent(reason),
                },
                ttl: Some(self.shared.options.resolved_for),
            })
        };
        Ok(self.resolved.get(&reference, resolve).await?)
    }
}

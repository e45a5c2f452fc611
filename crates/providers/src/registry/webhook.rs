//! Opening webhook stores.
//!
//! Owns: what stores' references lead to, and one client for each store's templates and secrets.
//! Refuses: knowing how a read is done.

use std::sync::Arc;

use keyless_api::WebhookProvider;
use keyless_fault::ObjectRef;
use keyless_identity::Resolved;
use keyless_identity::webhook::{self as login, Login};

use super::Shared;
use super::backends::{Backends, Sweep};
use super::references::{Reference, References};
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
    references: References<Login>,
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
            references: References::new(&shared.options),
            backends: Backends::new(shared.options.backends, shared.options.idle),
            shared: Arc::clone(shared),
        }
    }

    pub(super) fn forget(&self, store: &ObjectRef) {
        self.references.forget(store);
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
            let mut found =
                login::resolve(self.shared.cluster.as_ref(), spec, &reference.consumer).await?;
            if let Resolved::To(login) = &mut found {
                login.peer.guarded = guarded;
            }
            Ok(found)
        };
        Ok(self.references.lead(&reference, resolve).await?)
    }
}

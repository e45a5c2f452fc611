//! Opening a store, as the reconcilers see it.

use std::sync::Arc;

use futures::future::BoxFuture;
use keyless_api::SecretStoreSpec;
use keyless_fault::ObjectRef;
use keyless_identity::CacheStats;
use keyless_providers::planner::Snapshot;
use keyless_providers::{Error, Provider, Registry, StoreScope};

/// Gives the backend of a store for one consumer; cheap when it was opened before.
pub trait Backends: Send + Sync {
    /// The backend of the store `scope.store` with this spec.
    fn open<'a>(
        &'a self,
        scope: StoreScope,
        spec: &'a SecretStoreSpec,
    ) -> BoxFuture<'a, Result<Arc<dyn Provider>, Error>>;

    /// The store was changed: what was resolved for it may be wrong now.
    fn changed(&self, store: &ObjectRef) {
        let _ = store;
    }

    /// Nothing will be opened any more: what can be ended is ended, within seconds.
    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }

    /// What was used so far, for metrics.
    fn usage(&self) -> Usage {
        Usage::default()
    }
}

/// Calls and logins so far.
#[derive(Clone, Debug, Default)]
pub struct Usage {
    /// Calls to providers.
    pub calls: Snapshot,
    /// Logins.
    pub logins: CacheStats,
}

impl Backends for Registry {
    fn open<'a>(
        &'a self,
        scope: StoreScope,
        spec: &'a SecretStoreSpec,
    ) -> BoxFuture<'a, Result<Arc<dyn Provider>, Error>> {
        Box::pin(async move { Self::open(self, spec, &scope).await })
    }

    fn changed(&self, store: &ObjectRef) {
        self.forget(store);
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(Self::close(self))
    }

    fn usage(&self) -> Usage {
        Usage {
            calls: self.calls(),
            logins: self.logins(),
        }
    }
}

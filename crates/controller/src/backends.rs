//! Opening a store, as the reconcilers see it.

use std::sync::Arc;

use futures::future::BoxFuture;
use keyless_api::SecretStoreSpec;
use keyless_providers::{Error, Provider, StoreScope};

/// Gives the backend of a store for one consumer; cheap when it was opened before.
pub trait Backends: Send + Sync {
    /// The backend of the store `scope.store` with this spec.
    fn open<'a>(
        &'a self,
        scope: StoreScope,
        spec: &'a SecretStoreSpec,
    ) -> BoxFuture<'a, Result<Arc<dyn Provider>, Error>>;
}

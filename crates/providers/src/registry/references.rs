//! What stores' references lead to.
//!
//! Owns: keeping that for a while, so that service accounts, keys and configurations are read once
//! in a while and not once per object. Refuses: knowing how a reference is resolved.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use keyless_fault::ObjectRef;
use keyless_identity::{Cache, Consumer, Leased, Resolved};

use super::RegistryOptions;
use crate::{Error, StoreScope};

/// How many are kept, of each family of providers.
const KEPT: usize = 8192;

/// What decides to which identity a store's references lead.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Reference {
    /// The provider's spec as JSON.
    pub(super) spec: String,
    /// Who reads.
    pub(super) consumer: Consumer,
}

impl Reference {
    /// Of a provider's `spec` in `scope`. A ClusterSecretStore whose references do not depend on
    /// who reads (`depends` is false) leads all its readers to one identity.
    pub(super) fn new<T: serde::Serialize>(
        spec: &T,
        scope: &StoreScope,
        depends: bool,
    ) -> Result<Self, Error> {
        let mut consumer = Consumer {
            store: scope.store.clone(),
            namespace: scope.consumer_namespace.clone(),
        };
        if consumer.store.namespace.is_none() && !depends {
            consumer.namespace = None;
        }
        Ok(Self {
            spec: serde_json::to_string(spec).map_err(|error| Error::Config {
                reason: format!("the store's spec cannot be read: {error}"),
                hint: None,
            })?,
            consumer,
        })
    }
}

/// The identities that references led to.
pub(super) struct References<L> {
    found: Cache<Reference, Resolved<Arc<L>>, keyless_identity::Error>,
    ttl: Duration,
}

impl<L: Send + Sync + 'static> References<L> {
    pub(super) fn new(options: &RegistryOptions) -> Self {
        Self {
            found: Cache::new(KEPT),
            ttl: options.resolved_for,
        }
    }

    /// Where `reference` leads: as known, or else by `resolve`.
    pub(super) async fn lead<F, R>(
        &self,
        reference: &Reference,
        resolve: F,
    ) -> Result<Resolved<Arc<L>>, keyless_identity::Error>
    where
        F: FnOnce() -> R,
        R: Future<Output = Result<Resolved<L>, keyless_identity::Error>> + Send,
    {
        let lease = || async {
            // Boxed: rare, and large enough to weigh in every reader's future.
            Ok(Leased {
                value: match Box::pin(resolve()).await? {
                    Resolved::To(login) => Resolved::To(Arc::new(login)),
                    Resolved::Referent(reason) => Resolved::Referent(reason),
                },
                ttl: Some(self.ttl),
            })
        };
        self.found.get(reference, lease).await
    }

    /// Forgets what the references of `store` led to; these are the identities.
    pub(super) fn forget(&self, store: &ObjectRef) -> Vec<Arc<L>> {
        let of = |reference: &Reference| reference.consumer.store == *store;
        let forgotten = self.found.invalidate_if(of).into_iter();
        let identities = forgotten.filter_map(|resolved| match resolved {
            Resolved::To(login) => Some(login),
            Resolved::Referent(_) => None,
        });
        identities.collect()
    }
}

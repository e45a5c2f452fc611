//! Opening Google stores.
//!
//! Owns: Google logins, what stores' references lead to, one client for each identity and place,
//! and each project's rates, which all identities share. Refuses: knowing how a login or a read is
//! done.

use std::sync::Arc;
use std::time::Duration;

use keyless_api::{GcpSmProvider, RetrySettings, SecretVersionSelectionPolicy};
use keyless_fault::ObjectRef;
use keyless_identity::gcp::{self as login, CachedToken, Login, Logins};
use keyless_identity::{CacheStats, Resolved};
use keyless_trust::gcp::name::is_project;

use super::backends::{Backends, Sweep};
use super::references::{Reference, References};
use super::{Shared, retries};
use crate::gcp::{Backend, Place, Rates, SecretManager, Settings};
use crate::planner;
use crate::referent::Referent;
use crate::weak_map::WeakMap;
use crate::{Capabilities, Error, Provider, StoreScope};

/// What makes a client different.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    login: Arc<Login>,
    place: Place,
    attempts: Option<u32>,
    interval: Option<Duration>,
}

impl Sweep for Backend {
    fn sweep(&self) {
        Self::sweep(self);
    }
}

/// Everything that is kept for Google stores.
pub(super) struct Gcp {
    shared: Arc<Shared>,
    logins: Arc<Logins>,
    references: References<Login>,
    backends: Backends<Key, Backend>,
    /// By place, whoever calls.
    rates: WeakMap<Place, Rates>,
}

impl std::fmt::Debug for Gcp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gcp")
            .field("logins", &self.logins)
            .finish_non_exhaustive()
    }
}

impl Gcp {
    /// Logins at AWS come from `aws`: one identity there is one login, whoever needs it.
    pub(super) fn new(shared: &Arc<Shared>, aws: Arc<keyless_identity::aws::Logins>) -> Self {
        Self {
            logins: Arc::new(Logins::new(
                Arc::clone(&shared.cluster),
                Arc::clone(&shared.http),
                shared.env.clone(),
                aws,
            )),
            references: References::new(&shared.options),
            backends: Backends::new(shared.options.backends, shared.options.idle),
            rates: WeakMap::default(),
            shared: Arc::clone(shared),
        }
    }

    /// For providers whose login starts from an identity at Google.
    pub(super) fn logins(&self) -> Arc<Logins> {
        Arc::clone(&self.logins)
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
        spec: &GcpSmProvider,
        retry: Option<&RetrySettings>,
        scope: &StoreScope,
    ) -> Result<Arc<dyn Provider>, Error> {
        let (attempts, interval) = retries(retry)?;
        let enabled = match &spec.secret_version_selection_policy {
            None | Some(SecretVersionSelectionPolicy::LatestOrFail) => false,
            Some(SecretVersionSelectionPolicy::LatestOrFetch) => true,
            Some(SecretVersionSelectionPolicy::Other(other)) => {
                return Err(Error::Config {
                    reason: format!("secretVersionSelectionPolicy {other:?} is not known"),
                    hint: Some("Write LatestOrFail or LatestOrFetch".into()),
                });
            }
        };
        let login = match self.resolve(spec, scope).await? {
            Resolved::To(login) => login,
            Resolved::Referent(reason) => {
                return Ok(Arc::new(Referent::new(reason, Capabilities::ReadWrite)));
            }
        };
        let location = spec.location.as_deref().filter(|text| !text.is_empty());
        let place = Place {
            base: login.cloud.secret_manager(location)?,
            project: self.project(spec).await?,
            location: location.map(str::to_owned),
        };
        let key = Key {
            login: Arc::clone(&login),
            place: place.clone(),
            attempts,
            interval,
        };
        let backend = self.backends.get_or_open(&key, || {
            let retries = attempts.unwrap_or(self.shared.options.planner.retries);
            let settings = Settings {
                rates: self.rates.of(&place, Rates::default),
                place,
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
        Ok(Arc::new(SecretManager::new(backend, enabled)))
    }

    /// The project of the secrets: the store's, that of its cluster, or the operator's own.
    async fn project(&self, spec: &GcpSmProvider) -> Result<String, Error> {
        let auth = spec.auth.as_ref();
        let gke = auth.and_then(|auth| auth.workload_identity.as_ref());
        let named = [
            spec.project_id.as_deref(),
            gke.and_then(|gke| gke.cluster_project_id.as_deref()),
        ];
        let named = named.into_iter().flatten().find(|text| !text.is_empty());
        let missing = |reason: &str| Error::Config {
            reason: reason.to_owned(),
            hint: Some("Set spec.provider.gcpsm.projectID".into()),
        };
        if let Some(project) = named {
            return if is_project(project) {
                Ok(project.to_owned())
            } else {
                Err(missing("projectID is not the id or number of a project"))
            };
        }
        let elsewhere = auth.is_some_and(|auth| {
            auth.secret_ref.is_some() || auth.workload_identity_federation.is_some()
        });
        if elsewhere {
            return Err(missing("the store names no project"));
        }
        let found = self.logins.project().await;
        found.map_err(|_| missing("the store names no project, and no metadata server does"))
    }

    /// Which identity `spec` leads to; service accounts, keys and configurations are read once in a
    /// while, not once per object.
    async fn resolve(
        &self,
        spec: &GcpSmProvider,
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

//! Opening AWS stores.
//!
//! Owns: AWS logins, what stores' references lead to, and one client for each identity.
//! Refuses: knowing how a login or a read is done.

use std::sync::Arc;
use std::time::Duration;

use keyless_api::{AwsProvider, RetrySettings};
use keyless_fault::ObjectRef;
use keyless_identity::aws::{self as login, CachedCredentials, Login, Logins};
use keyless_identity::{CacheStats, Resolved, sdk};

use super::backends::{Backends, Sweep};
use super::references::{Reference, References};
use super::{Shared, retries};
use crate::aws::{
    Deletion, Pace, ParameterStore, Parameters, Rates, Secrets, SecretsManager, Service, Settings,
};
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

impl Sweep for Parameters {
    fn sweep(&self) {
        Self::sweep(self);
    }
}

impl Sweep for Secrets {
    fn sweep(&self) {
        Self::sweep(self);
    }
}

/// Everything that is kept for AWS stores.
pub(super) struct Aws {
    shared: Arc<Shared>,
    logins: Arc<Logins>,
    references: References<Login>,
    rates: Arc<Rates>,
    parameters: Backends<Key, Parameters>,
    secrets: Backends<Key, Secrets>,
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
            references: References::new(&shared.options),
            rates: Arc::default(),
            parameters: Backends::new(shared.options.backends, shared.options.idle),
            secrets: Backends::new(shared.options.backends, shared.options.idle),
            shared: Arc::clone(shared),
        }
    }

    /// For providers whose login starts from an identity at AWS.
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
        self.parameters.len() + self.secrets.len()
    }

    pub(super) async fn open(
        &self,
        spec: &AwsProvider,
        retry: Option<&RetrySettings>,
        scope: &StoreScope,
    ) -> Result<Arc<dyn Provider>, Error> {
        let service = Service::of(&spec.service)?;
        let (attempts, interval) = retries(retry)?;
        let login = match self.resolve(spec, scope).await? {
            Resolved::To(login) => login,
            Resolved::Referent(reason) => {
                return Ok(Arc::new(Referent::new(reason, Capabilities::ReadWrite)));
            }
        };
        let key = Key {
            login: Arc::clone(&login),
            attempts,
            interval,
        };
        let prefix = spec.prefix.as_deref().unwrap_or_default();
        match service {
            Service::ParameterStore => {
                let endpoint = login::override_of(login::Service::Ssm, &self.shared.env)?;
                let rate = self.shared.options.parameter_store_rate;
                let backend = self.parameters.get_or_open(&key, || {
                    let settings = self.settings(&key, endpoint.map(String::from), rate);
                    Parameters::new(&settings, &self.shared.budget, &self.shared.counters)
                });
                Ok(Arc::new(ParameterStore::new(backend, prefix)))
            }
            Service::SecretsManager => {
                let endpoint =
                    login::override_of(login::Service::SecretsManager, &self.shared.env)?;
                let backend = self.secrets.get_or_open(&key, || {
                    let settings = self.settings(&key, endpoint.map(String::from), None);
                    Secrets::new(&settings, &self.shared.budget, &self.shared.counters)
                });
                let deletion = spec.secrets_manager.as_ref();
                let deletion = deletion.map_or_else(Deletion::default, |options| Deletion {
                    force: options.force_delete_without_recovery == Some(true),
                    window: options.recovery_window_in_days.filter(|days| *days != 0),
                });
                Ok(Arc::new(SecretsManager::new(
                    backend,
                    prefix,
                    deletion,
                    Arc::clone(&self.shared.cluster),
                    scope.consumer_namespace.clone(),
                )))
            }
        }
    }

    fn settings(&self, key: &Key, endpoint: Option<String>, rate: Option<f64>) -> Settings {
        let (login, options) = (&key.login, &self.shared.options);
        let operator = self.shared.env.get("AWS_ROLE_ARN");
        let operator = operator.and_then(|arn| login::RoleArn::parse(arn, "AWS_ROLE_ARN").ok());
        let operator = operator
            .as_ref()
            .filter(|_| login.source == login::Source::Operator)
            .map(login::RoleArn::account);
        Settings {
            region: login.region.clone(),
            fips: endpoint.is_none() && login::use_fips(&self.shared.env),
            endpoint,
            http: Arc::clone(&self.shared.http),
            credentials: CachedCredentials::new(Arc::clone(&self.logins), Arc::clone(login)),
            retries: sdk::retries(key.attempts, key.interval),
            planner: planner::Options {
                retries: key.attempts.unwrap_or(options.planner.retries),
                ..options.planner
            },
            reads_per_second: rate,
            pace: Pace::new(&self.rates, login, operator),
        }
    }

    /// Which identity `spec` leads to; service accounts and keys are read once in a while, not
    /// once per object.
    async fn resolve(
        &self,
        spec: &AwsProvider,
        scope: &StoreScope,
    ) -> Result<Resolved<Arc<Login>>, Error> {
        let reference = Reference::new(spec, scope, login::depends_on_consumer(spec))?;
        let resolve = || login::resolve(self.shared.cluster.as_ref(), spec, &reference.consumer);
        Ok(self.references.lead(&reference, resolve).await?)
    }
}

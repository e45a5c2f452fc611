//! Opened backends.
//!
//! Owns: from a store's spec to a [`Provider`], one backend for each identity, and the bound
//! on how many are kept. Refuses: validating what the API server or the webhook already
//! refuses, and any provider it cannot read to the end.

mod backends;

use std::sync::Arc;
use std::time::Duration;

use keyless_api::{AwsProvider, GoDuration, RetrySettings, SecretStoreSpec};
use keyless_fault::ObjectRef;
use keyless_identity::aws::{self as login, CachedCredentials, Login, Logins};
use keyless_identity::{
    Cache, CacheStats, Cluster, Consumer, Environment, HttpExchange, Leased, Resolved, sdk,
};

use crate::aws::{Backend, ParameterStore, Settings, supported};
use crate::fake::Fake;
use crate::planner::{self, Budget, Counters, Snapshot};
use crate::referent::Referent;
use crate::{Capabilities, Error, Provider, StoreScope};
use backends::Backends;

/// The providers that can be opened, as messages list them.
const SUPPORTED: &str = "aws (service ParameterStore), fake";
/// How many resolved references are kept.
const RESOLVED: usize = 8192;

/// How a registry behaves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RegistryOptions {
    /// How calls are planned.
    pub planner: planner::Options,
    /// Bytes that recent answers may take, all identities together.
    pub answer_bytes: usize,
    /// Parameter Store reads per second of one identity; `None` is the published default of
    /// 40. More where the account has higher throughput turned on.
    pub parameter_store_rate: Option<f64>,
    /// How long a service account's annotations or a stored key are taken as unchanged.
    pub resolved_for: Duration,
    /// How many identities keep their client and plan.
    pub backends: usize,
    /// After what time without use they are closed.
    pub idle: Duration,
}

impl Default for RegistryOptions {
    fn default() -> Self {
        Self {
            planner: planner::Options::default(),
            answer_bytes: 4 << 20,
            parameter_store_rate: None,
            resolved_for: Duration::from_secs(15),
            backends: 512,
            idle: Duration::from_secs(15 * 60),
        }
    }
}

/// What decides to which identity a store's references lead.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Reference {
    /// The provider's spec as JSON.
    spec: String,
    consumer: Consumer,
}

/// Opens stores. One for the whole process.
pub struct Registry {
    cluster: Arc<dyn Cluster>,
    http: Arc<dyn HttpExchange>,
    env: Environment,
    options: RegistryOptions,
    logins: Arc<Logins>,
    resolved: Cache<Reference, Resolved<Arc<Login>>, keyless_identity::Error>,
    backends: Backends,
    budget: Arc<Budget>,
    counters: Arc<Counters>,
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Registry")
            .field("options", &self.options)
            .field("logins", &self.logins)
            .finish_non_exhaustive()
    }
}

impl Registry {
    /// A registry that mints tokens in `cluster`, calls over `http` and takes the operator's own
    /// identity and endpoints from `env`.
    #[must_use]
    pub fn new(
        cluster: Arc<dyn Cluster>,
        http: Arc<dyn HttpExchange>,
        env: Environment,
        options: RegistryOptions,
    ) -> Self {
        Self {
            logins: Arc::new(Logins::new(
                Arc::clone(&cluster),
                Arc::clone(&http),
                env.clone(),
            )),
            cluster,
            http,
            env,
            options,
            resolved: Cache::new(RESOLVED),
            backends: Backends::new(options.backends, options.idle),
            budget: Arc::new(Budget::new(options.answer_bytes)),
            counters: Arc::default(),
        }
    }

    /// Opens the store `spec` for `scope`. Cheap when the identity has been used before; makes
    /// no call to the provider.
    ///
    /// # Errors
    /// When the spec is incomplete, reaches into a foreign namespace, names something missing in
    /// the cluster, or a provider that is not supported.
    pub async fn open(
        &self,
        spec: &SecretStoreSpec,
        scope: &StoreScope,
    ) -> Result<Arc<dyn Provider>, Error> {
        let names = spec.provider.names();
        let [name] = names.as_slice() else {
            return Err(Error::Config {
                reason: format!(
                    "the store must name exactly one provider, not {}",
                    names.len()
                ),
                hint: Some("Leave one entry in spec.provider".into()),
            });
        };
        if let Some(aws) = &spec.provider.aws {
            return self
                .open_aws(aws, spec.retry_settings.as_ref(), scope)
                .await;
        }
        if let Some(fake) = &spec.provider.fake {
            return Ok(Arc::new(Fake::new(fake)));
        }
        Err(Error::Config {
            reason: format!("provider {name} is not supported yet"),
            hint: Some(format!("Supported: {SUPPORTED}")),
        })
    }

    /// Forgets what `store`'s references led to, and the back-off of its identities: the next
    /// use asks at once. For a changed store, service account or key.
    pub fn forget(&self, store: &ObjectRef) {
        let forgotten = self
            .resolved
            .invalidate_if(|reference| reference.consumer.store == *store);
        for resolved in forgotten {
            if let Resolved::To(login) = resolved {
                self.logins.forgive(&login);
            }
        }
    }

    /// Calls made and reads saved so far.
    #[must_use]
    pub fn calls(&self) -> Snapshot {
        self.counters.snapshot()
    }

    /// Logins so far.
    #[must_use]
    pub fn logins(&self) -> CacheStats {
        self.logins.stats()
    }

    /// How many identities have a client open.
    #[must_use]
    pub fn open_backends(&self) -> usize {
        self.backends.len()
    }

    async fn open_aws(
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
        let endpoint = login::override_of(login::Service::Ssm, &self.env)?;
        let key = backends::Key {
            login: Arc::clone(&login),
            attempts,
            interval,
        };
        let backend = self.backends.get_or_open(&key, || {
            let settings = Settings {
                region: login.region.clone(),
                fips: endpoint.is_none() && login::use_fips(&self.env),
                endpoint: endpoint.map(String::from),
                http: Arc::clone(&self.http),
                credentials: CachedCredentials::new(Arc::clone(&self.logins), login),
                retries: sdk::retries(attempts, interval),
                planner: planner::Options {
                    retries: attempts.unwrap_or(self.options.planner.retries),
                    ..self.options.planner
                },
                reads_per_second: self.options.parameter_store_rate,
            };
            Backend::new(&settings, &self.budget, &self.counters)
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
        let mut consumer = Consumer {
            store: scope.store.clone(),
            namespace: scope.consumer_namespace.clone(),
        };
        if consumer.store.namespace.is_none() && !login::depends_on_consumer(spec) {
            consumer.namespace = None;
        }
        let reference = Reference {
            spec: serde_json::to_string(spec).map_err(|error| Error::Config {
                reason: format!("the store's spec cannot be read: {error}"),
                hint: None,
            })?,
            consumer,
        };
        let resolve = || async {
            // Boxed: rare, and large enough to weigh in every reader's future.
            let found = login::resolve(self.cluster.as_ref(), spec, &reference.consumer);
            let found = Box::pin(found).await?;
            Ok(Leased {
                value: match found {
                    Resolved::To(login) => Resolved::To(Arc::new(login)),
                    Resolved::Referent(reason) => Resolved::Referent(reason),
                },
                ttl: Some(self.options.resolved_for),
            })
        };
        Ok(self.resolved.get(&reference, resolve).await?)
    }
}

fn retries(settings: Option<&RetrySettings>) -> Result<(Option<u32>, Option<Duration>), Error> {
    let Some(settings) = settings else {
        return Ok((None, None));
    };
    let attempts = settings
        .max_retries
        .map(|retries| u32::try_from(retries).unwrap_or(0));
    let interval = match settings.retry_interval.as_deref() {
        None | Some("") => None,
        Some(text) => GoDuration::parse(text)
            .map_err(|error| Error::Config {
                reason: format!("retrySettings.retryInterval: {error}"),
                hint: Some("Write a Go duration such as 10s".into()),
            })?
            .positive(),
    };
    Ok((attempts, interval))
}

//! Opened backends.
//!
//! Owns: from a store's spec to a [`Provider`], one backend for each identity, and the bound
//! on how many are kept. Refuses: validating what the API server or the webhook already
//! refuses, and any provider it cannot read to the end.

mod aws;
mod azure;
mod backends;
mod gcp;
mod kubernetes;
mod references;
mod uses;
mod vault;
mod webhook;

use std::sync::Arc;
use std::time::Duration;

use keyless_api::{GoDuration, RetrySettings, SecretStoreSpec};
use keyless_fault::ObjectRef;
use keyless_identity::vault::{Product, as_vault};
use keyless_identity::{CacheStats, Cluster, Environment, HttpExchange};

use crate::fake::Fake;
use crate::planner::{self, Budget, Counters, Snapshot};
use crate::{Error, Provider, StoreScope};

/// The providers that can be opened, as messages list them.
const SUPPORTED: &str = "aws (services SecretsManager and ParameterStore), azurekv, gcpsm, vault, openBao, kubernetes, webhook, fake";

/// Whether stores of the provider `name` can be opened.
#[must_use]
pub fn acts_on(name: &str) -> bool {
    let mut supported = SUPPORTED.split(", ");
    supported.any(|provider| provider.split(' ').next() == Some(name))
}

/// How a registry behaves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RegistryOptions {
    /// How calls are planned.
    pub planner: planner::Options,
    /// Bytes that recent answers may take, all identities together.
    pub answer_bytes: usize,
    /// Parameter Store reads per second of one account and region; `None` is the published default of
    /// 40. More where the account has higher throughput turned on.
    pub parameter_store_rate: Option<f64>,
    /// How long a service account's annotations or a stored key are taken as unchanged.
    pub resolved_for: Duration,
    /// How many identities keep their client and plan.
    pub backends: usize,
    /// After what time without use they are closed.
    pub idle: Duration,
    /// Whether webhook and Vault stores may reach link-local addresses and metadata services, where
    /// a tenant could pick up the node's own credentials.
    pub link_local: bool,
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
            link_local: false,
        }
    }
}

/// What the providers of a registry share.
struct Shared {
    cluster: Arc<dyn Cluster>,
    http: Arc<dyn HttpExchange>,
    env: Environment,
    options: RegistryOptions,
    budget: Arc<Budget>,
    counters: Arc<Counters>,
}

/// Opens stores. One for the whole process. Each family of providers has a file of its own in
/// `registry/`, which keeps its logins and clients.
pub struct Registry {
    shared: Arc<Shared>,
    aws: aws::Aws,
    azure: azure::Azure,
    gcp: gcp::Gcp,
    vault: vault::Vault,
    kubernetes: kubernetes::Kubernetes,
    webhook: webhook::Webhook,
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Registry")
            .field("options", &self.shared.options)
            .field("aws", &self.aws)
            .field("azure", &self.azure)
            .field("gcp", &self.gcp)
            .field("vault", &self.vault)
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
        let shared = Arc::new(Shared {
            cluster,
            http,
            env,
            options,
            budget: Arc::new(Budget::new(options.answer_bytes)),
            counters: Arc::default(),
        });
        let aws = aws::Aws::new(&shared);
        let gcp = gcp::Gcp::new(&shared, aws.logins());
        Self {
            azure: azure::Azure::new(&shared),
            vault: vault::Vault::new(&shared, aws.logins(), gcp.logins()),
            gcp,
            aws,
            kubernetes: kubernetes::Kubernetes::new(&shared),
            webhook: webhook::Webhook::new(&shared),
            shared,
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
        stays_at_home(spec, scope)?;
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
                .aws
                .open(aws, spec.retry_settings.as_ref(), scope)
                .await;
        }
        if let Some(azure) = &spec.provider.azurekv {
            return self
                .azure
                .open(azure, spec.retry_settings.as_ref(), scope)
                .await;
        }
        if let Some(gcp) = &spec.provider.gcpsm {
            return self
                .gcp
                .open(gcp, spec.retry_settings.as_ref(), scope)
                .await;
        }
        if let Some(vault) = &spec.provider.vault {
            let (product, retry) = (Product::Vault, spec.retry_settings.as_ref());
            return self.vault.open(product, vault, retry, scope).await;
        }
        if let Some(bao) = &spec.provider.open_bao {
            let (product, retry) = (Product::OpenBao, spec.retry_settings.as_ref());
            return self.vault.open(product, &as_vault(bao), retry, scope).await;
        }
        if let Some(kubernetes) = &spec.provider.kubernetes {
            return self.kubernetes.open(kubernetes, scope).await;
        }
        if let Some(webhook) = &spec.provider.webhook {
            return self.webhook.open(webhook, scope).await;
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
        self.aws.forget(store);
        self.azure.forget(store);
        self.gcp.forget(store);
        self.vault.forget(store);
        self.kubernetes.forget(store);
        self.webhook.forget(store);
    }

    /// Ends every login that can be ended: tokens of Vault are revoked. For the end of the
    /// process; takes a few seconds at most.
    pub async fn close(&self) {
        self.vault.close().await;
    }

    /// Calls made and reads saved so far.
    #[must_use]
    pub fn calls(&self) -> Snapshot {
        self.shared.counters.snapshot()
    }

    /// Logins so far.
    #[must_use]
    pub fn logins(&self) -> CacheStats {
        self.aws.stats()
            + self.azure.stats()
            + self.gcp.stats()
            + self.vault.stats()
            + self.kubernetes.stats()
    }

    /// How many identities have a client open.
    #[must_use]
    pub fn open_backends(&self) -> usize {
        self.aws.open_backends()
            + self.azure.open_backends()
            + self.gcp.open_backends()
            + self.vault.open_backends()
            + self.kubernetes.open_backends()
            + self.webhook.open_backends()
    }
}

/// Refuses a namespaced store that refers to an object of another namespace, before any provider
/// sees it: whatever a provider forgets, no tenant reads with the operator's rights.
fn stays_at_home(spec: &SecretStoreSpec, scope: &StoreScope) -> Result<(), Error> {
    let Some(own) = scope.store.namespace.as_deref() else {
        return Ok(());
    };
    match keyless_api::foreign_references(spec, own).first() {
        None => Ok(()),
        Some(violation) => Err(Error::Config {
            reason: format!("{}: {}", violation.path, violation.message),
            hint: Some("Remove the namespace, or use a ClusterSecretStore".into()),
        }),
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

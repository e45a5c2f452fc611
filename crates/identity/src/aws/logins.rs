//! Logging in, once for everybody who asks for the same identity.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, future};

use super::chain::{SESSION, operator};
use super::web_identity::Exchange;
use super::{Credentials, Login, Source, assume_role, endpoint};
use crate::{Cache, CacheStats, Cluster, Environment, Error, HttpExchange, Leased};

/// How many identities are kept.
const IDENTITIES: usize = 4096;

/// Credentials by [`Login`].
pub struct Logins {
    cluster: Arc<dyn Cluster>,
    http: Arc<dyn HttpExchange>,
    env: Environment,
    cache: Cache<Login, Arc<Credentials>, Error>,
}

impl fmt::Debug for Logins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Logins")
            .field("kept", &self.cache.len())
            .finish_non_exhaustive()
    }
}

impl Logins {
    /// Logins with tokens from `cluster`, over `http`, as `env` says.
    #[must_use]
    pub fn new(cluster: Arc<dyn Cluster>, http: Arc<dyn HttpExchange>, env: Environment) -> Self {
        Self {
            cluster,
            http,
            env,
            cache: Cache::new(IDENTITIES),
        }
    }

    /// The credentials of `login`, kept or new.
    ///
    /// # Errors
    /// When a login fails, or failed a short time ago.
    pub async fn credentials(&self, login: &Login) -> Result<Arc<Credentials>, Error> {
        // Boxed: rare, and large enough to weigh in every caller's future.
        self.cache.get(login, || Box::pin(self.log_in(login))).await
    }

    /// Forgets the credential of `login`, if it is still `used`: a provider refused it.
    pub fn refused(&self, login: &Login, used: &Arc<Credentials>) {
        self.cache
            .invalidate_value(login, |kept| Arc::ptr_eq(kept, used));
    }

    /// Forgets what is known of `login`; the next caller logs in at once.
    pub fn invalidate(&self, login: &Login) {
        self.cache.invalidate(login);
    }

    /// Ends the back-off of `login`: something that it depends on has changed.
    pub fn forgive(&self, login: &Login) {
        self.cache.forgive(login);
    }

    pub(super) const fn env(&self) -> &Environment {
        &self.env
    }

    /// What happened so far.
    #[must_use]
    pub fn stats(&self) -> CacheStats {
        self.cache.stats()
    }

    async fn log_in(&self, login: &Login) -> Result<Leased<Arc<Credentials>>, Error> {
        let mut leased = self.source(login).await?;
        for hop in &login.hops {
            leased = assume_role::assume(&self.http, &self.env, &login.region, &leased.value, hop)
                .await?;
        }
        Ok(leased)
    }

    async fn source(&self, login: &Login) -> Result<Leased<Arc<Credentials>>, Error> {
        let (namespace, name, role, audiences) = match &login.source {
            Source::Operator => return operator(&self.http, &self.env, &login.region).await,
            Source::Keys(keys) => {
                return Ok(Leased {
                    value: keys.credentials(),
                    ttl: None,
                });
            }
            Source::WebIdentity {
                namespace,
                service_account,
                role,
                audiences,
                ..
            } => (namespace, service_account, role, audiences),
        };
        let endpoint = endpoint::sts(&login.region, &self.env)?;
        let subject = self.cluster.token(namespace, name, audiences, None).await?;
        Exchange {
            endpoint: &endpoint,
            region: &login.region,
            role,
            session: SESSION,
            token: &subject.token,
            bearer: &format!("service account {namespace}/{name}"),
        }
        .run(&self.http)
        .await
    }
}

/// One login as the credential source of an AWS SDK. The SDK must not cache besides.
#[derive(Clone, Debug)]
pub struct CachedCredentials {
    logins: Arc<Logins>,
    login: Arc<Login>,
}

impl CachedCredentials {
    /// The credentials of `login` from `logins`.
    #[must_use]
    pub fn new(logins: Arc<Logins>, login: Arc<Login>) -> Self {
        Self { logins, login }
    }

    /// The credentials at hand.
    ///
    /// # Errors
    /// As [`Logins::credentials`].
    pub fn get(&self) -> impl Future<Output = Result<Arc<Credentials>, Error>> + Send + '_ {
        self.logins.credentials(&self.login)
    }

    /// A provider refused the credential `used`.
    pub fn refused(&self, used: &Arc<Credentials>) {
        self.logins.refused(&self.login, used);
    }
}

impl ProvideCredentials for CachedCredentials {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async move {
            self.get()
                .await
                .map(|credentials| credentials.for_sdk())
                .map_err(CredentialsError::provider_error)
        })
    }
}

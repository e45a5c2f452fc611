//! Logging in, once for everybody who asks for the same identity.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use keyless_secret::SecretBytes;
use serde_json::json;

use super::config::{AWS, JWT};
use super::exchange::{Exchange, Presented, SIGNED_LIFE};
use super::metadata::{Fact, Metadata};
use super::{GkeCluster, Login, Pool, Source, Subject, aws4_request, subject};
use crate::{
    AccessToken, Cache, CacheStats, Cluster, Environment, Error, HttpExchange, Leased, Peer,
    Tokens, aws,
};

/// How many identities are kept.
const IDENTITIES: usize = 4096;
/// The life of a token for GKE's pool: it is used once.
const GKE_TOKEN_LIFE: Duration = Duration::from_secs(900);
/// How long what the metadata server says of the cluster is believed.
const FACTS: Duration = Duration::from_secs(3600);

/// Access tokens by [`Login`].
pub struct Logins {
    cluster: Arc<dyn Cluster>,
    http: Arc<dyn HttpExchange>,
    /// The way to places that tenants name.
    guarded: Mutex<Option<Arc<dyn HttpExchange>>>,
    env: Environment,
    aws: Arc<aws::Logins>,
    cache: Cache<Login, Arc<AccessToken>, Error>,
    facts: Cache<Fact, Arc<str>, Error>,
}

impl fmt::Debug for Logins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Logins")
            .field("kept", &self.cache.len())
            .finish_non_exhaustive()
    }
}

impl Logins {
    /// Logins with tokens from `cluster`, over `http`, as `env` says. Identities at AWS come from
    /// `aws`.
    #[must_use]
    pub fn new(
        cluster: Arc<dyn Cluster>,
        http: Arc<dyn HttpExchange>,
        env: Environment,
        aws: Arc<aws::Logins>,
    ) -> Self {
        Self {
            cluster,
            http,
            guarded: Mutex::new(None),
            env,
            aws,
            cache: Cache::new(IDENTITIES),
            facts: Cache::new(8),
        }
    }

    /// Ends the back-off of `login`: something that it depends on has changed.
    pub fn forgive(&self, login: &Login) {
        self.cache.forgive(login);
    }

    /// What happened so far.
    #[must_use]
    pub fn stats(&self) -> CacheStats {
        self.cache.stats()
    }

    /// The project that the operator runs in.
    ///
    /// # Errors
    /// When no metadata server says so.
    pub async fn project(&self) -> Result<String, Error> {
        Ok(self.fact(Fact::Project).await?.to_string())
    }

    /// A token about `login`'s service account for `audience`, signed so that Google's published
    /// keys verify it. What else is in it differs between a service account's own signature and the
    /// metadata server's.
    ///
    /// # Errors
    /// When the login fails, or has no service account.
    pub async fn identity_token(
        &self,
        login: &Login,
        audience: &str,
    ) -> Result<SecretBytes, Error> {
        if let Some(account) = &login.impersonate {
            // The account signs for itself, as Vault's documents set it up.
            let bearer = self.token(login).await?;
            let end = SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .unwrap_or_default()
                + SIGNED_LIFE;
            let claims = json!({"aud": audience, "sub": account.email, "exp": end.as_secs()});
            let exchange = Exchange {
                login,
                http: &self.http,
            };
            return exchange.sign(&account.email, &claims, &bearer).await;
        }
        match &login.source {
            Source::Key(key) => key.token(audience, SIGNED_LIFE),
            Source::Metadata => self.metadata().identity(audience).await,
            Source::Federated { .. } => Err(Error::Config {
                reason: format!(
                    "{} has no Google service account, so that nothing can be signed in its name",
                    login.describe()
                ),
                hint: Some(
                    "Annotate the service account with iam.gke.io/gcp-service-account".into(),
                ),
                code: "",
            }),
        }
    }

    /// The parts of a GKE cluster's name that the store leaves out.
    async fn cluster_of(&self, cluster: &GkeCluster) -> Result<[String; 3], Error> {
        let project = match (&cluster.project, &cluster.fallback) {
            (Some(project), _) => project.clone(),
            (None, Some(fallback)) => match self.fact(Fact::Project).await {
                Ok(project) => project.to_string(),
                Err(_) => fallback.clone(),
            },
            (None, None) => self.fact(Fact::Project).await?.to_string(),
        };
        let location = match &cluster.location {
            Some(location) => location.clone(),
            None => self.fact(Fact::ClusterLocation).await?.to_string(),
        };
        let name = match &cluster.name {
            Some(name) => name.clone(),
            None => self.fact(Fact::ClusterName).await?.to_string(),
        };
        Ok([project, location, name])
    }

    async fn fact(&self, fact: Fact) -> Result<Arc<str>, Error> {
        let ask = || async {
            Ok(Leased {
                value: Arc::from(self.metadata().fact(fact).await?),
                ttl: Some(FACTS),
            })
        };
        self.facts.get(&fact, ask).await
    }

    fn metadata(&self) -> Metadata<'_> {
        Metadata {
            http: &self.http,
            env: &self.env,
        }
    }

    async fn log_in(&self, login: &Login) -> Result<Leased<Arc<AccessToken>>, Error> {
        let exchange = Exchange {
            login,
            http: &self.http,
        };
        let first = match &login.source {
            Source::Metadata => self.metadata().token().await?,
            Source::Key(key) => exchange.key(key).await?,
            Source::Federated { pool, subject } => self.exchange(&exchange, pool, subject).await?,
        };
        match &login.impersonate {
            Some(account) => exchange.impersonate(account, &first.value).await,
            None => Ok(first),
        }
    }

    async fn exchange(
        &self,
        exchange: &Exchange<'_>,
        pool: &Pool,
        subject: &Subject,
    ) -> Result<Leased<Arc<AccessToken>>, Error> {
        let (audience, own) = match pool {
            Pool::Provider(provider) => (provider.to_string(), None),
            Pool::Gke(cluster) => {
                let [project, location, name] = self.cluster_of(cluster).await?;
                let pool = format!("{project}.svc.id.goog");
                let audience = format!(
                    "identitynamespace:{pool}:https://container.googleapis.com/v1/projects/{project}/locations/{location}/clusters/{name}"
                );
                (audience, Some(pool))
            }
        };
        let identity = || exchange.login.describe();
        let (token, kind) = match subject {
            Subject::ServiceAccount {
                namespace,
                name,
                audiences,
                ..
            } => {
                let ttl = own.as_ref().map(|_| GKE_TOKEN_LIFE);
                let mut wanted: Vec<String> = own.clone().into_iter().collect();
                wanted.extend(audiences.iter().cloned());
                let minted = self.cluster.token(namespace, name, &wanted, ttl).await?;
                (minted.token, JWT)
            }
            Subject::File {
                path,
                format,
                kind,
                guarded,
            } => (subject::file(path, format, *guarded).await?, kind.as_str()),
            Subject::Url {
                url,
                headers,
                format,
                kind,
                guarded,
            } => {
                let http = if *guarded {
                    self.guarded()?
                } else {
                    Arc::clone(&self.http)
                };
                let token = subject::url(&http, url, headers, format, &identity()).await?;
                (token, kind.as_str())
            }
            Subject::Aws { login } => {
                (aws4_request::token(&self.aws, login, &audience).await?, AWS)
            }
        };
        exchange
            .federated(&Presented {
                token: &token,
                kind,
                audience: &audience,
                gke: own.is_some(),
                bearer: &subject.describe(),
            })
            .await
    }

    fn guarded(&self) -> Result<Arc<dyn HttpExchange>, Error> {
        let mut guarded = self.guarded.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(open) = guarded.as_ref() {
            return Ok(Arc::clone(open));
        }
        let peer = Peer {
            guarded: true,
            ..Peer::default()
        };
        let opened = self.http.to_peer(&peer).map_err(|source| Error::Http {
            identity: "Google".into(),
            source,
        })?;
        *guarded = Some(Arc::clone(&opened));
        Ok(opened)
    }
}

impl Tokens for Logins {
    type Login = Login;

    async fn token(&self, login: &Login) -> Result<Arc<AccessToken>, Error> {
        // Boxed: rare, and large enough to weigh in every caller's future.
        self.cache.get(login, || Box::pin(self.log_in(login))).await
    }

    fn refused(&self, login: &Login, used: &Arc<AccessToken>) {
        self.cache
            .invalidate_value(login, |kept| Arc::ptr_eq(kept, used));
    }
}

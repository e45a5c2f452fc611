//! Logging in, once for everybody who asks for the same identity.

use std::fmt;
use std::sync::Arc;

use keyless_secret::SecretBytes;

use super::exchange::{Exchange, Proof};
use super::{Login, Source, imds};
use crate::{
    AccessToken, Cache, CacheStats, Cluster, Environment, Error, HttpExchange, Leased, Tokens,
};

/// How many identities are kept.
const IDENTITIES: usize = 4096;

/// Access tokens by [`Login`].
pub struct Logins {
    cluster: Arc<dyn Cluster>,
    http: Arc<dyn HttpExchange>,
    env: Environment,
    cache: Cache<Login, Arc<AccessToken>, Error>,
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

    /// Ends the back-off of `login`: something that it depends on has changed.
    pub fn forgive(&self, login: &Login) {
        self.cache.forgive(login);
    }

    /// What happened so far.
    #[must_use]
    pub fn stats(&self) -> CacheStats {
        self.cache.stats()
    }

    async fn log_in(&self, login: &Login) -> Result<Leased<Arc<AccessToken>>, Error> {
        let exchange = |client, proof, bearer| Exchange {
            cloud: &login.cloud,
            client,
            proof,
            bearer,
        };
        match &login.source {
            Source::Managed { client } => {
                imds::fetch(&self.http, &self.env, login, client.as_deref()).await
            }
            Source::Pod { client, file } => {
                // Read anew each time, since the kubelet replaces it.
                let token = tokio::fs::read(file).await.map_err(|error| Error::Config {
                    reason: format!("cannot read {file:?} (AZURE_FEDERATED_TOKEN_FILE): {error}"),
                    hint: Some(
                        "Mount the projected service account token into the operator".into(),
                    ),
                    code: "K17",
                })?;
                let token = SecretBytes::new(token);
                let bearer = "the token of the operator's pod";
                exchange(client, Proof::Federated(&token), bearer)
                    .run(&self.http)
                    .await
            }
            Source::ServiceAccount {
                client,
                namespace,
                service_account,
                audiences,
                ..
            } => {
                let subject = self
                    .cluster
                    .token(namespace, service_account, audiences, None)
                    .await?;
                let bearer = format!("the token of service account {namespace}/{service_account}");
                exchange(client, Proof::Federated(&subject.token), &bearer)
                    .run(&self.http)
                    .await
            }
            Source::Secret { client, secret } => {
                exchange(client, Proof::Secret(secret.secret()), "its stored secret")
                    .run(&self.http)
                    .await
            }
            Source::Certificate {
                client,
                certificate,
            } => {
                let proof = Proof::Certificate(certificate);
                exchange(client, proof, "its stored certificate")
                    .run(&self.http)
                    .await
            }
        }
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

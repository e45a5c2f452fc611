//! Tokens by login.
//!
//! Owns: minting once for everybody who shows the same identity. Refuses: keeping stored tokens
//! any longer than their login.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use keyless_secret::SecretBytes;

use super::{Login, Source};
use crate::{Cache, CacheStats, Cluster, Error, Leased};

/// How many identities are kept.
const IDENTITIES: usize = 4096;
/// Life of a minted token.
const TOKEN_LIFE: Duration = Duration::from_secs(3600);

/// What is shown as `Authorization`; `None` where the client certificate is enough.
pub type Bearer = Option<Arc<SecretBytes>>;

/// Tokens by [`Login`].
pub struct Logins {
    cluster: Arc<dyn Cluster>,
    cache: Cache<Login, Arc<SecretBytes>, Error>,
}

impl fmt::Debug for Logins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Logins")
            .field("kept", &self.cache.len())
            .finish_non_exhaustive()
    }
}

impl Logins {
    /// Logins with tokens from `cluster`.
    #[must_use]
    pub fn new(cluster: Arc<dyn Cluster>) -> Self {
        Self {
            cluster,
            cache: Cache::new(IDENTITIES),
        }
    }

    /// What `login` shows, kept or new.
    ///
    /// # Errors
    /// When no token could be minted, now or a short time ago.
    pub async fn bearer(&self, login: &Login) -> Result<Bearer, Error> {
        match &login.source {
            Source::Certificate => Ok(None),
            Source::Token(token) => Ok(Some(Arc::new(token.secret().clone()))),
            Source::Account { .. } | Source::Operator => {
                let token = self.cache.get(login, || Box::pin(self.mint(login)));
                token.await.map(Some)
            }
        }
    }

    /// Forgets the token of `login`, if it is still `used`: the server refused it. True if there
    /// may be a better one.
    pub fn refused(&self, login: &Login, used: &Bearer) -> bool {
        let Some(used) = used else { return false };
        self.cache
            .invalidate_value(login, |kept| Arc::ptr_eq(kept, used));
        matches!(login.source, Source::Account { .. } | Source::Operator)
    }

    /// Ends the back-off of `login`.
    pub fn forgive(&self, login: &Login) {
        self.cache.forgive(login);
    }

    /// What happened so far.
    #[must_use]
    pub fn stats(&self) -> CacheStats {
        self.cache.stats()
    }

    async fn mint(&self, login: &Login) -> Result<Leased<Arc<SecretBytes>>, Error> {
        let token = match &login.source {
            Source::Account {
                namespace,
                name,
                audiences,
                ..
            } => {
                let minted = self
                    .cluster
                    .token(namespace, name, audiences, Some(TOKEN_LIFE));
                minted.await?
            }
            _ => self.cluster.own_token().await?,
        };
        let left = token.expires.duration_since(SystemTime::now());
        Ok(Leased {
            value: Arc::new(token.token),
            ttl: Some(left.unwrap_or_default()),
        })
    }
}

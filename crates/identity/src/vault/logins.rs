//! Logging in, once for everybody who asks for the same identity.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use keyless_fault::{Class, Fault};

use super::exchange::Exchange;
use super::session::Session;
use super::wire::Wire;
use super::{Login, Method, Product, Server};
use crate::{Cache, CacheStats, Cluster, Error, HttpExchange, Leased, Peer, aws, gcp};

/// How many identities are kept.
const IDENTITIES: usize = 4096;
/// How many ways out with their own authorities or certificate are kept open.
const PEERS: usize = 256;
/// Younger sessions are not given up for a refusal that may as well be about permission.
const YOUNG: Duration = Duration::from_secs(60);
/// Younger sessions are not given up even if the server says that it does not know them.
const NEW: Duration = Duration::from_secs(5);
/// A renewed life shorter than this part of the first one means that the end is near: a new
/// login then costs no more than the next renewals.
const SHORT: u32 = 2;
/// How often one caller logs in because a session has no use left.
const SPENT: usize = 8;

/// Is told of calls that are not the caller's own: logins, renewals, revocations.
#[derive(Clone)]
pub struct Observer(Arc<Told>);

type Told = dyn Fn(Product, &'static str, &'static str) + Send + Sync;

impl Observer {
    /// Tells `f` whose call it was, its name and `success` or the class of its failure.
    #[must_use]
    pub fn new(f: impl Fn(Product, &'static str, &'static str) + Send + Sync + 'static) -> Self {
        Self(Arc::new(f))
    }

    pub(super) fn called(&self, product: Product, call: &'static str, outcome: &'static str) {
        (self.0)(product, call, outcome);
    }
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Observer")
    }
}

/// Sessions by [`Login`].
pub struct Logins {
    cluster: Arc<dyn Cluster>,
    http: Arc<dyn HttpExchange>,
    aws: Arc<aws::Logins>,
    gcp: Arc<gcp::Logins>,
    cache: Cache<Login, Arc<Session>, Error>,
    peers: Mutex<HashMap<Peer, Arc<dyn HttpExchange>>>,
    observer: Observer,
}

impl fmt::Debug for Logins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Logins")
            .field("kept", &self.cache.len())
            .finish_non_exhaustive()
    }
}

impl Logins {
    /// Logins with tokens from `cluster`, over `http`; `observer` is told of every call.
    #[must_use]
    pub fn new(
        cluster: Arc<dyn Cluster>,
        http: Arc<dyn HttpExchange>,
        aws: Arc<aws::Logins>,
        gcp: Arc<gcp::Logins>,
        observer: Observer,
    ) -> Self {
        Self {
            cluster,
            http,
            aws,
            gcp,
            cache: Cache::new(IDENTITIES),
            peers: Mutex::new(HashMap::new()),
            observer,
        }
    }

    /// The session of `login`, kept or new, with one use of it taken.
    ///
    /// # Errors
    /// When a login fails, or failed a short time ago.
    pub async fn session(&self, login: &Login) -> Result<Arc<Session>, Error> {
        for _ in 0..SPENT {
            // Boxed: rare, and large enough to weigh in every caller's future.
            let session = self
                .cache
                .get(login, || Box::pin(self.log_in(login)))
                .await?;
            if session.take() {
                return Ok(session);
            }
            self.drop_session(login, &session);
        }
        Err(Error::Config {
            reason: format!(
                "{}: its tokens have too few uses for the calls that are made at once",
                login.describe()
            ),
            hint: Some("Raise token_num_uses of the role, or set it to 0".into()),
            code: "",
        })
    }

    /// The server refused `used`. True if another session may help: then `used` is given up, and
    /// the next [`Logins::session`] logs in. `unknown` says that the refusal was of the token
    /// itself and not of what was done with it.
    #[must_use]
    pub fn refused(&self, login: &Login, used: &Arc<Session>, unknown: bool) -> bool {
        let old_enough = match (unknown, used.is_suspect()) {
            (true, _) => used.age() >= NEW || used.is_suspect(),
            (false, true) => true,
            (false, false) => used.age() >= YOUNG,
        };
        if used.stored() || !old_enough {
            return false;
        }
        self.drop_session(login, used);
        true
    }

    /// Ends the session of `login`; it is revoked as soon as the last call with it has ended.
    pub fn end(&self, login: &Login) {
        drop(self.cache.invalidate_if(|key| key == login));
    }

    /// Something that `login` depends on has changed: its back-off ends, and its session is
    /// given up at the next refusal.
    pub fn forgive(&self, login: &Login) {
        self.cache.forgive(login);
        match &login.method {
            Method::Iam { login, .. } => self.aws.forgive(login),
            Method::Gcp { login, .. } => self.gcp.forgive(login),
            _ => {}
        }
        if let Some(session) = self.cache.kept(login) {
            session.suspect();
        }
    }

    /// Revokes every session, for as long as `patience` lasts. For the end of the process.
    pub async fn close(&self, patience: Duration) {
        let sessions = self.cache.invalidate_if(|_| true);
        let endings = sessions.iter().map(|session| session.end());
        let all = futures::future::join_all(endings);
        if tokio::time::timeout(patience, all).await.is_err() {
            tracing::warn!("not every token could be revoked in time; they end with their life");
        }
    }

    /// What happened so far.
    #[must_use]
    pub fn stats(&self) -> CacheStats {
        self.cache.stats()
    }

    fn drop_session(&self, login: &Login, used: &Arc<Session>) {
        self.cache
            .invalidate_value(login, |kept| Arc::ptr_eq(kept, used));
    }

    async fn log_in(&self, login: &Login) -> Result<Leased<Arc<Session>>, Error> {
        let wire = Wire {
            server: Arc::new(login.server.clone()),
            http: self.way_to(login)?,
        };
        let exchange = Exchange {
            login,
            wire: &wire,
            cluster: self.cluster.as_ref(),
            aws: &self.aws,
            gcp: &self.gcp,
        };
        if let Some(kept) = self.cache.kept(login).filter(|kept| kept.renewable()) {
            let renewed = exchange.renewed(kept.renew().await);
            self.count(login.server.product, "RenewSelf", &renewed);
            match renewed {
                Ok(ttl) if kept.ttl().is_none_or(|first| ttl >= first / SHORT) => {
                    return Ok(Leased {
                        value: kept,
                        ttl: Some(ttl),
                    });
                }
                // The server is in trouble: a login would be no better off.
                Err(error) if matches!(error.class(), Class::Unavailable | Class::Throttled) => {
                    return Err(error);
                }
                // It has reached its longest life, or has ended: a new one.
                Ok(_) | Err(_) => {}
            }
        }
        let granted = exchange.run().await;
        if !matches!(login.method, Method::Token(_)) {
            self.count(login.server.product, "Login", &granted);
        }
        let granted = granted?;
        let ttl = granted.ttl;
        let namespace = login.namespace.clone();
        Ok(Leased {
            value: Session::new(wire, namespace, granted, self.observer.clone()),
            ttl,
        })
    }

    fn count<T>(&self, product: Product, call: &'static str, outcome: &Result<T, Error>) {
        let outcome = match outcome {
            Ok(_) => "success",
            Err(error) => error.class().as_str(),
        };
        self.observer.called(product, call, outcome);
    }

    /// The way out to the server of `login`.
    fn way_to(&self, login: &Login) -> Result<Arc<dyn HttpExchange>, Error> {
        let Server { peer, .. } = &login.server;
        if *peer == Peer::default() {
            return Ok(Arc::clone(&self.http));
        }
        let mut peers = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = peers.get(peer) {
            return Ok(Arc::clone(known));
        }
        let opened = self.http.to_peer(peer).map_err(|error| Error::Config {
            reason: format!("cannot prepare calls to {}: {error}", login.server.url()),
            hint: Some("Correct caBundle, caProvider and the client certificate".into()),
            code: "",
        })?;
        if peers.len() >= PEERS {
            // Sessions hold on to theirs; only new logins open one again.
            peers.clear();
        }
        peers.insert(peer.clone(), Arc::clone(&opened));
        Ok(opened)
    }
}

/// One login as the data plane holds it.
#[derive(Clone, Debug)]
pub struct CachedSession {
    logins: Arc<Logins>,
    login: Arc<Login>,
}

impl CachedSession {
    /// The sessions of `login` from `logins`.
    #[must_use]
    pub const fn new(logins: Arc<Logins>, login: Arc<Login>) -> Self {
        Self { logins, login }
    }

    /// The session at hand, with one use of it taken.
    ///
    /// # Errors
    /// As [`Logins::session`].
    pub async fn get(&self) -> Result<Arc<Session>, Error> {
        self.logins.session(&self.login).await
    }

    /// As [`Logins::refused`].
    #[must_use]
    pub fn refused(&self, used: &Arc<Session>, unknown: bool) -> bool {
        self.logins.refused(&self.login, used, unknown)
    }

    /// The identity behind it.
    #[must_use]
    pub fn login(&self) -> &Login {
        &self.login
    }
}

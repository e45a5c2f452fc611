//! The in-process Kubernetes API server: one store, one router, on request one loopback listener.
//!
//! Owns: starting and stopping, users and kubeconfigs. The parts: `server` (HTTP), `store`
//! (objects and watches), `resource` (what is served), `kinds` (built-in kinds), `house`
//! (namespaces and garbage collection), `admission` (webhooks), and the pure modules beside them.
//! Refuses: scheduling, nodes, and anything that runs containers.

mod access;
mod admission;
pub mod cel;
mod fields;
mod house;
pub mod json_patch;
mod kinds;
pub mod managed_fields;
mod metadata;
mod names;
mod object;
pub mod openapi;
pub mod protobuf;
pub mod rbac;
mod resource;
pub mod schema;
mod selector;
mod server;
mod status;
mod store;
pub mod strategic;
pub mod table;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use axum::Router;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use self::server::{App, Snapshots, Trust};
use self::store::Store;
use crate::clock::Clock;
use crate::issuer::{Issuer, Mint};
use crate::tls::{self, Serving, Tls};

/// Events that each resource remembers, unless told otherwise.
const RING: usize = 20_000;

/// Why a server could not be started or asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The folder with the objects could not be used.
    #[error("could not open the sandbox's folder {path}")]
    Folder {
        /// The folder.
        path: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The listener could not be opened.
    #[error("could not serve the Kubernetes API")]
    Listen(#[from] tls::Error),
    /// A token could not be made.
    #[error("could not make a token for {user}")]
    Token {
        /// Whose.
        user: String,
    },
}

/// How a server is set up.
#[derive(Debug)]
pub struct Options {
    /// What stamps and judges times.
    pub clock: Clock,
    /// Who signs service account tokens.
    pub issuer: Issuer,
    /// Certificates for the listener.
    pub tls: Tls,
    /// Folder in which objects are kept; without it they end with the server.
    pub data: Option<PathBuf>,
    /// Loopback port: 0 lets the system choose, `None` opens no listener.
    pub port: Option<u16>,
    /// Audiences of tokens for this server.
    pub audiences: Vec<String>,
    /// Events that each resource remembers; watches from before are answered 410.
    pub ring: usize,
}

impl Options {
    /// The usual: nothing kept, a listener at any port.
    #[must_use]
    pub fn new(clock: Clock, issuer: Issuer, tls: Tls) -> Self {
        let audiences = vec!["https://kubernetes.default.svc.cluster.local".to_owned()];
        Self {
            clock,
            issuer,
            tls,
            data: None,
            port: Some(0),
            audiences,
            ring: RING,
        }
    }
}

/// A running API server. Dropping it ends it.
pub struct Server {
    app: Arc<App>,
    serving: Option<Serving>,
    housekeeper: tokio::task::JoinHandle<()>,
    admin_token: String,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server")
            .field("url", &self.url())
            .finish_non_exhaustive()
    }
}

impl Server {
    /// Starts a server; needs a Tokio runtime.
    ///
    /// # Errors
    /// When the folder or the port cannot be used.
    pub async fn start(options: Options) -> Result<Self, Error> {
        let store = match &options.data {
            Some(folder) => Store::open(folder, options.ring).map_err(|source| Error::Folder {
                path: folder.display().to_string(),
                source,
            })?,
            None => Store::new(options.ring),
        };
        let admin_token = admin_token(options.data.as_deref())?;
        let app = Arc::new(App {
            store,
            registry: resource::Registry::default(),
            clock: options.clock,
            issuer: options.issuer,
            audiences: options.audiences,
            tokens: RwLock::new(HashMap::from([(admin_token.clone(), server::admin())])),
            ca_pem: options.tls.ca_pem().to_owned(),
            snapshots: Snapshots::default(),
            pending: Mutex::default(),
            chores: Arc::default(),
            stopped: tokio::sync::watch::Sender::new(false),
            access: access::Access::default(),
            webhooks: admission::Webhooks::default(),
        });
        house::found(&app);
        house::refresh(&app);
        house::take_stock(&app);
        let housekeeper = tokio::spawn(house::keep(Arc::downgrade(&app)));
        let serving = match options.port {
            Some(port) => Some(
                options
                    .tls
                    .serve(Tls::listen(port).await?, router(&app, Trust::Network)),
            ),
            None => None,
        };
        Ok(Self {
            app,
            serving,
            housekeeper,
            admin_token,
        })
    }

    /// The server as a Tower service. Requests without credentials are the administrator's.
    pub fn router(&self) -> Router {
        router(&self.app, Trust::InProcess)
    }

    /// Where the listener is: `https://127.0.0.1:<port>`; empty without one.
    #[must_use]
    pub fn url(&self) -> String {
        self.serving
            .as_ref()
            .map(|s| format!("https://{}", s.address()))
            .unwrap_or_default()
    }

    /// The authority's certificate.
    #[must_use]
    pub fn ca_pem(&self) -> &str {
        &self.app.ca_pem
    }

    /// The administrator's bearer token.
    #[must_use]
    pub fn admin_token(&self) -> &str {
        &self.admin_token
    }

    /// Lets `token` be the credential of a user in `groups`.
    pub fn add_user(&self, name: &str, groups: &[&str], token: &str) {
        let mut all: Vec<String> = groups.iter().map(|&g| g.to_owned()).collect();
        all.push(rbac::AUTHENTICATED.to_owned());
        let user = rbac::User {
            name: name.to_owned(),
            groups: all,
            ..rbac::User::default()
        };
        self.app
            .tokens
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(token.to_owned(), user);
    }

    /// A kubeconfig for `admin`, for a user that was added, or for
    /// `system:serviceaccount:<namespace>:<name>`, whose token then lives a day.
    ///
    /// # Errors
    /// When there is no such user or account.
    pub fn kubeconfig(&self, user: &str) -> Result<String, Error> {
        let token = self.token(user).ok_or_else(|| Error::Token {
            user: user.to_owned(),
        })?;
        let (ca, url) = (STANDARD.encode(self.ca_pem()), self.url());
        Ok(format!(
            "apiVersion: v1\nkind: Config\nclusters:\n- name: keyless\n  cluster:\n    server: {url}\n    certificate-authority-data: {ca}\n\
             users:\n- name: \"{user}\"\n  user:\n    token: {token}\n\
             contexts:\n- name: keyless\n  context:\n    cluster: keyless\n    user: \"{user}\"\n    namespace: default\ncurrent-context: keyless\n"
        ))
    }

    fn token(&self, user: &str) -> Option<String> {
        if user == "admin" {
            return Some(self.admin_token.clone());
        }
        let Some((namespace, name)) = user
            .strip_prefix("system:serviceaccount:")
            .and_then(|r| r.split_once(':'))
        else {
            let tokens = self
                .app
                .tokens
                .read()
                .unwrap_or_else(PoisonError::into_inner);
            return tokens
                .iter()
                .find(|(_, u)| u.name == user)
                .map(|(t, _)| t.clone());
        };
        let account =
            self.app
                .store
                .get(&store::Bucket::new("", "serviceaccounts"), namespace, name)?;
        let ttl = std::time::Duration::from_secs(24 * 3600);
        let what = Mint {
            namespace,
            service_account: name,
            uid: account.uid(),
            audiences: &self.app.audiences,
            ttl,
            pod: None,
            secret: None,
        };
        self.app.issuer.mint(what).ok().map(|(token, _)| token)
    }

    /// The uid of a service account, if it exists.
    #[must_use]
    pub fn service_account_uid(&self, namespace: &str, name: &str) -> Option<String> {
        let account =
            self.app
                .store
                .get(&store::Bucket::new("", "serviceaccounts"), namespace, name)?;
        Some(account.uid().to_owned())
    }

    /// The audience of tokens for this server.
    #[must_use]
    pub fn audience(&self) -> &str {
        self.app.audiences.first().map_or("", String::as_str)
    }

    /// Forgets past events: watches from before are answered 410 Gone, as after a compaction.
    pub fn compact(&self) {
        self.app.store.compact();
    }

    /// Ends watches, the listener and the housekeeper.
    pub async fn stop(mut self) {
        let _ = self.app.stopped.send(true);
        self.app.chores.notify_one();
        if let Some(serving) = self.serving.take() {
            serving.stop().await;
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.app.stopped.send(true);
        self.housekeeper.abort();
    }
}

fn router(app: &Arc<App>, trust: Trust) -> Router {
    let app = Arc::clone(app);
    Router::new().fallback(move |request| server::handle(Arc::clone(&app), trust, request))
}

/// The administrator's token; kept with the data, so that a kubeconfig stays valid.
fn admin_token(data: Option<&std::path::Path>) -> Result<String, Error> {
    let Some(folder) = data else { return Ok(uid()) };
    let file = folder.join("admin.token");
    if let Ok(kept) = std::fs::read_to_string(&file) {
        return Ok(kept.trim().to_owned());
    }
    let token = uid();
    tls::private_file(&file, token.as_bytes()).map_err(|source| Error::Folder {
        path: folder.display().to_string(),
        source,
    })?;
    Ok(token)
}

/// A random (version 4) UUID, as objects' uids and tokens' ids are.
pub(crate) fn uid() -> String {
    let random: u128 = rand::random();
    let bits = random & !(0xf << 76) & !(0x3 << 62) | (0x4 << 76) | (0x2 << 62);
    let hex = format!("{bits:032x}");
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    [
        part(0, 8),
        part(8, 12),
        part(12, 16),
        part(16, 20),
        part(20, 32),
    ]
    .join("-")
}

//! The cluster's issuer: signing keys, minted tokens, and the two documents over HTTPS.
//!
//! Owns: several RSA keys of which one signs, the exact shape of a projected service account
//! token, the discovery document and the key set, and switches that make their delivery fail on
//! purpose. Refuses: deciding who may ask for a token.

mod documents;
mod key;
#[cfg(test)]
mod tests;
mod token;

use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

pub use documents::{Faults, Requests};
pub use key::SigningKey;
pub use token::{Bound, Claims, Invalid, Mint};

use crate::clock::Clock;
use crate::tls::{self, Serving, Tls};

/// Why an issuer could not be started or asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A signing key could not be made or read.
    #[error("could not make a signing key for the issuer: {0}")]
    Key(&'static str),
    /// Signing failed.
    #[error("could not sign a token")]
    Sign,
    /// The listener could not be opened.
    #[error("could not serve the issuer's documents")]
    Serve(#[from] tls::Error),
    /// The key folder could not be used.
    #[error("could not keep the issuer's keys in {path}")]
    Folder {
        /// The file concerned.
        path: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
}

/// The issuer of one cluster. Clones share keys, faults and counters.
#[derive(Clone)]
pub struct Issuer(Arc<Inner>);

struct Inner {
    url: String,
    clock: Clock,
    /// Published keys, the signing one first.
    keys: RwLock<Vec<Arc<SigningKey>>>,
    faults: documents::Switches,
    serving: std::sync::Mutex<Option<Serving>>,
}

impl std::fmt::Debug for Issuer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Issuer")
            .field("url", &self.0.url)
            .finish_non_exhaustive()
    }
}

impl Issuer {
    /// An issuer named `url`, byte for byte, that signs with the first of `keys` and publishes all.
    #[must_use]
    pub fn new(url: impl Into<String>, clock: Clock, keys: Vec<SigningKey>) -> Self {
        Self(Arc::new(Inner {
            url: url.into(),
            clock,
            keys: RwLock::new(keys.into_iter().map(Arc::new).collect()),
            faults: documents::Switches::default(),
            serving: std::sync::Mutex::new(None),
        }))
    }

    /// Makes a key, opens a loopback listener and serves both documents at
    /// `https://localhost:<port>`; port 0 lets the system choose. With `folder`, the key is kept
    /// there over restarts.
    ///
    /// # Errors
    /// When the key cannot be made or the port is taken.
    pub async fn start(
        tls: &Tls,
        clock: Clock,
        port: u16,
        folder: Option<&Path>,
    ) -> Result<Self, Error> {
        let file = folder.map(|f| f.join("issuer.key"));
        let made = tokio::task::spawn_blocking(move || {
            file.map_or_else(SigningKey::generate, |f| SigningKey::kept_in(&f))
        });
        let listener = Tls::listen(port).await?;
        let port = listener.local_addr().map_or(port, |a| a.port());
        let key = made
            .await
            .map_err(|_| Error::Key("generation was interrupted"))??;
        let issuer = Self::new(format!("https://localhost:{port}"), clock, vec![key]);
        let serving = tls.serve(listener, issuer.router());
        *issuer
            .0
            .serving
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(serving);
        Ok(issuer)
    }

    /// The issuer's identifier, as it stands in `iss` and in the discovery document.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.0.url
    }

    /// The clock that stamps and judges tokens.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// Ends the listener; tokens can still be minted and verified.
    pub async fn stop(&self) {
        let serving = self
            .0
            .serving
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(serving) = serving {
            serving.stop().await;
        }
    }

    /// The published keys, the signing one first.
    #[must_use]
    pub fn keys(&self) -> Vec<Arc<SigningKey>> {
        self.0
            .keys
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Publishes a further key without signing with it: the first step of a rotation.
    pub fn announce(&self, key: SigningKey) -> String {
        let kid = key.kid().to_owned();
        self.0
            .keys
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .push(Arc::new(key));
        kid
    }

    /// Signs with the published key `kid` from now on. False when no such key is published.
    #[must_use]
    pub fn activate(&self, kid: &str) -> bool {
        let mut keys = self.0.keys.write().unwrap_or_else(PoisonError::into_inner);
        match keys.iter().position(|k| k.kid() == kid) {
            Some(at) => {
                let key = keys.remove(at);
                keys.insert(0, key);
                true
            }
            None => false,
        }
    }

    /// Stops publishing `kid`. The signing key and the last key are never withdrawn: false then.
    #[must_use]
    pub fn retire(&self, kid: &str) -> bool {
        let mut keys = self.0.keys.write().unwrap_or_else(PoisonError::into_inner);
        match keys.iter().position(|k| k.kid() == kid) {
            Some(at) if at > 0 => {
                keys.remove(at);
                true
            }
            _ => false,
        }
    }

    /// Makes a key, publishes it and signs with it; the old one stays published. Returns its kid.
    ///
    /// # Errors
    /// When the key cannot be made.
    pub fn rotate(&self) -> Result<String, Error> {
        let kid = self.announce(SigningKey::generate()?);
        let _ = self.activate(&kid);
        Ok(kid)
    }
}

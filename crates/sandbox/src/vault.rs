//! The emulated Vault: auth methods that really verify, policies that are really evaluated, and
//! both versions of the key-value engine.
//!
//! Owns: one loopback endpoint that speaks Vault's HTTP API, set up through that very API.
//! Refuses: keeping anything on disk, and being kinder than Vault: what Vault refuses is refused
//! here with Vault's status and words.
//!
//! An auth method is one file in `auth`, an engine one file here; `dispatch` finds them.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::clock::Clock;
use crate::federation::issuers::Issuers;

mod admin;
mod auth;
mod dispatch;
pub mod faults;
mod kv1;
mod kv2;
mod policy;
mod protocol;
mod state;
mod sys;
mod token;

pub use admin::AdminError;

/// How an emulated Vault is set up.
#[derive(Clone, Debug)]
pub struct VaultOptions {
    /// Judges tokens and leases.
    pub clock: Clock,
    /// PEM of the certificate authorities that stand for those of the system; used where a
    /// method's configuration names none of its own.
    pub roots: String,
    /// The token that may do everything.
    pub root_token: String,
    /// Addresses for host names that no name server knows, such as an issuer's.
    pub hosts: BTreeMap<String, SocketAddr>,
}

impl Default for VaultOptions {
    fn default() -> Self {
        Self {
            clock: Clock::default(),
            roots: String::new(),
            root_token: "hvs.root".to_owned(),
            hosts: BTreeMap::new(),
        }
    }
}

/// A running Vault. Clones share everything.
#[derive(Clone, Debug)]
pub struct Vault(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    options: VaultOptions,
    state: Mutex<state::State>,
    /// The way to issuers, by the authorities that it trusts.
    issuers: Mutex<HashMap<String, Arc<Issuers>>>,
}

impl Vault {
    /// A Vault as it is after its start in development mode: unsealed, a key-value engine of
    /// version 2 at `secret`, no auth method but tokens.
    #[must_use]
    pub fn new(options: VaultOptions) -> Self {
        let state = state::State::new(&options.root_token);
        Self(Arc::new(Inner {
            options,
            state: Mutex::new(state),
            issuers: Mutex::default(),
        }))
    }

    /// The API below `/v1/`, and `/_sandbox/faults`.
    pub fn router(&self) -> axum::Router {
        dispatch::router(self.clone())
    }

    /// The token that may do everything.
    #[must_use]
    pub fn root_token(&self) -> &str {
        &self.0.options.root_token
    }

    fn now(&self) -> i64 {
        self.0.options.clock.unix()
    }

    /// A panic while the lock was held leaves whole records behind, so the state stays usable.
    fn state(&self) -> MutexGuard<'_, state::State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The way to issuers that trusts `authorities` (PEM), or the system's if there are none.
    fn issuers(&self, authorities: &str) -> Arc<Issuers> {
        let roots = match authorities.trim() {
            "" => self.0.options.roots.as_str(),
            own => own,
        };
        let mut issuers = self
            .0
            .issuers
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let known = issuers
            .entry(roots.to_owned())
            .or_insert_with(|| Arc::new(Issuers::new(roots, &self.0.options.hosts)));
        Arc::clone(known)
    }
}

#[cfg(test)]
mod tests;

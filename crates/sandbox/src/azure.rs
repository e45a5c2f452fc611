//! The emulated Azure: Entra's token endpoint, the node's metadata service, Key Vault, and of the
//! Resource Manager what gives identities trust and permissions.
//!
//! Owns: one TLS endpoint under the clouds' own host names, real verification of client assertions
//! against the issuers' published documents, tokens that the vaults really verify.
//! Refuses: keeping anything on disk, and being kinder than Azure: what Azure refuses is refused
//! here with its code, status and text. Two things differ and are said where they are: a vault
//! that does not exist has no DNS name in Azure, here it answers; and nothing takes minutes to
//! spread.
//!
//! A service is one file beside this one; `dispatch` is the only place that knows them all.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::clock::Clock;
use crate::federation::issuers::Issuers;
use crate::issuer::{self, SigningKey};

mod admin;
mod administrator;
mod answer;
mod arm;
mod dispatch;
mod entra;
pub mod faults;
mod graph;
mod guards;
mod imds;
mod roles;
mod state;
mod token;
mod vault;

pub use admin::{AdminError, Identity};
pub use administrator::Administrator;
pub use state::Calls;
pub use vault::{Access, Secret};

/// How an emulated Azure is set up.
#[derive(Clone, Debug)]
pub struct AzureOptions {
    /// Judges tokens and assertions.
    pub clock: Clock,
    /// PEM of the certificate authorities under which issuers serve their documents; stands for
    /// the public authorities that Entra trusts. No other root is trusted.
    pub roots: String,
    /// The one tenant, a GUID.
    pub tenant: String,
    /// The one subscription, a GUID.
    pub subscription: String,
    /// The vault that answers under host names that name none, such as `localhost`.
    pub vault: String,
    /// Addresses for host names that no name server knows, such as an issuer's.
    pub hosts: BTreeMap<String, SocketAddr>,
}

impl Default for AzureOptions {
    fn default() -> Self {
        Self {
            clock: Clock::default(),
            roots: String::new(),
            tenant: "72f988bf-0000-4000-8000-2d7cd011db47".to_owned(),
            subscription: "5a4d8b1e-0000-4000-8000-9c3f2e7d6a10".to_owned(),
            vault: "my-keyvault".to_owned(),
            hosts: BTreeMap::new(),
        }
    }
}

/// The host names that the one endpoint answers for: a certificate needs them, and whoever calls
/// must resolve them to it.
pub const HOSTS: [&str; 4] = [
    "login.microsoftonline.com",
    "*.vault.azure.net",
    "management.azure.com",
    "graph.microsoft.com",
];

/// The resource group that is there from the beginning.
pub const GROUP: &str = "sandbox";
/// Where it is, and everything that is made without the Resource Manager.
pub const LOCATION: &str = "germanywestcentral";

/// A running Azure. Clones share everything.
#[derive(Clone, Debug)]
pub struct Azure(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    options: AzureOptions,
    issuers: Issuers,
    /// Entra's.
    key: SigningKey,
    /// Seconds by which Entra judges assertions ahead of the clock.
    skew: AtomicI64,
    administrator: Administrator,
    state: Mutex<state::State>,
}

impl Azure {
    /// An Azure with nothing in it but an administrator, the resource group [`GROUP`], and an
    /// empty vault of the options' name. Takes 50 to 500 ms of
    /// CPU for Entra's key.
    ///
    /// # Errors
    /// When the key cannot be made.
    pub fn new(options: AzureOptions) -> Result<Self, issuer::Error> {
        let issuers = Issuers::new(&options.roots, &options.hosts);
        let azure = Self(Arc::new(Inner {
            issuers,
            key: SigningKey::generate()?,
            skew: AtomicI64::new(0),
            administrator: Administrator::new(),
            state: Mutex::default(),
            options,
        }));
        let vault = azure.0.options.vault.clone();
        azure.furnish();
        azure.create_vault(&vault, Access::Policies);
        Ok(azure)
    }

    /// Entra, the Resource Manager and the vaults, told apart by host name and path; to be served over TLS.
    pub fn router(&self) -> axum::Router {
        dispatch::router(self.clone())
    }

    /// The metadata service of a node, to be served in the clear.
    pub fn metadata_router(&self) -> axum::Router {
        imds::router(self.clone())
    }

    /// The tenant.
    #[must_use]
    pub fn tenant(&self) -> &str {
        &self.0.options.tenant
    }

    /// The subscription.
    #[must_use]
    pub fn subscription(&self) -> &str {
        &self.0.options.subscription
    }

    /// Who owns the subscription, for `az login --service-principal`.
    #[must_use]
    pub fn administrator(&self) -> &Administrator {
        &self.0.administrator
    }

    /// The vault that answers under `localhost`.
    #[must_use]
    pub fn default_vault(&self) -> &str {
        &self.0.options.vault
    }

    /// Makes Entra judge assertions by a clock that is ahead by `seconds`.
    pub fn skew_entra(&self, seconds: i64) {
        self.0.skew.store(seconds, Ordering::Relaxed);
    }

    fn now(&self) -> i64 {
        self.0.options.clock.unix()
    }

    /// A panic while the lock was held leaves whole records behind, so the state stays usable.
    fn state(&self) -> MutexGuard<'_, state::State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;

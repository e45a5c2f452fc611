//! The server's certificate: made and rotated by itself, or taken from files.
//!
//! Owns: what of it is served at the moment, and where it comes from.
//! Refuses: deciding when it is time for what ([`plan`]) beside doing it ([`keeper`]).

pub mod files;
pub mod keeper;
pub mod material;
pub mod plan;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwapOption;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::sync::watch as signal;

/// What a certificate could not be made of, or made for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// Certificate and key cannot be served.
    #[error("cannot use the certificate in {place}: {reason}")]
    Unusable {
        /// Where they were found.
        place: String,
        /// What is wrong with them.
        reason: String,
    },
    /// A new one could not be made.
    #[error("cannot make a certificate: {reason}")]
    Make {
        /// Why.
        reason: String,
    },
}

impl CertificateError {
    fn make(error: &dyn std::error::Error) -> Self {
        Self::Make {
            reason: error.to_string(),
        }
    }
}

/// The certificate that new connections get.
#[derive(Debug, Default)]
pub struct Served {
    current: ArcSwapOption<CertifiedKey>,
    expires: AtomicU64,
    loads: AtomicU64,
    changes: signal::Sender<u64>,
}

impl Served {
    /// From now on `certificate`, which ends at this moment (seconds since the Unix epoch).
    pub fn set(&self, certificate: CertifiedKey, expires: i64) {
        let same = self
            .current
            .load()
            .as_ref()
            .is_some_and(|now| now.cert == certificate.cert);
        self.current.store(Some(Arc::new(certificate)));
        let expires = u64::try_from(expires).unwrap_or_default();
        self.expires.store(expires, Ordering::Relaxed);
        if !same {
            let loads = self.loads.fetch_add(1, Ordering::Relaxed) + 1;
            self.changes.send_replace(loads);
        }
    }

    /// Whether there is one.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.current.load().is_some()
    }

    /// Tells of each change.
    #[must_use]
    pub fn changes(&self) -> signal::Receiver<u64> {
        self.changes.subscribe()
    }

    /// When it ends, in seconds since the Unix epoch; 0 if there is none.
    #[must_use]
    pub fn expires(&self) -> u64 {
        self.expires.load(Ordering::Relaxed)
    }

    /// How many different ones were served.
    #[must_use]
    pub fn loads(&self) -> u64 {
        self.loads.load(Ordering::Relaxed)
    }
}

impl ResolvesServerCert for Served {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.current.load_full()
    }
}

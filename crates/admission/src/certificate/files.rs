//! A certificate in files, which somebody else keeps: cert-manager, a mounted Secret, a person.
//!
//! Owns: reading them again and again, so that a new one is served without a restart; one that
//! is unusable leaves the last good one in place. Refuses: making any.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::{CertificateError, Served, material};

/// How often the files are read: kubelets take up to a minute to bring a new one anyway.
const EVERY: Duration = Duration::from_secs(10);

/// Certificate and key in PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    /// The certificate, and those between it and its authority.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

impl Files {
    /// Serves what the files hold now.
    ///
    /// # Errors
    /// They cannot be read, or hold nothing that can be served.
    pub async fn load(&self, served: &Served) -> Result<(), CertificateError> {
        let unusable = |place: &PathBuf, error: std::io::Error| CertificateError::Unusable {
            place: place.display().to_string(),
            reason: error.to_string(),
        };
        let certificate = tokio::fs::read(&self.certificate).await;
        let certificate = certificate.map_err(|error| unusable(&self.certificate, error))?;
        let key = tokio::fs::read(&self.key).await;
        let key = key.map_err(|error| unusable(&self.key, error))?;
        let place = self.certificate.display().to_string();
        let (certified, expires) = material::serve(&certificate, &key, &place)?;
        served.set(certified, expires);
        Ok(())
    }

    /// Serves what they hold, as it changes, until dropped.
    pub async fn run(self, served: Arc<Served>) {
        let mut told = None;
        loop {
            match self.load(&served).await {
                Ok(()) => told = None,
                // Once for each reason: it may last.
                Err(error) if told.as_ref() != Some(&error) => {
                    tracing::warn!(%error, "the last good certificate stays in use, if there was one");
                    told = Some(error);
                }
                Err(_) => {}
            }
            tokio::time::sleep(EVERY).await;
        }
    }
}

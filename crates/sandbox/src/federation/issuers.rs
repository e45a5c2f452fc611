//! The way from an issuer's URL to its keys, as a cloud goes it: discovery document, then key set,
//! both over HTTPS from outside.
//!
//! Owns: the fetch (no redirects, five seconds, bounded size, the given roots only), the fields
//! AWS requires, and the cache: a known key is kept for an hour, an unknown one makes it look
//! again. Refuses: plain HTTP, and thumbprints: the given roots play the public authorities.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use keyless_trust::Issuer;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use serde::Deserialize;

use super::jws::{KeySet, KeySetError};

/// AWS gives up on slower answers.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Larger documents are refused unread.
const MAX_DOCUMENT: usize = 128 * 1024;
/// Seconds for which a key set is used without another look.
const MAX_AGE: i64 = 3600;

/// Why an issuer's keys could not be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum IdpError {
    #[error("{url} cannot be reached: {reason}")]
    Unreachable { url: String, reason: String },
    #[error("{url} answered with status {status}")]
    Status { url: String, status: u16 },
    #[error("{0} answered with more than {MAX_DOCUMENT} bytes")]
    TooLarge(String),
    #[error("{0} is not a JSON object with the fields of a discovery document: {1}")]
    Discovery(String, String),
    #[error("{url} says issuer {observed:?}")]
    OtherIssuer { url: String, observed: String },
    #[error("{url}: {source}")]
    KeySet { url: String, source: KeySetError },
}

impl IdpError {
    /// Whether another attempt may succeed: the provider's server is in trouble.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Status { status, .. } if *status == 429 || *status >= 500)
    }
}

/// The fields AWS looks for; a document that lacks one is refused.
#[derive(Deserialize)]
struct Discovery {
    issuer: String,
    jwks_uri: String,
    response_types_supported: Vec<String>,
    subject_types_supported: Vec<String>,
    id_token_signing_alg_values_supported: Vec<String>,
}

/// Key sets by issuer and the time they were read.
type Cache = HashMap<String, (Arc<KeySet>, i64)>;

#[derive(Debug)]
pub(crate) struct Issuers {
    client: Option<reqwest::Client>,
    cache: Mutex<Cache>,
}

impl Issuers {
    /// `roots` is PEM; without a usable certificate in it no issuer can be reached.
    pub fn new(roots: &str, hosts: &BTreeMap<String, SocketAddr>) -> Self {
        let client = client(roots, hosts)
            .map_err(|reason| tracing::error!(%reason, "no issuer can be reached"))
            .ok();
        Self {
            client,
            cache: Mutex::default(),
        }
    }

    /// The keys of `issuer`, read again when they are old or lack `kid`.
    pub async fn keys(
        &self,
        issuer: &Issuer,
        kid: Option<&str>,
        now: i64,
    ) -> Result<Arc<KeySet>, IdpError> {
        let cached = self.lock().get(issuer.as_str()).cloned();
        if let Some((keys, read)) = cached
            && now - read < MAX_AGE
            && kid.is_none_or(|k| keys.has(k))
        {
            return Ok(keys);
        }
        let keys = Arc::new(self.read(issuer).await?);
        self.lock()
            .insert(issuer.as_str().to_owned(), (keys.clone(), now));
        Ok(keys)
    }

    /// Forgets every key set.
    pub fn forget(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn read(&self, issuer: &Issuer) -> Result<KeySet, IdpError> {
        let url = issuer.discovery_url();
        let bytes = self.get(&url).await?;
        let shape = |reason: String| IdpError::Discovery(url.clone(), reason);
        let document: Discovery =
            serde_json::from_slice(&bytes).map_err(|e| shape(e.to_string()))?;
        for (name, empty) in [
            ("jwks_uri", document.jwks_uri.is_empty()),
            (
                "response_types_supported",
                document.response_types_supported.is_empty(),
            ),
            (
                "subject_types_supported",
                document.subject_types_supported.is_empty(),
            ),
            (
                "id_token_signing_alg_values_supported",
                document.id_token_signing_alg_values_supported.is_empty(),
            ),
        ] {
            if empty {
                return Err(shape(format!("field `{name}` is empty")));
            }
        }
        if document.issuer != issuer.as_str() {
            return Err(IdpError::OtherIssuer {
                url,
                observed: document.issuer,
            });
        }
        let bytes = self.get(&document.jwks_uri).await?;
        KeySet::parse(&bytes).map_err(|source| IdpError::KeySet {
            url: document.jwks_uri,
            source,
        })
    }

    async fn get(&self, url: &str) -> Result<Vec<u8>, IdpError> {
        let unreachable = |reason: String| IdpError::Unreachable {
            url: url.to_owned(),
            reason,
        };
        if !url.starts_with("https://") {
            return Err(unreachable("not an https URL".to_owned()));
        }
        let client = self
            .client
            .as_ref()
            .ok_or_else(|| unreachable("no root certificates".to_owned()))?;
        let mut response = client
            .get(url)
            .send()
            .await
            .map_err(|e| unreachable(e.without_url().to_string()))?;
        let status = response.status().as_u16();
        if status != 200 {
            return Err(IdpError::Status {
                url: url.to_owned(),
                status,
            });
        }
        let mut body = Vec::new();
        while let Some(chunk) = response
            .chunk()
            .await
            .map_err(|e| unreachable(e.without_url().to_string()))?
        {
            body.extend_from_slice(&chunk);
            if body.len() > MAX_DOCUMENT {
                return Err(IdpError::TooLarge(url.to_owned()));
            }
        }
        Ok(body)
    }
}

fn client(roots: &str, hosts: &BTreeMap<String, SocketAddr>) -> Result<reqwest::Client, String> {
    let mut builder = reqwest::Client::builder()
        .tls_backend_preconfigured(tls(roots)?)
        .redirect(reqwest::redirect::Policy::none())
        .https_only(true)
        .no_proxy()
        .timeout(TIMEOUT);
    for (host, address) in hosts {
        builder = builder.resolve(host, *address);
    }
    builder.build().map_err(|e| e.to_string())
}

/// TLS that trusts `roots` and nothing else.
pub(crate) fn tls(roots: &str) -> Result<rustls::ClientConfig, String> {
    let mut store = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(roots.as_bytes()) {
        let certificate = certificate.map_err(|e| e.to_string())?;
        store.add(certificate).map_err(|e| e.to_string())?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    Ok(rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| e.to_string())?
        .with_root_certificates(store)
        .with_no_client_auth())
}

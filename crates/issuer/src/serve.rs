//! `serve`: both documents over HTTPS, by this program itself.
//!
//! Owns: the listener, certificate files that are read again when they change, and the answers: GET
//! and HEAD of two paths, with a type, a short cache, an ETag, and for every origin. Refuses:
//! anything else (no listing, no other file), and to let go of good documents for worse ones: what
//! cannot be read, or would be refused by everyone, does not take the place of what was served.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::header::{ALLOW, ETAG, IF_NONE_MATCH};
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use keyless_trust::Issuer;
use rustls::ServerConfig;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::documents::{CACHE_CONTROL, CONTENT_TYPE, Discovery, KeySet};
use crate::finding::{Finding, Parties, Severity};
use crate::plan::Object;
use crate::rules;
use crate::target::Target;

/// How often documents and certificate files are looked at.
const REFRESH: Duration = Duration::from_secs(5);
/// How long a client may take over the TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// What is served, and how.
#[derive(Debug)]
pub struct Options {
    /// The issuer: its path is served.
    pub issuer: Issuer,
    /// Where the documents are.
    pub from: Box<dyn Target>,
    /// Where to listen.
    pub listen: SocketAddr,
    /// The certificate and those between it and its authority, PEM.
    pub certificate: PathBuf,
    /// Its key, PEM.
    pub key: PathBuf,
}

/// Why it cannot serve.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address is taken, or not ours.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The certificate or its key cannot be used.
    #[error("cannot use the certificate {0}: {1}")]
    Certificate(String, String),
    /// There are no documents to begin with.
    #[error("there are no documents to serve: {0}")]
    Documents(String),
}

/// Both documents, good ones.
#[derive(Clone, Debug, Default)]
struct Documents {
    discovery: Bytes,
    keys: Bytes,
}

/// A server that listens.
#[derive(Debug)]
pub struct Serving {
    /// Where.
    pub address: SocketAddr,
    listener: TcpListener,
    options: Options,
    tls: Shared<ServerConfig>,
    documents: Shared<Documents>,
}

#[derive(Debug)]
struct Shared<T>(Arc<Mutex<Arc<T>>>);

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Shared<T> {
    fn new(value: T) -> Self {
        Self(Arc::new(Mutex::new(Arc::new(value))))
    }

    fn get(&self) -> Arc<T> {
        Arc::clone(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn set(&self, value: T) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(value);
    }
}

impl Serving {
    /// Listens, with documents and a certificate in hand.
    ///
    /// # Errors
    /// One of the three is not to be had.
    pub async fn bind(options: Options) -> Result<Self, ServeError> {
        let tls = certificate(&options)?;
        let documents = documents(&options).await.map_err(ServeError::Documents)?;
        let address = options.listen;
        let failed = |source| ServeError::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Self {
            address,
            listener,
            options,
            tls: Shared::new(tls),
            documents: Shared::new(documents),
        })
    }

    /// Serves until it is dropped.
    pub async fn run(self) {
        let path = rules::issuer::path(self.options.issuer.as_str()).to_owned();
        let (tls, documents) = (self.tls.clone(), self.documents.clone());
        let accept = accept(self.listener, tls, documents, path);
        let refresh = refresh(&self.options, &self.tls, &self.documents);
        tokio::join!(accept, refresh);
    }
}

async fn refresh(options: &Options, tls: &Shared<ServerConfig>, shared: &Shared<Documents>) {
    let mut seen = files(options);
    loop {
        tokio::time::sleep(REFRESH).await;
        match documents(options).await {
            Ok(new) => shared.set(new),
            Err(reason) => tracing::warn!(
                from = options.from.name(),
                reason,
                "the documents served stay as they were"
            ),
        }
        let now = files(options);
        if now == seen {
            continue;
        }
        match certificate(options) {
            Ok(new) => {
                tls.set(new);
                tracing::info!(file = %options.certificate.display(), "the certificate was read again");
                seen = now;
            }
            // Certificate and key are replaced one after the other: the next look sees both.
            Err(error) => tracing::warn!(%error, "the certificate served stays as it was"),
        }
    }
}

fn files(options: &Options) -> [Option<Vec<u8>>; 2] {
    [&options.certificate, &options.key].map(|file| std::fs::read(file).ok())
}

fn certificate(options: &Options) -> Result<ServerConfig, ServeError> {
    let name = options.certificate.display().to_string();
    let failed = |said: String| ServeError::Certificate(name.clone(), said);
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(&options.certificate)
        .and_then(Iterator::collect)
        .map_err(|e| failed(e.to_string()))?;
    let key = PrivateKeyDer::from_pem_file(&options.key)
        .map_err(|_| failed("its key file holds no private key in PEM".into()))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| failed(e.to_string()))?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|e| failed(e.to_string()))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

/// Both documents, if they are good for anyone.
async fn documents(options: &Options) -> Result<Documents, String> {
    let read = async |object: Object| {
        let found = options
            .from
            .read(object)
            .await
            .map_err(|e| keyless_fault::explain(&e))?;
        found
            .map(|s| s.bytes)
            .ok_or_else(|| format!("{} is not there", object.path()))
    };
    let (discovery, keys) = (read(Object::Discovery).await?, read(Object::Keys).await?);
    let issuer = options.issuer.as_str();
    let document =
        Discovery::parse(&discovery).map_err(|e| format!("the discovery document is {e}"))?;
    let set = KeySet::parse(&keys).map_err(|e| format!("the key set is {e}"))?;
    let mut found = rules::discovery::judge(issuer, issuer, &document);
    found.extend(rules::keys::judge(issuer, &set));
    let fatal = |f: &&Finding| f.severity >= Severity::Error && f.hurts == Parties::ALL;
    match found.iter().find(fatal) {
        Some(finding) => Err(finding.to_string()),
        None => Ok(Documents {
            discovery: discovery.into(),
            keys: keys.into(),
        }),
    }
}

async fn accept(
    listener: TcpListener,
    tls: Shared<ServerConfig>,
    documents: Shared<Documents>,
    path: String,
) {
    let path: Arc<str> = path.into();
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // Out of file descriptors, mostly: give others time to close theirs.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let acceptor = TlsAcceptor::from(tls.get());
        let (documents, path) = (documents.clone(), Arc::clone(&path));
        tokio::spawn(async move {
            let accepted = tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await;
            let Ok(Ok(stream)) = accepted else { return };
            let service = service_fn(move |request: Request<Incoming>| {
                let answer = answer(
                    request.method(),
                    request.uri().path(),
                    request.headers(),
                    &path,
                    &documents.get(),
                );
                std::future::ready(Ok::<_, Infallible>(answer))
            });
            let _ = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new())
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

fn answer(
    method: &Method,
    path: &str,
    headers: &http::HeaderMap,
    below: &str,
    documents: &Documents,
) -> Response<Full<Bytes>> {
    let rest = path
        .strip_prefix(below)
        .and_then(|rest| rest.strip_prefix('/'));
    let body = match rest {
        Some(crate::documents::DISCOVERY_PATH) => &documents.discovery,
        Some(crate::documents::JWKS_PATH) => &documents.keys,
        _ => return plain(StatusCode::NOT_FOUND),
    };
    match *method {
        Method::GET | Method::HEAD => {}
        Method::OPTIONS => return plain(StatusCode::NO_CONTENT),
        _ => return plain(StatusCode::METHOD_NOT_ALLOWED),
    }
    let etag = format!(
        "\"{}\"",
        URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, body))
    );
    let known = headers.get(IF_NONE_MATCH).and_then(|v| v.to_str().ok());
    let same = known.is_some_and(|known| known.split(',').any(|k| k.trim() == etag));
    let mut response = plain(if same {
        StatusCode::NOT_MODIFIED
    } else {
        StatusCode::OK
    });
    let out = response.headers_mut();
    out.insert("content-type", http::HeaderValue::from_static(CONTENT_TYPE));
    out.insert(
        "cache-control",
        http::HeaderValue::from_static(CACHE_CONTROL),
    );
    if let Ok(etag) = http::HeaderValue::from_str(&etag) {
        out.insert(ETAG, etag);
    }
    // The length of what GET would send; hyper keeps the body of an answer to HEAD back.
    if !same {
        *response.body_mut() = Full::new(body.clone());
    }
    response
}

fn plain(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::new()));
    *response.status_mut() = status;
    let out = response.headers_mut();
    // Public documents: any page may read them.
    out.insert(
        "access-control-allow-origin",
        http::HeaderValue::from_static("*"),
    );
    out.insert(
        "access-control-allow-methods",
        http::HeaderValue::from_static("GET, HEAD"),
    );
    out.insert(
        "x-content-type-options",
        http::HeaderValue::from_static("nosniff"),
    );
    out.insert(
        "strict-transport-security",
        http::HeaderValue::from_static("max-age=31536000"),
    );
    if status == StatusCode::METHOD_NOT_ALLOWED {
        out.insert(ALLOW, http::HeaderValue::from_static("GET, HEAD, OPTIONS"));
    }
    response
}

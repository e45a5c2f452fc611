//! An HTTPS server that behaves, or does not.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;
use keyless_issuer::documents::KeySet;
use keyless_issuer::fetch::{Look, Outlook};
use keyless_issuer::keygen::{KeyKind, SigningKey};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
};
use rustls::ServerConfig;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// The host that every test's issuer has: a public name, found on loopback.
pub const HOST: &str = "issuer.example.com";
/// The issuer of most tests.
pub const ISSUER: &str = "https://issuer.example.com/c";

/// An authority that plays the public ones.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    der: CertificateDer<'static>,
    pub pem: String,
}

/// How a certificate is made.
pub struct Leaf {
    pub names: Vec<String>,
    pub years: (i32, i32),
    /// With the extension that names where the issuer's certificate is.
    pub fetchable: bool,
}

impl Default for Leaf {
    fn default() -> Self {
        Self {
            names: vec![HOST.to_owned()],
            years: (2020, 2049),
            fetchable: false,
        }
    }
}

impl Authority {
    pub fn new(name: &str) -> Self {
        let (params, key) = (authority(name), KeyPair::generate().unwrap());
        let certificate = params.self_signed(&key).unwrap();
        Self {
            der: certificate.der().clone(),
            pem: certificate.pem(),
            issuer: Issuer::new(params, key),
        }
    }

    /// An authority that this one vouches for.
    pub fn intermediate(&self, name: &str) -> Self {
        let (params, key) = (authority(name), KeyPair::generate().unwrap());
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Self {
            der: certificate.der().clone(),
            pem: certificate.pem(),
            issuer: Issuer::new(params, key),
        }
    }

    pub fn config(&self, leaf: &Leaf, chain: &[&Self]) -> ServerConfig {
        let mut params = CertificateParams::new(leaf.names.clone()).unwrap();
        params.distinguished_name.push(DnType::CommonName, "site");
        params.not_before = rcgen::date_time_ymd(leaf.years.0, 1, 1);
        params.not_after = rcgen::date_time_ymd(leaf.years.1, 12, 31);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        if leaf.fetchable {
            // AuthorityInfoAccess with caIssuers http://ca/ (RFC 5280, section 4.2.2.1).
            let content = [
                0x30, 24, 0x30, 22, 6, 8, 0x2b, 6, 1, 5, 5, 7, 0x30, 2, 0x86, 10, b'h', b't', b't',
                b'p', b':', b'/', b'/', b'c', b'a', b'/',
            ];
            params.custom_extensions = vec![rcgen::CustomExtension::from_oid_content(
                &[1, 3, 6, 1, 5, 5, 7, 1, 1],
                content.to_vec(),
            )];
        }
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let mut certificates = vec![certificate.der().clone()];
        certificates.extend(chain.iter().map(|a| a.der.clone()));
        server(certificates, &key)
    }
}

/// A certificate that signed itself.
pub fn self_signed() -> ServerConfig {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec![HOST.to_owned()]).unwrap();
    let certificate = params.self_signed(&key).unwrap();
    server(vec![certificate.der().clone()], &key)
}

fn authority(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
}

fn server(certificates: Vec<CertificateDer<'static>>, key: &KeyPair) -> ServerConfig {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(certificates, key)
        .unwrap()
}

/// A running server; ends when dropped.
pub struct Site {
    pub address: SocketAddr,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Site {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Site {
    pub async fn start(config: ServerConfig, router: Router) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, router) = (acceptor.clone(), router.clone());
                tokio::spawn(async move {
                    let Ok(stream) = acceptor.accept(stream).await else {
                        return;
                    };
                    let service = TowerToHyperService::new(router);
                    let _ = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new())
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        Self { address, task }
    }

    /// Looks at it as a cloud would, with `pem` in the place of the public authorities.
    pub fn outlook(&self, pem: &str) -> Outlook {
        outlook(self.address, pem, true)
    }
}

pub fn outlook(address: SocketAddr, pem: &str, play_public: bool) -> Outlook {
    Outlook::new(&Look {
        authorities: Some(pem.as_bytes().to_vec()),
        play_public,
        hosts: BTreeMap::from([(HOST.to_owned(), address)]),
        limit: Some(Duration::from_secs(60)),
    })
    .unwrap()
}

/// One path's answer.
#[derive(Clone)]
pub struct Page {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
    pub delay: Duration,
}

impl Page {
    pub fn json(body: impl Into<Vec<u8>>) -> Self {
        Self {
            status: 200,
            headers: vec![("content-type", "application/json".into())],
            body: body.into(),
            delay: Duration::ZERO,
        }
    }

    pub fn status(status: u16, headers: &[(&'static str, &str)], body: &str) -> Self {
        let headers = headers.iter().map(|(n, v)| (*n, (*v).to_owned()));
        Self {
            status,
            headers: headers.collect(),
            body: body.into(),
            delay: Duration::ZERO,
        }
    }
}

/// A site of fixed pages.
pub fn pages(pages: BTreeMap<String, Page>) -> Router {
    let pages = Arc::new(pages);
    Router::new().fallback(move |request: Request| {
        let page = pages.get(request.uri().path()).cloned();
        async move {
            let page = page.unwrap_or_else(|| Page::status(404, &[], "not found"));
            tokio::time::sleep(page.delay).await;
            let mut response = Response::builder().status(page.status);
            for (name, value) in &page.headers {
                response = response.header(*name, value);
            }
            response.body(Body::from(page.body)).unwrap()
        }
    })
}

/// A web server over a directory, as nginx would be: types by name, no listing.
pub fn directory(root: impl Into<PathBuf>, below: &'static str) -> Router {
    let root = root.into();
    Router::new().fallback(move |request: Request| {
        let path = request
            .uri()
            .path()
            .strip_prefix(below)
            .unwrap_or("/nothing")
            .to_owned();
        let file = root.join(path.trim_start_matches('/'));
        async move { serve(&file) }
    })
}

fn serve(file: &Path) -> Response {
    match std::fs::read(file) {
        Ok(bytes) => Response::builder()
            .header("content-type", "application/json")
            .body(Body::from(bytes))
            .unwrap(),
        Err(_) => Response::builder().status(404).body(Body::empty()).unwrap(),
    }
}

/// An RSA key, made once a process and number.
pub fn key(n: usize) -> &'static SigningKey {
    static KEYS: [std::sync::OnceLock<SigningKey>; 4] = [const { std::sync::OnceLock::new() }; 4];
    KEYS[n].get_or_init(|| SigningKey::generate(KeyKind::Rsa2048).unwrap())
}

pub fn set(keys: &[&SigningKey]) -> KeySet {
    KeySet::of(keys.iter().map(|k| k.jwk().clone()))
}

/// A good token's claims at `issuer`.
pub fn claims(issuer: &str) -> Value {
    let now = keyless_issuer::fetch::unix_now();
    json!({"iss": issuer, "sub": "system:serviceaccount:shop:web", "aud": ["cloud"],
        "iat": now, "nbf": now, "exp": now + 600})
}

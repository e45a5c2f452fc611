//! The sandbox's own certificate authority and the loopback HTTPS listeners under it.
//!
//! Owns: one ECDSA P-256 authority, one leaf for the loopback names, and the accept loop that
//! serves a router over HTTP/1.1 and HTTP/2, with whatever certificate a client shows, where it is
//! asked for one. Refuses: any address but those it is given, judging client certificates, and a
//! process-wide crypto provider.

use std::net::SocketAddr;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256,
};
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, ServerConfig, SignatureScheme};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, UnixTime};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

/// How long a client may take over the TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How long open connections may take to end after a stop.
const LINGER: Duration = Duration::from_millis(300);

/// Why the authority or a listener could not be made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Making or signing a certificate failed.
    #[error("could not make the sandbox's certificates")]
    Certificate(#[from] rcgen::Error),
    /// The TLS library refused the certificate or the protocol versions.
    #[error("could not set up TLS with the sandbox's certificate")]
    Config(#[from] rustls::Error),
    /// The authority could not be read from or written to its folder.
    #[error("could not keep the sandbox's authority in {path}")]
    Folder {
        /// The file concerned.
        path: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A listener could not be opened.
    #[error("could not listen on {address}")]
    Listen {
        /// The address asked for.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
}

/// The authority and the one leaf every listener presents. Clones share both.
#[derive(Clone)]
pub struct Tls {
    ca_pem: Arc<str>,
    config: Arc<ServerConfig>,
    /// As `config`, and asks clients for a certificate.
    asking: Arc<ServerConfig>,
}

/// What a client has shown and proved to hold the key of, its own certificate first; DER. In the
/// extensions of a request.
#[derive(Clone, Debug, Default)]
pub struct PeerCertificates(pub Arc<[Vec<u8>]>);

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls").finish_non_exhaustive()
    }
}

impl Tls {
    /// A fresh authority with a leaf for `localhost`, `127.0.0.1` and `::1`.
    ///
    /// # Errors
    /// When a certificate cannot be made.
    pub fn new() -> Result<Self, Error> {
        Self::with_names(&[])
    }

    /// As [`Tls::new`], with further DNS names in the leaf (wildcards allowed).
    ///
    /// # Errors
    /// When a certificate cannot be made, for instance for an impossible name.
    pub fn with_names(names: &[&str]) -> Result<Self, Error> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let ca = authority().self_signed(&key)?.pem();
        Self::leaf(ca, key, names)
    }

    /// The authority kept in `folder` (`ca.crt`, `ca.key`), made there when absent, so that a
    /// kubeconfig written once stays valid over restarts.
    ///
    /// # Errors
    /// When the folder cannot be read or written, or holds something else.
    pub fn kept_in(folder: &Path, names: &[&str]) -> Result<Self, Error> {
        let (crt, key_file) = (folder.join("ca.crt"), folder.join("ca.key"));
        let failed = |path: &Path| {
            let path = path.display().to_string();
            move |source| Error::Folder { path, source }
        };
        if crt.exists() && key_file.exists() {
            let ca = std::fs::read_to_string(&crt).map_err(failed(&crt))?;
            let pem = std::fs::read_to_string(&key_file).map_err(failed(&key_file))?;
            return Self::leaf(ca, KeyPair::from_pem(&pem)?, names);
        }
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let ca = authority().self_signed(&key)?.pem();
        std::fs::create_dir_all(folder).map_err(failed(folder))?;
        private_file(&key_file, key.serialize_pem().as_bytes()).map_err(failed(&key_file))?;
        std::fs::write(&crt, &ca).map_err(failed(&crt))?;
        Self::leaf(ca, key, names)
    }

    fn leaf(ca_pem: String, ca_key: KeyPair, names: &[&str]) -> Result<Self, Error> {
        let issuer = Issuer::from_ca_cert_pem(&ca_pem, ca_key)?;
        let mut sans = vec![
            "localhost".to_owned(),
            "127.0.0.1".to_owned(),
            "::1".to_owned(),
        ];
        sans.extend(names.iter().map(|&n| n.to_owned()));
        let mut params = dated(CertificateParams::new(sans)?);
        params
            .distinguished_name
            .push(DnType::CommonName, "localhost");
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let leaf = params.signed_by(&key, &issuer)?;
        let provider = Arc::new(aws_lc_rs::default_provider());
        let config = |verifier: Option<Arc<dyn ClientCertVerifier>>| {
            let config = ServerConfig::builder_with_provider(Arc::clone(&provider))
                .with_safe_default_protocol_versions()?;
            let config = match verifier {
                None => config.with_no_client_auth(),
                Some(verifier) => config.with_client_cert_verifier(verifier),
            };
            let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
            let mut config = config.with_single_cert(vec![leaf.der().clone()], key)?;
            config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
            Ok::<_, rustls::Error>(Arc::new(config))
        };
        Ok(Self {
            ca_pem: ca_pem.into(),
            config: config(None)?,
            asking: config(Some(Arc::new(AnyCertificate(Arc::clone(&provider)))))?,
        })
    }

    /// The authority's certificate, for clients to trust.
    #[must_use]
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// Opens a listener on the loopback address; port 0 lets the system choose.
    ///
    /// # Errors
    /// When the port is taken.
    pub async fn listen(port: u16) -> Result<TcpListener, Error> {
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        TcpListener::bind(address)
            .await
            .map_err(|source| Error::Listen { address, source })
    }

    /// Serves `router` on `listener` until the returned handle is stopped or dropped.
    #[must_use]
    pub fn serve(&self, listener: TcpListener, router: Router) -> Serving {
        Self::run(&self.config, listener, router)
    }

    /// As [`Tls::serve`], and clients may show a certificate: [`PeerCertificates`].
    #[must_use]
    pub fn serve_asking(&self, listener: TcpListener, router: Router) -> Serving {
        Self::run(&self.asking, listener, router)
    }

    fn run(config: &Arc<ServerConfig>, listener: TcpListener, router: Router) -> Serving {
        let address = listener
            .local_addr()
            .unwrap_or_else(|_| SocketAddr::from(([127, 0, 0, 1], 0)));
        let acceptor = TlsAcceptor::from(Arc::clone(config));
        let (stop, stopped) = watch::channel(false);
        let task = tokio::spawn(accept(listener, acceptor, router, stopped));
        Serving {
            address,
            stop,
            task: Some(task),
        }
    }
}

fn authority() -> CertificateParams {
    let mut params = dated(CertificateParams::default());
    params
        .distinguished_name
        .push(DnType::CommonName, "keyless sandbox");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

/// A fixed, wide validity: the sandbox's clock may be skewed, its certificates must not care.
fn dated(mut params: CertificateParams) -> CertificateParams {
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(2049, 12, 31);
    params
}

/// Takes any certificate whose key the client holds: who is trusted is the application's to say.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ClientCertVerifier for AnyCertificate {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// Writes `bytes` to a file that only its owner may read.
pub(crate) fn private_file(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::io::Write as _;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)?.write_all(bytes)
}

/// A running HTTPS server. Dropping it ends it at once.
#[derive(Debug)]
pub struct Serving {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    task: Option<tokio::task::JoinHandle<()>>,
}

impl Serving {
    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops accepting, lets requests under way end for a moment, then closes what is left.
    pub async fn stop(mut self) {
        let _ = self.stop.send(true);
        if let Some(task) = self.task.take() {
            let _ = task.await;
        }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        if let Some(task) = self.task.take() {
            task.abort();
        }
    }
}

async fn accept(
    listener: TcpListener,
    acceptor: TlsAcceptor,
    router: Router,
    mut stopped: watch::Receiver<bool>,
) {
    let mut connections = tokio::task::JoinSet::new();
    loop {
        tokio::select! {
            _ = stopped.changed() => break,
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let (acceptor, router, stopped) = (acceptor.clone(), router.clone(), stopped.clone());
                    connections.spawn(connection(stream, acceptor, router, stopped));
                }
                // Out of file descriptors, mostly: give others time to close theirs.
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            },
        }
    }
    drop(listener);
    let rest = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(LINGER, rest).await.is_err() {
        connections.abort_all();
    }
}

async fn connection(
    stream: TcpStream,
    acceptor: TlsAcceptor,
    router: Router,
    mut stopped: watch::Receiver<bool>,
) {
    let _ = stream.set_nodelay(true);
    let Ok(Ok(stream)) = tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await else {
        return;
    };
    let mut builder = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
    builder
        .http2()
        .max_concurrent_streams(1000)
        .initial_stream_window_size(1 << 20)
        .initial_connection_window_size(4 << 20);
    let shown = stream.get_ref().1.peer_certificates().unwrap_or_default();
    let shown: Arc<[Vec<u8>]> = shown.iter().map(|der| der.to_vec()).collect();
    let router = router.layer(axum::Extension(PeerCertificates(shown)));
    let service = TowerToHyperService::new(router);
    let mut serving = pin!(builder.serve_connection(TokioIo::new(stream), service));
    tokio::select! {
        _ = serving.as_mut() => {}
        () = changed(&mut stopped) => {
            serving.as_mut().graceful_shutdown();
            let _ = serving.await;
        }
    }
}

async fn changed(stopped: &mut watch::Receiver<bool>) {
    let _ = stopped.changed().await;
}

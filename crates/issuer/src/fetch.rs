//! Fetches a document as a cloud would: from outside, without a login, without following a
//! redirect, and with an eye on everything that could go wrong on the way.
//!
//! Owns: the look-up of the host, the TLS session with the chain that the server sent, the
//! time, the headers and the body. Refuses: judging (see [`crate::rules::transport`]), caching, and
//! proxies: what is behind one is not the outside.

mod record;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::header::{ACCEPT, DATE, HOST, USER_AGENT};
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use url::Url;

use crate::facts::{Answer, Fetched, Reach, Roots};

/// Bodies are cut here: no document of an issuer is as large.
const MAX_BODY: usize = 256 << 10;
/// How long one fetch may take. Longer than any service provider waits, so that slowness is seen
/// as such.
const LIMIT: Duration = Duration::from_secs(15);
/// How the fetch names itself; not a browser's name, because clouds have none either.
const AGENT: &str = concat!("keyless/", env!("CARGO_PKG_VERSION"));

/// Why no fetch can be made at all.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The given authorities cannot be used.
    #[error("the certificate authorities given hold no usable certificate")]
    Authorities,
    /// The TLS library refused its settings.
    #[error("cannot set up TLS")]
    Tls(#[from] rustls::Error),
}

/// How to look.
#[derive(Clone, Debug, Default)]
pub struct Look {
    /// Authorities in PEM in place of the public ones.
    pub authorities: Option<Vec<u8>>,
    /// Whether the given authorities play the public ones.
    pub play_public: bool,
    /// Addresses of hosts in place of the name servers'.
    pub hosts: BTreeMap<String, SocketAddr>,
    /// How long one fetch may take.
    pub limit: Option<Duration>,
}

/// Looks from outside.
#[derive(Clone, Debug)]
pub struct Outlook {
    roots: Roots,
    verifier: Arc<rustls::client::WebPkiServerVerifier>,
    provider: Arc<rustls::crypto::CryptoProvider>,
    hosts: BTreeMap<String, SocketAddr>,
    limit: Duration,
}

impl Outlook {
    /// Looks as `look` says.
    ///
    /// # Errors
    /// The authorities cannot be used.
    pub fn new(look: &Look) -> Result<Self, FetchError> {
        let mut store = RootCertStore::empty();
        match &look.authorities {
            None => {
                let public = webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter().cloned();
                store.add_parsable_certificates(public);
            }
            Some(pem) => {
                let given = CertificateDer::pem_slice_iter(pem).filter_map(Result::ok);
                store.add_parsable_certificates(given);
            }
        }
        if store.is_empty() {
            return Err(FetchError::Authorities);
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let verifier = rustls::client::WebPkiServerVerifier::builder_with_provider(
            Arc::new(store),
            Arc::clone(&provider),
        )
        .build()
        .map_err(|_| FetchError::Authorities)?;
        Ok(Self {
            roots: match (&look.authorities, look.play_public) {
                (None, _) => Roots::Public,
                (Some(_), true) => Roots::PlayPublic,
                (Some(_), false) => Roots::Given,
            },
            verifier,
            provider,
            hosts: look.hosts.clone(),
            limit: look.limit.unwrap_or(LIMIT),
        })
    }

    /// Whom this trusts.
    #[must_use]
    pub const fn roots(&self) -> Roots {
        self.roots
    }

    /// Asks for one URL.
    pub async fn get(&self, url: &str) -> Fetched {
        let mut addresses = Vec::new();
        let reach = match tokio::time::timeout(self.limit, self.reach(url, &mut addresses)).await {
            Ok(reach) => reach,
            Err(_) => Reach::Timeout(self.limit),
        };
        Fetched {
            url: url.to_owned(),
            addresses,
            reach,
        }
    }

    async fn reach(&self, url: &str, addresses: &mut Vec<IpAddr>) -> Reach {
        let begun = Instant::now();
        let Ok(parsed) = Url::parse(url) else {
            return Reach::Url(format!("{url:?} is no URL"));
        };
        let (Some(host), "https") = (parsed.host_str(), parsed.scheme()) else {
            return Reach::Url(format!("{url:?} is no https URL"));
        };
        let port = parsed.port().unwrap_or(443);
        let places = match self.places(host, port).await {
            Ok((places, looked_up)) => {
                if looked_up {
                    addresses.extend(places.iter().map(SocketAddr::ip));
                }
                places
            }
            Err(said) => return Reach::Dns(said),
        };
        let mut stream = None;
        let mut said = String::new();
        for place in places {
            match TcpStream::connect(place).await {
                Ok(connected) => {
                    stream = Some(connected);
                    break;
                }
                Err(error) => said = format!("{place}: {error}"),
            }
        }
        let Some(stream) = stream else {
            return Reach::Connect(said);
        };
        let bare = host
            .trim_start_matches('[')
            .trim_end_matches(']')
            .to_owned();
        let Ok(name) = ServerName::try_from(bare) else {
            return Reach::Url(format!("{host:?} is no host name"));
        };
        let recorder = Arc::new(record::Recorder::new(Arc::clone(&self.verifier)));
        let config = ClientConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_safe_default_protocol_versions();
        let Ok(config) = config else {
            return Reach::Broken("TLS is not set up".into());
        };
        let config = config
            .dangerous()
            .with_custom_certificate_verifier(Arc::clone(&recorder) as _)
            .with_no_client_auth();
        let session = TlsConnector::from(Arc::new(config))
            .connect(name, stream)
            .await;
        let session = match session {
            Ok(session) => session,
            Err(error) => return recorder.explain(&error),
        };
        match exchange(session, &parsed, host).await {
            Ok(mut answer) => {
                answer.took = begun.elapsed();
                answer.certificate = recorder.ends();
                Reach::Answered(answer)
            }
            Err(said) => Reach::Broken(said),
        }
    }

    /// Where to connect to, and whether that was looked up.
    async fn places(&self, host: &str, port: u16) -> Result<(Vec<SocketAddr>, bool), String> {
        if let Some(place) = self.hosts.get(host) {
            return Ok((vec![*place], false));
        }
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let found = tokio::net::lookup_host((bare, port)).await;
        let found: Vec<SocketAddr> = found.map_err(|e| e.to_string())?.collect();
        if found.is_empty() {
            return Err("no address".into());
        }
        Ok((found, true))
    }
}

async fn exchange(
    session: tokio_rustls::client::TlsStream<TcpStream>,
    url: &Url,
    host: &str,
) -> Result<Answer, String> {
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(session))
        .await
        .map_err(|e| e.to_string())?;
    let connection = tokio::spawn(connection);
    let authority = match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    };
    let target = match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    };
    let request = http::Request::get(target)
        .header(HOST, authority)
        .header(USER_AGENT, AGENT)
        .header(ACCEPT, "*/*")
        .body(Empty::<Bytes>::new())
        .map_err(|e| e.to_string())?;
    let response = sender
        .send_request(request)
        .await
        .map_err(|e| e.to_string())?;
    let (head, mut body) = response.into_parts();
    let ahead = head
        .headers
        .get(DATE)
        .and_then(|v| v.to_str().ok())
        .and_then(ahead);
    let mut answer = Answer {
        status: head.status.as_u16(),
        headers: head
            .headers
            .iter()
            .map(|(name, value)| {
                let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
                (name.as_str().to_owned(), value)
            })
            .collect(),
        ahead,
        ..Answer::default()
    };
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|e| e.to_string())?.into_data() else {
            continue;
        };
        let room = MAX_BODY.saturating_sub(answer.body.len());
        answer.body.extend(data.iter().take(room));
        if data.len() > room {
            answer.cut = true;
            break;
        }
    }
    connection.abort();
    Ok(answer)
}

/// Seconds by which the clock behind a `Date` header is ahead of ours.
#[must_use]
pub fn ahead(date: &str) -> Option<i64> {
    let theirs = jiff::fmt::rfc2822::parse(date)
        .ok()?
        .timestamp()
        .as_second();
    Some(theirs - unix_now())
}

/// Now, seconds since 1970.
#[must_use]
pub fn unix_now() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |now| i64::try_from(now.as_secs()).unwrap_or(i64::MAX))
}

/// Seconds since 1970 as people write times.
#[must_use]
pub fn timestamp(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds).map_or_else(|_| seconds.to_string(), |t| t.to_string())
}

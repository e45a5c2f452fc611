//! The connections to the API server.
//!
//! Owns: two HTTP/2 connections built by hand from a [`kube::Config`] (one for requests, one
//! for watches, so that a burst of writes never delays an event), keep-alive, and the fall back
//! to HTTP/1.1 for a server that speaks nothing newer. Refuses: retries and decoding.
//!
//! kube's own stack is HTTP/1.1 only and opens one TLS connection per request in flight: a
//! handshake storm at start, and several MiB of memory for nothing.

use std::path::PathBuf;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::Request;
use hyper_rustls::{FixedServerNameResolver, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use kube::client::{Body, ConfigExt};
use rustls_pki_types::ServerName;
use tower::{BoxError, ServiceBuilder};

use crate::Error;

/// The two clients of an operator; for an in-process API server both may be the same.
#[derive(Clone)]
pub struct Clients {
    /// Reads of single objects, writes, TokenRequests.
    pub requests: kube::Client,
    /// Watches and lists.
    pub watches: kube::Client,
    /// The API server and the operator's own token for it, for stores that read this cluster;
    /// an in-process API server has neither.
    pub own: Option<Own>,
}

impl From<kube::Client> for Clients {
    fn from(client: kube::Client) -> Self {
        Self {
            requests: client.clone(),
            watches: client,
            own: None,
        }
    }
}

/// An API server and who may speak for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Its URL, without a slash at the end.
    pub url: String,
    /// The authorities of its certificate, PEM; the public ones if there are none.
    pub authorities: Option<Vec<u8>>,
}

/// How this process itself reaches its API server.
#[derive(Clone, Debug)]
pub struct Own {
    /// The server.
    pub server: Server,
    /// The file that a kubelet keeps the operator's token in.
    pub token_file: Option<PathBuf>,
}

impl Own {
    /// What `config` says of it.
    #[must_use]
    pub fn of(config: &kube::Config) -> Self {
        let authorities = config.root_cert.as_ref().map(|roots| {
            let pem = roots.iter().map(|der| pem("CERTIFICATE", der));
            pem.collect::<String>().into_bytes()
        });
        Self {
            server: Server {
                url: config
                    .cluster_url
                    .to_string()
                    .trim_end_matches('/')
                    .to_owned(),
                authorities,
            },
            token_file: config.auth_info.token_file.as_ref().map(Into::into),
        }
    }
}

/// PEM text.
#[must_use]
pub fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let mut pem = format!("-----BEGIN {label}-----\n");
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, more) = rest.split_at_checked(64).unwrap_or((rest, ""));
        pem.push_str(line);
        pem.push('\n');
        rest = more;
    }
    pem.push_str(&format!("-----END {label}-----\n"));
    pem
}

impl std::fmt::Debug for Clients {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Clients")
    }
}

/// How much of an answer a server may send ahead of its reading. The default of 2 MiB per stream
/// would hold whole lists in memory for no gain in speed.
const STREAM_WINDOW: u32 = 128 << 10;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Protocol {
    Http1,
    Http2,
}

/// How long one connection attempt may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How often an idle connection is pinged, so that a silently dropped one is noticed.
const KEEP_ALIVE: Duration = Duration::from_secs(20);

/// Connects to the API server of `config`: HTTP/2 if the server speaks it, else HTTP/1.1.
///
/// One `GET /version` decides, and leaves the connection for requests open.
///
/// # Errors
/// [`Error::Client`] if the configuration's certificates or credentials are unusable, or if the
/// server does not answer over either protocol.
pub async fn connect(config: &kube::Config) -> Result<Clients, Error> {
    let secure = config.cluster_url.scheme_str() == Some("https");
    let newest = if secure {
        Protocol::Http2
    } else {
        Protocol::Http1
    };
    let clients = build(config, newest)?;
    let Err(first) = probe(&clients.requests).await else {
        return Ok(clients);
    };
    if newest == Protocol::Http1 {
        return Err(unreachable_server(config, &first));
    }
    let clients = build(config, Protocol::Http1)?;
    match probe(&clients.requests).await {
        Ok(()) => Ok(clients),
        Err(_) => Err(unreachable_server(config, &first)),
    }
}

fn unreachable_server(config: &kube::Config, reason: &str) -> Error {
    Error::Client {
        intent: format!("reach the API server at {}", config.cluster_url),
        reason: reason.to_owned(),
    }
}

/// Any HTTP answer will do, a refusal included: only the protocol is asked.
async fn probe(client: &kube::Client) -> Result<(), String> {
    let request = Request::get("/version")
        .body(Body::empty())
        .map_err(|e| e.to_string())?;
    match tokio::time::timeout(CONNECT_TIMEOUT, client.send(request)).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(error_chain(&error)),
        Err(_) => Err(format!("no answer within {CONNECT_TIMEOUT:?}")),
    }
}

/// An error and its causes in one line; hyper and tower hide the cause behind `source`.
#[must_use]
pub fn error_chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !more.is_empty() && !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = error.source();
    }
    text
}

fn build(config: &kube::Config, protocol: Protocol) -> Result<Clients, Error> {
    Ok(Clients {
        requests: build_one(config, protocol)?,
        watches: build_one(config, protocol)?,
        own: Some(Own::of(config)),
    })
}

fn build_one(config: &kube::Config, protocol: Protocol) -> Result<kube::Client, Error> {
    let unusable = |error: &dyn std::error::Error| Error::Client {
        intent: "use the Kubernetes configuration".into(),
        reason: error_chain(error),
    };
    let tls = config.rustls_client_config().map_err(|e| unusable(&e))?;
    let builder = HttpsConnectorBuilder::new()
        .with_tls_config(tls)
        .https_or_http();
    let builder = match &config.tls_server_name {
        Some(name) => {
            let name = ServerName::try_from(name.clone()).map_err(|e| Error::Client {
                intent: format!("use tls-server-name {name:?}"),
                reason: e.to_string(),
            })?;
            builder.with_server_name_resolver(FixedServerNameResolver::new(name))
        }
        None => builder,
    };
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
    let connector = match protocol {
        Protocol::Http1 => builder.enable_http1().wrap_connector(tcp),
        Protocol::Http2 => builder.enable_http2().wrap_connector(tcp),
    };
    let mut client = hyper_util::client::legacy::Client::builder(TokioExecutor::new());
    client
        .timer(TokioTimer::new())
        .pool_timer(TokioTimer::new());
    if protocol == Protocol::Http2 {
        client
            .http2_only(true)
            .http2_initial_stream_window_size(STREAM_WINDOW)
            .http2_initial_connection_window_size(4 * STREAM_WINDOW)
            .http2_keep_alive_interval(KEEP_ALIVE)
            .http2_keep_alive_timeout(KEEP_ALIVE)
            .http2_keep_alive_while_idle(true);
    }
    let service = ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .option_layer(config.auth_layer().map_err(|e| unusable(&e))?)
        .layer(config.extra_headers_layer().map_err(|e| unusable(&e))?)
        .map_err(BoxError::from)
        .service(client.build::<_, Body>(connector));
    Ok(kube::Client::new(service, config.default_namespace.clone()))
}

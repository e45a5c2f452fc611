//! The HTTPS listener.
//!
//! Owns: connections, TLS with a certificate that may change at any time, limits on everything
//! that a stranger in the cluster could send, and an end that loses no request.
//! Refuses: what is answered ([`routes`]).

mod body;
mod routes;

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use http::HeaderValue;
use http::header::CONNECTION;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use keyless_kubernetes::Error;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::version::{TLS12, TLS13};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch as signal};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::certificate::Served;

pub(crate) use routes::State;

/// How long a client may take over the TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How long a client may take over a request's head.
const HEAD: Duration = Duration::from_secs(10);
/// Connections at once: each API server holds one, so more are somebody else's.
const CONNECTIONS: usize = 512;
/// Requests at once on one connection.
const STREAMS: u32 = 250;
/// How often a silent connection is asked whether it still lives.
const KEEP_ALIVE: Duration = Duration::from_secs(30);
/// How long requests under way may take to end after a stop.
const LINGER: Duration = Duration::from_secs(10);

/// The oldest TLS version that is spoken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TlsVersion {
    /// 1.2
    #[default]
    V12,
    /// 1.3
    V13,
}

/// Counted since the start.
#[derive(Debug, Default)]
pub struct Counters {
    /// Connections that ended before a request: handshakes that failed or took too long.
    pub handshakes_failed: AtomicU64,
}

/// The TLS settings of a server that presents what `served` holds.
///
/// # Errors
/// The TLS library has no such versions.
pub fn tls(served: Arc<Served>, oldest: TlsVersion) -> Result<Arc<ServerConfig>, Error> {
    let versions: &[_] = match oldest {
        TlsVersion::V12 => &[&TLS13, &TLS12],
        TlsVersion::V13 => &[&TLS13],
    };
    let provider = Arc::new(aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_protocol_versions(versions);
    let mut config = config
        .map_err(|error| Error::Client {
            intent: "set up TLS".into(),
            reason: error.to_string(),
        })?
        .with_no_client_auth()
        .with_cert_resolver(served);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// Serves until `stop` is true, then lets requests under way end.
pub(crate) async fn run(
    listener: TcpListener,
    tls: Arc<ServerConfig>,
    state: Arc<State>,
    served: Arc<Served>,
    mut stop: signal::Receiver<bool>,
    counters: Arc<Counters>,
) {
    let acceptor = TlsAcceptor::from(tls);
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = stopped(&mut stop) => break,
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
            accepted = accept(&listener, &places) => {
                let Some((stream, place)) = accepted else {
                    continue;
                };
                let (acceptor, state) = (acceptor.clone(), Arc::clone(&state));
                let (stop, counters) = (stop.clone(), Arc::clone(&counters));
                // Subscribed before the handshake, so that no change is missed.
                let changes = served.changes();
                connections.spawn(async move {
                    let _place = place;
                    if !connection(stream, acceptor, state, stop, changes).await {
                        counters.handshakes_failed.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
        }
    }
    drop(listener);
    let rest = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(LINGER, rest).await.is_err() {
        connections.abort_all();
    }
}

async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> Option<(TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, _)) => Some((stream, place)),
        // Out of file descriptors, mostly: others are given time to close theirs.
        Err(error) => {
            tracing::warn!(%error, "a connection could not be accepted");
            tokio::time::sleep(Duration::from_millis(50)).await;
            None
        }
    }
}

/// One connection to its end; false if its handshake failed. It ends gently when the certificate
/// changes: an API server keeps one for days, and a certificate that it does not trust is to be
/// seen while the old one would still do.
async fn connection(
    stream: TcpStream,
    acceptor: TlsAcceptor,
    state: Arc<State>,
    mut stop: signal::Receiver<bool>,
    mut changes: signal::Receiver<u64>,
) -> bool {
    let _ = stream.set_nodelay(true);
    let stream = match tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => {
            tracing::debug!(%error, "a TLS handshake failed");
            return false;
        }
        Err(_) => return false,
    };
    let mut builder = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(64 << 10);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(32 << 10)
        .keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(KEEP_ALIVE);
    let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    let last = Arc::new(AtomicBool::new(false));
    let told_last = Arc::clone(&last);
    let service = tower::service_fn(move |request| {
        let (state, last) = (Arc::clone(&state), Arc::clone(&told_last));
        async move {
            let mut response = state.respond(request).await;
            if !http2 && (last.load(Ordering::Relaxed) || !*state.ready.borrow()) {
                let headers = response.headers_mut();
                headers.insert(CONNECTION, HeaderValue::from_static("close"));
            }
            Ok::<_, std::convert::Infallible>(response)
        }
    });
    let service = TowerToHyperService::new(service);
    let mut serving = pin!(builder.serve_connection(TokioIo::new(stream), service));
    loop {
        tokio::select! {
            ended = serving.as_mut() => break told(ended),
            stop = ending(&mut stop, &mut changes) => {
                if http2 || stop {
                    serving.as_mut().graceful_shutdown();
                    break told(serving.await);
                }
                // Without streams, a connection that just ends may meet a request on its way: its
                // client is told with the next answer.
                last.store(true, Ordering::Relaxed);
            }
        }
    }
    true
}

/// Completes when a connection is to end: true if the server does.
async fn ending(stop: &mut signal::Receiver<bool>, changes: &mut signal::Receiver<u64>) -> bool {
    tokio::select! {
        () = stopped(stop) => true,
        _ = changes.changed() => false,
    }
}

async fn stopped(stop: &mut signal::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

fn told(ended: Result<(), Box<dyn std::error::Error + Send + Sync>>) {
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection broke");
    }
}

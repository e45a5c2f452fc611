//! `/metrics`, `/healthz` and `/readyz` over HTTP.
//!
//! `/healthz` says that the process answers; `/readyz` that its caches are filled, and in a group
//! of replicas that it waits its turn: a standby is as ready as it can be.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::watch as signal;

/// An address for metrics or health checks cannot be served.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot listen on {address} for {purpose}: {reason}")]
pub struct ListenError {
    /// What is served there.
    pub purpose: &'static str,
    /// The address.
    pub address: String,
    /// The cause.
    pub reason: String,
}

/// What is listened on.
#[derive(Debug)]
pub struct Listeners {
    metrics: Option<TcpListener>,
    live: Option<TcpListener>,
}

/// Writes all metrics.
type Render = Arc<dyn Fn() -> String + Send + Sync>;

impl Listeners {
    /// Listens on these addresses; `0` and an empty one switch a server off, as they do in
    /// controller-runtime, whose flags these are.
    ///
    /// # Errors
    /// An address is wrong or taken.
    pub async fn bind(metrics: &str, live: &str) -> Result<Self, ListenError> {
        Ok(Self {
            metrics: bind("metrics", metrics).await?,
            live: bind("health checks", live).await?,
        })
    }

    /// Serves until dropped.
    ///
    /// # Errors
    /// A listener broke.
    pub async fn serve(
        self,
        render: impl Fn() -> String + Send + Sync + 'static,
        ready: signal::Receiver<bool>,
    ) -> Result<(), ListenError> {
        let metrics = Router::new()
            .route("/metrics", get(scrape))
            .with_state(Arc::new(render) as Render);
        let live = Router::new()
            .route("/healthz", get(|| async { "ok" }))
            .route("/readyz", get(readyz))
            .with_state(ready);
        tokio::try_join!(
            serve("metrics", self.metrics, metrics),
            serve("health checks", self.live, live),
        )?;
        Ok(())
    }
}

async fn bind(purpose: &'static str, address: &str) -> Result<Option<TcpListener>, ListenError> {
    if address.is_empty() || address == "0" {
        return Ok(None);
    }
    // Go reads an address without host as all of them.
    let full = match address.strip_prefix(':') {
        Some(port) => format!("0.0.0.0:{port}"),
        None => address.to_owned(),
    };
    let listener = TcpListener::bind(&full).await;
    listener.map(Some).map_err(|error| ListenError {
        purpose,
        address: address.to_owned(),
        reason: error.to_string(),
    })
}

async fn serve(
    purpose: &'static str,
    listener: Option<TcpListener>,
    router: Router,
) -> Result<(), ListenError> {
    let Some(listener) = listener else {
        return std::future::pending().await;
    };
    let served = axum::serve(listener, router).await;
    served.map_err(|error| ListenError {
        purpose,
        address: String::new(),
        reason: error.to_string(),
    })
}

async fn scrape(State(render): State<Render>) -> impl IntoResponse {
    let headers = [(
        header::CONTENT_TYPE,
        "text/plain; version=0.0.4; charset=utf-8",
    )];
    (headers, render())
}

async fn readyz(State(ready): State<signal::Receiver<bool>>) -> (StatusCode, &'static str) {
    if *ready.borrow() {
        (StatusCode::OK, "ok")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "caches are not filled yet")
    }
}

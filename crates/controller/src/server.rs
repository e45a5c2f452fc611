//! `/metrics`, `/healthz` and `/readyz`.
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

use crate::Error;
use crate::context::Context;
use crate::metrics;
use crate::options::Options;

/// What is listened on.
#[derive(Debug)]
pub struct Listeners {
    metrics: Option<TcpListener>,
    live: Option<TcpListener>,
}

/// Listens on the addresses of `options`.
///
/// # Errors
/// An address is wrong or taken.
pub async fn bind(options: &Options) -> Result<Listeners, Error> {
    Ok(Listeners {
        metrics: bind_one("metrics", options.metrics_addr.as_deref()).await?,
        live: bind_one("health checks", options.live_addr.as_deref()).await?,
    })
}

async fn bind_one(
    purpose: &'static str,
    address: Option<&str>,
) -> Result<Option<TcpListener>, Error> {
    // `0` switches a server off in controller-runtime, whose flags these are.
    let Some(address) = address.filter(|a| !a.is_empty() && *a != "0") else {
        return Ok(None);
    };
    // Go reads an address without host as all of them.
    let full = match address.strip_prefix(':') {
        Some(port) => format!("0.0.0.0:{port}"),
        None => address.to_owned(),
    };
    let listener = TcpListener::bind(&full)
        .await
        .map_err(|error| Error::Listen {
            purpose,
            address: address.to_owned(),
            reason: error.to_string(),
        })?;
    Ok(Some(listener))
}

/// Serves until dropped.
///
/// # Errors
/// A listener broke.
pub async fn run(
    listeners: Listeners,
    context: Arc<Context>,
    ready: signal::Receiver<bool>,
) -> Result<(), Error> {
    let metrics = Router::new()
        .route("/metrics", get(scrape))
        .with_state(context);
    let live = Router::new()
        .route("/healthz", get(|| async { "ok" }))
        .route("/readyz", get(readyz))
        .with_state(ready);
    futures::future::try_join(
        serve("metrics", listeners.metrics, metrics),
        serve("health checks", listeners.live, live),
    )
    .await?;
    Ok(())
}

async fn serve(
    purpose: &'static str,
    listener: Option<TcpListener>,
    router: Router,
) -> Result<(), Error> {
    let Some(listener) = listener else {
        return std::future::pending().await;
    };
    axum::serve(listener, router)
        .await
        .map_err(|error| Error::Listen {
            purpose,
            address: String::new(),
            reason: error.to_string(),
        })
}

async fn scrape(State(context): State<Arc<Context>>) -> impl IntoResponse {
    let headers = [(
        header::CONTENT_TYPE,
        "text/plain; version=0.0.4; charset=utf-8",
    )];
    (headers, metrics::render(&context))
}

async fn readyz(State(ready): State<signal::Receiver<bool>>) -> (StatusCode, &'static str) {
    if *ready.borrow() {
        (StatusCode::OK, "ok")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "caches are not filled yet")
    }
}

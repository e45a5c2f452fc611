//! The discovery document and the key set: made, served, counted, and broken on purpose.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use serde_json::{Value, json};

use super::Issuer;

/// How the delivery of a document fails. The default delivers it.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    /// Wait this long before answering.
    pub latency: Duration,
    /// Answer with this status and no document.
    pub status: Option<u16>,
    /// Deliver this instead of the discovery document.
    pub discovery: Option<String>,
    /// Deliver this instead of the key set.
    pub keys: Option<String>,
}

/// How often each document was asked for, failures included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Requests {
    /// Of the discovery document.
    pub discovery: u64,
    /// Of the key set.
    pub keys: u64,
}

#[derive(Default)]
pub(super) struct Switches {
    faults: RwLock<Faults>,
    discovery: AtomicU64,
    keys: AtomicU64,
}

impl Issuer {
    /// The discovery document: exactly the fields that the API server publishes.
    #[must_use]
    pub fn discovery(&self) -> Value {
        json!({
            "issuer": self.url(),
            "jwks_uri": format!("{}/openid/v1/jwks", self.url()),
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
        })
    }

    /// The key set: every published key.
    #[must_use]
    pub fn jwks(&self) -> Value {
        json!({"keys": self.keys().iter().map(|k| k.jwk().clone()).collect::<Vec<_>>()})
    }

    /// How often the documents were asked for.
    #[must_use]
    pub fn requests(&self) -> Requests {
        let switches = &self.0.faults;
        Requests {
            discovery: switches.discovery.load(Ordering::Relaxed),
            keys: switches.keys.load(Ordering::Relaxed),
        }
    }

    /// Makes delivery fail from now on; the default value repairs it.
    pub fn set_faults(&self, faults: Faults) {
        *self
            .0
            .faults
            .faults
            .write()
            .unwrap_or_else(PoisonError::into_inner) = faults;
    }

    /// Both documents at their paths.
    pub fn router(&self) -> Router {
        Router::new()
            .route("/.well-known/openid-configuration", get(discovery))
            .route("/openid/v1/jwks", get(keys))
            .with_state(self.clone())
    }

    fn faults(&self) -> Faults {
        self.0
            .faults
            .faults
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

async fn discovery(State(issuer): State<Issuer>) -> Response {
    issuer.0.faults.discovery.fetch_add(1, Ordering::Relaxed);
    let faults = issuer.faults();
    let body = faults
        .discovery
        .clone()
        .unwrap_or_else(|| issuer.discovery().to_string());
    deliver(&faults, "application/json", body).await
}

async fn keys(State(issuer): State<Issuer>) -> Response {
    issuer.0.faults.keys.fetch_add(1, Ordering::Relaxed);
    let faults = issuer.faults();
    let body = faults
        .keys
        .clone()
        .unwrap_or_else(|| issuer.jwks().to_string());
    deliver(&faults, "application/jwk-set+json", body).await
}

async fn deliver(faults: &Faults, content_type: &'static str, body: String) -> Response {
    if !faults.latency.is_zero() {
        tokio::time::sleep(faults.latency).await;
    }
    if let Some(status) = faults.status {
        let mut response = Response::new(axum::body::Body::empty());
        *response.status_mut() =
            StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        return response;
    }
    let mut response = Response::new(axum::body::Body::from(body));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, http::HeaderValue::from_static(content_type));
    headers.insert(
        CACHE_CONTROL,
        http::HeaderValue::from_static("public, max-age=3600"),
    );
    response
}

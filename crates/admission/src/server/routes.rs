//! What is answered at which path.
//!
//! Owns: the way from a request's bytes to the answer's, its limits, and its counts. A request
//! that is no review gets an HTTP error: an API server then acts by its `failurePolicy`.
//! Refuses: rules.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use tokio::sync::watch as signal;

use super::body::{BodyError, Budget};
use crate::accounts::Accounts;
use crate::answer;
use crate::cloud::{self, Injectors, Route};
use crate::metrics::Metrics;
use crate::review::{self, Answer};
use crate::validate::Validator;

/// What every request shares.
#[derive(Debug)]
pub struct State {
    /// What injects.
    pub injectors: Arc<ArcSwap<Injectors>>,
    /// The service accounts.
    pub accounts: Arc<Accounts>,
    /// Validation of the custom resources, if it is switched on.
    pub validator: Option<Validator>,
    /// Counts.
    pub metrics: Arc<Metrics>,
    /// Whether everything is known and the server is not ending.
    pub ready: signal::Receiver<bool>,
    bodies: Budget,
}

/// An answer that is no review.
struct Refusal(StatusCode, String);

impl State {
    /// The shared part of a server.
    #[must_use]
    pub fn new(
        injectors: Arc<ArcSwap<Injectors>>,
        accounts: Arc<Accounts>,
        validator: Option<Validator>,
        metrics: Arc<Metrics>,
        ready: signal::Receiver<bool>,
    ) -> Self {
        Self {
            injectors,
            accounts,
            validator,
            metrics,
            ready,
            bodies: Budget::default(),
        }
    }

    /// The answer to one request.
    pub async fn respond(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let path = request.uri().path().to_owned();
        match &*path {
            "/healthz" => return text(StatusCode::OK, "ok".into()),
            "/readyz" => {
                return if *self.ready.borrow() {
                    text(StatusCode::OK, "ok".into())
                } else {
                    let why = "not everything is known yet, or the server is ending";
                    text(StatusCode::SERVICE_UNAVAILABLE, why.into())
                };
            }
            _ => {}
        }
        let injectors = self.injectors.load_full();
        let route = Route::of(&path, &injectors);
        let validates = self.validator.as_ref().filter(|v| v.serves(&path));
        if route.is_none() && validates.is_none() {
            self.metrics.strangers.fetch_add(1, Ordering::Relaxed);
            let why = format!("nothing is served at this path; reviews of pods are at {PATHS}");
            return text(StatusCode::NOT_FOUND, why);
        }
        let begin = Instant::now();
        let flight = Flight::new(&self.metrics.in_flight);
        let result = match &route {
            Some(route) => self.inject(&injectors, route, request).await,
            None => self.validate(validates, &path, request).await,
        };
        drop(flight);
        let response = result.unwrap_or_else(|Refusal(status, why)| {
            tracing::debug!(path, status = status.as_u16(), why, "a request was refused");
            text(status, why)
        });
        let clouds = route.map(|route| route.clouds).unwrap_or_default();
        let status = response.status().as_u16();
        self.metrics.served(&path, status, &clouds, begin.elapsed());
        response
    }

    async fn inject(
        &self,
        injectors: &Injectors,
        route: &Route,
        request: Request<Incoming>,
    ) -> Result<Response<Full<Bytes>>, Refusal> {
        let request = self.review(request).await?;
        let mut known = cloud::Accounts::new();
        for name in answer::accounts(injectors, route, &request) {
            let account = self.accounts.get(&request.namespace, &name).await;
            let account = account.map_err(|error| {
                tracing::warn!(%error, "a pod could not be looked at; the webhook's failurePolicy decides on it");
                for cloud in &route.clouds {
                    self.metrics.failed(*cloud);
                }
                Refusal(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
            })?;
            known.insert(name, account);
        }
        let answered = answer::answer(injectors, route, &request, &known, rand::random());
        for (cloud, outcome) in &answered.outcomes {
            self.metrics.outcome(*cloud, *outcome);
        }
        tracing::debug!(
            namespace = request.namespace, name = request.name, outcomes = ?answered.outcomes,
            refusal = answered.answer.refusal, "a pod was looked at"
        );
        Ok(json(answered.answer.render(&request)))
    }

    async fn validate(
        &self,
        validator: Option<&Validator>,
        path: &str,
        request: Request<Incoming>,
    ) -> Result<Response<Full<Bytes>>, Refusal> {
        let request = self.review(request).await?;
        let answer = validator.map_or_else(Answer::default, |v| v.answer(path, &request));
        self.metrics.validated(answer.refusal.is_some());
        Ok(json(answer.render(&request)))
    }

    /// Reads a review, within limits.
    async fn review(&self, request: Request<Incoming>) -> Result<review::Request, Refusal> {
        if request.method() != Method::POST {
            let why = "a review is sent with POST".to_owned();
            return Err(Refusal(StatusCode::METHOD_NOT_ALLOWED, why));
        }
        let of_json = |value: &HeaderValue| {
            let value = value.to_str().unwrap_or_default();
            value.split(';').next().unwrap_or_default().trim() == "application/json"
        };
        // Without any it is taken for what it must be.
        if !request.headers().get(CONTENT_TYPE).is_none_or(of_json) {
            let why = "a review has the content type application/json".to_owned();
            return Err(Refusal(StatusCode::UNSUPPORTED_MEDIA_TYPE, why));
        }
        let read = self.bodies.read(request.into_body(), review::Request::read);
        match read.await {
            Ok(Ok(review)) => Ok(review),
            Ok(Err(error)) => Err(Refusal(StatusCode::BAD_REQUEST, error.to_string())),
            Err(error) => {
                let status = match error {
                    BodyError::Large => StatusCode::PAYLOAD_TOO_LARGE,
                    BodyError::Busy => StatusCode::SERVICE_UNAVAILABLE,
                    BodyError::Late => StatusCode::REQUEST_TIMEOUT,
                    BodyError::Broken => StatusCode::BAD_REQUEST,
                };
                Err(Refusal(status, error.text()))
            }
        }
    }
}

/// The paths of pods, for messages.
const PATHS: &str = "/inject, /inject/aws, /inject/azure, /inject/google, /mutate and /mutate-v1-pod, as far as their clouds are switched on";

/// One request under way.
struct Flight<'a>(&'a AtomicUsize);

impl<'a> Flight<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn json(body: String) -> Response<Full<Bytes>> {
    with(StatusCode::OK, "application/json", body)
}

fn text(status: StatusCode, body: String) -> Response<Full<Bytes>> {
    with(status, "text/plain; charset=utf-8", body + "\n")
}

fn with(status: StatusCode, kind: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    if status == StatusCode::METHOD_NOT_ALLOWED {
        headers.insert(ALLOW, HeaderValue::from_static("POST"));
    }
    response
}

//! Faults on purpose: throttling, errors of the server, broken and slow answers, redirects.
//!
//! Owns: which call is hit by which fault. Refuses: chance.

use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use http::{HeaderValue, Response, StatusCode, header};
use serde::{Deserialize, Serialize};

use super::protocol::{Refusal, render};

/// What goes wrong.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(
    tag = "kind",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub enum Effect {
    /// 429 of a rate limit quota.
    Throttle {
        /// `Retry-After`, seconds.
        retry_after: u64,
    },
    /// An error of the server.
    ServerError {
        /// 500 to 599.
        status: u16,
    },
    /// A read of a replica that has not caught up.
    Behind,
    /// The answer comes late.
    Latency {
        /// Delay.
        milliseconds: u64,
    },
    /// Half the answer, then the connection breaks.
    Truncate,
    /// Half of a JSON document, whole as HTTP.
    HalfJson,
    /// A page of a proxy with status 200.
    Page,
    /// An error document with status 200.
    ErrorWithSuccess,
    /// A body of this size.
    Large {
        /// Bytes.
        bytes: usize,
    },
    /// 307 to another address.
    Redirect {
        /// The address; the path is appended.
        to: String,
    },
}

/// A fault and the calls it hits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Fault {
    /// The beginning of the path below `/v1/`; empty: every path.
    #[serde(default)]
    pub path: String,
    /// What goes wrong.
    pub effect: Effect,
    /// How many calls are hit before the fault is used up; absent: it stays.
    #[serde(default)]
    pub times: Option<u32>,
}

impl Fault {
    /// A fault that hits every call below `path` until cleared.
    #[must_use]
    pub fn on(path: &str, effect: Effect) -> Self {
        Self {
            path: path.to_owned(),
            effect,
            times: None,
        }
    }

    /// Only the next `n` calls.
    #[must_use]
    pub fn times(mut self, n: u32) -> Self {
        self.times = Some(n);
        self
    }
}

#[derive(Clone, Debug, Default)]
pub(super) struct Faults(Vec<Fault>);

impl Faults {
    pub fn add(&mut self, fault: Fault) {
        self.0.push(fault);
    }

    pub fn clear(&mut self) {
        self.0.clear();
    }

    pub fn list(&self) -> Vec<Fault> {
        self.0.clone()
    }

    /// The first fault that hits a call of `path`; counted as used.
    pub fn strike(&mut self, path: &str) -> Option<Effect> {
        let hit = self
            .0
            .iter_mut()
            .find(|fault| path.starts_with(&fault.path))?;
        let effect = hit.effect.clone();
        if let Some(left) = &mut hit.times {
            *left = left.saturating_sub(1);
        }
        self.0.retain(|fault| fault.times != Some(0));
        Some(effect)
    }
}

/// The answer in place of a call that never gets to Vault; `None` for a fault that spoils or
/// delays an answer.
pub(super) fn instead(effect: &Effect, path: &str) -> Option<Response<Body>> {
    let answer = |status: u16, kind: &'static str, body: String| {
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
        let kind = HeaderValue::from_static(kind);
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        response
    };
    Some(match effect {
        Effect::Throttle { retry_after } => render(Err(Refusal {
            retry_after: Some(*retry_after),
            ..Refusal::new(
                429,
                format!("request path {path:?}: rate limit quota exceeded"),
            )
        })),
        Effect::ServerError { status } => render(Err(Refusal::new(*status, "internal error"))),
        Effect::Behind => render(Err(Refusal::new(412, "required index state not present"))),
        Effect::Page => answer(
            200,
            "text/html; charset=utf-8",
            "<html><body>please log in</body></html>".to_owned(),
        ),
        Effect::ErrorWithSuccess => answer(
            200,
            "application/json",
            r#"{"errors":["something went wrong"]}"#.to_owned(),
        ),
        Effect::Large { bytes } => answer(200, "application/json", "x".repeat(*bytes)),
        Effect::Redirect { to } => {
            let mut response = answer(307, "text/plain", String::new());
            let to = HeaderValue::from_str(&format!("{to}/v1/{path}")).ok()?;
            response.headers_mut().insert(header::LOCATION, to);
            response
        }
        Effect::Latency { .. } | Effect::Truncate | Effect::HalfJson => return None,
    })
}

/// Delays or spoils an answer.
pub(super) async fn spoil(effect: &Effect, response: Response<Body>) -> Response<Body> {
    if let Effect::Latency { milliseconds } = effect {
        tokio::time::sleep(Duration::from_millis(*milliseconds)).await;
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let bytes = to_bytes(body, usize::MAX).await.unwrap_or_default();
    let half: Bytes = bytes.slice(..bytes.len() / 2);
    if *effect == Effect::HalfJson {
        parts.headers.remove(header::CONTENT_LENGTH);
        return Response::from_parts(parts, Body::from(half));
    }
    let end = std::io::Error::new(std::io::ErrorKind::ConnectionReset, "cut off on purpose");
    let stream = futures::stream::iter([Ok(half), Err(end)]);
    Response::from_parts(parts, Body::from_stream(stream))
}

//! Single requests to the API server.
//!
//! Owns: time limits, patience with 429 and `Retry-After`, the reading of `Status` answers,
//! and URLs. Refuses: watches (see [`crate::watch`]) and knowledge of any kind.

use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, RETRY_AFTER, USER_AGENT};
use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use kube::client::Body;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde::Deserialize;
use serde_json::Value;

use crate::Error;
use crate::client::error_chain;

/// Names this program to the API server; its audit log shows it.
pub const AGENT: &str = concat!("keyless-controller/", env!("CARGO_PKG_VERSION"));

/// How long one request may take, answer included.
const TIMEOUT: Duration = Duration::from_secs(15);
/// The longest `Retry-After` that is waited for in place; a longer one is given back.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often a throttled request is repeated in place.
const ATTEMPTS: u32 = 4;
/// The largest answer read: a page of lists; an object has at most 1.5 MiB in etcd.
const MAX_ANSWER: usize = 32 << 20;

/// How a body changes an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Read.
    Get,
    /// Create.
    Post,
    /// Replace.
    Put,
    /// JSON merge patch.
    MergePatch,
    /// JSON patch: a list of operations, all or none of which are done.
    JsonPatch,
    /// Delete; the body holds options.
    Delete,
}

impl Verb {
    const fn method(self) -> Method {
        match self {
            Self::Get => Method::GET,
            Self::Post => Method::POST,
            Self::Put => Method::PUT,
            Self::MergePatch | Self::JsonPatch => Method::PATCH,
            Self::Delete => Method::DELETE,
        }
    }

    const fn content_type(self) -> &'static str {
        match self {
            Self::MergePatch => "application/merge-patch+json",
            Self::JsonPatch => "application/json-patch+json",
            _ => "application/json",
        }
    }
}

/// Only the new resourceVersion of an answer is read; the rest is skipped.
pub const METADATA_ONLY: &str =
    "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json";
/// The same for a list.
pub const METADATA_ONLY_LIST: &str =
    "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json";
const JSON: &str = "application/json";

const SEGMENT: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'&')
    .add(b'+')
    .add(b'/')
    .add(b':')
    .add(b'<')
    .add(b'=')
    .add(b'>')
    .add(b'?')
    .add(b'`')
    .add(b'{')
    .add(b'}');

/// `object` with one more field, if there is a value for it.
#[must_use]
pub fn with(mut object: Value, field: &str, value: Option<Value>) -> Value {
    if let (Some(object), Some(value)) = (object.as_object_mut(), value) {
        object.insert(field.to_owned(), value);
    }
    object
}

/// One path segment or query value, escaped.
#[must_use]
pub fn escape(segment: &str) -> String {
    utf8_percent_encode(segment, SEGMENT).to_string()
}

/// Sends single requests.
#[derive(Clone)]
pub struct Requests {
    client: kube::Client,
}

impl std::fmt::Debug for Requests {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Requests")
    }
}

impl Requests {
    /// Sends through `client`.
    #[must_use]
    pub const fn new(client: kube::Client) -> Self {
        Self { client }
    }

    /// Reads `path`, as JSON. `intent` completes "cannot …".
    ///
    /// # Errors
    /// Everything but a 2xx answer.
    pub async fn get(&self, path: &str, intent: &str) -> Result<Bytes, Error> {
        self.send(Verb::Get, path, JSON, Bytes::new(), intent).await
    }

    /// Reads one page of a list at `path`.
    ///
    /// # Errors
    /// Everything but a 2xx answer.
    pub async fn list(
        &self,
        path: &str,
        accept: &'static str,
        intent: &str,
    ) -> Result<Bytes, Error> {
        self.send(Verb::Get, path, accept, Bytes::new(), intent)
            .await
    }

    /// Sends `body` and returns the answer, which may be metadata only.
    ///
    /// # Errors
    /// Everything but a 2xx answer.
    pub async fn write(
        &self,
        verb: Verb,
        path: &str,
        body: Bytes,
        intent: &str,
    ) -> Result<Bytes, Error> {
        self.send(verb, path, METADATA_ONLY, body, intent).await
    }

    /// Sends `body` and returns the whole answer.
    ///
    /// # Errors
    /// Everything but a 2xx answer.
    pub async fn exchange(
        &self,
        verb: Verb,
        path: &str,
        body: Bytes,
        intent: &str,
    ) -> Result<Bytes, Error> {
        self.send(verb, path, JSON, body, intent).await
    }

    async fn send(
        &self,
        verb: Verb,
        path: &str,
        accept: &'static str,
        body: Bytes,
        intent: &str,
    ) -> Result<Bytes, Error> {
        let mut attempt = 1;
        loop {
            let once = self.send_once(verb, path, accept, body.clone(), intent);
            let result = tokio::time::timeout(TIMEOUT, once)
                .await
                .unwrap_or_else(|_| {
                    Err(Error::Transport {
                        intent: intent.to_owned(),
                        reason: format!("no answer within {TIMEOUT:?}"),
                    })
                });
            match result {
                // 429 means "not processed", whatever the verb, so a repeat doubles nothing.
                Err(Error::Api {
                    status: 429,
                    retry_after,
                    ..
                }) if attempt < ATTEMPTS && retry_after.unwrap_or_default() <= PATIENCE => {
                    tokio::time::sleep(retry_after.unwrap_or(Duration::from_secs(1))).await;
                    attempt += 1;
                }
                result => return result,
            }
        }
    }

    async fn send_once(
        &self,
        verb: Verb,
        path: &str,
        accept: &'static str,
        body: Bytes,
        intent: &str,
    ) -> Result<Bytes, Error> {
        let transport = |reason: String| Error::Transport {
            intent: intent.to_owned(),
            reason,
        };
        let mut request = Request::builder()
            .method(verb.method())
            .uri(path)
            .header(ACCEPT, accept)
            .header(USER_AGENT, AGENT);
        if !body.is_empty() {
            request = request.header(CONTENT_TYPE, verb.content_type());
        }
        let request = request
            .body(Body::from(body))
            .map_err(|e| transport(e.to_string()))?;
        let response = self
            .client
            .send(request)
            .await
            .map_err(|e| transport(error_chain(&e)))?;
        let status = response.status();
        let retry_after = retry_after(&response);
        let body = http_body_util::Limited::new(response.into_body(), MAX_ANSWER)
            .collect()
            .await
            .map_err(|e| transport(e.to_string()))?
            .to_bytes();
        if status.is_success() {
            return Ok(body);
        }
        Err(refusal(intent, status, &body, retry_after))
    }
}

/// The seconds of a `Retry-After` header.
pub fn retry_after<B>(response: &Response<B>) -> Option<Duration> {
    let seconds = response.headers().get(RETRY_AFTER)?.to_str().ok()?;
    seconds.trim().parse().ok().map(Duration::from_secs)
}

/// The error of an answer that is not 2xx.
pub fn refusal(
    intent: &str,
    status: StatusCode,
    body: &[u8],
    retry_after: Option<Duration>,
) -> Error {
    #[derive(Deserialize, Default)]
    #[serde(default)]
    struct Status {
        reason: String,
        message: String,
    }
    let parsed: Status = serde_json::from_slice(body).unwrap_or_default();
    let reason = if parsed.reason.is_empty() {
        status.canonical_reason().unwrap_or_default().to_owned()
    } else {
        parsed.reason
    };
    let message = if parsed.message.is_empty() {
        String::from_utf8_lossy(body.get(..200.min(body.len())).unwrap_or_default()).into_owned()
    } else {
        parsed.message
    };
    Error::Api {
        intent: intent.to_owned(),
        status: status.as_u16(),
        reason,
        message,
        retry_after,
    }
}

//! One call over HTTP and its answer.
//!
//! Owns: the headers of the protocol, the path's escapes, redirects (followed once and only to
//! the same origin, so that a token reaches no other host), and reading errors out of a body.
//! Refuses: retries, and any answer that is no JSON object.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue, LOCATION, RETRY_AFTER};
use keyless_secret::SecretBytes;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use url::Url;

use super::Server;
use crate::claims::scrub;
use crate::http::Limits;
use crate::{HttpError, HttpExchange};

/// What needs no escape inside a segment of a path.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// One segment of a path, escaped.
#[must_use]
pub fn segment(text: &str) -> String {
    utf8_percent_encode(text, SEGMENT).to_string()
}

/// A path of several segments, each escaped; slashes at its ends are dropped. `None` when a
/// segment is empty, `.` or `..`: such a path means another one than it says.
#[must_use]
pub fn segments(path: &str) -> Option<String> {
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    if parts.iter().any(|part| matches!(*part, "" | "." | "..")) {
        return None;
    }
    let escaped: Vec<String> = parts.into_iter().map(segment).collect();
    Some(escaped.join("/"))
}

/// One call.
#[derive(Clone, Debug)]
pub struct Call<'a> {
    /// HTTP method.
    pub method: http::Method,
    /// Path below `/v1/`, escaped, with its query.
    pub path: String,
    /// The Vault namespace.
    pub namespace: Option<&'a str>,
    /// The session's token.
    pub token: Option<&'a SecretBytes>,
    /// A JSON document.
    pub body: Option<Bytes>,
    /// Further headers of the protocol.
    pub headers: Vec<(&'static str, String)>,
    /// Longest time, if another than the exchange's.
    pub total: Option<Duration>,
}

impl<'a> Call<'a> {
    /// A call without token and body.
    #[must_use]
    pub fn new(method: http::Method, path: impl Into<String>, namespace: Option<&'a str>) -> Self {
        Self {
            method,
            path: path.into(),
            namespace,
            token: None,
            body: None,
            headers: Vec::new(),
            total: None,
        }
    }

    /// With the session's token.
    #[must_use]
    pub const fn token(mut self, token: &'a SecretBytes) -> Self {
        self.token = Some(token);
        self
    }

    /// With a JSON document.
    #[must_use]
    pub fn json(mut self, body: &serde_json::Value) -> Self {
        self.body = Some(Bytes::from(body.to_string()));
        self
    }
}

/// Why a call has no answer of Vault.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Unanswered {
    /// Nothing came back.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// A redirect to another host, which gets no token.
    #[error("{from} redirects to {to}, which is not followed with a token")]
    Redirect {
        /// Who answered.
        from: String,
        /// Host of the redirect.
        to: String,
    },
    /// The call cannot be written down.
    #[error("{0}")]
    Malformed(&'static str),
}

/// What came back.
#[derive(Clone)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    body: Bytes,
    content_type: String,
    headers: http::HeaderMap,
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Answer")
            .field("status", &self.status)
            .field("bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

#[derive(Deserialize, Default)]
struct Envelope {
    #[serde(default)]
    request_id: Option<String>,
    #[serde(default)]
    errors: Option<Vec<serde_json::Value>>,
}

impl Answer {
    /// Whether Vault did what was asked.
    #[must_use]
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The body as `T`.
    ///
    /// # Errors
    /// A description without any part of the body, which may be a secret.
    pub fn json<'a, T: Deserialize<'a>>(&'a self) -> Result<T, String> {
        let parsed = serde_json::from_slice::<T>(&self.body);
        let parsed = match parsed {
            Ok(_) if !self.is_object() => Err(serde::de::Error::custom("no object")),
            other => other,
        };
        parsed.map_err(|error: serde_json::Error| {
            let kind = if self.body.is_empty() {
                "nothing".to_owned()
            } else if error.is_eof() {
                "JSON that breaks off".to_owned()
            } else if error.is_syntax() {
                match self.content_type.as_str() {
                    "" => "no JSON".to_owned(),
                    other => format!("no JSON but {other}"),
                }
            } else {
                "JSON of another shape".to_owned()
            };
            let id = self.request_id();
            let id = id.map_or_else(String::new, |id| format!(" (request {id})"));
            format!("HTTP {} with {kind}{id}", self.status)
        })
    }

    /// Whether the body is a JSON object, if it is JSON: a list would be read into the fields of
    /// a struct one after the other, values into the request's id.
    fn is_object(&self) -> bool {
        self.body.trim_ascii_start().starts_with(b"{")
    }

    fn envelope(&self) -> Envelope {
        let object = self.is_object().then_some(&self.body);
        object
            .and_then(|body| serde_json::from_slice(body).ok())
            .unwrap_or_default()
    }

    /// Vault's own words, joined; empty if there are none.
    #[must_use]
    pub fn errors(&self) -> String {
        let envelope = self.envelope();
        let texts: Vec<String> = envelope
            .errors
            .unwrap_or_default()
            .iter()
            .filter_map(|error| Some(scrub(error.as_str()?)))
            .filter(|error| !error.is_empty())
            .collect();
        texts.join("; ")
    }

    /// Whether the body is an error document of Vault, with or without words in it.
    #[must_use]
    pub fn is_error_document(&self) -> bool {
        self.envelope().errors.is_some()
    }

    /// The request's id, of the body or of a proxy's header.
    #[must_use]
    pub fn request_id(&self) -> Option<String> {
        self.envelope()
            .request_id
            .filter(|id| !id.is_empty() && id.len() <= 100)
            .or_else(|| self.header("x-request-id").map(str::to_owned))
    }

    /// The wish for the earliest retry.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        let seconds = self.header(RETRY_AFTER.as_str())?.parse().ok()?;
        Some(Duration::from_secs(seconds))
    }

    /// A header's value.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        Some(self.headers.get(name)?.to_str().ok()?.trim())
    }
}

/// The way to one server.
#[derive(Clone, Debug)]
pub(super) struct Wire {
    pub(super) server: Arc<Server>,
    pub(super) http: Arc<dyn HttpExchange>,
}

impl Wire {
    /// Makes `call`.
    pub(super) async fn send(&self, call: &Call<'_>) -> Result<Answer, Unanswered> {
        let first = format!("{}/v1/{}", self.server.url(), call.path);
        let answer = self.once(call, &first).await?;
        if !matches!(answer.status, 301 | 302 | 307 | 308) {
            return Ok(answer);
        }
        let next = self.next(&first, &answer)?;
        let answer = self.once(call, next.as_str()).await?;
        if matches!(answer.status, 301 | 302 | 307 | 308) {
            return Err(Unanswered::Malformed("the server redirects more than once"));
        }
        Ok(answer)
    }

    /// Where a redirect leads, if it stays with this server.
    fn next(&self, first: &str, answer: &Answer) -> Result<Url, Unanswered> {
        let broken = || Unanswered::Malformed("the server redirects to something that is no URL");
        let first = Url::parse(first).map_err(|_| broken())?;
        let location = answer.header(LOCATION.as_str()).ok_or_else(broken)?;
        let next = first.join(location).map_err(|_| broken())?;
        if next.origin() == first.origin() {
            return Ok(next);
        }
        let host = |url: &Url| {
            let name = url.host_str().unwrap_or("another host");
            let port = url
                .port()
                .map_or_else(String::new, |port| format!(":{port}"));
            format!("{}://{}{port}", url.scheme(), scrub(name))
        };
        Err(Unanswered::Redirect {
            from: host(&first),
            to: host(&next),
        })
    }

    async fn once(&self, call: &Call<'_>, url: &str) -> Result<Answer, Unanswered> {
        let malformed = |_| Unanswered::Malformed("the call cannot be written down");
        let mut request = http::Request::builder()
            .method(call.method.clone())
            .uri(url)
            // Without it an agent or proxy of Vault may refuse, lest a browser be abused.
            .header("x-vault-request", "true")
            .header(http::header::ACCEPT, "application/json");
        for (name, value) in self.server.headers() {
            let mut value = HeaderValue::from_bytes(value.secret().expose())
                .map_err(|_| Unanswered::Malformed("a header of the store cannot be sent"))?;
            value.set_sensitive(true);
            request = request.header(name, value);
        }
        for (name, value) in &call.headers {
            request = request.header(HeaderName::from_static(name), value);
        }
        if let Some(namespace) = call.namespace {
            request = request.header("x-vault-namespace", namespace);
        }
        if let Some(token) = call.token {
            let mut value = HeaderValue::from_bytes(token.expose())
                .map_err(|_| Unanswered::Malformed("the token is no text that a header holds"))?;
            value.set_sensitive(true);
            request = request.header("x-vault-token", value);
        }
        if call.body.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        let limits = Limits {
            total: call.total,
            ..Limits::default()
        };
        let request = request
            .extension(limits)
            .body(call.body.clone().unwrap_or_default())
            .map_err(malformed)?;
        let answer = self.http.send(request).await?;
        let content_type = answer
            .headers()
            .get(CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .map(scrub)
            .unwrap_or_default();
        let (parts, body) = answer.into_parts();
        Ok(Answer {
            status: parts.status.as_u16(),
            body,
            content_type,
            headers: parts.headers,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_means_what_it_says() {
        assert_eq!(segments("/a/b c/").as_deref(), Some("a/b%20c"));
        assert_eq!(segments("a?x=1#y").as_deref(), Some("a%3Fx%3D1%23y"));
        for path in ["", "/", "a//b", "a/../b", "..", "a/./b"] {
            assert_eq!(segments(path), None, "{path:?}");
        }
    }

    fn answer(status: u16, body: &'static str, content_type: &str) -> Answer {
        Answer {
            status,
            body: Bytes::from_static(body.as_bytes()),
            content_type: content_type.to_owned(),
            headers: http::HeaderMap::new(),
        }
    }

    #[test]
    fn what_cannot_be_read_is_described_without_being_quoted() {
        for (body, content_type, expected) in [
            ("", "", "HTTP 200 with nothing"),
            (
                "{\"data\":\"canary",
                "application/json",
                "HTTP 200 with JSON that breaks off",
            ),
            (
                "<html>canary",
                "text/html",
                "HTTP 200 with no JSON but text/html",
            ),
            (
                "[\"canary\"]",
                "application/json",
                "HTTP 200 with JSON of another shape",
            ),
        ] {
            let found = answer(200, body, content_type)
                .json::<std::collections::BTreeMap<String, String>>();
            assert_eq!(found.unwrap_err(), expected);
        }
    }

    #[test]
    fn errors_are_joined_and_scrubbed() {
        let found = answer(
            400,
            r#"{"errors":["a.","eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJjIn0.c2ln"]}"#,
            "",
        );
        assert_eq!(found.errors(), "a; <token>");
        assert!(found.is_error_document());
        assert!(answer(404, r#"{"errors":[]}"#, "").is_error_document());
        assert!(!answer(404, "not found", "").is_error_document());
        let list = answer(403, r#"["canary",["canary"]]"#, "");
        assert!(!list.is_error_document());
        assert_eq!((list.errors(), list.request_id()), (String::new(), None));
    }
}

//! Requests and answers as they are on the wire.
//!
//! Owns: Vault's envelope, its error documents, durations. Refuses: knowing any path.

use std::collections::BTreeMap;

use axum::body::Body;
use http::{Response, StatusCode, header};
use serde_json::{Map, Value, json};

/// What is done with a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    Read,
    List,
    Write,
    Patch,
    Delete,
}

/// One request, its namespace already found.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub operation: Operation,
    /// Below `/v1/`, inside the namespace, without slashes at its beginning.
    pub path: String,
    /// Without slashes at its ends; empty for the root.
    pub namespace: String,
    pub token: Option<String>,
    pub query: BTreeMap<String, String>,
    pub body: Map<String, Value>,
    /// DER of the client's certificate and those it came with.
    pub certificate: Vec<Vec<u8>>,
    pub now: i64,
}

impl Request {
    /// A text of the body; empty when absent.
    pub fn text(&self, name: &str) -> &str {
        self.body.get(name).and_then(Value::as_str).unwrap_or("")
    }
}

/// What was done.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Reply {
    /// 204.
    Nothing,
    /// The envelope with `data`.
    Data(Value),
    /// The envelope with `auth`.
    Auth(Value),
    /// The envelope with `data` and warnings, under another status.
    Warned(u16, Value, Vec<String>),
    /// A document without envelope.
    Bare(u16, Value),
}

/// What Vault refuses with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub status: u16,
    pub errors: Vec<String>,
    pub retry_after: Option<u64>,
}

impl Refusal {
    pub fn new(status: u16, error: impl Into<String>) -> Self {
        Self {
            status,
            errors: vec![error.into()],
            retry_after: None,
        }
    }

    /// 400.
    pub fn bad(error: impl Into<String>) -> Self {
        Self::new(400, error)
    }

    /// A path at which there is nothing.
    pub const fn nothing() -> Self {
        Self {
            status: 404,
            errors: Vec::new(),
            retry_after: None,
        }
    }

    /// A policy forbids it.
    pub fn denied() -> Self {
        Self::new(403, "1 error occurred:\n\t* permission denied\n\n")
    }

    /// The token is unknown or has ended.
    pub fn invalid_token() -> Self {
        Self::new(
            403,
            "2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n",
        )
    }

    /// No token, where one is needed: so it is for an auth method that is not there.
    pub fn no_token() -> Self {
        Self::new(403, "permission denied")
    }

    pub fn no_route(path: &str) -> Self {
        Self::new(
            404,
            format!("no handler for route {path:?}. route entry not found."),
        )
    }

    pub fn unsupported() -> Self {
        Self::new(405, "1 error occurred:\n\t* unsupported operation\n\n")
    }
}

pub(super) type Outcome = Result<Reply, Refusal>;

/// A random UUID of version 4.
pub(super) fn uuid() -> String {
    let mut bytes: [u8; 16] = rand::random();
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    format!(
        "{}-{}-{}-{}-{}",
        part(0, 8),
        part(8, 12),
        part(12, 16),
        part(16, 20),
        part(20, 32)
    )
}

/// Writes an outcome down.
pub(super) fn render(outcome: Outcome) -> Response<Body> {
    let envelope = |data: Value, auth: Value, warnings: Value| {
        json!({
            "request_id": uuid(), "lease_id": "", "renewable": false, "lease_duration": 0,
            "data": data, "wrap_info": null, "warnings": warnings, "auth": auth,
        })
    };
    let (status, document, retry_after) = match outcome {
        Ok(Reply::Nothing) => (204, None, None),
        Ok(Reply::Data(data)) => (200, Some(envelope(data, Value::Null, Value::Null)), None),
        Ok(Reply::Auth(auth)) => (200, Some(envelope(Value::Null, auth, Value::Null)), None),
        Ok(Reply::Warned(status, data, warnings)) => (
            status,
            Some(envelope(data, Value::Null, json!(warnings))),
            None,
        ),
        Ok(Reply::Bare(status, document)) => (status, Some(document), None),
        Err(refusal) => (
            refusal.status,
            Some(json!({"errors": refusal.errors})),
            refusal.retry_after,
        ),
    };
    let body = document.map_or_else(Body::empty, |document| Body::from(format!("{document}\n")));
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
    let headers = response.headers_mut();
    headers.insert(
        header::CACHE_CONTROL,
        header::HeaderValue::from_static("no-store"),
    );
    if status != 204 {
        let json = header::HeaderValue::from_static("application/json");
        headers.insert(header::CONTENT_TYPE, json);
    }
    if let Some(seconds) = retry_after {
        headers.insert(header::RETRY_AFTER, seconds.into());
    }
    response
}

/// Seconds of a number, a text of digits, or a Go duration such as `1h30m`.
pub(super) fn seconds(value: Option<&Value>) -> Result<i64, Refusal> {
    let text = match value {
        None | Some(Value::Null) => return Ok(0),
        Some(Value::Number(number)) => return Ok(number.as_i64().unwrap_or_default()),
        Some(Value::String(text)) => text.trim(),
        Some(_) => return Err(Refusal::bad("a duration is a number or a text")),
    };
    if text.is_empty() {
        return Ok(0);
    }
    if let Ok(number) = text.parse() {
        return Ok(number);
    }
    let duration = keyless_api::GoDuration::parse(text)
        .map_err(|_| Refusal::bad(format!("{text:?} is no duration")))?;
    // Zero, like nothing, leaves it to the default.
    let life = duration.positive().unwrap_or_default();
    Ok(i64::try_from(life.as_secs()).unwrap_or(i64::MAX))
}

/// A list of texts: a JSON list, or one text with commas.
pub(super) fn texts(value: Option<&Value>) -> Vec<String> {
    let parts: Vec<String> = match value {
        Some(Value::Array(items)) => items
            .iter()
            .filter_map(|item| item.as_str().map(str::to_owned))
            .collect(),
        Some(Value::String(text)) => text.split(',').map(|part| part.trim().to_owned()).collect(),
        _ => Vec::new(),
    };
    parts.into_iter().filter(|part| !part.is_empty()).collect()
}

/// Seconds since 1970 as Vault writes a time.
pub(super) fn time(unix: i64) -> String {
    jiff::Timestamp::from_second(unix)
        .map(|time| time.strftime("%Y-%m-%dT%H:%M:%S.000000000Z").to_string())
        .unwrap_or_default()
}

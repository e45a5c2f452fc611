//! The wire forms of answers.

use axum::body::Body;
use http::{HeaderName, HeaderValue, Response, StatusCode};
use serde_json::{Value, json};

/// A JSON answer, or an error of one of the services.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub status: u16,
    pub body: Value,
    pub headers: Vec<(&'static str, String)>,
}

impl Answer {
    pub fn ok(body: Value) -> Self {
        Self {
            status: 200,
            body,
            headers: Vec::new(),
        }
    }

    pub fn is_error(&self) -> bool {
        self.status >= 300
    }

    /// An error of Key Vault. `inner` may be empty.
    pub fn vault(status: u16, code: &str, inner: &str, message: impl Into<String>) -> Self {
        let mut error = json!({"code": code, "message": message.into()});
        if let (false, Some(fields)) = (inner.is_empty(), error.as_object_mut()) {
            fields.insert("innererror".into(), json!({"code": inner}));
        }
        Self {
            status,
            body: json!({"error": error}),
            headers: Vec::new(),
        }
    }

    /// An error of the Resource Manager or of Graph.
    pub fn error(status: u16, code: &str, message: impl Into<String>) -> Self {
        Self::vault(status, code, "", message)
    }

    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub fn render(self, id: &str) -> Response<Body> {
        let bytes = if self.status == 204 || self.body.is_null() {
            String::new()
        } else {
            self.body.to_string()
        };
        let mut response = Response::new(Body::from(bytes));
        *response.status_mut() =
            StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        headers.insert(
            http::header::CONTENT_TYPE,
            HeaderValue::from_static("application/json; charset=utf-8"),
        );
        if let Ok(id) = HeaderValue::from_str(id) {
            headers.insert("x-ms-request-id", id);
        }
        for (name, value) in self.headers {
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.insert(HeaderName::from_static(name), value);
            }
        }
        response
    }
}

/// A random GUID.
pub(super) fn guid() -> String {
    let number: u128 = rand::random();
    // Version 4, variant 1.
    let number = number & !(0xf << 76) | (0x4 << 76);
    let number = number & !(0x3 << 62) | (0x2 << 62);
    let hex = format!("{number:032x}");
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    [
        part(0, 8),
        part(8, 12),
        part(12, 16),
        part(16, 20),
        part(20, 32),
    ]
    .join("-")
}

/// 32 hexadecimal digits: a version of an object.
pub(super) fn version() -> String {
    format!("{:032x}", rand::random::<u128>())
}

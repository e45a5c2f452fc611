//! Refusals of the token endpoint, in Entra's form.

use jiff::Timestamp;
use serde_json::json;

use super::super::answer::{Answer, guid};

/// One refusal: its `AADSTS` number, status, OAuth error and text.
#[derive(Clone, Debug)]
pub(super) struct Refusal {
    number: u64,
    status: u16,
    error: &'static str,
    text: String,
}

impl Refusal {
    pub fn new(number: u64, status: u16, error: &'static str, text: impl Into<String>) -> Self {
        Self {
            number,
            status,
            error,
            text: text.into(),
        }
    }

    /// The proof of a client does not hold.
    pub fn client(number: u64, text: impl Into<String>) -> Self {
        Self::new(number, 401, "invalid_client", text)
    }

    /// The document; `id` is the request's, which Entra calls a trace.
    pub fn answer(self, now: i64, id: &str) -> Answer {
        let time = Timestamp::from_second(now).unwrap_or_default();
        let time = time.strftime("%Y-%m-%d %H:%M:%SZ").to_string();
        let correlation = guid();
        let (number, text) = (self.number, self.text);
        Answer {
            status: self.status,
            body: json!({
                "error": self.error,
                "error_description": format!(
                    "AADSTS{number}: {text} Trace ID: {id} Correlation ID: {correlation} Timestamp: {time}"
                ),
                "error_codes": [number],
                "timestamp": time,
                "trace_id": id,
                "correlation_id": correlation,
                "error_uri": format!("https://login.microsoftonline.com/error?code={number}"),
            }),
            headers: Vec::new(),
        }
    }
}

//! The JSON answers of Entra's token endpoint and of the metadata service.
//!
//! Owns: reading them strictly. Refuses: meaning, and quoting a token.

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;

use crate::{AccessToken, Leased};

/// Largest answer that is read, in bytes. A real one has about 2 KiB.
pub(super) const LARGEST: usize = 64 << 10;

/// Where a text begins to differ from call to call, or to say what every such refusal says.
const ENDS: [&str; 7] = [
    "Trace ID:",
    "Current time:",
    "Timestamp:",
    "Check your federated",
    "Check to make sure",
    "This can happen if",
    "Review the documentation",
];

#[derive(Deserialize)]
struct Success {
    access_token: SecretText,
    expires_in: Seconds,
    #[serde(default)]
    token_type: String,
}

/// Never in a `Debug`, never in an error.
#[derive(Deserialize)]
struct SecretText(String);

/// The metadata service writes numbers as text.
#[derive(Deserialize)]
#[serde(untagged)]
enum Seconds {
    Number(u64),
    Text(String),
}

/// An error answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Refusal {
    /// `error`, e.g. `invalid_client`.
    pub(super) error: String,
    /// The `AADSTS` number, out of the text where it has one.
    pub(super) number: Option<u64>,
    /// `error_description` without its trace ids and times, and without general advice.
    pub(super) message: String,
    /// `trace_id`.
    pub(super) trace: Option<String>,
}

#[derive(Deserialize)]
struct ErrorDocument {
    error: String,
    #[serde(default)]
    error_description: String,
    #[serde(default)]
    error_codes: Vec<u64>,
    trace_id: Option<String>,
}

/// Reads a success. The error says what is missing and quotes nothing.
pub(super) fn token(body: &[u8]) -> Result<Leased<Arc<AccessToken>>, String> {
    // The parser's own words may quote the document, which holds the token.
    let found: Success =
        serde_json::from_slice(body).map_err(|_| "it is not a token answer in JSON".to_owned())?;
    let SecretText(token) = found.access_token;
    let token = AccessToken::read(token).ok_or("its access_token is not a token")?;
    if !found.token_type.is_empty() && !found.token_type.eq_ignore_ascii_case("bearer") {
        return Err("its token_type is not Bearer".into());
    }
    let seconds = match found.expires_in {
        Seconds::Number(seconds) => seconds,
        Seconds::Text(text) => text
            .trim()
            .parse()
            .map_err(|_| "its expires_in is not a number".to_owned())?,
    };
    if seconds < 60 {
        return Err("its token ends at once".into());
    }
    Ok(Leased {
        value: Arc::new(token),
        ttl: Some(Duration::from_secs(seconds.min(30 * 24 * 3600))),
    })
}

/// Reads an error document.
pub(super) fn refusal(body: &[u8]) -> Option<Refusal> {
    let found: ErrorDocument = serde_json::from_slice(body).ok()?;
    let text = found.error_description;
    let (number, rest) = match numbered(&text) {
        Some((number, rest)) => (Some(number), rest),
        None => (found.error_codes.first().copied(), text.as_str()),
    };
    let end = ENDS.iter().filter_map(|mark| rest.find(mark)).min();
    let stable = end.and_then(|end| rest.get(..end)).unwrap_or(rest);
    Some(Refusal {
        error: found.error,
        number,
        message: stable.trim().to_owned(),
        trace: found.trace_id,
    })
}

/// `AADSTS700213: text` as number and text. The text is believed where `error_codes` differs.
fn numbered(text: &str) -> Option<(u64, &str)> {
    let rest = text.trim_start().strip_prefix("AADSTS")?;
    let (number, rest) = rest.split_once(':')?;
    Some((number.parse().ok()?, rest.trim_start()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn tokens_of_entra_and_of_the_metadata_service() {
        for body in [
            r#"{"token_type":"Bearer","expires_in":3599,"ext_expires_in":3599,"access_token":"canary"}"#,
            r#"{"access_token":"canary","expires_in":"3599","resource":"r","token_type":"Bearer"}"#,
        ] {
            let leased = token(body.as_bytes()).unwrap();
            assert_eq!(leased.value.expose(), "canary");
            assert_eq!(leased.ttl, Some(Duration::from_secs(3599)));
            assert!(!format!("{leased:?}").contains("canary"));
        }
    }

    #[test]
    fn what_is_missing_is_an_error_that_quotes_nothing() {
        for body in [
            r#"{"access_token":"canary"}"#,
            r#"{"access_token":"","expires_in":3599}"#,
            r#"{"access_token":"canary","expires_in":"soon"}"#,
            r#"{"access_token":"canary","expires_in":3}"#,
            r#"{"access_token":"canary\n","expires_in":3599}"#,
            r#"{"access_token":"canary","expires_in":3599,"token_type":"pop"}"#,
            r#"{"access_token":"canary"#,
            "<html>canary</html>",
            "",
        ] {
            let error = token(body.as_bytes()).unwrap_err();
            assert!(!error.contains("canary"), "{error}");
        }
    }

    #[test]
    fn refusals_keep_what_does_not_change() {
        let body = "{\"error\":\"invalid_client\",\"error_description\":\"AADSTS700213: No matching federated identity record found for presented assertion subject 's'. Check your federated identity credential. https://x Trace ID: 1 Correlation ID: 2 Timestamp: 2026-01-01 00:00:00Z\",\"error_codes\":[7000215],\"trace_id\":\"1\"}";
        let found = refusal(body.as_bytes()).unwrap();
        assert_eq!(found.number, Some(700_213));
        assert_eq!(
            found.message,
            "No matching federated identity record found for presented assertion subject 's'."
        );
        assert_eq!(found.trace.as_deref(), Some("1"));
        let timed = r#"{"error":"invalid_client","error_description":"AADSTS700024: Client assertion is not within its valid time range. Current time: 2026-01-01T00:00:00Z, expiry time 2025"}"#;
        assert_eq!(
            refusal(timed.as_bytes()).unwrap().message,
            "Client assertion is not within its valid time range."
        );
        let bare = r#"{"error":"invalid_request","error_description":"Identity not found"}"#;
        assert_eq!(refusal(bare.as_bytes()).unwrap().number, None);
        assert!(refusal(b"<html>502</html>").is_none());
    }

    proptest! {
        #[test]
        fn anything_may_come(bytes: Vec<u8>, text in ".{0,120}") {
            let _ = (token(&bytes), refusal(&bytes));
            let document = serde_json::json!({"error": "e", "error_description": text}).to_string();
            let _ = refusal(document.as_bytes());
        }
    }
}

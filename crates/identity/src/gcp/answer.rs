//! The JSON answers of Google's token services and of the metadata server.
//!
//! Owns: reading them strictly. Refuses: meaning, and quoting a token.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use keyless_secret::SecretBytes;
use serde::Deserialize;

use crate::{AccessToken, Leased};

/// Largest answer that is read, in bytes. A federated token has up to 12 KiB.
pub(super) const LARGEST: usize = 64 << 10;
/// What is wrong with a text that cannot be a token; it is not quoted.
pub(super) const NO_TOKEN: &str = "its token is none";

#[derive(Deserialize)]
struct Exchanged {
    access_token: String,
    expires_in: Option<u64>,
    #[serde(default)]
    token_type: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Generated {
    access_token: String,
    expire_time: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Signed {
    signed_jwt: String,
}

/// An error answer, in either of the two forms that Google has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Refusal {
    /// `error` of OAuth, e.g. `invalid_grant`, or the status of the call, e.g.
    /// `PERMISSION_DENIED`.
    pub(super) code: String,
    /// In words.
    pub(super) message: String,
    /// `reason` of its ErrorInfo.
    pub(super) reason: String,
    /// The call's id, where the answer has one.
    pub(super) request_id: Option<String>,
}

#[derive(Deserialize)]
struct ErrorDocument {
    error: ErrorBody,
    #[serde(default)]
    error_description: String,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum ErrorBody {
    Oauth(String),
    Call {
        #[serde(default)]
        status: String,
        #[serde(default)]
        message: String,
        #[serde(default)]
        details: Vec<Detail>,
    },
}

#[derive(Deserialize)]
struct Detail {
    #[serde(default)]
    reason: String,
    #[serde(rename = "requestId")]
    request_id: Option<String>,
}

/// Reads a success of the token endpoints and of the metadata server.
pub(super) fn token(body: &[u8]) -> Result<Leased<Arc<AccessToken>>, String> {
    // The parser's own words may quote the document, which holds the token.
    let found: Exchanged =
        serde_json::from_slice(body).map_err(|_| "it is not a token answer in JSON".to_owned())?;
    if !found.token_type.is_empty() && !found.token_type.eq_ignore_ascii_case("bearer") {
        return Err("its token_type is not Bearer".into());
    }
    let seconds = found.expires_in.ok_or("it has no expires_in")?;
    leased(found.access_token, seconds)
}

/// Reads a success of IAM Credentials, which names the end of the token and not its life. `now` is
/// the time by Google's clock, so that a wrong one here does no harm.
pub(super) fn generated(
    body: &[u8],
    now: SystemTime,
    longest: Duration,
) -> Result<Leased<Arc<AccessToken>>, String> {
    let found: Generated =
        serde_json::from_slice(body).map_err(|_| "it is not a token answer in JSON".to_owned())?;
    let end = DateTime::from_str(&found.expire_time, Format::DateTime)
        .ok()
        .and_then(|end| SystemTime::try_from(end).ok())
        .ok_or("its expireTime is not a time")?;
    let left = end.duration_since(now).unwrap_or_default().min(longest);
    leased(found.access_token, left.as_secs())
}

/// Reads a signed token.
pub(super) fn signed(body: &[u8]) -> Result<SecretBytes, String> {
    let found: Signed =
        serde_json::from_slice(body).map_err(|_| "it is not a signed JWT in JSON".to_owned())?;
    let token = AccessToken::read(found.signed_jwt).ok_or(NO_TOKEN)?;
    Ok(token.into_secret())
}

fn leased(token: String, seconds: u64) -> Result<Leased<Arc<AccessToken>>, String> {
    let token = AccessToken::read(token).ok_or(NO_TOKEN)?;
    if seconds == 0 {
        return Err("its token has ended".into());
    }
    Ok(Leased {
        value: Arc::new(token),
        ttl: Some(Duration::from_secs(seconds.min(12 * 3600))),
    })
}

/// Reads an error document.
pub(super) fn refusal(body: &[u8]) -> Option<Refusal> {
    let found: ErrorDocument = serde_json::from_slice(body).ok()?;
    Some(match found.error {
        ErrorBody::Oauth(code) => Refusal {
            code,
            message: stable(&found.error_description),
            ..Refusal::default()
        },
        ErrorBody::Call {
            status,
            message,
            details,
        } => Refusal {
            code: status,
            message: stable(&message),
            reason: details
                .iter()
                .map(|detail| detail.reason.clone())
                .find(|reason| !reason.is_empty())
                .unwrap_or_default(),
            request_id: details.into_iter().find_map(|detail| detail.request_id),
        },
    })
}

/// The text on one line without what differs from call to call.
fn stable(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let text = words.join(" ");
    // "ID Token issued at 1700000000 is stale to sign-in."
    match text.split_once(" issued at ") {
        Some((before, rest)) => match rest.split_once(' ') {
            Some((number, after)) if number.bytes().all(|b| b.is_ascii_digit()) => {
                format!("{before} {after}")
            }
            _ => text,
        },
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::UNIX_EPOCH;

    #[test]
    fn tokens() {
        for body in [
            r#"{"access_token":"canary","issued_token_type":"urn:ietf:params:oauth:token-type:access_token","token_type":"Bearer","expires_in":3599}"#,
            r#"{"access_token":"canary","expires_in":3599,"token_type":"Bearer"}"#,
        ] {
            let leased = token(body.as_bytes()).unwrap();
            assert_eq!(leased.value.expose(), "canary");
            assert_eq!(leased.ttl, Some(Duration::from_secs(3599)));
            assert!(!format!("{leased:?}").contains("canary"));
        }
        let now = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let body = br#"{"accessToken":"canary","expireTime":"2023-11-14T23:03:20Z"}"#;
        for (longest, expected) in [(3600, 3000), (600, 600)] {
            let leased = generated(body, now, Duration::from_secs(longest)).unwrap();
            assert_eq!(leased.ttl, Some(Duration::from_secs(expected)));
        }
        assert!(generated(body, now + Duration::from_secs(3000), Duration::MAX).is_err());
        assert_eq!(
            signed(br#"{"keyId":"k","signedJwt":"a.b.c"}"#)
                .unwrap()
                .expose(),
            b"a.b.c"
        );
    }

    #[test]
    fn what_is_missing_is_an_error_that_quotes_nothing() {
        for body in [
            r#"{"access_token":"canary"}"#,
            r#"{"access_token":"","expires_in":3599}"#,
            r#"{"access_token":"canary","expires_in":0}"#,
            r#"{"access_token":"canary","expires_in":-5}"#,
            r#"{"access_token":"canary x","expires_in":3599}"#,
            r#"{"access_token":"canary","expires_in":3599,"token_type":"N_A"}"#,
            r#"{"access_token":"canary"#,
            r#"{"accessToken":"canary","expireTime":"soon"}"#,
            r#"{"error":"invalid_grant","error_description":"canary"}"#,
            "<html>canary</html>",
            "",
        ] {
            let now = SystemTime::now();
            for error in [
                token(body.as_bytes()).unwrap_err(),
                generated(body.as_bytes(), now, Duration::from_secs(3600)).unwrap_err(),
                signed(body.as_bytes()).unwrap_err(),
            ] {
                assert!(!error.contains("canary"), "{error}");
            }
        }
    }

    #[test]
    fn refusals_of_both_forms() {
        let oauth = refusal(
            br#"{"error":"invalid_grant","error_description":"ID Token issued at 1700000000 is stale to sign-in."}"#,
        )
        .unwrap();
        assert_eq!(oauth.code, "invalid_grant");
        assert_eq!(oauth.message, "ID Token is stale to sign-in.");
        let call = refusal(
            br#"{"error":{"code":403,"message":"Permission 'x' denied","status":"PERMISSION_DENIED","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"IAM_PERMISSION_DENIED","domain":"iam.googleapis.com"},{"@type":"type.googleapis.com/google.rpc.RequestInfo","requestId":"r-1"}]}}"#,
        )
        .unwrap();
        assert_eq!(
            (
                call.code.as_str(),
                call.reason.as_str(),
                call.request_id.as_deref()
            ),
            ("PERMISSION_DENIED", "IAM_PERMISSION_DENIED", Some("r-1"))
        );
        assert!(refusal(b"<html>502</html>").is_none());
    }

    proptest! {
        #[test]
        fn anything_may_come(bytes: Vec<u8>, text in ".{0,120}") {
            let now = SystemTime::now();
            let _ = (token(&bytes), signed(&bytes), refusal(&bytes));
            let _ = generated(&bytes, now, Duration::from_secs(1));
            let document = serde_json::json!({"accessToken": "a", "expireTime": text}).to_string();
            let _ = generated(document.as_bytes(), now, Duration::from_secs(1));
            let document = serde_json::json!({"error": text, "error_description": text}).to_string();
            let _ = refusal(document.as_bytes());
        }
    }
}

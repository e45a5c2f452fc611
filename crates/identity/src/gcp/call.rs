//! One call to a service that hands out tokens.
//!
//! Owns: repeating what was not decided, and the form of an error. Refuses: repeating a refusal.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use keyless_fault::{Class, Fault, Link, Verdict};

use super::answer::{self, Refusal};
use crate::claims::scrub;
use crate::http::Limits;
use crate::{Error, HttpExchange, TokenFacts};

/// Waits before the further attempts of a call that was not decided.
const AGAIN: [Duration; 2] = [Duration::from_millis(200), Duration::from_millis(800)];

/// Who is asked, for what.
pub(super) struct Call<'a> {
    pub(super) http: &'a Arc<dyn HttpExchange>,
    pub(super) service: &'static str,
    /// The identity wanted, for messages.
    pub(super) identity: String,
}

impl Call<'_> {
    /// Sends what `make` makes until somebody decides. `judge` gives the meaning of a refusal, and
    /// what was presented.
    pub(super) async fn send(
        &self,
        make: impl Fn() -> Result<http::Request<Bytes>, Error> + Send,
        judge: impl Fn(u16, &Refusal) -> (Verdict, Option<TokenFacts>) + Send,
    ) -> Result<http::Response<Bytes>, Error> {
        let mut waits = AGAIN.iter();
        loop {
            let mut request = make()?;
            request.extensions_mut().get_or_insert(Limits {
                answer: Some(answer::LARGEST),
                ..Limits::default()
            });
            let error = match self.http.send(request).await {
                Ok(found) if found.status().is_success() => return Ok(found),
                Ok(found) => self.refused(&found, &judge),
                Err(source) => Error::Http {
                    identity: self.identity.clone(),
                    source,
                },
            };
            let undecided = matches!(error.class(), Class::Unavailable | Class::Throttled);
            match waits.next() {
                Some(wait) if undecided && error.retry_after().is_none() => {
                    tokio::time::sleep(*wait).await;
                }
                _ => return Err(error),
            }
        }
    }

    /// The answer is a success and makes no sense.
    pub(super) fn unreadable(&self, reason: impl Into<String>) -> Error {
        Error::Answer {
            identity: self.identity.clone(),
            service: self.service,
            reason: reason.into(),
        }
    }

    fn refused(
        &self,
        found: &http::Response<Bytes>,
        judge: &impl Fn(u16, &Refusal) -> (Verdict, Option<TokenFacts>),
    ) -> Error {
        let status = found.status().as_u16();
        let document = answer::refusal(found.body());
        let read = document.clone().unwrap_or_default();
        let (verdict, token) = judge(status, &read);
        let (provider_code, message) = match document {
            Some(found) if !found.code.is_empty() => (found.code, found.message),
            _ => (
                format!("HTTP {status}"),
                "no error document of Google; the answer comes from something in between".into(),
            ),
        };
        let header = |name: &str| {
            let value = found.headers().get(name)?;
            Some(value.to_str().ok()?.trim().to_owned())
        };
        Error::Refused {
            identity: self.identity.clone(),
            service: self.service,
            status,
            provider_code: scrub(&provider_code),
            message: scrub(&message),
            request_id: read.request_id.or_else(|| header("x-goog-request-id")),
            link: verdict.link,
            class: verdict.class,
            code: verdict.code,
            observed: (verdict.link != Link::Network)
                .then(|| token.as_ref().map(ToString::to_string))
                .flatten(),
            required: verdict.required,
            hint: verdict.hint,
            retry_after: header("retry-after")
                .and_then(|seconds| seconds.parse().ok())
                .map(Duration::from_secs),
        }
        .after_showing(token.as_ref())
    }
}

/// The time by the clock of whoever answered, if it says so.
pub(super) fn time_of(found: &http::Response<Bytes>) -> SystemTime {
    use aws_smithy_types::DateTime;
    use aws_smithy_types::date_time::Format;
    let date = found.headers().get(http::header::DATE);
    date.and_then(|date| date.to_str().ok())
        .and_then(|text| DateTime::from_str(text, Format::HttpDate).ok())
        .and_then(|date| SystemTime::try_from(date).ok())
        .unwrap_or_else(SystemTime::now)
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_smithy_types::DateTime;
    use aws_smithy_types::date_time::Format;
    use std::time::UNIX_EPOCH;

    /// A clock that is wrong here makes no token younger or older.
    #[test]
    fn a_wrong_clock_changes_no_life() {
        let local = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap()
            .as_secs();
        for skew in [-600_i64, 0, 600] {
            let google = i64::try_from(local).unwrap() + skew;
            let text = |seconds, format| DateTime::from_secs(seconds).fmt(format).unwrap();
            let found = http::Response::builder()
                .header("date", text(google, Format::HttpDate))
                .body(Bytes::new())
                .unwrap();
            let end = text(google + 3600, Format::DateTime);
            let body = serde_json::json!({"accessToken": "t", "expireTime": end}).to_string();
            let day = Duration::from_secs(24 * 3600);
            let leased = answer::generated(body.as_bytes(), time_of(&found), day).unwrap();
            assert_eq!(leased.ttl, Some(Duration::from_secs(3600)), "{skew}");
        }
    }
}

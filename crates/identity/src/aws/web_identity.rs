//! The exchange of a cluster's token for credentials of a role.
//!
//! Owns: the unsigned AssumeRoleWithWebIdentity call and the sense of its answer. Refuses:
//! caching, and repeating what was refused; a call that never reached a decision is repeated
//! twice.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use keyless_fault::{Class, Fault, Link, Verdict};
use keyless_secret::SecretBytes;
use url::Url;

use super::refusal::{Attempt, by_status};
use super::sts_answer;
use super::{Credentials, Region, RoleArn};
use crate::claims::scrub;
use crate::http::Limits;
use crate::{Error, HttpExchange, Leased, TokenFacts};

pub(super) const STS: &str = "AWS STS";

/// Longest token that STS takes, in characters.
const LONGEST_TOKEN: usize = 20_000;
/// Waits before the further attempts of a call that was not decided.
const AGAIN: [Duration; 2] = [Duration::from_millis(200), Duration::from_millis(800)];

/// What to exchange.
pub(super) struct Exchange<'a> {
    pub(super) endpoint: &'a Url,
    pub(super) region: &'a Region,
    pub(super) role: &'a RoleArn,
    pub(super) session: &'a str,
    pub(super) token: &'a SecretBytes,
    /// Who presents the token, e.g. `service account ns/sa`; for messages.
    pub(super) bearer: &'a str,
}

impl Exchange<'_> {
    /// Makes the exchange.
    pub(super) async fn run(
        &self,
        http: &Arc<dyn HttpExchange>,
    ) -> Result<Leased<Arc<Credentials>>, Error> {
        let facts = TokenFacts::read(self.token);
        let mut waits = AGAIN.iter();
        loop {
            let error = match self.once(http, facts.as_ref()).await {
                Ok(leased) => return Ok(leased),
                Err(error) => error,
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

    async fn once(
        &self,
        http: &Arc<dyn HttpExchange>,
        facts: Option<&TokenFacts>,
    ) -> Result<Leased<Arc<Credentials>>, Error> {
        let answer = http
            .send(self.request()?)
            .await
            .map_err(|source| Error::Http {
                identity: self.identity(),
                source,
            })?;
        if !answer.status().is_success() {
            return Err(self.refused(&answer, facts));
        }
        let credentials =
            sts_answer::credentials(answer.body()).map_err(|reason| self.unreadable(reason))?;
        // The peer's clock decides when its credentials end, not this machine's.
        let now = date(&answer).unwrap_or_else(SystemTime::now);
        let ttl = credentials
            .expires
            .and_then(|expires| expires.duration_since(now).ok())
            .filter(|ttl| *ttl > Duration::from_secs(60))
            .ok_or_else(|| self.unreadable("its credentials have already expired".into()))?;
        Ok(Leased {
            value: Arc::new(credentials),
            ttl: Some(ttl),
        })
    }

    fn request(&self) -> Result<http::Request<Bytes>, Error> {
        let token = self
            .token
            .expose_str()
            .map(str::trim)
            .filter(|token| (4..=LONGEST_TOKEN).contains(&token.len()))
            .ok_or_else(|| Error::Config {
                reason: format!("the token of {} is not a JWT", self.bearer),
                hint: Some("Mint the token with TokenRequest or a projected volume".into()),
                code: "K16",
            })?;
        let body = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("Action", "AssumeRoleWithWebIdentity")
            .append_pair("Version", "2011-06-15")
            .append_pair("RoleArn", self.role.as_str())
            .append_pair("RoleSessionName", self.session)
            .append_pair("WebIdentityToken", token)
            .finish();
        http::Request::post(self.endpoint.as_str())
            .header(
                http::header::CONTENT_TYPE,
                "application/x-www-form-urlencoded; charset=utf-8",
            )
            .header(http::header::ACCEPT, "text/xml")
            .extension(Limits {
                answer: Some(sts_answer::LARGEST),
                ..Limits::default()
            })
            .body(Bytes::from(body))
            .map_err(|_| self.unreadable("its endpoint is not a URL".into()))
    }

    fn refused(&self, answer: &http::Response<Bytes>, facts: Option<&TokenFacts>) -> Error {
        let status = answer.status().as_u16();
        let document = sts_answer::error(answer.body());
        let attempt = Attempt {
            role: self.role,
            token: facts,
            region: self.region.as_str(),
        };
        let Verdict {
            link,
            class,
            code,
            required,
            hint,
        } = match &document {
            Some(error) => attempt.judge(status, &error.code, &error.message),
            None => by_status(status, ""),
        };
        let (provider_code, message, request_id) = match document {
            Some(error) => (error.code, scrub(&error.message), error.request_id),
            None => (
                format!("HTTP {status}"),
                "no STS error document; the answer comes from something in between".into(),
                None,
            ),
        };
        Error::Refused {
            identity: self.identity(),
            service: STS,
            status,
            provider_code: scrub(&provider_code),
            message,
            request_id: request_id.or_else(|| header(answer, "x-amzn-requestid")),
            link,
            class,
            code,
            observed: (link != Link::Network)
                .then(|| facts.map(ToString::to_string))
                .flatten(),
            required,
            hint,
            retry_after: header(answer, "retry-after")
                .and_then(|seconds| seconds.parse().ok())
                .map(Duration::from_secs),
        }
        .after_showing(facts)
    }

    fn identity(&self) -> String {
        format!("{} with the token of {}", self.role, self.bearer)
    }

    fn unreadable(&self, reason: String) -> Error {
        Error::Answer {
            identity: self.identity(),
            service: STS,
            reason,
        }
    }
}

fn header(answer: &http::Response<Bytes>, name: &str) -> Option<String> {
    Some(answer.headers().get(name)?.to_str().ok()?.trim().to_owned())
}

fn date(answer: &http::Response<Bytes>) -> Option<SystemTime> {
    let text = header(answer, "date")?;
    aws_smithy_types::DateTime::from_str(&text, aws_smithy_types::date_time::Format::HttpDate)
        .ok()?
        .try_into()
        .ok()
}

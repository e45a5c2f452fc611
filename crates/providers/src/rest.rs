//! Plain calls of a cloud's REST API under one identity.
//!
//! Owns: the form of a request, the token in it, counting calls, repeating reads that were not
//! decided, and dropping a token that the service refuses. Refuses: deciding when to call, what an
//! answer means ([`Judge`]), and any place but the one that the caller names: no redirect is
//! followed.

use std::fmt::Debug;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method};
use keyless_fault::{Class, Fault};
use keyless_identity::{AccessToken, CachedToken, HttpError, HttpExchange, Limits, Tokens};
use tokio::time::Instant;
use url::Url;

use crate::Error;
use crate::planner::Counters;

/// A refused token is dropped at most this often: when a new one is refused too, asking for more
/// of them helps nobody.
const DROP_AGAIN: Duration = Duration::from_secs(60);
/// The first pause before an undecided read is repeated, where no fixed time is set.
const PAUSE: Duration = Duration::from_millis(200);
/// The longest one.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// One request.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) body: Option<Bytes>,
    /// Largest answer that is read, in bytes.
    pub(crate) largest: usize,
}

/// An answer that is no success, as one service writes it.
pub(crate) trait Answer: Clone + Debug + Send + Sync + Sized {
    /// Reads one.
    fn read(found: &http::Response<Bytes>) -> Self;

    /// Whether another token may help: this one has ended, or is not believed.
    fn token_refused(&self) -> bool;
}

/// What is tried, and what its failures mean.
pub(crate) trait Judge: Sync {
    /// The service's own form of a refusal.
    type Answer: Answer;

    /// Judges an answer.
    fn judge(&self, answer: &Self::Answer) -> Error;

    /// The service could not be asked.
    fn unanswered(&self, error: &HttpError) -> Error;

    /// The answer is a success and makes no sense.
    fn unreadable(&self, reason: &str) -> Error;
}

/// A call that did not succeed: the service's answer, where there was one.
#[derive(Clone, Debug)]
pub(crate) struct Refused<A> {
    pub(crate) error: Error,
    pub(crate) answer: Option<A>,
}

impl<A> From<Error> for Refused<A> {
    fn from(error: Error) -> Self {
        Self {
            error,
            answer: None,
        }
    }
}

/// A client of one service under one identity.
#[derive(Debug)]
pub(crate) struct Rest<T: Tokens> {
    /// The service, as the API's metrics name it.
    pub(crate) provider: &'static str,
    pub(crate) http: Arc<dyn HttpExchange>,
    pub(crate) token: CachedToken<T>,
    pub(crate) counters: Arc<Counters>,
    /// How often an undecided read is repeated.
    pub(crate) attempts: u32,
    /// A fixed time between those; `None` grows.
    pub(crate) interval: Option<Duration>,
    /// What goes with every request.
    pub(crate) header: Option<(HeaderName, HeaderValue)>,
    pub(crate) dropped: Dropped,
}

/// When a refused token was last dropped.
#[derive(Debug, Default)]
pub(crate) struct Dropped(Mutex<Option<Instant>>);

impl Dropped {
    /// Whether it may be done now; then it counts as done.
    fn may(&self) -> bool {
        let mut dropped = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let may = dropped.is_none_or(|last| now.duration_since(last) >= DROP_AGAIN);
        if may {
            *dropped = Some(now);
        }
        may
    }
}

impl<T: Tokens> Rest<T> {
    /// Makes `call`, named as in the metrics. A refused token is replaced once; a read that was
    /// not decided is repeated, a write never.
    pub(crate) async fn make<J: Judge>(
        &self,
        name: &'static str,
        judge: &J,
        call: &Call,
    ) -> Result<Bytes, Refused<J::Answer>> {
        let mut renew = true;
        let mut left = if call.method == Method::GET {
            self.attempts
        } else {
            0
        };
        let mut wait = self.interval.unwrap_or(PAUSE);
        loop {
            let used = self.token.get().await.map_err(Error::Identity)?;
            let refused = match self.once(judge, call, &used).await {
                Ok(body) => {
                    self.counters.called(self.provider, name, "success");
                    return Ok(body);
                }
                Err(refused) => refused,
            };
            let class = refused.error.class();
            self.counters.called(self.provider, name, class.as_str());
            let ended = refused.answer.as_ref().is_some_and(Answer::token_refused);
            if ended && std::mem::take(&mut renew) && self.dropped.may() {
                self.token.refused(&used);
            } else if class == Class::Unavailable
                && refused.error.retry_after().is_none()
                && left > 0
            {
                left -= 1;
                tokio::time::sleep(wait).await;
                if self.interval.is_none() {
                    wait = (wait * 2).min(LONGEST_PAUSE);
                }
            } else {
                return Err(refused);
            }
        }
    }

    async fn once<J: Judge>(
        &self,
        judge: &J,
        call: &Call,
        token: &AccessToken,
    ) -> Result<Bytes, Refused<J::Answer>> {
        let mut bearer = HeaderValue::from_str(&format!("Bearer {}", token.expose()))
            .map_err(|_| judge.unreadable("the access token is no text"))?;
        bearer.set_sensitive(true);
        let mut request = http::Request::builder()
            .method(call.method.clone())
            .uri(call.url.as_str())
            .header(http::header::AUTHORIZATION, bearer)
            .header(http::header::ACCEPT, "application/json")
            .extension(Limits {
                answer: Some(call.largest),
                ..Limits::default()
            });
        if let Some((name, value)) = &self.header {
            request = request.header(name, value);
        }
        let request = match &call.body {
            Some(body) => request
                .header(http::header::CONTENT_TYPE, "application/json")
                .body(body.clone()),
            None => request.body(Bytes::new()),
        };
        let request = request.map_err(|_| judge.unreadable("the request cannot be formed"))?;
        let sent = self.http.send(request).await;
        let found = sent.map_err(|error| judge.unanswered(&error))?;
        if found.status() == http::StatusCode::OK {
            return Ok(found.into_body());
        }
        let answer = J::Answer::read(&found);
        Err(Refused {
            error: judge.judge(&answer),
            answer: Some(answer),
        })
    }
}

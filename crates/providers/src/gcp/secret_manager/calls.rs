//! One client of one project under one identity.
//!
//! Owns: the form of a request, the token in it, counting calls, repeating reads that were not
//! decided, and dropping a token that the service refuses. Refuses: deciding when to call, and any
//! place but the service: no redirect is followed.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method};
use keyless_fault::{Class, Fault};
use keyless_identity::gcp::{AccessToken, CachedToken};
use keyless_identity::{HttpExchange, Limits};
use tokio::time::Instant;
use url::Url;

use super::backend::{Place, Settings};
use crate::Error;
use crate::gcp::fault::{Answer, Attempt};
use crate::planner::Counters;

/// As the API's metrics name it.
pub(super) const PROVIDER: &str = "GCP/SecretManager";
/// Largest answer that is read, in bytes: a payload has 64 KiB at most.
const LARGEST: usize = 1 << 20;
/// The same for a page of a listing: annotations take up to 16 KiB of each secret.
const LARGEST_PAGE: usize = 8 << 20;
/// A refused token is dropped at most this often: when a new one is refused too, asking for more
/// of them helps nobody.
const DROP_AGAIN: Duration = Duration::from_secs(60);

/// One request.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) body: Option<Bytes>,
    /// Whether the answer is a page of a listing.
    pub(super) page: bool,
}

/// A call that did not succeed: the service's answer, where there was one.
#[derive(Clone, Debug)]
pub(super) struct Refused {
    pub(super) error: Error,
    pub(super) answer: Option<Answer>,
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self {
            error,
            answer: None,
        }
    }
}

#[derive(Debug)]
pub(super) struct Calls {
    place: Place,
    http: Arc<dyn HttpExchange>,
    token: CachedToken,
    counters: Arc<Counters>,
    service: String,
    caller: String,
    attempts: u32,
    interval: Option<Duration>,
    dropped: Mutex<Option<Instant>>,
}

impl Calls {
    pub(super) fn new(settings: &Settings, counters: Arc<Counters>) -> Self {
        let place = &settings.place;
        let login = settings.token.login();
        Self {
            service: match &place.location {
                Some(region) => format!(
                    "Google Secret Manager (project {}, {region})",
                    place.project
                ),
                None => format!("Google Secret Manager (project {})", place.project),
            },
            caller: login.member().unwrap_or_else(|| login.describe()),
            place: place.clone(),
            http: Arc::clone(&settings.http),
            token: settings.token.clone(),
            counters,
            attempts: settings.retries,
            interval: settings.interval,
            dropped: Mutex::new(None),
        }
    }

    /// What is tried, for error texts.
    pub(super) fn attempt<'a>(
        &'a self,
        intent: String,
        permission: &'static str,
        key: Option<&'a str>,
    ) -> Attempt<'a> {
        Attempt {
            intent,
            service: &self.service,
            project: &self.place.project,
            permission,
            caller: &self.caller,
            key,
        }
    }

    /// The service's name, for messages.
    pub(super) fn service(&self) -> &str {
        &self.service
    }

    /// Whether secrets lie in one region.
    pub(super) fn is_regional(&self) -> bool {
        self.place.location.is_some()
    }

    /// How often an undecided read is repeated.
    pub(super) fn attempts(&self) -> u32 {
        self.attempts
    }

    /// The URL of `path` below the parent of all secrets. Names in it were checked.
    pub(super) fn url(&self, path: &str, query: &[(&str, &str)]) -> Url {
        let mut url = self.place.base.clone();
        url.set_path(&format!("/v1/{}/{path}", self.place.parent()));
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        url
    }

    /// Makes `call`, named as in the metrics. A refused token is replaced once; a read that was
    /// not decided is repeated, a write never.
    pub(super) async fn make(
        &self,
        name: &'static str,
        attempt: &Attempt<'_>,
        call: &Call,
    ) -> Result<Bytes, Refused> {
        let mut renew = true;
        let mut left = if call.method == Method::GET {
            self.attempts
        } else {
            0
        };
        let mut wait = self.interval.unwrap_or(Duration::from_millis(200));
        loop {
            let used = self.token.get().await.map_err(Error::Identity)?;
            let refused = match self.once(attempt, call, &used).await {
                Ok(body) => {
                    self.counters.called(PROVIDER, name, "success");
                    return Ok(body);
                }
                Err(refused) => refused,
            };
            let class = refused.error.class();
            self.counters.called(PROVIDER, name, class.as_str());
            let ended = refused.answer.as_ref().is_some_and(Answer::token_refused);
            if ended && std::mem::take(&mut renew) && self.may_drop() {
                self.token.refused(&used);
            } else if class == Class::Unavailable
                && refused.error.retry_after().is_none()
                && left > 0
            {
                left -= 1;
                tokio::time::sleep(wait).await;
                if self.interval.is_none() {
                    wait = (wait * 2).min(Duration::from_secs(5));
                }
            } else {
                return Err(refused);
            }
        }
    }

    async fn once(
        &self,
        attempt: &Attempt<'_>,
        call: &Call,
        token: &AccessToken,
    ) -> Result<Bytes, Refused> {
        let mut bearer = HeaderValue::from_str(&format!("Bearer {}", token.expose()))
            .map_err(|_| attempt.unreadable("the access token is no text"))?;
        bearer.set_sensitive(true);
        let largest = if call.page { LARGEST_PAGE } else { LARGEST };
        let request = http::Request::builder()
            .method(call.method.clone())
            .uri(call.url.as_str())
            .header(http::header::AUTHORIZATION, bearer)
            .header(http::header::ACCEPT, "application/json")
            .extension(Limits {
                answer: Some(largest),
                ..Limits::default()
            });
        let request = match &self.token.login().quota_project {
            Some(project) => request.header("x-goog-user-project", project.as_str()),
            None => request,
        };
        let request = match &call.body {
            Some(body) => request
                .header(http::header::CONTENT_TYPE, "application/json")
                .body(body.clone()),
            None => request.body(Bytes::new()),
        };
        let request = request.map_err(|_| attempt.unreadable("the request cannot be formed"))?;
        let found = self
            .http
            .send(request)
            .await
            .map_err(|error| attempt.unanswered(&error))?;
        if found.status() == http::StatusCode::OK {
            return Ok(found.into_body());
        }
        let answer = Answer::read(&found);
        Err(Refused {
            error: attempt.judge(&answer),
            answer: Some(answer),
        })
    }

    fn may_drop(&self) -> bool {
        let mut dropped = self.dropped.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let may = dropped.is_none_or(|last| now.duration_since(last) >= DROP_AGAIN);
        if may {
            *dropped = Some(now);
        }
        may
    }
}

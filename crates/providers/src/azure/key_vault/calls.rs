//! One client of one vault under one identity.
//!
//! Owns: the form of a request, the token in it, counting calls, repeating reads that were not
//! decided, and dropping a token that the vault refuses. Refuses: deciding when to call, and any
//! place but the vault that the store names: no redirect is followed and no page of a listing is
//! read elsewhere.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method};
use keyless_fault::{Class, Fault};
use keyless_identity::azure::{AccessToken, CachedToken};
use keyless_identity::{HttpExchange, Limits};
use tokio::time::Instant;
use url::Url;

use super::backend::Settings;
use crate::Error;
use crate::azure::fault::{Answer, Attempt};
use crate::planner::Counters;

/// As the API's metrics name it.
pub(super) const PROVIDER: &str = "Azure/KeyVault";
/// Served by every cloud.
const VERSION: &str = "7.4";
/// Largest answer that is read, in bytes: a secret has 25 KiB at most.
const LARGEST: usize = 1 << 20;
/// A refused token is dropped at most this often: when a new one is refused too, asking for more
/// of them helps nobody.
const DROP_AGAIN: Duration = Duration::from_secs(60);

/// One request.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) body: Option<Bytes>,
}

/// A call that did not succeed: the vault's answer, where there was one.
#[derive(Clone, Debug)]
pub(super) struct Refused {
    pub(super) error: Error,
    pub(super) answer: Option<Answer>,
}

#[derive(Debug)]
pub(super) struct Calls {
    vault: Url,
    http: Arc<dyn HttpExchange>,
    pub(super) token: CachedToken,
    counters: Arc<Counters>,
    service: String,
    caller: String,
    attempts: u32,
    interval: Option<Duration>,
    dropped: Mutex<Option<Instant>>,
}

impl Calls {
    pub(super) fn new(settings: &Settings, counters: Arc<Counters>) -> Self {
        Self {
            service: format!(
                "Azure Key Vault {}",
                settings.vault.host_str().unwrap_or_default()
            ),
            caller: settings.token.login().describe(),
            vault: settings.vault.clone(),
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
            permission,
            caller: &self.caller,
            key,
        }
    }

    /// The vault's name, for commands in hints.
    pub(super) fn service(&self) -> &str {
        &self.service
    }

    /// The URL of `path` in the vault. Names in it were checked.
    pub(super) fn url(&self, path: &str, query: &str) -> Url {
        let mut url = self.vault.clone();
        url.set_path(path);
        url.set_query(Some(&format!("api-version={VERSION}{query}")));
        url
    }

    /// The next page of a listing, exactly as the vault names it.
    ///
    /// # Errors
    /// When it is in another place.
    pub(super) fn next(&self, link: &str, attempt: &Attempt<'_>) -> Result<Url, Error> {
        let url = Url::parse(link).ok();
        url.filter(|url| {
            url.scheme() == self.vault.scheme()
                && url.host_str() == self.vault.host_str()
                && url.port_or_known_default() == self.vault.port_or_known_default()
                && url.username().is_empty()
        })
        .ok_or_else(|| attempt.unreadable("its next page is in another place than the vault"))
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
            let used = self.token.get().await.map_err(|error| Refused {
                error: Error::Identity(error),
                answer: None,
            })?;
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
        let unsent = |error| Refused {
            error,
            answer: None,
        };
        let mut bearer = HeaderValue::from_str(&format!("Bearer {}", token.expose()))
            .map_err(|_| unsent(attempt.unreadable("the access token is no text")))?;
        bearer.set_sensitive(true);
        let request = http::Request::builder()
            .method(call.method.clone())
            .uri(call.url.as_str())
            .header(http::header::AUTHORIZATION, bearer)
            .header(http::header::ACCEPT, "application/json")
            .extension(Limits {
                answer: Some(LARGEST),
                ..Limits::default()
            });
        let request = match &call.body {
            Some(body) => request
                .header(http::header::CONTENT_TYPE, "application/json")
                .body(body.clone()),
            None => request.body(Bytes::new()),
        };
        let request =
            request.map_err(|_| unsent(attempt.unreadable("the request cannot be formed")))?;
        let found = self
            .http
            .send(request)
            .await
            .map_err(|error| unsent(attempt.unanswered(&error)))?;
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

//! The calls of one SDK client under one identity.
//!
//! Owns: counting calls, judging errors, and dropping a credential that the service refuses.
//! Refuses: deciding when to call, and knowing which service it is.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use keyless_fault::Fault;
use keyless_identity::aws::CachedCredentials;
use tokio::time::Instant;

use super::fault::{Attempt, Judged};
use crate::Error;
use crate::planner::Counters;

/// A refused credential is dropped at most this often: when a new one is refused too, asking
/// for more of them helps nobody.
const DROP_AGAIN: Duration = Duration::from_secs(60);

/// What is said of a service.
#[derive(Clone, Debug)]
pub(super) struct Names {
    /// As the API's metrics name it, e.g. `AWS/ParameterStore`.
    pub(super) provider: &'static str,
    /// As errors name it, e.g. `AWS Parameter Store (eu-central-1)`.
    pub(super) service: String,
    /// What to do when it throttles.
    pub(super) throttled: &'static str,
}

#[derive(Debug)]
pub(super) struct Calls<Client> {
    pub(super) client: Client,
    credentials: CachedCredentials,
    counters: Arc<Counters>,
    names: Names,
    dropped: Mutex<Option<Instant>>,
}

impl<Client> Calls<Client> {
    /// `client` must log in with `credentials`.
    pub(super) fn new(
        client: Client,
        credentials: CachedCredentials,
        counters: Arc<Counters>,
        names: Names,
    ) -> Self {
        Self {
            client,
            credentials,
            counters,
            names,
            dropped: Mutex::new(None),
        }
    }

    /// What is tried, for error texts.
    pub(super) fn attempt<'a>(
        &'a self,
        intent: String,
        action: &'static str,
        key: Option<&'a str>,
    ) -> Attempt<'a> {
        Attempt {
            intent,
            service: &self.names.service,
            action,
            key,
            throttled: self.names.throttled,
        }
    }

    /// Makes `call`, named as in the metrics. A refused credential is replaced once.
    pub(super) async fn make<T, E, C, F>(
        &self,
        name: &'static str,
        attempt: &Attempt<'_>,
        call: C,
    ) -> Result<T, Judged>
    where
        C: Fn() -> F,
        F: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
        E: std::error::Error + ProvideErrorMetadata + Send + Sync + 'static,
    {
        let mut again = true;
        loop {
            let used = self.credentials.get().await.map_err(|error| Judged {
                error: Error::Identity(error),
                code: String::new(),
                message: String::new(),
            })?;
            let judged = match call().await {
                Ok(answer) => {
                    self.counters.called(self.names.provider, name, "success");
                    return Ok(answer);
                }
                Err(error) => attempt.judge(&error),
            };
            let class = judged.error.class();
            self.counters
                .called(self.names.provider, name, class.as_str());
            if !(judged.credential_refused() && std::mem::take(&mut again) && self.may_drop()) {
                return Err(judged);
            }
            self.credentials.refused(&used);
        }
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

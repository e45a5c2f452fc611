//! One Parameter Store client under one identity.
//!
//! Owns: the SDK client, counting calls, judging errors, and dropping a credential that the
//! service refuses. Refuses: deciding when to call.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_sdk_ssm::Client;
use aws_sdk_ssm::config::{
    BehaviorVersion, Builder, IdentityCache, Region, StalledStreamProtectionConfig,
};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use keyless_fault::Fault;
use keyless_identity::aws::CachedCredentials;
use keyless_identity::sdk::{LeaveThrottled, SdkHttp};
use tokio::time::Instant;

use super::backend::Settings;
use crate::Error;
use crate::aws::fault::{Attempt, Judged};
use crate::planner::Counters;

/// As the API's metrics name it.
const PROVIDER: &str = "AWS/ParameterStore";
/// A refused credential is dropped at most this often: when a new one is refused too, asking
/// for more of them helps nobody.
const DROP_AGAIN: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(super) struct Calls {
    pub(super) client: Client,
    credentials: CachedCredentials,
    counters: Arc<Counters>,
    service: String,
    dropped: Mutex<Option<Instant>>,
}

impl Calls {
    pub(super) fn new(settings: &Settings, counters: Arc<Counters>) -> Self {
        let mut config = Builder::new()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(settings.region.as_str().to_owned()))
            .use_fips(settings.fips)
            .http_client(SdkHttp::new(Arc::clone(&settings.http)))
            .credentials_provider(settings.credentials.clone())
            // Credentials are cached by identity, for all clients at once.
            .identity_cache(IdentityCache::no_cache())
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .retry_config(settings.retries.clone())
            .retry_classifier(LeaveThrottled);
        if let Some(url) = &settings.endpoint {
            config = config.endpoint_url(url.as_str().trim_end_matches('/'));
        }
        Self {
            client: Client::from_conf(config.build()),
            credentials: settings.credentials.clone(),
            counters,
            service: format!("AWS Parameter Store ({})", settings.region),
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
            service: &self.service,
            action,
            key,
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
                    self.counters.called(PROVIDER, name, "success");
                    return Ok(answer);
                }
                Err(error) => attempt.judge(&error),
            };
            let class = judged.error.class();
            self.counters.called(PROVIDER, name, class.as_str());
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

//! Lets the official AWS SDKs send through [`HttpExchange`].
//!
//! Owns: the adapter of requests, answers and errors, and the SDKs' retry settings. Refuses:
//! a second HTTP stack, and retries of throttled calls (whoever plans the calls does that, so
//! that a throttled identity is slowed down as a whole).

use std::sync::Arc;
use std::time::Duration;

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::interceptors::context::InterceptorContext;
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::retries::classifiers::{
    ClassifyRetry, RetryAction, RetryClassifierPriority, RetryReason,
};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::retry::{ErrorKind, RetryConfig};
use bytes::Bytes;

use crate::{HttpError, HttpExchange};

/// Directives that every log filter must end with: below `info` the SDKs and the HTTP stack log
/// whole answers and headers, with values and tokens in them, and no wish for more detail may
/// turn that on.
pub const LOG_LIMIT: &str = "aws_smithy_runtime=info,aws_smithy_runtime_api=info,aws_runtime=info,\
    aws_sigv4=info,aws_sdk_secretsmanager=info,aws_sdk_ssm=info,aws_sdk_sts=info,h2=info,hyper=info,hyper_util=info,rustls=info,reqwest=info,tower=info";

/// An [`HttpExchange`] as the HTTP client of an AWS SDK.
#[derive(Clone, Debug)]
pub struct SdkHttp(Arc<dyn HttpExchange>);

impl SdkHttp {
    /// Sends over `exchange`.
    #[must_use]
    pub fn new(exchange: Arc<dyn HttpExchange>) -> Self {
        Self(exchange)
    }
}

impl HttpClient for SdkHttp {
    fn http_connector(
        &self,
        _: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for SdkHttp {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let exchange = Arc::clone(&self.0);
        HttpConnectorFuture::new(async move {
            let request = to_http(request)?;
            let answer = exchange.send(request).await.map_err(connector_error)?;
            HttpResponse::try_from(answer.map(SdkBody::from))
                .map_err(|error| ConnectorError::user(error.into()))
        })
    }
}

fn to_http(request: HttpRequest) -> Result<http::Request<Bytes>, ConnectorError> {
    let request = request
        .try_into_http1x()
        .map_err(|error| ConnectorError::user(error.into()))?;
    let (parts, body) = request.into_parts();
    let body = body
        .bytes()
        .map(Bytes::copy_from_slice)
        .ok_or_else(|| ConnectorError::user("streaming request bodies are not supported".into()))?;
    Ok(http::Request::from_parts(parts, body))
}

fn connector_error(error: HttpError) -> ConnectorError {
    match error {
        HttpError::Timeout { .. } => ConnectorError::timeout(error.into()),
        HttpError::Request { .. } => ConnectorError::user(error.into()),
        HttpError::Connect { .. } | HttpError::Body { .. } => ConnectorError::io(error.into()),
    }
}

/// Retries as a store's `retrySettings` ask for: `max_retries` further attempts (3 by default)
/// with a fixed `interval`, or the SDK's growing one.
#[must_use]
pub fn retries(max_retries: Option<u32>, interval: Option<Duration>) -> RetryConfig {
    let attempts = max_retries.unwrap_or(3).min(10) + 1;
    let config = RetryConfig::standard().with_max_attempts(attempts);
    match interval {
        Some(interval) => config
            .with_initial_backoff(interval)
            .with_max_backoff(interval),
        None => config,
    }
}

/// Forbids an SDK to repeat a throttled call on its own.
#[derive(Clone, Copy, Debug, Default)]
pub struct LeaveThrottled;

impl ClassifyRetry for LeaveThrottled {
    fn classify_retry(&self, _: &InterceptorContext) -> RetryAction {
        RetryAction::NoActionIndicated
    }

    fn classify_retry_v2(&self, _: &InterceptorContext, previous: &RetryAction) -> RetryAction {
        match previous {
            RetryAction::RetryIndicated(RetryReason::RetryableError {
                kind: ErrorKind::ThrottlingError,
                ..
            }) => RetryAction::RetryForbidden,
            _ => RetryAction::NoActionIndicated,
        }
    }

    fn name(&self) -> &'static str {
        "leave throttled calls to the planner"
    }

    fn priority(&self) -> RetryClassifierPriority {
        RetryClassifierPriority::run_after(RetryClassifierPriority::transient_error_classifier())
    }
}

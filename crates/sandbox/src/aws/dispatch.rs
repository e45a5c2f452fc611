//! The one HTTP entry: from bytes to a service and back.
//!
//! Owns: finding service and API, faults, authentication, the caller's facts, counting, and the
//! wire form of the answer. Refuses: any service's rules.

use std::sync::Arc;
use std::time::UNIX_EPOCH;

use axum::Json;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::State as Shared;
use axum::routing::get;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use keyless_trust::aws::{Context, Partition};

use super::credentials::{Identity, request_id};
use super::faults::{Fault, Suffering};
use super::protocol::{ApiError, Form, Outcome, Protocol, http_date, render};
use super::sigv4::{Authorization, Refusal, Signed, refuse, verify};
use super::{Aws, iam, kms, secrets_manager, ssm, sts};

/// Larger requests are refused unread; no API here needs more.
const MAX_BODY: usize = 1024 * 1024;

/// A request that was authenticated, or needs no authentication.
pub(super) struct Call {
    pub action: String,
    pub region: String,
    pub now: i64,
    identity: Option<Arc<Identity>>,
    /// The request's condition keys, without the caller's.
    pub context: Context,
}

impl Call {
    /// The caller; every signed API has one.
    pub fn identity(&self) -> Result<&Identity, ApiError> {
        self.identity.as_deref().ok_or_else(|| {
            ApiError::new(
                403,
                "MissingAuthenticationToken",
                "Missing Authentication Token",
            )
        })
    }

    pub fn partition(&self) -> Partition {
        Partition::of_region(&self.region)
    }

    pub fn account(&self) -> Result<&str, ApiError> {
        Ok(self.identity()?.account())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Service {
    Sts,
    Iam,
    Ssm,
    SecretsManager,
    Kms,
}

impl Service {
    fn name(self) -> &'static str {
        match self {
            Self::Sts => "sts",
            Self::Iam => "iam",
            Self::Ssm => "ssm",
            Self::SecretsManager => "secretsmanager",
            Self::Kms => "kms",
        }
    }

    fn protocol(self) -> Protocol {
        match self {
            Self::Sts => sts::PROTOCOL,
            Self::Iam => iam::PROTOCOL,
            Self::Ssm | Self::SecretsManager | Self::Kms => Protocol::Json,
        }
    }
}

pub(super) fn router(aws: Aws) -> axum::Router {
    // The faults' own path has no authentication: the endpoint is for a loopback listener.
    axum::Router::new()
        .route(
            "/_sandbox/faults",
            get(list_faults).post(add_fault).delete(clear_faults),
        )
        .fallback(handle)
        .with_state(aws)
}

async fn list_faults(Shared(aws): Shared<Aws>) -> Json<Vec<Fault>> {
    Json(aws.faults())
}

async fn add_fault(Shared(aws): Shared<Aws>, Json(fault): Json<Fault>) -> StatusCode {
    aws.add_fault(fault);
    StatusCode::CREATED
}

async fn clear_faults(Shared(aws): Shared<Aws>) -> StatusCode {
    aws.clear_faults();
    StatusCode::NO_CONTENT
}

async fn handle(Shared(aws): Shared<Aws>, request: Request<Body>) -> Response<Body> {
    let id = request_id();
    let (mut parts, body) = request.into_parts();
    // HTTP/2 carries the host outside the headers; clients sign it as if it were one.
    if let Some(host) = parts
        .uri
        .authority()
        .and_then(|a| HeaderValue::from_str(a.as_str()).ok())
    {
        parts.headers.entry(http::header::HOST).or_insert(host);
    }
    let Ok(body) = to_bytes(body, MAX_BODY).await else {
        let error = ApiError::new(413, "RequestEntityTooLarge", "Request body is too large");
        return render(Protocol::Json, "", &id, Err(error));
    };
    let query = parts.uri.query().unwrap_or_default();
    let form = Form::parse(if body.is_empty() {
        query.as_bytes()
    } else {
        &body
    });
    let (service, action) = match find(&parts.headers, &form) {
        Ok(found) => found,
        Err((protocol, error)) => return render(protocol, "", &id, Err(error)),
    };
    let protocol = service.protocol();
    let suffering = strike(&aws, service, &action);
    if !suffering.delay.is_zero() {
        tokio::time::sleep(suffering.delay).await;
    }
    let truncate = suffering.truncate;
    let service_time = aws.now() + suffering.skew;
    let signed = Signed {
        method: parts.method.as_str(),
        query,
        headers: &parts.headers,
        body: &body,
    };
    let outcome = if parts.uri.path() == "/" {
        answer(&aws, service, &action, signed, &form, &id, suffering).await
    } else {
        Err(ApiError::new(
            404,
            "UnknownOperationException",
            "every API of this endpoint is at /",
        ))
    };
    aws.state().count(service.name(), &action, outcome.is_err());
    let mut response = render(protocol, &action, &id, outcome);
    // Clients that correct their clock take the service's time from here.
    if let Ok(date) = HeaderValue::from_str(&http_date(service_time)) {
        response.headers_mut().insert(http::header::DATE, date);
    }
    if truncate {
        break_off(response).await
    } else {
        response
    }
}

async fn answer(
    aws: &Aws,
    service: Service,
    action: &str,
    signed: Signed<'_>,
    form: &Form,
    id: &str,
    suffering: Suffering,
) -> Outcome {
    if let Some(error) = suffering.error {
        return Err(error);
    }
    let unsigned = service == Service::Sts && sts::is_unsigned(action);
    let now = aws.now();
    let (identity, region) = if unsigned {
        (None, aws.region().to_owned())
    } else {
        let (identity, region) = authenticate(aws, service, signed, now + suffering.skew)?;
        (Some(identity), region)
    };
    if let Some(identity) = &identity {
        tracing::debug!(request = id, caller = %identity.arn, service = service.name(), action, "called");
    }
    let mut context = Context::new();
    context.set("aws:CurrentTime", super::protocol::timestamp(now));
    context.set("aws:EpochTime", now.to_string());
    context.set("aws:RequestedRegion", region.clone());
    context.set("aws:SecureTransport", "true");
    context.set("aws:SourceIp", "127.0.0.1");
    if let Some(agent) = signed
        .headers
        .get(http::header::USER_AGENT)
        .and_then(|v| v.to_str().ok())
    {
        context.set("aws:UserAgent", agent);
    }
    let call = Call {
        action: action.to_owned(),
        region,
        now,
        identity,
        context,
    };
    match service {
        Service::Sts => sts::call(aws, &call, form).await,
        Service::Iam => iam::call(aws, &call, form),
        Service::Ssm => ssm::call(aws, &call, signed.body),
        Service::SecretsManager => secrets_manager::call(aws, &call, signed.body),
        Service::Kms => kms::call(aws, &call, signed.body),
    }
}

/// Service and API: JSON services name both in a header, query services in the form.
fn find(headers: &HeaderMap, form: &Form) -> Result<(Service, String), (Protocol, ApiError)> {
    if let Some(target) = headers.get("x-amz-target") {
        let target = target.to_str().unwrap_or_default();
        let service = match target.split_once('.') {
            Some(("AmazonSSM", action)) => Some((Service::Ssm, action)),
            Some(("secretsmanager", action)) => Some((Service::SecretsManager, action)),
            Some(("TrentService", action)) => Some((Service::Kms, action)),
            _ => None,
        };
        return match service {
            Some((service, action)) => Ok((service, action.to_owned())),
            None => Err((Protocol::Json, ApiError::bare("UnknownOperationException"))),
        };
    }
    let (Some(action), version) = (form.get("Action"), form.get("Version")) else {
        return Err((
            sts::PROTOCOL,
            ApiError::new(400, "MissingAction", "Could not find operation"),
        ));
    };
    match version {
        Some("2011-06-15") => Ok((Service::Sts, action.to_owned())),
        Some("2010-05-08") => Ok((Service::Iam, action.to_owned())),
        _ => {
            let version = version.unwrap_or("NO_VERSION_SPECIFIED");
            let text = format!("Could not find operation {action} for version {version}");
            Err((sts::PROTOCOL, ApiError::bad("InvalidAction", text)))
        }
    }
}

fn strike(aws: &Aws, service: Service, action: &str) -> Suffering {
    let seconds = aws
        .0
        .options
        .clock
        .now()
        .duration_since(UNIX_EPOCH)
        .map_or(0.0, |d| d.as_secs_f64());
    let throttling = match service.protocol() {
        Protocol::Query(_) => "Throttling",
        Protocol::Json => "ThrottlingException",
    };
    aws.state()
        .faults
        .strike(service.name(), action, seconds, throttling)
}

/// The caller and the region of the credential scope.
fn authenticate(
    aws: &Aws,
    service: Service,
    signed: Signed<'_>,
    now: i64,
) -> Result<(Arc<Identity>, String), ApiError> {
    let protocol = service.protocol();
    let auth = Authorization::parse(signed.headers, protocol)?;
    let unknown = || {
        let text = match protocol {
            Protocol::Query(_) => "The security token included in the request is invalid",
            Protocol::Json => "The security token included in the request is invalid.",
        };
        refuse(protocol, Refusal::UnknownKey, text)
    };
    let credential = aws
        .state()
        .credentials
        .get(&auth.access_key)
        .cloned()
        .ok_or_else(unknown)?;
    let token = signed
        .headers
        .get("x-amz-security-token")
        .map(|v| v.as_bytes());
    if token != credential.key.token.as_deref().map(str::as_bytes) {
        return Err(unknown());
    }
    verify(
        signed,
        &auth,
        &credential.key.secret,
        service.name(),
        now,
        protocol,
    )?;
    if credential.expires.is_some_and(|e| e <= now) {
        return Err(refuse(
            protocol,
            Refusal::Expired,
            "The security token included in the request is expired",
        ));
    }
    Ok((credential.identity, auth.region))
}

/// Half of the answer's bytes, then an error that makes the server close the connection.
async fn break_off(response: Response<Body>) -> Response<Body> {
    let (parts, body) = response.into_parts();
    let bytes = to_bytes(body, usize::MAX).await.unwrap_or_default();
    let half: Bytes = bytes.slice(..bytes.len() / 2);
    let end = std::io::Error::new(std::io::ErrorKind::ConnectionReset, "cut off on purpose");
    let stream = futures::stream::iter([Ok(half), Err(end)]);
    Response::from_parts(parts, Body::from_stream(stream))
}

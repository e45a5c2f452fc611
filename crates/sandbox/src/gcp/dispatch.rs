//! The one HTTP entry: from bytes to a service and back.
//!
//! Owns: finding service and API, faults, counting, and the wire form of the answer. Refuses: any
//! service's rules.

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::State as Shared;
use http::{Method, Request, Response, Uri};
use percent_encoding::percent_decode_str;

use super::answer::Answer;
use super::{Gcp, iam_admin, iam_credentials, oauth, resource_manager, secret_manager, sts};

/// Larger requests are refused unread; no API here needs more.
const MAX_BODY: usize = 1024 * 1024;

/// A request as a service sees it.
pub(super) struct Call<'a> {
    pub method: &'a Method,
    /// The location that the host names, for a regional endpoint.
    pub location: Option<&'a str>,
    /// Whether the host names a service; others, such as `localhost`, stand for all.
    pub named: bool,
    /// Decoded segments of the path behind the API's version.
    pub path: Vec<String>,
    /// What stands behind the path's last colon.
    pub verb: Option<String>,
    /// The API's name, once it is known.
    pub api: &'static str,
    pub uri: &'a Uri,
    pub authorization: Option<&'a str>,
    pub content_type: &'a str,
    pub body: &'a Bytes,
}

impl Call<'_> {
    /// A parameter of the query.
    pub fn query(&self, name: &str) -> Option<String> {
        let query = self.uri.query()?.as_bytes();
        url::form_urlencoded::parse(query)
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.into_owned())
    }

    /// The path's segments.
    pub fn segments(&self) -> Vec<&str> {
        self.path.iter().map(String::as_str).collect()
    }

    /// The body, an object; an empty one for none.
    pub fn json(&self) -> Result<serde_json::Value, Answer> {
        if self.body.is_empty() {
            return Ok(serde_json::json!({}));
        }
        serde_json::from_slice(self.body)
            .ok()
            .filter(serde_json::Value::is_object)
            .ok_or_else(|| {
                Answer::error(
                    "INVALID_ARGUMENT",
                    "Invalid JSON payload received. The body is not a JSON object.",
                )
            })
    }
}

/// The services by the first label of their host name.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Service {
    Sts,
    SecureToken,
    IamCredentials,
    Iam,
    ResourceManager,
    OAuth,
    SecretManager,
}

impl Service {
    const ALL: [(&str, Self); 7] = [
        ("sts", Self::Sts),
        ("securetoken", Self::SecureToken),
        ("iamcredentials", Self::IamCredentials),
        ("iam", Self::Iam),
        ("cloudresourcemanager", Self::ResourceManager),
        ("oauth2", Self::OAuth),
        ("secretmanager", Self::SecretManager),
    ];

    fn name(self) -> &'static str {
        Self::ALL
            .iter()
            .find(|(_, service)| *service == self)
            .map_or("", |(name, _)| name)
    }

    fn of_host(host: &str) -> Option<Self> {
        let (label, rest) = host.split_once('.')?;
        let (_, service) = Self::ALL.iter().find(|(name, _)| *name == label)?;
        rest.ends_with("googleapis.com").then_some(*service)
    }

    fn of_path(path: &[&str], verb: Option<&str>) -> Self {
        match path {
            ["identitybindingtoken"] => Self::SecureToken,
            ["token"] => Self::Sts,
            ["projects", _, "serviceAccounts", _] if verb.is_some_and(|v| v.starts_with("gen")) => {
                Self::IamCredentials
            }
            ["projects", _, "serviceAccounts", ..]
            | ["projects", _, "locations", _, "workloadIdentityPools", ..] => Self::Iam,
            ["projects"] | ["projects", _] => Self::ResourceManager,
            ["projects", ..] => Self::SecretManager,
            _ => Self::OAuth,
        }
    }
}

pub(super) fn router(gcp: Gcp) -> axum::Router {
    axum::Router::new().fallback(handle).with_state(gcp)
}

async fn handle(Shared(gcp): Shared<Gcp>, request: Request<Body>) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, MAX_BODY).await else {
        return Answer::error(
            "INVALID_ARGUMENT",
            "Request payload size exceeds the limit.",
        )
        .render();
    };
    let header = |name| parts.headers.get(name).and_then(|v| v.to_str().ok());
    // HTTP/2 carries the host outside the headers.
    let host = match parts.uri.authority() {
        Some(authority) => authority.as_str(),
        None => header(http::header::HOST).unwrap_or("localhost"),
    };
    let host = host.split(':').next().unwrap_or_default();
    let (versioned, path, verb) = path(parts.uri.path());
    let mut call = Call {
        method: &parts.method,
        location: host
            .strip_prefix("secretmanager.")
            .and_then(|rest| rest.strip_suffix(".rep.googleapis.com")),
        named: Service::of_host(host).is_some(),
        path,
        verb,
        api: "",
        uri: &parts.uri,
        authorization: header(http::header::AUTHORIZATION),
        content_type: header(http::header::CONTENT_TYPE).unwrap_or_default(),
        body: &body,
    };
    let service = Service::of_host(host).unwrap_or_else(|| {
        if versioned {
            Service::of_path(&call.segments(), call.verb.as_deref())
        } else {
            Service::OAuth
        }
    });
    call.api = match service {
        Service::Sts => "ExchangeToken",
        Service::SecureToken => "IdentityBindingToken",
        Service::OAuth => "Token",
        Service::IamCredentials => iam_credentials::api(&call),
        Service::Iam => iam_admin::api(&call),
        Service::ResourceManager => resource_manager::api(&call),
        Service::SecretManager => secret_manager::api(&call),
    };
    answer(&gcp, service, &call).await
}

async fn answer(gcp: &Gcp, service: Service, call: &Call<'_>) -> Response<Body> {
    let (name, api) = (service.name(), call.api);
    let text = format!("{} {}", call.uri.path(), String::from_utf8_lossy(call.body));
    let suffering = gcp.state().faults.strike(name, api, &text);
    if !suffering.delay.is_zero() {
        tokio::time::sleep(suffering.delay).await;
    }
    let mut answer = match suffering.answer {
        Some(answer) => answer,
        None => match service {
            Service::Sts | Service::SecureToken => sts::call(gcp, call).await,
            Service::OAuth => oauth::call(gcp, call),
            Service::IamCredentials => iam_credentials::call(gcp, call),
            Service::Iam => iam_admin::call(gcp, call),
            Service::ResourceManager => resource_manager::call(gcp, call),
            Service::SecretManager => secret_manager::call(gcp, call),
        },
    };
    if suffering.corrupt
        && let Some(sum) = answer.body.pointer_mut("/payload/dataCrc32c")
    {
        *sum = "1".into();
    }
    gcp.state().count(name, api, answer.is_error());
    tracing::debug!(service = name, api, status = answer.status, "called");
    if suffering.html {
        let mut response =
            Response::new(Body::from("<html><body>Sign in to continue</body></html>"));
        *response.status_mut() =
            http::StatusCode::from_u16(answer.status).unwrap_or(http::StatusCode::OK);
        return response;
    }
    let response = answer.render();
    if suffering.truncate {
        return break_off(response).await;
    }
    response
}

/// Whether an API's version begins the path, the decoded rest, and the verb behind a colon.
fn path(path: &str) -> (bool, Vec<String>, Option<String>) {
    let mut segments: Vec<&str> = path.split('/').filter(|s| !s.is_empty()).collect();
    let versioned = segments
        .first()
        .is_some_and(|first| matches!(*first, "v1" | "v3"));
    if versioned {
        segments.remove(0);
    }
    let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let mut verb = None;
    let last = segments.pop().map(|last| match last.rsplit_once(':') {
        Some((name, behind)) if !behind.is_empty() => {
            verb = Some(behind.to_owned());
            name
        }
        _ => last,
    });
    segments.extend(last);
    (versioned, segments.into_iter().map(decoded).collect(), verb)
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

//! The one HTTP entry: from bytes to a service and back.
//!
//! Owns: finding service and API, faults, counting, and the wire form of the answer. Refuses: any
//! service's rules.

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::State as Shared;
use http::{Method, Request, Response, Uri};
use serde_json::json;

use super::answer::{Answer, guid};
use super::{Azure, arm, entra, graph, vault};

/// Larger requests are refused unread; no API here needs more.
const MAX_BODY: usize = 1024 * 1024;

/// A request as a service sees it.
pub(super) struct Call<'a> {
    pub method: &'a Method,
    /// Host, with a port if there was one.
    pub host: &'a str,
    /// Decoded segments of the path; empty ones are left out.
    pub path: Vec<&'a str>,
    pub uri: &'a Uri,
    pub authorization: Option<&'a str>,
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
}

pub(super) fn router(azure: Azure) -> axum::Router {
    axum::Router::new().fallback(handle).with_state(azure)
}

async fn handle(Shared(azure): Shared<Azure>, request: Request<Body>) -> Response<Body> {
    let id = guid();
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, MAX_BODY).await else {
        return Answer::vault(413, "RequestTooLarge", "", "The request is too large.").render(&id);
    };
    let header = |name| parts.headers.get(name).and_then(|v| v.to_str().ok());
    // HTTP/2 carries the host outside the headers.
    let host = match parts.uri.authority() {
        Some(authority) => authority.as_str(),
        None => header(http::header::HOST).unwrap_or("localhost"),
    };
    let call = Call {
        method: &parts.method,
        host,
        path: parts
            .uri
            .path()
            .split('/')
            .filter(|s| !s.is_empty())
            .collect(),
        uri: &parts.uri,
        authorization: header(http::header::AUTHORIZATION),
        body: &body,
    };
    let service = Service::of(&azure, &call);
    let vault = match &service {
        Service::Vault(name) => Some(name.clone()),
        _ => None,
    };
    let (name, api) = match service {
        Service::Vault(_) => ("keyvault", vault::api(&call)),
        Service::ResourceManager => ("arm", arm::api(&call)),
        Service::Graph => ("graph", graph::api(&call)),
        Service::Entra => ("entra", entra::api(&call)),
    };
    let suffering = azure.state().faults.strike(name, api, vault.as_deref());
    let begun = match &service {
        Service::ResourceManager => arm::begin_write(&azure, &call),
        _ => Ok(None),
    };
    if !suffering.delay.is_zero() {
        tokio::time::sleep(suffering.delay).await;
    }
    let early = suffering.answer.or_else(|| begun.as_ref().err().cloned());
    let mut answer = match (early, &service) {
        (Some(answer), _) => answer,
        (None, Service::Vault(name)) => vault::call(&azure, name, api, &call),
        (None, Service::ResourceManager) => arm::call(&azure, &call),
        (None, Service::Graph) => graph::call(&azure, api, &call),
        (None, Service::Entra) => entra::call(&azure, api, &call, &id).await,
    };
    if let (Some(link), Some(page)) = (suffering.next_page, answer.body.as_object_mut()) {
        page.insert("nextLink".into(), json!(link));
    }
    drop(begun);
    azure.state().count(name, api, answer.is_error());
    tracing::debug!(
        request = id,
        service = name,
        api,
        status = answer.status,
        "called"
    );
    if suffering.html {
        let mut response =
            Response::new(Body::from("<html><body>Sign in to continue</body></html>"));
        *response.status_mut() =
            http::StatusCode::from_u16(answer.status).unwrap_or(http::StatusCode::OK);
        return response;
    }
    let response = answer.render(&id);
    if suffering.truncate {
        return break_off(response).await;
    }
    response
}

/// What a call is for: by host name, or by path under a host that names nothing.
enum Service {
    /// With the vault's name in lower case.
    Vault(String),
    ResourceManager,
    Graph,
    Entra,
}

impl Service {
    fn of(azure: &Azure, call: &Call<'_>) -> Self {
        let host = call.host.split(':').next().unwrap_or_default();
        if let Some((name, rest)) = host.split_once('.')
            && rest.starts_with("vault.")
        {
            return Self::Vault(name.to_ascii_lowercase());
        }
        if vault::is_path(&call.path) {
            return Self::Vault(azure.default_vault().to_ascii_lowercase());
        }
        if arm::is_path(&call.path) {
            return Self::ResourceManager;
        }
        if graph::is_path(&call.path) {
            return Self::Graph;
        }
        Self::Entra
    }
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

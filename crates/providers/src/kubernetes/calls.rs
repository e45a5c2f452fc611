//! Calls to one API server under one identity.
//!
//! Owns: requests and their bodies, counting, pages of a list, and replacing a minted token that
//! the server refuses. Refuses: deciding when to call.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request, header};
use keyless_fault::Fault;
use keyless_identity::HttpExchange;
use keyless_identity::kubernetes::{Bearer, Login, Logins};
use serde::Deserialize;
use serde_json::Value;
use url::form_urlencoded;

use super::backend::Settings;
use super::fault::Attempt;
use super::object::{Object, Wire};
use crate::Error;
use crate::planner::Counters;

/// As the API's metrics name it.
const PROVIDER: &str = "Kubernetes";
/// Secrets of one page of a list.
const PAGE: u32 = 250;
/// Pages that a list may have: a search is no way to copy a cluster.
const PAGES: usize = 200;

#[derive(Debug)]
pub(super) struct Calls {
    http: Arc<dyn HttpExchange>,
    logins: Arc<Logins>,
    login: Arc<Login>,
    namespace: String,
    counters: Arc<Counters>,
    service: String,
}

/// One call of a name in the metrics.
pub(super) struct Call<'a> {
    pub name: &'static str,
    pub method: Method,
    /// Path and query.
    pub path: &'a str,
    pub body: Option<&'a Value>,
}

impl Calls {
    pub(super) fn new(settings: &Settings, counters: Arc<Counters>) -> Self {
        Self {
            service: format!("Kubernetes ({})", settings.login.url),
            http: Arc::clone(&settings.http),
            logins: Arc::clone(&settings.logins),
            login: Arc::clone(&settings.login),
            namespace: settings.namespace.clone(),
            counters,
        }
    }

    /// The namespace whose Secrets are read.
    pub(super) fn namespace(&self) -> &str {
        &self.namespace
    }

    /// What is tried, for error texts.
    pub(super) fn attempt(&self, intent: String, verb: &'static str) -> Attempt<'_> {
        Attempt {
            intent,
            service: &self.service,
            identity: self.login.describe(),
            verb,
            namespace: &self.namespace,
        }
    }

    /// The path of a Secret.
    pub(super) fn path(&self, name: &str) -> String {
        let escape =
            |text: &str| -> String { form_urlencoded::byte_serialize(text.as_bytes()).collect() };
        let secrets = format!("/api/v1/namespaces/{}/secrets", escape(&self.namespace));
        if name.is_empty() {
            secrets
        } else {
            format!("{secrets}/{}", escape(name))
        }
    }

    /// Reads one Secret.
    pub(super) async fn get(&self, name: &str) -> Result<Object, Error> {
        let attempt = self.attempt(format!("read Secret {}/{name}", self.namespace), "get");
        if !is_name(name) {
            return Err(attempt.missing(name));
        }
        let call = Call {
            name: "GetSecret",
            method: Method::GET,
            path: &self.path(name),
            body: None,
        };
        let answer = self.make(&attempt, &call).await?;
        if answer.status() == 404 {
            return Err(attempt.missing(name));
        }
        let wire: Wire = read(&attempt, &answer)?;
        wire.object()
            .ok_or_else(|| attempt.unreadable("a value is not base64"))
    }

    /// Every Secret with these labels, by name.
    pub(super) async fn list(
        &self,
        labels: &BTreeMap<String, String>,
    ) -> Result<BTreeMap<String, Object>, Error> {
        #[derive(Deserialize)]
        struct List {
            #[serde(default)]
            metadata: ListMetadata,
            #[serde(default)]
            items: Vec<Wire>,
        }
        #[derive(Default, Deserialize)]
        struct ListMetadata {
            #[serde(default, rename = "continue")]
            next: Option<String>,
        }
        let attempt = self.attempt(format!("list the Secrets of {}", self.namespace), "list");
        let selector: Vec<String> = labels
            .iter()
            .map(|(key, value)| format!("{key}={value}"))
            .collect();
        let selector = selector.join(",");
        let mut found = BTreeMap::new();
        let mut next = String::new();
        for _ in 0..PAGES {
            let call = Call {
                name: "ListSecrets",
                method: Method::GET,
                path: &format!("{}?{}", self.path(""), query(&selector, &next)),
                body: None,
            };
            let answer = self.make(&attempt, &call).await?;
            let list: List = read(&attempt, &answer)?;
            for wire in list.items {
                let name = wire.metadata.name.clone();
                let object = wire
                    .object()
                    .ok_or_else(|| attempt.unreadable("a value is not base64"))?;
                found.insert(name, object);
            }
            match list.metadata.next.filter(|next| !next.is_empty()) {
                Some(more) => next = more,
                None => return Ok(found),
            }
        }
        Err(Error::Shape {
            reason: format!(
                "namespace {} has more than {} Secrets",
                self.namespace,
                PAGES * PAGE as usize
            ),
            hint: Some("Search by labels: set find.tags".into()),
        })
    }

    /// Makes a call; 404 and 409 are answers, every other refusal an error.
    pub(super) async fn make(
        &self,
        attempt: &Attempt<'_>,
        call: &Call<'_>,
    ) -> Result<http::Response<Bytes>, Error> {
        let mut again = true;
        loop {
            let bearer = self.logins.bearer(&self.login).await?;
            let answer = self.send(attempt, call, &bearer).await;
            let outcome = answer.and_then(|answer| match answer.status().as_u16() {
                200..=299 | 404 | 409 => Ok(answer),
                _ => Err(attempt.refused(&answer)),
            });
            match &outcome {
                Ok(_) => self.counters.called(PROVIDER, call.name, "success"),
                Err(error) => {
                    self.counters
                        .called(PROVIDER, call.name, error.class().as_str());
                    let unknown = error.provider_code() == Some("Unauthorized");
                    if unknown
                        && std::mem::take(&mut again)
                        && self.logins.refused(&self.login, &bearer)
                    {
                        continue;
                    }
                }
            }
            return outcome;
        }
    }

    async fn send(
        &self,
        attempt: &Attempt<'_>,
        call: &Call<'_>,
        bearer: &Bearer,
    ) -> Result<http::Response<Bytes>, Error> {
        let failed = |reason: String| Error::Network {
            intent: attempt.intent.clone(),
            reason,
        };
        let mut request = Request::builder()
            .method(call.method.clone())
            .uri(format!("{}{}", self.login.url, call.path))
            .header(header::ACCEPT, "application/json");
        if let Some(token) = bearer {
            let text = token.expose_str().unwrap_or_default();
            let mut value = http::HeaderValue::from_str(&format!("Bearer {text}"))
                .map_err(|_| failed("the token cannot be sent: it is not a line of text".into()))?;
            value.set_sensitive(true);
            request = request.header(header::AUTHORIZATION, value);
        }
        if call.body.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let body = call.body.map(Value::to_string).unwrap_or_default();
        let request = request
            .body(Bytes::from(body))
            .map_err(|error| failed(error.to_string()))?;
        let answer = self.http.send(request).await;
        answer.map_err(|error| failed(error.to_string()))
    }
}

/// The query of one page of a list.
fn query(selector: &str, next: &str) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("limit", &PAGE.to_string());
    if !selector.is_empty() {
        query.append_pair("labelSelector", selector);
    }
    if !next.is_empty() {
        query.append_pair("continue", next);
    }
    query.finish()
}

/// Whether `name` can be the name of a Secret: anything else must not become part of a path.
pub(super) fn is_name(name: &str) -> bool {
    let inside = |byte: u8| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'.')
    };
    !name.is_empty() && name.len() <= 253 && name.bytes().all(inside) && name != "." && name != ".."
}

/// Reads an answer; its text may be a secret and is never quoted.
pub(super) fn read<T: serde::de::DeserializeOwned>(
    attempt: &Attempt<'_>,
    answer: &http::Response<Bytes>,
) -> Result<T, Error> {
    serde_json::from_slice(answer.body())
        .map_err(|_| attempt.unreadable("it is not the JSON of a Kubernetes API"))
}

//! Calls to one endpoint.
//!
//! Owns: sending, counting, and what a status means. Refuses: deciding when to call.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, header};
use keyless_fault::{Class, Fault, Link};
use keyless_identity::webhook::Login;
use keyless_identity::{HttpExchange, is_metadata};
use keyless_secret::SecretBytes;

use super::backend::Settings;
use super::request::{Scope, Spec, Variables};
use crate::planner::Counters;
use crate::{Error, Remote, Validation};

/// As the API's metrics name it.
const PROVIDER: &str = "Webhook";
/// How long a validation's connection may take.
const DIAL: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(super) struct Calls {
    http: Arc<dyn HttpExchange>,
    login: Arc<Login>,
    spec: Spec,
    counters: Arc<Counters>,
}

impl Calls {
    pub(super) fn new(settings: &Settings, counters: Arc<Counters>) -> Self {
        Self {
            http: Arc::clone(&settings.http),
            login: Arc::clone(&settings.login),
            spec: settings.spec.clone(),
            counters,
        }
    }

    pub(super) const fn spec(&self) -> &Spec {
        &self.spec
    }

    /// The body of the answer to a read.
    pub(super) async fn get(&self, variables: &Variables) -> Result<SecretBytes, Error> {
        let escaped = Scope::reading(variables, &self.login, true);
        let plain = Scope::reading(variables, &self.login, false);
        let request = self.spec.request(&escaped, &plain, (Method::GET, b""))?;
        let answer = self.send("Get", &variables.key, request).await?;
        Ok(SecretBytes::new(answer.into_body().to_vec()))
    }

    /// Sends a value.
    pub(super) async fn push(
        &self,
        remote: &Remote,
        value: &SecretBytes,
        namespace: &str,
    ) -> Result<(), Error> {
        let property = remote.property.as_deref().unwrap_or_default();
        let members = [
            ("remoteKey", remote.key.as_bytes()),
            ("key", remote.key.as_bytes()),
            ("property", property.as_bytes()),
            ("namespace", namespace.as_bytes()),
            ("value", value.expose()),
        ];
        let escaped = Scope::of(members, &self.login, true);
        let plain = Scope::of(members, &self.login, false);
        let request = self
            .spec
            .request(&escaped, &plain, (Method::POST, value.expose()))?;
        self.send("Push", &remote.key, request).await?;
        Ok(())
    }

    async fn send(
        &self,
        name: &'static str,
        key: &str,
        request: http::Request<Bytes>,
    ) -> Result<http::Response<Bytes>, Error> {
        let host = request.uri().authority().map(|a| a.as_str().to_owned());
        let service = format!("webhook {}", host.unwrap_or_default());
        let intent = format!("read secret {key:?}");
        let answer = self.http.send(request).await;
        let outcome = answer
            .map_err(|error| Error::Network {
                intent: intent.clone(),
                reason: error.to_string(),
            })
            .and_then(|answer| judge(answer, &intent, &service, key));
        let word = outcome
            .as_ref()
            .map_or_else(|e| e.class().as_str(), |_| "success");
        self.counters.called(PROVIDER, name, word);
        outcome
    }

    /// Connects to the endpoint: whether it answers rightly only a read can tell.
    pub(super) async fn dial(&self, namespace: &str) -> Result<Validation, Error> {
        let nothing = Variables {
            namespace: namespace.to_owned(),
            ..Variables::default()
        };
        let url = self
            .spec
            .address(&Scope::reading(&nothing, &self.login, true))?;
        let host = url.host_str().unwrap_or_default().to_owned();
        if host.contains("%3Cno") || host.contains("no%20value") {
            let reason = "the host depends on what is read";
            return Ok(Validation::Unknown(reason.into()));
        }
        let bare = host
            .trim_start_matches('[')
            .trim_end_matches(']')
            .to_owned();
        let port = url.port_or_known_default().unwrap_or(443);
        let failed = |reason: String| Error::Network {
            intent: format!("connect to webhook {host}:{port}"),
            reason,
        };
        let connect = async {
            let found = tokio::net::lookup_host((bare.as_str(), port)).await;
            let found = found.map_err(|error| failed(error.to_string()))?;
            let mut last = failed("its name has no address".into());
            for address in found {
                if self.login.peer.guarded && is_metadata(address.ip()) {
                    last = failed(
                        "link-local addresses and metadata services are out of reach of stores"
                            .into(),
                    );
                    continue;
                }
                match tokio::net::TcpStream::connect(address).await {
                    Ok(_) => return Ok(Validation::Valid),
                    Err(error) => last = failed(error.to_string()),
                }
            }
            Err(last)
        };
        let limit = || failed(format!("no connection within {DIAL:?}"));
        tokio::time::timeout(DIAL, connect)
            .await
            .map_err(|_| limit())?
    }
}

fn judge(
    answer: http::Response<Bytes>,
    intent: &str,
    service: &str,
    key: &str,
) -> Result<http::Response<Bytes>, Error> {
    let status = answer.status().as_u16();
    let (link, class, hint) = match status {
        200..=299 => return Ok(answer),
        404 => {
            return Err(Error::NoSecret {
                key: key.to_owned(),
                service: service.to_owned(),
                hint: Some("Correct remoteRef.key or the store's url".into()),
                code: "",
            });
        }
        300..=399 => (
            Link::Store,
            Class::Config,
            Some(
                "Set url to where the answer is: redirects are not followed, since they could carry secrets elsewhere",
            ),
        ),
        401 | 403 => (
            Link::Permission,
            Class::Denied,
            Some("Correct the headers or secrets of the store"),
        ),
        429 => (Link::Network, Class::Throttled, None),
        500.. => (Link::Network, Class::Unavailable, None),
        _ => (Link::Store, Class::Config, None),
    };
    let header = |name: &str| {
        let value = answer.headers().get(name)?.to_str().ok()?;
        Some(value.chars().take(128).collect::<String>())
    };
    let retry_after = answer.headers().get(header::RETRY_AFTER);
    let retry_after = retry_after.and_then(|v| v.to_str().ok()?.trim().parse::<u64>().ok());
    Err(Error::Provider {
        intent: intent.to_owned(),
        service: service.to_owned(),
        provider_code: format!("HTTP {status}"),
        // The body may be the secret.
        message: answer
            .status()
            .canonical_reason()
            .unwrap_or("no reason given")
            .to_owned(),
        request_id: header("x-request-id"),
        link,
        class,
        code: "",
        required: None,
        hint: hint.map(Into::into),
        retry_after: retry_after.map(|s| Duration::from_secs(s.min(3600))),
    })
}

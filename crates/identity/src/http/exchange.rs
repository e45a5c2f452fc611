//! [`HttpExchange`] over the network.
//!
//! Owns: roots, proxies, time and size limits. Refuses: redirects, retries, and error texts
//! with a query string, a header or a body in them.

use std::error::Error as _;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::FutureExt;
use futures::future::BoxFuture;

use super::overrides::Resolver;
use super::{ClientCertificate, HttpError, HttpExchange, Limits, Overrides, Peer, guard, roots};
use crate::Environment;

/// How an [`Exchange`] behaves.
#[derive(Clone, Debug)]
pub struct ExchangeOptions {
    /// PEM bundle that replaces the public authorities.
    pub bundle: Option<Vec<u8>>,
    /// PEM bundles trusted besides.
    pub extra: Vec<Vec<u8>>,
    /// What is shown to peers that ask for a certificate.
    pub certificate: Option<ClientCertificate>,
    /// Whether link-local addresses and those of metadata services are out of reach.
    pub guarded: bool,
    /// Longest time to establish a connection.
    pub connect: Duration,
    /// Longest time from sending to the last byte of the answer.
    pub total: Duration,
    /// Largest body of an answer, in bytes.
    pub answer: usize,
    /// Addresses of hosts, in place of the name servers' and of any proxy.
    pub overrides: Overrides,
}

impl Default for ExchangeOptions {
    fn default() -> Self {
        Self {
            bundle: None,
            extra: Vec::new(),
            certificate: None,
            guarded: false,
            connect: Duration::from_secs(5),
            total: Duration::from_secs(30),
            answer: 8 << 20,
            overrides: Overrides::default(),
        }
    }
}

impl ExchangeOptions {
    /// The defaults, with the bundle that `SSL_CERT_FILE` names and the addresses of
    /// `KEYLESS_RESOLVE`. A file or a list that cannot be read is reported and left aside.
    #[must_use]
    pub fn from_environment(env: &Environment) -> Self {
        let bundle = env.get("SSL_CERT_FILE").and_then(|path| {
            std::fs::read(path)
                .inspect_err(|error| {
                    tracing::warn!(path, %error, "cannot read SSL_CERT_FILE; using built-in roots");
                })
                .ok()
        });
        let overrides = env
            .get("KEYLESS_RESOLVE")
            .and_then(|text| {
                Overrides::parse(text)
                    .inspect_err(|entry| {
                        tracing::warn!(entry, "cannot read KEYLESS_RESOLVE; it is not used");
                    })
                    .ok()
            })
            .unwrap_or_default();
        Self {
            bundle,
            overrides,
            ..Self::default()
        }
    }
}

/// Pooled HTTP/1.1 and HTTP/2 over TLS.
#[derive(Clone, Debug)]
pub struct Exchange {
    proxied: reqwest::Client,
    direct: reqwest::Client,
    options: Arc<ExchangeOptions>,
}

impl Exchange {
    /// An exchange with `options`. The proxies are those of the process's `HTTP_PROXY`,
    /// `HTTPS_PROXY` and `NO_PROXY`.
    ///
    /// # Errors
    /// When a bundle holds no usable certificate.
    pub fn new(options: &ExchangeOptions) -> Result<Self, HttpError> {
        let failed = |reason: String| HttpError::Request {
            host: "any host".into(),
            reason,
        };
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| failed(error.to_string()))?
            .with_root_certificates(roots::roots(options.bundle.as_deref(), &options.extra)?);
        let mut tls = match &options.certificate {
            None => tls.with_no_client_auth(),
            Some(certificate) => {
                let (chain, key) = roots::client(certificate)?;
                tls.with_client_auth_cert(chain, key).map_err(|_| {
                    failed("the client certificate and its key do not belong together".into())
                })?
            }
        };
        tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let overrides = Arc::new(options.overrides.clone());
        let builder = || {
            let builder = reqwest::Client::builder()
                .tls_backend_preconfigured(tls.clone())
                .redirect(reqwest::redirect::Policy::none())
                .retry(reqwest::retry::never())
                // As Go's clients write them: a webhook behind a store may compare bytes, though
                // names have no case (RFC 9110, 5.1).
                .http1_title_case_headers()
                .connect_timeout(options.connect)
                .pool_idle_timeout(Duration::from_secs(60))
                .pool_max_idle_per_host(8)
                .user_agent(concat!("keyless/", env!("CARGO_PKG_VERSION")));
            if options.guarded {
                builder.dns_resolver(Arc::new(guard::Guarded(Arc::clone(&overrides))))
            } else if overrides.is_empty() {
                builder
            } else {
                builder.dns_resolver(Resolver(Arc::clone(&overrides)))
            }
        };
        Ok(Self {
            proxied: builder()
                .build()
                .map_err(|error| failed(reason(&error.without_url())))?,
            direct: builder()
                .no_proxy()
                .build()
                .map_err(|error| failed(reason(&error.without_url())))?,
            options: Arc::new(options.clone()),
        })
    }

    async fn exchange(
        &self,
        request: http::Request<Bytes>,
    ) -> Result<http::Response<Bytes>, HttpError> {
        let host = host_of(request.uri());
        let limits = request
            .extensions()
            .get::<Limits>()
            .copied()
            .unwrap_or_default();
        let limit = limits.total.unwrap_or(self.options.total);
        if self.options.guarded && request.uri().host().is_some_and(guard::refuses) {
            return Err(HttpError::Request {
                host,
                reason: "link-local addresses and metadata services are out of reach of stores"
                    .into(),
            });
        }
        let overridden = request
            .uri()
            .host()
            .is_some_and(|host| self.options.overrides.find(host).is_some());
        let client = if limits.direct || overridden {
            &self.direct
        } else {
            &self.proxied
        };
        let failed = |error: reqwest::Error| from_reqwest(&host, limit, error);
        let mut request = reqwest::Request::try_from(request).map_err(failed)?;
        *request.timeout_mut() = Some(limit);
        let mut response = client.execute(request).await.map_err(failed)?;
        let cap = limits.answer.unwrap_or(self.options.answer);
        let too_large = || HttpError::Body {
            host: host.clone(),
            reason: format!("more than {cap} bytes"),
        };
        let declared = response.content_length().unwrap_or(0);
        if declared > cap as u64 {
            return Err(too_large());
        }
        let mut body = BytesMut::new();
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            if body.len() + chunk.len() > cap {
                return Err(too_large());
            }
            body.extend_from_slice(&chunk);
        }
        let mut answer = http::Response::new(body.freeze());
        *answer.status_mut() = response.status();
        *answer.version_mut() = response.version();
        std::mem::swap(answer.headers_mut(), response.headers_mut());
        Ok(answer)
    }
}

impl HttpExchange for Exchange {
    fn send(
        &self,
        request: http::Request<Bytes>,
    ) -> BoxFuture<'_, Result<http::Response<Bytes>, HttpError>> {
        self.exchange(request).boxed()
    }

    fn to_peer(&self, peer: &Peer) -> Result<Arc<dyn HttpExchange>, HttpError> {
        let mut options = ExchangeOptions::clone(&self.options);
        if peer.authorities.is_some() {
            options.bundle.clone_from(&peer.authorities);
            options.extra.clear();
        }
        options.certificate.clone_from(&peer.certificate);
        options.guarded |= peer.guarded;
        Ok(Arc::new(Self::new(&options)?))
    }
}

/// Host and port of `uri`; never its path, query or user information.
pub(crate) fn host_of(uri: &http::Uri) -> String {
    match (uri.host(), uri.port_u16()) {
        (Some(host), Some(port)) => format!("{host}:{port}"),
        (Some(host), None) => host.to_owned(),
        (None, _) => "unknown host".to_owned(),
    }
}

fn from_reqwest(host: &str, limit: Duration, error: reqwest::Error) -> HttpError {
    let error = error.without_url();
    let host = host.to_owned();
    let reason = reason(&error);
    if error.is_builder() || error.is_request() && error.source().is_none() {
        HttpError::Request { host, reason }
    } else if error.is_connect() {
        HttpError::Connect { host, reason }
    } else if error.is_timeout() {
        HttpError::Timeout { host, limit }
    } else if error.is_body() || error.is_decode() {
        HttpError::Body { host, reason }
    } else {
        HttpError::Connect { host, reason }
    }
}

/// The innermost cause says most; the outer ones say "error sending request".
fn reason(error: &reqwest::Error) -> String {
    let mut last = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let text = inner.to_string();
        if !text.is_empty() {
            last = text;
        }
        cause = inner.source();
    }
    last.truncate(last.floor_char_boundary(300));
    last
}

#[cfg(test)]
mod tests;

//! Objects behind HTTP: any server that takes PUT, S3 and what is compatible, Google Cloud Storage,
//! Azure Blob Storage.
//!
//! Owns: the conditions by which each refuses a write over something newer, the headers that make
//! a document readable (type, caching), and what their refusals mean. Refuses: access control
//! lists (P2: buckets of today take none) and logging in (see [`super::authorize`]).
//!
//! Sources: RFC 9110 sections 13.1.1 and 13.1.2; S3 "Conditional writes"; GCS "Request preconditions"
//! (`x-goog-if-generation-match`); Azure "Specifying conditional headers for Blob service".

use std::sync::Arc;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_MATCH, IF_NONE_MATCH};
use http::{HeaderName, HeaderValue, Method, Request, Response};
use keyless_fault::{Class, Fault as _};
use keyless_identity::{HttpError, HttpExchange};

use super::authorize::Authorize;
use super::{Seen, Stored, Target, TargetError};
use crate::documents::{CACHE_CONTROL as CACHING, CONTENT_TYPE as TYPE};
use crate::plan::Object;

/// How a server speaks of versions and conditions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// RFC 9110 and nothing else.
    Plain,
    /// S3.
    S3,
    /// Google Cloud Storage's XML API.
    Gcs,
    /// Azure Blob Storage.
    Azure,
}

/// A folder of objects.
#[derive(Debug)]
pub struct Objects {
    name: String,
    base: String,
    dialect: Dialect,
    http: Arc<dyn HttpExchange>,
    login: Box<dyn Authorize>,
}

const GENERATION: HeaderName = HeaderName::from_static("x-goog-generation");
const GENERATION_MATCH: HeaderName = HeaderName::from_static("x-goog-if-generation-match");

impl Objects {
    /// The objects below `base`, a URL.
    #[must_use]
    pub fn new(
        name: impl Into<String>,
        base: &str,
        dialect: Dialect,
        http: Arc<dyn HttpExchange>,
        login: Box<dyn Authorize>,
    ) -> Self {
        Self {
            name: name.into(),
            base: base.trim_end_matches('/').to_owned(),
            dialect,
            http,
            login,
        }
    }

    fn request(
        &self,
        method: Method,
        object: Object,
        body: Bytes,
    ) -> Result<Request<Bytes>, TargetError> {
        let url = format!("{}/{}", self.base, object.path());
        let mut request = Request::builder()
            .method(method)
            .uri(url)
            .body(body)
            .map_err(|error| {
                self.refused("form a request", None, error.to_string(), Class::Config)
            })?;
        if self.dialect == Dialect::Azure {
            let headers = request.headers_mut();
            headers.insert("x-ms-version", HeaderValue::from_static("2023-11-03"));
        }
        Ok(request)
    }

    async fn send(
        &self,
        request: Request<Bytes>,
        intent: &str,
    ) -> Result<Response<Bytes>, TargetError> {
        let request =
            self.login
                .authorize(request)
                .await
                .map_err(|error| TargetError::Refused {
                    target: self.name.clone(),
                    intent: format!("log in to {intent}"),
                    provider_code: error.provider_code().map(str::to_owned),
                    said: keyless_fault::explain(&error),
                    class: error.class(),
                    code: error.code(),
                    hint: None,
                })?;
        self.http.send(request).await.map_err(|error| {
            let class = match error {
                HttpError::Request { .. } => Class::Config,
                _ => Class::Unavailable,
            };
            self.refused(intent, None, error.to_string(), class)
        })
    }

    async fn get(&self, object: Object) -> Result<Option<Stored>, TargetError> {
        let request = self.request(Method::GET, object, Bytes::new())?;
        let intent = format!("read {}", object.path());
        let response = self.send(request, &intent).await?;
        match response.status().as_u16() {
            200 => Ok(Some(Stored {
                version: self.version(&response),
                bytes: response.into_body().to_vec(),
            })),
            404 if !is_place_missing(&code(&response)) => Ok(None),
            _ => Err(self.refusal(&intent, &response)),
        }
    }

    async fn put(&self, object: Object, bytes: &[u8], seen: Seen<'_>) -> Result<(), TargetError> {
        let mut request = self.request(Method::PUT, object, Bytes::copy_from_slice(bytes))?;
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(TYPE));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static(CACHING));
        if self.dialect == Dialect::Azure {
            headers.insert("x-ms-blob-type", HeaderValue::from_static("BlockBlob"));
            headers.insert("x-ms-blob-cache-control", HeaderValue::from_static(CACHING));
        }
        let (name, value) = match (self.dialect, seen) {
            (Dialect::Gcs, Seen::Nothing) => (GENERATION_MATCH, "0"),
            (Dialect::Gcs, Seen::Version(version)) => (GENERATION_MATCH, version),
            (_, Seen::Nothing) => (IF_NONE_MATCH, "*"),
            (_, Seen::Version(version)) => (IF_MATCH, version),
        };
        // A server without ETags cannot be asked for a condition.
        if !value.is_empty()
            && let Ok(value) = HeaderValue::from_str(value)
        {
            headers.insert(name, value);
        }
        let intent = format!("write {}", object.path());
        let response = self.send(request, &intent).await?;
        match response.status().as_u16() {
            200 | 201 | 204 => Ok(()),
            // S3 answers 409 when two conditional writes meet; Azure when a blob exists.
            409 | 412
                if !matches!(
                    code(&response).as_str(),
                    "PublicAccessNotPermitted" | "AccountBeingCreated"
                ) =>
            {
                Err(TargetError::Conflict {
                    target: self.name.clone(),
                    object: object.path(),
                })
            }
            _ => Err(self.refusal(&intent, &response)),
        }
    }

    fn version(&self, response: &Response<Bytes>) -> String {
        let header = match self.dialect {
            Dialect::Gcs => response.headers().get(GENERATION),
            Dialect::Plain | Dialect::S3 | Dialect::Azure => response.headers().get(ETAG),
        };
        let text = header.and_then(|v| v.to_str().ok()).unwrap_or_default();
        // A weak ETag never matches If-Match (RFC 9110, section 13.1.1).
        if text.starts_with("W/") {
            String::new()
        } else {
            text.to_owned()
        }
    }

    fn refusal(&self, intent: &str, response: &Response<Bytes>) -> TargetError {
        let status = response.status().as_u16();
        let provider_code = code(response);
        let (row, hint) = match (provider_code.as_str(), self.dialect, status) {
            ("AccessControlListNotSupported", ..) => (
                "P2",
                "Publish without an access control list, and allow reading in the bucket policy",
            ),
            ("NoSuchBucket" | "ContainerNotFound", ..) => (
                "P15",
                "Make the bucket; if it was there before, someone else may have taken its name",
            ),
            (_, Dialect::S3, 401 | 403) => (
                "P1",
                "Allow s3:GetObject and s3:PutObject on the three objects to this identity",
            ),
            (_, Dialect::Azure, 401 | 403 | 409) => (
                "P3",
                "Assign the role Storage Blob Data Contributor on the container to this identity",
            ),
            (_, Dialect::Gcs, 401 | 403) => (
                "P4",
                "Grant the role Storage Object User on the bucket to this identity",
            ),
            _ => ("", ""),
        };
        let class = match status {
            401 | 403 => Class::Denied,
            404 => Class::NotFound,
            429 => Class::Throttled,
            400..=499 => Class::Config,
            _ => Class::Unavailable,
        };
        TargetError::Refused {
            target: self.name.clone(),
            intent: intent.to_owned(),
            said: match provider_code.as_str() {
                "" => format!("status {status}"),
                code => format!("status {status}, {code}"),
            },
            provider_code: (!provider_code.is_empty()).then_some(provider_code),
            class,
            code: row,
            hint: (!hint.is_empty()).then(|| hint.to_owned()),
        }
    }

    fn refused(
        &self,
        intent: &str,
        provider_code: Option<String>,
        said: String,
        class: Class,
    ) -> TargetError {
        TargetError::Refused {
            target: self.name.clone(),
            intent: intent.to_owned(),
            provider_code,
            said,
            class,
            code: "",
            hint: None,
        }
    }
}

fn is_place_missing(code: &str) -> bool {
    matches!(code, "NoSuchBucket" | "ContainerNotFound")
}

/// The server's own code: a header at Azure, an XML element elsewhere.
fn code(response: &Response<Bytes>) -> String {
    if let Some(code) = response.headers().get("x-ms-error-code") {
        return code.to_str().unwrap_or_default().to_owned();
    }
    let body = String::from_utf8_lossy(response.body());
    let found = body
        .split_once("<Code>")
        .and_then(|(_, rest)| rest.split_once("</Code>"));
    let found = found.map(|(code, _)| code).unwrap_or_default();
    found
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .take(60)
        .collect()
}

impl Target for Objects {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn read(&self, object: Object) -> BoxFuture<'_, Result<Option<Stored>, TargetError>> {
        self.get(object).boxed()
    }

    fn write<'a>(
        &'a self,
        object: Object,
        bytes: &'a [u8],
        seen: Seen<'a>,
    ) -> BoxFuture<'a, Result<(), TargetError>> {
        self.put(object, bytes, seen).boxed()
    }
}

//! Logging in to object stores, without a stored key: what `keyless-identity` gets in exchange for
//! the pod's own token.
//!
//! Owns: putting a credential onto a request. Refuses: keeping one; the identity's cache does.

use std::path::PathBuf;
use std::time::SystemTime;

use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use aws_smithy_runtime_api::client::identity::Identity;
use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use http::header::{AUTHORIZATION, HOST};
use http::{HeaderName, HeaderValue, Request};
use keyless_identity::{Error, aws, azure, gcp};

/// Puts a credential onto a request.
pub trait Authorize: Send + Sync + std::fmt::Debug {
    /// The request with it.
    fn authorize(&self, request: Request<Bytes>) -> BoxFuture<'_, Result<Request<Bytes>, Error>>;
}

/// Nothing at all: the server knows its clients otherwise.
#[derive(Debug)]
pub struct Anonymous;

impl Authorize for Anonymous {
    fn authorize(&self, request: Request<Bytes>) -> BoxFuture<'_, Result<Request<Bytes>, Error>> {
        std::future::ready(Ok(request)).boxed()
    }
}

/// A bearer token in a file, read again for each request: a projected token, for instance.
#[derive(Debug)]
pub struct TokenFile(pub PathBuf);

impl Authorize for TokenFile {
    fn authorize(&self, request: Request<Bytes>) -> BoxFuture<'_, Result<Request<Bytes>, Error>> {
        let token = std::fs::read_to_string(&self.0);
        let token =
            token.map_err(|error| failed(format!("cannot read {}: {error}", self.0.display())));
        std::future::ready(token.and_then(|token| bearer(request, token.trim()))).boxed()
    }
}

/// A token of Google.
#[derive(Debug)]
pub struct Google(pub gcp::CachedToken);

impl Authorize for Google {
    fn authorize(&self, request: Request<Bytes>) -> BoxFuture<'_, Result<Request<Bytes>, Error>> {
        async move { bearer(request, self.0.get().await?.expose()) }.boxed()
    }
}

/// A token of Entra for Azure Storage.
#[derive(Debug)]
pub struct Entra(pub azure::CachedToken);

impl Authorize for Entra {
    fn authorize(&self, request: Request<Bytes>) -> BoxFuture<'_, Result<Request<Bytes>, Error>> {
        async move { bearer(request, self.0.get().await?.expose()) }.boxed()
    }
}

/// A signature of AWS.
#[derive(Debug)]
pub struct Aws {
    /// Whose.
    pub credentials: aws::CachedCredentials,
    /// The bucket's region.
    pub region: String,
}

impl Authorize for Aws {
    fn authorize(&self, request: Request<Bytes>) -> BoxFuture<'_, Result<Request<Bytes>, Error>> {
        async move {
            let credentials = self.credentials.get().await?;
            signed(request, &credentials, &self.region, SystemTime::now())
        }
        .boxed()
    }
}

fn bearer(mut request: Request<Bytes>, token: &str) -> Result<Request<Bytes>, Error> {
    let value = HeaderValue::from_str(&format!("Bearer {token}"));
    let mut value = value.map_err(|_| failed("the token cannot stand in a header".into()))?;
    value.set_sensitive(true);
    request.headers_mut().insert(AUTHORIZATION, value);
    Ok(request)
}

/// Signature version 4 over all headers and the body, whose hash S3 wants in a header as well.
fn signed(
    mut request: Request<Bytes>,
    credentials: &aws::Credentials,
    region: &str,
    now: SystemTime,
) -> Result<Request<Bytes>, Error> {
    let host = request
        .uri()
        .authority()
        .map(ToString::to_string)
        .unwrap_or_default();
    let host = HeaderValue::from_str(&host).map_err(|_| unsignable())?;
    request.headers_mut().insert(HOST, host);
    let identity = Identity::from(credentials.for_sdk());
    let mut settings = SigningSettings::default();
    settings.payload_checksum_kind = aws_sigv4::http_request::PayloadChecksumKind::XAmzSha256;
    settings.percent_encoding_mode = aws_sigv4::http_request::PercentEncodingMode::Single;
    settings.uri_path_normalization_mode =
        aws_sigv4::http_request::UriPathNormalizationMode::Disabled;
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name("s3")
        .time(now)
        .settings(settings)
        .build()
        .map_err(|_| unsignable())?
        .into();
    let url = request.uri().to_string();
    let headers: Vec<(String, String)> = request
        .headers()
        .iter()
        .filter_map(|(name, value)| {
            Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()))
        })
        .collect();
    let signable = SignableRequest::new(
        request.method().as_str(),
        &url,
        headers.iter().map(|(n, v)| (n.as_str(), v.as_str())),
        SignableBody::Bytes(request.body()),
    )
    .map_err(|_| unsignable())?;
    let (instructions, _) = sign(signable, &params)
        .map_err(|_| unsignable())?
        .into_parts();
    let added: Vec<(String, String)> = instructions
        .headers()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    for (name, value) in added {
        let name = HeaderName::try_from(name).map_err(|_| unsignable())?;
        let value = HeaderValue::from_str(&value).map_err(|_| unsignable())?;
        request.headers_mut().insert(name, value);
    }
    Ok(request)
}

fn unsignable() -> Error {
    failed("the request cannot be signed".into())
}

fn failed(reason: String) -> Error {
    Error::Config {
        reason,
        hint: None,
        code: "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of "Authenticating Requests: Using the Authorization Header (AWS Signature
    /// Version 4)" in the S3 API reference, GET Object.
    #[test]
    fn signs_as_s3_documents_it() {
        let request = Request::get("https://examplebucket.s3.amazonaws.com/test.txt")
            .header("range", "bytes=0-9")
            .body(Bytes::new())
            .unwrap();
        let credentials = aws::Credentials {
            access_key_id: "AKIAIOSFODNN7EXAMPLE".into(),
            secret_access_key: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".into(),
            session_token: None,
            expires: None,
        };
        let time = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_369_353_600);
        let signed = signed(request, &credentials, "us-east-1", time).unwrap();
        let header = signed.headers()["authorization"].to_str().unwrap();
        assert!(
            header.ends_with(
                "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
            ),
            "{header}"
        );
    }
}

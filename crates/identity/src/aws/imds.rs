//! Credentials of the node's role from the EC2 metadata service, version 2 only.
//!
//! The last resort: a pod that ends here runs as its node.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method};
use keyless_fault::{Class, Link};

use super::Credentials;
use super::pod_identity::{credentials, metadata_limits};
use crate::{Environment, Error, HttpExchange, Leased};

const IDENTITY: &str = "the node's role";
const SERVICE: &str = "the EC2 metadata service";
const LIST: &str = "/latest/meta-data/iam/security-credentials/";

/// Whether the environment forbids it.
pub(super) fn disabled(env: &Environment) -> bool {
    env.get("AWS_EC2_METADATA_DISABLED")
        .is_some_and(|value| value.eq_ignore_ascii_case("true"))
}

/// Asks the service: session token, role name, credentials.
pub(super) async fn fetch(
    http: &Arc<dyn HttpExchange>,
    env: &Environment,
) -> Result<Leased<Arc<Credentials>>, Error> {
    let base = env
        .get("AWS_EC2_METADATA_SERVICE_ENDPOINT")
        .unwrap_or("http://169.254.169.254")
        .trim_end_matches('/');
    let ttl = (
        HeaderName::from_static("x-aws-ec2-metadata-token-ttl-seconds"),
        HeaderValue::from_static("21600"),
    );
    let token = call(http, Method::PUT, &format!("{base}/latest/api/token"), ttl).await?;
    let mut session =
        HeaderValue::from_bytes(token.trim_ascii()).map_err(|_| answer("its token is no text"))?;
    session.set_sensitive(true);
    let session = (HeaderName::from_static("x-aws-ec2-metadata-token"), session);
    let list = call(http, Method::GET, &format!("{base}{LIST}"), session.clone()).await?;
    let role = std::str::from_utf8(&list)
        .ok()
        .and_then(|text| text.lines().next())
        .map(str::trim)
        .filter(|role| !role.is_empty() && role.bytes().all(|b| b.is_ascii_graphic() && b != b'/'))
        .ok_or_else(|| answer("it names no role"))?;
    let document = call(http, Method::GET, &format!("{base}{LIST}{role}"), session).await?;
    credentials(&document, IDENTITY, SERVICE)
}

async fn call(
    http: &Arc<dyn HttpExchange>,
    method: Method,
    url: &str,
    (name, value): (HeaderName, HeaderValue),
) -> Result<Bytes, Error> {
    let request = http::Request::builder()
        .method(method)
        .uri(url)
        .header(name, value)
        .extension(metadata_limits(Duration::from_secs(2)))
        .body(Bytes::new())
        .map_err(|_| Error::Config {
            reason: "AWS_EC2_METADATA_SERVICE_ENDPOINT is not a URL".into(),
            hint: None,
            code: "",
        })?;
    let found = http.send(request).await.map_err(|_| nothing_there())?;
    if found.status().is_success() {
        Ok(found.into_body())
    } else if found.status().is_server_error() {
        Err(answer(&format!("HTTP {}", found.status().as_u16())))
    } else {
        Err(nothing_there())
    }
}

/// No metadata service is the same as no identity at all: say what to set up instead.
fn nothing_there() -> Error {
    Error::Refused {
        identity: "the operator's own AWS identity".into(),
        service: SERVICE,
        status: 0,
        provider_code: "NoCredentials".into(),
        message: "no environment, web identity, container or node credentials".into(),
        request_id: None,
        link: Link::Identity,
        class: Class::Config,
        code: "A13",
        observed: None,
        required: Some("one source of credentials for the operator".into()),
        hint: Some(
            "Set auth.jwt.serviceAccountRef in the store, or give the operator's own service \
             account a role"
                .into(),
        ),
        retry_after: None,
    }
}

fn answer(reason: &str) -> Error {
    Error::Answer {
        identity: IDENTITY.into(),
        service: SERVICE,
        reason: reason.to_owned(),
    }
}

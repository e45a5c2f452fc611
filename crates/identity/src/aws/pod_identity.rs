//! Credentials from a container endpoint: EKS Pod Identity and ECS.
//!
//! Owns: which endpoints may be trusted with the token, and the sense of the agent's answers.
//! Refuses: proxies.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use keyless_fault::{Class, Link};
use keyless_secret::SecretBytes;
use serde::Deserialize;
use url::{Host, Url};

use super::{Credentials, sts_answer};
use crate::claims::scrub;
use crate::http::Limits;
use crate::{Environment, Error, HttpExchange, Leased};

const IDENTITY: &str = "the operator's pod identity";
const AGENT: &str = "the container credential endpoint";
const RELATIVE: &str = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI";
const FULL: &str = "AWS_CONTAINER_CREDENTIALS_FULL_URI";
const TOKEN_FILE: &str = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE";
const TOKEN: &str = "AWS_CONTAINER_AUTHORIZATION_TOKEN";

/// The endpoint that the environment names, if any.
pub(super) fn endpoint(env: &Environment) -> Result<Option<Url>, Error> {
    if let Some(path) = env.get(RELATIVE) {
        let url = Url::parse(&format!("http://169.254.170.2{path}")).ok();
        return url
            .filter(|url| path.starts_with('/') && url.host_str() == Some("169.254.170.2"))
            .map(Some)
            .ok_or_else(|| unusable(RELATIVE));
    }
    let Some(full) = env.get(FULL) else {
        return Ok(None);
    };
    let url = Url::parse(full).map_err(|_| unusable(FULL))?;
    let trusted = match (url.scheme(), url.host()) {
        ("https", Some(_)) => true,
        ("http", Some(Host::Domain(name))) => name.eq_ignore_ascii_case("localhost"),
        ("http", Some(Host::Ipv4(ip))) => local(ip.into()),
        ("http", Some(Host::Ipv6(ip))) => local(ip.into()),
        _ => false,
    };
    if trusted {
        Ok(Some(url))
    } else {
        Err(unusable(FULL))
    }
}

/// Loopback, or one of the agents' link-local addresses.
fn local(ip: IpAddr) -> bool {
    let agents = [
        IpAddr::from([169, 254, 170, 2]),
        IpAddr::from([169, 254, 170, 23]),
        IpAddr::from([0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x23]),
    ];
    ip.is_loopback() || agents.contains(&ip)
}

fn unusable(variable: &str) -> Error {
    Error::Config {
        reason: format!("{variable} names no endpoint that a token may be sent to"),
        hint: Some(
            "Use https, a loopback address, 169.254.170.2, 169.254.170.23 or [fd00:ec2::23]".into(),
        ),
        code: "A16",
    }
}

/// Asks `endpoint`. The token file is read anew each time.
pub(super) async fn fetch(
    http: &Arc<dyn HttpExchange>,
    env: &Environment,
    endpoint: &Url,
) -> Result<Leased<Arc<Credentials>>, Error> {
    let mut request = http::Request::get(endpoint.as_str())
        .header(http::header::ACCEPT, "application/json")
        .extension(metadata_limits(Duration::from_secs(5)));
    if let Some(token) = token(env).await? {
        let mut value =
            http::HeaderValue::from_bytes(token.expose()).map_err(|_| Error::Config {
                reason: format!("the token of {IDENTITY} has characters that no header may hold"),
                hint: Some(format!("Check the file that {TOKEN_FILE} names")),
                code: "A16",
            })?;
        value.set_sensitive(true);
        request = request.header(http::header::AUTHORIZATION, value);
    }
    let request = request.body(Bytes::new()).map_err(|_| unusable(FULL))?;
    let answer = http.send(request).await.map_err(|source| Error::Http {
        identity: IDENTITY.into(),
        source,
    })?;
    if answer.status().is_success() {
        return credentials(answer.body(), IDENTITY, AGENT);
    }
    Err(refused(answer.status().as_u16(), answer.body()))
}

async fn token(env: &Environment) -> Result<Option<SecretBytes>, Error> {
    if let Some(path) = env.get(TOKEN_FILE) {
        let bytes = tokio::fs::read(path).await.map_err(|error| Error::Config {
            reason: format!("cannot read {path:?} ({TOKEN_FILE}): {error}"),
            hint: Some("Mount the projected token of EKS Pod Identity into the operator".into()),
            code: "K17",
        })?;
        return Ok(Some(SecretBytes::new(bytes)));
    }
    Ok(env.get(TOKEN).map(SecretBytes::from))
}

/// The agent answers in plain text: `[request id]: (Code): message, fault: …`.
fn refused(status: u16, body: &[u8]) -> Error {
    let text = scrub(&String::from_utf8_lossy(body));
    let code = text
        .split_once('(')
        .and_then(|(_, rest)| rest.split_once(')'))
        .map(|(code, _)| code)
        .filter(|code| !code.is_empty() && code.bytes().all(|b| b.is_ascii_alphanumeric()))
        .map_or_else(|| format!("HTTP {status}"), str::to_owned);
    let (link, class, row, hint) = match (status, code.as_str()) {
        (_, "AccessDeniedException") => (
            Link::Identity,
            Class::Denied,
            "A17",
            "Let the node role call eks-auth:AssumeRoleForPodIdentity, and the role's trust \
             policy allow sts:AssumeRole and sts:TagSession to pods.eks.amazonaws.com",
        ),
        (_, "ResourceNotFoundException") => (
            Link::TrustObject,
            Class::Denied,
            "A17",
            "Create a Pod Identity association for the operator's service account",
        ),
        (_, "ExpiredTokenException" | "InvalidTokenException") | (400, _) => (
            Link::Token,
            Class::Denied,
            "K16",
            "Mount a fresh token with audience pods.eks.amazonaws.com",
        ),
        (401 | 403, _) => (
            Link::Network,
            Class::Denied,
            "A16",
            "Reach the agent at 169.254.170.23 or [fd00:ec2::23], past every proxy",
        ),
        (429, _) => (Link::Network, Class::Throttled, "", ""),
        _ => (Link::Network, Class::Unavailable, "", ""),
    };
    Error::Refused {
        identity: IDENTITY.into(),
        service: "EKS Pod Identity",
        status,
        provider_code: code,
        message: text,
        request_id: None,
        link,
        class,
        code: row,
        observed: None,
        required: None,
        hint: (!hint.is_empty()).then(|| hint.to_owned()),
        retry_after: None,
    }
}

/// Limits of a call to a link-local peer.
pub(super) fn metadata_limits(total: Duration) -> Limits {
    Limits {
        total: Some(total),
        answer: Some(sts_answer::LARGEST),
        direct: true,
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    access_key_id: String,
    secret_access_key: String,
    token: String,
    expiration: String,
}

/// Reads the JSON that container endpoints and the metadata service share.
pub(super) fn credentials(
    body: &[u8],
    identity: &str,
    service: &'static str,
) -> Result<Leased<Arc<Credentials>>, Error> {
    let wrong = |reason: &str| Error::Answer {
        identity: identity.to_owned(),
        service,
        reason: reason.to_owned(),
    };
    // The parser's words may quote the document.
    let answer: Answer =
        serde_json::from_slice(body).map_err(|_| wrong("it is not a credential document"))?;
    let expires = sts_answer::time(&answer.expiration)
        .ok_or_else(|| wrong("its Expiration is not a time"))?;
    let ttl = expires
        .duration_since(SystemTime::now())
        .map_err(|_| wrong("its credentials have already expired"))?;
    Ok(Leased {
        value: Arc::new(Credentials {
            access_key_id: answer.access_key_id,
            secret_access_key: answer.secret_access_key.into(),
            session_token: Some(answer.token.into()),
            expires: Some(expires),
        }),
        ttl: Some(ttl),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use keyless_fault::Fault;

    fn of(name: &str, value: &str) -> Result<Option<Url>, Error> {
        endpoint(&[(name, value)].into_iter().collect())
    }

    #[test]
    fn a_token_goes_only_to_local_peers_or_over_tls() {
        for good in [
            "http://169.254.170.23/v1/credentials",
            "http://169.254.170.2/x",
            "http://[fd00:ec2::23]/v1/credentials",
            "http://127.0.0.1:8080/",
            "http://[::1]/",
            "http://localhost/",
            "https://example.com/creds",
        ] {
            assert!(of(FULL, good).unwrap().is_some(), "{good}");
        }
        for bad in [
            "http://169.254.169.254/",
            "http://169.254.170.24/",
            "http://example.com/",
            "http://localhost.example.com/",
            "http://127.0.0.1.example.com/",
            "ftp://127.0.0.1/",
            "nothing",
        ] {
            assert!(of(FULL, bad).is_err(), "{bad}");
        }
        assert!(of(RELATIVE, "/v2/credentials/x").unwrap().is_some());
        for bad in ["@evil.example/", "v2", ".evil.example/"] {
            assert!(of(RELATIVE, bad).is_err(), "{bad}");
        }
        assert!(endpoint(&Environment::default()).unwrap().is_none());
    }

    #[test]
    fn the_agents_answers_have_their_rows() {
        for (status, body, code, class, row) in [
            (
                400,
                "[r]: (AccessDeniedException): no, fault: client",
                "AccessDeniedException",
                Class::Denied,
                "A17",
            ),
            (
                404,
                "[r]: (ResourceNotFoundException): no, fault: client",
                "ResourceNotFoundException",
                Class::Denied,
                "A17",
            ),
            (
                400,
                "Service account token cannot be empty",
                "HTTP 400",
                Class::Denied,
                "K16",
            ),
            (
                403,
                "Access Denied. Called agent through invalid address",
                "HTTP 403",
                Class::Denied,
                "A16",
            ),
            (
                500,
                "[r]: (InternalServerException): x",
                "InternalServerException",
                Class::Unavailable,
                "",
            ),
        ] {
            let error = refused(status, body.as_bytes());
            assert_eq!(error.provider_code(), Some(code));
            assert_eq!((error.class(), error.code()), (class, row), "{body}");
        }
    }
}

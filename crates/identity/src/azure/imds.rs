//! Tokens of the node's managed identity from the instance metadata service.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use keyless_fault::{Class, Link};
use url::Url;

use super::answer;
use super::{Cloud, Login};
use crate::claims::scrub;
use crate::http::Limits;
use crate::{AccessToken, Environment, Error, HttpExchange, Leased};

const SERVICE: &str = "the Azure metadata service";
const PATH: &str = "/metadata/identity/oauth2/token";
/// Waits before the further attempts of a call that the service could not decide.
const AGAIN: [Duration; 3] = [
    Duration::from_millis(200),
    Duration::from_millis(800),
    Duration::from_secs(2),
];

/// Asks for a token of `client`, or of the node's only identity.
pub(super) async fn fetch(
    http: &Arc<dyn HttpExchange>,
    env: &Environment,
    login: &Login,
    client: Option<&str>,
) -> Result<Leased<Arc<AccessToken>>, Error> {
    let mut waits = AGAIN.iter();
    loop {
        let request = request(env, &login.cloud, client)?;
        let found = match http.send(request).await {
            Ok(found) => found,
            Err(source) => return Err(nothing_there(login, &source.to_string())),
        };
        if found.status().is_success() {
            return answer::token(found.body()).map_err(|reason| Error::Answer {
                identity: login.describe(),
                service: SERVICE,
                reason,
            });
        }
        // 410 while the service updates itself, 429 and 5xx: Microsoft asks for patience.
        let status = found.status().as_u16();
        match waits.next() {
            Some(wait) if status == 410 || status == 429 || status >= 500 => {
                tokio::time::sleep(*wait).await;
            }
            _ => return Err(refused(login, status, found.body())),
        }
    }
}

fn request(
    env: &Environment,
    cloud: &Cloud,
    client: Option<&str>,
) -> Result<http::Request<Bytes>, Error> {
    let bad = || Error::Config {
        reason: "AZURE_POD_IDENTITY_AUTHORITY_HOST of the operator is not a URL".into(),
        hint: Some("Remove it, or set it to a URL such as http://169.254.169.254".into()),
        code: "",
    };
    let base = env
        .get("AZURE_POD_IDENTITY_AUTHORITY_HOST")
        .unwrap_or("http://169.254.169.254")
        .trim_end_matches('/');
    let mut url = Url::parse(&format!("{base}{PATH}")).map_err(|_| bad())?;
    url.query_pairs_mut()
        .append_pair("api-version", "2018-02-01")
        .append_pair("resource", &cloud.resource)
        .extend_pairs(client.map(|id| ("client_id", id)));
    http::Request::get(url.as_str())
        .header("Metadata", "true")
        .extension(Limits {
            total: Some(Duration::from_secs(10)),
            answer: Some(answer::LARGEST),
            direct: true,
        })
        .body(Bytes::new())
        .map_err(|_| bad())
}

fn refused(login: &Login, status: u16, body: &[u8]) -> Error {
    let found = answer::refusal(body).unwrap_or_default();
    let class = match status {
        429 => Class::Throttled,
        410 | 500.. => Class::Unavailable,
        _ => Class::Denied,
    };
    let denied = class == Class::Denied;
    Error::Refused {
        identity: login.describe(),
        service: SERVICE,
        status,
        provider_code: if found.error.is_empty() {
            format!("HTTP {status}")
        } else {
            scrub(&found.error)
        },
        message: scrub(&found.message),
        request_id: None,
        link: if denied {
            Link::Identity
        } else {
            Link::Network
        },
        class,
        code: if denied { "Z6" } else { "" },
        observed: None,
        required: denied.then(|| "that managed identity on the operator's node".to_owned()),
        hint: denied.then(|| {
            "Assign the managed identity to the node pool and correct identityId, or use \
             WorkloadIdentity"
                .to_owned()
        }),
        retry_after: None,
    }
}

fn nothing_there(login: &Login, reason: &str) -> Error {
    Error::Refused {
        identity: login.describe(),
        service: SERVICE,
        status: 0,
        provider_code: "NoManagedIdentity".into(),
        message: scrub(reason),
        request_id: None,
        link: Link::Identity,
        class: Class::Denied,
        code: "Z13",
        observed: None,
        required: Some("a metadata service that the operator's pod can reach".into()),
        hint: Some(
            "Use authType WorkloadIdentity; ManagedIdentity works on Azure's nodes only".into(),
        ),
        retry_after: None,
    }
}

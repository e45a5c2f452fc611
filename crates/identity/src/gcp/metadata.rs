//! The metadata server: the operator's own identity on Google's machines, and facts about the
//! cluster.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use keyless_fault::{Class, Link};
use keyless_secret::SecretBytes;

use super::answer;
use super::exchange::SCOPE;
use crate::claims::scrub;
use crate::http::Limits;
use crate::{AccessToken, Environment, Error, HttpExchange, Leased};

const SERVICE: &str = "Google's metadata server";
const IDENTITY: &str = "the operator's own Google identity";
const ACCOUNT: &str = "instance/service-accounts/default";
/// Waits before the further attempts of a call that was not decided: in the first seconds of a pod's
/// life GKE's server is not there yet.
const AGAIN: [Duration; 3] = [
    Duration::from_millis(200),
    Duration::from_millis(800),
    Duration::from_secs(2),
];

/// A fact that the server knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Fact {
    /// The project's id.
    Project,
    /// The cluster's region or zone.
    ClusterLocation,
    /// The cluster's name.
    ClusterName,
}

impl Fact {
    const fn path(self) -> &'static str {
        match self {
            Self::Project => "project/project-id",
            Self::ClusterLocation => "instance/attributes/cluster-location",
            Self::ClusterName => "instance/attributes/cluster-name",
        }
    }
}

/// The server, as Google's clients find it.
#[derive(Clone, Copy)]
pub(super) struct Metadata<'a> {
    pub(super) http: &'a Arc<dyn HttpExchange>,
    pub(super) env: &'a Environment,
}

impl Metadata<'_> {
    /// An access token of the pod.
    pub(super) async fn token(self) -> Result<Leased<Arc<AccessToken>>, Error> {
        let scopes: String = url::form_urlencoded::byte_serialize(SCOPE.as_bytes()).collect();
        let body = self
            .get(&format!("{ACCOUNT}/token?scopes={scopes}"))
            .await?;
        answer::token(&body).map_err(unreadable)
    }

    /// A signed token about the pod for `audience`.
    pub(super) async fn identity(self, audience: &str) -> Result<SecretBytes, Error> {
        let audience: String = url::form_urlencoded::byte_serialize(audience.as_bytes()).collect();
        let path = format!("{ACCOUNT}/identity?audience={audience}&format=full");
        let body = self.get(&path).await?;
        let token = SecretBytes::new(body.trim_ascii().to_vec());
        if token.is_empty() || !token.expose().iter().all(u8::is_ascii_graphic) {
            return Err(unreadable("it is no token".into()));
        }
        Ok(token)
    }

    /// One fact.
    pub(super) async fn fact(self, fact: Fact) -> Result<String, Error> {
        let body = self.get(fact.path()).await?;
        let text = std::str::from_utf8(&body).unwrap_or_default().trim();
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._:@".contains(&b);
        if text.is_empty() || text.len() > 200 || !text.bytes().all(plain) {
            return Err(unreadable("it is no name".into()));
        }
        Ok(text.to_owned())
    }

    async fn get(self, path: &str) -> Result<Bytes, Error> {
        let mut waits = AGAIN.iter();
        loop {
            let request = self.request(path)?;
            let (error, again) = match self.http.send(request).await {
                Ok(found) if found.status().is_success() => {
                    // Whatever else answers at this address must not be believed.
                    let flavour = found.headers().get("metadata-flavor");
                    if flavour.is_none_or(|flavour| flavour != "Google") {
                        return Err(nothing_there("the answer is not that of a metadata server"));
                    }
                    return Ok(found.into_body());
                }
                Ok(found) => {
                    let status = found.status().as_u16();
                    (
                        refused(status, found.body()),
                        status == 429 || status >= 500,
                    )
                }
                Err(source) => {
                    let text = source.to_string();
                    let refused = text.to_ascii_lowercase().contains("refused");
                    (nothing_there(&text), refused)
                }
            };
            match waits.next() {
                Some(wait) if again => tokio::time::sleep(*wait).await,
                _ => return Err(error),
            }
        }
    }

    fn request(self, path: &str) -> Result<http::Request<Bytes>, Error> {
        let host = self.env.get("GCE_METADATA_HOST");
        let host = host.unwrap_or("metadata.google.internal");
        http::Request::get(format!("http://{host}/computeMetadata/v1/{path}"))
            .header("Metadata-Flavor", "Google")
            .extension(Limits {
                total: Some(Duration::from_secs(10)),
                answer: Some(answer::LARGEST),
                direct: true,
            })
            .body(Bytes::new())
            .map_err(|_| Error::Config {
                reason: "GCE_METADATA_HOST of the operator is not a host".into(),
                hint: Some("Remove it, or set it to a host such as 169.254.169.254".into()),
                code: "",
            })
    }
}

fn unreadable(reason: String) -> Error {
    Error::Answer {
        identity: IDENTITY.into(),
        service: SERVICE,
        reason,
    }
}

fn refused(status: u16, body: &[u8]) -> Error {
    let found = answer::refusal(body).unwrap_or_default();
    let class = match status {
        429 => Class::Throttled,
        500.. => Class::Unavailable,
        _ => Class::Denied,
    };
    let denied = class == Class::Denied;
    Error::Refused {
        identity: IDENTITY.into(),
        service: SERVICE,
        status,
        provider_code: if found.code.is_empty() {
            format!("HTTP {status}")
        } else {
            scrub(&found.code)
        },
        message: scrub(&found.message),
        request_id: None,
        link: if denied {
            Link::Identity
        } else {
            Link::Network
        },
        class,
        code: if denied { "G17" } else { "" },
        observed: None,
        required: denied
            .then(|| "an identity for the operator's pod at the metadata server".into()),
        hint: denied.then(|| {
            "Turn on the GKE metadata server on the node pool, and do not use hostNetwork".into()
        }),
        retry_after: None,
    }
}

fn nothing_there(reason: &str) -> Error {
    Error::Refused {
        identity: IDENTITY.into(),
        service: SERVICE,
        status: 0,
        provider_code: "NoMetadataServer".into(),
        message: scrub(reason),
        request_id: None,
        link: Link::Identity,
        class: Class::Denied,
        code: "G16",
        observed: None,
        required: Some("a metadata server that the operator's pod can reach".into()),
        hint: Some(
            "On GKE let the network policy admit 169.254.169.254:80 and 169.254.169.252:988; \
             elsewhere set auth.workloadIdentityFederation in the store, or \
             GOOGLE_APPLICATION_CREDENTIALS for the operator"
                .into(),
        ),
        retry_after: None,
    }
}

//! The exchange of a proof for an access token at Entra's token endpoint.
//!
//! Owns: the client-credentials call and the sense of its answer. Refuses: caching, and
//! repeating what was refused; a call that never reached a decision is repeated twice.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use keyless_fault::{Class, Fault, Link, Verdict};
use keyless_secret::SecretBytes;

use super::answer;
use super::refusal::Attempt;
use super::{ClientCertificate, Cloud};
use crate::azure::Client;
use crate::claims::scrub;
use crate::http::Limits;
use crate::{AccessToken, Error, HttpExchange, Leased, TokenFacts};

pub(super) const ENTRA: &str = "Entra";

/// Longest assertion that is sent, in characters.
const LONGEST_TOKEN: usize = 20_000;
/// Waits before the further attempts of a call that was not decided.
const AGAIN: [Duration; 2] = [Duration::from_millis(200), Duration::from_millis(800)];

/// What proves the identity.
#[derive(Clone, Copy)]
pub(super) enum Proof<'a> {
    /// A token of the cluster, presented as it is.
    Federated(&'a SecretBytes),
    /// An assertion to be signed with a certificate.
    Certificate(&'a ClientCertificate),
    /// A client secret.
    Secret(&'a SecretBytes),
}

/// What to exchange.
pub(super) struct Exchange<'a> {
    pub(super) cloud: &'a Cloud,
    pub(super) client: &'a Client,
    pub(super) proof: Proof<'a>,
    /// Who presents it, e.g. `the token of service account ns/sa`; for messages.
    pub(super) bearer: &'a str,
}

impl Exchange<'_> {
    /// Makes the exchange.
    pub(super) async fn run(
        &self,
        http: &Arc<dyn HttpExchange>,
    ) -> Result<Leased<Arc<AccessToken>>, Error> {
        let mut waits = AGAIN.iter();
        loop {
            let error = match self.once(http).await {
                Ok(leased) => return Ok(leased),
                Err(error) => error,
            };
            let undecided = matches!(error.class(), Class::Unavailable | Class::Throttled);
            match waits.next() {
                Some(wait) if undecided && error.retry_after().is_none() => {
                    tokio::time::sleep(*wait).await;
                }
                _ => return Err(error),
            }
        }
    }

    async fn once(&self, http: &Arc<dyn HttpExchange>) -> Result<Leased<Arc<AccessToken>>, Error> {
        let request = self.request()?;
        let found = http.send(request).await.map_err(|source| Error::Http {
            identity: self.identity(),
            source,
        })?;
        if !found.status().is_success() {
            return Err(self.refused(&found));
        }
        answer::token(found.body()).map_err(|reason| self.unreadable(reason))
    }

    /// The token endpoint: version 2.0 of Entra's, or the only one of an AD FS.
    fn endpoint(&self) -> String {
        let authority = &self.cloud.authority;
        match authority.strip_suffix("/adfs") {
            Some(_) => format!("{authority}/oauth2/token"),
            None if self.client.tenant == "adfs" => format!("{authority}/adfs/oauth2/token"),
            None => format!("{authority}/{}/oauth2/v2.0/token", self.client.tenant),
        }
    }

    fn request(&self) -> Result<http::Request<Bytes>, Error> {
        let endpoint = self.endpoint();
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.append_pair("client_id", &self.client.id)
            .append_pair("scope", &format!("{}/.default", self.cloud.resource))
            .append_pair("grant_type", "client_credentials");
        let assertion = match self.proof {
            Proof::Federated(token) => Some(token.clone()),
            Proof::Certificate(certificate) => {
                Some(certificate.sign(&self.client.id, &endpoint, self.cloud.on_premises)?)
            }
            Proof::Secret(secret) => {
                let secret = secret.expose_str().ok_or_else(|| Error::Config {
                    reason: "the stored client secret is not text".into(),
                    hint: Some("Correct authSecretRef.clientSecret".into()),
                    code: "",
                })?;
                form.append_pair("client_secret", secret);
                None
            }
        };
        if let Some(assertion) = assertion {
            let text = assertion
                .expose_str()
                .map(str::trim)
                .filter(|token| (4..=LONGEST_TOKEN).contains(&token.len()))
                .ok_or_else(|| Error::Config {
                    reason: format!("{} is not a JWT", self.bearer),
                    hint: Some("Mint the token with TokenRequest or a projected volume".into()),
                    code: "K16",
                })?;
            form.append_pair(
                "client_assertion_type",
                "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            )
            .append_pair("client_assertion", text);
        }
        http::Request::post(endpoint)
            .header(
                http::header::CONTENT_TYPE,
                "application/x-www-form-urlencoded",
            )
            .header(http::header::ACCEPT, "application/json")
            .extension(Limits {
                answer: Some(answer::LARGEST),
                ..Limits::default()
            })
            .body(Bytes::from(form.finish()))
            .map_err(|_| self.unreadable("its endpoint is not a URL".into()))
    }

    fn refused(&self, found: &http::Response<Bytes>) -> Error {
        let status = found.status().as_u16();
        let facts = match self.proof {
            Proof::Federated(token) => TokenFacts::read(token),
            Proof::Certificate(_) | Proof::Secret(_) => None,
        };
        let attempt = Attempt {
            client: self.client,
            cloud: self.cloud,
            token: facts.as_ref(),
        };
        let document = answer::refusal(found.body());
        let number = document.as_ref().and_then(|found| found.number);
        let Verdict {
            link,
            class,
            code,
            required,
            hint,
        } = attempt.judge(status, number);
        let header = |name: &str| {
            let value = found.headers().get(name)?;
            Some(value.to_str().ok()?.trim().to_owned())
        };
        let (provider_code, message, trace) = match document {
            Some(found) => (
                match found.number {
                    Some(number) => format!("AADSTS{number}"),
                    None => found.error,
                },
                found.message,
                found.trace,
            ),
            None => (
                format!("HTTP {status}"),
                "no error document of Entra; the answer comes from something in between".into(),
                None,
            ),
        };
        Error::Refused {
            identity: self.identity(),
            service: ENTRA,
            status,
            provider_code: scrub(&provider_code),
            message: scrub(&message),
            request_id: trace.or_else(|| header("x-ms-request-id")),
            link,
            class,
            code,
            observed: (link != Link::Network)
                .then(|| facts.as_ref().map(ToString::to_string))
                .flatten(),
            required,
            hint,
            retry_after: header("retry-after")
                .and_then(|seconds| seconds.parse().ok())
                .map(Duration::from_secs),
        }
        .after_showing(facts.as_ref())
    }

    fn identity(&self) -> String {
        format!("{} with {}", self.client, self.bearer)
    }

    fn unreadable(&self, reason: String) -> Error {
        Error::Answer {
            identity: self.identity(),
            service: ENTRA,
            reason,
        }
    }
}

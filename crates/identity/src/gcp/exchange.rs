//! The exchanges of a proof for an access token.
//!
//! Owns: the calls to Google's token service, to GKE's identity binding, to IAM Credentials and to
//! the token endpoint for stored keys, and the sense of their answers. Refuses: caching.

use keyless_fault::Verdict;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use keyless_secret::SecretBytes;
use serde_json::{Value, json};

use super::answer::{self, Refusal};
use super::call::{Call, time_of};
use super::config::JWT;
use super::refusal::{Attempt, Step};
use super::{Impersonation, Login, ServiceAccountKey};
use crate::{AccessToken, Error, HttpExchange, Leased, TokenFacts};

/// What every token is for.
pub(super) const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";
/// Longest subject token that is sent, in characters.
const LONGEST_TOKEN: usize = 20_000;

type Token = Leased<Arc<AccessToken>>;

/// A proof to be exchanged at a pool.
pub(super) struct Presented<'a> {
    /// The token.
    pub(super) token: &'a SecretBytes,
    /// Its kind.
    pub(super) kind: &'a str,
    /// Where: a provider's name, or an identity namespace of GKE.
    pub(super) audience: &'a str,
    /// Whether GKE's own endpoint is asked.
    pub(super) gke: bool,
    /// Who presents it.
    pub(super) bearer: &'a str,
}

/// One login.
pub(super) struct Exchange<'a> {
    pub(super) login: &'a Login,
    pub(super) http: &'a Arc<dyn HttpExchange>,
}

impl Exchange<'_> {
    /// Exchanges somebody else's token (RFC 8693).
    pub(super) async fn federated(&self, presented: &Presented<'_>) -> Result<Token, Error> {
        let text = presented
            .token
            .expose_str()
            .map(str::trim)
            .filter(|token| (4..=LONGEST_TOKEN).contains(&token.len()))
            .ok_or_else(|| Error::Config {
                reason: format!("{} is not a token", presented.bearer),
                hint: Some("Mint the token with TokenRequest or a projected volume".into()),
                code: "K16",
            })?;
        let facts = (presented.kind == JWT)
            .then(|| TokenFacts::read(presented.token))
            .flatten();
        let (step, url) = if presented.gke {
            (Step::Binding, self.login.cloud.identity_binding())
        } else {
            (Step::Sts, self.login.cloud.sts())
        };
        let attempt = Attempt {
            login: self.login,
            step,
            audience: presented.audience,
            token: facts.as_ref(),
        };
        let fields = [
            (
                "grant_type",
                "urn:ietf:params:oauth:grant-type:token-exchange",
            ),
            ("audience", presented.audience),
            ("scope", SCOPE),
            (
                "requested_token_type",
                "urn:ietf:params:oauth:token-type:access_token",
            ),
            ("subject_token_type", presented.kind),
            ("subject_token", text),
        ];
        let body = if presented.gke {
            // This endpoint takes JSON only.
            let members = fields.map(|(name, value)| (name.to_owned(), Value::from(value)));
            Body::Json(Value::Object(members.into_iter().collect()))
        } else {
            Body::Form(form(&fields))
        };
        let call = self.call(step.service(), Some(presented.bearer));
        let found = call
            .send(|| post(&call, &url, &body, None), judge(&attempt))
            .await?;
        answer::token(found.body()).map_err(|reason| call.unreadable(reason))
    }

    /// Exchanges an assertion that a stored key signs (RFC 7523); in other universes than the public
    /// one what it signs is the token.
    pub(super) async fn key(&self, key: &ServiceAccountKey) -> Result<Token, Error> {
        if !self.login.cloud.is_public() {
            let (token, life) = key.self_signed(SCOPE)?;
            let call = self.call(Step::Key.service(), None);
            let token = AccessToken::read(token);
            let token = token.ok_or_else(|| call.unreadable(answer::NO_TOKEN))?;
            return Ok(Leased {
                value: Arc::new(token),
                ttl: Some(life),
            });
        }
        let url = self.login.cloud.oauth();
        let assertion = key.assertion(&url, SCOPE)?;
        let body = Body::Form(form(&[
            ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
            ("assertion", assertion.expose_str().unwrap_or_default()),
        ]));
        let attempt = self.attempt(Step::Key);
        let call = self.call(Step::Key.service(), Some("its stored key"));
        let found = call
            .send(|| post(&call, &url, &body, None), judge(&attempt))
            .await?;
        answer::token(found.body()).map_err(|reason| call.unreadable(reason))
    }

    /// Goes on as `account` with the token at hand.
    pub(super) async fn impersonate(
        &self,
        account: &Impersonation,
        bearer: &AccessToken,
    ) -> Result<Token, Error> {
        let url = self
            .login
            .cloud
            .account(&account.email, "generateAccessToken");
        let body = Body::Json(json!({
            "scope": [SCOPE],
            "lifetime": format!("{}s", account.life.as_secs()),
        }));
        let attempt = self.attempt(Step::Impersonate);
        let call = self.call(Step::Impersonate.service(), None);
        let found = call
            .send(|| post(&call, &url, &body, Some(bearer)), judge(&attempt))
            .await?;
        answer::generated(found.body(), time_of(&found), account.life)
            .map_err(|reason| call.unreadable(reason))
    }

    /// Lets Google sign `claims` with a key of the service account `email`.
    pub(super) async fn sign(
        &self,
        email: &str,
        claims: &Value,
        bearer: &AccessToken,
    ) -> Result<SecretBytes, Error> {
        let url = self.login.cloud.account(email, "signJwt");
        let body = Body::Json(json!({"payload": claims.to_string()}));
        let attempt = self.attempt(Step::Sign);
        let call = self.call(Step::Sign.service(), None);
        let found = call
            .send(|| post(&call, &url, &body, Some(bearer)), judge(&attempt))
            .await?;
        answer::signed(found.body()).map_err(|reason| call.unreadable(reason))
    }

    fn attempt(&self, step: Step) -> Attempt<'_> {
        Attempt {
            login: self.login,
            step,
            audience: "",
            token: None,
        }
    }

    fn call(&self, service: &'static str, bearer: Option<&str>) -> Call<'_> {
        let identity = self.login.describe();
        Call {
            http: self.http,
            service,
            identity: match bearer {
                // The description may already say whose token it is.
                Some(bearer) if !identity.contains(bearer) => format!("{identity} with {bearer}"),
                _ => identity,
            },
        }
    }
}

enum Body {
    Form(String),
    Json(Value),
}

fn form(fields: &[(&str, &str)]) -> String {
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    form.extend_pairs(fields);
    form.finish()
}

fn post(
    call: &Call<'_>,
    url: &str,
    body: &Body,
    bearer: Option<&AccessToken>,
) -> Result<http::Request<Bytes>, Error> {
    let bad = |_| call.unreadable("its endpoint is not a URL");
    let (kind, body) = match body {
        Body::Form(text) => ("application/x-www-form-urlencoded", text.clone()),
        Body::Json(value) => ("application/json", value.to_string()),
    };
    let mut request = http::Request::post(url)
        .header(http::header::CONTENT_TYPE, kind)
        .header(http::header::ACCEPT, "application/json");
    if let Some(token) = bearer {
        let mut value = http::HeaderValue::from_str(&format!("Bearer {}", token.expose()))
            .map_err(|_| call.unreadable("the token at hand is no text"))?;
        value.set_sensitive(true);
        request = request.header(http::header::AUTHORIZATION, value);
    }
    request.body(Bytes::from(body)).map_err(bad)
}

fn judge<'a>(
    attempt: &'a Attempt<'a>,
) -> impl Fn(u16, &Refusal) -> (Verdict, Option<TokenFacts>) + 'a {
    |status, refusal| (attempt.judge(status, refusal), attempt.token.cloned())
}

/// The longest life of a token that Google signs for others to read.
pub(super) const SIGNED_LIFE: Duration = Duration::from_secs(600);

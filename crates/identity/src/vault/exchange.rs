//! The exchanges: what each method sends, and the sense of the answer.
//!
//! Owns: one login, one renewal. Refuses: caching, and repeating what was refused; a call that
//! never reached a decision is repeated twice.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use keyless_fault::{Class, Fault, Link, Verdict};
use keyless_secret::SecretBytes;
use serde::Deserialize;
use serde_json::{Value, json};

use super::refusal::Attempt;
use super::session::Granted;
use super::wire::{Answer, Call, Unanswered, Wire, segment, segments};
use super::{Login, Method, Subject};
use crate::claims::scrub;
use crate::{Cluster, Error, HttpError, TokenFacts, aws, gcp};

/// The token of the operator's own pod.
const OPERATOR_TOKEN: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";
/// Waits before the further attempts of a call that was not decided.
const AGAIN: [Duration; 2] = [Duration::from_millis(200), Duration::from_millis(800)];

#[derive(Deserialize)]
struct Answered {
    auth: Option<Auth>,
}

#[derive(Deserialize)]
struct Auth {
    #[serde(default)]
    client_token: String,
    #[serde(default)]
    lease_duration: u64,
    #[serde(default)]
    renewable: bool,
    #[serde(default)]
    token_type: String,
    #[serde(default)]
    num_uses: u32,
    #[serde(default)]
    mfa_requirement: Option<Value>,
}

/// One login at one server.
pub(super) struct Exchange<'a> {
    pub(super) login: &'a Login,
    pub(super) wire: &'a Wire,
    pub(super) cluster: &'a dyn Cluster,
    pub(super) aws: &'a aws::Logins,
    pub(super) gcp: &'a gcp::Logins,
}

impl Exchange<'_> {
    /// Logs in.
    pub(super) async fn run(&self) -> Result<Granted, Error> {
        let (path, body, facts) = match &self.login.method {
            Method::Token(token) => {
                return Ok(Granted {
                    token: token.secret().clone(),
                    ttl: None,
                    renewable: false,
                    revocable: false,
                    uses: None,
                });
            }
            Method::Jwt {
                mount,
                role,
                subject,
            }
            | Method::Kubernetes {
                mount,
                role,
                subject,
            } => {
                let token = self.token(subject).await?;
                let text = self.text(&token, subject)?;
                let mut body = json!({"jwt": text});
                if let (false, Value::Object(members)) = (role.is_empty(), &mut body) {
                    members.insert("role".into(), role.as_str().into());
                }
                (self.path(mount, "login")?, body, TokenFacts::read(&token))
            }
            Method::AppRole {
                mount,
                role_id,
                secret_id,
            } => {
                let part = |secret: &SecretBytes| {
                    secret
                        .expose_str()
                        .map(str::to_owned)
                        .ok_or_else(|| self.config("the stored AppRole is not text"))
                };
                let body = json!({"role_id": part(role_id.secret())?, "secret_id": part(secret_id.secret())?});
                (self.path(mount, "login")?, body, None)
            }
            Method::Password {
                mount,
                username,
                password,
                ..
            } => {
                let password = password
                    .secret()
                    .expose_str()
                    .ok_or_else(|| self.config("the stored password is not text"))?;
                let last = format!("login/{}", segment(username));
                (
                    self.path(mount, &last)?,
                    json!({"password": password}),
                    None,
                )
            }
            Method::Certificate { mount, role } => {
                let body = if role.is_empty() {
                    json!({})
                } else {
                    json!({"name": role})
                };
                (self.path(mount, "login")?, body, None)
            }
            Method::Iam {
                mount,
                role,
                server_id,
                login,
            } => {
                let proof = self
                    .aws
                    .caller_identity(login, server_id.as_deref())
                    .await?;
                let body = json!({
                    "role": role,
                    "iam_http_request_method": "POST",
                    "iam_request_url": STANDARD.encode(&proof.url),
                    "iam_request_body": STANDARD.encode(proof.body),
                    "iam_request_headers": STANDARD.encode(proof.headers.expose()),
                });
                (self.path(mount, "login")?, body, None)
            }
            Method::Gcp { mount, role, login } => {
                // Vault looks at the end of the audience, and documents these two.
                let audience = if login.is_machine() {
                    format!("http://vault/{role}")
                } else {
                    format!("vault/{role}")
                };
                let token = self.gcp.identity_token(login, &audience).await?;
                let text = token.expose_str().unwrap_or_default();
                let body = json!({"role": role, "jwt": text});
                (self.path(mount, "login")?, body, TokenFacts::read(&token))
            }
        };
        let answer = self.ask(&path, &body, facts.as_ref()).await?;
        self.granted(&answer)
    }

    fn path(&self, mount: &str, last: &str) -> Result<String, Error> {
        let mount = segments(mount)
            .ok_or_else(|| self.config(&format!("{mount:?} is no path of an auth method")))?;
        Ok(format!("auth/{mount}/{last}"))
    }

    async fn token(&self, subject: &Subject) -> Result<SecretBytes, Error> {
        match subject {
            Subject::Account {
                namespace,
                name,
                audiences,
                ttl,
                ..
            } => {
                let minted = self.cluster.token(namespace, name, audiences, Some(*ttl));
                Ok(minted.await?.token)
            }
            Subject::Stored(token) => Ok(token.secret().clone()),
            // Read anew each time, since the kubelet replaces it.
            Subject::Operator => {
                let read = tokio::fs::read(OPERATOR_TOKEN).await;
                let bytes = read.map_err(|error| Error::Config {
                    reason: format!("cannot read {OPERATOR_TOKEN:?}: {error}"),
                    hint: Some(
                        "Set serviceAccountRef in the store, or mount the operator's own token"
                            .into(),
                    ),
                    code: "K17",
                })?;
                Ok(SecretBytes::new(bytes.trim_ascii().to_vec()))
            }
        }
    }

    fn text<'t>(&self, token: &'t SecretBytes, subject: &Subject) -> Result<&'t str, Error> {
        token
            .expose_str()
            .map(str::trim)
            .filter(|token| token.len() >= 4)
            .ok_or_else(|| Error::Config {
                reason: format!("{} is not a JWT", subject.describe()),
                hint: Some("Mint the token with TokenRequest: set serviceAccountRef".into()),
                code: "K16",
            })
    }

    /// Asks until somebody decides.
    async fn ask(
        &self,
        path: &str,
        body: &Value,
        facts: Option<&TokenFacts>,
    ) -> Result<Answer, Error> {
        let mut waits = AGAIN.iter();
        loop {
            let namespace = self.login.namespace.as_deref();
            let call = Call::new(http::Method::POST, path, namespace).json(body);
            let error = match self.wire.send(&call).await {
                Ok(answer) if answer.is_success() => return Ok(answer),
                Ok(answer) => self.refused(&answer, facts),
                Err(error) => self.unanswered(error),
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

    fn granted(&self, answer: &Answer) -> Result<Granted, Error> {
        let answered: Answered = answer.json().map_err(|reason| self.unreadable(reason))?;
        let errors = answer.errors();
        let auth = answered.auth.ok_or_else(|| {
            self.unreadable(if errors.is_empty() {
                "it holds no token".into()
            } else {
                errors
            })
        })?;
        if auth.mfa_requirement.is_some_and(|mfa| !mfa.is_null()) {
            return Err(self.config("the login asks for a second factor, which no machine has"));
        }
        let token = SecretBytes::from(auth.client_token);
        if token.is_empty() {
            return Err(self.unreadable("its token is empty".into()));
        }
        let batch = auth.token_type == "batch";
        Ok(Granted {
            token,
            ttl: (auth.lease_duration > 0).then(|| Duration::from_secs(auth.lease_duration)),
            renewable: auth.renewable && !batch,
            // Batch tokens are kept nowhere: they can only end by themselves.
            revocable: !batch,
            uses: (auth.num_uses > 0).then_some(auth.num_uses),
        })
    }

    /// The life that a renewal gave.
    pub(super) fn renewed(&self, answer: Result<Answer, Unanswered>) -> Result<Duration, Error> {
        let answer = match answer {
            Ok(answer) if answer.is_success() => answer,
            Ok(answer) => return Err(self.refused(&answer, None)),
            Err(error) => return Err(self.unanswered(error)),
        };
        let answered: Answered = answer.json().map_err(|reason| self.unreadable(reason))?;
        answered
            .auth
            .map(|auth| Duration::from_secs(auth.lease_duration))
            .ok_or_else(|| self.unreadable("it renews nothing".into()))
    }

    fn refused(&self, answer: &Answer, facts: Option<&TokenFacts>) -> Error {
        let text = answer.errors();
        let Verdict {
            link,
            class,
            code,
            required,
            hint,
        } = Attempt {
            login: self.login,
            token: facts,
        }
        .judge(answer.status, &text);
        let message = if text.is_empty() {
            match answer.is_error_document() {
                true => "no reason given".into(),
                false => "no error document; the answer comes from something in between".into(),
            }
        } else {
            text
        };
        Error::Refused {
            identity: self.login.describe(),
            service: self.login.server.product.name(),
            status: answer.status,
            provider_code: http::StatusCode::from_u16(answer.status)
                .ok()
                .and_then(|status| status.canonical_reason())
                .unwrap_or("Unknown")
                .to_owned(),
            message,
            request_id: answer.request_id(),
            link,
            class,
            code,
            observed: (link != Link::Network)
                .then(|| facts.map(ToString::to_string))
                .flatten(),
            required,
            hint,
            retry_after: answer.retry_after(),
        }
        .after_showing(facts)
    }

    fn unanswered(&self, error: Unanswered) -> Error {
        let identity = self.login.describe();
        match error {
            Unanswered::Http(source) => Error::Http { identity, source },
            Unanswered::Redirect { ref to, .. } => Error::Config {
                reason: format!("cannot log in as {identity}: {error}"),
                hint: Some(format!(
                    "Set server to {to}, or to an address that leads to the active server"
                )),
                code: "",
            },
            Unanswered::Malformed(reason) => Error::Http {
                identity,
                source: HttpError::Request {
                    host: scrub(self.login.server.url()),
                    reason: reason.to_owned(),
                },
            },
        }
    }

    fn config(&self, reason: &str) -> Error {
        Error::Config {
            reason: format!("cannot log in as {}: {reason}", self.login.describe()),
            hint: Some("Correct the store's auth".into()),
            code: "",
        }
    }

    fn unreadable(&self, reason: String) -> Error {
        Error::Answer {
            identity: self.login.describe(),
            service: self.login.server.product.name(),
            reason,
        }
    }
}

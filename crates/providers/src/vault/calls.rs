//! The calls under one identity.
//!
//! Owns: the session behind each call, counting, retries of calls that were not decided, giving
//! up a session that the server refuses, and the headers for reads behind a replica. Refuses:
//! deciding when to call.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::Method;
use keyless_fault::{Class, Fault};
use keyless_identity::vault::{Answer, CachedSession, Call, Session};
use serde::Deserialize;

use super::backend::Settings;
use super::fault::Attempt;
use super::path::{Engine, Layout, Target, target};
use crate::Error;
use crate::planner::Counters;

/// First wait before a further attempt when the store names none; it doubles.
const WAIT: Duration = Duration::from_millis(250);
/// Longest such wait.
const LONGEST_WAIT: Duration = Duration::from_secs(10);
/// Further attempts when the store names no number.
const RETRIES: u32 = 3;
/// Longest time of a validation's call.
const VALIDATION: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(super) struct Calls {
    session: CachedSession,
    namespace: Option<String>,
    counters: Arc<Counters>,
    provider: &'static str,
    service: String,
    retries: u32,
    interval: Option<Duration>,
    read_your_writes: bool,
    forward_inconsistent: bool,
    /// The newest state of the server that this client has seen.
    index: Mutex<Option<String>>,
}

/// One call of a name in the metrics.
pub(super) struct Request<'a> {
    pub(super) name: &'static str,
    pub(super) method: Method,
    /// Path and query.
    pub(super) path: &'a str,
    pub(super) body: Option<bytes::Bytes>,
}

impl<'a> Request<'a> {
    pub(super) const fn get(name: &'static str, path: &'a str) -> Self {
        Self {
            name,
            method: Method::GET,
            path,
            body: None,
        }
    }
}

impl Calls {
    /// The label of metrics.
    pub(super) const fn provider(&self) -> &'static str {
        self.provider
    }

    pub(super) fn new(settings: &Settings, counters: Arc<Counters>) -> Self {
        let server = &settings.session.login().server;
        Self {
            service: format!("{} ({})", server.product.name(), server.url()),
            session: settings.session.clone(),
            namespace: settings.namespace.clone(),
            counters,
            provider: settings.provider,
            retries: settings.retries.unwrap_or(RETRIES).min(10),
            interval: settings.interval,
            read_your_writes: settings.read_your_writes,
            forward_inconsistent: settings.forward_inconsistent,
            index: Mutex::new(None),
        }
    }

    /// What is tried, for error texts.
    pub(super) fn attempt<'a>(
        &'a self,
        what: &str,
        capabilities: &'static [&'static str],
        target: &'a Target,
    ) -> Attempt<'a> {
        Attempt {
            intent: format!("{what} {:?}", target.plain),
            service: &self.service,
            capabilities,
            path: &target.plain,
            namespace: self.namespace.as_deref(),
            identity: self.session.login().describe(),
        }
    }

    /// Makes a call; 404 is an answer, every other refusal an error.
    pub(super) async fn make(
        &self,
        attempt: &Attempt<'_>,
        request: &Request<'_>,
    ) -> Result<Answer, Error> {
        let mut again = true;
        let mut tried = 0;
        loop {
            let session = self.session.get().await?;
            let error = match self.once(&session, attempt, request).await {
                Ok(answer) => return Ok(answer),
                Err((error, unknown)) => {
                    // A refused session is replaced once.
                    if let Some(unknown) = unknown
                        && std::mem::take(&mut again)
                        && self.session.refused(&session, unknown)
                    {
                        continue;
                    }
                    error
                }
            };
            if error.class() != Class::Unavailable || tried >= self.retries {
                return Err(error);
            }
            let wait = self
                .interval
                .unwrap_or_else(|| (WAIT * 2u32.pow(tried.min(8))).min(LONGEST_WAIT));
            tried += 1;
            drop(session);
            tokio::time::sleep(wait).await;
        }
    }

    /// One attempt. An error comes with whether the server refused (`Some`), and whether it was
    /// the token that it did not know.
    async fn once(
        &self,
        session: &Arc<Session>,
        attempt: &Attempt<'_>,
        request: &Request<'_>,
    ) -> Result<Answer, (Error, Option<bool>)> {
        let path = request.path;
        let mut call = Call::new(request.method.clone(), path, self.namespace.as_deref());
        call.body.clone_from(&request.body);
        if self.forward_inconsistent {
            let header = ("x-vault-inconsistent", "forward-active-node".to_owned());
            call.headers.push(header);
        }
        if let Some(index) = self.index().clone() {
            call.headers.push(("x-vault-index", index));
        }
        let outcome = session.send(call).await;
        let answer = outcome.map_err(|error| {
            let error = attempt.unanswered(&error);
            self.counters
                .called(self.provider, request.name, error.class().as_str());
            (error, None)
        })?;
        if self.read_your_writes
            && let Some(index) = answer.header("x-vault-index")
        {
            *self.index() = Some(index.to_owned());
        }
        let errors = answer.errors();
        let unrouted = answer.status == 404 && !errors.is_empty();
        let with_errors = answer.is_success() && !errors.is_empty();
        if (answer.is_success() || answer.status == 404) && !unrouted && !with_errors {
            self.counters.called(self.provider, request.name, "success");
            return Ok(answer);
        }
        let error = if with_errors {
            attempt.unreadable(&answer, format!("success with errors: {errors}"))
        } else {
            attempt.refused(&answer)
        };
        self.counters
            .called(self.provider, request.name, error.class().as_str());
        let refused = (answer.status == 403).then(|| {
            let text = errors.to_ascii_lowercase();
            text.contains("invalid token") || text.contains("bad token")
        });
        Err((error, refused))
    }

    fn index(&self) -> std::sync::MutexGuard<'_, Option<String>> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks the server what it thinks of the session's token.
    pub(super) async fn look_up_self(&self) -> Result<(), Error> {
        const PATH: &str = "auth/token/lookup-self";
        let path = Target {
            url: PATH.to_owned(),
            plain: PATH.to_owned(),
        };
        let attempt = Attempt {
            intent: format!("validate {}", self.session.login().describe()),
            // A token belongs to the namespace of its login.
            namespace: self.session.login().namespace.as_deref(),
            ..self.attempt("look up", &["read"], &path)
        };
        let session = self.session.get().await?;
        let mut call = Call::new(Method::GET, PATH, attempt.namespace);
        call.total = Some(VALIDATION);
        let outcome = session.send(call).await;
        let error = match outcome {
            Ok(answer) if answer.is_success() => {
                self.counters.called(self.provider, "LookupSelf", "success");
                return answer
                    .json::<serde_json::Map<String, serde_json::Value>>()
                    .map(|_| ())
                    .map_err(|reason| attempt.unreadable(&answer, reason));
            }
            Ok(answer) => {
                let error = attempt.refused(&answer);
                self.counters
                    .called(self.provider, "LookupSelf", error.class().as_str());
                if answer.status == 403 {
                    return self.doubtful(&session, error).await;
                }
                error
            }
            Err(error) => {
                let error = attempt.unanswered(&error);
                self.counters
                    .called(self.provider, "LookupSelf", error.class().as_str());
                error
            }
        };
        Err(error)
    }

    /// A session that may not look itself up: its policies may forbid it, or it has ended. A
    /// login that has just succeeded is proof enough.
    async fn doubtful(&self, session: &Arc<Session>, error: Error) -> Result<(), Error> {
        if matches!(
            self.session.login().method,
            keyless_identity::vault::Method::Token(_)
        ) {
            return Err(match error {
                Error::Provider {
                    intent,
                    service,
                    provider_code,
                    message,
                    request_id,
                    ..
                } => Error::Provider {
                    intent,
                    service,
                    provider_code,
                    message,
                    request_id,
                    link: keyless_fault::Link::Identity,
                    class: Class::Denied,
                    code: "",
                    required: Some("a stored token that is valid".to_owned()),
                    hint: Some(
                        "Store a token that is valid, or use auth.jwt or auth.kubernetes and \
                         store no token at all"
                            .to_owned(),
                    ),
                    retry_after: None,
                },
                other => other,
            });
        }
        // An old one is given up; the next one is proof.
        let _ = self.session.refused(session, true);
        self.session.get().await?;
        Ok(())
    }

    /// Asks the server for the engine's version.
    pub(super) async fn look_up_mount(&self, layout: &Layout) -> Result<(), Error> {
        #[derive(Deserialize)]
        struct Mounted {
            data: Mount,
        }
        #[derive(Deserialize)]
        struct Mount {
            #[serde(rename = "type", default)]
            kind: String,
            #[serde(default)]
            options: Option<Options>,
        }
        #[derive(Deserialize)]
        struct Options {
            #[serde(default)]
            version: Option<String>,
        }
        let mount = layout.mount.clone().unwrap_or_default();
        let path = target(format!("sys/internal/ui/mounts/{mount}"))?;
        let attempt = Attempt {
            intent: format!("validate the engine at {mount:?}"),
            ..self.attempt("read", &["read"], &path)
        };
        let request = Request::get("ReadMount", &path.url);
        let answer = self.make(&attempt, &request).await?;
        if answer.status == 404 {
            return Err(attempt.refused(&answer));
        }
        let found: Mounted = answer
            .json()
            .map_err(|reason| attempt.unreadable(&answer, reason))?;
        let version = found.data.options.and_then(|options| options.version);
        let engine = match (found.data.kind.as_str(), version.as_deref()) {
            ("kv" | "generic", Some("2")) => Some(Engine::V2),
            ("kv" | "generic", _) => Some(Engine::V1),
            _ => None,
        };
        if engine == Some(layout.engine) {
            return Ok(());
        }
        let found = match engine {
            Some(Engine::V1) => "version 1 of the key-value engine".to_owned(),
            Some(Engine::V2) => "version 2 of the key-value engine".to_owned(),
            None => format!("an engine of type {:?}", found.data.kind),
        };
        Err(Error::Config {
            reason: format!("{found} is mounted at {mount:?}"),
            hint: Some("Correct path and version of the store".to_owned()),
        })
    }
}

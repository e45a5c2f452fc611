//! One endless watch of one kind.
//!
//! Owns: the streaming list with its bookmark, the rules for resuming, the fall back to LIST and
//! watch for servers without streaming lists, restarts after 410, back-off and idle limits.
//! Refuses: any store of objects: each event is handed on as borrowed JSON and forgotten.
//!
//! Two rules were learned the hard way. An initial event's resourceVersion is never resumed
//! from, because initial events do not come in its order: a stream that ends before the bookmark
//! starts the list again. And a stream that stays silent before the bookmark comes from a server
//! that ignored `sendInitialEvents`, so it is replaced by LIST and watch.

mod event;
mod lines;
mod several;

use std::borrow::Cow;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http::header::{ACCEPT, ACCEPT_ENCODING, USER_AGENT};
use http_body_util::BodyExt;
use kube::client::Body;

use crate::Error;
use crate::client::error_chain;
use crate::request::{
    AGENT, METADATA_ONLY, METADATA_ONLY_LIST, Requests, escape, refusal, retry_after,
};
use event::{Frame, Page, frame, page};
use lines::Lines;
pub use several::run_all;

/// What is watched.
#[derive(Clone, Debug)]
pub struct Resource {
    /// Plural name, for logs.
    pub plural: Cow<'static, str>,
    /// URL path of the collection.
    pub path: String,
    /// Label selector, empty for all.
    pub selector: &'static str,
    /// Field selector, empty for all.
    pub fields: Cow<'static, str>,
    /// Whether only metadata is asked for.
    pub metadata_only: bool,
    /// Whether the operator can do without: then a watch that is not allowed is told once and
    /// tried again slowly.
    pub optional: bool,
}

/// Takes the events of one kind.
pub trait Sink: Send + Sync {
    /// An initial list begins (again): what it does not name until [`Sink::synced`] is gone.
    fn begin(&self);
    /// The object, as JSON, exists in this state. `initial` tells a list from a change.
    fn upsert(&self, object: &str, initial: bool);
    /// The object, as JSON, is gone.
    fn delete(&self, object: &str);
    /// The initial list is complete.
    fn synced(&self);
    /// The watch was interrupted or cannot be established; it is tried again.
    fn failing(&self, error: &Error);
}

/// What the server is asked to end a watch after, in seconds, before spread.
const WATCH_SECONDS: u64 = 270;
/// How long a stream may stay silent before the bookmark of its initial list.
const INITIAL_SILENCE: Duration = Duration::from_secs(15);
/// How long a stream may stay silent after it: longer than the server's own limit.
const SILENCE: Duration = Duration::from_secs(WATCH_SECONDS + 60);
/// A watch that ended sooner counts as failed.
const SHORT: Duration = Duration::from_secs(1);
/// The first pause after a failure.
const BACKOFF_MIN: Duration = Duration::from_millis(200);
/// The longest pause after failures in a row.
const BACKOFF_MAX: Duration = Duration::from_secs(30);
/// The pause after an optional watch was not allowed.
const FORBIDDEN: Duration = Duration::from_secs(300);
/// How long the answer's head may take.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// Objects per page of a plain LIST.
const PAGE: u32 = 500;

/// Where the watch stands.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Position {
    /// Nothing known: stream the list.
    Stream,
    /// Nothing known, and the server has no streaming lists.
    List,
    /// Everything up to this resourceVersion is known.
    Resume(String),
}

enum End {
    /// The stream ended or broke in an ordinary way.
    Closed,
    /// The resourceVersion is too old, or the list was incomplete.
    Restart,
    /// The server has no streaming lists.
    Unsupported,
}

/// Watches `resource` until dropped.
pub async fn run(client: kube::Client, resource: Resource, sink: &dyn Sink) {
    let mut watch = Watch {
        requests: Requests::new(client.clone()),
        client,
        resource,
        position: Position::Stream,
        streaming: true,
        pause: BACKOFF_MIN,
        told: false,
    };
    loop {
        let started = tokio::time::Instant::now();
        let list = watch.position == Position::List;
        let result = watch.step(sink).await;
        let short = !list && started.elapsed() < SHORT;
        watch.after(result, short, sink).await;
    }
}

struct Watch {
    client: kube::Client,
    requests: Requests,
    resource: Resource,
    position: Position,
    streaming: bool,
    pause: Duration,
    /// Whether it was told that the watch is not allowed.
    told: bool,
}

impl Watch {
    async fn step(&mut self, sink: &dyn Sink) -> Result<End, Error> {
        match self.position.clone() {
            Position::Stream => {
                sink.begin();
                self.watch(
                    "&resourceVersion=0&resourceVersionMatch=NotOlderThan&sendInitialEvents=true",
                    sink,
                    true,
                )
                .await
            }
            Position::List => {
                sink.begin();
                let version = self.list(sink).await?;
                sink.synced();
                self.position = Position::Resume(version);
                Ok(End::Closed)
            }
            Position::Resume(version) => {
                let query = format!("&resourceVersion={}", escape(&version));
                self.watch(&query, sink, false).await
            }
        }
    }

    /// Decides what comes next, and pauses after a failure.
    async fn after(&mut self, result: Result<End, Error>, short: bool, sink: &dyn Sink) {
        let restart = if self.streaming {
            Position::Stream
        } else {
            Position::List
        };
        let wait = match result {
            // A server that ends every watch at once must not be asked in a loop.
            Ok(End::Closed) if short => self.pause,
            Ok(End::Closed) => Duration::ZERO,
            Ok(End::Restart) => {
                self.position = restart;
                self.pause
            }
            Ok(End::Unsupported) => {
                tracing::info!(
                    resource = %self.resource.plural,
                    "no streaming lists, using LIST"
                );
                self.streaming = false;
                self.position = Position::List;
                Duration::ZERO
            }
            Err(error) if self.resource.optional && error.is_forbidden() => {
                if !std::mem::replace(&mut self.told, true) {
                    tracing::warn!(
                        resource = %self.resource.plural,
                        %error,
                        "not allowed to watch; changes are noticed at the next refresh"
                    );
                }
                sink.failing(&error);
                // By then the resourceVersion is too old, and the right may be new.
                self.position = restart;
                let spread = FORBIDDEN.mul_f64(rand::random_range(0.0..0.25));
                tokio::time::sleep(FORBIDDEN + spread).await;
                return;
            }
            Err(error) => {
                if matches!(error, Error::Api { status: 410, .. }) {
                    self.position = restart;
                }
                tracing::warn!(resource = %self.resource.plural, %error, "watch failed");
                sink.failing(&error);
                keyless_fault::Fault::retry_after(&error).unwrap_or(self.pause)
            }
        };
        if !wait.is_zero() {
            // Spread, so that the watches of a restarted server do not come as one.
            let spread = wait.mul_f64(rand::random_range(0.0..0.25));
            tokio::time::sleep(wait.min(BACKOFF_MAX) + spread).await;
            self.pause = (self.pause * 2).min(BACKOFF_MAX);
        }
    }

    fn known(&mut self, version: Option<String>) {
        if let Some(version) = version {
            self.position = Position::Resume(version);
        }
        self.pause = BACKOFF_MIN;
        self.told = false;
    }

    async fn open(&self, query: &str) -> Result<Body, Error> {
        let intent = format!("watch {}", self.resource.plural);
        let transport = |reason: String| Error::Transport {
            intent: intent.clone(),
            reason,
        };
        let seconds = WATCH_SECONDS + rand::random_range(0..30);
        let uri = format!(
            "{}?watch=1&allowWatchBookmarks=true&timeoutSeconds={seconds}{}{query}",
            self.resource.path,
            self.selector(),
        );
        let request = Request::get(uri)
            .header(ACCEPT, self.accept())
            .header(USER_AGENT, AGENT)
            // Servers compress each event on its own, which no streaming decoder undoes.
            .header(ACCEPT_ENCODING, "identity")
            .body(Body::empty())
            .map_err(|e| transport(e.to_string()))?;
        let response = tokio::time::timeout(HEAD_TIMEOUT, self.client.send(request))
            .await
            .map_err(|_| transport(format!("no answer within {HEAD_TIMEOUT:?}")))?
            .map_err(|e| transport(error_chain(&e)))?;
        if response.status().is_success() {
            return Ok(response.into_body());
        }
        let (status, wait) = (response.status(), retry_after(&response));
        let body = http_body_util::Limited::new(response.into_body(), 1 << 16)
            .collect()
            .await
            .map(|b| b.to_bytes())
            .unwrap_or_default();
        Err(refusal(&intent, status, &body, wait))
    }

    async fn watch(&mut self, query: &str, sink: &dyn Sink, list: bool) -> Result<End, Error> {
        let mut body = match self.open(query).await {
            Err(Error::Api {
                status: 400 | 422, ..
            }) if list => return Ok(End::Unsupported),
            opened => opened?,
        };
        let mut lines = Lines::default();
        let mut initial = list;
        loop {
            let silence = if initial { INITIAL_SILENCE } else { SILENCE };
            let chunk = match tokio::time::timeout(silence, body.frame()).await {
                Err(_) if initial => return Ok(End::Unsupported),
                Err(_) => return Ok(End::Closed),
                Ok(None) => break,
                Ok(Some(Err(error))) => {
                    tracing::debug!(resource = %self.resource.plural, error = %error_chain(&error), "watch broke");
                    break;
                }
                Ok(Some(Ok(chunk))) => chunk.into_data().unwrap_or_default(),
            };
            if let Some(end) = self.take(&mut lines, chunk, sink, &mut initial)? {
                return Ok(end);
            }
            // A long list must not keep the only thread from everything else.
            tokio::task::yield_now().await;
        }
        Ok(if initial { End::Restart } else { End::Closed })
    }

    /// Hands on every whole line of what has arrived.
    fn take(
        &mut self,
        lines: &mut Lines,
        chunk: Bytes,
        sink: &dyn Sink,
        initial: &mut bool,
    ) -> Result<Option<End>, Error> {
        let plural = self.resource.plural.clone();
        let answer = |reason: String| Error::Answer {
            intent: format!("watch {plural}"),
            reason,
        };
        lines.push(chunk).map_err(answer)?;
        while let Some(line) = lines.next_line() {
            match frame(&line).map_err(answer)? {
                Frame::Upsert { object, version } => {
                    sink.upsert(object, *initial);
                    if !*initial {
                        self.known(version);
                    }
                }
                Frame::Delete { object, version } => {
                    sink.delete(object);
                    if !*initial {
                        self.known(version);
                    }
                }
                Frame::Bookmark { version, list_end } => {
                    if *initial && !list_end {
                        continue;
                    }
                    self.known(version);
                    if *initial {
                        *initial = false;
                        sink.synced();
                    }
                }
                Frame::Gone => return Ok(Some(End::Restart)),
                Frame::Error { code, message } => {
                    return Err(Error::Api {
                        intent: format!("watch {plural}"),
                        status: code,
                        reason: "watch ended".into(),
                        message,
                        retry_after: None,
                    });
                }
            }
        }
        Ok(None)
    }

    /// Lists in pages; returns the resourceVersion to watch from.
    async fn list(&mut self, sink: &dyn Sink) -> Result<String, Error> {
        let intent = format!("list {}", self.resource.plural);
        let mut next = String::new();
        loop {
            let mut uri = format!("{}?limit={PAGE}{}", self.resource.path, self.selector());
            if !next.is_empty() {
                uri.push_str("&continue=");
                uri.push_str(&escape(&next));
            }
            let body = self
                .requests
                .list(&uri, self.list_accept(), &intent)
                .await?;
            let Page {
                items,
                version,
                more,
            } = page(&body).map_err(|reason| Error::Answer {
                intent: intent.clone(),
                reason,
            })?;
            for item in items {
                sink.upsert(item.get(), true);
            }
            if more.is_empty() {
                self.pause = BACKOFF_MIN;
                return Ok(version);
            }
            next = more;
            tokio::task::yield_now().await;
        }
    }

    fn selector(&self) -> String {
        let mut query = String::new();
        for (parameter, selector) in [
            ("labelSelector", self.resource.selector),
            ("fieldSelector", &*self.resource.fields),
        ] {
            if !selector.is_empty() {
                query.push_str(&format!("&{parameter}={}", escape(selector)));
            }
        }
        query
    }

    const fn accept(&self) -> &'static str {
        if self.resource.metadata_only {
            METADATA_ONLY
        } else {
            "application/json"
        }
    }

    const fn list_accept(&self) -> &'static str {
        if self.resource.metadata_only {
            METADATA_ONLY_LIST
        } else {
            "application/json"
        }
    }
}

#[cfg(test)]
mod tests;

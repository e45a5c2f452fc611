//! Watches: JSON lines from the store's events, resumed from any version it still remembers.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use bytes::{BufMut as _, Bytes, BytesMut};
use futures::stream;
use http::StatusCode;
use tokio::sync::watch;
use tokio::time::Instant;

use super::answer;
use super::read::{self, Selection};
use super::request::{self, Shape};
use super::{App, Context};
use crate::kube::object::Object;
use crate::kube::status::Status;
use crate::kube::store::{Change, Event};

/// How often an idle watch says how far it is.
const BOOKMARK: Duration = Duration::from_secs(30);
/// Size at which initial events are cut into pieces.
const PIECE: usize = 128 * 1024;
/// How long a watch lasts that names no end: as the real server, which chooses 30 to 60 minutes.
const LIFETIME: u64 = 3000;

struct Watch {
    app: Arc<App>,
    ctx: Context,
    selection: Selection,
    news: watch::Receiver<u64>,
    stopped: watch::Receiver<bool>,
    /// The version up to which everything has been sent.
    at: u64,
    initial: Option<Initial>,
    ends: Instant,
    bookmark: Instant,
    over: bool,
    /// Whether a table's heading has been sent.
    headed: bool,
}

struct Initial {
    objects: std::vec::IntoIter<Arc<Object>>,
    /// Whether the client asked to be told of the end.
    marked: bool,
}

/// Starts a watch.
///
/// # Errors
/// What is wrong with its parameters; an outdated version is told in the stream, as the API does.
pub fn start(app: &Arc<App>, ctx: Context) -> Result<Response, Status> {
    request::check_list(&ctx.params)?;
    let selection = Selection::of(&ctx)?;
    let params = &ctx.params;
    let asked = params.resource_version.as_str();
    let from_present = params.initial.unwrap_or(matches!(asked, "" | "0"));
    let news = app.store.subscribe(&ctx.resource.bucket);
    let (at, initial) = if from_present {
        if !matches!(asked, "" | "0") {
            let (asked, present) = (read::version(asked)?, app.store.version());
            if asked > present {
                return Err(read::too_large(asked, present));
            }
        }
        let (objects, version) = selection.objects(app, &ctx);
        let marked = params.initial == Some(true) && params.bookmarks;
        (
            version,
            Some(Initial {
                objects: objects.into_iter(),
                marked,
            }),
        )
    } else if matches!(asked, "" | "0") {
        (app.store.version(), None)
    } else {
        let (asked, present) = (read::version(asked)?, app.store.version());
        if asked > present {
            return Err(read::too_large(asked, present));
        }
        (asked, None)
    };
    let lifetime = Duration::from_secs(params.timeout.filter(|&t| t > 0).unwrap_or(LIFETIME));
    let now = Instant::now();
    let watch = Watch {
        app: Arc::clone(app),
        selection,
        news,
        stopped: app.stopped.subscribe(),
        at,
        initial,
        ends: now + lifetime,
        bookmark: now + BOOKMARK,
        over: false,
        headed: false,
        ctx,
    };
    let lines = stream::unfold(watch, |mut watch| async move {
        let piece = watch.next().await?;
        Some((Ok::<_, Infallible>(piece), watch))
    });
    Ok(answer::json(StatusCode::OK, Body::from_stream(lines)))
}

impl Watch {
    async fn next(&mut self) -> Option<Bytes> {
        if self.over {
            return None;
        }
        if let Some(piece) = self.first() {
            return Some(piece);
        }
        loop {
            self.news.borrow_and_update();
            match self
                .app
                .store
                .events_after(&self.ctx.resource.bucket, self.at)
            {
                Err(oldest) => {
                    self.over = true;
                    return Some(error_line(&Status::expired(self.at, oldest)));
                }
                Ok((events, version)) => {
                    self.at = self.at.max(version);
                    let piece = self.lines(&events);
                    if !piece.is_empty() {
                        return Some(piece);
                    }
                    // Nothing for this watch; there may be more behind.
                    if !events.is_empty() {
                        continue;
                    }
                }
            }
            let due = if self.ctx.params.bookmarks {
                self.bookmark.min(self.ends)
            } else {
                self.ends
            };
            tokio::select! {
                changed = self.news.changed() => if changed.is_err() { return None },
                _ = self.stopped.changed() => return None,
                () = tokio::time::sleep_until(due) => {
                    if due >= self.ends {
                        return None;
                    }
                    self.bookmark = due + BOOKMARK;
                    return Some(self.bookmark_line(false));
                }
            }
        }
    }

    /// The next piece of the initial state; `None` when all of it has been sent.
    fn first(&mut self) -> Option<Bytes> {
        let mut initial = self.initial.take()?;
        let mut out = BytesMut::new();
        for object in initial.objects.by_ref() {
            out.put_slice(&self.line("ADDED", &object));
            if out.len() >= PIECE {
                self.initial = Some(initial);
                return Some(out.freeze());
            }
        }
        if initial.marked {
            out.put_slice(&self.bookmark_line(true));
        }
        (!out.is_empty()).then(|| out.freeze())
    }

    fn lines(&mut self, events: &[Event]) -> Bytes {
        let mut out = BytesMut::new();
        for event in events {
            match self.seen(event) {
                Some(("DELETED", last)) if event.change != Change::Deleted => {
                    out.put_slice(&self.line("DELETED", &left(event, last)))
                }
                Some((verb, object)) => out.put_slice(&self.line(verb, object)),
                None => {}
            }
        }
        out.freeze()
    }

    /// How this watch sees an event: an object may come into or leave its selection.
    fn seen<'e>(&self, event: &'e Event) -> Option<(&'static str, &'e Object)> {
        let namespace = self.ctx.target.namespace.as_str();
        if !namespace.is_empty() && event.object.namespace() != namespace {
            return None;
        }
        let is = event.change != Change::Deleted && self.selection.matches(&event.object);
        let was = event
            .before
            .as_ref()
            .is_some_and(|b| self.selection.matches(b));
        match (was, is) {
            (false, false) => None,
            (false, true) => Some(("ADDED", &event.object)),
            (true, true) => Some(("MODIFIED", &event.object)),
            (true, false) => Some(("DELETED", &event.object)),
        }
    }

    fn line(&mut self, verb: &str, object: &Object) -> Bytes {
        let Shape::Table(include) = self.ctx.shape else {
            return line(
                verb,
                &answer::one(&self.ctx.resource, object, self.ctx.shape, ""),
            );
        };
        let metadata = serde_json::json!({"resourceVersion": object.version().to_string()});
        let now = self.app.now();
        let mut table = answer::table(
            &self.ctx.resource,
            &[object.value()],
            &metadata,
            include,
            &now,
        );
        // Only the first row has a heading.
        if std::mem::replace(&mut self.headed, true) {
            crate::kube::object::set(&mut table, "columnDefinitions", serde_json::Value::Null);
        }
        line(verb, table.to_string().as_bytes())
    }

    fn bookmark_line(&self, end: bool) -> Bytes {
        let (kind, api_version) = match self.ctx.shape {
            Shape::Full => (
                self.ctx.resource.kind.as_str(),
                self.ctx.resource.api_version(),
            ),
            _ => ("PartialObjectMetadata", "meta.k8s.io/v1".to_owned()),
        };
        let mut metadata =
            serde_json::json!({"resourceVersion": self.at.to_string(), "creationTimestamp": null});
        if end {
            crate::kube::object::set(
                &mut metadata,
                "annotations",
                serde_json::json!({"k8s.io/initial-events-end": "true"}),
            );
        }
        let object =
            serde_json::json!({"kind": kind, "apiVersion": api_version, "metadata": metadata});
        line("BOOKMARK", object.to_string().as_bytes())
    }
}

/// An object that left the selection: its last selected state, at the version of its leaving.
fn left(event: &Event, now: &Object) -> Object {
    let mut value = event
        .before
        .as_ref()
        .map_or_else(|| now.value().clone(), |b| b.value().clone());
    crate::kube::object::set_meta(&mut value, "resourceVersion", now.version().to_string());
    Object::new(value, now.version())
}

fn line(verb: &str, body: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(body.len() + 40);
    out.put_slice(br#"{"type":""#);
    out.put_slice(verb.as_bytes());
    out.put_slice(br#"","object":"#);
    out.put_slice(body);
    out.put_slice(b"}\n");
    out.freeze()
}

fn error_line(status: &Status) -> Bytes {
    line("ERROR", &status.to_bytes())
}

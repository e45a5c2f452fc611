//! Kubernetes events about changes of outcome.
//!
//! Owns: a bounded queue and the tasks that empty it. An event is told once per change, not per
//! retry (the callers see to that); when the queue is full it is dropped and counted, because an
//! event must never hold up a sync. Refuses: aggregation and retries.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use keyless_kubernetes::request::{Requests, Verb, escape, with};
use serde_json::json;
use tokio::sync::{Mutex, mpsc};

use crate::clock::{Clock, rfc3339};
use crate::effects::{Effect, Effects};
use crate::object::ObjectKey;

/// Events waiting at most.
const QUEUE: usize = 4096;
/// Events being written at once.
const WRITERS: usize = 6;
/// The longest note an API server takes.
const MAX_NOTE: usize = 1024;

/// Normal or Warning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Severity {
    /// Something went as it should.
    Normal,
    /// Something failed.
    Warning,
}

impl Severity {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Normal => "Normal",
            Self::Warning => "Warning",
        }
    }
}

/// The object that an event is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct About {
    /// Kind in the group `external-secrets.io`.
    pub kind: &'static str,
    /// Namespace (or empty) and name.
    pub key: ObjectKey,
    /// uid.
    pub uid: Box<str>,
    /// resourceVersion.
    pub version: u64,
    /// `source.component`, as ESO names it.
    pub source: &'static str,
}

/// One event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// What it is about.
    pub about: About,
    /// Normal or Warning.
    pub severity: Severity,
    /// Reason.
    pub reason: &'static str,
    /// Message.
    pub note: String,
}

/// The queue's entrance.
#[derive(Clone, Debug)]
pub struct Events {
    queue: mpsc::Sender<Event>,
    dropped: Arc<AtomicU64>,
}

/// The queue's exit.
#[derive(Debug)]
pub struct Queue(mpsc::Receiver<Event>, Arc<AtomicU64>);

/// A queue.
#[must_use]
pub fn queue() -> (Events, Queue) {
    let (sender, receiver) = mpsc::channel(QUEUE);
    let dropped = Arc::new(AtomicU64::new(0));
    let events = Events {
        queue: sender,
        dropped: Arc::clone(&dropped),
    };
    (events, Queue(receiver, dropped))
}

impl Events {
    /// Tells `event` sometime, or never.
    pub fn tell(&self, event: Event) {
        if self.queue.try_send(event).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How many events were never told.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

/// Writes events until the entrance is gone.
pub async fn run(queue: Queue, requests: Requests, effects: Arc<dyn Effects>, clock: Clock) {
    let Queue(receiver, dropped) = queue;
    let receiver = Mutex::new(receiver);
    let serial = AtomicU64::new(0);
    let writer = || async {
        loop {
            let Some(event) = receiver.lock().await.recv().await else {
                return;
            };
            effects
                .before(&Effect::CreateEvent(event.about.key.clone()))
                .await;
            let serial = serial.fetch_add(1, Ordering::Relaxed);
            let (path, body) = render(&event, clock.unix_millis(), serial);
            let intent = format!("create an event about {}", event.about.key);
            let result = requests
                .write(Verb::Post, &path, body.into(), &intent)
                .await;
            if let Err(error) = result {
                dropped.fetch_add(1, Ordering::Relaxed);
                tracing::debug!(%error, "event dropped");
            }
        }
    };
    futures::future::join_all((0..WRITERS).map(|_| writer())).await;
}

fn render(event: &Event, now: i64, serial: u64) -> (String, String) {
    let about = &event.about;
    // Events about cluster-scoped objects live in the namespace `default`.
    let namespace = if about.key.namespace.is_empty() {
        "default"
    } else {
        &about.key.namespace
    };
    let mut note = event.note.clone();
    if note.len() > MAX_NOTE {
        let mut end = MAX_NOTE - '…'.len_utf8();
        while !note.is_char_boundary(end) {
            end -= 1;
        }
        note.truncate(end);
        note.push('…');
    }
    let time = rfc3339(now);
    let involved = json!({
        "apiVersion": keyless_api::constants::API_VERSION,
        "kind": about.kind,
        "name": &*about.key.name,
        "uid": &*about.uid,
        "resourceVersion": about.version.to_string(),
    });
    let own = (!about.key.namespace.is_empty()).then(|| json!(&*about.key.namespace));
    let involved = with(involved, "namespace", own);
    // A name has at most 253 characters; the suffix has at most 34.
    let stem: String = about.key.name.chars().take(210).collect();
    let body = json!({
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": format!("{stem}.{now:x}{serial:x}"), "namespace": namespace},
        "involvedObject": involved,
        "type": event.severity.as_str(),
        "reason": event.reason,
        "message": note,
        "source": {"component": about.source},
        "reportingComponent": about.source,
        "reportingInstance": "",
        "count": 1,
        "firstTimestamp": time,
        "lastTimestamp": time,
    });
    let path = format!("/api/v1/namespaces/{}/events", escape(namespace));
    (path, body.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(namespace: &str, note: &str) -> Event {
        Event {
            about: About {
                kind: "ExternalSecret",
                key: ObjectKey::new(namespace, "a"),
                uid: "u".into(),
                version: 7,
                source: "external-secrets",
            },
            severity: Severity::Warning,
            reason: "UpdateFailed",
            note: note.into(),
        }
    }

    #[test]
    fn long_notes_are_cut_at_a_character() {
        let (_, body) = render(&event("n", &"é".repeat(900)), 0, 0);
        let body: serde_json::Value = serde_json::from_str(&body).unwrap();
        let note = body["message"].as_str().unwrap();
        assert!(note.len() <= MAX_NOTE && note.ends_with('…'));
    }

    #[test]
    fn cluster_scoped_objects_have_their_events_in_default() {
        let (path, body) = render(&event("", "x"), 0, 0);
        assert_eq!(path, "/api/v1/namespaces/default/events");
        let body: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert!(body["involvedObject"].get("namespace").is_none());
    }

    #[test]
    fn a_full_queue_drops_and_counts() {
        let (events, _queue) = queue();
        for _ in 0..QUEUE + 3 {
            events.tell(event("n", "x"));
        }
        assert_eq!(events.dropped(), 3);
    }
}

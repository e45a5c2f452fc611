//! One object of a known name, as the API server last told of it.
//!
//! Owns: the latest state of a Secret, a ConfigMap or a webhook configuration, and waking who
//! waits for a change. Refuses: knowing what is in it.

use std::sync::{Arc, Mutex, PoisonError};

use keyless_kubernetes::Error;
use keyless_kubernetes::request::escape;
use keyless_kubernetes::watch::{Resource, Sink};
use serde_json::Value;
use tokio::sync::Notify;

/// What is known of one object.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Seen {
    /// Nothing yet.
    #[default]
    Unknown,
    /// It does not exist.
    Absent,
    /// This is it.
    Present(Arc<Value>),
}

/// One object of a known name.
#[derive(Debug)]
pub struct Watched {
    /// Kind and name, for messages.
    pub what: String,
    resource: Resource,
    seen: Mutex<State>,
    news: Arc<Notify>,
}

#[derive(Debug, Default)]
struct State {
    seen: Seen,
    /// Whether the list under way has named it.
    named: bool,
}

impl Watched {
    /// The object `name` below `collection`; `news` is told of each change.
    #[must_use]
    pub fn new(
        what: String,
        plural: &'static str,
        collection: String,
        name: &str,
        news: Arc<Notify>,
    ) -> Self {
        Self {
            what,
            resource: Resource {
                plural: plural.into(),
                path: collection,
                selector: "",
                fields: format!("metadata.name={name}").into(),
                metadata_only: false,
                optional: false,
            },
            seen: Mutex::default(),
            news,
        }
    }

    /// A Secret or ConfigMap of `namespace`.
    #[must_use]
    pub fn namespaced(
        kind: &str,
        plural: &'static str,
        namespace: &str,
        name: &str,
        news: Arc<Notify>,
    ) -> Self {
        let collection = format!("/api/v1/namespaces/{}/{plural}", escape(namespace));
        let what = format!("{kind} {namespace}/{name}");
        Self::new(what, plural, collection, name, news)
    }

    /// What is to be watched.
    #[must_use]
    pub fn resource(&self) -> Resource {
        self.resource.clone()
    }

    /// The object's own path, with `name` escaped.
    #[must_use]
    pub fn path(&self, name: &str) -> String {
        format!("{}/{}", self.resource.path, escape(name))
    }

    /// What is known of it.
    #[must_use]
    pub fn seen(&self) -> Seen {
        self.state(|state| state.seen.clone())
    }

    fn state<T>(&self, of: impl FnOnce(&mut State) -> T) -> T {
        of(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Sink for Watched {
    fn begin(&self) {
        self.state(|state| state.named = false);
    }

    fn upsert(&self, object: &str, _initial: bool) {
        match serde_json::from_str(object) {
            Ok(object) => self.state(|state| {
                state.named = true;
                state.seen = Seen::Present(Arc::new(object));
            }),
            // The text may be a Secret's.
            Err(_) => tracing::warn!(object = %self.what, "it could not be decoded"),
        }
        self.news.notify_one();
    }

    fn delete(&self, _object: &str) {
        self.state(|state| state.seen = Seen::Absent);
        self.news.notify_one();
    }

    fn synced(&self) {
        self.state(|state| {
            if !state.named {
                state.seen = Seen::Absent;
            }
        });
        self.news.notify_one();
    }

    fn failing(&self, _: &Error) {}
}

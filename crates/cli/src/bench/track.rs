//! Sees when each ExternalSecret becomes Ready, by a watch of its own.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use futures::{AsyncBufReadExt, TryStreamExt};
use http::Request;
use kube::Client;
use serde::Deserialize;

/// When objects became Ready, and how often they were written.
#[derive(Clone, Default)]
pub struct Track(Arc<Mutex<Seen>>);

#[derive(Default)]
struct Seen {
    ready: HashMap<String, Instant>,
    events: usize,
}

#[derive(Deserialize)]
struct Event {
    #[serde(rename = "type")]
    kind: String,
    object: Object,
}

#[derive(Deserialize)]
struct Object {
    #[serde(default)]
    metadata: Metadata,
    #[serde(default)]
    status: Status,
}

#[derive(Deserialize, Default)]
struct Metadata {
    #[serde(default)]
    name: String,
    #[serde(default)]
    namespace: String,
}

#[derive(Deserialize, Default)]
struct Status {
    #[serde(default)]
    conditions: Vec<Condition>,
}

#[derive(Deserialize)]
struct Condition {
    #[serde(rename = "type")]
    kind: String,
    status: String,
}

impl Track {
    /// Watches all ExternalSecrets from now on, in the background, until the task is dropped.
    pub async fn start(client: Client) -> Result<(Self, tokio::task::JoinHandle<()>)> {
        let track = Self::default();
        let request = Request::get("/apis/external-secrets.io/v1/externalsecrets?watch=1&resourceVersion=0&timeoutSeconds=3600").body(Vec::new())?;
        let stream = client
            .request_stream(request)
            .await
            .context("cannot watch ExternalSecrets")?;
        let seen = track.clone();
        let task = tokio::spawn(async move {
            let mut lines = std::pin::pin!(stream.lines());
            while let Ok(Some(line)) = lines.try_next().await {
                seen.see(&line);
            }
        });
        Ok((track, task))
    }

    fn see(&self, line: &str) {
        let Ok(event) = serde_json::from_str::<Event>(line) else {
            return;
        };
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if event.kind == "DELETED" {
            return;
        }
        seen.events += 1;
        if event
            .object
            .status
            .conditions
            .iter()
            .any(|c| c.kind == "Ready" && c.status == "True")
        {
            let key = format!(
                "{}/{}",
                event.object.metadata.namespace, event.object.metadata.name
            );
            seen.ready.entry(key).or_insert_with(Instant::now);
        }
    }

    /// How many are Ready.
    pub fn count(&self) -> usize {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .ready
            .len()
    }

    /// When `namespace/name` became Ready.
    pub fn ready(&self, key: &str) -> Option<Instant> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .ready
            .get(key)
            .copied()
    }

    /// Seconds from `start` to the first, the median and the last.
    pub fn spread(&self, start: Instant) -> (Duration, Duration, Duration) {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut times: Vec<Duration> = seen
            .ready
            .values()
            .map(|t| t.saturating_duration_since(start))
            .collect();
        times.sort_unstable();
        let at = |i: usize| times.get(i).copied().unwrap_or_default();
        (
            at(0),
            at(times.len() / 2),
            at(times.len().saturating_sub(1)),
        )
    }
}

//! The kinds of targets that are no Secrets: found, and watched while they are needed.
//!
//! Owns: asking the API server how it serves a kind, one metadata watch per needed kind, and its
//! end when the last ExternalSecret that needs it is gone. Refuses: bodies of objects, and kinds
//! that are not namespaced: a target never leaves its ExternalSecret's namespace.
//!
//! What a discovery finds is kept as long as the kind is needed; it is asked again only after it
//! failed, or after the watch met a kind that is no longer there or no longer allowed.

mod discovery;
mod problem;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use keyless_fault::{Class, Fault};
use keyless_kubernetes::request::escape;
use keyless_kubernetes::watch::{self, Resource, Sink};
use keyless_secret::manifest::TargetKind;
use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::Error;
use crate::context::Context;
use crate::object::{Resource as Object, key_of};

pub use discovery::Served;
pub use problem::KindProblem;

/// The first pause after a kind could not be used.
const PAUSE_MIN: Duration = Duration::from_secs(1);
/// The longest pause. A kind that is installed, or a right that is granted, is found after it.
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// Keeps a watch on each needed kind until dropped.
///
/// # Errors
/// None; the type is that of every task of the operator.
pub async fn run(context: Arc<Context>, client: kube::Client) -> Result<(), Error> {
    let mut tasks = JoinSet::new();
    let mut watched = HashMap::new();
    loop {
        let needed = context.state().index.needed_kinds();
        watched.retain(
            |kind: &Arc<TargetKind>, task: &mut tokio::task::AbortHandle| {
                if needed.contains(kind) {
                    return !task.is_finished();
                }
                task.abort();
                context.state().index.forget_kind(kind);
                tracing::info!(%kind, "the kind is no longer needed, its watch ends");
                false
            },
        );
        for kind in needed {
            watched.entry(Arc::clone(&kind)).or_insert_with(|| {
                let work = follow(Arc::clone(&context), client.clone(), kind);
                tasks.spawn(work)
            });
        }
        tokio::select! {
            () = context.kinds.notified() => {}
            Some(_) = tasks.join_next() => {}
        }
    }
}

/// Finds a kind and watches it, again and again.
async fn follow(context: Arc<Context>, client: kube::Client, kind: Arc<TargetKind>) {
    let mut pause = PAUSE_MIN;
    loop {
        match discovery::discover(&context.requests, &kind).await {
            Ok(served) => {
                let resource = resource(&served, context.options.namespace.as_deref());
                tracing::info!(%kind, "watching the kind for a generic target");
                context.state().index.kind_served(&kind, served.clone());
                let sink = KindSink {
                    context: Arc::clone(&context),
                    kind: Arc::clone(&kind),
                    served,
                    listed: AtomicBool::new(false),
                    lost: Notify::new(),
                };
                tokio::select! {
                    () = watch::run(client.clone(), resource, &sink) => {}
                    () = sink.lost.notified() => {}
                }
                if sink.listed.load(Ordering::Relaxed) {
                    pause = PAUSE_MIN;
                }
            }
            // The API server is in trouble, not the kind: whoever waits goes on waiting.
            Err(KindProblem::Asking(error))
                if matches!(error.class(), Class::Unavailable | Class::Throttled) =>
            {
                tracing::warn!(%kind, %error, "cannot find out how the kind is served");
            }
            Err(problem) => {
                context.change(|index| index.kind_refused(&kind, problem));
            }
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

fn resource(served: &Served, namespace: Option<&str>) -> Resource {
    let scope = namespace.map_or_else(String::new, |namespace| {
        format!("/namespaces/{}", escape(namespace))
    });
    Resource {
        plural: served.plural.clone().into(),
        path: format!("{}{scope}/{}", served.base, escape(&served.plural)),
        selector: "reconcile.external-secrets.io/managed=true",
        fields: "".into(),
        metadata_only: true,
        optional: false,
    }
}

struct KindSink {
    context: Arc<Context>,
    kind: Arc<TargetKind>,
    served: Served,
    /// A list was complete.
    listed: AtomicBool,
    /// The kind must be found anew.
    lost: Notify,
}

impl Sink for KindSink {
    fn begin(&self) {
        self.context.state().index.kind_begin(&self.kind);
    }

    fn upsert(&self, object: &str, initial: bool) {
        match Object::decode(object) {
            Ok(object) => self
                .context
                .change(|index| index.upsert_resource(&self.kind, object, initial)),
            Err(reason) => {
                tracing::error!(kind = %self.kind, reason, "an object cannot be decoded");
            }
        }
    }

    fn delete(&self, object: &str) {
        if let Some((key, version)) = key_of(object) {
            self.context
                .change(|index| index.remove_resource(&self.kind, &key, version));
        }
    }

    fn synced(&self) {
        self.listed.store(true, Ordering::Relaxed);
        self.context.change(|index| index.kind_listed(&self.kind));
    }

    fn failing(&self, error: &Error) {
        if let Some(problem) = KindProblem::of_watch(&self.kind, &self.served, error) {
            self.context
                .change(|index| index.kind_refused(&self.kind, problem));
            self.lost.notify_one();
        }
    }
}

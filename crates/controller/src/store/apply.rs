//! The write and the event of a store.

use std::sync::Arc;

use keyless_api::constants::event_source;
use keyless_kubernetes::request::{Verb, escape};

use super::plan::Verdict;
use super::status;
use crate::Error;
use crate::context::{Context, Writer};
use crate::effects::Effect;
use crate::events::{About, Event, Severity};
use crate::judgement::split_code;
use crate::object::{Store, StoreKind};
use crate::schedule::Lane;

/// Writes the status if anything differs, and tells an event if the condition is news.
///
/// # Errors
/// The API server refused.
pub async fn apply(
    context: &Context,
    store: &Store,
    verdict: &Verdict,
    lane: Lane,
) -> Result<(), Error> {
    let ready = status::wanted(store, verdict, context.clock.unix_millis());
    if !status::worth_writing(store, &ready, verdict) {
        return Ok(());
    }
    let kind = store.kind();
    let scope = match kind {
        StoreKind::SecretStore => format!("namespaces/{}/", escape(&store.key.namespace)),
        StoreKind::ClusterSecretStore => String::new(),
    };
    let path = format!(
        "/apis/external-secrets.io/v1/{scope}{}/{}/status?fieldManager=external-secrets",
        kind.plural(),
        escape(&store.key.name)
    );
    let answer = Writer::new(context, lane)
        .write(
            Effect::WriteStoreStatus(store.key.clone()),
            Verb::MergePatch,
            &path,
            status::patch(store, &ready, verdict),
            &format!("write the status of {} {}", kind.as_str(), store.key),
        )
        .await?;
    let text = std::str::from_utf8(&answer).unwrap_or_default();
    let version = crate::object::key_of(text).map_or(store.version, |(_, version)| version);
    let news = status::is_news(store, &ready);
    if let Some(entry) = context.state().index.store_mut(&store.key)
        && version >= entry.store.version
    {
        let known = Arc::make_mut(&mut entry.store);
        known.version = version;
        known.status.conditions.retain(|c| c.kind != ready.kind);
        known.status.conditions.push(ready);
        if let Some(capabilities) = verdict.capabilities {
            known.status.capabilities = Some(capabilities.into());
        }
    }
    if news {
        tell(context, store, verdict);
    }
    Ok(())
}

fn tell(context: &Context, store: &Store, verdict: &Verdict) {
    let kind = store.kind();
    if !verdict.ready {
        let (reason, code) = split_code(&verdict.note);
        tracing::info!(kind = kind.as_str(), store = %store.key, code, reason, "not ready");
    }
    context.events.tell(Event {
        about: About {
            kind: kind.as_str(),
            key: store.key.clone(),
            uid: store.uid.clone(),
            version: store.version,
            source: match kind {
                StoreKind::SecretStore => event_source::SECRET_STORE,
                StoreKind::ClusterSecretStore => event_source::CLUSTER_SECRET_STORE,
            },
        },
        severity: if verdict.reason == keyless_api::constants::reason::STORE_VALID {
            Severity::Normal
        } else {
            Severity::Warning
        },
        reason: verdict.reason,
        note: verdict.note.clone(),
    });
}

//! The writes of an ExternalSecret.
//!
//! Each waits for its turn among the writers, is announced to the effects' observer, and puts
//! what the API server answered into the index, so that the echo on the watch is not news.

use keyless_api::constants::{event, finalizer, message};
use keyless_kubernetes::request::{Verb, escape};
use keyless_secret::hash;
use keyless_secret::template::Content;
use serde_json::{Value, json};

use super::facts::Gathered;
use super::plan;
use super::problem::Failed;
use super::status::{self, Status};
use super::target::{self, Change, Sync};
use crate::Error;
use crate::context::{Context, Writer};
use crate::effects::Effect;
use crate::events::{About, Event, Severity};
use crate::index::SecretEntry;
use crate::object::{ExternalSecret, ObjectKey, Secret, Sighting};

/// What became of the target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Applied {
    /// It was as wanted.
    Unchanged,
    /// It was created.
    Created,
    /// It was changed.
    Updated,
    /// `creationPolicy: Merge` and nothing to merge with.
    Missing,
}

/// A failed write and whether the binding is set nevertheless.
#[derive(Clone, Debug)]
pub struct Refused {
    /// The failure.
    pub failed: Failed,
    /// Whether an existing Secret was to be changed: then the binding names it.
    pub bound: bool,
    /// What was seen of a Secret that belongs to someone else and that no label brings before
    /// the operator's eyes.
    pub awaits: Option<Sighting>,
}

/// The URL path of a Secret.
#[must_use]
pub fn secret_path(key: &ObjectKey) -> String {
    format!(
        "/api/v1/namespaces/{}/secrets/{}",
        escape(&key.namespace),
        escape(&key.name)
    )
}

/// Reads a Secret; `None` if it does not exist.
///
/// # Errors
/// Everything but 404.
pub async fn read_secret(context: &Context, key: &ObjectKey) -> Result<Option<Value>, Error> {
    let intent = format!("read Secret {key}");
    match context.requests.get(&secret_path(key), &intent).await {
        Ok(body) => serde_json::from_slice(&body)
            .map(Some)
            .map_err(|_| Error::Answer {
                intent,
                // The cause may quote the body, which is a secret.
                reason: "it is no JSON object".into(),
            }),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

/// Makes the target as wanted, with at most one write.
///
/// # Errors
/// The write was refused, or may not be made.
pub async fn secret(
    context: &Context,
    writer: &mut Writer<'_>,
    gathered: &Gathered,
    content: &Content,
) -> Result<Applied, Refused> {
    let object = &gathered.object;
    let sync = Sync {
        target: &gathered.target_key,
        object,
        spec: &gathered.spec,
    };
    target::storable(&sync, &content.data).map_err(|failed| Refused {
        failed,
        bound: gathered.target.exists,
        awaits: None,
    })?;
    let satisfied = target::satisfaction(&sync, content);
    let refused = |failed| Refused {
        failed,
        bound: false,
        awaits: None,
    };
    let mut exists = {
        let state = context.state();
        let entry = state.index.secret(&gathered.target_key);
        let same = |entry: &SecretEntry| {
            let approved = Some((entry.secret.shape, satisfied));
            entry.verified && !entry.suspect && entry.approved == approved
        };
        if entry.is_some_and(same) {
            return Ok(Applied::Unchanged);
        }
        entry.is_some()
    };
    // A Secret without our label is unknown to the index; policies that must find one look.
    let looks = !matches!(
        gathered.spec.creation_policy(),
        keyless_api::CreationPolicy::Owner | keyless_api::CreationPolicy::Orphan
    );
    let mut existing = None;
    for _ in 0..4 {
        if exists || looks {
            existing = read_secret(context, sync.target)
                .await
                .map_err(|e| refused(Failed::new(message::COULD_NOT_UPDATE, &e)))?;
        }
        // A Secret of someone else exists all the same: the binding names it, as ESO's does.
        let change = target::change(&sync, content, existing.as_ref());
        let change = change.map_err(|failed| Refused {
            awaits: existing.as_ref().and_then(unmanaged),
            bound: existing.is_some(),
            failed,
        })?;
        let present = existing.as_ref();
        match write(context, writer, gathered, &sync, change, present, satisfied).await {
            // It exists after all, or changed since it was read: look and decide anew.
            Err(Write::Conflict) => exists = true,
            Err(Write::Gone) => {
                exists = false;
                existing = None;
            }
            Err(Write::Refused(refused)) => return Err(refused),
            Ok(applied) => return Ok(applied),
        }
    }
    let error = Error::Api {
        intent: format!("update Secret {}", sync.target),
        status: 409,
        reason: "Conflict".into(),
        message: "it keeps being changed by someone else".into(),
        retry_after: None,
    };
    Err(refused(Failed::new(message::COULD_NOT_UPDATE, &error)))
}

enum Write {
    Conflict,
    Gone,
    Refused(Refused),
}

async fn write(
    context: &Context,
    writer: &mut Writer<'_>,
    gathered: &Gathered,
    sync: &Sync<'_>,
    change: Change,
    existing: Option<&Value>,
    satisfied: u64,
) -> Result<Applied, Write> {
    match change {
        Change::Missing => Ok(Applied::Missing),
        Change::None => {
            if let Some(known) = existing.and_then(known) {
                context.state().index.secret_known(known, Some(satisfied));
            }
            Ok(Applied::Unchanged)
        }
        Change::Create(body) => {
            send(
                context,
                writer,
                gathered,
                sync,
                Verb::Post,
                &body,
                satisfied,
            )
            .await?;
            Ok(Applied::Created)
        }
        Change::Replace(body) => {
            send(context, writer, gathered, sync, Verb::Put, &body, satisfied).await?;
            Ok(Applied::Updated)
        }
        Change::ReplaceThenFail(body, failed) => {
            if let Some(body) = body {
                send(context, writer, gathered, sync, Verb::Put, &body, satisfied).await?;
            }
            Err(Write::Refused(Refused {
                failed,
                bound: true,
                awaits: None,
            }))
        }
    }
}

/// The metadata of a Secret read in full.
#[must_use]
pub fn known(object: &Value) -> Option<Secret> {
    Secret::decode(&json!({"metadata": object.get("metadata")?}).to_string()).ok()
}

/// What is to be remembered of a Secret that the watch of managed ones does not show.
fn unmanaged(object: &Value) -> Option<Sighting> {
    let managed = object.pointer("/metadata/labels").and_then(|labels| {
        let value = labels.get(keyless_api::constants::label::MANAGED)?;
        value.as_str()
    });
    if managed == Some(keyless_api::constants::label::MANAGED_VALUE) {
        return None;
    }
    let text = json!({"metadata": object.get("metadata")?}).to_string();
    let decoded = Sighting::decode(keyless_api::ReferenceKind::Secret, &text);
    decoded.ok().map(|(_, sighting)| sighting)
}

async fn send(
    context: &Context,
    writer: &mut Writer<'_>,
    gathered: &Gathered,
    sync: &Sync<'_>,
    verb: Verb,
    body: &Value,
    satisfied: u64,
) -> Result<(), Write> {
    let manager = escape(&hash::field_manager(&sync.object.key.name));
    let create = verb == Verb::Post;
    let (path, effect, word) = if create {
        let path = format!(
            "/api/v1/namespaces/{}/secrets",
            escape(&sync.target.namespace)
        );
        (path, Effect::CreateSecret(sync.target.clone()), "create")
    } else {
        let effect = Effect::UpdateSecret(sync.target.clone());
        (secret_path(sync.target), effect, "update")
    };
    let path = format!("{path}?fieldManager={manager}");
    let intent = format!("{word} Secret {}", sync.target);
    let answer = writer
        .write(effect, verb, &path, body.to_string(), &intent)
        .await;
    match answer {
        Ok(answer) => {
            note_given(context, gathered, satisfied);
            let text = std::str::from_utf8(&answer).unwrap_or_default();
            if let Ok(known) = Secret::decode(text) {
                context.state().index.secret_known(known, Some(satisfied));
            }
            Ok(())
        }
        Err(error) if error.is_conflict() => Err(Write::Conflict),
        Err(error) if error.is_not_found() && !create => Err(Write::Gone),
        Err(error) => Err(Write::Refused(Refused {
            failed: Failed::new(message::COULD_NOT_UPDATE, &error),
            bound: !create,
            awaits: None,
        })),
    }
}

/// Notes what the Secret was given, and whether that was a round of a fight.
fn note_given(context: &Context, gathered: &Gathered, satisfied: u64) {
    let cause = plan::cause(&gathered.facts());
    let mut state = context.state();
    if let Some(entry) = state.index.external_secret_mut(&gathered.object.key) {
        let again = std::mem::replace(&mut entry.given, satisfied) == satisfied;
        if plan::is_fight(cause, true, false, again) {
            entry.pace = entry.pace.after_write(gathered.now);
        }
    }
}

/// Deletes a Secret of ours; one that is gone already is fine. True if it was there.
///
/// # Errors
/// The API server refused.
pub async fn delete_secret(
    context: &Context,
    writer: &mut Writer<'_>,
    key: &ObjectKey,
) -> Result<bool, Error> {
    let uid = context
        .state()
        .index
        .secret(key)
        .map(|e| e.secret.uid.clone());
    // Only the Secret that was looked at: not one made meanwhile under the same name.
    let options = json!({
        "apiVersion": "v1",
        "kind": "DeleteOptions",
        "preconditions": uid.map(|uid| json!({"uid": uid})),
    });
    let answer = writer
        .write(
            Effect::DeleteSecret(key.clone()),
            Verb::Delete,
            &secret_path(key),
            options.to_string(),
            &format!("delete Secret {key}"),
        )
        .await;
    match answer {
        Ok(_) => Ok(true),
        Err(error) if error.is_not_found() => Ok(false),
        Err(error) => Err(error),
    }
}

/// Writes the status.
///
/// # Errors
/// The API server refused.
pub async fn write_status(
    context: &Context,
    writer: &mut Writer<'_>,
    object: &ExternalSecret,
    status: &Status,
) -> Result<(), Error> {
    let path = format!(
        "/apis/external-secrets.io/v1/namespaces/{}/externalsecrets/{}/status?fieldManager=external-secrets",
        escape(&object.key.namespace),
        escape(&object.key.name)
    );
    let answer = writer
        .write(
            Effect::WriteStatus(object.key.clone()),
            Verb::MergePatch,
            &path,
            status::patch(object, status),
            &format!("write the status of ExternalSecret {}", object.key),
        )
        .await?;
    let text = std::str::from_utf8(&answer).unwrap_or_default();
    let version = crate::object::key_of(text).map_or(object.version, |(_, version)| version);
    let status = status.clone();
    context
        .state()
        .index
        .status_written(&object.key, version, |object| {
            object.ready = Some(status.ready);
            object.refresh_time = status.refresh_time;
            object.synced = status.synced;
            object.binding = status.binding;
        });
    Ok(())
}

/// Takes ESO's finalizer off an object that is being deleted.
///
/// # Errors
/// The API server refused.
pub async fn remove_finalizer(
    writer: &mut Writer<'_>,
    object: &ExternalSecret,
) -> Result<(), Error> {
    let path = format!(
        "/apis/external-secrets.io/v1/namespaces/{}/externalsecrets/{}?fieldManager=external-secrets",
        escape(&object.key.namespace),
        escape(&object.key.name)
    );
    let rest: Vec<&str> = object
        .finalizers
        .iter()
        .map(|f| &**f)
        .filter(|f| *f != finalizer::EXTERNAL_SECRET)
        .collect();
    // The precondition: finalizers that others added since must not be lost.
    let patch = json!({"metadata": {
        "finalizers": rest,
        "resourceVersion": object.version.to_string(),
    }});
    let answer = writer
        .write(
            Effect::RemoveFinalizer(object.key.clone()),
            Verb::MergePatch,
            &path,
            patch.to_string(),
            &format!("release ExternalSecret {}", object.key),
        )
        .await;
    match answer {
        Err(error) if !error.is_not_found() => Err(error),
        _ => Ok(()),
    }
}

/// Tells an event about an ExternalSecret.
pub fn tell(
    context: &Context,
    object: &ExternalSecret,
    severity: Severity,
    reason: &'static str,
    note: impl Into<String>,
) {
    context.events.tell(Event {
        about: About {
            kind: "ExternalSecret",
            key: object.key.clone(),
            uid: object.uid.clone(),
            version: object.version,
            source: keyless_api::constants::event_source::EXTERNAL_SECRET,
        },
        severity,
        reason,
        note: note.into(),
    });
}

/// Tells what became of the target, if anything did. `resource` is kind and name of a target that
/// is no Secret.
pub fn tell_applied(
    context: &Context,
    object: &ExternalSecret,
    resource: Option<(&str, &str)>,
    applied: &Applied,
) {
    let (reason, verb) = match applied {
        Applied::Created => (event::CREATED, "created"),
        Applied::Updated => (event::UPDATED, "updated"),
        Applied::Unchanged | Applied::Missing => return,
    };
    let note = match resource {
        None => format!("secret {verb}"),
        Some((kind, name)) => format!("{reason} {kind} {name}"),
    };
    tell(context, object, Severity::Normal, reason, note);
}

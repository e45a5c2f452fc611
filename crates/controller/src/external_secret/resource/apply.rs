//! The reads and writes of a target that is no Secret.

use keyless_api::constants::{event, message};
use keyless_api::{CreationPolicy, ExternalSecretSpec};
use keyless_kubernetes::request::{Verb, escape};
use keyless_secret::manifest::{self, ManifestContent, ManifestError};
use keyless_secret::{hash, wanted};
use serde_json::{Value, json};

use super::Place;
use super::mask::mask;
use crate::Error;
use crate::context::{Context, Writer};
use crate::effects::Effect;
use crate::events::Severity;
use crate::external_secret::apply::{self, Applied};
use crate::external_secret::facts::Gathered;
use crate::external_secret::problem::Failed;
use crate::kinds::KindProblem;
use crate::object::{ExternalSecret, Resource};
use crate::schedule::phase::seed;

/// How often a write begins anew because someone else was faster.
const ATTEMPTS: usize = 4;

/// Reads the object; `None` if it does not exist.
///
/// # Errors
/// Everything but 404.
async fn read(context: &Context, place: Place<'_>) -> Result<Option<Value>, Error> {
    let intent = format!("read {} {}", place.kind.kind(), place.key);
    match context
        .requests
        .get(&place.served.item(place.key), &intent)
        .await
    {
        Ok(body) => serde_json::from_slice(&body)
            .map(Some)
            .map_err(|_| Error::Answer {
                intent,
                // The cause may quote the body.
                reason: "it is no JSON object".into(),
            }),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

/// Makes the object as wanted, with at most one write.
///
/// # Errors
/// The write was refused, or may not be made.
pub async fn write(
    context: &Context,
    writer: &mut Writer<'_>,
    gathered: &Gathered,
    place: Place<'_>,
    content: &ManifestContent,
) -> Result<Applied, Failed> {
    let (object, spec) = (&*gathered.object, &gathered.spec);
    let satisfied = satisfaction(object, spec, place, content);
    let mut exists = {
        let state = context.state();
        let entry = state.index.resource(place.kind, place.key);
        let same = |entry: &crate::index::ResourceEntry| {
            let approved = satisfied.map(|wanted| (entry.resource.shape, wanted));
            entry.verified && !entry.suspect && approved.is_some() && entry.approved == approved
        };
        if entry.is_some_and(same) {
            return Ok(Applied::Unchanged);
        }
        entry.is_some()
    };
    // An object without our label is unknown to the index; policies that must find one look.
    let looks = !matches!(
        spec.creation_policy(),
        CreationPolicy::Owner | CreationPolicy::Orphan
    );
    let mut existing = None;
    for _ in 0..ATTEMPTS {
        if exists || looks {
            existing = read(context, place).await.map_err(|error| {
                refused(
                    message::COULD_NOT_GET_RESOURCE,
                    place,
                    "get",
                    error,
                    &Value::Null,
                )
            })?;
        }
        if existing.is_none() && spec.creation_policy() == CreationPolicy::Merge {
            return Ok(Applied::Missing);
        }
        let body = wanted_object(object, spec, place, content, existing.as_ref())
            .map_err(|error| not_built(&error))?;
        if existing.as_ref() == Some(&body) {
            know(context, place, &body, satisfied);
            return Ok(Applied::Unchanged);
        }
        let create = existing.is_none();
        match send(writer, object, place, create, &body).await {
            Ok(answer) => {
                know(context, place, &answer, satisfied);
                let version = |object: &Value| object.pointer("/metadata/resourceVersion").cloned();
                // Defaults that the server adds each time are no change.
                let same = existing
                    .as_ref()
                    .is_some_and(|old| version(old) == version(&answer));
                return Ok(match (create, same) {
                    (true, _) => Applied::Created,
                    (false, true) => Applied::Unchanged,
                    (false, false) => Applied::Updated,
                });
            }
            // It exists after all, or changed since it was read: look and decide anew.
            Err(error) if error.is_conflict() => exists = true,
            Err(error) if error.is_not_found() && !create => {
                exists = false;
                existing = None;
            }
            Err(error) => {
                let verb = if create { "create" } else { "update" };
                return Err(refused(
                    message::COULD_NOT_UPDATE,
                    place,
                    verb,
                    error,
                    &body,
                ));
            }
        }
    }
    let error = Error::Api {
        intent: format!("update {} {}", place.kind.kind(), place.key),
        status: 409,
        reason: "Conflict".into(),
        message: "it keeps being changed by someone else".into(),
        retry_after: None,
    };
    Err(Failed::new(message::COULD_NOT_UPDATE, &error))
}

fn wanted_object(
    object: &ExternalSecret,
    spec: &ExternalSecretSpec,
    place: Place<'_>,
    content: &ManifestContent,
    existing: Option<&Value>,
) -> Result<Value, ManifestError> {
    let writer = wanted::Writer {
        namespace: object.key.namespace.to_string(),
        name: object.key.name.to_string(),
        uid: object.uid.to_string(),
    };
    let name = &place.key.name;
    manifest::wanted(&writer, spec, place.kind, name, content, existing)
}

/// A hash of everything wanted: an object that was found to satisfy it needs no further look.
/// None if the content only fits into an object that exists.
fn satisfaction(
    object: &ExternalSecret,
    spec: &ExternalSecretSpec,
    place: Place<'_>,
    content: &ManifestContent,
) -> Option<u64> {
    let fresh = wanted_object(object, spec, place, content, None).ok()?;
    Some(seed(&format!("{:?}|{fresh}", spec.creation_policy())))
}

fn not_built(error: &ManifestError) -> Failed {
    let failed = Failed::new(message::COULD_NOT_APPLY_TEMPLATE, error);
    match error {
        ManifestError::Ownership(_) => failed.without_retry(),
        _ => failed,
    }
}

/// A refused request, without the values that the API server may have quoted.
fn refused(
    sentence: &'static str,
    place: Place<'_>,
    verb: &str,
    error: Error,
    body: &Value,
) -> Failed {
    if let Some(problem) = KindProblem::denied(place.kind, place.served, verb, &error) {
        return Failed::new(sentence, &problem);
    }
    let error = match error {
        Error::Api {
            intent,
            status,
            reason,
            message,
            retry_after,
        } => Error::Api {
            message: mask(&message, body),
            intent,
            status,
            reason,
            retry_after,
        },
        other => other,
    };
    Failed::new(sentence, &error)
}

async fn send(
    writer: &mut Writer<'_>,
    object: &ExternalSecret,
    place: Place<'_>,
    create: bool,
    body: &Value,
) -> Result<Value, Error> {
    let manager = escape(&hash::field_manager(&object.key.name));
    let (path, effect, verb, word) = if create {
        let path = place.served.collection(&place.key.namespace);
        let effect = Effect::CreateResource(place.key.clone());
        (path, effect, Verb::Post, "create")
    } else {
        let effect = Effect::UpdateResource(place.key.clone());
        (place.served.item(place.key), effect, Verb::Put, "update")
    };
    let path = format!("{path}?fieldManager={manager}");
    let intent = format!("{word} {} {}", place.kind.kind(), place.key);
    let answer = writer
        .write(effect, verb, &path, body.to_string(), &intent)
        .await?;
    serde_json::from_slice(&answer).map_err(|_| Error::Answer {
        intent,
        reason: "it is no JSON object".into(),
    })
}

/// Notes an object that is as wanted, so that its echo on the watch is not news.
fn know(context: &Context, place: Place<'_>, object: &Value, satisfied: Option<u64>) {
    let Some(resource) = metadata(object) else {
        return;
    };
    let stored = manifest::content_hash(place.kind, object).map(Into::into);
    context
        .state()
        .index
        .resource_known(place.kind, resource, stored, satisfied);
}

fn metadata(object: &Value) -> Option<Resource> {
    Resource::decode(&json!({"metadata": object.get("metadata")?}).to_string()).ok()
}

/// Reads an object that someone else wrote and notes whether its content is still ours: whether it
/// has the hash of its annotation, or is what the API server made of what we wrote. Returns
/// whether it exists, and whether it is in order.
///
/// # Errors
/// It cannot be read.
pub async fn verify(context: &Context, place: Place<'_>) -> Result<(bool, bool), Error> {
    let Some(object) = read(context, place).await? else {
        return Ok((false, false));
    };
    let hash = manifest::content_hash(place.kind, &object);
    let (stored, approved) = {
        let state = context.state();
        let entry = state.index.resource(place.kind, place.key);
        entry.map_or((None, None), |e| (e.stored.clone(), e.approved))
    };
    let Some(resource) = metadata(&object) else {
        return Ok((true, false));
    };
    let kept = stored.is_some() && stored.as_deref() == hash.as_deref();
    let valid = manifest::is_valid(place.kind, &object)
        || (kept && resource.data_hash.is_some() && manifest::is_managed(&object));
    if valid {
        // The metadata may differ from what was approved; the next refresh looks.
        let satisfied = approved
            .filter(|(shape, _)| *shape == resource.shape)
            .map(|(_, wanted)| wanted);
        know(context, place, &object, satisfied);
    }
    Ok((true, valid))
}

/// Deletes an object of ours; one that is gone already is fine. True if it was there.
///
/// # Errors
/// The API server refused.
pub async fn delete(
    context: &Context,
    writer: &mut Writer<'_>,
    place: Place<'_>,
) -> Result<bool, Error> {
    let uid = {
        let state = context.state();
        let entry = state.index.resource(place.kind, place.key);
        entry.map(|entry| entry.resource.uid.clone())
    };
    // Only the object that was looked at: not one made meanwhile under the same name.
    let options = json!({
        "apiVersion": "v1",
        "kind": "DeleteOptions",
        "preconditions": uid.map(|uid| json!({"uid": uid})),
    });
    let answer = writer
        .write(
            Effect::DeleteResource(place.key.clone()),
            Verb::Delete,
            &place.served.item(place.key),
            options.to_string(),
            &format!("delete {} {}", place.kind.kind(), place.key),
        )
        .await;
    match answer {
        Ok(_) => Ok(true),
        Err(error) if error.is_not_found() => Ok(false),
        Err(error) => Err(error),
    }
}

/// Why a deletion failed.
#[must_use]
pub fn not_deleted(place: Place<'_>, error: Error) -> Failed {
    let sentence = message::COULD_NOT_DELETE_RESOURCE;
    refused(sentence, place, "delete", error, &Value::Null)
}

/// Deletes the objects of earlier target names.
///
/// # Errors
/// The API server refused.
pub async fn delete_orphans(
    context: &Context,
    writer: &mut Writer<'_>,
    gathered: &Gathered,
    place: Place<'_>,
) -> Result<(), Failed> {
    let key = &gathered.object.key;
    let creator = hash::created_by(&key.namespace, &key.name);
    let orphans = context
        .state()
        .index
        .orphaned_resources(place.kind, &creator, &key.name, place.key);
    for orphan in &orphans {
        let place = Place {
            key: orphan,
            ..place
        };
        match delete(context, writer, place).await {
            Ok(true) => tell_deleted(context, gathered, place),
            Ok(false) => {}
            Err(error) => return Err(not_deleted(place, error)),
        }
    }
    Ok(())
}

/// Tells that the object was deleted.
pub fn tell_deleted(context: &Context, gathered: &Gathered, place: Place<'_>) {
    apply::tell(
        context,
        &gathered.object,
        Severity::Normal,
        event::DELETED,
        format!("Deleted {} {}", place.kind.kind(), place.key.name),
    );
}

//! The writes of a ClusterExternalSecret.
//!
//! Each is one request, waits for its turn among the writers and is announced to the effects'
//! observer. What the API server answers goes into the index where the object is known there; a
//! created one is first known by its event, so that one that was deleted meanwhile is not
//! remembered for ever.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use keyless_fault::{Class, Fault};
use keyless_kubernetes::request::{Verb, escape};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::facts::Gathered;
use super::plan::{Step, Write};
use super::status;
use crate::Error;
use crate::context::{Context, Writer};
use crate::effects::Effect;
use crate::index::{Standing, Wakes};
use crate::object::{
    ClusterExternalSecret, ClusterStatus, ExternalSecret, Namespace, ObjectKey, Template,
};
use crate::schedule::Lane;

/// Namespaces of one object that are written to at once: a large one must not take all turns.
const PARALLEL: usize = 8;

/// What became of one namespace.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The namespace.
    pub namespace: Arc<str>,
    /// How it stands now; `None` is as before.
    pub standing: Option<Standing>,
    /// A failed request: it must be asked again.
    pub failure: Option<(Class, Option<Duration>, String)>,
    /// The form that was sent, and the form that the API server stored.
    pub admitted: Option<(u64, u64)>,
}

/// Does all steps, in their order but several at once.
pub async fn all(
    context: &Context,
    lane: Lane,
    gathered: &Gathered,
    steps: Vec<Step>,
) -> Vec<Outcome> {
    let steps = steps.into_iter().map(|step| async move {
        let mut outcome = Outcome {
            namespace: Arc::clone(&step.namespace),
            standing: step.standing.clone(),
            failure: None,
            admitted: None,
        };
        if step.is_idle() {
            return outcome;
        }
        match one(context, lane, gathered, &step).await {
            Ok(admitted) => outcome.admitted = admitted,
            Err(error) => {
                outcome.standing = standing(&error);
                outcome.failure = Some((error.class(), error.retry_after(), error.to_string()));
            }
        }
        outcome
    });
    futures::stream::iter(steps)
        .buffered(PARALLEL)
        .collect()
        .await
}

/// What a failed request says about the namespace. When the world changed under our hands, the
/// event that tells so is under way, and nothing has failed.
fn standing(error: &Error) -> Option<Standing> {
    let ending = matches!(error, Error::Api { status: 403, message, .. } if message.contains("being terminated"));
    if ending || error.is_conflict() || error.is_not_found() {
        return None;
    }
    Some(Standing::Failed(keyless_fault::explain(error)))
}

async fn one(
    context: &Context,
    lane: Lane,
    gathered: &Gathered,
    step: &Step,
) -> Result<Option<(u64, u64)>, Error> {
    let writer = &mut Writer::new(context, lane);
    for object in &step.delete {
        delete(writer, object).await?;
    }
    let asks = gathered.object.as_deref();
    let template = asks.and_then(|o| o.template.as_ref().ok());
    let admitted = match (&step.write, asks, template) {
        (Write::Create, Some(asks), Some(template)) => {
            let stored = create(writer, asks, template, &step.namespace).await?;
            Some((template.form, stored))
        }
        (Write::Update(object), Some(asks), Some(template)) => {
            let stored = update(context, writer, asks, template, object).await?;
            Some((template.form, stored))
        }
        _ => None,
    };
    if let Some(position) = step.release {
        let cluster = &gathered.key.name;
        release_namespace(context, writer, &step.namespace, position, cluster).await?;
    }
    Ok(admitted)
}

fn collection(namespace: &str) -> String {
    format!(
        "/apis/external-secrets.io/v1/namespaces/{}/externalsecrets",
        escape(namespace)
    )
}

fn path(key: &ObjectKey) -> String {
    format!("{}/{}", collection(&key.namespace), escape(&key.name))
}

fn owner(object: &ClusterExternalSecret) -> Value {
    json!({
        "apiVersion": keyless_api::constants::API_VERSION,
        "kind": "ClusterExternalSecret",
        "name": &*object.key.name,
        "uid": object.uid,
        "controller": true,
        "blockOwnerDeletion": true,
    })
}

/// The spec as it was stored: what this operator does not know is handed on.
fn spec(template: &Template) -> Option<&RawValue> {
    serde_json::from_str(&template.spec).ok()
}

/// Creates the ExternalSecret; returns the form that was stored.
async fn create(
    writer: &mut Writer<'_>,
    asks: &ClusterExternalSecret,
    template: &Template,
    namespace: &Arc<str>,
) -> Result<u64, Error> {
    let key = ObjectKey {
        namespace: Arc::clone(namespace),
        name: (*template.name).into(),
    };
    let body = json!({
        "apiVersion": keyless_api::constants::API_VERSION,
        "kind": "ExternalSecret",
        "metadata": {
            "name": &*key.name,
            "namespace": &*key.namespace,
            "labels": template.labels,
            "annotations": template.annotations,
            "ownerReferences": [owner(asks)],
        },
        "spec": spec(template),
    });
    let intent = format!("create ExternalSecret {key}");
    let answer = writer
        .exchange(
            Effect::CreateExternalSecret(key),
            Verb::Post,
            &format!("{}?fieldManager=external-secrets", collection(namespace)),
            body.to_string(),
            &intent,
        )
        .await?;
    form(&read(&answer, &intent)?, &intent)
}

/// Makes the ExternalSecret as wanted; returns the form that was stored. The patch names whole
/// fields, so that nothing of theirs is left, and no resourceVersion: a status written meanwhile
/// is no reason to do it again.
async fn update(
    context: &Context,
    writer: &mut Writer<'_>,
    asks: &ClusterExternalSecret,
    template: &Template,
    object: &ExternalSecret,
) -> Result<u64, Error> {
    let replace = |path: &str, value: Value| json!({"op": "add", "path": path, "value": value});
    let test = |path: &str, value: Value| json!({"op": "test", "path": path, "value": value});
    let mut operations = vec![
        test("/metadata/uid", json!(object.uid)),
        replace("/metadata/labels", json!(template.labels)),
        replace("/metadata/annotations", json!(template.annotations)),
        replace("/spec", json!(spec(template))),
    ];
    if let Some(controller) = &object.controller
        && controller.uid != asks.uid
    {
        let at = format!("/metadata/ownerReferences/{}", controller.position);
        operations.push(test(&format!("{at}/name"), json!(&*asks.key.name)));
        operations.push(json!({"op": "replace", "path": at, "value": owner(asks)}));
    }
    let intent = format!("change ExternalSecret {}", object.key);
    let answer = writer
        .exchange(
            Effect::UpdateExternalSecret(object.key.clone()),
            Verb::JsonPatch,
            &format!("{}?fieldManager=external-secrets", path(&object.key)),
            Value::Array(operations).to_string(),
            &intent,
        )
        .await?;
    let stored = read(&answer, &intent)?;
    let form = form(&stored, &intent)?;
    context.change(|index| {
        if index.external_secret(&stored.key).is_some() {
            index.upsert_external_secret(stored, false)
        } else {
            Wakes::new()
        }
    });
    Ok(form)
}

fn read(answer: &[u8], intent: &str) -> Result<ExternalSecret, Error> {
    let text = std::str::from_utf8(answer).unwrap_or_default();
    ExternalSecret::decode(text).map_err(|reason| Error::Answer {
        intent: intent.to_owned(),
        reason,
    })
}

fn form(stored: &ExternalSecret, intent: &str) -> Result<u64, Error> {
    let form = stored.controller.as_ref().map(|c| c.form);
    form.ok_or_else(|| Error::Answer {
        intent: intent.to_owned(),
        reason: "the owner reference was dropped".into(),
    })
}

/// Deletes an ExternalSecret that was made here; one that is gone already is fine.
async fn delete(writer: &mut Writer<'_>, object: &ExternalSecret) -> Result<(), Error> {
    // Only the one that was looked at: not one made meanwhile under the same name.
    let options = json!({
        "apiVersion": "v1",
        "kind": "DeleteOptions",
        "preconditions": {"uid": object.uid},
    });
    let answer = writer
        .write(
            Effect::DeleteExternalSecret(object.key.clone()),
            Verb::Delete,
            &path(&object.key),
            options.to_string(),
            &format!("delete ExternalSecret {}", object.key),
        )
        .await;
    match answer {
        Err(error) if !error.is_not_found() => Err(error),
        _ => Ok(()),
    }
}

/// The patch that takes one finalizer off, if it still stands where it was seen.
fn without_finalizer(position: usize, finalizer: &str) -> String {
    let path = format!("/metadata/finalizers/{position}");
    json!([
        {"op": "test", "path": path, "value": finalizer},
        {"op": "remove", "path": path},
    ])
    .to_string()
}

async fn release_namespace(
    context: &Context,
    writer: &mut Writer<'_>,
    namespace: &Arc<str>,
    position: usize,
    cluster: &str,
) -> Result<(), Error> {
    let prefix = keyless_api::constants::finalizer::NAMESPACE_PREFIX;
    let answer = writer
        .write(
            Effect::ReleaseNamespace(ObjectKey::new("", namespace)),
            Verb::JsonPatch,
            &format!(
                "/api/v1/namespaces/{}?fieldManager=external-secrets",
                escape(namespace)
            ),
            without_finalizer(position, &format!("{prefix}{cluster}")),
            &format!("release Namespace {namespace}"),
        )
        .await;
    let answer = match answer {
        Err(error) if error.is_not_found() => return Ok(()),
        answer => answer?,
    };
    // A second finalizer stands elsewhere now.
    let text = std::str::from_utf8(&answer).unwrap_or_default();
    if let Ok(known) = Namespace::decode(text) {
        context.change(|index| {
            if index.namespace(&known.name).is_some() {
                index.upsert_namespace(known)
            } else {
                Wakes::new()
            }
        });
    }
    Ok(())
}

fn cluster_path(key: &ObjectKey) -> String {
    format!(
        "/apis/external-secrets.io/v1/clusterexternalsecrets/{}",
        escape(&key.name)
    )
}

/// Takes ESO's finalizer off an object that is being deleted.
///
/// # Errors
/// The API server refused.
pub async fn release_cluster(
    context: &Context,
    lane: Lane,
    object: &ClusterExternalSecret,
    position: usize,
) -> Result<(), Error> {
    let finalizer = keyless_api::constants::finalizer::CLUSTER_EXTERNAL_SECRET;
    let answer = Writer::new(context, lane)
        .write(
            Effect::ReleaseCluster(object.key.clone()),
            Verb::JsonPatch,
            &format!(
                "{}?fieldManager=external-secrets",
                cluster_path(&object.key)
            ),
            without_finalizer(position, finalizer),
            &format!("release ClusterExternalSecret {}", object.key),
        )
        .await;
    match answer {
        Err(error) if !error.is_not_found() => Err(error),
        _ => Ok(()),
    }
}

/// Writes the status.
///
/// # Errors
/// The API server refused.
pub async fn write_status(
    context: &Context,
    lane: Lane,
    object: &ClusterExternalSecret,
    wanted: ClusterStatus,
) -> Result<(), Error> {
    let key = &object.key;
    let answer = Writer::new(context, lane)
        .write(
            Effect::WriteClusterStatus(key.clone()),
            Verb::MergePatch,
            &format!("{}/status?fieldManager=external-secrets", cluster_path(key)),
            status::patch(object, &wanted),
            &format!("write the status of ClusterExternalSecret {key}"),
        )
        .await?;
    let text = std::str::from_utf8(&answer).unwrap_or_default();
    let version = crate::object::key_of(text).map_or(object.version, |(_, version)| version);
    let mut state = context.state();
    state.index.cluster_status_written(key, version, wanted);
    Ok(())
}

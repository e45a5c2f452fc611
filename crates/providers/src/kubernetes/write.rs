//! Writing Secrets.
//!
//! Owns: setting and removing one key or a whole Secret, and the labels and annotations that a
//! PushSecret's metadata asks for. Refuses: writing what is there already, and overwriting what
//! changed since it was read.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use keyless_secret::SecretBytes;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::calls::{Call, Calls, is_name, read};
use crate::{Error, Push, Pushed, Remote, property as json_map};

/// How often a write is decided anew because somebody else wrote meanwhile.
const ATTEMPTS: usize = 4;

/// `spec` of a `PushSecretMetadata`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Spec {
    #[serde(default)]
    labels: BTreeMap<String, String>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
    #[serde(default)]
    target_merge_policy: MergePolicy,
    /// About the source's own labels, which whoever pushes has applied already.
    #[serde(default, rename = "sourceMergePolicy")]
    _source_merge_policy: Option<String>,
}

/// What happens to labels and annotations that are there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
enum MergePolicy {
    /// They stay, those asked for are added.
    #[default]
    Merge,
    /// They go.
    Replace,
    /// Nothing changes.
    Ignore,
}

fn spec(push: &Push) -> Result<Spec, Error> {
    let Some(metadata) = push.metadata.as_ref().filter(|value| !value.is_null()) else {
        return Ok(Spec::default());
    };
    let wrong = |reason: String| Error::Config {
        reason: format!("metadata of the push to {:?}: {reason}", push.remote.key),
        hint: Some("Write a PushSecretMetadata of kubernetes.external-secrets.io/v1alpha1".into()),
    };
    let spec = metadata.get("spec").cloned().unwrap_or_else(|| json!({}));
    serde_json::from_value(spec).map_err(|error| wrong(error.to_string()))
}

/// Sets a key, or the whole data.
pub(super) async fn push(calls: &Calls, push: &Push) -> Result<Pushed, Error> {
    let spec = spec(push)?;
    let values = match &push.remote.property {
        Some(key) => BTreeMap::from([(key.clone(), push.value.clone())]),
        None => json_map::map(&push.value, &push.remote.key)?,
    };
    let name = &push.remote.key;
    for _ in 0..ATTEMPTS {
        let present = present(calls, name).await?;
        let created = present.is_none();
        let old = present.unwrap_or_else(|| {
            json!({
                "apiVersion": "v1", "kind": "Secret", "type": "Opaque",
                "metadata": {"name": name, "namespace": calls.namespace()},
            })
        });
        let mut new = old.clone();
        apply(&mut new, &values, push.remote.property.is_none(), &spec);
        if !created && new == old {
            return Ok(Pushed::Unchanged);
        }
        if store(calls, name, created, &new).await? {
            return Ok(if created {
                Pushed::Created
            } else {
                Pushed::Updated
            });
        }
    }
    Err(busy(calls, name))
}

/// Puts values, labels and annotations into a Secret.
fn apply(object: &mut Value, values: &BTreeMap<String, SecretBytes>, whole: bool, spec: &Spec) {
    let Some(fields) = object.as_object_mut() else {
        return;
    };
    edit(fields, "data", |data| {
        if whole {
            data.retain(|key, _| values.contains_key(key));
        }
        for (key, value) in values {
            let text = STANDARD.encode(value.expose());
            data.insert(key.clone(), Value::String(text));
        }
    });
    if spec.target_merge_policy == MergePolicy::Ignore {
        return;
    }
    let replace = spec.target_merge_policy == MergePolicy::Replace;
    edit(fields, "metadata", |metadata| {
        for (name, wanted) in [("labels", &spec.labels), ("annotations", &spec.annotations)] {
            if wanted.is_empty() && !(replace && metadata.contains_key(name)) {
                continue;
            }
            edit(metadata, name, |texts| {
                if replace {
                    texts.retain(|key, _| wanted.contains_key(key));
                }
                for (key, value) in wanted {
                    texts.insert(key.clone(), Value::String(value.clone()));
                }
            });
        }
    });
}

/// Changes the object at `key`, which is made if there is none.
fn edit(fields: &mut Map<String, Value>, key: &str, change: impl FnOnce(&mut Map<String, Value>)) {
    let mut inner = match fields.remove(key) {
        Some(Value::Object(inner)) => inner,
        _ => Map::new(),
    };
    change(&mut inner);
    fields.insert(key.to_owned(), Value::Object(inner));
}

/// Removes a key, and the Secret with its last one; or the whole Secret.
pub(super) async fn delete(calls: &Calls, remote: &Remote) -> Result<bool, Error> {
    let name = &remote.key;
    for _ in 0..ATTEMPTS {
        let Some(mut object) = present(calls, name).await? else {
            return Ok(false);
        };
        let version = object.pointer("/metadata/resourceVersion").cloned();
        if let Some(key) = &remote.property {
            let data = object.get_mut("data").and_then(Value::as_object_mut);
            let Some(data) = data.filter(|data| data.contains_key(key)) else {
                return Ok(false);
            };
            data.remove(key);
            if !data.is_empty() {
                if store(calls, name, false, &object).await? {
                    return Ok(true);
                }
                continue;
            }
        }
        if remove(calls, name, version).await? {
            return Ok(true);
        }
    }
    Err(busy(calls, name))
}

/// Whether the Secret, or the key in it, is there.
pub(super) async fn exists(calls: &Calls, remote: &Remote) -> Result<bool, Error> {
    match calls.get(&remote.key).await {
        Ok(object) => Ok(match &remote.property {
            Some(key) => object.data.contains_key(key),
            None => true,
        }),
        Err(error) if error.is_no_secret() => Ok(false),
        Err(error) => Err(error),
    }
}

async fn present(calls: &Calls, name: &str) -> Result<Option<Value>, Error> {
    let attempt = calls.attempt(format!("read Secret {}/{name}", calls.namespace()), "get");
    if !is_name(name) {
        return Err(Error::Config {
            reason: format!("{name:?} cannot be the name of a Secret"),
            hint: Some("Correct remoteRef.remoteKey".into()),
        });
    }
    let call = Call {
        name: "GetSecret",
        method: Method::GET,
        path: &calls.path(name),
        body: None,
    };
    let answer = calls.make(&attempt, &call).await?;
    match answer.status().as_u16() {
        404 => Ok(None),
        _ => read(&attempt, &answer).map(Some),
    }
}

/// Writes the Secret; false if somebody else was faster.
async fn store(calls: &Calls, name: &str, create: bool, object: &Value) -> Result<bool, Error> {
    let (verb, method, call) = if create {
        ("create", Method::POST, "CreateSecret")
    } else {
        ("update", Method::PUT, "UpdateSecret")
    };
    let attempt = calls.attempt(format!("{verb} Secret {}/{name}", calls.namespace()), verb);
    let path = calls.path(if create { "" } else { name });
    let path = format!("{path}?fieldManager=external-secrets");
    let call = Call {
        name: call,
        method,
        path: &path,
        body: Some(object),
    };
    let answer = calls.make(&attempt, &call).await?;
    Ok(answer.status().is_success())
}

async fn remove(calls: &Calls, name: &str, version: Option<Value>) -> Result<bool, Error> {
    let attempt = calls.attempt(
        format!("delete Secret {}/{name}", calls.namespace()),
        "delete",
    );
    let body = json!({
        "apiVersion": "v1", "kind": "DeleteOptions",
        "preconditions": {"resourceVersion": version},
    });
    let call = Call {
        name: "DeleteSecret",
        method: Method::DELETE,
        path: &calls.path(name),
        body: Some(&body),
    };
    let answer = calls.make(&attempt, &call).await?;
    Ok(answer.status().is_success() || answer.status() == 404)
}

fn busy(calls: &Calls, name: &str) -> Error {
    Error::Network {
        intent: format!("write Secret {}/{name}", calls.namespace()),
        reason: "it keeps being changed by someone else".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn push_with(metadata: Value) -> Push {
        Push {
            remote: Remote::default(),
            value: SecretBytes::default(),
            metadata: Some(metadata),
        }
    }

    #[test]
    fn one_key_or_all_of_them() {
        let values = BTreeMap::from([("a".to_owned(), SecretBytes::from("1"))]);
        let old = json!({"metadata": {"name": "s"}, "data": {"b": "Mg=="}, "type": "Opaque"});
        let mut new = old.clone();
        apply(&mut new, &values, false, &Spec::default());
        assert_eq!(new["data"], json!({"a": "MQ==", "b": "Mg=="}));
        let mut new = old.clone();
        apply(&mut new, &values, true, &Spec::default());
        assert_eq!(new["data"], json!({"a": "MQ=="}));
        assert_eq!(
            (&new["type"], &new["metadata"]),
            (&old["type"], &old["metadata"])
        );
    }

    #[test]
    fn labels_by_policy() {
        let old = json!({"metadata": {"labels": {"theirs": "x"}, "annotations": {"theirs": "y"}}});
        for (policy, labels, annotations) in [
            (
                "Merge",
                json!({"theirs": "x", "ours": "1"}),
                json!({"theirs": "y"}),
            ),
            ("Replace", json!({"ours": "1"}), json!({})),
            ("Ignore", json!({"theirs": "x"}), json!({"theirs": "y"})),
        ] {
            let spec = json!({"spec": {"labels": {"ours": "1"}, "targetMergePolicy": policy}});
            let mut new = old.clone();
            apply(
                &mut new,
                &BTreeMap::new(),
                false,
                &super::spec(&push_with(spec)).unwrap(),
            );
            assert_eq!(
                new["metadata"],
                json!({"labels": labels, "annotations": annotations})
            );
        }
        assert!(super::spec(&push_with(json!({"spec": {"nope": 1}}))).is_err());
        assert!(super::spec(&push_with(Value::Null)).is_ok());
    }
}

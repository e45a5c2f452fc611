//! What pods become, compared by meaning: order of entries does not matter, and absent, null and
//! empty are the same.

mod aws;
mod azure;
mod google;
mod properties;
mod recorded;

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::*;

/// A pod of one container that uses service account `buyer`.
pub fn pod() -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "cart-0"}, "spec": {
        "serviceAccountName": "buyer",
        "containers": [{"name": "app", "image": "registry.example/app:1"}],
    }})
}

/// `pod` with the members of `change` merged in; lists are replaced.
pub fn with(mut pod: Value, change: &Value) -> Value {
    merge(&mut pod, change);
    pod
}

fn merge(into: &mut Value, change: &Value) {
    match (into, change) {
        (Value::Object(into), Value::Object(change)) => {
            for (key, value) in change {
                merge(into.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (into, change) => *into = change.clone(),
    }
}

pub fn annotations(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    let pair = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
    pairs.iter().map(pair).collect()
}

pub fn subject<'a>(pod: &'a Value, account: Option<&'a BTreeMap<String, String>>) -> Subject<'a> {
    Subject {
        pod,
        namespace: "shop",
        account,
    }
}

#[track_caller]
pub fn allowed(verdict: Verdict) -> Injection {
    match verdict {
        Verdict::Allowed(injection) => injection,
        Verdict::Denied { reason } => panic!("denied: {reason}"),
    }
}

#[track_caller]
pub fn denied(verdict: Verdict) -> String {
    match verdict {
        Verdict::Allowed(injection) => panic!("allowed: {injection:?}"),
        Verdict::Denied { reason } => reason,
    }
}

/// Applies a patch as RFC 6902 says, without the code under test.
#[track_caller]
pub fn apply(pod: &Value, patch: &[Operation]) -> Value {
    let mut pod = pod.clone();
    for operation in patch {
        let (path, value, add) = match operation {
            Operation::Add { path, value } => (path, value, true),
            Operation::Replace { path, value } => (path, value, false),
        };
        let (parent, last) = path.rsplit_once('/').unwrap();
        let last = last.replace("~1", "/").replace("~0", "~");
        match pod.pointer_mut(parent).unwrap() {
            Value::Object(map) => {
                assert!(add || map.contains_key(&last), "{path} is not there");
                map.insert(last, value.clone());
            }
            Value::Array(list) if last == "-" => list.push(value.clone()),
            Value::Array(list) if add => list.insert(last.parse().unwrap(), value.clone()),
            Value::Array(list) => list[last.parse::<usize>().unwrap()] = value.clone(),
            other => panic!("{path}: {other}"),
        }
    }
    pod
}

/// The value of a variable in a container.
pub fn variable<'a>(pod: &'a Value, container: &str, name: &str) -> Option<&'a str> {
    let list = pod.pointer(container)?["env"].as_array()?;
    let entry = list.iter().find(|entry| entry["name"] == name)?;
    Some(entry["value"].as_str().unwrap_or_default())
}

/// The names of a container's mounts, in order.
pub fn mounts(pod: &Value, container: &str) -> Vec<String> {
    let list = pod
        .pointer(container)
        .and_then(|c| c["volumeMounts"].as_array());
    let name = |mount: &Value| mount["name"].as_str().unwrap().to_owned();
    list.into_iter().flatten().map(name).collect()
}

/// The projected token of a volume.
pub fn token<'a>(pod: &'a Value, volume: &str) -> &'a Value {
    let volumes = pod["spec"]["volumes"].as_array().unwrap();
    let volume = volumes.iter().find(|v| v["name"] == volume).unwrap();
    &volume["projected"]["sources"][0]["serviceAccountToken"]
}

/// What every injection must hold to: a second look changes nothing, and nothing that was there
/// is gone.
#[track_caller]
pub fn hold(pod: &Value, inject: impl Fn(&Value) -> Verdict) -> Value {
    let patched = apply(pod, &allowed(inject(pod)).patch);
    let again = allowed(inject(&patched));
    assert_eq!(again.patch, [], "a second look changes the pod");
    patched
}

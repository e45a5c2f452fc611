//! Secrets and ConfigMaps that a store names: which, and whether they are there.
//!
//! Refuses: values. Of a Secret that was looked into, names and sizes of its keys are known.

use std::collections::BTreeSet;

use keyless_api::{ReferenceKind, SecretStoreSpec};
use serde_json::Value;

use super::objects::Subject;
use super::{Findings, Verdict};

/// An object that a store names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Wanted {
    /// Whether it is a Secret; else it is a ConfigMap.
    pub secret: bool,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The keys of it that are named.
    pub keys: BTreeSet<String>,
}

impl Wanted {
    /// `Kind namespace/name`.
    #[must_use]
    pub fn full_name(&self) -> String {
        let kind = if self.secret { "Secret" } else { "ConfigMap" };
        format!("{kind} {}/{}", self.namespace, self.name)
    }
}

/// What `store` names, used from `namespace`. A SecretStore reaches its own namespace only; a
/// ClusterSecretStore the one that it names, else the one that uses it.
#[must_use]
pub fn wanted(store: &Value, namespace: &str) -> Vec<Wanted> {
    let Some(spec) = store.get("spec") else {
        return Vec::new();
    };
    let Ok(typed) = keyless_api::decode::<SecretStoreSpec>(spec) else {
        return Vec::new();
    };
    let own = store.pointer("/metadata/namespace").and_then(Value::as_str);
    let references = typed.references().into_iter().filter_map(|reference| {
        let secret = match reference.kind {
            ReferenceKind::Secret => true,
            ReferenceKind::ConfigMap => false,
            ReferenceKind::ServiceAccount => return None,
        };
        let mut keys = BTreeSet::new();
        keys_of(spec, &reference.name, &mut keys);
        let namespace = own.or(reference.namespace.as_deref()).unwrap_or(namespace);
        Some(Wanted {
            secret,
            namespace: namespace.to_owned(),
            name: reference.name,
            keys,
        })
    });
    let mut all: Vec<Wanted> = references.filter(|w| !w.namespace.is_empty()).collect();
    all.sort();
    all.dedup();
    all
}

/// The keys that selectors of `name` ask for.
fn keys_of(part: &Value, name: &str, keys: &mut BTreeSet<String>) {
    match part {
        Value::Object(map) => {
            let text = |key: &str| map.get(key).and_then(Value::as_str);
            if let Some(key) = text("key").filter(|key| !key.is_empty())
                && text("name") == Some(name)
            {
                keys.insert(key.to_owned());
            }
            map.values().for_each(|inner| keys_of(inner, name, keys));
        }
        Value::Array(list) => list.iter().for_each(|inner| keys_of(inner, name, keys)),
        _ => {}
    }
}

pub(super) fn judge(subject: &Subject<'_>, found: &mut Findings) {
    let Some(store) = subject.store else {
        return;
    };
    for wanted in wanted(store, subject.namespace()) {
        let name = wanted.full_name();
        if subject.facts.absent.contains(&name) {
            found.proven.push(
                Verdict::new("O8", name.clone(), "it does not exist")
                    .required(format!("{name}, which the store names")),
            );
            continue;
        }
        let stored = subject.facts.stored.iter().find(|s| s.name == name);
        let Some(keys) = stored.and_then(|s| s.keys.as_ref()) else {
            continue;
        };
        for key in &wanted.keys {
            let observed = match keys.get(key) {
                None if keys.is_empty() => "it has no keys".to_owned(),
                None => {
                    let all: Vec<&str> = keys.keys().map(String::as_str).collect();
                    format!("keys {}", all.join(", "))
                }
                Some(0) => format!("key {key} is empty"),
                Some(_) => continue,
            };
            found
                .proven
                .push(Verdict::new("O9", name.clone(), observed).required(format!("key {key}")));
        }
    }
}

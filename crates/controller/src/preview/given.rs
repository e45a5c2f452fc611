//! Facts that the caller gives instead of a cluster and a provider.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use keyless_api::ExternalSecretSpec;
use keyless_secret::SecretBytes;
use keyless_secret::pipeline::{Gathered, Missing};
use keyless_secret::template::{SourceKind, Sources};
use serde_json::Value;

use super::subject::Subject;
use crate::object::{ObjectKey, Store};

/// Values by their keys in the target, as templates see them.
pub type Values = BTreeMap<String, SecretBytes>;

/// What the caller gives.
#[derive(Clone, Debug, Default)]
pub struct Given {
    /// ConfigMaps and Secrets, by namespace (empty where none is named) and name.
    objects: BTreeMap<(SourceKind, String, String), Value>,
    /// A ConfigMap or a Secret that stands for every name.
    any: BTreeMap<SourceKind, Value>,
    stores: BTreeMap<ObjectKey, Value>,
}

impl Given {
    /// Takes an object from a manifest: a ConfigMap, a Secret or a store. False for others.
    pub fn add(&mut self, object: &Value, namespace: Option<&str>) -> bool {
        let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str);
        let own = text("/metadata/namespace").or(namespace);
        let own = own.unwrap_or_default().to_owned();
        let name = text("/metadata/name").unwrap_or_default().to_owned();
        let kind = match text("/kind") {
            Some("ConfigMap") => SourceKind::ConfigMap,
            Some("Secret") => SourceKind::Secret,
            Some("SecretStore") => {
                self.stores
                    .insert(ObjectKey::new(&own, &name), object.clone());
                return true;
            }
            Some("ClusterSecretStore") => {
                self.stores
                    .insert(ObjectKey::new("", &name), object.clone());
                return true;
            }
            _ => return false,
        };
        self.objects.insert((kind, own, name), object.clone());
        true
    }

    /// Takes the object that stands for each one of its kind, whatever its name.
    pub fn stand_in(&mut self, kind: SourceKind, object: Value) {
        self.any.insert(kind, object);
    }

    /// A ConfigMap or Secret: of that name, or the one that stands for all.
    fn object(&self, kind: SourceKind, namespace: &str, name: &str) -> Option<&Value> {
        let find = |namespace: &str| {
            self.objects
                .get(&(kind, namespace.to_owned(), name.to_owned()))
        };
        find(namespace)
            .or_else(|| find(""))
            .or_else(|| self.any.get(&kind))
    }

    /// The Secret of that name.
    #[must_use]
    pub fn secret(&self, key: &ObjectKey) -> Option<&Value> {
        self.object(SourceKind::Secret, &key.namespace, &key.name)
    }

    /// The objects that `template` takes texts from; those that are not given are left out.
    pub(super) fn sources(
        &self,
        namespace: &str,
        needed: &BTreeSet<(SourceKind, String)>,
    ) -> Sources {
        let mut sources = Sources::new();
        for (kind, name) in needed {
            let Some(object) = self.object(*kind, namespace, name) else {
                continue;
            };
            let data = match kind {
                SourceKind::Secret => secret_of(object).unwrap_or_default(),
                SourceKind::ConfigMap => texts(object, "data")
                    .map(|(key, text)| (key.clone(), SecretBytes::from(text)))
                    .collect(),
            };
            sources.insert((*kind, name.clone()), Some(data));
        }
        sources
    }

    pub(super) fn store(&self, key: &ObjectKey) -> Option<Result<Store, String>> {
        let mut object = self.stores.get(key)?.clone();
        if let Some(meta) = object.get_mut("metadata").and_then(Value::as_object_mut) {
            meta.insert("namespace".into(), Value::from(&*key.namespace));
        }
        Some(Store::decode(&object.to_string()))
    }
}

fn texts<'a>(object: &'a Value, map: &str) -> impl Iterator<Item = (&'a String, &'a str)> {
    let map = object.get(map).and_then(Value::as_object);
    map.into_iter()
        .flatten()
        .filter_map(|(key, value)| Some((key, value.as_str()?)))
}

/// The data of a Secret's manifest: `data` is base64, `stringData` wins over it.
///
/// # Errors
/// The key whose value is no base64.
pub fn secret_of(object: &Value) -> Result<Values, String> {
    let mut out = Values::new();
    for (key, text) in texts(object, "data") {
        // Manifests are folded by some editors; the API server ignores line breaks too.
        let text: String = text.split_ascii_whitespace().collect();
        let bytes = STANDARD.decode(text).map_err(|_| key.clone())?;
        out.insert(key.clone(), SecretBytes::new(bytes));
    }
    for (key, text) in texts(object, "stringData") {
        out.insert(key.clone(), SecretBytes::from(text));
    }
    Ok(out)
}

/// The values that reach an object with this spec, the entries for which there is none, and the
/// keys that no entry asks for.
pub(super) fn gathered(spec: &ExternalSecretSpec, values: &Values) -> (Gathered, Vec<String>) {
    let mut out = Gathered::default();
    let asked: BTreeSet<&String> = spec.data.iter().map(|entry| &entry.secret_key).collect();
    for (index, entry) in spec.data.iter().enumerate() {
        if !values.contains_key(&entry.secret_key) {
            out.missing.push(Missing {
                path: format!("spec.data[{index}]"),
                key: Some(entry.remote_ref.key.clone()),
            });
        }
    }
    // What dataFrom yields is not known beforehand, so with it everything may belong here.
    let open = !spec.data_from.is_empty() || spec.data.is_empty();
    let mut others = Vec::new();
    for (key, value) in values {
        if open || asked.contains(key) {
            out.data.insert(key.clone(), value.clone());
        } else {
            others.push(key.clone());
        }
    }
    (out, others)
}

/// The sentence about keys that no entry asks for.
pub(super) fn unasked(subject: &Subject, others: &[String]) -> Option<String> {
    (!others.is_empty()).then(|| {
        format!(
            "{}: no entry of spec.data yields {}; a sync would not see {}",
            subject.reference(),
            others.join(", "),
            if others.len() == 1 { "it" } else { "them" }
        )
    })
}

//! The objects that a plan is made from.

use std::collections::BTreeMap;

use keyless_api::constants::GROUP;
use keyless_api::{ClusterExternalSecretSpec, ExternalSecretSpec, SecretStoreSpec, decode};
use keyless_fault::ObjectRef;
use serde_json::Value;

use crate::trust::ServiceAccount;

/// Why an object cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{object}: {reason}")]
pub struct InventoryError {
    /// Kind and name.
    pub object: String,
    /// What is wrong.
    pub reason: String,
}

/// A store.
#[derive(Clone, Debug)]
pub(super) struct Store {
    pub(super) object: ObjectRef,
    pub(super) spec: SecretStoreSpec,
}

impl Store {
    /// Whether it is for every namespace.
    pub(super) fn is_cluster(&self) -> bool {
        self.object.namespace.is_none()
    }
}

/// An ExternalSecret, or one that a ClusterExternalSecret makes.
#[derive(Clone, Debug)]
pub(super) struct External {
    /// What a person has written.
    pub(super) object: ObjectRef,
    pub(super) namespace: String,
    pub(super) spec: ExternalSecretSpec,
    /// Where the spec begins in what was written.
    pub(super) root: &'static str,
}

/// Everything known of a cluster.
#[derive(Clone, Debug, Default)]
pub struct Inventory {
    pub(super) stores: Vec<Store>,
    pub(super) externals: Vec<External>,
    pub(super) clusters: Vec<(ObjectRef, ClusterExternalSecretSpec)>,
    pub(super) accounts: BTreeMap<ServiceAccount, BTreeMap<String, String>>,
    pub(super) namespaces: BTreeMap<String, BTreeMap<String, String>>,
}

impl Inventory {
    /// Adds an object; one that names no namespace is in `namespace`. Whether it is of use here.
    ///
    /// # Errors
    /// It is of use and cannot be read.
    pub fn add(&mut self, object: &Value, namespace: &str) -> Result<bool, InventoryError> {
        let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str);
        let kind = text("/kind").unwrap_or_default();
        let group = text("/apiVersion").unwrap_or_default();
        let group = group.split_once('/').map_or("", |(group, _)| group);
        let known = matches!(
            (group, kind),
            (
                GROUP,
                "SecretStore" | "ClusterSecretStore" | "ExternalSecret" | "ClusterExternalSecret"
            ) | ("", "ServiceAccount" | "Namespace")
        );
        if !known {
            return Ok(false);
        }
        let wrong = |reason: String| InventoryError {
            object: format!(
                "{kind} {}",
                text("/metadata/name").unwrap_or("without name")
            ),
            reason,
        };
        let name = text("/metadata/name").filter(|name| !name.is_empty());
        let name = name.ok_or_else(|| wrong("metadata.name is no text".into()))?;
        let namespace = text("/metadata/namespace").unwrap_or(namespace);
        let spec = object.get("spec").unwrap_or(&Value::Null);
        let place = if kind.starts_with("Cluster") {
            ""
        } else {
            namespace
        };
        let itself = ObjectRef::new(kind, place, name);
        match kind {
            "SecretStore" | "ClusterSecretStore" => self.stores.push(Store {
                object: itself,
                spec: decode(spec).map_err(|e| wrong(e.below("spec").to_string()))?,
            }),
            "ExternalSecret" => self.externals.push(External {
                object: itself,
                namespace: namespace.to_owned(),
                spec: decode(spec).map_err(|e| wrong(e.below("spec").to_string()))?,
                root: "spec",
            }),
            "ClusterExternalSecret" => {
                let spec = decode(spec).map_err(|e| wrong(e.below("spec").to_string()))?;
                self.clusters.push((itself, spec));
            }
            "ServiceAccount" => {
                let account = ServiceAccount::new(namespace, name);
                self.accounts
                    .insert(account, texts(object, "/metadata/annotations"));
            }
            _ => {
                let mut labels = texts(object, "/metadata/labels");
                // Every API server sets it; manifests do not have it.
                labels
                    .entry("kubernetes.io/metadata.name".into())
                    .or_insert_with(|| name.to_owned());
                self.namespaces.insert(name.to_owned(), labels);
            }
        }
        Ok(true)
    }

    /// Whether there is nothing to plan for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.externals.is_empty() && self.clusters.is_empty() && self.stores.is_empty()
    }

    /// An annotation that is set and not empty.
    pub(super) fn annotation(&self, account: &ServiceAccount, key: &str) -> Option<&str> {
        let annotations = self.accounts.get(account)?;
        let value = annotations.get(key).map(String::as_str);
        value.filter(|value| !value.is_empty())
    }
}

fn texts(object: &Value, pointer: &str) -> BTreeMap<String, String> {
    let map = object.pointer(pointer).and_then(Value::as_object);
    map.into_iter()
        .flatten()
        .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
        .collect()
}

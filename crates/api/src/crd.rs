//! The custom resource definitions.
//!
//! Owns: names, versions, columns and root schemas of the four kinds, their JSON and YAML.
//! Refuses: the schema of any field, which stands beside the field's type.

use serde_json::{Map, Value, json};

use crate::constants::{GROUP, VERSION, VERSION_V1BETA1, label};
use crate::schema::{Node, Schema};
use crate::{
    ClusterExternalSecretSpec, ClusterExternalSecretStatus, ExternalSecretSpec,
    ExternalSecretStatus, SecretStoreSpec, SecretStoreStatus,
};

mod yaml;

pub use yaml::to_yaml;

const READY_STATUS: &str = r#".status.conditions[?(@.type=="Ready")].status"#;
const READY_REASON: &str = r#".status.conditions[?(@.type=="Ready")].reason"#;

/// What is particular to one kind.
struct Kind {
    name: &'static str,
    plural: &'static str,
    short: &'static str,
    scope: &'static str,
    description: &'static str,
    /// Name, JSON path and type of each column of `kubectl get`.
    columns: &'static [(&'static str, &'static str, &'static str)],
    /// Fields by which a watch may be narrowed.
    selectable: &'static [&'static str],
    spec: fn() -> Node,
    status: fn() -> Node,
}

const STORE_COLUMNS: &[(&str, &str, &str)] = &[
    ("AGE", ".metadata.creationTimestamp", "date"),
    ("Status", READY_REASON, "string"),
    ("Capabilities", ".status.capabilities", "string"),
    ("Ready", READY_STATUS, "string"),
];

const KINDS: &[Kind] = &[
    Kind {
        name: "ClusterExternalSecret",
        plural: "clusterexternalsecrets",
        short: "ces",
        scope: "Cluster",
        description: "ClusterExternalSecret keeps the same ExternalSecret in many namespaces.",
        columns: &[
            (
                "Store",
                ".spec.externalSecretSpec.secretStoreRef.name",
                "string",
            ),
            ("Refresh Interval", ".spec.refreshTime", "string"),
            ("Ready", READY_STATUS, "string"),
        ],
        selectable: &[],
        spec: ClusterExternalSecretSpec::schema,
        status: ClusterExternalSecretStatus::schema,
    },
    Kind {
        name: "ClusterSecretStore",
        plural: "clustersecretstores",
        short: "css",
        scope: "Cluster",
        description: "ClusterSecretStore says where secret values live and how to log in there, \
                      for ExternalSecrets of every namespace.",
        columns: STORE_COLUMNS,
        selectable: &[],
        spec: SecretStoreSpec::schema,
        status: SecretStoreStatus::schema,
    },
    Kind {
        name: "ExternalSecret",
        plural: "externalsecrets",
        short: "es",
        scope: "Namespaced",
        description: "ExternalSecret reads values from a secret store and keeps them in a \
                      Kubernetes Secret.",
        columns: &[
            ("StoreType", ".spec.secretStoreRef.kind", "string"),
            ("Store", ".spec.secretStoreRef.name", "string"),
            ("Refresh Interval", ".spec.refreshInterval", "string"),
            ("Status", READY_REASON, "string"),
            ("Ready", READY_STATUS, "string"),
            ("Last Sync", ".status.refreshTime", "date"),
        ],
        selectable: &[
            ".spec.secretStoreRef.name",
            ".spec.secretStoreRef.kind",
            ".spec.target.name",
            ".spec.refreshInterval",
        ],
        spec: ExternalSecretSpec::schema,
        status: ExternalSecretStatus::schema,
    },
    Kind {
        name: "SecretStore",
        plural: "secretstores",
        short: "ss",
        scope: "Namespaced",
        description: "SecretStore says where secret values live and how to log in there, for \
                      ExternalSecrets of its own namespace.",
        columns: STORE_COLUMNS,
        selectable: &[],
        spec: SecretStoreSpec::schema,
        status: SecretStoreStatus::schema,
    },
];

/// The custom resource definitions of every kind of the group, in alphabetical order.
#[must_use]
pub fn crds() -> Vec<Value> {
    KINDS.iter().map(Kind::definition).collect()
}

/// The same definitions as YAML documents: the plural, which names the file, and the text.
#[must_use]
pub fn crds_yaml() -> Vec<(&'static str, String)> {
    KINDS
        .iter()
        .map(|kind| (kind.plural, format!("---\n{}", to_yaml(&kind.definition()))))
        .collect()
}

impl Kind {
    fn definition(&self) -> Value {
        json!({
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {
                "name": format!("{}.{GROUP}", self.plural),
                "labels": {label::COMPONENT: "controller"},
            },
            "spec": {
                "group": GROUP,
                "scope": self.scope,
                "names": {
                    "kind": self.name,
                    "listKind": format!("{}List", self.name),
                    "plural": self.plural,
                    "singular": self.name.to_lowercase(),
                    "shortNames": [self.short],
                    "categories": ["external-secrets"],
                },
                "versions": [self.version_v1(), self.version_v1beta1()],
            },
        })
    }

    fn version_v1(&self) -> Value {
        let mut version = self.version(VERSION, self.root().into_value());
        if let Value::Object(fields) = &mut version {
            fields.insert("storage".to_owned(), true.into());
            if !self.selectable.is_empty() {
                let selectable = self.selectable.iter().map(|path| json!({"jsonPath": path}));
                fields.insert("selectableFields".to_owned(), selectable.collect());
            }
        }
        version
    }

    /// The older version: the same shape, so that the API server converts by renaming. It has no
    /// documentation, to keep the definition small.
    fn version_v1beta1(&self) -> Value {
        let mut schema = self.root().into_value();
        older(&mut schema);
        let mut version = self.version(VERSION_V1BETA1, schema);
        if let Value::Object(fields) = &mut version {
            let warning = format!(
                "{GROUP}/{VERSION_V1BETA1} {kind} is deprecated; write apiVersion: \
                 {GROUP}/{VERSION} instead, the fields are the same",
                kind = self.name
            );
            fields.insert("deprecated".to_owned(), true.into());
            fields.insert("deprecationWarning".to_owned(), warning.into());
        }
        version
    }

    fn version(&self, name: &str, schema: Value) -> Value {
        let columns: Vec<Value> = self
            .columns
            .iter()
            .map(|(name, path, kind)| json!({"name": name, "jsonPath": path, "type": kind}))
            .collect();
        json!({
            "name": name,
            "served": true,
            "storage": false,
            "additionalPrinterColumns": columns,
            "schema": {"openAPIV3Schema": schema},
            "subresources": {"status": {}},
        })
    }

    fn root(&self) -> Node {
        Node::of("object")
            .described(&[self.description])
            .property(
                "apiVersion",
                String::schema().described(&["Group and version of this object's schema."]),
            )
            .property(
                "kind",
                String::schema().described(&["Kind of this object."]),
            )
            .property("metadata", Node::of("object"))
            .property("spec", (self.spec)())
            .property("status", (self.status)())
    }
}

/// Fields that have a default in v1beta1 and none in v1, where leaving them out means the same.
const OLDER_DEFAULTS: &[(&str, &str)] = &[
    ("conversionStrategy", "Default"),
    ("decodingStrategy", "None"),
    ("metadataPolicy", "None"),
];

/// Turns a v1 schema into the v1beta1 one.
fn older(schema: &mut Value) {
    let Value::Object(fields) = schema else {
        return;
    };
    fields.remove("description");
    for key in ["items", "additionalProperties"] {
        if let Some(inner) = fields.get_mut(key) {
            older(inner);
        }
    }
    let Some(Value::Object(properties)) = fields.get_mut("properties") else {
        return;
    };
    for (name, property) in properties.iter_mut() {
        older(property);
        set_default(property, name);
    }
}

fn set_default(property: &mut Value, name: &str) {
    let default = OLDER_DEFAULTS.iter().find(|(field, _)| *field == name);
    if let (Some((_, value)), Value::Object(fields)) = (default, property) {
        fields.insert("default".to_owned(), (*value).into());
    }
}

/// The members of an object in the order of their names, whatever order the map keeps.
fn sorted(map: &Map<String, Value>) -> Vec<(&String, &Value)> {
    let mut members: Vec<_> = map.iter().collect();
    members.sort_by_key(|(name, _)| *name);
    members
}

#[cfg(test)]
mod tests;

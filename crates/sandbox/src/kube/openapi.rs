//! OpenAPI v3 documents of the served resources: what kubectl needs to apply, create and explain.
//!
//! Owns: the index, one document per group and version, and short schemas of built-in kinds.
//! Refuses: OpenAPI v2 and the parts of a real server's documents that no client reads.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::LazyLock;

use serde_json::{Map, Value, json};

mod paths;
#[cfg(test)]
mod tests;

/// A served resource.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Resource {
    /// API group, empty for the core group.
    pub group: String,
    /// Version, e.g. `v1`.
    pub version: String,
    /// Kind, e.g. `ExternalSecret`.
    pub kind: String,
    /// Plural as in paths, e.g. `externalsecrets`.
    pub plural: String,
    /// Singular.
    pub singular: String,
    /// Whether objects live in namespaces.
    pub namespaced: bool,
    /// `get`, `list`, `create`, `update`, `patch`, `delete`, `deletecollection`, `watch`.
    pub verbs: Vec<String>,
    /// `openAPIV3Schema` of a custom resource; absent for built-in kinds.
    pub schema: Option<Value>,
    /// Subresources, e.g. `status`.
    pub subresources: Vec<String>,
}

/// Short schemas of built-in kinds and of the types they share.
static BUILTINS: LazyLock<Map<String, Value>> = LazyLock::new(|| {
    serde_json::from_str(include_str!("openapi/builtins.json")).unwrap_or_default()
});

const META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1";

/// The `/openapi/v3` index: where the document of every group and version is.
#[must_use]
pub fn index(resources: &[Resource]) -> Value {
    let mut paths = BTreeMap::new();
    for resource in resources {
        let prefix = prefix(&resource.group, &resource.version);
        let key = prefix.trim_start_matches('/').to_owned();
        if paths.contains_key(&key) {
            continue;
        }
        let document = document(resources, &resource.group, &resource.version).unwrap_or_default();
        let mut hasher = DefaultHasher::new();
        document.to_string().hash(&mut hasher);
        let url = format!("/openapi/v3{prefix}?hash={:016X}", hasher.finish());
        paths.insert(key, json!({"serverRelativeURL": url}));
    }
    json!({"paths": paths})
}

/// The document of one group and version; `None` when nothing of it is served.
#[must_use]
pub fn document(resources: &[Resource], group: &str, version: &str) -> Option<Value> {
    let served: Vec<&Resource> = resources
        .iter()
        .filter(|resource| resource.group == group && resource.version == version)
        .collect();
    if served.is_empty() {
        return None;
    }
    let mut schemas = Schemas::default();
    let mut all_paths = Map::new();
    for name in ["ListMeta", "DeleteOptions", "Patch", "Status"] {
        schemas.shared(&format!("{META}.{name}"));
    }
    for resource in served {
        let name = schemas.resource(resource);
        paths::add(&mut all_paths, resource, &name, &prefix(group, version));
    }
    Some(json!({
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": "v1"},
        "paths": all_paths,
        "components": {"schemas": schemas.named},
    }))
}

fn prefix(group: &str, version: &str) -> String {
    if group.is_empty() {
        format!("/api/{version}")
    } else {
        format!("/apis/{group}/{version}")
    }
}

fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

/// The name of a kind's schema, as a real server names it.
fn schema_name(resource: &Resource) -> String {
    let Resource {
        group,
        version,
        kind,
        ..
    } = resource;
    if resource.schema.is_none() {
        let package = match group.as_str() {
            "" => "core",
            "apiextensions.k8s.io" => {
                return format!(
                    "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.{version}.{kind}"
                );
            }
            other => other.split('.').next().unwrap_or_default(),
        };
        return format!("io.k8s.api.{package}.{version}.{kind}");
    }
    let reversed: Vec<&str> = group.split('.').rev().collect();
    format!("{}.{version}.{kind}", reversed.join("."))
}

#[derive(Default)]
struct Schemas {
    named: Map<String, Value>,
}

impl Schemas {
    /// Takes over a built-in schema with everything it refers to.
    fn shared(&mut self, name: &str) {
        if self.named.contains_key(name) {
            return;
        }
        let schema = BUILTINS.get(name).cloned().unwrap_or_else(unknown);
        self.named.insert(name.to_owned(), schema.clone());
        self.referred(&schema);
    }

    fn referred(&mut self, schema: &Value) {
        match schema {
            Value::Object(map) => {
                for (key, value) in map {
                    match (
                        key.as_str(),
                        value
                            .as_str()
                            .and_then(|text| text.strip_prefix("#/components/schemas/")),
                    ) {
                        ("$ref", Some(name)) => self.shared(name),
                        _ => self.referred(value),
                    }
                }
            }
            Value::Array(items) => items.iter().for_each(|item| self.referred(item)),
            _ => {}
        }
    }

    /// Adds the schemas of a resource and of its list; returns the name of the first.
    fn resource(&mut self, resource: &Resource) -> String {
        let name = schema_name(resource);
        let mut schema = match &resource.schema {
            Some(schema) => published(schema),
            None => BUILTINS.get(&name).cloned().unwrap_or_else(unknown),
        };
        let kind =
            json!([{"group": resource.group, "version": resource.version, "kind": resource.kind}]);
        if let Value::Object(map) = &mut schema {
            map.insert("x-kubernetes-group-version-kind".to_owned(), kind);
            let properties = map.entry("properties").or_insert_with(|| json!({}));
            if let Value::Object(properties) = properties {
                type_meta(properties, &format!("{META}.ObjectMeta"));
            }
        }
        self.referred(&schema);
        self.named.insert(name.clone(), schema);
        let mut list = json!({
            "description": format!("A list of {}.", resource.kind),
            "type": "object",
            "required": ["items"],
            "properties": {"items": {"description": "The objects.", "type": "array", "items": reference(&name)}},
            "x-kubernetes-group-version-kind": [{
                "group": resource.group, "version": resource.version, "kind": format!("{}List", resource.kind),
            }],
        });
        if let Some(Value::Object(properties)) = list.get_mut("properties") {
            type_meta(properties, &format!("{META}.ListMeta"));
        }
        self.named.insert(format!("{name}List"), list);
        name
    }
}

/// A schema for a kind that nobody has described.
fn unknown() -> Value {
    json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true})
}

fn type_meta(properties: &mut Map<String, Value>, metadata: &str) {
    properties.insert(
        "apiVersion".to_owned(),
        json!({"type": "string", "description": "Group and version of the kind, e.g. `apps/v1`."}),
    );
    properties.insert(
        "kind".to_owned(),
        json!({"type": "string", "description": "Kind of the object."}),
    );
    properties.insert(
        "metadata".to_owned(),
        json!({"description": "What every object has: name, labels, owners.", "allOf": [reference(metadata)]}),
    );
}

/// A custom resource's schema as clients see it: rules and value alternatives, which some
/// readers of OpenAPI cannot follow, are left out.
fn published(schema: &Value) -> Value {
    let Value::Object(map) = schema else {
        return unknown();
    };
    let mut out = Map::new();
    for (key, value) in map {
        let published = match (key.as_str(), value) {
            ("x-kubernetes-validations" | "oneOf" | "anyOf" | "allOf" | "not", _) => continue,
            ("properties", Value::Object(properties)) => properties
                .iter()
                .map(|(name, property)| (name.clone(), published(property)))
                .collect::<Map<_, _>>()
                .into(),
            ("items" | "additionalProperties", Value::Object(_)) => published(value),
            _ => value.clone(),
        };
        out.insert(key.clone(), published);
    }
    Value::Object(out)
}

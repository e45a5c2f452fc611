//! What a CustomResourceDefinition adds: one resource for each served version.

use std::sync::Arc;

use serde_json::Value;

use super::{ALL_VERBS, Resource, group_version};
use crate::kube::object::{items, strings, text};
use crate::kube::schema::Schema;
use crate::kube::store::Bucket;
use crate::kube::table::Table;

/// The part of a version that only custom resources have.
#[derive(Debug)]
pub struct Custom {
    /// Structural schema, when there is one.
    pub schema: Option<Schema>,
    /// The schema as written, for OpenAPI.
    pub raw: Value,
    /// JSONPaths that field selectors may name.
    pub selectable: Vec<String>,
    /// Warning to give on every use, when the version is deprecated.
    pub deprecated: Option<String>,
}

/// The resources that `crd` serves; a schema that cannot be read makes its version unserved.
pub fn resources(crd: &Value) -> Vec<Resource> {
    let Some(spec) = crd.get("spec") else {
        return Vec::new();
    };
    let (group, names) = (
        text(spec, "group"),
        spec.get("names").unwrap_or(&Value::Null),
    );
    let kind = text(names, "kind");
    let storage = items(spec, "versions")
        .find(|v| flag(v, "storage"))
        .map_or("v1", |v| text(v, "name"));
    let or = |value: &str, default: String| {
        if value.is_empty() {
            default
        } else {
            value.to_owned()
        }
    };
    items(spec, "versions")
        .filter(|v| flag(v, "served"))
        .map(|v| {
            let version = text(v, "name");
            let status = v
                .pointer("/subresources/status")
                .is_some_and(|s| !s.is_null());
            Resource {
                group: group.into(),
                version: version.into(),
                plural: text(names, "plural").into(),
                singular: or(text(names, "singular"), kind.to_lowercase()),
                kind: kind.to_owned(),
                list_kind: or(text(names, "listKind"), format!("{kind}List")),
                namespaced: text(spec, "scope") == "Namespaced",
                short_names: strings(names.get("shortNames"))
                    .map(str::to_owned)
                    .collect(),
                categories: strings(names.get("categories"))
                    .map(str::to_owned)
                    .collect(),
                verbs: ALL_VERBS,
                status,
                generation: true,
                bucket: Bucket::new(group, text(names, "plural")),
                stored_as: group_version(group, storage).into(),
                table: Arc::new(Table::custom(v.get("additionalPrinterColumns"))),
                custom: Some(Arc::new(custom(v, group, kind))),
            }
        })
        .collect()
}

fn flag(version: &Value, field: &str) -> bool {
    version.get(field).and_then(Value::as_bool).unwrap_or(false)
}

fn custom(version: &Value, group: &str, kind: &str) -> Custom {
    let raw = version
        .pointer("/schema/openAPIV3Schema")
        .cloned()
        .unwrap_or(Value::Null);
    let deprecated = flag(version, "deprecated").then(|| {
        let said = text(version, "deprecationWarning");
        let usual = || format!("{group}/{} {kind} is deprecated", text(version, "name"));
        if said.is_empty() {
            usual()
        } else {
            said.to_owned()
        }
    });
    Custom {
        schema: Schema::parse(&raw).ok(),
        raw,
        selectable: items(version, "selectableFields")
            .map(|f| text(f, "jsonPath").to_owned())
            .collect(),
        deprecated,
    }
}

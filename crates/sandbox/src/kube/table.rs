//! Tables: what `kubectl get` prints (`as=Table;g=meta.k8s.io;v=v1`).
//!
//! Owns: the columns of built-in kinds, the printer columns of custom resources, ages and
//! kubectl's JSONPath. Refuses: secret values: a Secret shows how many keys it has, never which.

use serde_json::{Map, Value, json};

mod age;
mod builtin;
mod json_path;
#[cfg(test)]
mod tests;

pub use age::age;
pub use json_path::{JsonPath, PathError};

/// What each row carries besides its cells (`includeObject`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IncludeObject {
    /// Nothing.
    None,
    /// The metadata, as kubectl needs it.
    #[default]
    Metadata,
    /// The whole object.
    Object,
}

impl IncludeObject {
    /// Reads the query parameter; absent means metadata.
    #[must_use]
    pub fn parse(text: Option<&str>) -> Option<Self> {
        match text {
            None | Some("" | "Metadata") => Some(Self::Metadata),
            Some("None") => Some(Self::None),
            Some("Object") => Some(Self::Object),
            Some(_) => None,
        }
    }
}

/// One column.
#[derive(Debug)]
struct Column {
    name: String,
    kind: String,
    format: &'static str,
    description: String,
    /// Above zero: only in wide output.
    priority: i64,
}

impl Column {
    fn new(name: &str, kind: &str, priority: i64, description: &str) -> Self {
        Self {
            name: name.to_owned(),
            kind: kind.to_owned(),
            format: if name == "Name" { "name" } else { "" },
            description: description.to_owned(),
            priority,
        }
    }

    fn definition(&self) -> Value {
        json!({
            "name": self.name, "type": self.kind, "format": self.format,
            "description": self.description, "priority": self.priority,
        })
    }
}

/// The table of one kind: its columns, compiled once.
#[derive(Debug)]
pub struct Table {
    columns: Vec<Column>,
    source: Source,
}

#[derive(Debug)]
enum Source {
    Builtin(builtin::Cells),
    Custom(Vec<Option<JsonPath>>),
}

impl Table {
    /// The table of a built-in kind; unknown ones show name and time of creation.
    #[must_use]
    pub fn builtin(group: &str, kind: &str) -> Self {
        let (columns, cells) = builtin::table(group, kind);
        let columns = columns
            .iter()
            .map(|(name, kind, priority)| Column::new(name, kind, *priority, ""))
            .collect();
        Self {
            columns,
            source: Source::Builtin(cells),
        }
    }

    /// The table of a custom resource version from its `additionalPrinterColumns`.
    #[must_use]
    pub fn custom(printer_columns: Option<&Value>) -> Self {
        let default =
            json!([{"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}]);
        let raw = printer_columns
            .and_then(Value::as_array)
            .filter(|columns| !columns.is_empty())
            .or(default.as_array());
        let mut columns = vec![Column::new("Name", "string", 0, "Name of the object.")];
        let mut paths = Vec::new();
        for column in raw.into_iter().flatten() {
            let text = |field: &str| {
                column
                    .get(field)
                    .and_then(Value::as_str)
                    .unwrap_or_default()
            };
            columns.push(Column {
                format: "",
                priority: column
                    .get("priority")
                    .and_then(Value::as_i64)
                    .unwrap_or_default(),
                ..Column::new(text("name"), text("type"), 0, text("description"))
            });
            paths.push(JsonPath::parse(text("jsonPath")).ok());
        }
        Self {
            columns,
            source: Source::Custom(paths),
        }
    }

    /// Renders objects. `list_metadata` is the list's metadata, or the object's own
    /// `resourceVersion` for a single one; `now` is in RFC 3339.
    #[must_use]
    pub fn render<'a>(
        &self,
        objects: impl IntoIterator<Item = &'a Value>,
        list_metadata: &Value,
        include: IncludeObject,
        now: &str,
    ) -> Value {
        let rows: Vec<Value> = objects
            .into_iter()
            .map(|object| json!({"cells": self.cells(object, now), "object": included(object, include)}))
            .collect();
        let definitions: Vec<Value> = self.columns.iter().map(Column::definition).collect();
        json!({
            "kind": "Table",
            "apiVersion": "meta.k8s.io/v1",
            "metadata": if list_metadata.is_object() { list_metadata.clone() } else { json!({}) },
            "columnDefinitions": definitions,
            "rows": rows,
        })
    }

    fn cells(&self, object: &Value, now: &str) -> Vec<Value> {
        match &self.source {
            Source::Builtin(cells) => cells(object, now),
            Source::Custom(paths) => {
                let name = object
                    .pointer("/metadata/name")
                    .cloned()
                    .unwrap_or(Value::Null);
                let others = self
                    .columns
                    .iter()
                    .skip(1)
                    .zip(paths)
                    .map(|(column, path)| {
                        let found = path
                            .as_ref()
                            .and_then(|path| path.find(object).into_iter().next());
                        found.map_or(Value::Null, |value| cell(&column.kind, value, now))
                    });
                std::iter::once(name).chain(others).collect()
            }
        }
    }
}

/// A found value in the type of its column; null when it does not fit.
fn cell(kind: &str, value: &Value, now: &str) -> Value {
    match (kind, value) {
        ("string", Value::String(_)) => value.clone(),
        ("string", Value::Null) => Value::from(""),
        ("string", other) => Value::from(other.to_string()),
        ("integer", Value::Number(number)) => number.as_i64().map_or_else(
            || json!(number.as_f64().unwrap_or_default().trunc()),
            Value::from,
        ),
        ("number", Value::Number(_)) | ("boolean", Value::Bool(_)) => value.clone(),
        ("date", Value::String(time)) => Value::from(age(time, now)),
        _ => Value::Null,
    }
}

fn included(object: &Value, include: IncludeObject) -> Value {
    match include {
        IncludeObject::None => Value::Null,
        IncludeObject::Object => object.clone(),
        IncludeObject::Metadata => {
            let metadata = object
                .get("metadata")
                .cloned()
                .unwrap_or(Value::Object(Map::new()));
            json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": metadata})
        }
    }
}

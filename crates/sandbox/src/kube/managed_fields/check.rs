//! What an applied configuration must look like before it can be merged.

use std::collections::BTreeSet;

use serde_json::Value;

use super::super::schema::{JsonType, ListType, Node, Schema};
use super::path_set::{PathSet, Step};
use super::types::Type;

/// Refuses an applied configuration with undeclared fields, wrong kinds of values, or list
/// items that occur twice.
///
/// # Errors
///
/// The message of the real server, which answers with status 500.
pub fn check(applied: &Value, schema: &Schema) -> Result<(), String> {
    let root = Type::root(Some(schema));
    let mut errors = Vec::new();
    node(root, schema.root(), applied, "", true, &mut errors);
    if errors.is_empty() {
        return Ok(());
    }
    let text = |pointer: &str| {
        applied
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    let findings = match errors.as_slice() {
        [one] => one.clone(),
        many => format!(
            "errors:\n{}",
            many.iter()
                .map(|error| format!("  {error}"))
                .collect::<Vec<_>>()
                .join("\n")
        ),
    };
    Err(format!(
        "failed to create typed patch object ({}/{}; {}, Kind={}): {findings}",
        text("/metadata/namespace"),
        text("/metadata/name"),
        text("/apiVersion"),
        text("/kind"),
    ))
}

fn node(
    ty: Type<'_>,
    schema: &Node,
    value: &Value,
    path: &str,
    root: bool,
    errors: &mut Vec<String>,
) {
    if errors.len() >= 20 {
        return;
    }
    match (schema.json_type(), value) {
        (Some(JsonType::Array), Value::Array(items)) => {
            list(ty, schema, items, path, errors);
        }
        (Some(JsonType::Object), Value::Object(map)) => {
            for (name, child) in map {
                if root && matches!(name.as_str(), "apiVersion" | "kind" | "metadata") {
                    continue;
                }
                let inner_path = format!("{path}.{name}");
                match schema.property(name).or_else(|| schema.additional()) {
                    Some(inner) => node(ty.field(name).0, inner, child, &inner_path, false, errors),
                    None if schema.preserves_unknown() => {}
                    None => errors.push(format!("{inner_path}: field not declared in schema")),
                }
            }
        }
        (Some(JsonType::Array), other) if !other.is_null() => {
            errors.push(format!("{path}: expected list, got &{{{}}}", shown(other)));
        }
        (Some(JsonType::Object), other) if !other.is_null() => {
            errors.push(format!("{path}: expected map, got &{{{}}}", shown(other)));
        }
        _ => {}
    }
}

fn list(ty: Type<'_>, schema: &Node, items: &[Value], path: &str, errors: &mut Vec<String>) {
    let mut seen = BTreeSet::new();
    for (index, item) in items.iter().enumerate() {
        let step = match schema.list_type() {
            ListType::Atomic => None,
            ListType::Set | ListType::Map(_) => ty
                .steps(std::slice::from_ref(item))
                .and_then(|mut steps| steps.pop()),
        };
        if let Some(step) = &step
            && !seen.insert(step.clone())
        {
            errors.push(format!(
                "{path}: duplicate entries for key {}",
                key_text(step)
            ));
        }
        if let Some(inner) = schema.items() {
            let item_path = match &step {
                Some(step) => format!("{path}{}", key_text(step)),
                None => format!("{path}[{index}]"),
            };
            node(ty.item(), inner, item, &item_path, false, errors);
        }
    }
}

fn key_text(step: &Step) -> String {
    let set = PathSet {
        members: BTreeSet::from([step.clone()]),
        ..PathSet::default()
    };
    set.paths().concat()
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.chars().take(100).collect(),
        other => other.to_string().chars().take(100).collect(),
    }
}

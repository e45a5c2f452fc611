//! Defaulting, and the removal of nulls that come with it.

use serde_json::Value;

use super::{Additional, Node};

pub(super) fn apply(root: &Node, value: &mut Value) {
    prune_nulls(root, value, true);
    fill(root, value);
}

fn is_forbidden_null(node: &Node, value: &Value) -> bool {
    value.is_null() && !node.nullable
}

/// Nulls of fields that are not nullable and have no default disappear; those in lists stay
/// and fail validation.
fn prune_nulls(node: &Node, value: &mut Value, root: bool) {
    match value {
        Value::Object(map) => map.retain(|key, child| {
            if root && matches!(key.as_str(), "apiVersion" | "kind" | "metadata") {
                return true;
            }
            let Some(child_node) = node.property(key).or_else(|| node.additional()) else {
                return true;
            };
            if is_forbidden_null(child_node, child) && child_node.default.is_none() {
                return false;
            }
            prune_nulls(child_node, child, false);
            true
        }),
        Value::Array(items) => {
            if let Some(item) = node.items() {
                for child in items {
                    prune_nulls(item, child, false);
                }
            }
        }
        _ => {}
    }
}

fn fill(node: &Node, value: &mut Value) {
    match value {
        Value::Object(map) => {
            for (name, property) in &node.properties {
                if let Some(default) = &property.default
                    && map
                        .get(name)
                        .is_none_or(|present| is_forbidden_null(property, present))
                {
                    map.insert(name.clone(), default.clone());
                }
            }
            for (key, child) in map.iter_mut() {
                if let Some(property) = node.properties.get(key) {
                    fill(property, child);
                } else if let Additional::Schema(values) = &node.additional {
                    fill_element(values, child);
                }
            }
        }
        Value::Array(items) => {
            if let Some(item) = node.items() {
                for child in items {
                    fill_element(item, child);
                }
            }
        }
        _ => {}
    }
}

fn fill_element(node: &Node, value: &mut Value) {
    if is_forbidden_null(node, value)
        && let Some(default) = &node.default
    {
        *value = default.clone();
    }
    fill(node, value);
}

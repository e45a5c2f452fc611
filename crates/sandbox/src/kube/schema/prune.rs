//! Dropping what a schema does not declare.

use serde_json::Value;

use super::{Additional, Node, join};

/// The fields of `ObjectMeta`; anything else in `metadata` is dropped.
const OBJECT_META: [&str; 15] = [
    "annotations",
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "finalizers",
    "generateName",
    "generation",
    "labels",
    "managedFields",
    "name",
    "namespace",
    "ownerReferences",
    "resourceVersion",
    "selfLink",
    "uid",
];

pub(super) fn apply(root: &Node, value: &mut Value) -> Vec<String> {
    let mut pruning = Pruning::default();
    pruning.node(Some(root), value, "", true);
    pruning.dropped.append(&mut pruning.metadata);
    pruning.dropped
}

#[derive(Default)]
struct Pruning {
    dropped: Vec<String>,
    /// Listed after everything else, as the real server lists them.
    metadata: Vec<String>,
}

impl Pruning {
    fn node(&mut self, node: Option<&Node>, value: &mut Value, path: &str, resource: bool) {
        match value {
            Value::Object(map) => {
                let keep_unknown = node.is_some_and(|node| node.preserve_unknown);
                map.retain(|key, child| {
                    if resource && matches!(key.as_str(), "apiVersion" | "kind") {
                        return true;
                    }
                    if resource && key == "metadata" {
                        self.object_meta(child, &join(path, key));
                        return true;
                    }
                    let property = node.and_then(|node| node.properties.get(key));
                    let inner = match (property, node.map(|node| &node.additional)) {
                        (Some(property), _) => Some(property),
                        (None, Some(Additional::Schema(values))) => Some(&**values),
                        (None, Some(Additional::Any)) => None,
                        (None, Some(Additional::None) | None) if keep_unknown => return true,
                        (None, Some(Additional::None) | None) => {
                            self.dropped.push(join(path, key));
                            return false;
                        }
                    };
                    if inner.is_some() || !keep_unknown {
                        let embedded = inner.is_some_and(|inner| inner.embedded);
                        self.node(inner, child, &join(path, key), embedded);
                    }
                    true
                });
            }
            Value::Array(items) => {
                let Some(item) = node.map(Node::items) else {
                    for (index, child) in items.iter_mut().enumerate() {
                        self.node(None, child, &format!("{path}[{index}]"), false);
                    }
                    return;
                };
                if item.is_none() && node.is_some_and(|node| node.preserve_unknown) {
                    return;
                }
                for (index, child) in items.iter_mut().enumerate() {
                    let embedded = item.is_some_and(|item| item.embedded);
                    self.node(item, child, &format!("{path}[{index}]"), embedded);
                }
            }
            _ => {}
        }
    }

    fn object_meta(&mut self, value: &mut Value, path: &str) {
        if let Value::Object(map) = value {
            map.retain(|key, _| {
                let known = OBJECT_META.contains(&key.as_str());
                if !known {
                    self.metadata.push(join(path, key));
                }
                known
            });
        }
    }
}

//! `rewrite.merge`: several JSON objects become one.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use keyless_api::{MergeConflictPolicy, MergePriorityPolicy, MergeStrategy, RewriteMerge};
use serde_json::Value;

use super::Map;
use crate::SecretBytes;
use crate::extract::describe;
use crate::go_json::{Html, write};

/// Why a merge failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MergeError {
    /// A key of `priority` does not exist.
    #[error("key {0:?} of priority not found; set priorityPolicy: IgnoreNotFound to allow that")]
    UnknownPriority(String),
    /// A value is no JSON object.
    #[error("the value of key {key:?} is {observed}, not a JSON object")]
    NotAnObject {
        /// The key.
        key: String,
        /// What the value is.
        observed: &'static str,
    },
    /// Members with the same key in two objects.
    #[error("conflicts: {}; set conflictPolicy: Ignore to let the last one win", .0.join(", "))]
    Conflicts(Vec<String>),
    /// The strategy is JSON and there is no key for the result.
    #[error("missing 'into' field, which strategy JSON needs")]
    MissingInto,
    /// A policy or strategy that this version does not know.
    #[error("{field} {value:?} is not supported")]
    Unsupported {
        /// The field.
        field: &'static str,
        /// What stands there.
        value: String,
    },
}

/// Merges the values of `map`, keys in alphabetical order and those of `priority` last.
pub(super) fn merge(operation: &RewriteMerge, map: Map) -> Result<Map, MergeError> {
    let strict = match operation.priority_policy.clone().unwrap_or_default() {
        MergePriorityPolicy::Strict => true,
        MergePriorityPolicy::IgnoreNotFound => false,
        MergePriorityPolicy::Other(value) => return unsupported("priorityPolicy", value),
    };
    let refuse = match operation.conflict_policy.clone().unwrap_or_default() {
        MergeConflictPolicy::Error => true,
        MergeConflictPolicy::Ignore => false,
        MergeConflictPolicy::Other(value) => return unsupported("conflictPolicy", value),
    };
    let ordinary = map.keys().filter(|key| !operation.priority.contains(key));
    let mut merged: BTreeMap<String, Value> = BTreeMap::new();
    let mut conflicts: Vec<String> = Vec::new();
    for key in ordinary.chain(&operation.priority) {
        let Some(value) = map.get(key) else {
            if strict {
                return Err(MergeError::UnknownPriority(key.clone()));
            }
            continue;
        };
        for (name, member) in members(key, value)? {
            match merged.entry(name) {
                Entry::Vacant(entry) => {
                    entry.insert(member);
                }
                Entry::Occupied(mut entry) => {
                    if !conflicts.contains(entry.key()) {
                        conflicts.push(entry.key().clone());
                    }
                    entry.insert(member);
                }
            }
        }
    }
    if refuse && !conflicts.is_empty() {
        conflicts.sort();
        return Err(MergeError::Conflicts(conflicts));
    }
    match operation.strategy.clone().unwrap_or_default() {
        MergeStrategy::Extract => Ok(merged
            .into_iter()
            .map(|(name, member)| (name, SecretBytes::from(text(member))))
            .collect()),
        MergeStrategy::Json => {
            let into = operation.into.as_deref().unwrap_or_default();
            if into.is_empty() {
                return Err(MergeError::MissingInto);
            }
            let document = Value::Object(merged.into_iter().collect());
            let mut out = map;
            out.insert(
                into.to_owned(),
                SecretBytes::from(write(&document, Html::Keep)),
            );
            Ok(out)
        }
        MergeStrategy::Other(value) => unsupported("strategy", value),
    }
}

fn unsupported<T>(field: &'static str, value: String) -> Result<T, MergeError> {
    Err(MergeError::Unsupported { field, value })
}

/// The members of a value; a document that is `null` as a whole has none.
fn members(key: &str, value: &SecretBytes) -> Result<serde_json::Map<String, Value>, MergeError> {
    match serde_json::from_slice(value.expose()) {
        Ok(Value::Object(members)) => Ok(members),
        Ok(Value::Null) => Ok(serde_json::Map::new()),
        _ => Err(MergeError::NotAnObject {
            key: key.to_owned(),
            observed: describe(value.expose()),
        }),
    }
}

/// A member as the value of a key: strings without quotes, null empty, numbers without exponent,
/// the rest as JSON.
fn text(member: Value) -> String {
    match member {
        Value::String(text) => text,
        Value::Null => String::new(),
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) => number.as_f64().unwrap_or(0.0).to_string(),
        nested => write(&nested, Html::Escape),
    }
}

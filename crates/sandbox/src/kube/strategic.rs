//! Strategic merge patch: the patch type of `kubectl apply`, `edit` and `patch` for built-in kinds.
//!
//! Owns: the directives (`$patch`, `$retainKeys`, `$deleteFromPrimitiveList`,
//! `$setElementOrder`) and the merge keys of built-in lists. Refuses: custom resources, whose
//! lists have no merge keys (the server answers 415 for them).

use std::collections::HashSet;

use serde_json::{Map, Value};

#[cfg(test)]
mod tests;

/// Why a patch was refused: 400.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatchError {
    /// The patch is no object, or a directive has the wrong shape.
    #[error("invalid strategic merge patch: {0}")]
    Malformed(String),
    /// An item of a merged list lacks its key.
    #[error("map: {item} does not contain declared merge key: {key}")]
    NoMergeKey {
        /// The item, shortened.
        item: String,
        /// The merge key.
        key: String,
    },
}

/// How a list of a built-in kind is merged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Merge {
    /// The patch's list takes the place of the old one.
    Replace,
    /// Items are merged by this key.
    ByKey(&'static str),
    /// Items are scalars, united.
    Set,
}

/// The rule for list `field` of an object found under field `parent` (empty at the root).
fn merge_rule(parent: &str, field: &str) -> Merge {
    match (parent, field) {
        ("metadata", "finalizers") => Merge::Set,
        (_, "ownerReferences") => Merge::ByKey("uid"),
        (
            _,
            "containers"
            | "initContainers"
            | "ephemeralContainers"
            | "env"
            | "volumes"
            | "imagePullSecrets"
            | "webhooks",
        ) => Merge::ByKey("name"),
        ("", "secrets") => Merge::ByKey("name"),
        (_, "volumeMounts") => Merge::ByKey("mountPath"),
        (_, "volumeDevices") => Merge::ByKey("devicePath"),
        ("containers" | "initContainers" | "ephemeralContainers", "ports") => {
            Merge::ByKey("containerPort")
        }
        ("spec", "ports") => Merge::ByKey("port"),
        (_, "hostAliases") => Merge::ByKey("ip"),
        (_, "topologySpreadConstraints") => Merge::ByKey("topologyKey"),
        ("status", "conditions") => Merge::ByKey("type"),
        _ => Merge::Replace,
    }
}

/// Fields whose object is replaced key by key under `$retainKeys` only; listed here because a
/// patch may name them without knowing.
const DIRECTIVES: [&str; 4] = [
    "$patch",
    "$retainKeys",
    "$setElementOrder",
    "$deleteFromPrimitiveList",
];

/// Applies `patch` to `target`.
///
/// # Errors
///
/// See [`PatchError`]; `target` is then unchanged.
pub fn apply(target: &mut Value, patch: &Value) -> Result<(), PatchError> {
    let Value::Object(patch) = patch else {
        return Err(PatchError::Malformed("expected an object".to_owned()));
    };
    let mut result = match target {
        Value::Object(map) => map.clone(),
        _ => Map::new(),
    };
    merge(&mut result, patch, "")?;
    *target = Value::Object(result);
    Ok(())
}

fn merge(
    target: &mut Map<String, Value>,
    patch: &Map<String, Value>,
    parent: &str,
) -> Result<(), PatchError> {
    match patch.get("$patch").map(|directive| directive.as_str()) {
        None | Some(Some("merge")) => {}
        Some(Some("replace")) => {
            *target = without_directives(patch);
            return Ok(());
        }
        Some(Some("delete")) => {
            target.clear();
            return Ok(());
        }
        Some(other) => return Err(unknown_directive(other)),
    }
    if let Some(retained) = patch.get("$retainKeys") {
        let keys = scalars(retained, "$retainKeys")?;
        target.retain(|key, _| keys.contains(&Value::from(key.as_str())));
    }
    for (key, value) in patch {
        if key.starts_with('$')
            && DIRECTIVES
                .iter()
                .any(|directive| key.starts_with(directive))
        {
            continue;
        }
        match value {
            Value::Null => {
                target.remove(key);
            }
            Value::Object(inner) => {
                let slot = target
                    .entry(key.clone())
                    .or_insert_with(|| Value::Object(Map::new()));
                if !slot.is_object() {
                    *slot = Value::Object(Map::new());
                }
                if let Value::Object(map) = slot {
                    merge(map, inner, key)?;
                }
                if inner.get("$patch").and_then(Value::as_str) == Some("delete") {
                    target.remove(key);
                }
            }
            Value::Array(items) => {
                let old = match target.get_mut(key).map(Value::take) {
                    Some(Value::Array(old)) => old,
                    _ => Vec::new(),
                };
                let order = patch.get(&format!("$setElementOrder/{key}"));
                let merged = merge_list(old, items, parent, key, order)?;
                target.insert(key.clone(), Value::Array(merged));
            }
            scalar => {
                target.insert(key.clone(), scalar.clone());
            }
        }
    }
    finish_lists(target, patch, parent)
}

/// Deletions from scalar lists, and orders of lists that the patch itself does not hold.
fn finish_lists(
    target: &mut Map<String, Value>,
    patch: &Map<String, Value>,
    parent: &str,
) -> Result<(), PatchError> {
    for (directive, value) in patch {
        if let Some(key) = directive.strip_prefix("$deleteFromPrimitiveList/") {
            let gone = scalars(value, directive)?;
            if let Some(Value::Array(items)) = target.get_mut(key) {
                items.retain(|item| !gone.contains(item));
            }
        }
        if let Some(key) = directive.strip_prefix("$setElementOrder/")
            && !patch.contains_key(key)
            && let Some(Value::Array(items)) = target.get_mut(key)
        {
            let taken = std::mem::take(items);
            *items = reorder(taken, value, merge_rule(parent, key), directive)?;
        }
    }
    Ok(())
}

fn merge_list(
    mut old: Vec<Value>,
    patch: &[Value],
    parent: &str,
    field: &str,
    order: Option<&Value>,
) -> Result<Vec<Value>, PatchError> {
    let rule = merge_rule(parent, field);
    let replaced = patch
        .iter()
        .any(|item| item.get("$patch").and_then(Value::as_str) == Some("replace"));
    if replaced || rule == Merge::Replace {
        return Ok(patch
            .iter()
            .filter(|item| item.get("$patch").is_none())
            .map(strip)
            .collect());
    }
    let Merge::ByKey(key) = rule else {
        let mut known: HashSet<String> = old.iter().map(Value::to_string).collect();
        old.extend(
            patch
                .iter()
                .filter(|item| known.insert(item.to_string()))
                .cloned(),
        );
        return order.map_or(Ok(old.clone()), |order| reorder(old, order, rule, field));
    };
    let mut positions: std::collections::HashMap<String, usize> = old
        .iter()
        .enumerate()
        .rev()
        .filter_map(|(index, item)| Some((item.get(key)?.to_string(), index)))
        .collect();
    let mut deleted = HashSet::new();
    for item in patch {
        let Value::Object(map) = item else {
            return Err(PatchError::Malformed(format!(
                "items of {field} must be objects"
            )));
        };
        let Some(identity) = map.get(key) else {
            return Err(PatchError::NoMergeKey {
                item: shorten(item),
                key: key.to_owned(),
            });
        };
        let identity = identity.to_string();
        match map.get("$patch").map(|directive| directive.as_str()) {
            Some(Some("delete")) => {
                deleted.insert(identity);
                continue;
            }
            None | Some(Some("merge")) => {}
            Some(other) => return Err(unknown_directive(other)),
        }
        deleted.remove(&identity);
        match positions
            .get(&identity)
            .and_then(|index| old.get_mut(*index))
        {
            Some(Value::Object(existing)) => merge(existing, map, field)?,
            _ => {
                let mut fresh = Map::new();
                merge(&mut fresh, map, field)?;
                positions.insert(identity, old.len());
                old.push(Value::Object(fresh));
            }
        }
    }
    old.retain(|item| {
        item.get(key)
            .is_none_or(|identity| !deleted.contains(&identity.to_string()))
    });
    order.map_or(Ok(old.clone()), |order| reorder(old, order, rule, field))
}

/// Puts the items named by `order` in that order; the others keep their place relative to the
/// item before them.
fn reorder(
    items: Vec<Value>,
    order: &Value,
    rule: Merge,
    directive: &str,
) -> Result<Vec<Value>, PatchError> {
    let identity = |item: &Value| match rule {
        Merge::ByKey(key) => item.get(key).map(Value::to_string),
        Merge::Set | Merge::Replace => Some(item.to_string()),
    };
    let wanted: Vec<Option<String>> = order
        .as_array()
        .ok_or_else(|| PatchError::Malformed(format!("{directive} must be a list")))?
        .iter()
        .map(identity)
        .collect();
    let rank: std::collections::HashMap<&String, usize> = wanted
        .iter()
        .enumerate()
        .filter_map(|(index, identity)| Some((identity.as_ref()?, index)))
        .collect();
    // Unnamed items are anchored to the nearest named one on their left.
    let mut anchor = 0;
    let mut keyed: Vec<((usize, usize), Value)> = Vec::with_capacity(items.len());
    for (index, item) in items.into_iter().enumerate() {
        let position = identity(&item).and_then(|identity| rank.get(&identity).copied());
        if let Some(position) = position {
            anchor = position + 1;
            keyed.push(((anchor, 0), item));
        } else {
            keyed.push(((anchor, index + 1), item));
        }
    }
    keyed.sort_by_key(|(key, _)| *key);
    Ok(keyed.into_iter().map(|(_, item)| item).collect())
}

fn scalars(value: &Value, directive: &str) -> Result<Vec<Value>, PatchError> {
    value
        .as_array()
        .filter(|items| {
            items
                .iter()
                .all(|item| !item.is_object() && !item.is_array())
        })
        .cloned()
        .ok_or_else(|| PatchError::Malformed(format!("{directive} must be a list of scalars")))
}

fn unknown_directive(directive: Option<&str>) -> PatchError {
    PatchError::Malformed(format!(
        "Unknown patch type found: {}",
        directive.unwrap_or("not a string")
    ))
}

fn without_directives(map: &Map<String, Value>) -> Map<String, Value> {
    map.iter()
        .filter(|(key, value)| !key.starts_with('$') && !value.is_null())
        .map(|(key, value)| (key.clone(), strip(value)))
        .collect()
}

/// A patch value as data: directives and nulls have no place in an object.
fn strip(value: &Value) -> Value {
    match value {
        Value::Object(map) => Value::Object(without_directives(map)),
        Value::Array(items) => Value::Array(items.iter().map(strip).collect()),
        scalar => scalar.clone(),
    }
}

fn shorten(value: &Value) -> String {
    value.to_string().chars().take(200).collect()
}

//! JSON Patch (RFC 6902) over JSON values, all or nothing.
//!
//! Owns: the six operations, JSON Pointer (RFC 6901), and the limits that keep a hostile patch
//! from growing a value without bound. Refuses: I/O and any knowledge of Kubernetes.

use serde_json::{Map, Value};

#[cfg(test)]
mod tests;

/// The most operations of one patch, as the real server limits it.
pub const MAX_OPERATIONS: usize = 10_000;
/// The most bytes that all `copy` operations of one patch may add.
pub const MAX_COPIED: usize = 3 * 1024 * 1024;

/// Why a patch was not applied; the value is unchanged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatchError {
    /// The document is not a JSON Patch: 400.
    #[error("error decoding patch: {0}")]
    Malformed(String),
    /// A `test` operation did not match: 422.
    #[error("testing value {path} failed: test failed")]
    TestFailed {
        /// The tested pointer.
        path: String,
    },
    /// An operation does not fit the value: 422.
    #[error("{operation} operation does not apply: doc is missing path: {path}: missing value")]
    Missing {
        /// The operation's name.
        operation: &'static str,
        /// The pointer that leads nowhere.
        path: String,
    },
    /// The patch asks for too much work: 413.
    #[error("{0}")]
    TooLarge(String),
}

/// Applies `patch`, an array of operations, to `target`.
///
/// # Errors
///
/// See [`PatchError`]; `target` is then as it was.
pub fn apply(target: &mut Value, patch: &Value) -> Result<(), PatchError> {
    let Some(operations) = patch.as_array() else {
        return Err(PatchError::Malformed(
            "a JSON patch is an array of operations".to_owned(),
        ));
    };
    if operations.len() > MAX_OPERATIONS {
        return Err(PatchError::TooLarge(format!(
            "The allowed maximum operations in a JSON patch is {MAX_OPERATIONS}, got {}",
            operations.len()
        )));
    }
    let mut result = target.clone();
    let mut copied = 0;
    for operation in operations {
        step(&mut result, operation, &mut copied)?;
    }
    *target = result;
    Ok(())
}

fn step(document: &mut Value, operation: &Value, copied: &mut usize) -> Result<(), PatchError> {
    let name = text(operation, "op")?;
    let path = text(operation, "path")?;
    let value = || {
        operation
            .get("value")
            .cloned()
            .ok_or_else(|| PatchError::Malformed(format!("{name} operation lacks value")))
    };
    match name {
        "add" => insert(document, path, value()?, "add"),
        "remove" => remove(document, path, "remove").map(drop),
        "replace" => {
            let new = value()?;
            *find(document, path, "replace")? = new;
            Ok(())
        }
        "move" => {
            let from = text(operation, "from")?;
            if path
                .strip_prefix(from)
                .is_some_and(|rest| rest.starts_with('/'))
            {
                return Err(PatchError::Malformed(format!(
                    "cannot move {from} into itself"
                )));
            }
            let moved = remove(document, from, "move")?;
            insert(document, path, moved, "move")
        }
        "copy" => {
            let copy = find(document, text(operation, "from")?, "copy")?.clone();
            *copied = copied.saturating_add(size(&copy));
            if *copied > MAX_COPIED {
                return Err(PatchError::TooLarge(format!(
                    "copies of a JSON patch may not exceed {MAX_COPIED} bytes"
                )));
            }
            insert(document, path, copy, "copy")
        }
        "test" => {
            let wanted = operation.get("value").unwrap_or(&Value::Null);
            let actual = match find(document, path, "test") {
                Ok(actual) => &*actual,
                // A missing member equals null, as in the real server's library.
                Err(_) if wanted.is_null() => wanted,
                Err(error) => return Err(error),
            };
            if equal(actual, wanted) {
                Ok(())
            } else {
                Err(PatchError::TestFailed {
                    path: path.to_owned(),
                })
            }
        }
        other => Err(PatchError::Malformed(format!("unexpected kind: {other}"))),
    }
}

fn text<'a>(operation: &'a Value, field: &str) -> Result<&'a str, PatchError> {
    operation
        .get(field)
        .and_then(Value::as_str)
        .ok_or_else(|| PatchError::Malformed(format!("operation lacks {field}")))
}

/// The steps of a pointer, unescaped.
fn steps(path: &str) -> Result<Vec<String>, PatchError> {
    if path.is_empty() {
        return Ok(Vec::new());
    }
    let Some(rest) = path.strip_prefix('/') else {
        return Err(PatchError::Malformed(format!(
            "{path:?} is not a JSON pointer"
        )));
    };
    Ok(rest
        .split('/')
        .map(|step| step.replace("~1", "/").replace("~0", "~"))
        .collect())
}

fn descend<'a>(value: &'a mut Value, step: &str) -> Option<&'a mut Value> {
    match value {
        Value::Object(map) => map.get_mut(step),
        Value::Array(items) => {
            let index = index(step, items.len())?;
            items.get_mut(index)
        }
        _ => None,
    }
}

/// An existing index; negative ones count from the end, as the real server's library allows.
fn index(step: &str, length: usize) -> Option<usize> {
    if let Some(back) = step.strip_prefix('-') {
        return length
            .checked_sub(number(back)?)
            .filter(|index| *index < length);
    }
    number(step).filter(|index| *index < length)
}

fn number(digits: &str) -> Option<usize> {
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit())
        && (digits == "0" || !digits.starts_with('0'));
    plain.then(|| digits.parse().ok()).flatten()
}

fn find<'a>(
    document: &'a mut Value,
    path: &str,
    operation: &'static str,
) -> Result<&'a mut Value, PatchError> {
    let mut current = document;
    for step in steps(path)? {
        current = descend(current, &step).ok_or_else(|| missing(operation, path))?;
    }
    Ok(current)
}

fn missing(operation: &'static str, path: &str) -> PatchError {
    PatchError::Missing {
        operation,
        path: path.to_owned(),
    }
}

/// The container a pointer's last step is in, and that step.
fn parent<'a>(
    document: &'a mut Value,
    path: &str,
    operation: &'static str,
) -> Result<Option<(&'a mut Value, String)>, PatchError> {
    let mut steps = steps(path)?;
    let Some(last) = steps.pop() else {
        return Ok(None);
    };
    let mut current = document;
    for step in steps {
        current = descend(current, &step).ok_or_else(|| missing(operation, path))?;
    }
    Ok(Some((current, last)))
}

fn insert(
    document: &mut Value,
    path: &str,
    value: Value,
    operation: &'static str,
) -> Result<(), PatchError> {
    let Some((container, last)) = parent(document, path, operation)? else {
        *document = value;
        return Ok(());
    };
    match container {
        Value::Object(map) => {
            map.insert(last, value);
            Ok(())
        }
        Value::Array(items) => {
            let at = if last == "-" {
                Some(items.len())
            } else {
                number(&last)
                    .filter(|at| *at <= items.len())
                    .or_else(|| index(&last, items.len()))
            };
            items.insert(at.ok_or_else(|| missing(operation, path))?, value);
            Ok(())
        }
        _ => Err(missing(operation, path)),
    }
}

fn remove(document: &mut Value, path: &str, operation: &'static str) -> Result<Value, PatchError> {
    let Some((container, last)) = parent(document, path, operation)? else {
        return Ok(std::mem::take(document));
    };
    let removed = match container {
        Value::Object(map) => map.remove(&last),
        Value::Array(items) => index(&last, items.len()).map(|index| items.remove(index)),
        _ => None,
    };
    removed.ok_or_else(|| missing(operation, path))
}

/// Equality of RFC 6902, section 4.6: numbers compare by value.
fn equal(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => {
            left == right || left.as_f64() == right.as_f64()
        }
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len()
                && left
                    .iter()
                    .zip(right)
                    .all(|(left, right)| equal(left, right))
        }
        (Value::Object(left), Value::Object(right)) => objects_equal(left, right),
        _ => left == right,
    }
}

fn objects_equal(left: &Map<String, Value>, right: &Map<String, Value>) -> bool {
    left.len() == right.len()
        && left
            .iter()
            .all(|(key, value)| right.get(key).is_some_and(|other| equal(value, other)))
}

/// A lower bound of the bytes a value takes as JSON.
fn size(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len() + 2,
        Value::Array(items) => items.iter().map(|item| size(item) + 1).sum::<usize>() + 2,
        Value::Object(map) => {
            map.iter()
                .map(|(key, value)| key.len() + 3 + size(value))
                .sum::<usize>()
                + 2
        }
        _ => 4,
    }
}

//! Field ownership of one write: what `managed_fields` does, with this server's names.

use serde_json::Value;

use super::server::Context;
use super::status::Status;

/// Whether two states differ at most in their managed fields and resource version.
#[must_use]
pub fn same_but_managed(old: &Value, new: &Value) -> bool {
    let (Some(old), Some(new)) = (old.as_object(), new.as_object()) else { return false };
    let rest = |m: &serde_json::Map<String, Value>, n: &serde_json::Map<String, Value>, skip: &[&str]| {
        let known = |k: &&String| !skip.contains(&k.as_str());
        m.keys().filter(known).all(|k| m.get(k) == n.get(k)) && n.keys().filter(known).all(|k| m.contains_key(k))
    };
    if !rest(old, new, &["metadata"]) {
        return false;
    }
    match (old.get("metadata").and_then(Value::as_object), new.get("metadata").and_then(Value::as_object)) {
        (Some(m), Some(n)) => rest(m, n, &["managedFields", "resourceVersion"]),
        _ => false,
    }
}

/// Enters a create or update in the object's managed fields.
pub fn track(_ctx: &Context, _old: Option<&Value>, _new: &mut Value, _now: &str) {}

/// Server-side apply: the object after it.
///
/// # Errors
/// 409 with the conflicting fields.
pub fn apply(_ctx: &Context, old: Option<&Value>, applied: &Value, _now: &str) -> Result<Value, Status> {
    let Some(old) = old else { return Ok(applied.clone()) };
    let mut new = old.clone();
    merge(&mut new, applied);
    Ok(new)
}

fn merge(target: &mut Value, patch: &Value) {
    match (target, patch) {
        (Value::Object(map), Value::Object(changes)) => {
            for (k, v) in changes {
                merge(map.entry(k.clone()).or_insert(Value::Null), v);
            }
        }
        (target, patch) => target.clone_from(patch),
    }
}

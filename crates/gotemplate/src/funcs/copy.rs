//! Copies that share no map with their original.

use crate::call::Call;
use crate::limits::{Limit, MAX_NESTING};
use crate::value::{List, Map, Value};

/// A copy down to the leaves.
pub(super) fn deep_copy(call: &mut Call<'_>, value: &Value) -> Result<Value, Limit> {
    copy(call, value, 0)
}

fn copy(call: &mut Call<'_>, value: &Value, depth: usize) -> Result<Value, Limit> {
    if depth > MAX_NESTING {
        return Err(Limit::Nesting(MAX_NESTING));
    }
    match value {
        Value::List(list) => {
            call.reserve(list.len().saturating_mul(32))?;
            call.step(list.len())?;
            let mut items = Vec::with_capacity(list.len());
            for item in list.items() {
                items.push(copy(call, item, depth + 1)?);
            }
            Ok(Value::List(List::new(list.elem(), items)))
        }
        Value::Map(map) => {
            let entries = map.snapshot();
            call.reserve(entries.len().saturating_mul(64))?;
            call.step(entries.len())?;
            let mut copied = Vec::with_capacity(entries.len());
            for (key, item) in entries {
                copied.push((key, copy(call, &item, depth + 1)?));
            }
            Ok(Value::Map(Map::new(map.elem(), copied)))
        }
        other => Ok(other.clone()),
    }
}

//! The merging of maps as `mergo` does it: maps within maps are merged, anything else is taken
//! from the source where the destination is empty (or always, to overwrite).

use super::dicts::insert;
use crate::call::Call;
use crate::error::CallError;
use crate::limits::{Limit, MAX_NESTING};
use crate::value::{Map, Value};

/// Merges `source` into `target`.
pub(super) fn merge(
    call: &mut Call<'_>,
    target: &Map,
    source: &Map,
    overwrite: bool,
) -> Result<(), CallError> {
    level(call, target, source, overwrite, 0)
}

fn level(
    call: &mut Call<'_>,
    target: &Map,
    source: &Map,
    overwrite: bool,
    depth: usize,
) -> Result<(), CallError> {
    if depth > MAX_NESTING {
        return Err(Limit::Nesting(MAX_NESTING).into());
    }
    if target.is(source) {
        return Ok(());
    }
    for (key, value) in source.snapshot() {
        call.step(1)?;
        let present = target.get(&key);
        match (&present, &value) {
            (_, Value::Nil | Value::NoValue) => {
                if overwrite {
                    target.insert(key, Value::Nil);
                }
                continue;
            }
            (Some(Value::Map(inner)), Value::Map(from)) => {
                if inner.elem() == from.elem() {
                    level(call, inner, from, overwrite, depth + 1)?;
                }
                if !inner.is_empty() {
                    continue;
                }
            }
            (_, Value::List(_)) if present.as_ref().is_some_and(Value::truth) => {
                // A list replaces, whatever was there, only to overwrite.
                if overwrite {
                    insert(call, target, key, value)?;
                }
                continue;
            }
            _ => {}
        }
        let empty = present.as_ref().is_none_or(is_empty);
        if overwrite || empty {
            insert(call, target, key, value)?;
        }
    }
    Ok(())
}

/// `mergo`'s notion of emptiness.
fn is_empty(value: &Value) -> bool {
    !value.truth()
}

//! `reflect.DeepEqual`.

use crate::call::Call;
use crate::limits::{Limit, MAX_NESTING};
use crate::value::Value;

/// Whether both have the same type and contents.
pub(super) fn deep_equal(call: &mut Call<'_>, a: &Value, b: &Value) -> Result<bool, Limit> {
    equal(call, a, b, 0)
}

fn equal(call: &mut Call<'_>, a: &Value, b: &Value, depth: usize) -> Result<bool, Limit> {
    call.step(1)?;
    if depth > MAX_NESTING {
        return Err(Limit::Nesting(MAX_NESTING));
    }
    Ok(match (a, b) {
        (Value::NoValue | Value::Nil, Value::NoValue | Value::Nil) => true,
        (Value::Bool(a), Value::Bool(b)) => a == b,
        (Value::Int(a, kind_a), Value::Int(b, kind_b)) => a == b && kind_a == kind_b,
        (Value::Uint(a, kind_a), Value::Uint(b, kind_b)) => a == b && kind_a == kind_b,
        (Value::Float(a), Value::Float(b)) => a == b,
        (Value::Complex(a, b), Value::Complex(c, d)) => a == c && b == d,
        (Value::Text(a), Value::Text(b)) => a == b,
        (Value::Bytes(a), Value::Bytes(b)) => a == b,
        (Value::Time(a), Value::Time(b)) => a == b,
        (Value::Opaque(a), Value::Opaque(b)) => std::sync::Arc::ptr_eq(a, b),
        (Value::List(a), Value::List(b)) => {
            if a.elem() != b.elem() || a.len() != b.len() || a.is_nil() != b.is_nil() {
                return Ok(false);
            }
            for (a, b) in a.items().iter().zip(b.items()) {
                if !equal(call, a, b, depth + 1)? {
                    return Ok(false);
                }
            }
            true
        }
        (Value::Map(a), Value::Map(b)) => {
            if a.is(b) {
                return Ok(true);
            }
            let (a_entries, b_entries) = (a.snapshot(), b.snapshot());
            call.step(a_entries.len())?;
            if a.elem() != b.elem() || a_entries.len() != b_entries.len() {
                return Ok(false);
            }
            for ((key_a, a), (key_b, b)) in a_entries.iter().zip(&b_entries) {
                if key_a != key_b || !equal(call, a, b, depth + 1)? {
                    return Ok(false);
                }
            }
            true
        }
        _ => false,
    })
}

//! Reading arguments whose types the evaluator has checked, and turning values into text.

use std::borrow::Cow;

use crate::call::Call;
use crate::error::CallError;
use crate::fmt::shown;
use crate::value::{List, Map, Text, Value};

/// What every function gives.
pub(super) type Answer = Result<Value, CallError>;

/// The argument at `i`.
pub(super) fn any(args: &[Value], i: usize) -> &Value {
    args.get(i).unwrap_or(&Value::NoValue)
}

/// The string at `i`.
pub(super) fn text(args: &[Value], i: usize) -> &[u8] {
    any(args, i).as_text().unwrap_or_default()
}

/// The string at `i` as UTF-8.
pub(super) fn utf8(args: &[Value], i: usize) -> Cow<'_, str> {
    String::from_utf8_lossy(text(args, i))
}

/// The integer at `i`.
pub(super) fn int(args: &[Value], i: usize) -> i64 {
    match any(args, i) {
        Value::Int(value, _) => *value,
        _ => 0,
    }
}

/// The boolean at `i`.
pub(super) fn boolean(args: &[Value], i: usize) -> bool {
    matches!(any(args, i), Value::Bool(true))
}

/// The map at `i`; `None` for a nil map.
pub(super) fn map(args: &[Value], i: usize) -> Option<&Map> {
    match any(args, i) {
        Value::Map(map) => Some(map),
        _ => None,
    }
}

/// The maps from `i` on, without nil ones.
pub(super) fn maps(args: &[Value], i: usize) -> impl Iterator<Item = &Map> {
    args.iter().skip(i).filter_map(|arg| match arg {
        Value::Map(map) => Some(map),
        _ => None,
    })
}

/// The list at `i`; `None` for a nil list.
pub(super) fn list(args: &[Value], i: usize) -> Option<&List> {
    match any(args, i) {
        Value::List(list) => Some(list),
        _ => None,
    }
}

/// A value as text: strings and bytes as they are, anything else as `%v` prints it.
pub(super) fn strval<'v>(call: &Call<'_>, value: &'v Value) -> Result<Cow<'v, [u8]>, CallError> {
    match value {
        Value::Text(text) => Ok(Cow::Borrowed(text)),
        Value::Bytes(bytes) => Ok(Cow::Borrowed(bytes)),
        other => Ok(Cow::Owned(shown(other, call.max_value())?)),
    }
}

/// A value as a list of texts: nil elements are left out, a single value is a list of one.
pub(super) fn strslice(call: &mut Call<'_>, value: &Value) -> Result<Vec<Text>, CallError> {
    let Some(items) = elements(value) else {
        if value.is_nil() {
            return Ok(Vec::new());
        }
        let text = strval(call, value)?;
        return Ok(vec![Text::from(&*text)]);
    };
    call.step(items.len())?;
    let mut out = Vec::with_capacity(items.len());
    for item in items.iter().filter(|item| !item.is_nil()) {
        match item {
            Value::Text(text) => out.push(text.clone()),
            other => {
                let text = strval(call, other)?.into_owned();
                call.reserve(text.len())?;
                out.push(Text::from(text));
            }
        }
    }
    Ok(out)
}

/// The elements of anything that Go can index like a list.
pub(super) fn elements(value: &Value) -> Option<Cow<'_, [Value]>> {
    match value {
        Value::List(list) => Some(list.items().into()),
        Value::Bytes(bytes) => Some(
            bytes
                .iter()
                .map(|byte| Value::Uint(u64::from(*byte), crate::value::UintType::Uint8))
                .collect(),
        ),
        _ => None,
    }
}

/// A `usize` as Go's `int`.
pub(super) fn go_int(value: usize) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// What Go's runtime says of a bad slice expression.
pub(super) const OUT_OF_RANGE: &str = "runtime error: slice bounds out of range";

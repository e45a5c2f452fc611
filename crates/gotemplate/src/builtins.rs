//! The functions that Go's `text/template` itself defines.

use std::cmp::Ordering;

use crate::call::Call;
use crate::error::CallError;
use crate::fmt::printed;
use crate::functions::Type::{Any, Reflect, Text};
use crate::functions::{Declared, Special, fixed, variadic};
use crate::unicode::{decode, is_print};
use crate::value::{UintType, Value};

type Answer = Result<Value, CallError>;

pub(crate) static TABLE: &[Declared] = &[
    Declared {
        special: Special::And,
        ..variadic("and", &[Reflect], Reflect, last)
    },
    Declared {
        special: Special::Or,
        ..variadic("or", &[Reflect], Reflect, last)
    },
    variadic("call", &[Reflect], Reflect, call),
    variadic("html", &[], Any, html),
    variadic("index", &[Reflect], Reflect, index),
    variadic("slice", &[Reflect], Reflect, slice),
    variadic("js", &[], Any, js),
    fixed("len", &[Reflect], len),
    fixed("not", &[Reflect], |_, args| {
        Ok(Value::Bool(!arg(args, 0).truth()))
    }),
    variadic("print", &[], Any, |call, args| {
        printed(call, |p| p.sprint(args))
    }),
    variadic("printf", &[Text], Any, printf),
    variadic("println", &[], Any, |call, args| {
        printed(call, |p| p.sprintln(args))
    }),
    variadic("urlquery", &[], Any, urlquery),
    variadic("eq", &[Reflect], Reflect, eq),
    fixed("ne", &[Reflect, Reflect], |_, args| {
        Ok(Value::Bool(!equal(arg(args, 0), arg(args, 1))?))
    }),
    fixed("lt", &[Reflect, Reflect], |_, args| {
        Ok(Value::Bool(less(arg(args, 0), arg(args, 1))?))
    }),
    fixed("le", &[Reflect, Reflect], |_, args| {
        Ok(Value::Bool(less_or_equal(arg(args, 0), arg(args, 1))?))
    }),
    fixed("gt", &[Reflect, Reflect], |_, args| {
        Ok(Value::Bool(!less_or_equal(arg(args, 0), arg(args, 1))?))
    }),
    fixed("ge", &[Reflect, Reflect], |_, args| {
        Ok(Value::Bool(!less(arg(args, 0), arg(args, 1))?))
    }),
];

/// The argument at `i`; the evaluator has checked their number.
fn arg(args: &[Value], i: usize) -> &Value {
    args.get(i).unwrap_or(&Value::NoValue)
}

/// `and` and `or` are evaluated by the evaluator; what is left is their last argument.
fn last(_: &mut Call<'_>, args: &[Value]) -> Answer {
    Ok(args.last().cloned().unwrap_or_default())
}

fn call(_: &mut Call<'_>, args: &[Value]) -> Answer {
    match arg(args, 0) {
        Value::NoValue | Value::Nil => Err("call of nil".into()),
        other => Err(format!("non-function of type {}", other.type_name()).into()),
    }
}

fn printf(call: &mut Call<'_>, args: &[Value]) -> Answer {
    let (format, rest) = args.split_first().ok_or("missing format")?;
    let format = format.as_text().unwrap_or_default();
    printed(call, |printer| printer.sprintf(format, rest))
}

/// The text that `html`, `js` and `urlquery` escape.
fn joined(call: &Call<'_>, args: &[Value]) -> Result<Vec<u8>, CallError> {
    if let [Value::Text(text)] = args {
        return Ok(text.to_vec());
    }
    let args: Vec<Value> = args
        .iter()
        .map(|arg| {
            if arg.is_nil() {
                Value::text("<no value>")
            } else {
                arg.clone()
            }
        })
        .collect();
    let mut printer = crate::fmt::Printer::new(call.max_value());
    printer.sprint(&args);
    Ok(printer.finish()?)
}

fn html(call: &mut Call<'_>, args: &[Value]) -> Answer {
    let text = joined(call, args)?;
    let mut out = Vec::with_capacity(text.len());
    for byte in text {
        match byte {
            0 => out.extend_from_slice("\u{fffd}".as_bytes()),
            b'"' => out.extend_from_slice(b"&#34;"),
            b'\'' => out.extend_from_slice(b"&#39;"),
            b'&' => out.extend_from_slice(b"&amp;"),
            b'<' => out.extend_from_slice(b"&lt;"),
            b'>' => out.extend_from_slice(b"&gt;"),
            _ => out.push(byte),
        }
    }
    Ok(call.text(out)?)
}

fn js(call: &mut Call<'_>, args: &[Value]) -> Answer {
    let text = joined(call, args)?;
    let mut out = Vec::with_capacity(text.len());
    let mut rest = &*text;
    while let Some(&byte) = rest.first() {
        let (c, width) = decode(rest);
        match byte {
            b'\\' => out.extend_from_slice(br"\\"),
            b'\'' => out.extend_from_slice(br"\'"),
            b'"' => out.extend_from_slice(br#"\""#),
            b'<' => out.extend_from_slice(br"\u003C"),
            b'>' => out.extend_from_slice(br"\u003E"),
            b'&' => out.extend_from_slice(br"\u0026"),
            b'=' => out.extend_from_slice(br"\u003D"),
            0..b' ' => out.extend_from_slice(format!("\\u00{byte:02X}").as_bytes()),
            b' '..0x80 => out.push(byte),
            _ if is_print(c) => out.extend_from_slice(rest.get(..width).unwrap_or_default()),
            _ => out.extend_from_slice(format!("\\u{:04X}", u32::from(c)).as_bytes()),
        }
        rest = rest.get(width..).unwrap_or_default();
    }
    Ok(call.text(out)?)
}

fn urlquery(call: &mut Call<'_>, args: &[Value]) -> Answer {
    let text = joined(call, args)?;
    let mut out = Vec::with_capacity(text.len());
    for byte in text {
        match byte {
            b' ' => out.push(b'+'),
            b'-' | b'_' | b'.' | b'~' => out.push(byte),
            _ if byte.is_ascii_alphanumeric() => out.push(byte),
            _ => out.extend_from_slice(format!("%{byte:02X}").as_bytes()),
        }
    }
    Ok(call.text(out)?)
}

fn len(_: &mut Call<'_>, args: &[Value]) -> Answer {
    let len = match arg(args, 0) {
        Value::Text(text) => text.len(),
        Value::Bytes(bytes) => bytes.len(),
        Value::List(list) => list.len(),
        Value::Map(map) => map.len(),
        Value::NoValue => return Err("len of untyped nil".into()),
        Value::Nil => return Err("len of nil pointer".into()),
        other => return Err(format!("len of type {}", other.type_name()).into()),
    };
    Ok(Value::int(i64::try_from(len).unwrap_or(i64::MAX)))
}

/// An index as Go takes it: any integer from 0 to `cap`.
fn index_arg(index: &Value, cap: usize) -> Result<usize, CallError> {
    let at = match index {
        Value::Int(at, _) => usize::try_from(*at).ok(),
        Value::Uint(at, _) => usize::try_from(*at).ok(),
        Value::NoValue | Value::Nil => return Err("cannot index slice/array with nil".into()),
        other => {
            let name = other.type_name();
            return Err(format!("cannot index slice/array with type {name}").into());
        }
    };
    at.filter(|at| *at <= cap)
        .ok_or_else(|| "index out of range".into())
}

fn index(_: &mut Call<'_>, args: &[Value]) -> Answer {
    let (item, indexes) = args.split_first().ok_or("index of untyped nil")?;
    if item.is_nil() {
        return Err("index of untyped nil".into());
    }
    let mut item = item.clone();
    for index in indexes {
        item = match &item {
            Value::List(list) => {
                let at = index_arg(index, list.len())?;
                list.items().get(at).cloned().ok_or(PANIC_INDEX)?
            }
            Value::Text(text) => byte_at(text, index)?,
            Value::Bytes(bytes) => byte_at(bytes, index)?,
            Value::Map(map) => match index {
                Value::Text(key) => map.get(key).unwrap_or_else(|| map.elem().zero()),
                Value::NoValue | Value::Nil => {
                    return Err("value is nil; should be of type string".into());
                }
                other => {
                    let name = other.type_name();
                    return Err(format!("value has type {name}; should be string").into());
                }
            },
            Value::NoValue | Value::Nil => return Err("index of nil pointer".into()),
            other => {
                return Err(format!("can't index item of type {}", other.type_name()).into());
            }
        };
    }
    Ok(item)
}

/// Go's index may equal the length, and then reflection panics.
const PANIC_INDEX: &str = "reflect: slice index out of range";

fn byte_at(bytes: &[u8], index: &Value) -> Answer {
    let at = index_arg(index, bytes.len())?;
    let byte = bytes.get(at).ok_or("reflect: string index out of range")?;
    Ok(Value::Uint(u64::from(*byte), UintType::Uint8))
}

fn slice(call: &mut Call<'_>, args: &[Value]) -> Answer {
    let (item, indexes) = args.split_first().ok_or("slice of untyped nil")?;
    let len = match item {
        Value::NoValue | Value::Nil => return Err("slice of untyped nil".into()),
        _ if indexes.len() > 3 => {
            return Err(format!("too many slice indexes: {}", indexes.len()).into());
        }
        Value::Text(_) if indexes.len() == 3 => {
            return Err("cannot 3-index slice a string".into());
        }
        Value::Text(text) => text.len(),
        Value::Bytes(bytes) => bytes.len(),
        Value::List(list) => list.len(),
        other => return Err(format!("can't slice item of type {}", other.type_name()).into()),
    };
    let mut bounds = [0, len, len];
    for (slot, index) in bounds.iter_mut().zip(indexes) {
        *slot = index_arg(index, len)?;
    }
    let [from, to, cap] = bounds;
    if from > to || to > cap {
        return Err("invalid slice index".into());
    }
    match item {
        Value::Text(text) => Ok(call.text(text.get(from..to).unwrap_or_default())?),
        Value::Bytes(bytes) => Ok(Value::Bytes(bytes.get(from..to).unwrap_or_default().into())),
        Value::List(list) => {
            let items = list.items().get(from..to).unwrap_or_default().to_vec();
            Ok(call.list(list.elem(), items)?)
        }
        _ => Ok(Value::Nil),
    }
}

/// The kinds that Go compares.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Basic {
    Bool,
    Complex,
    Int,
    Float,
    Text,
    Uint,
}

fn basic(value: &Value) -> Option<Basic> {
    match value {
        Value::Bool(_) => Some(Basic::Bool),
        Value::Complex(..) => Some(Basic::Complex),
        Value::Int(..) => Some(Basic::Int),
        Value::Uint(..) => Some(Basic::Uint),
        Value::Float(_) => Some(Basic::Float),
        Value::Text(_) => Some(Basic::Text),
        _ => None,
    }
}

fn incompatible(a: &Value, b: &Value) -> CallError {
    format!(
        "incompatible types for comparison: {} and {}",
        a.type_name(),
        b.type_name()
    )
    .into()
}

fn eq(_: &mut Call<'_>, args: &[Value]) -> Answer {
    let (first, rest) = args.split_first().ok_or(MISSING)?;
    if rest.is_empty() {
        return Err(MISSING.into());
    }
    for other in rest {
        if equal(first, other)? {
            return Ok(Value::Bool(true));
        }
    }
    Ok(Value::Bool(false))
}

const MISSING: &str = "missing argument for comparison";

fn equal(a: &Value, b: &Value) -> Result<bool, CallError> {
    match (a, b) {
        (Value::Bool(a), Value::Bool(b)) => Ok(a == b),
        (Value::Int(a, _), Value::Int(b, _)) => Ok(a == b),
        (Value::Uint(a, _), Value::Uint(b, _)) => Ok(a == b),
        (Value::Float(a), Value::Float(b)) => Ok(a == b),
        (Value::Text(a), Value::Text(b)) => Ok(a == b),
        (Value::Complex(a, b), Value::Complex(c, d)) => Ok(a == c && b == d),
        (Value::Int(int, _), Value::Uint(uint, _)) | (Value::Uint(uint, _), Value::Int(int, _)) => {
            Ok(u64::try_from(*int).is_ok_and(|int| int == *uint))
        }
        _ => unlike(a, b),
    }
}

/// Equality where at least one side is not a basic kind, or the kinds differ.
fn unlike(a: &Value, b: &Value) -> Result<bool, CallError> {
    if basic(a) != basic(b) {
        if a.is_nil() || b.is_nil() {
            return Ok(false);
        }
        return Err(incompatible(a, b));
    }
    if a.is_nil() || b.is_nil() {
        return Ok(a.is_nil() && b.is_nil());
    }
    if a.kind_name() != b.kind_name() {
        return Err("non-comparable types".into());
    }
    match (a, b) {
        (Value::Time(a), Value::Time(b)) => Ok(a == b),
        (Value::Opaque(a), Value::Opaque(b)) => Ok(std::sync::Arc::ptr_eq(a, b)),
        _ => Err(format!("non-comparable type {}", b.type_name()).into()),
    }
}

fn order(a: &Value, b: &Value) -> Result<Option<Ordering>, CallError> {
    let uncomparable = || CallError::new("invalid type for comparison");
    let (kind_a, kind_b) = (
        basic(a).ok_or_else(uncomparable)?,
        basic(b).ok_or_else(uncomparable)?,
    );
    match (a, b) {
        (Value::Int(a, _), Value::Int(b, _)) => Ok(Some(a.cmp(b))),
        (Value::Uint(a, _), Value::Uint(b, _)) => Ok(Some(a.cmp(b))),
        (Value::Float(a), Value::Float(b)) => Ok(a.partial_cmp(b)),
        (Value::Text(a), Value::Text(b)) => Ok(Some(a.cmp(b))),
        (Value::Int(a, _), Value::Uint(b, _)) => {
            Ok(Some(u64::try_from(*a).map_or(Ordering::Less, |a| a.cmp(b))))
        }
        (Value::Uint(a, _), Value::Int(b, _)) => Ok(Some(
            u64::try_from(*b).map_or(Ordering::Greater, |b| a.cmp(&b)),
        )),
        _ if kind_a == kind_b => Err(uncomparable()),
        _ => Err(incompatible(a, b)),
    }
}

fn less(a: &Value, b: &Value) -> Result<bool, CallError> {
    Ok(order(a, b)? == Some(Ordering::Less))
}

fn less_or_equal(a: &Value, b: &Value) -> Result<bool, CallError> {
    Ok(less(a, b)? || equal(a, b)?)
}

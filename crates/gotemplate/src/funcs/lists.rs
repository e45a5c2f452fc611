//! Lists.

use super::args::{Answer, any, elements, int};
use super::cast::to_int;
use super::defaults::is_empty;
use super::equality::deep_equal;
use crate::call::Call;
use crate::error::CallError;
use crate::functions::Type::{Any, Int};
use crate::functions::{Declared, fixed, variadic};
use crate::value::{Elem, List, Value};

pub(crate) static TABLE: &[Declared] = &[
    variadic("list", &[], Any, |call, args| {
        Ok(call.list(Elem::Any, args.to_vec())?)
    }),
    variadic("tuple", &[], Any, |call, args| {
        Ok(call.list(Elem::Any, args.to_vec())?)
    }),
    fixed("append", &[Any, Any], push),
    fixed("push", &[Any, Any], push),
    fixed("mustAppend", &[Any, Any], push),
    fixed("mustPush", &[Any, Any], push),
    fixed("prepend", &[Any, Any], prepend),
    fixed("mustPrepend", &[Any, Any], prepend),
    fixed("first", &[Any], |_, args| {
        end(args, "first", <[Value]>::first)
    }),
    fixed("mustFirst", &[Any], |_, args| {
        end(args, "first", <[Value]>::first)
    }),
    fixed("last", &[Any], |_, args| end(args, "last", <[Value]>::last)),
    fixed("mustLast", &[Any], |_, args| {
        end(args, "last", <[Value]>::last)
    }),
    fixed("rest", &[Any], rest),
    fixed("mustRest", &[Any], rest),
    fixed("initial", &[Any], initial),
    fixed("mustInitial", &[Any], initial),
    fixed("reverse", &[Any], reverse),
    fixed("mustReverse", &[Any], reverse),
    fixed("compact", &[Any], compact),
    fixed("mustCompact", &[Any], compact),
    fixed("uniq", &[Any], uniq),
    fixed("mustUniq", &[Any], uniq),
    variadic("without", &[Any], Any, without),
    variadic("mustWithout", &[Any], Any, without),
    fixed("has", &[Any, Any], has),
    fixed("mustHas", &[Any, Any], has),
    variadic("slice", &[Any], Any, slice),
    variadic("mustSlice", &[Any], Any, slice),
    fixed("chunk", &[Int, Any], chunk),
    fixed("mustChunk", &[Int, Any], chunk),
    variadic("concat", &[], Any, concat),
];

/// The elements of a list, or what Go says of anything else.
fn items<'v>(
    value: &'v Value,
    refusal: impl FnOnce(&str) -> String,
) -> Result<std::borrow::Cow<'v, [Value]>, CallError> {
    if value.is_nil() {
        return Err("runtime error: invalid memory address or nil pointer dereference".into());
    }
    elements(value).ok_or_else(|| refusal(value.kind_name()).into())
}

fn any_list(call: &mut Call<'_>, items: Vec<Value>) -> Answer {
    Ok(call.list(Elem::Any, items)?)
}

fn push(call: &mut Call<'_>, args: &[Value]) -> Answer {
    let items = items(any(args, 0), |kind| format!("Cannot push on type {kind}"))?;
    call.reserve(items.len().saturating_mul(32))?;
    let mut out = items.into_owned();
    out.push(any(args, 1).clone());
    any_list(call, out)
}

fn prepend(call: &mut Call<'_>, args: &[Value]) -> Answer {
    let items = items(any(args, 0), |kind| {
        format!("Cannot prepend on type {kind}")
    })?;
    let mut out = vec![any(args, 1).clone()];
    out.extend_from_slice(&items);
    any_list(call, out)
}

fn end(args: &[Value], name: &str, pick: fn(&[Value]) -> Option<&Value>) -> Answer {
    let items = items(any(args, 0), |kind| {
        format!("Cannot find {name} on type {kind}")
    })?;
    Ok(pick(&items).cloned().unwrap_or(Value::Nil))
}

/// A list without some of its ends; of nothing, Go gives a nil list.
fn part(call: &mut Call<'_>, args: &[Value], name: &str, from: usize, less: usize) -> Answer {
    let items = items(any(args, 0), |kind| {
        format!("Cannot find {name} on type {kind}")
    })?;
    if items.is_empty() {
        return Ok(Value::List(List::nil(Elem::Any)));
    }
    let to = items.len().saturating_sub(less);
    any_list(call, items.get(from..to).unwrap_or_default().to_vec())
}

fn rest(call: &mut Call<'_>, args: &[Value]) -> Answer {
    part(call, args, "rest", 1, 0)
}

fn initial(call: &mut Call<'_>, args: &[Value]) -> Answer {
    part(call, args, "initial", 0, 1)
}

fn reverse(call: &mut Call<'_>, args: &[Value]) -> Answer {
    let items = items(any(args, 0), |kind| {
        format!("Cannot find reverse on type {kind}")
    })?;
    any_list(call, items.iter().rev().cloned().collect())
}

fn compact(call: &mut Call<'_>, args: &[Value]) -> Answer {
    let items = items(any(args, 0), |kind| {
        format!("Cannot compact on type {kind}")
    })?;
    any_list(
        call,
        items
            .iter()
            .filter(|item| !is_empty(item))
            .cloned()
            .collect(),
    )
}

fn contains(call: &mut Call<'_>, hay: &[Value], needle: &Value) -> Result<bool, CallError> {
    for item in hay {
        if deep_equal(call, needle, item)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn uniq(call: &mut Call<'_>, args: &[Value]) -> Answer {
    let items = items(any(args, 0), |kind| {
        format!("Cannot find uniq on type {kind}")
    })?;
    let mut out: Vec<Value> = Vec::new();
    for item in items.iter() {
        if !contains(call, &out, item)? {
            out.push(item.clone());
        }
    }
    any_list(call, out)
}

fn without(call: &mut Call<'_>, args: &[Value]) -> Answer {
    let items = items(any(args, 0), |kind| {
        format!("Cannot find without on type {kind}")
    })?;
    let omitted = args.get(1..).unwrap_or_default();
    let mut out = Vec::new();
    for item in items.iter() {
        if !contains(call, omitted, item)? {
            out.push(item.clone());
        }
    }
    any_list(call, out)
}

fn has(call: &mut Call<'_>, args: &[Value]) -> Answer {
    let hay = any(args, 1);
    if hay.is_nil() {
        return Ok(Value::Bool(false));
    }
    let items = items(hay, |kind| format!("Cannot find has on type {kind}"))?;
    Ok(Value::Bool(contains(call, &items, any(args, 0))?))
}

fn slice(call: &mut Call<'_>, args: &[Value]) -> Answer {
    let list = any(args, 0);
    let items = items(list, |kind| {
        format!("list should be type of slice or array but {kind}")
    })?;
    if items.is_empty() {
        return Ok(Value::Nil);
    }
    let start = args.get(1).map_or(0, to_int);
    let end = args.get(2).map_or(super::args::go_int(items.len()), to_int);
    let bounds = usize::try_from(start).ok().zip(usize::try_from(end).ok());
    let part = bounds
        .and_then(|(start, end)| items.get(start..end))
        .ok_or("reflect.Value.Slice: slice index out of bounds")?;
    if let Value::Bytes(bytes) = list {
        let (start, end) = bounds.unwrap_or_default();
        return Ok(Value::Bytes(
            bytes.get(start..end).unwrap_or_default().into(),
        ));
    }
    let elem = match list {
        Value::List(list) => list.elem(),
        _ => Elem::Any,
    };
    Ok(call.list(elem, part.to_vec())?)
}

fn chunk(call: &mut Call<'_>, args: &[Value]) -> Answer {
    let items = items(any(args, 1), |kind| format!("Cannot chunk type {kind}"))?;
    let size = int(args, 0);
    if items.is_empty() && size > 0 {
        return Ok(call.list(Elem::AnyList, Vec::new())?);
    }
    let size = usize::try_from(size).ok().filter(|size| *size > 0);
    let size = size.ok_or("runtime error: makeslice: len out of range")?;
    let mut chunks = Vec::new();
    for chunk in items.chunks(size) {
        chunks.push(any_list(call, chunk.to_vec())?);
    }
    Ok(call.list(Elem::AnyList, chunks)?)
}

fn concat(call: &mut Call<'_>, args: &[Value]) -> Answer {
    let mut out = Vec::new();
    for arg in args {
        let items = items(arg, |kind| format!("Cannot concat type {kind} as list"))?;
        call.reserve(items.len().saturating_mul(32))?;
        out.extend_from_slice(&items);
    }
    if out.is_empty() {
        return Ok(Value::List(List::nil(Elem::Any)));
    }
    any_list(call, out)
}

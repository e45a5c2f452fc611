//! Maps.

use super::args::{Answer, any, map, maps, strval, text};
use super::copy::deep_copy;
use super::merge::merge;
use super::strings::texts_value;
use crate::call::Call;
use crate::error::CallError;
use crate::functions::Type::{Any, AnyMap, Text as Str};
use crate::functions::{Declared, fixed, variadic};
use crate::value::{Map, Text, Value};

pub(crate) static TABLE: &[Declared] = &[
    variadic("dict", &[], Any, dict),
    fixed("get", &[AnyMap, Str], |_, args| {
        let found = map(args, 0).and_then(|map| map.get(text(args, 1)));
        Ok(found.unwrap_or_else(|| Value::text("")))
    }),
    fixed("set", &[AnyMap, Str, Any], set),
    fixed("unset", &[AnyMap, Str], |_, args| {
        let Some(map) = map(args, 0) else {
            return Ok(Value::map([]));
        };
        map.remove(text(args, 1));
        Ok(any(args, 0).clone())
    }),
    fixed("hasKey", &[AnyMap, Str], |_, args| {
        Ok(Value::Bool(
            map(args, 0).is_some_and(|map| map.contains(text(args, 1))),
        ))
    }),
    variadic("pluck", &[Str], AnyMap, |call, args| {
        let found = maps(args, 1)
            .filter_map(|map| map.get(text(args, 0)))
            .collect();
        Ok(call.list(crate::value::Elem::Any, found)?)
    }),
    variadic("keys", &[], AnyMap, |call, args| {
        let keys = maps(args, 0).flat_map(Map::keys).collect();
        texts_value(call, keys)
    }),
    variadic("pick", &[AnyMap], Str, |call, args| {
        let entries = args.iter().skip(1).filter_map(|key| {
            let Value::Text(key) = key else { return None };
            Some((key.clone(), map(args, 0)?.get(key)?))
        });
        let entries = entries.collect();
        Ok(call.map(entries)?)
    }),
    variadic("omit", &[AnyMap], Str, omit),
    fixed("values", &[AnyMap], |call, args| {
        let all = map(args, 0).map(Map::snapshot).unwrap_or_default();
        let values = all.into_iter().map(|(_, value)| value).collect();
        Ok(call.list(crate::value::Elem::Any, values)?)
    }),
    variadic("dig", &[], Any, dig),
    variadic("merge", &[AnyMap], AnyMap, |call, args| {
        merged(call, args, false)
    }),
    variadic("mustMerge", &[AnyMap], AnyMap, |call, args| {
        merged(call, args, false)
    }),
    variadic("mergeOverwrite", &[AnyMap], AnyMap, |call, args| {
        merged(call, args, true)
    }),
    variadic("mustMergeOverwrite", &[AnyMap], AnyMap, |call, args| {
        merged(call, args, true)
    }),
    fixed("deepCopy", &[Any], copied),
    fixed("mustDeepCopy", &[Any], copied),
];

fn copied(call: &mut Call<'_>, args: &[Value]) -> Answer {
    match any(args, 0) {
        Value::NoValue | Value::Nil => {
            Err("reflect: call of reflect.Value.Type on zero Value".into())
        }
        value => Ok(deep_copy(call, value)?),
    }
}

fn dict(call: &mut Call<'_>, args: &[Value]) -> Answer {
    let mut entries = Vec::with_capacity(args.len().div_ceil(2));
    for pair in args.chunks(2) {
        let key = match any(pair, 0) {
            Value::Text(key) => key.clone(),
            other => Text::from(&*strval(call, other)?),
        };
        let value = pair.get(1).cloned().unwrap_or_else(|| Value::text(""));
        entries.push((key, value));
    }
    Ok(call.map(entries)?)
}

/// Refuses to make a map contain itself, on which Go would loop for ever when it is used.
pub(super) fn insert(
    call: &mut Call<'_>,
    map: &Map,
    key: Text,
    value: Value,
) -> Result<(), CallError> {
    if matches!(value, Value::Map(_) | Value::List(_)) && map.reaches(&value, call.fuel)? {
        return Err("a dict cannot contain itself".into());
    }
    call.fuel.make_elements(1)?;
    map.insert(key, value);
    Ok(())
}

fn set(call: &mut Call<'_>, args: &[Value]) -> Answer {
    let target = map(args, 0).ok_or("assignment to entry in nil map")?;
    insert(
        call,
        target,
        Text::from(text(args, 1)),
        any(args, 2).clone(),
    )?;
    Ok(any(args, 0).clone())
}

fn omit(call: &mut Call<'_>, args: &[Value]) -> Answer {
    let omitted: std::collections::HashSet<&[u8]> =
        args.iter().skip(1).filter_map(Value::as_text).collect();
    let all = map(args, 0).map(Map::snapshot).unwrap_or_default();
    let kept = all
        .into_iter()
        .filter(|(key, _)| !omitted.contains(&**key))
        .collect();
    Ok(call.map(kept)?)
}

fn dig(_: &mut Call<'_>, args: &[Value]) -> Answer {
    let [keys @ .., default, dict] = args else {
        return Err("dig needs at least three arguments".into());
    };
    if keys.is_empty() {
        return Err("dig needs at least three arguments".into());
    }
    let conversion = |value: &Value, wanted: &str| -> CallError {
        let is = match value {
            Value::NoValue | Value::Nil => "nil".to_owned(),
            other => other.type_name(),
        };
        format!("interface conversion: interface {{}} is {is}, not {wanted}").into()
    };
    let as_map = |value: &Value| match value {
        Value::Map(map) if map.elem() == crate::value::Elem::Any => Ok(map.clone()),
        other => Err(conversion(other, "map[string]interface {}")),
    };
    let mut current = as_map(dict)?;
    for key in keys {
        key.as_text().ok_or_else(|| conversion(key, "string"))?;
    }
    let mut rest = keys.iter().filter_map(Value::as_text).peekable();
    while let Some(key) = rest.next() {
        let Some(value) = current.get(key) else {
            return Ok(default.clone());
        };
        if rest.peek().is_none() {
            return Ok(value);
        }
        current = as_map(&value)?;
    }
    Ok(default.clone())
}

fn merged(call: &mut Call<'_>, args: &[Value], overwrite: bool) -> Answer {
    let sources: Vec<Map> = maps(args, 1).cloned().collect();
    let Some(target) = map(args, 0) else {
        // Go fills a new map, which the result shows.
        let target = Map::new(crate::value::Elem::Any, []);
        for source in &sources {
            merge(call, &target, source, overwrite)?;
        }
        return Ok(if sources.is_empty() {
            Value::Nil
        } else {
            Value::Map(target)
        });
    };
    for source in &sources {
        merge(call, target, source, overwrite)?;
    }
    Ok(any(args, 0).clone())
}

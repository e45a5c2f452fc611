//! Modifiers: `@name` or `@name:argument` turn a document into another.

mod pretty;

use std::borrow::Cow;
use std::collections::HashMap;

use crate::budget::{Budget, Limit};
use crate::bytes::{at, span, tail, trim, trim_space};
use crate::scan::{Members, enclosed};
use crate::search::get;
use crate::text::append_string;
use crate::valid::is_valid;
use crate::value::{Kind, Value};

/// The modifiers of gjson.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Modifier {
    Pretty,
    Ugly,
    Reverse,
    This,
    Flatten,
    Join,
    Valid,
    Keys,
    Values,
    ToStr,
    FromStr,
    Group,
    Dig,
}

impl Modifier {
    /// The modifier of a name, without the `@`.
    pub fn named(name: &[u8]) -> Option<Self> {
        Some(match name {
            b"pretty" => Self::Pretty,
            b"ugly" => Self::Ugly,
            b"reverse" => Self::Reverse,
            b"this" => Self::This,
            b"flatten" => Self::Flatten,
            b"join" => Self::Join,
            b"valid" => Self::Valid,
            b"keys" => Self::Keys,
            b"values" => Self::Values,
            b"tostr" => Self::ToStr,
            b"fromstr" => Self::FromStr,
            b"group" => Self::Group,
            b"dig" => Self::Dig,
            _ => return None,
        })
    }

    /// Runs the modifier at the beginning of `path` and returns the document it makes and what
    /// follows it in the path; nothing if no modifier has that name.
    #[allow(
        clippy::type_complexity,
        reason = "a document and the rest of a path, used once"
    )]
    pub fn apply<'a, 'p>(
        json: &'a [u8],
        path: &'p [u8],
        budget: &mut Budget,
    ) -> Result<Option<(Cow<'a, [u8]>, &'p [u8])>, Limit> {
        let body = tail(path, 1);
        let end = body
            .iter()
            .position(|byte| matches!(byte, b':' | b'|' | b'.'))
            .unwrap_or(body.len());
        let Some(modifier) = Self::named(span(body, 0, end)) else {
            return Ok(None);
        };
        let mut rest = tail(body, end);
        let mut argument: &[u8] = b"";
        if let Some(text) = rest.strip_prefix(b":") {
            (argument, rest) = split_argument(text);
        }
        let made = modifier.run(json, argument, budget)?;
        Ok(Some((made, rest)))
    }

    fn run<'a>(
        self,
        json: &'a [u8],
        argument: &[u8],
        budget: &mut Budget,
    ) -> Result<Cow<'a, [u8]>, Limit> {
        budget.charge(json.len())?;
        Ok(match self {
            Self::This => Cow::Borrowed(json),
            Self::Valid if is_valid(json) => Cow::Borrowed(json),
            Self::Valid => Cow::Borrowed(b""),
            Self::Ugly => Cow::Owned(pretty::ugly(json)),
            Self::Pretty => Cow::Owned(pretty::pretty(json, argument, budget)?),
            Self::Reverse => reverse(json),
            Self::Flatten => {
                let deep = option(argument, b"deep");
                flatten(json, deep, budget)?
            }
            Self::Join => join(json, option(argument, b"preserve")),
            Self::Keys => Cow::Owned(keys(json)),
            Self::Values => values(json),
            Self::ToStr => {
                let mut out = Vec::new();
                append_string(&mut out, json);
                Cow::Owned(out)
            }
            Self::FromStr if is_valid(json) => Cow::Owned(Value::parse(json).into_text()),
            Self::FromStr => Cow::Borrowed(b""),
            Self::Group => Cow::Owned(group(json)),
            Self::Dig => {
                let mut out = vec![b'['];
                dig(&Value::parse(json), argument, &mut out, budget)?;
                out.push(b']');
                Cow::Owned(out)
            }
        })
    }
}

/// Splits the argument of a modifier from the path behind it: a JSON text, or everything up to
/// a pipe.
fn split_argument(text: &[u8]) -> (&[u8], &[u8]) {
    let end = if let Some(b'{' | b'[' | b'"') = at(text, 0) {
        enclosed(text).len()
    } else {
        let mut i = 0;
        while let Some(byte) = at(text, i) {
            match byte {
                b'|' => break,
                b'{' | b'[' | b'"' | b'(' => i += enclosed(tail(text, i)).len(),
                _ => i += 1,
            }
        }
        i
    };
    (span(text, 0, end), tail(text, end))
}

/// The members of a document with their keys.
fn members<'a>(json: &'a [u8]) -> Members<'a> {
    let value = Value::parse(json);
    let raw = match value.clone().into_raw() {
        Cow::Borrowed(raw) => raw,
        Cow::Owned(_) => b"",
    };
    Members::of(&value, raw)
}

/// The members of a member.
fn inner<'a>(value: &Value<'a>) -> Members<'a> {
    let raw = match value.clone().into_raw() {
        Cow::Borrowed(raw) => raw,
        Cow::Owned(_) => b"",
    };
    Members::of(value, raw)
}

/// Whether the last option of that name in a modifier's JSON argument says yes.
fn option(argument: &[u8], name: &[u8]) -> bool {
    members(argument)
        .filter(|(key, _)| key.as_ref().is_some_and(|key| key.str() == name))
        .last()
        .is_some_and(|(_, value)| value.is_true())
}

/// Without the brackets around it; the last byte goes even if it is no bracket.
fn unwrap(json: &[u8]) -> &[u8] {
    let json = trim(json);
    match json {
        [b'[' | b'{', inside @ .., _] => inside,
        _ => json,
    }
}

fn push_separated(out: &mut Vec<u8>, item: &[&[u8]]) {
    if out.len() > 1 {
        out.push(b',');
    }
    for piece in item {
        out.extend_from_slice(piece);
    }
}

fn reverse(json: &[u8]) -> Cow<'_, [u8]> {
    let value = Value::parse(json);
    let mut out;
    if value.is_array() {
        out = vec![b'['];
        let list: Vec<_> = members(json).collect();
        for (_, item) in list.iter().rev() {
            push_separated(&mut out, &[item.raw()]);
        }
        out.push(b']');
    } else if value.is_object() {
        out = vec![b'{'];
        let list: Vec<_> = members(json).collect();
        for (key, item) in list.iter().rev() {
            let key = key.as_ref().map_or(&b""[..], |key| key.raw());
            push_separated(&mut out, &[key, b":", item.raw()]);
        }
        out.push(b'}');
    } else {
        return Cow::Borrowed(json);
    }
    Cow::Owned(out)
}

fn flatten<'a>(json: &'a [u8], deep: bool, budget: &mut Budget) -> Result<Cow<'a, [u8]>, Limit> {
    if !Value::parse(json).is_array() {
        return Ok(Cow::Borrowed(json));
    }
    budget.charge(json.len())?;
    let mut out = vec![b'['];
    for (_, item) in members(json) {
        let flat;
        let piece = if !item.is_array() {
            item.raw()
        } else if deep {
            flat =
                budget.deeper(|budget| flatten(item.raw(), true, budget).map(Cow::into_owned))?;
            unwrap(&flat)
        } else {
            unwrap(item.raw())
        };
        let piece = trim_space(piece);
        if !piece.is_empty() {
            push_separated(&mut out, &[piece]);
        }
    }
    out.push(b']');
    Ok(Cow::Owned(out))
}

fn join(json: &[u8], preserve: bool) -> Cow<'_, [u8]> {
    if !Value::parse(json).is_array() {
        return Cow::Borrowed(json);
    }
    let objects = members(json).map(|(_, item)| item).filter(Value::is_object);
    let mut out = vec![b'{'];
    if preserve {
        for (n, object) in objects.enumerate() {
            if n > 0 {
                out.push(b',');
            }
            out.extend_from_slice(unwrap(object.raw()));
        }
    } else {
        let mut places: HashMap<Vec<u8>, usize> = HashMap::new();
        let mut fields = Vec::new();
        for object in objects {
            for (key, value) in inner(&object) {
                let Some(key) = key else { continue };
                match places
                    .get(key.str())
                    .and_then(|place| fields.get_mut(*place))
                {
                    Some((_, old)) => *old = value,
                    None => {
                        places.insert(key.str().to_vec(), fields.len());
                        fields.push((key, value));
                    }
                }
            }
        }
        for (key, value) in &fields {
            push_separated(&mut out, &[key.raw(), b":", value.raw()]);
        }
    }
    out.push(b'}');
    Cow::Owned(out)
}

fn keys(json: &[u8]) -> Vec<u8> {
    let object = Value::parse(json).is_object();
    let mut out = vec![b'['];
    for (key, _) in members(json) {
        let key = key.filter(|_| object);
        push_separated(
            &mut out,
            &[key.as_ref().map_or(&b"null"[..], |key| key.raw())],
        );
    }
    out.push(b']');
    out
}

fn values(json: &[u8]) -> Cow<'_, [u8]> {
    if Value::parse(json).is_array() {
        return Cow::Borrowed(json);
    }
    let mut out = vec![b'['];
    for (_, item) in members(json) {
        push_separated(&mut out, &[item.raw()]);
    }
    out.push(b']');
    Cow::Owned(out)
}

/// Turns an object of arrays into an array of objects.
fn group(json: &[u8]) -> Vec<u8> {
    if !Value::parse(json).is_object() {
        return Vec::new();
    }
    let mut rows: Vec<Vec<u8>> = Vec::new();
    for (key, column) in members(json) {
        let Some(key) = key.filter(|_| column.is_array()) else {
            continue;
        };
        for (n, (_, cell)) in inner(&column).enumerate() {
            if n == rows.len() {
                rows.push(vec![b'{']);
            }
            if let Some(row) = rows.get_mut(n) {
                push_separated(row, &[key.raw(), b":", cell.raw()]);
            }
        }
    }
    let mut out = vec![b'['];
    for row in &rows {
        push_separated(&mut out, &[row, b"}"]);
    }
    out.push(b']');
    out
}

/// Appends what `path` finds in `value` and, depth first, in everything below it.
fn dig(
    value: &Value<'_>,
    path: &[u8],
    out: &mut Vec<u8>,
    budget: &mut Budget,
) -> Result<(), Limit> {
    let found = get(value.raw(), path, budget)?;
    if found.exists() {
        budget.charge(found.raw().len())?;
        push_separated(out, &[found.raw()]);
    }
    if value.kind() == Kind::Json {
        for (_, item) in inner(value) {
            budget.deeper(|budget| dig(&item, path, out, budget))?;
        }
    }
    Ok(())
}

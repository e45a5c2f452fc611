//! Trimming, searching, joining, splitting, quoting.

use super::args::{Answer, OUT_OF_RANGE, any, go_int, int, strslice, strval, text};
use crate::call::Call;
use crate::error::CallError;
use crate::fmt::{printed, quote};
use crate::functions::Type::{Any, Int, Text as Str};
use crate::functions::{Declared, fixed, variadic};
use crate::unicode::{decode, runes};
use crate::value::{Elem, Map, Text, Value};

pub(crate) static TABLE: &[Declared] = &[
    fixed("hello", &[], |call, _| Ok(call.text(*b"Hello!")?)),
    fixed("trim", &[Str], |call, args| {
        Ok(call.text(trim_space(text(args, 0)))?)
    }),
    fixed("trimAll", &[Str, Str], trim_all),
    fixed("trimall", &[Str, Str], trim_all),
    fixed("trimPrefix", &[Str, Str], |call, args| {
        let whole = text(args, 1);
        Ok(call.text(whole.strip_prefix(text(args, 0)).unwrap_or(whole))?)
    }),
    fixed("trimSuffix", &[Str, Str], |call, args| {
        let whole = text(args, 1);
        Ok(call.text(whole.strip_suffix(text(args, 0)).unwrap_or(whole))?)
    }),
    fixed("substr", &[Int, Int, Str], substr),
    fixed("trunc", &[Int, Str], trunc),
    fixed("repeat", &[Int, Str], repeat),
    fixed("contains", &[Str, Str], |_, args| {
        Ok(Value::Bool(find(text(args, 1), text(args, 0)).is_some()))
    }),
    fixed("hasPrefix", &[Str, Str], |_, args| {
        Ok(Value::Bool(text(args, 1).starts_with(text(args, 0))))
    }),
    fixed("hasSuffix", &[Str, Str], |_, args| {
        Ok(Value::Bool(text(args, 1).ends_with(text(args, 0))))
    }),
    variadic("quote", &[], Any, quote),
    variadic("squote", &[], Any, squote),
    variadic("cat", &[], Any, cat),
    fixed("indent", &[Int, Str], |call, args| indent(call, args, b"")),
    fixed("nindent", &[Int, Str], |call, args| {
        indent(call, args, b"\n")
    }),
    fixed("replace", &[Str, Str, Str], |call, args| {
        let out = replace(call, text(args, 2), text(args, 0), text(args, 1))?;
        Ok(call.text(out)?)
    }),
    fixed("plural", &[Str, Str, Int], |_, args| {
        Ok(any(args, usize::from(int(args, 2) != 1)).clone())
    }),
    fixed("toString", &[Any], |call, args| {
        let out = strval(call, any(args, 0))?.into_owned();
        Ok(call.text(out)?)
    }),
    fixed("toStrings", &[Any], |call, args| {
        let texts = strslice(call, any(args, 0))?;
        texts_value(call, texts)
    }),
    fixed("join", &[Str, Any], join),
    fixed("split", &[Str, Str], |call, args| {
        numbered(call, text(args, 1), text(args, 0), -1)
    }),
    fixed("splitn", &[Str, Int, Str], |call, args| {
        numbered(call, text(args, 2), text(args, 0), int(args, 1))
    }),
    fixed("splitList", &[Str, Str], |call, args| {
        let parts = split(text(args, 1), text(args, 0), -1);
        texts_value(call, parts.into_iter().map(Text::from).collect())
    }),
    fixed("sortAlpha", &[Any], |call, args| {
        let mut texts = strslice(call, any(args, 0))?;
        texts.sort();
        texts_value(call, texts)
    }),
];

/// A `[]string`.
pub(super) fn texts_value(call: &mut Call<'_>, texts: Vec<Text>) -> Answer {
    let items = texts.into_iter().map(Value::Text).collect();
    Ok(call.list(Elem::Text, items)?)
}

/// The place of `needle` in `hay`.
pub(super) fn find(hay: &[u8], needle: &[u8]) -> Option<usize> {
    memchr::memmem::find(hay, needle)
}

/// `strings.TrimSpace`.
pub(super) fn trim_space(bytes: &[u8]) -> &[u8] {
    trim_where(bytes, char::is_whitespace)
}

fn trim_where(bytes: &[u8], cut: impl Fn(char) -> bool) -> &[u8] {
    let mut rest = bytes;
    while let Some(tail) = rest.get(decode(rest).1..)
        && !rest.is_empty()
        && cut(decode(rest).0)
    {
        rest = tail;
    }
    while let Some((c, head)) = last_rune(rest)
        && cut(c)
    {
        rest = head;
    }
    rest
}

/// The last character and what precedes it.
fn last_rune(bytes: &[u8]) -> Option<(char, &[u8])> {
    let longest = bytes.len().min(4);
    for width in (1..=longest).rev() {
        let (head, tail) = bytes.split_at_checked(bytes.len() - width)?;
        let (c, decoded) = decode(tail);
        if decoded == width {
            return Some((c, head));
        }
    }
    bytes.split_last().map(|(_, head)| ('\u{fffd}', head))
}

fn trim_all(call: &mut Call<'_>, args: &[Value]) -> Answer {
    let cut: Vec<char> = runes(text(args, 0)).map(|(_, c, _)| c).collect();
    call.step(cut.len())?;
    let out = trim_where(text(args, 1), |c| cut.contains(&c));
    Ok(call.text(out)?)
}

fn substr(call: &mut Call<'_>, args: &[Value]) -> Answer {
    let (start, end, whole) = (int(args, 0), int(args, 1), text(args, 2));
    let part = if start < 0 {
        usize::try_from(end).ok().and_then(|end| whole.get(..end))
    } else {
        let start = usize::try_from(start).unwrap_or(usize::MAX);
        match usize::try_from(end) {
            Ok(end) if end <= whole.len() => whole.get(start..end),
            _ => whole.get(start..),
        }
    };
    Ok(call.text(part.ok_or(OUT_OF_RANGE)?)?)
}

fn trunc(call: &mut Call<'_>, args: &[Value]) -> Answer {
    let (count, whole) = (int(args, 0), text(args, 1));
    let size = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
    let part = if count < 0 {
        whole
            .len()
            .checked_sub(size)
            .filter(|at| *at > 0)
            .and_then(|at| whole.get(at..))
    } else {
        whole.get(..size)
    };
    Ok(call.text(part.unwrap_or(whole))?)
}

fn repeat(call: &mut Call<'_>, args: &[Value]) -> Answer {
    let count = usize::try_from(int(args, 0)).map_err(|_| "strings: negative Repeat count")?;
    let part = text(args, 1);
    let size = part.len().saturating_mul(count);
    if size > call.max_value() {
        call.reserve(size)?;
    }
    Ok(call.text(part.repeat(if part.is_empty() { 0 } else { count }))?)
}

fn quote(call: &mut Call<'_>, args: &[Value]) -> Answer {
    let mut out = Vec::new();
    for arg in args.iter().filter(|arg| !arg.is_nil()) {
        if !out.is_empty() {
            out.push(b' ');
        }
        let text = strval(call, arg)?;
        out.extend_from_slice(quote::quoted(&text).as_bytes());
    }
    Ok(call.text(out)?)
}

fn squote(call: &mut Call<'_>, args: &[Value]) -> Answer {
    let mut out = Vec::new();
    for arg in args.iter().filter(|arg| !arg.is_nil()) {
        out.extend_from_slice(if out.is_empty() { b"'" } else { b" '" });
        out.extend_from_slice(&crate::fmt::shown(arg, call.max_value())?);
        out.push(b'\'');
    }
    Ok(call.text(out)?)
}

fn cat(call: &mut Call<'_>, args: &[Value]) -> Answer {
    let args: Vec<Value> = args.iter().filter(|arg| !arg.is_nil()).cloned().collect();
    let format = vec!["%v"; args.len()].join(" ");
    printed(call, |printer| printer.sprintf(format.as_bytes(), &args))
}

fn indent(call: &mut Call<'_>, args: &[Value], before: &[u8]) -> Answer {
    let spaces = usize::try_from(int(args, 0)).map_err(|_| "strings: negative Repeat count")?;
    let whole = text(args, 1);
    let lines = 1 + whole.iter().filter(|b| **b == b'\n').count();
    let size = spaces.saturating_mul(lines).saturating_add(whole.len() + 1);
    if size > call.max_value() {
        call.reserve(size)?;
    }
    let pad = vec![b' '; spaces];
    let mut out = Vec::with_capacity(size);
    out.extend_from_slice(before);
    for (i, line) in whole.split(|b| *b == b'\n').enumerate() {
        if i > 0 {
            out.push(b'\n');
        }
        out.extend_from_slice(&pad);
        out.extend_from_slice(line);
    }
    Ok(call.text(out)?)
}

/// `strings.ReplaceAll`; an empty `old` stands between all characters.
pub(super) fn replace(
    call: &Call<'_>,
    whole: &[u8],
    old: &[u8],
    new: &[u8],
) -> Result<Vec<u8>, CallError> {
    let max = call.max_value();
    let mut out = Vec::with_capacity(whole.len());
    let mut rest = whole;
    let mut first = true;
    loop {
        let at = if old.is_empty() {
            // Before everything, then after each character.
            if first {
                Some(0)
            } else {
                Some(decode(rest).1).filter(|w| *w > 0)
            }
        } else {
            find(rest, old)
        };
        first = false;
        let Some(at) = at else { break };
        out.extend_from_slice(rest.get(..at).unwrap_or_default());
        out.extend_from_slice(new);
        rest = rest.get(at + old.len()..).unwrap_or_default();
        if out.len() > max {
            return Err(crate::limits::Limit::ValueBytes(max).into());
        }
    }
    out.extend_from_slice(rest);
    Ok(out)
}

fn join(call: &mut Call<'_>, args: &[Value]) -> Answer {
    let separator = text(args, 0);
    let parts = strslice(call, any(args, 1))?;
    let size = parts.iter().fold(0usize, |sum, part| {
        sum.saturating_add(part.len() + separator.len())
    });
    if size > call.max_value() + separator.len() {
        call.reserve(size)?;
    }
    Ok(call.text(parts.join(separator))?)
}

/// `strings.SplitN`: all parts for a negative `count`, none for 0.
pub(super) fn split<'b>(whole: &'b [u8], separator: &[u8], count: i64) -> Vec<&'b [u8]> {
    let most = usize::try_from(count).unwrap_or(usize::MAX);
    let mut parts = Vec::new();
    if most == 0 || separator.is_empty() && whole.is_empty() {
        return parts;
    }
    let mut rest = whole;
    while parts.len() + 1 < most {
        let at = if separator.is_empty() {
            Some(decode(rest).1).filter(|width| *width < rest.len())
        } else {
            find(rest, separator)
        };
        let Some(at) = at else { break };
        parts.push(rest.get(..at).unwrap_or_default());
        rest = rest.get(at + separator.len()..).unwrap_or_default();
    }
    parts.push(rest);
    parts
}

/// The parts under the keys `_0`, `_1`, …
fn numbered(call: &mut Call<'_>, whole: &[u8], separator: &[u8], count: i64) -> Answer {
    let parts = split(whole, separator, count);
    call.reserve(parts.len().saturating_mul(64))?;
    let entries = parts.into_iter().enumerate().map(|(i, part)| {
        let key = format!("_{}", go_int(i));
        (Text::from(key.as_str()), Value::text(part))
    });
    Ok(Value::Map(Map::new(Elem::Text, entries)))
}

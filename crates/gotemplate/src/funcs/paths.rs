//! Slash-separated paths; the `os…` functions are the same on Linux.

use super::args::{Answer, text};
use crate::call::Call;
use crate::functions::Type::Text as Str;
use crate::functions::{Declared, fixed};
use crate::value::Value;

pub(crate) static TABLE: &[Declared] = &[
    fixed("base", &[Str], |call, args| of(call, args, base)),
    fixed("osBase", &[Str], |call, args| of(call, args, base)),
    fixed("dir", &[Str], |call, args| of(call, args, dir)),
    fixed("osDir", &[Str], |call, args| of(call, args, dir)),
    fixed("clean", &[Str], |call, args| of(call, args, clean)),
    fixed("osClean", &[Str], |call, args| of(call, args, clean)),
    fixed("ext", &[Str], |call, args| of(call, args, ext)),
    fixed("osExt", &[Str], |call, args| of(call, args, ext)),
    fixed("isAbs", &[Str], is_abs),
    fixed("osIsAbs", &[Str], is_abs),
];

fn of(call: &mut Call<'_>, args: &[Value], op: fn(&[u8]) -> Vec<u8>) -> Answer {
    Ok(call.text(op(text(args, 0)))?)
}

fn is_abs(_: &mut Call<'_>, args: &[Value]) -> Answer {
    Ok(Value::Bool(text(args, 0).starts_with(b"/")))
}

fn base(path: &[u8]) -> Vec<u8> {
    if path.is_empty() {
        return b".".to_vec();
    }
    let end = path.iter().rposition(|b| *b != b'/').map_or(0, |at| at + 1);
    let trimmed = path.get(..end).unwrap_or_default();
    if trimmed.is_empty() {
        return b"/".to_vec();
    }
    trimmed
        .rsplit(|b| *b == b'/')
        .next()
        .unwrap_or_default()
        .to_vec()
}

fn dir(path: &[u8]) -> Vec<u8> {
    let end = path.iter().rposition(|b| *b == b'/').map_or(0, |at| at + 1);
    clean(path.get(..end).unwrap_or_default())
}

fn ext(path: &[u8]) -> Vec<u8> {
    let name = path.rsplit(|b| *b == b'/').next().unwrap_or_default();
    match name.iter().rposition(|b| *b == b'.') {
        Some(at) => name.get(at..).unwrap_or_default().to_vec(),
        None => Vec::new(),
    }
}

/// The shortest path of the same meaning.
fn clean(path: &[u8]) -> Vec<u8> {
    let rooted = path.starts_with(b"/");
    let mut kept: Vec<&[u8]> = Vec::new();
    for part in path.split(|b| *b == b'/') {
        match part {
            b"" | b"." => {}
            b".." => match kept.last() {
                Some(last) if *last != b".." => {
                    kept.pop();
                }
                _ if rooted => {}
                _ => kept.push(part),
            },
            _ => kept.push(part),
        }
    }
    let joined = kept.join(&b'/');
    match (rooted, joined.is_empty()) {
        (true, _) => [b"/", &*joined].concat(),
        (false, true) => b".".to_vec(),
        (false, false) => joined,
    }
}

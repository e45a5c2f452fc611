//! Case, words, abbreviation and wrapping.

use super::args::{Answer, int, text, utf8};
use crate::call::Call;
use crate::functions::Type::{Int, Text as Str};
use crate::functions::{Declared, fixed};
use crate::unicode::{push_char, runes};
use crate::value::Value;

pub(crate) static TABLE: &[Declared] = &[
    fixed("upper", &[Str], |call, args| mapped(call, args, upper)),
    fixed("lower", &[Str], |call, args| mapped(call, args, lower)),
    fixed("title", &[Str], capitalise),
    fixed("untitle", &[Str], uncapitalise),
    fixed("swapcase", &[Str], swap_case),
    fixed("nospace", &[Str], nospace),
    fixed("initials", &[Str], initials),
    fixed("abbrev", &[Int, Str], |call, args| {
        let width = int(args, 0);
        let out = if width < 4 {
            text(args, 1).to_vec()
        } else {
            abbreviate(text(args, 1), 0, width)
        };
        Ok(call.text(out)?)
    }),
    fixed("abbrevboth", &[Int, Int, Str], |call, args| {
        let (left, right) = (int(args, 0), int(args, 1));
        let whole = text(args, 2);
        let out = if right < 4 || left > 0 && right < 7 {
            whole.to_vec()
        } else {
            abbreviate(whole, left, right)
        };
        Ok(call.text(out)?)
    }),
    fixed("wrap", &[Int, Str], |call, args| {
        wrap(call, text(args, 1), int(args, 0), b"", false)
    }),
    fixed("wrapWith", &[Int, Str, Str], |call, args| {
        wrap(call, text(args, 2), int(args, 0), text(args, 1), true)
    }),
    fixed("camelcase", &[Str], |call, args| {
        let out = pascal_case(&utf8(args, 0));
        Ok(call.text(out)?)
    }),
    fixed("snakecase", &[Str], |call, args| {
        let out = case::split_words(&utf8(args, 0), '_');
        Ok(call.text(out)?)
    }),
    fixed("kebabcase", &[Str], |call, args| {
        let out = case::split_words(&utf8(args, 0), '-');
        Ok(call.text(out)?)
    }),
];

mod case;

/// `unicode.ToUpper`: one character for one.
pub(super) fn upper(c: char) -> char {
    let mut all = c.to_uppercase();
    match (all.next(), all.next()) {
        (Some(one), None) => one,
        _ => c,
    }
}

/// `unicode.ToLower`.
pub(super) fn lower(c: char) -> char {
    let mut all = c.to_lowercase();
    match (all.next(), all.next()) {
        (Some(one), None) => one,
        // The dotted capital I is the only one that Rust spells with two characters.
        (Some(one), Some(_)) => one,
        _ => c,
    }
}

/// `unicode.ToTitle`: differs from upper case in the letters that are two in one.
fn title(c: char) -> char {
    match c {
        'Ǆ'..='ǆ' => 'ǅ',
        'Ǉ'..='ǉ' => 'ǈ',
        'Ǌ'..='ǌ' => 'ǋ',
        'Ǳ'..='ǳ' => 'ǲ',
        _ => upper(c),
    }
}

fn mapped(call: &mut Call<'_>, args: &[Value], map: fn(char) -> char) -> Answer {
    let whole = text(args, 0);
    let mut out = Vec::with_capacity(whole.len());
    for (_, c, _) in runes(whole) {
        push_char(&mut out, map(c));
    }
    Ok(call.text(out)?)
}

/// `strings.Title`: the first letter after anything that is not part of a word.
fn capitalise(call: &mut Call<'_>, args: &[Value]) -> Answer {
    let mut out = Vec::new();
    let mut before = ' ';
    for (_, c, _) in runes(text(args, 0)) {
        push_char(&mut out, if is_separator(before) { title(c) } else { c });
        before = c;
    }
    Ok(call.text(out)?)
}

fn is_separator(c: char) -> bool {
    if c.is_ascii() {
        return !(c.is_ascii_alphanumeric() || c == '_');
    }
    !crate::unicode::is_alphanumeric(c) && c.is_whitespace()
}

fn uncapitalise(call: &mut Call<'_>, args: &[Value]) -> Answer {
    let mut out = Vec::new();
    let mut next = true;
    for (_, c, _) in runes(text(args, 0)) {
        if c.is_whitespace() {
            next = true;
            push_char(&mut out, c);
        } else {
            push_char(&mut out, if next { lower(c) } else { c });
            next = false;
        }
    }
    Ok(call.text(out)?)
}

fn swap_case(call: &mut Call<'_>, args: &[Value]) -> Answer {
    let mut out = Vec::new();
    let mut space = true;
    for (_, c, _) in runes(text(args, 0)) {
        let swapped = if c.is_uppercase() || matches!(c, 'ǅ' | 'ǈ' | 'ǋ' | 'ǲ') {
            lower(c)
        } else if c.is_lowercase() {
            if space { title(c) } else { upper(c) }
        } else {
            push_char(&mut out, c);
            space = c.is_whitespace();
            continue;
        };
        space = false;
        push_char(&mut out, swapped);
    }
    Ok(call.text(out)?)
}

/// Goes by bytes: with white space in it, other than ASCII text is read as Latin-1.
fn nospace(call: &mut Call<'_>, args: &[Value]) -> Answer {
    let whole = text(args, 0);
    if !whole.iter().any(|b| char::from(*b).is_whitespace()) {
        return Ok(call.text(whole)?);
    }
    let out: String = whole
        .iter()
        .map(|b| char::from(*b))
        .filter(|c| !c.is_whitespace())
        .collect();
    Ok(call.text(out)?)
}

/// Goes by bytes, like `nospace`.
fn initials(call: &mut Call<'_>, args: &[Value]) -> Answer {
    let mut out = String::new();
    let mut gap = true;
    for c in text(args, 0).iter().map(|b| char::from(*b)) {
        if c.is_whitespace() {
            gap = true;
        } else if gap {
            out.push(c);
            gap = false;
        }
    }
    Ok(call.text(out)?)
}

/// Cuts to `width` bytes with dots for what is left out, from about `offset` on.
fn abbreviate(whole: &[u8], offset: i64, width: i64) -> Vec<u8> {
    let size = super::args::go_int(whole.len());
    if size <= width || width < 4 {
        return if width < 4 && !whole.is_empty() {
            Vec::new()
        } else {
            whole.to_vec()
        };
    }
    let kept = width - 3;
    let offset = if size - offset.min(size) < kept {
        size - kept
    } else {
        offset.min(size)
    };
    let slice = |from: i64, to: i64| {
        let from = usize::try_from(from).unwrap_or(0);
        let to = usize::try_from(to).unwrap_or(0);
        whole.get(from..to).unwrap_or_default()
    };
    if offset <= 4 {
        return [slice(0, kept), b"..."].concat();
    }
    if width < 7 {
        return Vec::new();
    }
    if offset + kept < size {
        let tail = abbreviate(slice(offset, size), 0, kept);
        return [b"...", &*tail].concat();
    }
    [b"...", slice(size - kept, size)].concat()
}

/// Breaks lines at spaces; words longer than a line only if `long_words`.
fn wrap(call: &mut Call<'_>, whole: &[u8], width: i64, newline: &[u8], long_words: bool) -> Answer {
    let newline = if newline.is_empty() { b"\n" } else { newline };
    let width = usize::try_from(width).unwrap_or(0).max(1);
    let mut out = Vec::with_capacity(whole.len());
    let mut rest = whole;
    while rest.len() > width {
        if let Some(tail) = rest.strip_prefix(b" ") {
            rest = tail;
            continue;
        }
        let line = rest.get(..=width).unwrap_or(rest);
        let (end, skip) = if let Some(at) = line.iter().rposition(|b| *b == b' ') {
            (at, 1)
        } else if long_words {
            (width, 0)
        } else {
            let tail = rest.get(width..).unwrap_or_default();
            match tail.iter().position(|b| *b == b' ') {
                Some(at) => (width + at, 1),
                None => break,
            }
        };
        out.extend_from_slice(rest.get(..end).unwrap_or_default());
        out.extend_from_slice(newline);
        rest = rest.get(end + skip..).unwrap_or_default();
        if out.len() > call.max_value() {
            call.reserve(out.len())?;
        }
    }
    out.extend_from_slice(rest);
    Ok(call.text(out)?)
}

fn pascal_case(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    let Some(first) = chars.find(|c| {
        let connector = case::is_connector(*c);
        if connector {
            out.push(*c);
        }
        !connector
    }) else {
        // Of nothing but connectors, the last one comes twice.
        out.extend(text.chars().next_back());
        return out;
    };
    // The rest of a word that starts in upper case is lowered while it stays in upper case.
    let mut lowering = first.is_uppercase();
    let mut pending = upper(first);
    for c in chars {
        let before = std::mem::replace(&mut pending, c);
        if case::is_connector(c) && case::is_connector(before) {
            out.push(before);
            continue;
        }
        if case::is_connector(before) {
            lowering = c.is_uppercase();
            pending = upper(c);
            continue;
        }
        if lowering {
            if c.is_uppercase() {
                pending = lower(c);
            } else {
                lowering = false;
            }
        }
        out.push(before);
    }
    out.push(pending);
    out
}

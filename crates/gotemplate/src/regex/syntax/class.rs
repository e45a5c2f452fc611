//! Bracketed classes. Go knows no nested classes and no set operations: brackets, `&&`, `--`
//! and `~~` inside stand for themselves.

use super::escape;
use super::push_literal;

const NAMES: [&str; 14] = [
    "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct",
    "space", "upper", "word", "xdigit",
];

const MISSING: &str = "missing closing ]";

/// Translates the class at the start of `text` and gives what follows it.
pub(super) fn translate(text: &str) -> Result<(String, &str), &'static str> {
    let mut rest = text.get(1..).unwrap_or_default();
    let mut out = String::from("[");
    if let Some(tail) = rest.strip_prefix('^') {
        out.push('^');
        rest = tail;
    }
    let mut first = true;
    loop {
        if rest.is_empty() {
            return Err(MISSING);
        }
        if let Some(tail) = rest.strip_prefix(']').filter(|_| !first) {
            out.push(']');
            return Ok((out, tail));
        }
        first = false;
        if let Some(tail) = named(rest, &mut out)? {
            rest = tail;
            continue;
        }
        if rest.starts_with('\\')
            && let Some((class, tail)) = escape::class(rest)?
        {
            out.push_str(&class);
            rest = tail;
            continue;
        }
        rest = range(rest, &mut out)?;
    }
}

/// `[:alpha:]` and `[:^alpha:]`.
fn named<'t>(text: &'t str, out: &mut String) -> Result<Option<&'t str>, &'static str> {
    let Some(inner) = text.strip_prefix("[:") else {
        return Ok(None);
    };
    let Some((name, rest)) = inner.split_once(":]") else {
        return Ok(None);
    };
    if !NAMES.contains(&name.strip_prefix('^').unwrap_or(name)) {
        return Err("invalid character class range");
    }
    out.push_str(&format!("[:{name}:]"));
    Ok(Some(rest))
}

/// One character, or two with a hyphen between.
fn range<'t>(text: &'t str, out: &mut String) -> Result<&'t str, &'static str> {
    let (low, rest) = character(text)?;
    let bounded = rest
        .strip_prefix('-')
        .filter(|tail| !tail.is_empty() && !tail.starts_with(']'));
    let Some(tail) = bounded else {
        push_literal(out, low);
        return Ok(rest);
    };
    let (high, rest) = character(tail)?;
    if high < low {
        return Err("invalid character class range");
    }
    push_literal(out, low);
    out.push('-');
    push_literal(out, high);
    Ok(rest)
}

fn character(text: &str) -> Result<(char, &str), &'static str> {
    if text.starts_with('\\') {
        return escape::character(text);
    }
    let mut chars = text.chars();
    let c = chars.next().ok_or(MISSING)?;
    Ok((c, chars.as_str()))
}

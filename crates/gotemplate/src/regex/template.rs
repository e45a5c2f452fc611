//! The replacement text of Go's `regexp`: `$1`, `$name`, `${1}`, `${name}`, `$$`.

use regex::bytes::Captures;

/// Appends `template` with its references replaced; unknown groups are empty.
pub(super) fn expand(
    captures: &Captures<'_>,
    names: &[(Box<str>, usize)],
    template: &[u8],
    out: &mut Vec<u8>,
) {
    let mut rest = template;
    while let Some(at) = rest.iter().position(|b| *b == b'$') {
        out.extend_from_slice(rest.get(..at).unwrap_or_default());
        rest = rest.get(at + 1..).unwrap_or_default();
        if let Some(tail) = rest.strip_prefix(b"$") {
            out.push(b'$');
            rest = tail;
            continue;
        }
        let Some((name, tail)) = reference(rest) else {
            // A dollar that starts no reference stands for itself.
            out.push(b'$');
            continue;
        };
        rest = tail;
        let group = if name.bytes().all(|b| b.is_ascii_digit()) && numeric(name) {
            name.parse()
                .ok()
                .and_then(|number: usize| captures.get(number))
        } else {
            names
                .iter()
                .filter(|(known, _)| **known == *name)
                .find_map(|(_, number)| captures.get(*number))
        };
        if let Some(group) = group {
            out.extend_from_slice(group.as_bytes());
        }
    }
    out.extend_from_slice(rest);
}

/// Go reads a name as a number unless it has a leading zero.
fn numeric(name: &str) -> bool {
    !(name.len() > 1 && name.starts_with('0'))
}

/// The name after a dollar, with or without braces, and what follows.
fn reference(text: &[u8]) -> Option<(&str, &[u8])> {
    let (braced, text) = match text.strip_prefix(b"{") {
        Some(tail) => (true, tail),
        None => (false, text),
    };
    let valid = std::str::from_utf8(text)
        .or_else(|error| std::str::from_utf8(text.get(..error.valid_up_to()).unwrap_or_default()));
    let readable = valid.unwrap_or_default();
    let length = readable
        .find(|c| !crate::unicode::is_alphanumeric(c))
        .unwrap_or(readable.len());
    let name = readable.get(..length).filter(|name| !name.is_empty())?;
    let tail = text.get(length..)?;
    if braced {
        return Some((name, tail.strip_prefix(b"}")?));
    }
    Some((name, tail))
}

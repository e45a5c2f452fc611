//! Taking a path apart: components, pipes, queries and multipaths.

use std::borrow::Cow;

use crate::bytes::{at, span, tail, trim};
use crate::modifier::Modifier;
use crate::text::unescape;

/// What follows a component.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub enum Rest<'p> {
    /// Nothing.
    #[default]
    End,
    /// A path into what the component leads to.
    Path(&'p [u8]),
    /// A path for the result as a whole.
    Pipe(&'p [u8]),
}

impl<'p> Rest<'p> {
    /// What follows the separator at `i`: a dot before a modifier or multipath is a pipe.
    fn after(path: &'p [u8], i: usize, may_pipe: bool) -> Self {
        let rest = tail(path, i + 1);
        if at(path, i) == Some(b'|') || (may_pipe && begins_pipe(rest)) {
            Self::Pipe(rest)
        } else {
            Self::Path(rest)
        }
    }

    /// The path, if that is what follows.
    pub fn path(self) -> Option<&'p [u8]> {
        match self {
            Self::Path(path) => Some(path),
            _ => None,
        }
    }
}

/// Whether a component that begins here is a modifier or a multipath.
fn begins_pipe(path: &[u8]) -> bool {
    match at(path, 0) {
        Some(b'[' | b'{') => true,
        Some(b'@') => {
            let name = path
                .split(|byte| matches!(byte, b'.' | b'|' | b':'))
                .next()
                .unwrap_or_default();
            Modifier::named(tail(name, 1)).is_some()
        }
        _ => false,
    }
}

/// A component read as an object's key.
pub struct ObjectPart<'p> {
    /// The key or pattern, without escapes.
    pub key: Cow<'p, [u8]>,
    /// Whether it is a pattern.
    pub wild: bool,
    /// What follows.
    pub rest: Rest<'p>,
}

impl<'p> ObjectPart<'p> {
    /// Reads the first component of `path`.
    pub fn of(path: &'p [u8]) -> Self {
        let mut wild = false;
        let mut stripped: Option<Vec<u8>> = None;
        let mut i = 0;
        while let Some(byte) = at(path, i) {
            match byte {
                b'|' | b'.' => {
                    return Self {
                        key: stripped.map_or(Cow::Borrowed(span(path, 0, i)), Cow::Owned),
                        wild,
                        rest: Rest::after(path, i, true),
                    };
                }
                b'\\' => {
                    let kept = stripped.get_or_insert_with(|| span(path, 0, i).to_vec());
                    i += 1;
                    kept.extend(at(path, i));
                }
                _ => {
                    wild |= matches!(byte, b'*' | b'?');
                    if let Some(kept) = &mut stripped {
                        kept.push(byte);
                    }
                }
            }
            i += 1;
        }
        Self {
            key: stripped.map_or(Cow::Borrowed(path), Cow::Owned),
            wild,
            rest: Rest::End,
        }
    }
}

/// A component read as a place in an array.
pub struct ArrayPart<'p> {
    /// The text of the component: an index, `#`, or a query.
    pub text: &'p [u8],
    /// Whether there is a `#` in it.
    pub hash: bool,
    /// The path to take in every element, for `#.path`.
    pub each: Option<&'p [u8]>,
    /// The query, for `#(…)`.
    pub query: Option<Query<'p>>,
    /// What follows.
    pub rest: Rest<'p>,
}

/// A condition on an array's elements.
#[derive(Default)]
pub struct Query<'p> {
    /// Whether all matching elements are wanted and not only the first.
    pub all: bool,
    /// The path to the value that is compared.
    pub path: &'p [u8],
    /// The operator; empty asks for existence.
    pub operator: &'p [u8],
    /// What is compared with.
    pub value: Cow<'p, [u8]>,
}

impl<'p> ArrayPart<'p> {
    /// Reads the first component of `path`.
    pub fn of(path: &'p [u8]) -> Self {
        let mut part = Self {
            text: path,
            hash: false,
            each: None,
            query: None,
            rest: Rest::End,
        };
        let mut i = 0;
        while let Some(byte) = at(path, i) {
            match byte {
                b'|' | b'.' => {
                    part.text = span(path, 0, i);
                    part.rest = Rest::after(path, i, !part.hash);
                    return part;
                }
                b'#' => {
                    part.hash = true;
                    match at(path, 1) {
                        Some(b'.') if i == 0 => part.each = Some(tail(path, 2)),
                        Some(b'[' | b'(') if i == 0 => {
                            let Some((mut query, end)) = Query::of(path) else {
                                // A query that never ends asks for existence of nothing.
                                part.query = Some(Query::default());
                                return part;
                            };
                            query.all = at(path, end) == Some(b'#');
                            part.query = Some(query);
                            i = end - 1;
                        }
                        _ => {}
                    }
                }
                _ => {}
            }
            i += 1;
        }
        part
    }
}

impl<'p> Query<'p> {
    /// Reads the query at the beginning of `path`, `#(` or `#[` included, and where it ends.
    fn of(path: &'p [u8]) -> Option<(Self, usize)> {
        let (end, comparison, escaped) = query_end(path)?;
        let Some(comparison) = comparison else {
            let query = Self {
                path: trim(span(path, 2, end)),
                ..Self::default()
            };
            return Some((query, end + 1));
        };
        let mut text = trim(span(path, comparison, end));
        if text.starts_with(b"==") && text.len() > 1 {
            text = tail(text, 1);
        }
        let width = match (at(text, 0), at(text, 1)) {
            (Some(_), None) => 1,
            (Some(b'!'), Some(b'=' | b'%')) | (Some(b'<' | b'>'), Some(b'=')) => 2,
            (Some(b'<' | b'>' | b'=' | b'%'), _) => 1,
            _ => 0,
        };
        let value = trim(tail(text, width));
        let quoted = match value {
            [b'"', inside @ .., b'"'] => Some(inside),
            _ => None,
        };
        let query = Self {
            all: false,
            path: trim(span(path, 2, comparison)),
            operator: span(text, 0, width),
            value: match quoted {
                Some(inside) if escaped => Cow::Owned(unescape(inside)),
                Some(inside) => Cow::Borrowed(inside),
                None => Cow::Borrowed(value),
            },
        };
        Some((query, end + 1))
    }
}

/// Where the query at the beginning of `path` closes, where its comparison begins, and whether a
/// quoted text in it has escapes.
fn query_end(path: &[u8]) -> Option<(usize, Option<usize>, bool)> {
    let mut depth = 1_usize;
    let mut comparison = None;
    let mut escaped = false;
    let mut i = 2;
    while let Some(byte) = at(path, i) {
        match byte {
            b'!' | b'=' | b'<' | b'>' | b'%' if depth == 1 && comparison.is_none() => {
                comparison = Some(i);
            }
            b'\\' => i += 1,
            b'[' | b'(' => depth += 1,
            b']' | b')' => {
                depth -= 1;
                if depth == 0 {
                    return Some((i, comparison, escaped));
                }
            }
            b'"' => {
                let (end, escapes) = quoted_end(path, i + 1);
                escaped |= escapes;
                i = end;
            }
            _ => {}
        }
        i += 1;
    }
    None
}

/// The closing quote of a text that begins at `i`, and whether there are escapes before it.
fn quoted_end(path: &[u8], mut i: usize) -> (usize, bool) {
    let mut escaped = false;
    while let Some(byte) = at(path, i) {
        match byte {
            b'\\' => {
                escaped = true;
                i += 1;
            }
            b'"' => break,
            _ => {}
        }
        i += 1;
    }
    (i, escaped)
}

/// Splits a path at its first pipe outside queries and, if it begins with one, outside a
/// multipath.
pub fn split_pipe(path: &[u8]) -> Option<(&[u8], &[u8])> {
    if !path.contains(&b'|') {
        return None;
    }
    if at(path, 0) == Some(b'{') {
        // As in gjson: the bracket before the text to be closed is the one after the first.
        let inside = tail(path, 1);
        let end = if inside.is_empty() {
            0
        } else {
            crate::scan::enclosed(inside).len()
        };
        let rest = tail(path, end + 1);
        return rest
            .strip_prefix(b"|")
            .map(|pipe| (span(path, 0, end + 1), pipe));
    }
    let mut i = 0;
    while let Some(byte) = at(path, i) {
        match byte {
            b'\\' => i += 1,
            b'|' => return Some((span(path, 0, i), tail(path, i + 1))),
            b'.' if i + 1 == path.len() => return None,
            b'.' if at(path, i + 1) == Some(b'#') => {
                i += 2;
                match at(path, i) {
                    None => return None,
                    Some(b'[') => i = selector_end(path, i + 1, b'[', b']'),
                    Some(b'(') => i = selector_end(path, i + 1, b'(', b')'),
                    _ => {}
                }
            }
            _ => {}
        }
        i += 1;
    }
    None
}

fn selector_end(path: &[u8], mut i: usize, open: u8, close: u8) -> usize {
    let mut depth = 1_usize;
    while let Some(byte) = at(path, i) {
        if byte == b'\\' {
            i += 1;
        } else if byte == open {
            depth += 1;
        } else if byte == close {
            depth -= 1;
            if depth == 0 {
                break;
            }
        } else if byte == b'"' {
            i = quoted_end(path, i + 1).0;
        }
        i += 1;
    }
    i
}

/// One path of a multipath, with the name it is to have.
pub struct Selector<'p> {
    /// The name before the colon; empty if there is none.
    pub name: &'p [u8],
    /// The path.
    pub path: &'p [u8],
}

/// Reads the multipath at the beginning of `path`: its selectors and what follows, or nothing if
/// it never ends.
pub fn selectors(path: &[u8]) -> Option<(Vec<Selector<'_>>, &[u8])> {
    let mut out = Vec::new();
    let mut depth = 1_usize;
    let mut start = 1;
    let mut colon = None;
    let mut modifier = false;
    let mut i = 1;
    while let Some(byte) = at(path, i) {
        match byte {
            b'\\' => i += 1,
            b'@' => modifier |= matches!(at(path, i - 1), Some(b'.' | b'|')),
            b':' if !modifier && colon.is_none() && depth == 1 => colon = Some(i),
            b'"' => i = quoted_end(path, i + 1).0,
            b'[' | b'(' | b'{' => depth += 1,
            b']' | b')' | b'}' => depth -= 1,
            _ => {}
        }
        if depth == 0 || (byte == b',' && depth == 1) {
            out.push(match colon.take() {
                Some(colon) => Selector {
                    name: span(path, start, colon),
                    path: span(path, colon + 1, i),
                },
                None => Selector {
                    name: b"",
                    path: span(path, start, i),
                },
            });
            if depth == 0 {
                return Some((out, tail(path, i + 1)));
            }
            modifier = false;
            start = i + 1;
        }
        i += 1;
    }
    None
}

/// The last component of a path, which names a selector without a name.
pub fn last_name(path: &[u8]) -> &[u8] {
    let separator = path.iter().enumerate().rposition(|(i, byte)| {
        matches!(byte, b'|' | b'.') && (i == 0 || at(path, i - 1) != Some(b'\\'))
    });
    separator.map_or(path, |i| tail(path, i + 1))
}

/// Whether a component can be a name as it is.
pub fn is_simple_name(name: &[u8]) -> bool {
    !name.iter().any(|byte| {
        *byte < b' '
            || matches!(
                byte,
                b'[' | b']' | b'{' | b'}' | b'(' | b')' | b'#' | b'|' | b'!'
            )
    })
}

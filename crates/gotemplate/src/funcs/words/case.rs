//! `snakecase` and `kebabcase`: words found by the kinds of their characters.

use super::lower;

/// What a run of characters is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Invalid,
    Number,
    Upper,
    Letters,
    Connector,
    Punctuation,
    Other,
}

use Kind::{Connector, Invalid, Letters, Number, Other, Punctuation, Upper};

/// Separates words: hyphen, underscore, space.
pub(super) fn is_connector(c: char) -> bool {
    c == '-' || c == '_' || c.is_whitespace()
}

fn is_punctuation(c: char) -> bool {
    if c.is_ascii() {
        return matches!(
            c,
            '!' | '"'
                | '#'
                | '%'
                | '&'
                | '\''
                | '('
                | ')'
                | '*'
                | ','
                | '-'
                | '.'
                | '/'
                | ':'
                | ';'
                | '?'
                | '@'
                | '['
                | '\\'
                | ']'
                | '_'
                | '{'
                | '}'
        );
    }
    crate::unicode::is_punctuation(c)
}

/// Letters that have case; others, such as ideographs, are not split.
fn is_cased(c: char) -> bool {
    c.is_alphabetic()
        && !matches!(u32::from(c), 0x4e00..=0x9fcc | 0x3400..=0x4d85 | 0x20000..=0x2b81d)
}

/// The words of `text` in lower case with `connector` between them.
pub(super) fn split_words(text: &str, connector: char) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    if text.is_empty() {
        return out;
    }
    let (mut kind, mut word, mut rest) = next_word(text);
    while !rest.is_empty() {
        if kind != Connector {
            push(&mut out, kind, word, connector);
        }
        let (before, last) = (kind, word);
        (kind, word, rest) = next_word(rest);
        match before {
            Number => {
                while matches!(kind, Letters | Number) {
                    push(&mut out, kind, word, connector);
                    (kind, word, rest) = next_word(rest);
                }
                if !matches!(kind, Invalid | Punctuation | Connector) {
                    out.push(connector);
                }
            }
            Connector => push(&mut out, before, last, connector),
            Punctuation => {}
            _ if kind != Number => {
                if !matches!(kind, Connector | Punctuation) {
                    out.push(connector);
                }
            }
            _ if rest.is_empty() => {}
            _ => {
                let number = word;
                (kind, word, rest) = next_word(rest);
                if kind == Letters {
                    out.push(connector);
                    push(&mut out, Number, number, connector);
                    while matches!(kind, Letters | Number) {
                        push(&mut out, kind, word, connector);
                        (kind, word, rest) = next_word(rest);
                    }
                    if !matches!(kind, Invalid | Connector | Punctuation) {
                        out.push(connector);
                    }
                } else {
                    push(&mut out, Number, number, connector);
                    if !matches!(kind, Connector | Punctuation) {
                        out.push(connector);
                    }
                }
            }
        }
    }
    push(&mut out, kind, word, connector);
    out
}

fn push(out: &mut String, kind: Kind, word: &str, connector: char) {
    if !matches!(kind, Upper | Connector) {
        out.push_str(word);
        return;
    }
    for c in word.chars() {
        if is_connector(c) {
            out.push(connector);
        } else if c.is_uppercase() {
            out.push(lower(c));
        } else {
            out.push(c);
        }
    }
}

/// The end of the run of fitting characters from `from` on.
fn run(text: &str, from: usize, fits: &dyn Fn(char) -> bool) -> usize {
    let tail = text.get(from..).unwrap_or_default();
    from + tail.find(|c| !fits(c)).unwrap_or(tail.len())
}

/// The first word, its kind, and the rest.
fn next_word(text: &str) -> (Kind, &str, &str) {
    let Some(first) = text.chars().next() else {
        return (Invalid, "", "");
    };
    let after = first.len_utf8();
    let (kind, end) = if is_connector(first) {
        (Connector, run(text, after, &is_connector))
    } else if is_punctuation(first) {
        (Punctuation, run(text, after, &is_punctuation))
    } else if first.is_uppercase() {
        (Upper, upper_word(text, after))
    } else if is_cased(first) {
        (
            Letters,
            run(text, after, &|c| is_cased(c) && !c.is_uppercase()),
        )
    } else if first.is_numeric() {
        (Number, run(text, after, &char::is_numeric))
    } else {
        let other =
            |c: char| !is_connector(c) && !is_cased(c) && !c.is_numeric() && !is_punctuation(c);
        (Other, run(text, after, &other))
    };
    let (word, rest) = text.split_at_checked(end).unwrap_or((text, ""));
    (kind, word, rest)
}

/// A word in upper case, or one capital and the small letters after it.
fn upper_word(text: &str, after: usize) -> usize {
    let second = text.get(after..).and_then(|tail| tail.chars().next());
    match second {
        Some(c) if c.is_uppercase() => {
            let end = run(text, after, &char::is_uppercase);
            let next = text.get(end..).and_then(|tail| tail.chars().next());
            // The last capital belongs to the word that follows.
            if next.is_some_and(is_cased) {
                let last = text.get(..end).and_then(|head| head.chars().next_back());
                end - last.map_or(0, char::len_utf8)
            } else {
                end
            }
        }
        Some(c) if is_cased(c) => run(text, after, &|c| is_cased(c) && !c.is_uppercase()),
        _ => after,
    }
}

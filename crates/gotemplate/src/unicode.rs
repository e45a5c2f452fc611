//! Go's questions about characters, which differ from Rust's own classes.

use std::sync::LazyLock;

use regex::Regex;

/// A fixed class of characters; the expressions are constants known to compile.
fn class(pattern: &'static str) -> Option<Regex> {
    Regex::new(pattern).ok()
}

static PRINT: LazyLock<Option<Regex>> = LazyLock::new(|| class(r"^[\pL\pM\pN\pP\pS]$"));
static PUNCTUATION: LazyLock<Option<Regex>> = LazyLock::new(|| class(r"^\pP$"));
static WORD: LazyLock<Option<Regex>> = LazyLock::new(|| class(r"^[\pL\p{Nd}]$"));

fn matches(regex: &LazyLock<Option<Regex>>, c: char) -> bool {
    let mut buffer = [0; 4];
    regex
        .as_ref()
        .is_some_and(|regex| regex.is_match(c.encode_utf8(&mut buffer)))
}

/// `unicode.IsPrint`: letters, marks, numbers, punctuation, symbols and the ASCII space.
pub(crate) fn is_print(c: char) -> bool {
    if c.is_ascii() {
        return (' '..='~').contains(&c);
    }
    matches(&PRINT, c)
}

/// `unicode.IsLetter` or `unicode.IsDigit` or an underscore.
pub(crate) fn is_alphanumeric(c: char) -> bool {
    if c.is_ascii() {
        return c == '_' || c.is_ascii_alphanumeric();
    }
    matches(&WORD, c)
}

/// `unicode.IsPunct` beyond ASCII.
pub(crate) fn is_punctuation(c: char) -> bool {
    matches(&PUNCTUATION, c)
}

/// Splits `bytes` into characters as Go ranges over a string: an invalid byte alone is
/// U+FFFD. Yields the offset, the character and its bytes.
pub(crate) fn runes(bytes: &[u8]) -> impl Iterator<Item = (usize, char, &[u8])> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let rest = bytes.get(at..).filter(|rest| !rest.is_empty())?;
        let (c, width) = decode(rest);
        let start = at;
        at += width;
        Some((start, c, rest.get(..width)?))
    })
}

/// The first character of a non-empty `bytes` and its width; U+FFFD and 1 when invalid.
pub(crate) fn decode(bytes: &[u8]) -> (char, usize) {
    let Some(&first) = bytes.first() else {
        return ('\u{fffd}', 0);
    };
    if first < 0x80 {
        return (char::from(first), 1);
    }
    let width = match first {
        0xc2..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf4 => 4,
        _ => return ('\u{fffd}', 1),
    };
    bytes
        .get(..width)
        .and_then(|head| std::str::from_utf8(head).ok())
        .and_then(|head| head.chars().next())
        .map_or(('\u{fffd}', 1), |c| (c, width))
}

/// How many characters Go counts in `bytes`.
pub(crate) fn count(bytes: &[u8]) -> usize {
    if bytes.is_ascii() {
        return bytes.len();
    }
    runes(bytes).count()
}

/// Maps each character; unlike Go's `strings.Map`, invalid bytes become U+FFFD only if changed.
pub(crate) fn push_char(out: &mut Vec<u8>, c: char) {
    let mut buffer = [0; 4];
    out.extend_from_slice(c.encode_utf8(&mut buffer).as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_gos() {
        for (c, print) in [
            ('é', true),
            ('\u{a0}', false),
            ('\u{200b}', false),
            ('日', true),
        ] {
            assert_eq!(is_print(c), print, "{c:?}");
        }
        assert!(is_alphanumeric('日') && is_alphanumeric('٣') && !is_alphanumeric('²'));
    }

    #[test]
    fn invalid_bytes_are_single_replacements() {
        let all: Vec<_> = runes(b"a\xff\xe6\x97\xe6\x97\xa5")
            .map(|(i, c, _)| (i, c))
            .collect();
        assert_eq!(
            all,
            [
                (0, 'a'),
                (1, '\u{fffd}'),
                (2, '\u{fffd}'),
                (3, '\u{fffd}'),
                (4, '日')
            ]
        );
    }
}

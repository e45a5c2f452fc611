//! Byte slices without panics: positions past the end read as nothing.

/// The byte at `i`.
pub fn at(bytes: &[u8], i: usize) -> Option<u8> {
    bytes.get(i).copied()
}

/// Everything from `i` on.
pub fn tail(bytes: &[u8], i: usize) -> &[u8] {
    bytes.get(i..).unwrap_or_default()
}

/// The bytes from `start` up to `end`, cut at the end of the slice.
pub fn span(bytes: &[u8], start: usize, end: usize) -> &[u8] {
    bytes.get(start..end.min(bytes.len())).unwrap_or_default()
}

/// Without control characters and spaces at both ends.
pub fn trim(mut bytes: &[u8]) -> &[u8] {
    while let [first, rest @ ..] = bytes
        && *first <= b' '
    {
        bytes = rest;
    }
    while let [rest @ .., last] = bytes
        && *last <= b' '
    {
        bytes = rest;
    }
    bytes
}

/// One decoded character: `(U+FFFD, 1)` for a byte that is not UTF-8, nothing for no bytes.
pub fn first_char(bytes: &[u8]) -> Option<(char, usize)> {
    let lead = at(bytes, 0)?;
    let width = match lead {
        0..=0x7f => return Some((char::from(lead), 1)),
        0xc2..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf4 => 4,
        _ => return Some((char::REPLACEMENT_CHARACTER, 1)),
    };
    let decoded = bytes
        .get(..width)
        .and_then(|head| std::str::from_utf8(head).ok())
        .and_then(|text| text.chars().next());
    Some(decoded.map_or((char::REPLACEMENT_CHARACTER, 1), |c| (c, width)))
}

/// The last decoded character, by the same rule.
pub fn last_char(bytes: &[u8]) -> Option<(char, usize)> {
    let last = *bytes.last()?;
    if last < 0x80 {
        return Some((char::from(last), 1));
    }
    for width in 2..=bytes.len().min(4) {
        let from = tail(bytes, bytes.len() - width);
        if let Some((c, size)) = first_char(from)
            && size == width
        {
            return Some((c, width));
        }
    }
    Some((char::REPLACEMENT_CHARACTER, 1))
}

/// Without white space, as Unicode defines it, at both ends.
pub fn trim_space(mut bytes: &[u8]) -> &[u8] {
    while let Some((c, width)) = first_char(bytes)
        && c.is_whitespace()
    {
        bytes = tail(bytes, width);
    }
    while let Some((c, width)) = last_char(bytes)
        && c.is_whitespace()
    {
        bytes = span(bytes, 0, bytes.len() - width);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broken_utf8_is_one_replacement_per_byte_from_both_ends() {
        assert_eq!(first_char("é!".as_bytes()), Some(('é', 2)));
        assert_eq!(last_char("!é".as_bytes()), Some(('é', 2)));
        assert_eq!(first_char(b"\xe2\x82"), Some(('\u{fffd}', 1)));
        assert_eq!(last_char(b"\xe2\x82"), Some(('\u{fffd}', 1)));
        assert_eq!(first_char(b""), None);
        assert_eq!(last_char(b""), None);
    }

    #[test]
    fn trimming() {
        assert_eq!(trim(b" \x01a b\n"), b"a b");
        assert_eq!(trim_space("\u{a0}a\u{2003}".as_bytes()), b"a");
        assert_eq!(trim(b"  "), b"");
    }
}

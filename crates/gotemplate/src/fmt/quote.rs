//! `strconv.Quote` and its relatives.

use crate::unicode::{decode, is_print};

/// Go's double-quoted form of `bytes`.
pub(crate) fn quoted(bytes: &[u8]) -> String {
    with(bytes, '"', false)
}

/// The double-quoted form in ASCII only.
pub(crate) fn quoted_ascii(bytes: &[u8]) -> String {
    with(bytes, '"', true)
}

/// A character in single quotes.
pub(crate) fn quoted_char(c: char, ascii: bool) -> String {
    let mut buffer = [0; 4];
    with(c.encode_utf8(&mut buffer).as_bytes(), '\'', ascii)
}

/// Whether the bytes can stand between back quotes unchanged.
pub(crate) fn can_backquote(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_ok_and(|text| {
        text.chars().all(|c| match c {
            '\u{feff}' | '`' | '\u{7f}' => false,
            '\t' => true,
            _ => c >= ' ',
        })
    })
}

fn with(bytes: &[u8], quote: char, ascii: bool) -> String {
    let mut out = String::with_capacity(bytes.len() + 2);
    out.push(quote);
    let mut rest = bytes;
    while !rest.is_empty() {
        let (c, width) = decode(rest);
        match rest.first() {
            Some(byte) if width == 1 && *byte >= 0x80 => out.push_str(&format!("\\x{byte:02x}")),
            _ => escape(&mut out, c, quote, ascii),
        }
        rest = rest.get(width..).unwrap_or_default();
    }
    out.push(quote);
    out
}

fn escape(out: &mut String, c: char, quote: char, ascii: bool) {
    let code = u32::from(c);
    match c {
        _ if c == quote || c == '\\' => {
            out.push('\\');
            out.push(c);
        }
        _ if is_print(c) && (!ascii || c.is_ascii()) => out.push(c),
        '\u{7}' => out.push_str("\\a"),
        '\u{8}' => out.push_str("\\b"),
        '\u{c}' => out.push_str("\\f"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        '\u{b}' => out.push_str("\\v"),
        _ if code < 0x80 => out.push_str(&format!("\\x{code:02x}")),
        _ if code < 0x1_0000 => out.push_str(&format!("\\u{code:04x}")),
        _ => out.push_str(&format!("\\U{code:08x}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_like_go() {
        for (bytes, want) in [
            (&b"a\"b\\"[..], r#""a\"b\\""#),
            (b"\x00\x7f\n\xff", r#""\x00\x7f\n\xff""#),
            ("é\u{200b}\u{1f600}".as_bytes(), "\"é\\u200b\u{1f600}\""),
        ] {
            assert_eq!(quoted(bytes), want);
        }
        assert_eq!(
            quoted_ascii("é\u{1f600}".as_bytes()),
            r#""\u00e9\U0001f600""#
        );
        assert_eq!(quoted_char('\'', false), r"'\''");
    }
}

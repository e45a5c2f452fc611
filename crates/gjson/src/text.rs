//! JSON strings: taking escapes out and putting them in.

use crate::bytes::{at, first_char, tail};

/// Takes the escapes out of a string's inside. Stops, as gjson does, at a control character,
/// an unknown escape or an incomplete one; a lone surrogate becomes U+FFFD.
pub fn unescape(inside: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(inside.len());
    let mut i = 0;
    while let Some(byte) = at(inside, i) {
        i += 1;
        match byte {
            b'\\' => {
                let Some(escape) = at(inside, i) else { break };
                i += 1;
                match escape {
                    b'"' | b'\\' | b'/' => out.push(escape),
                    b'b' => out.push(8),
                    b'f' => out.push(12),
                    b'n' => out.push(b'\n'),
                    b'r' => out.push(b'\r'),
                    b't' => out.push(b'\t'),
                    b'u' => {
                        let Some(digits) = inside.get(i..i + 4) else {
                            break;
                        };
                        let unit = hex4(digits);
                        i += 4;
                        let (code, used) = join_surrogates(unit, tail(inside, i));
                        i += used;
                        let mut buffer = [0; 4];
                        out.extend_from_slice(code.encode_utf8(&mut buffer).as_bytes());
                    }
                    _ => break,
                }
            }
            0..0x20 => break,
            _ => out.push(byte),
        }
    }
    out
}

/// Four hexadecimal digits; anything else reads as 0.
fn hex4(digits: &[u8]) -> u32 {
    digits
        .iter()
        .try_fold(0, |code, digit| {
            char::from(*digit)
                .to_digit(16)
                .map(|value| code * 16 + value)
        })
        .unwrap_or(0)
}

/// The character of a UTF-16 unit, with the second half of its pair if one follows, and how
/// many bytes that half took.
fn join_surrogates(unit: u32, rest: &[u8]) -> (char, usize) {
    if !(0xd800..0xe000).contains(&unit) {
        return (
            char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER),
            0,
        );
    }
    let Some(digits) = rest.strip_prefix(b"\\u").and_then(|hex| hex.get(..4)) else {
        return (char::REPLACEMENT_CHARACTER, 0);
    };
    // Whatever follows is taken as the second half.
    let low = hex4(digits);
    let code = if unit < 0xdc00 && (0xdc00..0xe000).contains(&low) {
        0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00)
    } else {
        u32::from(char::REPLACEMENT_CHARACTER)
    };
    (
        char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER),
        6,
    )
}

/// Appends `text` as a JSON string, with the escapes of Go's `encoding/json`, HTML's included.
pub fn append_string(out: &mut Vec<u8>, text: &[u8]) {
    out.reserve(text.len() + 2);
    out.push(b'"');
    let mut rest = text;
    while let Some((c, width)) = first_char(rest) {
        match c {
            '"' => out.extend_from_slice(b"\\\""),
            '\\' => out.extend_from_slice(b"\\\\"),
            '\u{8}' => out.extend_from_slice(b"\\b"),
            '\u{c}' => out.extend_from_slice(b"\\f"),
            '\n' => out.extend_from_slice(b"\\n"),
            '\r' => out.extend_from_slice(b"\\r"),
            '\t' => out.extend_from_slice(b"\\t"),
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' | '\0'..' ' => {
                out.extend_from_slice(format!("\\u{:04x}", u32::from(c)).as_bytes());
            }
            char::REPLACEMENT_CHARACTER if width == 1 => out.extend_from_slice(b"\\ufffd"),
            _ => out.extend_from_slice(rest.get(..width).unwrap_or_default()),
        }
        rest = tail(rest, width);
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_come_out() {
        for (input, expected) in [
            (r"a\tb\/\\\u00e9", &b"a\tb/\\\xc3\xa9"[..]),
            (r"\ud83d\ude00!", "😀!".as_bytes()),
            (r"\ud83d!", "\u{fffd}!".as_bytes()),
            (r"\ud83d\u0041!", "\u{fffd}!".as_bytes()),
            (r"\uzzzz", b"\0"),
            (r"ab\u12", b"ab"),
            (r"ab\xcd", b"ab"),
            ("ab\ncd", b"ab"),
            ("ab\\", b"ab"),
        ] {
            assert_eq!(unescape(input.as_bytes()), expected, "{input}");
        }
    }

    #[test]
    fn escapes_go_in() {
        let mut out = Vec::new();
        append_string(&mut out, "<a&\"\\\u{1}\n\u{7f}é\u{2028}".as_bytes());
        append_string(&mut out, b"\xff");
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "\"\\u003ca\\u0026\\\"\\\\\\u0001\\n\u{7f}é\\u2028\"\"\\ufffd\""
        );
    }
}

//! Standard Base64 as Go decodes it: newlines are skipped, errors name their place.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// With padding.
pub(crate) fn encode(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

fn digit(byte: u8) -> Option<u32> {
    Some(u32::from(match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    }))
}

fn is_newline(byte: u8) -> bool {
    matches!(byte, b'\n' | b'\r')
}

/// The bytes, or the place at which Go finds the text corrupt.
pub(crate) fn decode(text: &[u8]) -> Result<Vec<u8>, usize> {
    if let Ok(bytes) = STANDARD.decode(text) {
        return Ok(bytes);
    }
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    let (mut group, mut count) = (0u32, 0usize);
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        at += 1;
        if let Some(value) = digit(byte) {
            group = group << 6 | value;
            count += 1;
            if count == 4 {
                out.extend_from_slice(group.to_be_bytes().get(1..).unwrap_or_default());
                (group, count) = (0, 0);
            }
        } else if !is_newline(byte) {
            if byte != b'=' || count < 2 {
                return Err(at - 1);
            }
            finish(text, at, count)?;
            let bits = group << (6 * (4 - count));
            out.extend_from_slice(bits.to_be_bytes().get(1..count).unwrap_or_default());
            return Ok(out);
        }
    }
    if count == 0 { Ok(out) } else { Err(at - count) }
}

/// Checks what follows the first padding character.
fn finish(text: &[u8], mut at: usize, count: usize) -> Result<(), usize> {
    let skip = |at: usize| {
        let rest = text.get(at..).unwrap_or_default();
        at + rest.iter().take_while(|b| is_newline(**b)).count()
    };
    if count == 2 {
        at = skip(at);
        match text.get(at) {
            None => return Err(text.len()),
            Some(b'=') => at += 1,
            Some(_) => return Err(at - 1),
        }
    }
    at = skip(at);
    if at < text.len() { Err(at) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_name_the_place() {
        for (text, want) in [
            ("%%%", Err(0)),
            ("aGVsbG8", Err(4)),
            ("aGVsbG8=x", Err(8)),
            ("aGVs\nbG8=\n", Ok(&b"hello"[..])),
            ("a===", Err(1)),
            ("aa=", Err(3)),
            ("aa=a", Err(2)),
            ("", Ok(b"")),
        ] {
            assert_eq!(
                decode(text.as_bytes()).as_deref().map_err(|at| *at),
                want,
                "{text}"
            );
        }
    }
}

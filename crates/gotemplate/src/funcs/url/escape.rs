//! Percent encoding per part of a URL.

/// A part of a URL, which decides what needs no escape.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Path,
    Host,
    Zone,
    User,
    Fragment,
}

pub(super) fn must_escape(byte: u8, part: Part) -> bool {
    if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
        return false;
    }
    let host = matches!(part, Part::Host | Part::Zone);
    !match byte {
        b'$' | b'&' | b'+' | b',' | b';' | b'=' => true,
        b':' => part != Part::User,
        b'/' => matches!(part, Part::Path | Part::Fragment),
        b'@' => matches!(part, Part::Path | Part::Fragment),
        b'?' => part == Part::Fragment,
        b'!' | b'(' | b')' | b'*' => host || part == Part::Fragment,
        b'\'' | b'[' | b']' | b'<' | b'>' | b'"' => host,
        _ => false,
    }
}

pub(super) fn escape(bytes: &[u8], part: Part) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    for byte in bytes {
        if must_escape(*byte, part) {
            out.extend_from_slice(format!("%{byte:02X}").as_bytes());
        } else {
            out.push(*byte);
        }
    }
    out
}

/// Resolves `%XX`; refuses malformed ones and characters that a host cannot have.
pub(super) fn unescape(bytes: &[u8], part: Part) -> Result<Vec<u8>, &'static str> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    let hex = |byte: Option<&u8>| byte.and_then(|b| char::from(*b).to_digit(16));
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        if byte != b'%' {
            let host = matches!(part, Part::Host | Part::Zone);
            if host && byte < 0x80 && must_escape(byte, part) {
                return Err("invalid character in host name");
            }
            out.push(byte);
            continue;
        }
        let (Some(high), Some(low)) = (hex(tail.first()), hex(tail.get(1))) else {
            return Err("invalid URL escape");
        };
        let value = (high * 16 + low) as u8;
        let percent = tail.starts_with(b"25");
        // Hosts hold escapes of bytes beyond ASCII only; zones also of a space.
        let refused = part == Part::Host && high < 8 && !percent
            || part == Part::Zone && !percent && value != b' ' && must_escape(value, Part::Host);
        if refused {
            return Err("invalid URL escape");
        }
        out.push(value);
        rest = tail.get(2..).unwrap_or_default();
    }
    Ok(out)
}

/// Whether `bytes` is an encoding of its part as it stands.
pub(super) fn is_encoded(bytes: &[u8], part: Part) -> bool {
    bytes
        .iter()
        .all(|byte| b"!$&'()*+,;=:@[]%".contains(byte) || !must_escape(*byte, part))
}

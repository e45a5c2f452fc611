//! Standard Base32 as Go decodes it: newlines are skipped, errors name their place.

const DIGITS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// With padding.
pub(crate) fn encode(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len().div_ceil(5) * 8);
    for chunk in bytes.chunks(5) {
        let mut group = 0u64;
        for i in 0..5 {
            group = group << 8 | u64::from(chunk.get(i).copied().unwrap_or(0));
        }
        let shown = (chunk.len() * 8).div_ceil(5);
        for i in 0..8 {
            let digit = DIGITS.get((group >> (35 - 5 * i) & 31) as usize);
            out.push(match digit {
                Some(digit) if i < shown => char::from(*digit),
                _ => '=',
            });
        }
    }
    out
}

fn digit(byte: u8) -> Option<u64> {
    Some(u64::from(match byte {
        b'A'..=b'Z' => byte - b'A',
        b'2'..=b'7' => byte - b'2' + 26,
        _ => return None,
    }))
}

/// The bytes, or the place (newlines not counted) at which Go finds the text corrupt.
pub(crate) fn decode(text: &[u8]) -> Result<Vec<u8>, usize> {
    let text: Vec<u8> = text
        .iter()
        .copied()
        .filter(|b| !matches!(b, b'\n' | b'\r'))
        .collect();
    let mut out = Vec::with_capacity(text.len() / 8 * 5);
    let mut at = 0;
    while at < text.len() {
        let (mut group, mut count) = (0u64, 0usize);
        let mut ended = false;
        while count < 8 {
            let Some(&byte) = text.get(at) else {
                return Err(text.len() - count);
            };
            at += 1;
            let rest = text.get(at..).unwrap_or_default();
            if byte == b'=' && count >= 2 && rest.len() < 8 {
                check_padding(text.len(), rest, count)?;
                ended = true;
                break;
            }
            group = group << 5 | digit(byte).ok_or(at - 1)?;
            count += 1;
        }
        let bits = group << (5 * (8 - count));
        let bytes = count * 5 / 8;
        out.extend_from_slice(bits.to_be_bytes().get(3..3 + bytes).unwrap_or_default());
        if ended {
            break;
        }
    }
    Ok(out)
}

/// Checks the padding after its first character, with `count` digits before it.
fn check_padding(length: usize, rest: &[u8], count: usize) -> Result<(), usize> {
    if rest.len() + count < 7 {
        return Err(length);
    }
    for (k, byte) in rest.iter().enumerate().take(7 - count) {
        if *byte != b'=' {
            return Err((length - rest.len() + k).saturating_sub(1));
        }
    }
    // No number of bytes gives that many digits.
    if matches!(count, 1 | 3 | 6) {
        return Err(length - rest.len() - 1);
    }
    Ok(())
}

//! `time.Duration`: its text and the reading of it.

/// `time.Duration.String`.
pub(crate) fn text(nanoseconds: i64) -> String {
    let magnitude = nanoseconds.unsigned_abs();
    let sign = if nanoseconds < 0 { "-" } else { "" };
    let body = match magnitude {
        0 => return "0s".into(),
        1..1_000 => format!("{magnitude}ns"),
        1_000..1_000_000 => format!("{}µs", fraction(magnitude, 3)),
        1_000_000..1_000_000_000 => format!("{}ms", fraction(magnitude, 6)),
        _ => {
            let seconds = magnitude / 1_000_000_000;
            let rest = fraction(magnitude % 60_000_000_000, 9);
            match (seconds / 3_600, seconds / 60 % 60) {
                (0, 0) => format!("{rest}s"),
                (0, minutes) => format!("{minutes}m{rest}s"),
                (hours, minutes) => format!("{hours}h{minutes}m{rest}s"),
            }
        }
    };
    format!("{sign}{body}")
}

/// `value / 10^digits` without trailing zeros.
fn fraction(value: u64, digits: u32) -> String {
    let unit = 10u64.pow(digits);
    let (whole, rest) = (value / unit, value % unit);
    if rest == 0 {
        return whole.to_string();
    }
    let width = digits as usize;
    let tail = format!("{rest:0width$}");
    format!("{whole}.{}", tail.trim_end_matches('0'))
}

/// `time.ParseDuration`; `None` where Go gives an error.
pub(crate) fn parse(text: &[u8]) -> Option<i64> {
    let (negative, mut rest) = match text.first()? {
        b'-' => (true, text.get(1..)?),
        b'+' => (false, text.get(1..)?),
        _ => (false, text),
    };
    if rest == b"0" {
        return Some(0);
    }
    if rest.is_empty() {
        return None;
    }
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let (part, after) = component(rest)?;
        total = total.checked_add(part).filter(|total| *total <= 1 << 63)?;
        rest = after;
    }
    if negative {
        0i64.checked_sub_unsigned(total)
    } else {
        i64::try_from(total).ok()
    }
}

/// One number with its unit, in nanoseconds.
fn component(text: &[u8]) -> Option<(u64, &[u8])> {
    let (whole, mut rest) = digits(text)?;
    let mut part: &[u8] = b"";
    if rest.first() == Some(&b'.') {
        (part, rest) = digits(rest.get(1..)?)?;
    }
    if whole.is_empty() && part.is_empty() {
        return None;
    }
    let letters = rest
        .iter()
        .take_while(|b| **b != b'.' && !b.is_ascii_digit())
        .count();
    let (name, rest) = rest.split_at_checked(letters)?;
    let unit: u64 = match name {
        b"ns" => 1,
        b"us" | b"\xc2\xb5s" | b"\xce\xbcs" => 1_000,
        b"ms" => 1_000_000,
        b"s" => 1_000_000_000,
        b"m" => 60_000_000_000,
        b"h" => 3_600_000_000_000,
        _ => return None,
    };
    let whole = std::str::from_utf8(whole).ok()?;
    let whole: u64 = if whole.is_empty() {
        0
    } else {
        whole.parse().ok()?
    };
    let value = whole.checked_mul(unit)?.checked_add(part_of(part, unit))?;
    (value <= 1 << 63).then_some((value, rest))
}

fn digits(text: &[u8]) -> Option<(&[u8], &[u8])> {
    text.split_at_checked(text.iter().take_while(|b| b.is_ascii_digit()).count())
}

/// The decimal fraction `digits` of a unit; Go computes it in floating point.
fn part_of(digits: &[u8], unit: u64) -> u64 {
    let mut fraction: u64 = 0;
    let mut scale = 1.0f64;
    for digit in digits {
        let next = fraction
            .checked_mul(10)
            .and_then(|f| f.checked_add(u64::from(digit - b'0')))
            .filter(|f| *f <= 1 << 63);
        let Some(next) = next else { break };
        fraction = next;
        scale *= 10.0;
    }
    (fraction as f64 * (unit as f64 / scale)) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_read_back() {
        for (nanoseconds, want) in [
            (0, "0s"),
            (1, "1ns"),
            (1_100, "1.1µs"),
            (2_200_000, "2.2ms"),
            (3_300_000_000, "3.3s"),
            (245_000_000_000, "4m5s"),
            (18_367_001_000_000, "5h6m7.001s"),
            (i64::MIN, "-2562047h47m16.854775808s"),
        ] {
            assert_eq!(text(nanoseconds), want);
            assert_eq!(parse(want.as_bytes()), Some(nanoseconds));
        }
        for bad in ["", "3", "-", "s", ".", "1d", "3000000h"] {
            assert_eq!(parse(bad.as_bytes()), None, "{bad}");
        }
    }
}

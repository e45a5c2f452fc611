//! `strconv.FormatFloat` and `strconv.ParseFloat`.

/// A number as decimal digits: `0.d1d2d3… × 10^point`.
struct Digits {
    digits: String,
    point: i32,
}

impl Digits {
    /// The shortest digits that read back as `value`, or exactly `count` of them, trailing zeros
    /// removed.
    fn of(value: f64, count: Option<usize>) -> Self {
        let text = match count {
            None => format!("{value:e}"),
            Some(count) => format!("{value:.*e}", count.max(1) - 1),
        };
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
        let digits = digits.trim_end_matches('0').to_owned();
        let point = if digits.is_empty() {
            0
        } else {
            exponent.parse::<i32>().unwrap_or(0) + 1
        };
        Self { digits, point }
    }
}

/// Formats the absolute `value` as Go's verb `e E f g G` would; `precision` `None` is shortest.
pub(crate) fn format(value: f64, verb: u8, precision: Option<usize>) -> String {
    if value.is_nan() {
        return "NaN".into();
    }
    let sign = if value.is_sign_negative() { "-" } else { "" };
    let magnitude = value.abs();
    if magnitude.is_infinite() {
        return if sign.is_empty() {
            "+Inf".into()
        } else {
            "-Inf".into()
        };
    }
    let body = match verb {
        b'e' | b'E' => {
            let text = match precision {
                None => format!("{magnitude:e}"),
                Some(precision) => format!("{magnitude:.precision$e}"),
            };
            go_exponent(&text, verb)
        }
        b'f' | b'F' => match precision {
            None => format!("{magnitude}"),
            Some(precision) => format!("{magnitude:.precision$}"),
        },
        b'b' => binary(magnitude),
        b'x' | b'X' => hexadecimal(magnitude, verb, precision),
        _ => general(magnitude, verb, precision),
    };
    format!("{sign}{body}")
}

/// Rust's `1.5e7` as Go's `1.5e+07`.
fn go_exponent(text: &str, letter: u8) -> String {
    let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
    let letter = char::from(letter);
    let (sign, digits) = match exponent.strip_prefix('-') {
        Some(digits) => ('-', digits),
        None => ('+', exponent),
    };
    format!("{mantissa}{letter}{sign}{digits:0>2}")
}

fn general(value: f64, verb: u8, precision: Option<usize>) -> String {
    let shortest = precision.is_none();
    let digits = Digits::of(value, precision);
    let count = digits.digits.len() as i32;
    let mut wanted = precision.map_or(6, |p| p.max(1) as i32);
    let mut threshold = wanted;
    if threshold > count && count >= digits.point {
        threshold = count;
    }
    if shortest {
        threshold = 6;
        wanted = count;
    }
    let exponent = digits.point - 1;
    if exponent < -4 || exponent >= threshold {
        let shown = wanted.min(count).max(1) - 1;
        let letter = if verb == b'G' { b'E' } else { b'e' };
        return go_exponent(&format!("{value:.*e}", shown as usize), letter);
    }
    let places = if wanted > digits.point { count } else { wanted } - digits.point;
    format!("{value:.*}", places.max(0) as usize)
}

/// `%b`: the mantissa as an integer, `p`, the binary exponent.
fn binary(value: f64) -> String {
    let (mantissa, exponent) = parts(value);
    format!("{mantissa}p{exponent:+}")
}

/// Mantissa and exponent: value = mantissa × 2^exponent.
fn parts(value: f64) -> (u64, i32) {
    let bits = value.to_bits();
    let fraction = bits & ((1 << 52) - 1);
    match (bits >> 52) & 0x7ff {
        0 => (fraction, -1074),
        exponent => (fraction | 1 << 52, exponent as i32 - 1075),
    }
}

/// `%x`: hexadecimal mantissa with one digit before the point.
fn hexadecimal(value: f64, verb: u8, precision: Option<usize>) -> String {
    let (mut mantissa, mut exponent) = parts(value);
    if mantissa == 0 {
        exponent = 0;
    } else {
        let shift = mantissa.leading_zeros() as i32 - 11;
        mantissa <<= shift;
        exponent = exponent - shift + 52;
    }
    // 52 bits of fraction are 13 digits; round half to even where fewer are asked for.
    if let Some(precision) = precision.filter(|p| *p < 13) {
        let drop = 4 * (13 - precision);
        let half = 1u64 << (drop - 1);
        let rest = mantissa & ((1 << drop) - 1);
        mantissa >>= drop;
        if rest > half || rest == half && mantissa & 1 == 1 {
            mantissa += 1;
        }
        mantissa <<= drop;
        if mantissa >> 53 != 0 {
            mantissa >>= 1;
            exponent += 1;
        }
    }
    let mut fraction = format!("{:013x}", mantissa & ((1 << 52) - 1));
    match precision {
        None => fraction.truncate(fraction.trim_end_matches('0').len()),
        Some(precision) => {
            fraction.truncate(precision);
            while fraction.len() < precision {
                fraction.push('0');
            }
        }
    }
    let point = if fraction.is_empty() { "" } else { "." };
    let sign = if exponent < 0 { '-' } else { '+' };
    let text = format!(
        "0x{}{point}{fraction}p{sign}{:02}",
        mantissa >> 52,
        exponent.unsigned_abs()
    );
    if verb == b'X' {
        text.to_uppercase()
    } else {
        text
    }
}

/// `strconv.ParseFloat(text, 64)` without its range error: too large is infinite.
pub(crate) fn parse(text: &str) -> Option<f64> {
    let body = text.trim_start_matches(['+', '-']);
    if text.len() - body.len() > 1 {
        return None;
    }
    if body.len() > 2 && body.get(..2).is_some_and(|p| p.eq_ignore_ascii_case("0x")) {
        let value = parse_hex(body.get(2..)?)?;
        return Some(if text.starts_with('-') { -value } else { value });
    }
    if text.contains('_') {
        if !crate::parse::literal::underscores_ok(text) {
            return None;
        }
        return text.replace('_', "").parse().ok();
    }
    text.parse().ok()
}

fn parse_hex(text: &str) -> Option<f64> {
    let at = text.find(['p', 'P'])?;
    let (mantissa, exponent) = (text.get(..at)?, text.get(at + 1..)?);
    let exponent: i32 = exponent.parse().ok()?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    if digits.is_empty() || digits.len() > 15 {
        return None;
    }
    let value = u64::from_str_radix(&digits, 16).ok()?;
    let scale = exponent.checked_sub(4 * i32::try_from(fraction.len()).ok()?)?;
    Some(value as f64 * 2f64.powi(scale.clamp(-2200, 2200)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_like_go() {
        for (value, verb, precision, want) in [
            (12_345_678_901.0, b'g', None, "1.2345678901e+10"),
            (1e6, b'g', None, "1e+06"),
            (100_000.0, b'g', None, "100000"),
            (0.0001, b'g', None, "0.0001"),
            (0.00001, b'g', None, "1e-05"),
            (0.0, b'g', None, "0"),
            (-0.0, b'g', None, "-0"),
            (2.5, b'f', Some(0), "2"),
            (1.0, b'g', Some(3), "1"),
            (123_456.0, b'g', Some(3), "1.23e+05"),
            (3.0, b'e', Some(6), "3.000000e+00"),
            (1.0, b'x', None, "0x1p+00"),
            (1.0, b'b', None, "4503599627370496p-52"),
            (f64::INFINITY, b'g', None, "+Inf"),
        ] {
            assert_eq!(format(value, verb, precision), want);
        }
    }
}

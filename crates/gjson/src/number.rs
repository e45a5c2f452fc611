//! Numbers as Go's `strconv` reads and prints them.

/// Reads a number; what is not one is 0, what is too large is infinite.
///
/// Go's hexadecimal floats (`0x1p4`), which no JSON holds, are read as 0.
pub fn parse(text: &[u8]) -> f64 {
    let Ok(text) = std::str::from_utf8(text) else {
        return 0.0;
    };
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let word = unsigned
        .bytes()
        .next()
        .is_some_and(|b| b.is_ascii_alphabetic());
    if word && unsigned.eq_ignore_ascii_case("nan") && unsigned.len() != text.len() {
        // Rust reads a signed NaN, Go does not.
        return 0.0;
    }
    if !unsigned.contains('_') {
        return text.parse().unwrap_or(0.0);
    }
    // Go takes underscores between digits.
    let mut previous = None;
    let bytes = || unsigned.bytes();
    let between = bytes()
        .zip(bytes().skip(1).map(Some).chain([None]))
        .all(|(byte, next)| {
            let digit = |b: Option<u8>| b.is_some_and(|b| b.is_ascii_digit());
            let fine = byte != b'_' || (digit(previous) && digit(next));
            previous = Some(byte);
            fine
        });
    if between {
        text.replace('_', "").parse().unwrap_or(0.0)
    } else {
        0.0
    }
}

/// Prints a number without exponent, with as few digits as tell it apart.
pub fn format(number: f64) -> String {
    if number == f64::INFINITY {
        return "+Inf".to_owned();
    }
    if number == f64::NEG_INFINITY {
        return "-Inf".to_owned();
    }
    number.to_string()
}

/// Reads decimal digits, wrapping around on overflow; nothing if there is anything else.
pub fn parse_digits(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0_u64, |number, byte| {
        byte.is_ascii_digit()
            .then(|| number.wrapping_mul(10).wrapping_add(u64::from(byte - b'0')))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_and_print_as_in_go() {
        for (text, printed) in [
            ("1.50", "1.5"),
            ("1e3", "1000"),
            ("-0.0", "-0"),
            ("1e21", "1000000000000000000000"),
            ("1e-7", "0.0000001"),
            ("9007199254740993.0", "9007199254740992"),
            ("1e999", "+Inf"),
            ("-1e999", "-Inf"),
            ("nan", "NaN"),
            ("-nan", "0"),
            ("InFinity", "+Inf"),
            ("1.", "1"),
            (".5", "0.5"),
            (".", "0"),
            ("12x", "0"),
            ("1_000.5_0", "1000.5"),
            ("1_.5", "0"),
            ("_1", "0"),
            ("", "0"),
        ] {
            assert_eq!(format(parse(text.as_bytes())), printed, "{text}");
        }
    }

    #[test]
    fn digits_wrap_around() {
        assert_eq!(parse_digits(b"18446744073709551617"), Some(1));
        assert_eq!(parse_digits(b"-1"), None);
        assert_eq!(parse_digits(b""), None);
    }
}

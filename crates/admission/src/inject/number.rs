//! Whole numbers as Go's `strconv.ParseInt` and truth values as its `ParseBool` read them.
//!
//! Owns: which texts are numbers, and Go's words for those that are not: they are what users of
//! the clouds' webhooks see and search for. Refuses: blanks, which Go refuses too.

/// A base ten number of `bits` bits.
///
/// # Errors
/// Go's text.
pub fn parse_int(text: &str, bits: u32) -> Result<i64, String> {
    let fail = |why: &str| format!("strconv.ParseInt: parsing {text:?}: {why}");
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(fail("invalid syntax"));
    }
    let out_of_range = || fail("value out of range");
    let number: i64 = text.parse().map_err(|_| out_of_range())?;
    let bound = 1_i64
        .checked_shl(bits.saturating_sub(1))
        .unwrap_or(i64::MAX);
    if bits < 64 && !(-bound..bound).contains(&number) {
        return Err(out_of_range());
    }
    Ok(number)
}

/// A truth value; `None` for anything but Go's words.
#[must_use]
pub fn parse_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_gos() {
        for (text, bits, number) in [
            ("3600", 64, Some(3600)),
            ("-5", 64, Some(-5)),
            ("+5", 64, Some(5)),
            ("007", 64, Some(7)),
            (" 3600", 64, None),
            ("3_600", 64, None),
            ("1h", 64, None),
            ("", 64, None),
            ("-", 64, None),
            ("9223372036854775807", 64, Some(i64::MAX)),
            ("9223372036854775808", 64, None),
            ("2147483647", 32, Some(2_147_483_647)),
            ("2147483648", 32, None),
            ("-2147483648", 32, Some(-2_147_483_648)),
        ] {
            assert_eq!(parse_int(text, bits).ok(), number, "{text:?} {bits}");
        }
        assert_eq!(
            parse_int("1h", 64).unwrap_err(),
            r#"strconv.ParseInt: parsing "1h": invalid syntax"#
        );
        assert_eq!(
            parse_int("9223372036854775808", 64).unwrap_err(),
            r#"strconv.ParseInt: parsing "9223372036854775808": value out of range"#
        );
    }

    #[test]
    fn truth_values_are_gos() {
        assert_eq!(parse_bool("True"), Some(true));
        assert_eq!(parse_bool("f"), Some(false));
        assert_eq!(parse_bool("yes"), None);
        assert_eq!(parse_bool(""), None);
        assert_eq!(parse_bool("tRUE"), None);
    }
}

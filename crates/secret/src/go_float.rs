//! Floats as Go prints them in its general form (`%v`, and format `g` with as few digits as
//! needed).

/// The sizes that are printed without an exponent.
const PLAIN: std::ops::Range<f64> = 1e-4..1e6;

/// Prints a float of 64 bits.
pub(crate) fn general(float: f64) -> String {
    let size = float.abs();
    if float.is_infinite() {
        return if float > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    if size != 0.0 && size.is_finite() && !PLAIN.contains(&size) {
        return with_exponent(&format!("{float:e}"));
    }
    float.to_string()
}

/// Prints a float rounded to 32 bits.
pub(crate) fn general32(float: f64) -> String {
    let single = float as f32;
    let size = single.abs();
    if size != 0.0 && size.is_finite() && !(1e-4..1e6).contains(&size) {
        return with_exponent(&format!("{single:e}"));
    }
    if size.is_finite() {
        single.to_string()
    } else {
        general(f64::from(single))
    }
}

/// Go writes a sign and at least two digits in an exponent.
fn with_exponent(text: &str) -> String {
    let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
    let (sign, digits) = match exponent.strip_prefix('-') {
        Some(digits) => ('-', digits),
        None => ('+', exponent),
    };
    format!("{mantissa}e{sign}{digits:0>2}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_print_as_in_go() {
        // Printed by Go 1.26 with format g, precision -1, 64 and 32 bits.
        for (float, wide, narrow) in [
            (1e5, "100000", "100000"),
            (1e6, "1e+06", "1e+06"),
            (123_456.7, "123456.7", "123456.7"),
            (1_234_567.8, "1.2345678e+06", "1.2345678e+06"),
            (1e21, "1e+21", "1e+21"),
            (1e-4, "0.0001", "0.0001"),
            (1e-5, "1e-05", "1e-05"),
            (123_456_789_012.5, "1.234567890125e+11", "1.2345679e+11"),
            (-0.0, "-0", "-0"),
            (f64::INFINITY, "+Inf", "+Inf"),
            (f64::NAN, "NaN", "NaN"),
        ] {
            assert_eq!(
                (general(float).as_str(), general32(float).as_str()),
                (wide, narrow)
            );
        }
    }
}

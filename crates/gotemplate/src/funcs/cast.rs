//! Anything into numbers, as the `cast` package that Sprig uses does it: failure is 0.

use crate::fmt::float;
use crate::parse::literal::signed;
use crate::value::Value;

/// `int` and `int64`.
pub(super) fn to_int(value: &Value) -> i64 {
    match value {
        Value::Int(value, _) => *value,
        Value::Uint(value, _) => *value as i64,
        Value::Float(value) => float_to_int(*value),
        Value::Bool(value) => i64::from(*value),
        Value::Text(text) => std::str::from_utf8(text)
            .ok()
            .and_then(|text| signed(before_point(text)))
            .unwrap_or(0),
        _ => 0,
    }
}

/// What amd64 makes of a float that does not fit: the least integer.
fn float_to_int(value: f64) -> i64 {
    if (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&value) {
        value as i64
    } else {
        i64::MIN
    }
}

/// `-12.34` becomes `-12`, `.5` becomes `0`; what is not such a number stays as it is.
fn before_point(text: &str) -> &str {
    let Some((whole, fraction)) = text.split_once('.') else {
        return text;
    };
    let digits = whole.strip_prefix(['-', '+']).unwrap_or(whole);
    let numeric = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    if !numeric(digits) || !numeric(fraction) {
        return text;
    }
    if digits.is_empty() { "0" } else { whole }
}

/// `float64`.
pub(super) fn to_float(value: &Value) -> f64 {
    match value {
        Value::Int(value, _) => *value as f64,
        Value::Uint(value, _) => *value as f64,
        Value::Float(value) => *value,
        Value::Bool(value) => f64::from(u8::from(*value)),
        Value::Text(text) => std::str::from_utf8(text)
            .ok()
            .and_then(parse)
            .unwrap_or(0.0),
        _ => 0.0,
    }
}

/// Digits too large for a float are an error, words for infinity are not.
fn parse(text: &str) -> Option<f64> {
    let value = float::parse(text)?;
    let overflown = value.is_infinite() && text.bytes().any(|b| b.is_ascii_digit());
    (!overflown).then_some(value)
}

//! What a plain scalar means.

use crate::fmt::float;
use crate::parse::literal::{signed, unsigned};
use crate::value::Value;

/// The kinds that a scalar can resolve to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Bool,
    Null,
    Int,
    Float,
}

/// The meaning of a plain scalar without tag. Times stay texts.
pub(crate) fn resolve(text: &str) -> (Kind, Value) {
    let plain_text = || (Kind::Text, Value::text(text));
    match text {
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            return (Kind::Bool, Value::Bool(true));
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            return (Kind::Bool, Value::Bool(false));
        }
        "" | "~" | "null" | "Null" | "NULL" => return (Kind::Null, Value::Nil),
        ".nan" | ".NaN" | ".NAN" => return (Kind::Float, Value::Float(f64::NAN)),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => {
            return (Kind::Float, Value::Float(f64::INFINITY));
        }
        "-.inf" | "-.Inf" | "-.INF" => return (Kind::Float, Value::Float(f64::NEG_INFINITY)),
        _ => {}
    }
    match text.as_bytes().first() {
        Some(b'.') => match float::parse(text).filter(|value| value.is_finite()) {
            Some(value) => (Kind::Float, Value::Float(value)),
            None => plain_text(),
        },
        Some(b'+' | b'-' | b'0'..=b'9') if !is_timestamp(text) => {
            number(text).unwrap_or_else(plain_text)
        }
        _ => plain_text(),
    }
}

fn number(text: &str) -> Option<(Kind, Value)> {
    let plain = text.replace('_', "");
    if let Some(value) = signed(&plain) {
        return Some((Kind::Int, Value::int(value)));
    }
    if let Some(value) = unsigned(&plain) {
        return Some((
            Kind::Int,
            Value::Uint(value, crate::value::UintType::Uint64),
        ));
    }
    if is_float(&plain) {
        let value = float::parse(&plain).filter(|value| value.is_finite())?;
        return Some((Kind::Float, Value::Float(value)));
    }
    None
}

/// Digits with a point or an exponent, nothing else.
fn is_float(text: &str) -> bool {
    let body = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (mantissa, exponent) = match body.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (body, None),
    };
    let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let mantissa_ok =
        digits(whole) && digits(fraction) && !(whole.is_empty() && fraction.is_empty());
    let exponent_ok = exponent.is_none_or(|exponent| {
        let body = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        !body.is_empty() && digits(body)
    });
    mantissa_ok && exponent_ok
}

/// `2006-1-2`, with or without a time of day.
pub(crate) fn is_timestamp(text: &str) -> bool {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    if digits != 4 || text.as_bytes().get(4) != Some(&b'-') {
        return false;
    }
    [
        "2006-1-2T15:4:5.999999999Z07:00",
        "2006-1-2t15:4:5.999999999Z07:00",
        "2006-1-2 15:4:5.999999999",
        "2006-1-2",
    ]
    .iter()
    .any(|layout| {
        crate::time::parse::parse(layout, text.as_bytes(), &jiff::tz::TimeZone::UTC).is_ok()
    })
}

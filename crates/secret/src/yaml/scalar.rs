//! What an unquoted scalar means in YAML 1.1, as Go's library reads it.

use base64::Engine as _;

use crate::go_float;

/// A scalar's meaning.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Resolved {
    Null,
    Bool(bool),
    /// An integer, in decimal.
    Integer(String),
    Float(f64),
    Text(String),
}

impl Resolved {
    pub(super) fn is_null(&self) -> bool {
        *self == Self::Null
    }

    /// As a value of a map of strings; null is empty.
    pub(super) fn into_value(self) -> String {
        match self {
            Self::Null => String::new(),
            Self::Bool(flag) => flag.to_string(),
            Self::Integer(digits) => digits,
            // Kubernetes' library prints floats of 64 bits as if they had 32.
            Self::Float(float) => go_float::general32(float),
            Self::Text(text) => text,
        }
    }

    /// Whether it is what the tag of that name demands.
    pub(super) fn fits(&self, tag: &str) -> bool {
        match tag {
            "null" => *self == Self::Null,
            "bool" => matches!(self, Self::Bool(_)),
            "int" => matches!(self, Self::Integer(_)),
            "float" => matches!(self, Self::Integer(_) | Self::Float(_)),
            _ => true,
        }
    }

    /// As a key, where neither null nor an integer beyond 64 signed bits can stand.
    pub(super) fn into_key(self) -> Result<String, &'static str> {
        Ok(match self {
            Self::Null => return Err("null"),
            Self::Integer(digits) if digits.parse::<i64>().is_err() => {
                return Err("an integer that is too large");
            }
            Self::Float(float) if float.is_nan() => ".nan".to_owned(),
            Self::Float(f64::INFINITY) => ".inf".to_owned(),
            Self::Float(f64::NEG_INFINITY) => "-.inf".to_owned(),
            other => other.into_value(),
        })
    }
}

/// Reads an unquoted scalar.
pub(super) fn resolve(text: &str) -> Resolved {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Resolved::Null,
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            return Resolved::Bool(true);
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            return Resolved::Bool(false);
        }
        ".nan" | ".NaN" | ".NAN" => return Resolved::Float(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => {
            return Resolved::Float(f64::INFINITY);
        }
        "-.inf" | "-.Inf" | "-.INF" => return Resolved::Float(f64::NEG_INFINITY),
        _ => {}
    }
    number(text).unwrap_or_else(|| Resolved::Text(text.to_owned()))
}

fn number(text: &str) -> Option<Resolved> {
    let first = text.chars().next()?;
    if !(first.is_ascii_digit() || matches!(first, '+' | '-' | '.')) {
        return None;
    }
    let plain = if first == '.' {
        text.to_owned()
    } else {
        text.replace('_', "")
    };
    if let Some(integer) = integer(&plain) {
        return Some(Resolved::Integer(integer));
    }
    if !is_float(&plain) {
        return None;
    }
    plain
        .parse()
        .ok()
        .filter(|float: &f64| float.is_finite())
        .map(Resolved::Float)
}

/// Reads an integer with Go's base prefixes, `0` alone being octal, that fits 64 bits.
fn integer(text: &str) -> Option<String> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let lower = unsigned.to_ascii_lowercase();
    let (digits, radix) = if let Some(digits) = lower.strip_prefix("0x") {
        (digits, 16)
    } else if let Some(digits) = lower.strip_prefix("0b") {
        (digits, 2)
    } else if let Some(digits) = lower.strip_prefix("0o") {
        (digits, 8)
    } else if let Some(digits) = lower.strip_prefix('0').filter(|rest| !rest.is_empty()) {
        (digits, 8)
    } else {
        (lower.as_str(), 10)
    };
    if !digits.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return None;
    }
    let size = u64::from_str_radix(digits, radix).ok()?;
    let value = if text.starts_with('-') {
        -i128::from(size)
    } else {
        i128::from(size)
    };
    let fits =
        value >= i128::from(i64::MIN) && (!text.starts_with('+') || i64::try_from(value).is_ok());
    fits.then(|| value.to_string())
}

/// Digits with at most one dot, and an exponent.
fn is_float(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let mantissa_fine = match mantissa.split_once('.') {
        Some(("", fraction)) => digits(fraction),
        Some((whole, fraction)) => digits(whole) && (fraction.is_empty() || digits(fraction)),
        None => digits(mantissa),
    };
    let exponent_fine = exponent
        .is_none_or(|exponent| digits(exponent.strip_prefix(['+', '-']).unwrap_or(exponent)));
    mantissa_fine && exponent_fine
}

/// Decodes a scalar tagged as binary.
pub(super) fn binary(text: &str) -> Option<Resolved> {
    let compact: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    let bytes = base64::engine::general_purpose::STANDARD
        .decode(compact)
        .ok()?;
    String::from_utf8(bytes).ok().map(Resolved::Text)
}

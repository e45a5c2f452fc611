//! Go's durations, as manifests write them.
//!
//! Owns: parsing and formatting with Go's grammar, limits and error texts. Refuses: calendars.

use std::fmt;
use std::time::Duration;

const NANOSECOND: u64 = 1;
const MICROSECOND: u64 = 1_000 * NANOSECOND;
const MILLISECOND: u64 = 1_000 * MICROSECOND;
const SECOND: u64 = 1_000 * MILLISECOND;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
/// Magnitude of the least duration.
const LIMIT: u64 = 1 << 63;

/// A signed length of time in nanoseconds, up to about 292 years.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GoDuration(i64);

/// A text that is no Go duration; worded as Go words it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The grammar is not followed, or the value is out of range.
    #[error("time: invalid duration {0}")]
    Invalid(String),
    /// A number stands without a unit.
    #[error("time: missing unit in duration {0}")]
    MissingUnit(String),
    /// A number has a unit that Go does not know, such as days.
    #[error("time: unknown unit {unit} in duration {text}")]
    UnknownUnit {
        /// The unit, quoted.
        unit: String,
        /// The whole text, quoted.
        text: String,
    },
}

impl GoDuration {
    /// One hour: the refresh interval when none is given.
    pub const HOUR: Self = Self(3_600_000_000_000);

    /// A duration of so many nanoseconds.
    #[must_use]
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// A duration of so many seconds, capped at the longest one.
    #[must_use]
    pub const fn from_secs(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1_000_000_000))
    }

    /// The length in nanoseconds; negative for negative durations.
    #[must_use]
    pub const fn nanos(self) -> i64 {
        self.0
    }

    /// The length, if it is more than nothing. What "once" means for a refresh interval.
    #[must_use]
    pub fn positive(self) -> Option<Duration> {
        u64::try_from(self.0)
            .ok()
            .filter(|nanos| *nanos > 0)
            .map(Duration::from_nanos)
    }

    /// Reads a Go duration: an optional sign and numbers with units (ns, us, µs, ms, s, m, h),
    /// or a bare `0`.
    ///
    /// # Errors
    /// In Go's words.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let invalid = || Error::Invalid(quote(text));
        let (negative, mut rest) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        if rest == "0" {
            return Ok(Self(0));
        }
        if rest.is_empty() {
            return Err(invalid());
        }
        let mut total: u64 = 0;
        while !rest.is_empty() {
            let (number, after) = Number::read(rest).ok_or_else(invalid)?;
            let unit_length = after
                .find(|c: char| c == '.' || c.is_ascii_digit())
                .unwrap_or(after.len());
            let (unit_text, after) = after.split_at(unit_length);
            if unit_text.is_empty() {
                return Err(Error::MissingUnit(quote(text)));
            }
            let unit = unit_nanos(unit_text).ok_or_else(|| Error::UnknownUnit {
                unit: quote(unit_text),
                text: quote(text),
            })?;
            let nanos = number.times(unit).ok_or_else(invalid)?;
            total = total
                .checked_add(nanos)
                .filter(|sum| *sum <= LIMIT)
                .ok_or_else(invalid)?;
            rest = after;
        }
        if negative {
            Ok(Self(0i64.checked_sub_unsigned(total).ok_or_else(invalid)?))
        } else {
            Ok(Self(i64::try_from(total).map_err(|_| invalid())?))
        }
    }
}

/// A decimal number: digits before the point, and those behind it with their scale.
struct Number {
    whole: u64,
    fraction: u64,
    scale: f64,
}

impl Number {
    /// Reads a number from the front of `text`; nothing when there is none or it is too large.
    fn read(text: &str) -> Option<(Self, &str)> {
        let whole_length = digits(text);
        let (whole_digits, rest) = text.split_at(whole_length);
        let mut whole: u64 = 0;
        for digit in whole_digits.bytes() {
            whole = whole
                .checked_mul(10)?
                .checked_add(u64::from(digit - b'0'))?;
            if whole > LIMIT {
                return None;
            }
        }
        let Some(rest) = rest.strip_prefix('.') else {
            let number = Self {
                whole,
                fraction: 0,
                scale: 1.0,
            };
            return (whole_length > 0).then_some((number, rest));
        };
        let fraction_length = digits(rest);
        if whole_length == 0 && fraction_length == 0 {
            return None;
        }
        let (fraction_digits, rest) = rest.split_at(fraction_length);
        let (fraction, scale) = leading_fraction(fraction_digits);
        Some((
            Self {
                whole,
                fraction,
                scale,
            },
            rest,
        ))
    }

    /// The number times a unit, in nanoseconds.
    fn times(&self, unit: u64) -> Option<u64> {
        let whole = self
            .whole
            .checked_mul(unit)
            .filter(|nanos| *nanos <= LIMIT)?;
        // Floating point as in Go, so that rounding is the same.
        let part = (self.fraction as f64 * (unit as f64 / self.scale)) as u64;
        whole.checked_add(part).filter(|nanos| *nanos <= LIMIT)
    }
}

/// Digits behind the point with their scale; digits that no longer fit are dropped, as in Go.
fn leading_fraction(text: &str) -> (u64, f64) {
    let (mut value, mut scale) = (0u64, 1f64);
    for digit in text.bytes() {
        let next = value
            .checked_mul(10)
            .and_then(|v| v.checked_add(u64::from(digit - b'0')));
        match next.filter(|next| *next <= LIMIT) {
            Some(next) => value = next,
            None => break,
        }
        scale *= 10.0;
    }
    (value, scale)
}

fn digits(text: &str) -> usize {
    text.bytes().take_while(u8::is_ascii_digit).count()
}

fn unit_nanos(unit: &str) -> Option<u64> {
    match unit {
        "ns" => Some(NANOSECOND),
        // Micro sign and Greek mu.
        "us" | "\u{b5}s" | "\u{3bc}s" => Some(MICROSECOND),
        "ms" => Some(MILLISECOND),
        "s" => Some(SECOND),
        "m" => Some(MINUTE),
        "h" => Some(HOUR),
        _ => None,
    }
}

/// Quotes as Go's time package does: ASCII controls and everything beyond ASCII byte by byte.
fn quote(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            ' '..='\x7f' => quoted.push(c),
            _ => {
                let mut buffer = [0; 4];
                for byte in c.encode_utf8(&mut buffer).bytes() {
                    quoted.push_str(&format!("\\x{byte:02x}"));
                }
            }
        }
    }
    quoted.push('"');
    quoted
}

impl fmt::Display for GoDuration {
    /// Go's format: `1h0m0s`, `1m30.5s`, `100ms`, `0s`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = self.0.unsigned_abs();
        if self.0 < 0 {
            f.write_str("-")?;
        }
        match nanos {
            0 => f.write_str("0s"),
            1..MICROSECOND => write!(f, "{nanos}ns"),
            MICROSECOND..MILLISECOND => write_scaled(f, nanos, MICROSECOND, "\u{b5}s"),
            MILLISECOND..SECOND => write_scaled(f, nanos, MILLISECOND, "ms"),
            _ => {
                let (hours, minutes) = (nanos / HOUR, nanos % HOUR / MINUTE);
                if hours > 0 {
                    write!(f, "{hours}h")?;
                }
                if hours > 0 || minutes > 0 {
                    write!(f, "{minutes}m")?;
                }
                write_scaled(f, nanos % MINUTE, SECOND, "s")
            }
        }
    }
}

/// Writes `nanos` in a unit, with the digits behind the point that are not zero.
fn write_scaled(f: &mut fmt::Formatter<'_>, nanos: u64, unit: u64, name: &str) -> fmt::Result {
    let (whole, fraction) = (nanos / unit, nanos % unit);
    if fraction == 0 {
        return write!(f, "{whole}{name}");
    }
    let width = unit.ilog10() as usize;
    let digits = format!("{fraction:0width$}");
    write!(f, "{whole}.{}{name}", digits.trim_end_matches('0'))
}

#[cfg(test)]
mod tests;

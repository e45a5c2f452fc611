//! Numbers, characters and strings as Go writes them.

use crate::ast::Number;
use crate::fmt::quote::quoted;
use crate::lexer::Kind;
use crate::unicode::push_char;
use crate::value::Value;

/// The bytes of a quoted or raw string literal; `None` when it is malformed.
pub(crate) fn unquote(text: &str) -> Option<Vec<u8>> {
    let quote = text.chars().next()?;
    let inner = text.get(1..text.len().checked_sub(1)?)?;
    if quote == '`' {
        return Some(inner.bytes().filter(|b| *b != b'\r').collect());
    }
    let mut out = Vec::with_capacity(inner.len());
    let mut rest = inner;
    while !rest.is_empty() {
        let (unit, after) = unquote_char(rest, quote)?;
        match unit {
            Unit::Byte(byte) => out.push(byte),
            Unit::Char(c) => push_char(&mut out, c),
        }
        rest = after;
    }
    Some(out)
}

/// What one escape or character stands for.
enum Unit {
    Byte(u8),
    Char(char),
}

/// The first character or escape of `text` and what follows it.
fn unquote_char(text: &str, quote: char) -> Option<(Unit, &str)> {
    let mut chars = text.chars();
    let c = chars.next()?;
    if c == quote {
        return None;
    }
    if c != '\\' {
        return Some((Unit::Char(c), chars.as_str()));
    }
    let escape = chars.next()?;
    let rest = chars.as_str();
    let plain = match escape {
        'a' => '\u{7}',
        'b' => '\u{8}',
        'f' => '\u{c}',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'v' => '\u{b}',
        '\\' => '\\',
        '\'' | '"' if escape == quote => escape,
        'x' => return coded(rest, 2, 16),
        'u' => return coded(rest, 4, 16),
        'U' => return coded(rest, 8, 16),
        '0'..='7' => return coded(text.get(1..)?, 3, 8),
        _ => return None,
    };
    Some((Unit::Char(plain), rest))
}

fn coded(text: &str, digits: usize, radix: u32) -> Option<(Unit, &str)> {
    let (head, rest) = text.split_at_checked(digits)?;
    if !head.chars().all(|c| c.is_digit(radix)) {
        return None;
    }
    let value = u32::from_str_radix(head, radix).ok()?;
    let unit = if digits <= 3 {
        Unit::Byte(u8::try_from(value).ok()?)
    } else {
        Unit::Char(char::from_u32(value)?)
    };
    Some((unit, rest))
}

/// A number literal of the kinds that the lexer tells apart.
pub(crate) fn number(text: &str, kind: Kind) -> Result<Number, String> {
    let mut number = Number {
        text: text.into(),
        int: None,
        uint: None,
        float: None,
        complex: None,
        ideal: None,
    };
    if kind == Kind::CharConstant {
        return character(text, number);
    }
    if kind == Kind::Complex {
        number.complex = complex(text);
        return match number.complex {
            Some(value) => Ok(simplified(number, value)),
            None => Err(format!(
                "illegal number syntax: {}",
                quoted(text.as_bytes())
            )),
        };
    }
    if let Some(value) = text.strip_suffix('i').and_then(float) {
        return Ok(simplified(number, (0.0, value)));
    }
    number.uint = unsigned(text);
    number.int = signed(text);
    if number.int == Some(0) {
        number.uint = Some(0);
    }
    if let Some(int) = number.int {
        number.float = Some(int as f64);
    } else if let Some(uint) = number.uint {
        number.float = Some(uint as f64);
    } else if let Some(value) = float(text) {
        if !text.contains(['.', 'e', 'E', 'p', 'P']) {
            return Err(format!("integer overflow: {}", quoted(text.as_bytes())));
        }
        number.float = Some(value);
        number.int = number.int.or_else(|| whole(value));
        number.uint = number.uint.or_else(|| whole_unsigned(value));
    }
    if number.float.is_none() {
        return Err(format!(
            "illegal number syntax: {}",
            quoted(text.as_bytes())
        ));
    }
    number.ideal = ideal(&number);
    Ok(number)
}

fn character(text: &str, mut number: Number) -> Result<Number, String> {
    let body = text.get(1..).unwrap_or_default();
    let Some((unit, tail)) = unquote_char(body, '\'') else {
        return Err("invalid syntax".into());
    };
    if tail != "'" {
        return Err(format!("malformed character constant: {text}"));
    }
    let value = match unit {
        Unit::Byte(byte) => i64::from(byte),
        Unit::Char(c) => i64::from(u32::from(c)),
    };
    number.int = Some(value);
    number.uint = Some(value.unsigned_abs());
    number.float = Some(value as f64);
    number.ideal = Some(Value::int(value));
    Ok(number)
}

fn simplified(mut number: Number, (re, im): (f64, f64)) -> Number {
    number.complex = Some((re, im));
    if im == 0.0 {
        number.float = Some(re);
        number.int = whole(re);
        number.uint = whole_unsigned(re);
    }
    number.ideal = Some(Value::Complex(re, im));
    number
}

/// The value of a constant where no type is asked for.
fn ideal(number: &Number) -> Option<Value> {
    let text = &*number.text;
    let hex = text.len() > 2
        && (text.starts_with("0x") || text.starts_with("0X"))
        && !text.contains(['p', 'P']);
    if let Some(value) = number.float
        && !hex
        && text.contains(['.', 'e', 'E', 'p', 'P'])
    {
        return Some(Value::Float(value));
    }
    number.int.map(Value::int)
}

fn whole(value: f64) -> Option<i64> {
    // 2^63 itself saturates and would compare equal.
    let int = value as i64;
    (int as f64 == value && value < 9_223_372_036_854_775_808.0).then_some(int)
}

fn whole_unsigned(value: f64) -> Option<u64> {
    let int = value as u64;
    (int as f64 == value && value < 18_446_744_073_709_551_616.0).then_some(int)
}

/// `strconv.ParseInt(text, 0, 64)`.
pub(crate) fn signed(text: &str) -> Option<i64> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, text.get(1..)?),
        b'+' => (false, text.get(1..)?),
        _ => (false, text),
    };
    let value = unsigned(digits)?;
    if negative {
        0i64.checked_sub_unsigned(value)
    } else {
        i64::try_from(value).ok()
    }
}

/// `strconv.ParseUint(text, 0, 64)`: prefixes `0x 0o 0b 0`, underscores between digits.
pub(crate) fn unsigned(text: &str) -> Option<u64> {
    let lower = text.as_bytes().get(..2).map(<[u8]>::to_ascii_lowercase);
    let (radix, digits) = match lower.as_deref() {
        Some(b"0x") => (16, text.get(2..)?),
        Some(b"0o") => (8, text.get(2..)?),
        Some(b"0b") => (2, text.get(2..)?),
        Some([b'0', _]) => (8, text.get(1..)?),
        _ => (10, text),
    };
    if digits.contains('_') && !underscores_ok(text) {
        return None;
    }
    let digits: String = digits.chars().filter(|c| *c != '_').collect();
    if digits.is_empty() || !digits.chars().all(|c| c.is_digit(radix)) {
        return None;
    }
    u64::from_str_radix(&digits, radix).ok()
}

/// Underscores stand only between digits, or between a base prefix and a digit.
pub(crate) fn underscores_ok(text: &str) -> bool {
    let text = text.trim_start_matches(['+', '-']);
    let body = text.as_bytes();
    let hex = text.len() > 1 && text.as_bytes().get(1).is_some_and(|b| b | 0x20 == b'x');
    let mut before = '^';
    for (i, byte) in body.iter().enumerate() {
        let prefix = i == 1 && byte.is_ascii_alphabetic() && body.first() == Some(&b'0');
        if byte.is_ascii_digit() || prefix || hex && byte.is_ascii_hexdigit() {
            before = '0';
        } else if *byte == b'_' {
            if before != '0' {
                return false;
            }
            before = '_';
        } else {
            if before == '_' {
                return false;
            }
            before = '!';
        }
    }
    before != '_'
}

/// `strconv.ParseFloat` for what the lexer lets through.
fn float(text: &str) -> Option<f64> {
    crate::fmt::float::parse(text).filter(|value| value.is_finite())
}

fn complex(text: &str) -> Option<(f64, f64)> {
    let body = text.strip_suffix('i')?;
    let split = body
        .char_indices()
        .skip(1)
        .filter(|(i, c)| {
            let before = body.as_bytes().get(i - 1).map(u8::to_ascii_lowercase);
            matches!(c, '+' | '-') && !matches!(before, Some(b'e' | b'p'))
        })
        .map(|(i, _)| i)
        .last()?;
    let (re, im) = body.split_at_checked(split)?;
    Some((float(re)?, float(im)?))
}

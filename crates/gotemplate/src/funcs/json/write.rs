//! Writing JSON: keys sorted, numbers as JavaScript prints them.

use crate::call::Call;
use crate::error::CallError;
use crate::fmt::float;
use crate::limits::{Limit, MAX_NESTING};
use crate::unicode::decode;
use crate::value::{Shown, Value};

/// How JSON is laid out.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// On one line, `<`, `>` and `&` escaped.
    Compact,
    /// Indented by two spaces, `<`, `>` and `&` escaped.
    Pretty,
    /// On one line as it is.
    Raw,
}

/// The JSON of `value`.
pub(crate) fn write(
    call: &mut Call<'_>,
    value: &Value,
    style: Style,
) -> Result<Vec<u8>, CallError> {
    let mut writer = Writer {
        out: Vec::new(),
        style,
        depth: 0,
        max: call.max_value(),
    };
    writer.value(value)?;
    Ok(writer.out)
}

struct Writer {
    out: Vec<u8>,
    style: Style,
    depth: usize,
    max: usize,
}

impl Writer {
    fn value(&mut self, value: &Value) -> Result<(), CallError> {
        if self.out.len() > self.max {
            return Err(Limit::ValueBytes(self.max).into());
        }
        match value {
            Value::NoValue | Value::Nil => self.push("null"),
            Value::Bool(value) => self.push(if *value { "true" } else { "false" }),
            Value::Int(value, _) => self.push(&value.to_string()),
            Value::Uint(value, _) => self.push(&value.to_string()),
            Value::Float(value) => self.push(&number(*value)?),
            Value::Complex(..) => return Err("json: unsupported type: complex128".into()),
            Value::Text(text) => self.string(text),
            Value::Bytes(bytes) => {
                let text = super::super::encoding::base64::encode(bytes);
                self.string(text.as_bytes());
            }
            Value::List(list) if list.is_nil() => self.push("null"),
            Value::List(list) => self.sequence(b'[', b']', list.items(), Self::value)?,
            Value::Map(map) => {
                self.sequence(b'{', b'}', &map.snapshot(), |writer, (key, value)| {
                    writer.key(key);
                    writer.value(value)
                })?;
            }
            Value::Time(time) => {
                let layout = "2006-01-02T15:04:05.999999999Z07:00";
                let text = crate::time::layout::format(time, layout);
                self.string(text.as_bytes());
            }
            Value::Opaque(value) => match value.shown() {
                Shown::Text(text) => self.string(&text),
                Shown::Fields(fields) => {
                    self.sequence(b'{', b'}', &fields, |writer, (name, value)| {
                        writer.key(name.as_bytes());
                        writer.value(value)
                    })?;
                }
            },
        }
        Ok(())
    }

    fn push(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }

    fn key(&mut self, key: &[u8]) {
        self.string(key);
        self.push(if self.style == Style::Pretty {
            ": "
        } else {
            ":"
        });
    }

    fn line(&mut self) {
        if self.style == Style::Pretty {
            self.out.push(b'\n');
            self.out.resize(self.out.len() + 2 * self.depth, b' ');
        }
    }

    fn sequence<T>(
        &mut self,
        open: u8,
        close: u8,
        items: &[T],
        write: impl Fn(&mut Self, &T) -> Result<(), CallError>,
    ) -> Result<(), CallError> {
        self.out.push(open);
        self.depth += 1;
        if self.depth > MAX_NESTING {
            return Err(Limit::Nesting(MAX_NESTING).into());
        }
        for (i, item) in items.iter().enumerate() {
            if i > 0 {
                self.out.push(b',');
            }
            self.line();
            write(self, item)?;
        }
        self.depth -= 1;
        if !items.is_empty() {
            self.line();
        }
        self.out.push(close);
        Ok(())
    }

    fn string(&mut self, bytes: &[u8]) {
        self.out.push(b'"');
        let mut rest = bytes;
        while let Some(&byte) = rest.first() {
            let (c, width) = decode(rest);
            let raw = rest.get(..width).unwrap_or_default();
            match byte {
                b'"' | b'\\' => self.out.extend_from_slice(&[b'\\', byte]),
                8 => self.push("\\b"),
                12 => self.push("\\f"),
                b'\n' => self.push("\\n"),
                b'\r' => self.push("\\r"),
                b'\t' => self.push("\\t"),
                b'<' | b'>' | b'&' if self.style != Style::Raw => {
                    self.push(&format!("\\u{byte:04x}"));
                }
                0..b' ' => self.push(&format!("\\u{byte:04x}")),
                0x80.. if width == 1 => self.push("\\ufffd"),
                _ if matches!(c, '\u{2028}' | '\u{2029}') => {
                    self.push(&format!("\\u{:04x}", u32::from(c)));
                }
                _ => self.out.extend_from_slice(raw),
            }
            rest = rest.get(width..).unwrap_or_default();
        }
        self.out.push(b'"');
    }
}

/// A number as ECMAScript prints it: exponents outside of 1e-6 to 1e21.
pub(crate) fn number(value: f64) -> Result<String, CallError> {
    if !value.is_finite() {
        return Err("json: unsupported value: not a finite number".into());
    }
    let magnitude = value.abs();
    if magnitude != 0.0 && !(1e-6..1e21).contains(&magnitude) {
        let text = float::format(value, b'e', None);
        // Small exponents have one digit: 1e-7.
        return Ok(match text.split_once("e-0") {
            Some((mantissa, digit)) => format!("{mantissa}e-{digit}"),
            None => text,
        });
    }
    Ok(float::format(value, b'f', None))
}

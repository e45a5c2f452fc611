//! Reading JSON: every number is a `float64`, the last of equal keys counts.

use crate::limits::MAX_NESTING;
use crate::unicode::{decode, push_char};
use crate::value::{Text, Value};

/// Why a text is not JSON; quotes none of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Problem {
    #[error("unexpected end of JSON input")]
    End,
    #[error("invalid character at offset {0} of the JSON input")]
    Invalid(usize),
    #[error("JSON input nests deeper than {MAX_NESTING} levels")]
    Depth,
    #[error("number out of range at offset {0} of the JSON input")]
    Range(usize),
}

/// Reads one value with nothing but space around it.
pub(crate) fn read(text: &[u8]) -> Result<Value, Problem> {
    let mut reader = Reader {
        text,
        at: 0,
        depth: 0,
    };
    let value = reader.value()?;
    reader.space();
    if reader.at < text.len() {
        return Err(Problem::Invalid(reader.at));
    }
    Ok(value)
}

struct Reader<'t> {
    text: &'t [u8],
    at: usize,
    depth: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn problem(&self) -> Problem {
        if self.at < self.text.len() {
            Problem::Invalid(self.at)
        } else {
            Problem::End
        }
    }

    fn expect(&mut self, byte: u8) -> Result<(), Problem> {
        self.space();
        if self.peek() != Some(byte) {
            return Err(self.problem());
        }
        self.at += 1;
        Ok(())
    }

    fn value(&mut self) -> Result<Value, Problem> {
        self.space();
        match self.peek() {
            Some(b'{') => self.nested(Self::object),
            Some(b'[') => self.nested(Self::array),
            Some(b'"') => Ok(Value::from(self.string()?)),
            Some(b't') => self.word(b"true", Value::Bool(true)),
            Some(b'f') => self.word(b"false", Value::Bool(false)),
            Some(b'n') => self.word(b"null", Value::Nil),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => Err(self.problem()),
        }
    }

    fn nested(&mut self, read: fn(&mut Self) -> Result<Value, Problem>) -> Result<Value, Problem> {
        self.depth += 1;
        if self.depth > MAX_NESTING {
            return Err(Problem::Depth);
        }
        self.at += 1;
        let value = read(self)?;
        self.depth -= 1;
        Ok(value)
    }

    fn object(&mut self) -> Result<Value, Problem> {
        let mut entries = Vec::new();
        self.space();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(Value::map(entries));
        }
        loop {
            self.space();
            if self.peek() != Some(b'"') {
                return Err(self.problem());
            }
            let key = Text::from(self.string()?);
            self.expect(b':')?;
            entries.push((key, self.value()?));
            if self.more(b'}')? {
                return Ok(Value::map(entries));
            }
        }
    }

    fn array(&mut self) -> Result<Value, Problem> {
        let mut items = Vec::new();
        self.space();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(Value::list(items));
        }
        loop {
            items.push(self.value()?);
            if self.more(b']')? {
                return Ok(Value::list(items));
            }
        }
    }

    /// After an element: whether `end` closes the list.
    fn more(&mut self, end: u8) -> Result<bool, Problem> {
        self.space();
        match self.peek() {
            Some(b',') => {
                self.at += 1;
                Ok(false)
            }
            Some(byte) if byte == end => {
                self.at += 1;
                Ok(true)
            }
            _ => Err(self.problem()),
        }
    }

    fn word(&mut self, word: &[u8], value: Value) -> Result<Value, Problem> {
        for byte in word {
            if self.peek() != Some(*byte) {
                return Err(self.problem());
            }
            self.at += 1;
        }
        Ok(value)
    }

    fn digits(&mut self) -> Result<(), Problem> {
        if !self.peek().is_some_and(|b| b.is_ascii_digit()) {
            return Err(self.problem());
        }
        while self.peek().is_some_and(|b| b.is_ascii_digit()) {
            self.at += 1;
        }
        Ok(())
    }

    fn number(&mut self) -> Result<Value, Problem> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        let text = self.text.get(start..self.at).unwrap_or_default();
        std::str::from_utf8(text)
            .ok()
            .and_then(|text| text.parse::<f64>().ok())
            .filter(|value| value.is_finite())
            .map(Value::Float)
            .ok_or(Problem::Range(start))
    }

    fn string(&mut self) -> Result<Vec<u8>, Problem> {
        self.at += 1;
        let mut out = Vec::new();
        loop {
            let rest = self.text.get(self.at..).unwrap_or_default();
            let plain = rest
                .iter()
                .take_while(|b| (b' '..0x80).contains(*b) && !matches!(b, b'"' | b'\\'))
                .count();
            out.extend_from_slice(rest.get(..plain).unwrap_or_default());
            self.at += plain;
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(out);
                }
                Some(b'\\') => self.escape(&mut out)?,
                Some(0x80..) => {
                    let (c, width) = decode(self.text.get(self.at..).unwrap_or_default());
                    push_char(&mut out, c);
                    self.at += width;
                }
                _ => return Err(self.problem()),
            }
        }
    }

    fn escape(&mut self, out: &mut Vec<u8>) -> Result<(), Problem> {
        self.at += 1;
        let byte = self.peek().ok_or(Problem::End)?;
        let plain = match byte {
            b'"' | b'\\' | b'/' => byte,
            b'b' => 8,
            b'f' => 12,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'u' => {
                self.at += 1;
                let c = self.code_point()?;
                push_char(out, c);
                return Ok(());
            }
            _ => return Err(self.problem()),
        };
        out.push(plain);
        self.at += 1;
        Ok(())
    }

    fn four_digits(&mut self) -> Result<u32, Problem> {
        let mut code = 0;
        for _ in 0..4 {
            let digit = self.peek().and_then(|b| char::from(b).to_digit(16));
            code = code * 16 + digit.ok_or_else(|| self.problem())?;
            self.at += 1;
        }
        Ok(code)
    }

    /// After `\u`: surrogate pairs are joined, lone surrogates become U+FFFD.
    fn code_point(&mut self) -> Result<char, Problem> {
        let code = self.four_digits()?;
        if let Some(c) = char::from_u32(code) {
            return Ok(c);
        }
        let back = self.at;
        let escaped = self
            .text
            .get(self.at..)
            .unwrap_or_default()
            .starts_with(b"\\u");
        if escaped {
            self.at += 2;
            let low = self.four_digits()?;
            if code < 0xdc00 && (0xdc00..0xe000).contains(&low) {
                let joined = 0x1_0000 + ((code - 0xd800) << 10) + (low - 0xdc00);
                return Ok(char::from_u32(joined).unwrap_or('\u{fffd}'));
            }
            self.at = back;
        }
        Ok('\u{fffd}')
    }
}

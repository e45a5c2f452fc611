//! Finding values in a document that may be broken, exactly as leniently as gjson does.
//!
//! Positions count bytes. A position one past the length marks a string that never ended.

use crate::bytes::{at, span, tail};
use crate::value::{Kind, Value};

/// What begins at a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// A string.
    Text,
    /// An object.
    Object,
    /// An array.
    Array,
    /// `true`, `false` or `null`, or a word that looks alike.
    Word,
    /// A number, infinity or NaN.
    Number,
}

/// What begins at `i`, if a value does.
pub fn start(json: &[u8], i: usize) -> Option<Start> {
    match at(json, i)? {
        b'"' => Some(Start::Text),
        b'{' => Some(Start::Object),
        b'[' => Some(Start::Array),
        b'n' if at(json, i + 1).is_some_and(|next| next != b'u') => Some(Start::Number),
        b'n' | b't' | b'f' => Some(Start::Word),
        b'+' | b'-' | b'0'..=b'9' | b'i' | b'I' | b'N' => Some(Start::Number),
        _ => None,
    }
}

/// A string found by [`string`].
pub struct Text<'a> {
    /// The position after it.
    pub next: usize,
    /// What is between the quotes, escapes included.
    pub inside: &'a [u8],
    /// Whether there are escapes.
    pub escaped: bool,
    /// Whether it ends with a quote.
    pub closed: bool,
}

/// Reads the string whose opening quote is just before `i`.
pub fn string(json: &[u8], i: usize) -> Text<'_> {
    let mut end = i;
    let mut escaped = false;
    while let Some(offset) = tail(json, end)
        .iter()
        .position(|byte| matches!(byte, b'"' | b'\\'))
    {
        end += offset;
        if at(json, end) == Some(b'"') {
            return Text {
                next: end + 1,
                inside: span(json, i, end),
                escaped,
                closed: true,
            };
        }
        escaped = true;
        end += 2;
    }
    Text {
        next: json.len(),
        inside: tail(json, i),
        escaped,
        closed: false,
    }
}

/// The end of the number at `i`.
pub fn number_end(json: &[u8], i: usize) -> usize {
    tail(json, i + 1)
        .iter()
        .position(|byte| *byte <= b' ' || matches!(byte, b',' | b']' | b'}'))
        .map_or(json.len(), |offset| i + 1 + offset)
}

/// The end of the word at `i`.
pub fn word_end(json: &[u8], i: usize) -> usize {
    tail(json, i + 1)
        .iter()
        .position(|byte| !byte.is_ascii_lowercase())
        .map_or(json.len(), |offset| i + 1 + offset)
}

/// The end of the nested value whose bracket is at `i`: every kind of bracket counts, strings
/// do not. One past the length if a string in it never ends.
pub fn nested_end(json: &[u8], i: usize) -> usize {
    let mut depth = 1_usize;
    let mut end = i + 1;
    while let Some(offset) = tail(json, end)
        .iter()
        .position(|byte| matches!(byte, b'"' | b'{' | b'[' | b'(' | b'}' | b']' | b')'))
    {
        end += offset;
        match at(json, end) {
            Some(b'"') => {
                let text = string(json, end + 1);
                if !text.closed {
                    return json.len() + 1;
                }
                end = text.next;
            }
            Some(b'{' | b'[' | b'(') => {
                depth += 1;
                end += 1;
            }
            _ => {
                depth -= 1;
                end += 1;
                if depth == 0 {
                    return end;
                }
            }
        }
    }
    json.len()
}

/// The bracketed or quoted text with which `text` begins, to its end.
pub fn enclosed(text: &[u8]) -> &[u8] {
    let end = if at(text, 0) == Some(b'"') {
        string(text, 1).next
    } else {
        nested_end(text, 0)
    };
    span(text, 0, end)
}

/// A scalar read by [`scalar`], and the position after it.
pub struct Scalar<'a> {
    /// The position after it.
    pub next: usize,
    /// The value; absent for a string that never ends.
    pub value: Option<Value<'a>>,
}

/// Reads the string, word or number at `i`.
pub fn scalar(json: &[u8], i: usize, start: Start) -> Scalar<'_> {
    let (next, kind) = match start {
        Start::Text => {
            let text = string(json, i + 1);
            return Scalar {
                next: text.next,
                value: text
                    .closed
                    .then(|| Value::string(span(json, i, text.next), text.inside, text.escaped)),
            };
        }
        Start::Number => (number_end(json, i), Kind::Number),
        _ => (word_end(json, i), word_kind(at(json, i))),
    };
    Scalar {
        next,
        value: Some(Value::new(kind, span(json, i, next))),
    }
}

/// The kind of a word by its first letter.
pub fn word_kind(first: Option<u8>) -> Kind {
    match first {
        Some(b't') => Kind::True,
        Some(b'f') => Kind::False,
        _ => Kind::Null,
    }
}

/// The next value at or after `i`, whatever lies between, and the position after it.
pub fn next_value(json: &[u8], mut i: usize) -> Option<(usize, Value<'_>)> {
    while i < json.len() {
        match start(json, i) {
            None => i += 1,
            Some(Start::Object | Start::Array) => {
                let end = nested_end(json, i);
                return Some((end, Value::new(Kind::Json, span(json, i, end))));
            }
            Some(start) => {
                let scalar = scalar(json, i, start);
                return scalar.value.map(|value| (scalar.next, value));
            }
        }
    }
    None
}

/// The members of a value: of an object with keys, of an array without, a scalar itself.
pub struct Members<'a> {
    json: &'a [u8],
    at: usize,
    shape: Shape<'a>,
}

enum Shape<'a> {
    Object,
    Array,
    Scalar(Option<Value<'a>>),
}

impl<'a> Members<'a> {
    /// The members of `value`, which must be borrowed from its document.
    pub fn of(value: &Value<'a>, raw: &'a [u8]) -> Self {
        let shape = match (value.kind(), raw.first()) {
            (Kind::Json, Some(b'{')) => Shape::Object,
            (Kind::Json, _) => Shape::Array,
            _ => Shape::Scalar(value.exists().then(|| value.clone())),
        };
        Self {
            json: raw,
            at: 1,
            shape,
        }
    }
}

impl<'a> Iterator for Members<'a> {
    type Item = (Option<Value<'a>>, Value<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let mut key = None;
        match &mut self.shape {
            Shape::Scalar(value) => return value.take().map(|value| (None, value)),
            Shape::Array if self.at >= self.json.len() => return None,
            Shape::Array => {}
            Shape::Object => {
                let quote = tail(self.json, self.at).iter().position(|b| *b == b'"')?;
                let read = scalar(self.json, self.at + quote, Start::Text);
                self.at = read.next;
                key = Some(read.value?);
            }
        }
        self.at += tail(self.json, self.at)
            .iter()
            .take_while(|byte| **byte <= b' ' || matches!(byte, b',' | b':'))
            .count();
        let (next, value) = next_value(self.json, self.at)?;
        // One byte after each value is taken for its comma.
        self.at = next + 1;
        Some((key, value))
    }
}

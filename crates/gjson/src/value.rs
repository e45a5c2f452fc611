//! What a path leads to.

use std::borrow::Cow;

use crate::bytes::{at, span, tail};
use crate::scan::{Start, number_end, start, string, word_end, word_kind};
use crate::{number, text};

/// The kind of a value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// `null`, and what does not exist.
    #[default]
    Null,
    /// `false`.
    False,
    /// A number.
    Number,
    /// A string.
    String,
    /// `true`.
    True,
    /// An object or array.
    Json,
}

/// What a path leads to: a piece of the document, or text made from it.
///
/// Holds whatever the document holds, so `Debug` shows the kind and length only.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Value<'a> {
    kind: Kind,
    raw: Cow<'a, [u8]>,
    string: Cow<'a, [u8]>,
}

impl<'a> Value<'a> {
    pub(crate) fn new(kind: Kind, raw: &'a [u8]) -> Self {
        Self {
            kind,
            raw: Cow::Borrowed(raw),
            string: Cow::default(),
        }
    }

    pub(crate) fn made(kind: Kind, raw: Vec<u8>) -> Self {
        Self {
            kind,
            raw: Cow::Owned(raw),
            string: Cow::default(),
        }
    }

    pub(crate) fn string(raw: &'a [u8], inside: &'a [u8], escaped: bool) -> Self {
        Self {
            kind: Kind::String,
            raw: Cow::Borrowed(raw),
            string: if escaped {
                Cow::Owned(text::unescape(inside))
            } else {
                Cow::Borrowed(inside)
            },
        }
    }

    /// Takes the place of an earlier value; a null takes over only its text, as in gjson.
    pub(crate) fn replace(&mut self, value: Self) {
        if value.kind == Kind::Null {
            self.raw = value.raw;
        } else {
            *self = value;
        }
    }

    /// Reads a whole document leniently: nested values are taken with all that follows them.
    pub(crate) fn parse(json: &'a [u8]) -> Self {
        let Some(i) = json.iter().position(|byte| *byte > b' ') else {
            return Self::default();
        };
        match start(json, i) {
            None => Self::default(),
            Some(Start::Object | Start::Array) => Self::new(Kind::Json, tail(json, i)),
            Some(Start::Number) => Self::new(Kind::Number, span(json, i, number_end(json, i))),
            Some(Start::Word) => {
                Self::new(word_kind(at(json, i)), span(json, i, word_end(json, i)))
            }
            Some(Start::Text) => {
                let text = string(json, i + 1);
                Self::string(span(json, i, text.next), text.inside, text.escaped)
            }
        }
    }

    /// Whether the path led anywhere; a JSON `null` exists.
    #[must_use]
    pub fn exists(&self) -> bool {
        self.kind != Kind::Null || !self.raw.is_empty()
    }

    /// Its kind.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Whether it is an object.
    #[must_use]
    pub fn is_object(&self) -> bool {
        self.kind == Kind::Json && self.raw.first() == Some(&b'{')
    }

    /// Whether it is an array.
    #[must_use]
    pub fn is_array(&self) -> bool {
        self.kind == Kind::Json && self.raw.first() == Some(&b'[')
    }

    /// Its JSON text as it stands in the document.
    #[must_use]
    pub fn raw(&self) -> &[u8] {
        &self.raw
    }

    /// Its text: strings without escapes, integers as written, other numbers reformatted
    /// (`1.50` is `1.5`, `1e3` is `1000`), objects and arrays as their JSON text, null empty.
    #[must_use]
    pub fn text(&self) -> Cow<'_, [u8]> {
        match self.kind {
            Kind::Null => Cow::Borrowed(b""),
            Kind::False => Cow::Borrowed(b"false"),
            Kind::True => Cow::Borrowed(b"true"),
            Kind::String => Cow::Borrowed(&self.string),
            Kind::Json => Cow::Borrowed(&self.raw),
            Kind::Number => {
                let digits = self.raw.strip_prefix(b"-").unwrap_or(&self.raw);
                if digits.iter().all(u8::is_ascii_digit) {
                    Cow::Borrowed(&self.raw)
                } else {
                    Cow::Owned(number::format(self.number()).into_bytes())
                }
            }
        }
    }

    /// The text, taken out.
    #[must_use]
    pub fn into_text(self) -> Vec<u8> {
        self.text().into_owned()
    }

    pub(crate) fn number(&self) -> f64 {
        number::parse(&self.raw)
    }

    pub(crate) fn str(&self) -> &[u8] {
        &self.string
    }

    /// Its JSON text, borrowed from the document if it is a piece of it.
    pub(crate) fn into_raw(self) -> Cow<'a, [u8]> {
        self.raw
    }

    /// Whether it says yes: true, a number other than 0, the words of Go's `ParseBool`.
    pub(crate) fn is_true(&self) -> bool {
        match self.kind {
            Kind::True => true,
            Kind::Number => self.number() != 0.0,
            Kind::String => parse_bool(&self.string) == Some(true),
            _ => false,
        }
    }

    /// Whether it says no: false, null, 0, the words of Go's `ParseBool`.
    pub(crate) fn is_false(&self) -> bool {
        match self.kind {
            Kind::Null | Kind::False => true,
            Kind::Number => self.number() == 0.0,
            Kind::String => parse_bool(&self.string) == Some(false),
            _ => false,
        }
    }

    /// The same value without a tie to its document.
    #[must_use]
    pub fn into_owned(self) -> Value<'static> {
        Value {
            kind: self.kind,
            raw: Cow::Owned(self.raw.into_owned()),
            string: Cow::Owned(self.string.into_owned()),
        }
    }
}

impl std::fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Value({:?}, {} bytes)", self.kind, self.raw.len())
    }
}

fn parse_bool(text: &[u8]) -> Option<bool> {
    match text.to_ascii_lowercase().as_slice() {
        b"1" | b"t" | b"true" => Some(true),
        b"0" | b"f" | b"false" => Some(false),
        _ => None,
    }
}

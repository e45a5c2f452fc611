//! The values that templates compute with: Go's dynamic types as far as templates see them.
//!
//! Owns identity of types (`typeOf`, `kindOf`, assignability) and truth. Values are shared by
//! reference and `Send`; dictionaries alone can be changed (`set`). `Debug` shows no data.

use std::fmt;
use std::sync::Arc;

pub mod list;
pub mod map;
pub mod opaque;
pub mod text;

pub use list::List;
pub use map::Map;
pub use opaque::{Opaque, Shown};
pub use text::Text;

use crate::time::Time;

/// A value of a template.
#[derive(Clone, Default)]
pub enum Value {
    /// Nothing at all: what a missing key gives; prints as `<no value>`.
    #[default]
    NoValue,
    /// Go's `nil` in a list, a dictionary or a function's result.
    Nil,
    /// A boolean.
    Bool(bool),
    /// A signed integer, a duration or another of Go's named integers.
    Int(i64, IntType),
    /// An unsigned integer.
    Uint(u64, UintType),
    /// A `float64`.
    Float(f64),
    /// A `complex128`: real and imaginary part.
    Complex(f64, f64),
    /// A string of arbitrary bytes.
    Text(Text),
    /// A `[]byte`.
    Bytes(Arc<[u8]>),
    /// A slice.
    List(List),
    /// A map with string keys.
    Map(Map),
    /// A moment.
    Time(Arc<Time>),
    /// A structure with fields and methods.
    Opaque(Arc<dyn Opaque>),
}

/// Which of Go's signed integers a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IntType {
    /// `int`.
    Int,
    /// `int32`, also `rune`.
    Int32,
    /// `int64`.
    Int64,
    /// `time.Duration`, in nanoseconds.
    Duration,
    /// `time.Month`.
    Month,
    /// `time.Weekday`.
    Weekday,
}

impl IntType {
    /// Go's name of the type.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Int => "int",
            Self::Int32 => "int32",
            Self::Int64 => "int64",
            Self::Duration => "time.Duration",
            Self::Month => "time.Month",
            Self::Weekday => "time.Weekday",
        }
    }

    /// Go's name of the kind.
    #[must_use]
    pub const fn kind(self) -> &'static str {
        match self {
            Self::Int | Self::Month | Self::Weekday => "int",
            Self::Int32 => "int32",
            Self::Int64 | Self::Duration => "int64",
        }
    }
}

/// Which of Go's unsigned integers a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UintType {
    /// `uint8`, also `byte`.
    Uint8,
    /// `uint32`.
    Uint32,
    /// `uint64`.
    Uint64,
}

impl UintType {
    /// Go's name of the type and kind.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Uint8 => "uint8",
            Self::Uint32 => "uint32",
            Self::Uint64 => "uint64",
        }
    }
}

/// The element type of a list or map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Elem {
    /// `interface {}`.
    Any,
    /// `string`.
    Text,
    /// `int`.
    Int,
    /// `[]interface {}`.
    AnyList,
}

impl Elem {
    /// Go's name of the type.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Any => "interface {}",
            Self::Text => "string",
            Self::Int => "int",
            Self::AnyList => "[]interface {}",
        }
    }

    /// The zero value, which a missing element has.
    #[must_use]
    pub fn zero(self) -> Value {
        match self {
            Self::Any => Value::Nil,
            Self::Text => Value::text(""),
            Self::Int => Value::int(0),
            Self::AnyList => Value::List(List::new(Elem::Any, Vec::new())),
        }
    }
}

impl Value {
    /// A string.
    pub fn text(text: impl AsRef<[u8]>) -> Self {
        Self::Text(Text::from(text.as_ref()))
    }

    /// An `int`.
    #[must_use]
    pub const fn int(value: i64) -> Self {
        Self::Int(value, IntType::Int)
    }

    /// An `int64`.
    #[must_use]
    pub const fn int64(value: i64) -> Self {
        Self::Int(value, IntType::Int64)
    }

    /// A `time.Duration` of `nanoseconds`.
    #[must_use]
    pub const fn duration(nanoseconds: i64) -> Self {
        Self::Int(nanoseconds, IntType::Duration)
    }

    /// A `[]interface {}`.
    #[must_use]
    pub fn list(items: Vec<Value>) -> Self {
        Self::List(List::new(Elem::Any, items))
    }

    /// A `[]string`.
    pub fn texts<T: AsRef<[u8]>>(items: impl IntoIterator<Item = T>) -> Self {
        let items = items.into_iter().map(Value::text).collect();
        Self::List(List::new(Elem::Text, items))
    }

    /// A `map[string]interface {}`.
    pub fn map(entries: impl IntoIterator<Item = (Text, Value)>) -> Self {
        Self::Map(Map::new(Elem::Any, entries))
    }

    /// A `map[string]string`, the kind of root that External Secrets Operator gives templates.
    pub fn text_map<K, V>(entries: impl IntoIterator<Item = (K, V)>) -> Self
    where
        K: AsRef<[u8]>,
        V: AsRef<[u8]>,
    {
        let entries = entries
            .into_iter()
            .map(|(key, value)| (Text::from(key.as_ref()), Value::text(value)));
        Self::Map(Map::new(Elem::Text, entries))
    }

    /// Go's name of the type, as `%T` prints it.
    #[must_use]
    pub fn type_name(&self) -> String {
        match self {
            Self::NoValue | Self::Nil => "<nil>".into(),
            Self::Bool(_) => "bool".into(),
            Self::Int(_, kind) => kind.name().into(),
            Self::Uint(_, kind) => kind.name().into(),
            Self::Float(_) => "float64".into(),
            Self::Complex(..) => "complex128".into(),
            Self::Text(_) => "string".into(),
            Self::Bytes(_) => "[]uint8".into(),
            Self::List(list) => format!("[]{}", list.elem().name()),
            Self::Map(map) => format!("map[string]{}", map.elem().name()),
            Self::Time(_) => "time.Time".into(),
            Self::Opaque(value) => value.type_name().into(),
        }
    }

    /// Go's name of the kind.
    #[must_use]
    pub fn kind_name(&self) -> &'static str {
        match self {
            Self::NoValue | Self::Nil => "invalid",
            Self::Bool(_) => "bool",
            Self::Int(_, kind) => kind.kind(),
            Self::Uint(_, kind) => kind.name(),
            Self::Float(_) => "float64",
            Self::Complex(..) => "complex128",
            Self::Text(_) => "string",
            Self::Bytes(_) | Self::List(_) => "slice",
            Self::Map(_) => "map",
            Self::Time(_) => "struct",
            Self::Opaque(value) => {
                if value.type_name().starts_with('*') {
                    "ptr"
                } else {
                    "struct"
                }
            }
        }
    }

    /// Go's rule of truth: not the zero of its type.
    #[must_use]
    pub fn truth(&self) -> bool {
        match self {
            Self::NoValue | Self::Nil => false,
            Self::Bool(value) => *value,
            Self::Int(value, _) => *value != 0,
            Self::Uint(value, _) => *value != 0,
            Self::Float(value) => *value != 0.0,
            Self::Complex(re, im) => *re != 0.0 || *im != 0.0,
            Self::Text(text) => !text.is_empty(),
            Self::Bytes(bytes) => !bytes.is_empty(),
            Self::List(list) => !list.is_empty(),
            Self::Map(map) => !map.is_empty(),
            Self::Time(_) | Self::Opaque(_) => true,
        }
    }

    /// Whether this is nothing or nil.
    #[must_use]
    pub const fn is_nil(&self) -> bool {
        matches!(self, Self::NoValue | Self::Nil)
    }

    /// The bytes of a string; `None` for anything else.
    #[must_use]
    pub fn as_text(&self) -> Option<&[u8]> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The bytes that this value alone holds, for the account of work.
    pub(crate) fn size(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Bytes(bytes) => bytes.len(),
            _ => 8,
        }
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.type_name())
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::text(text)
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(Text::from(text.into_bytes()))
    }
}

impl From<Vec<u8>> for Value {
    /// A string, not a `[]byte`.
    fn from(text: Vec<u8>) -> Self {
        Self::Text(Text::from(text))
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

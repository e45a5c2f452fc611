//! A value on its way into an object.

use std::fmt;

use keyless_gotemplate::Value as Read;
use keyless_gotemplate::yaml::{self, YamlError};
use serde_json::{Map, Number, Value};

use super::path::{Leaf, Path};

/// How deep an object may be nested: deeper ones no API server and no reader takes.
const MAX_DEPTH: usize = 100;

/// A value and where it goes. Shows no value in `Debug`: it was rendered from secrets.
#[derive(Clone, PartialEq)]
pub struct Placement {
    path: Path,
    leaf: Leaf,
    value: Value,
}

impl fmt::Debug for Placement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Placement({} {:?})", self.path, self.leaf)
    }
}

/// A value that cannot stand where it is to go. Holds no part of the value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlaceError {
    /// The path cannot be read.
    #[error("the path {path:?} cannot be used: {reason}")]
    Malformed {
        /// The path as written.
        path: String,
        /// What is wrong.
        reason: &'static str,
    },
    /// The path leads to what makes the object this object.
    #[error("the path {path:?} leads to the object's identity")]
    Identity {
        /// The path as written.
        path: String,
    },
    /// Something else than a map or list stands on the way.
    #[error("the path {path:?} needs a {wanted} at {at:?}, where something else stands")]
    Blocked {
        /// The whole path.
        path: String,
        /// The part that leads to what is in the way.
        at: String,
        /// `map` or `list`.
        wanted: &'static str,
    },
    /// The value is no text, and this kind holds texts.
    #[error("the value of {key} is not text (UTF-8), and the target holds texts only")]
    Binary {
        /// The key.
        key: String,
    },
    /// A label or annotation that is a list, a map or nothing.
    #[error("the value of {key} is {observed}, and a label or annotation is a text")]
    NotText {
        /// The key.
        key: String,
        /// What it is.
        observed: &'static str,
    },
    /// The rendered document is no YAML.
    #[error(transparent)]
    Yaml(#[from] YamlError),
    /// The document nests too deeply, or holds a number that JSON does not have.
    #[error("the rendered document {0}")]
    Document(&'static str),
    /// The lists on the way would become too long.
    #[error("the lists of the target would grow by more than 100000 elements")]
    TooLarge,
}

impl PlaceError {
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Self::Identity { .. } => Some(
                "A template may fill metadata.labels, metadata.annotations and everything below \
                 other fields than apiVersion, kind and metadata"
                    .to_owned(),
            ),
            Self::Binary { key } => Some(format!(
                "Encode the value in the template, as in {{{{ .{key} | b64enc }}}}"
            )),
            Self::Malformed { .. } => Some("Write a path such as spec.rules[0].from".to_owned()),
            _ => None,
        }
    }
}

impl Placement {
    /// The text `bytes` as the member `key` of `field`.
    pub(crate) fn member(field: &str, key: &str, bytes: &[u8]) -> Result<Self, PlaceError> {
        Ok(Self {
            path: Path::member(field, key),
            leaf: Leaf::Set,
            value: Value::String(text(key, bytes)?),
        })
    }

    /// The text `bytes` as the member `key` of `spec.data`.
    pub(super) fn below_spec_data(key: &str, bytes: &[u8]) -> Result<Self, PlaceError> {
        Ok(Self {
            path: Path::member("spec", "data").with(key),
            leaf: Leaf::Set,
            value: Value::String(text(key, bytes)?),
        })
    }

    /// One rendered value for the path `path`: a member of `spec` if that is the whole path, else
    /// the YAML that it is, or the text if it is none.
    pub(crate) fn value(path: &str, key: &str, bytes: &[u8]) -> Result<Self, PlaceError> {
        if path.eq_ignore_ascii_case("spec") {
            return Self::member("spec", key, bytes);
        }
        let text = text(key, bytes)?;
        let value = match yaml::read_value(bytes) {
            Ok(read) => json(&read)?,
            Err(_) => Value::String(text),
        };
        Self::at(path, value)
    }

    /// A rendered document for the path `path`.
    pub(crate) fn document(path: &str, bytes: &[u8]) -> Result<Self, PlaceError> {
        Self::at(path, json(&yaml::read_value(bytes)?)?)
    }

    fn at(text: &str, mut value: Value) -> Result<Self, PlaceError> {
        let path = Path::parse(text)?;
        let names = path.names();
        let identity = || PlaceError::Identity {
            path: text.to_owned(),
        };
        let first = names.first().copied().unwrap_or_default();
        if ["apiVersion", "kind"]
            .iter()
            .any(|n| n.eq_ignore_ascii_case(first))
        {
            return Err(identity());
        }
        if first.eq_ignore_ascii_case("metadata") {
            let known = first == "metadata"
                && matches!(names.get(1), Some(&("labels" | "annotations")))
                && names.len() == path.len()
                && path.len() <= 3;
            if !known {
                return Err(identity());
            }
            value = texts(names.get(2).copied(), value)?;
        }
        if path.len() + depth(&value, MAX_DEPTH) > MAX_DEPTH {
            return Err(PlaceError::Document("nests too deeply"));
        }
        Ok(Self {
            path,
            leaf: Leaf::Merge,
            value,
        })
    }

    /// Whether it is one of labels or annotations.
    pub(super) fn is_metadata(&self) -> bool {
        self.path.names().first() == Some(&"metadata")
    }

    /// Puts it into `object`. `budget` is how many elements lists may yet grow by.
    pub(super) fn apply(&self, object: &mut Value, budget: &mut usize) -> Result<(), PlaceError> {
        self.path.put(object, self.value.clone(), self.leaf, budget)
    }
}

fn text(key: &str, bytes: &[u8]) -> Result<String, PlaceError> {
    let text = std::str::from_utf8(bytes).map_err(|_| PlaceError::Binary {
        key: key.to_owned(),
    })?;
    Ok(text.to_owned())
}

/// Labels or annotations: a map of texts, or the text of one of them.
fn texts(key: Option<&str>, value: Value) -> Result<Value, PlaceError> {
    let one = |key: &str, value: Value| {
        let observed = match value {
            Value::String(_) => return Ok(value),
            Value::Bool(flag) => return Ok(Value::String(flag.to_string())),
            Value::Number(number) => return Ok(Value::String(number.to_string())),
            Value::Null => "nothing",
            Value::Array(_) => "a list",
            Value::Object(_) => "a map",
        };
        let key = key.to_owned();
        Err(PlaceError::NotText { key, observed })
    };
    match (key, value) {
        (Some(key), value) => one(key, value),
        (None, Value::Object(map)) => {
            let texts = map.into_iter().map(|(key, value)| {
                let value = one(&key, value)?;
                Ok((key, value))
            });
            texts.collect::<Result<Map<_, _>, _>>().map(Value::Object)
        }
        (None, Value::Null) => Ok(Value::Object(Map::new())),
        (None, _) => Err(PlaceError::Document("is no map of labels or annotations")),
    }
}

/// How deep a value is nested, counted up to `limit`.
fn depth(value: &Value, limit: usize) -> usize {
    let below = |values: &mut dyn Iterator<Item = &Value>| match limit.checked_sub(1) {
        None => 0,
        Some(limit) => values.map(|value| depth(value, limit)).max().unwrap_or(0),
    };
    match value {
        Value::Array(items) => 1 + below(&mut items.iter()),
        Value::Object(map) => 1 + below(&mut map.values()),
        _ => 0,
    }
}

/// What was read, as JSON. The reader bounds the depth.
fn json(read: &Read) -> Result<Value, PlaceError> {
    Ok(match read {
        Read::Bool(flag) => Value::Bool(*flag),
        Read::Int(number, _) => Value::from(*number),
        Read::Uint(number, _) => Value::from(*number),
        Read::Float(number) => float(*number)?,
        Read::Text(text) => Value::String(text.to_str_lossy().into_owned()),
        Read::List(list) => {
            let items: Result<Vec<_>, _> = list.items().iter().map(json).collect();
            Value::Array(items?)
        }
        Read::Map(map) => {
            let entries = map
                .snapshot()
                .into_iter()
                .map(|(key, value)| Ok((key.to_str_lossy().into_owned(), json(&value)?)));
            Value::Object(entries.collect::<Result<_, PlaceError>>()?)
        }
        _ => Value::Null,
    })
}

/// A float that is a whole number is one in JSON: that is how an API server gives it back.
fn float(number: f64) -> Result<Value, PlaceError> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if number.fract() == 0.0 && number.abs() <= EXACT {
        return Ok(Value::from(number as i64));
    }
    Number::from_f64(number)
        .map(Value::Number)
        .ok_or(PlaceError::Document(
            "holds a number that JSON does not have",
        ))
}

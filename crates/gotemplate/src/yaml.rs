//! YAML 1.1 as Kubernetes' Go tools read and write it: `yes` is true, `017` is 15, keys are
//! always texts, and what is written is block style with sorted keys.
//!
//! Owns resolution of scalars, aliases, merges and layout. Refuses to expand aliases without
//! end. Errors quote nothing of the document.

use std::collections::BTreeMap;

use crate::value::{Map, Text, Value};

pub(crate) mod read;
pub(crate) mod resolve;
mod scalar;
pub(crate) mod write;

/// Why a text could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum YamlError {
    /// The text is not YAML; the line is counted from 1.
    #[error("error converting YAML to JSON: yaml: line {line}: {reason}")]
    Syntax {
        /// The line of the mistake.
        line: usize,
        /// What is wrong.
        reason: String,
    },
    /// The text has no JSON form, or not the wanted one.
    #[error("error unmarshaling JSON: while decoding JSON: json: {0}")]
    Shape(String),
}

/// Reads the first document of `text` as a map of texts, the way `template.data` of scope
/// `KeysAndValues` and literal templates are read: numbers and booleans become their text, null
/// becomes empty, nothing at all is an empty map.
///
/// # Errors
/// Text that is no YAML, a document that is no map, values that are lists or maps.
pub fn read_texts(text: &[u8]) -> Result<BTreeMap<String, Vec<u8>>, YamlError> {
    let map = match read::read(text)? {
        Value::Nil => return Ok(BTreeMap::new()),
        Value::Map(map) => map,
        other => return Err(wrong_shape(&other, "map[string]string")),
    };
    let mut out = BTreeMap::new();
    for (key, value) in map.snapshot() {
        let value = match value {
            Value::Nil | Value::NoValue => Vec::new(),
            Value::Text(text) => text.to_vec(),
            Value::Bool(value) => value.to_string().into_bytes(),
            Value::Int(value, _) => value.to_string().into_bytes(),
            Value::Uint(value, _) => value.to_string().into_bytes(),
            Value::Float(value) => crate::fmt::float::format(value, b'g', None).into_bytes(),
            other => return Err(wrong_shape(&other, "string")),
        };
        out.insert(key.to_str_lossy().into_owned(), value);
    }
    Ok(out)
}

/// Reads the first document of `text`, whatever it is; nothing at all is [`Value::Nil`]. Keys are
/// texts, integers stay integers, and the depth is bounded by [`crate::MAX_NESTING`].
///
/// # Errors
/// Text that is no YAML.
pub fn read_value(text: &[u8]) -> Result<Value, YamlError> {
    read::read(text)
}

/// Reads the first document of `text` as a map in which every number is a `float64`.
pub(crate) fn read_map(text: &[u8]) -> Result<Map, YamlError> {
    match json_numbers(read::read(text)?)? {
        Value::Nil => Ok(Map::new(crate::value::Elem::Any, [])),
        Value::Map(map) => Ok(map),
        other => Err(wrong_shape(&other, "map[string]interface {}")),
    }
}

fn wrong_shape(value: &Value, wanted: &str) -> YamlError {
    let kind = match value {
        Value::List(_) => "array",
        Value::Map(_) => "object",
        Value::Bool(_) => "bool",
        Value::Text(_) => "string",
        _ => "number",
    };
    YamlError::Shape(format!(
        "cannot unmarshal {kind} into Go value of type {wanted}"
    ))
}

/// Turns integers into floats, as the way through JSON does. The depth is bounded by the reader.
fn json_numbers(value: Value) -> Result<Value, YamlError> {
    Ok(match value {
        Value::Int(value, _) => Value::Float(value as f64),
        Value::Uint(value, _) => Value::Float(value as f64),
        Value::Float(value) if !value.is_finite() => {
            return Err(YamlError::Shape(
                "unsupported value: not a finite number".into(),
            ));
        }
        Value::List(list) => {
            let items: Result<Vec<_>, _> = list.items().iter().cloned().map(json_numbers).collect();
            Value::list(items?)
        }
        Value::Map(map) => {
            let entries: Result<Vec<(Text, Value)>, _> = map
                .snapshot()
                .into_iter()
                .map(|(key, value)| Ok((key, json_numbers(value)?)))
                .collect();
            Value::map(entries?)
        }
        other => other,
    })
}

//! Decoding of a part of an API object, with errors that name the field.

use serde::de::DeserializeOwned;
use serde_json::Value;

/// A part of an object that does not have the shape of its type.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct DecodeError {
    /// Path of the field below the decoded part, such as `data[0].remoteRef.key`; empty for the
    /// part itself.
    pub path: String,
    /// What is wrong with it.
    pub reason: String,
}

impl std::fmt::Display for DecodeError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.path.is_empty() {
            f.write_str(&self.reason)
        } else {
            write!(f, "{}: {}", self.path, self.reason)
        }
    }
}

impl DecodeError {
    /// The same error seen from the object that holds the part under `parent`.
    #[must_use]
    pub fn below(mut self, parent: &str) -> Self {
        self.path = match self.path.as_str() {
            "" => parent.to_owned(),
            path if path.starts_with('[') => format!("{parent}{path}"),
            path => format!("{parent}.{path}"),
        };
        self
    }
}

/// Decodes a spec or status as the API server stores it. Unknown fields are ignored and unknown
/// enumeration values kept as such; a null or missing part is an empty object.
///
/// # Errors
/// Names the field that has another type than the schema, or that is required and missing.
pub fn decode<T: DeserializeOwned>(part: &Value) -> Result<T, DecodeError> {
    let empty = Value::Object(serde_json::Map::new());
    let part = if part.is_null() { &empty } else { part };
    serde_path_to_error::deserialize(part).map_err(|error| {
        let path = error.path().to_string();
        DecodeError {
            path: if path == "." { String::new() } else { path },
            reason: without_value(error.into_inner().to_string()),
        }
    })
}

/// Drops the offending value from a decoder's message: it may be a secret put in the wrong place.
fn without_value(message: String) -> String {
    let quotes_value = message.starts_with("invalid type") || message.starts_with("invalid value");
    let value = message.find(['"', '`']).filter(|_| quotes_value);
    match (value, message.rfind(", expected ")) {
        (Some(value), Some(expected)) => {
            let kind = message.get(..value).unwrap_or_default();
            let expected = message.get(expected..).unwrap_or_default();
            format!("{}{expected}", kind.trim_end())
        }
        _ => message,
    }
}

#[cfg(test)]
mod tests;

//! Request bodies in `application/vnd.kubernetes.protobuf`, as JSON.
//!
//! `kubectl create secret` and its like send protobuf and do not fall back when it is refused.
//! Owns: the envelope (`k8s\0` and `runtime.Unknown`), the wire format, and field tables of the
//! kinds that clients send. Refuses: encoding (answers are always JSON) and kinds without a
//! table. Unknown fields are skipped; every length is checked; nesting is limited.

use serde_json::{Map, Value};

mod json;
mod table;
#[cfg(test)]
mod tests;
mod wire;

use table::{Field, Kind, Message, Shape};
use wire::{Payload, Reader};

/// The deepest nesting of messages; real ones stay below ten.
const MAX_DEPTH: usize = 32;
/// The most values that one body may expand to.
const MAX_VALUES: usize = 200_000;
/// The four bytes that every body starts with.
const MAGIC: &[u8] = b"k8s\0";

/// Why a body could not be decoded: 400, or 415 for [`DecodeError::UnknownKind`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The body lacks the magic prefix.
    #[error(
        "provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]"
    )]
    NotKubernetes,
    /// The wire format is broken.
    #[error("invalid protobuf: {0}")]
    Malformed(&'static str),
    /// There is no field table for the kind.
    #[error("no protobuf support for {kind:?} in version {api_version:?}: send JSON")]
    UnknownKind {
        /// `apiVersion` of the envelope.
        api_version: String,
        /// `kind` of the envelope.
        kind: String,
    },
}

/// Decodes a request body into the object's JSON.
///
/// # Errors
///
/// See [`DecodeError`].
pub fn decode(body: &[u8]) -> Result<Value, DecodeError> {
    let envelope = body.strip_prefix(MAGIC).ok_or(DecodeError::NotKubernetes)?;
    let (mut api_version, mut kind, mut raw) = (String::new(), String::new(), &[][..]);
    let mut reader = Reader::new(envelope);
    while let Some((number, payload)) = reader.next()? {
        match (number, payload) {
            (1, Payload::Bytes(meta)) => {
                let mut reader = Reader::new(meta);
                while let Some((number, payload)) = reader.next()? {
                    match (number, payload) {
                        (1, Payload::Bytes(text)) => api_version = string(text)?,
                        (2, Payload::Bytes(text)) => kind = string(text)?,
                        _ => {}
                    }
                }
            }
            (2, Payload::Bytes(bytes)) => raw = bytes,
            (3, Payload::Bytes(encoding)) if !encoding.is_empty() => {
                return Err(DecodeError::Malformed("the body has a content encoding"));
            }
            _ => {}
        }
    }
    let Some(message) = table::message_of(&api_version, &kind) else {
        return Err(DecodeError::UnknownKind { api_version, kind });
    };
    let mut decoder = Decoder { values: 0 };
    let mut object = Map::new();
    object.insert("apiVersion".to_owned(), Value::from(api_version));
    object.insert("kind".to_owned(), Value::from(kind));
    decoder.fields(message, raw, 0, &mut object)?;
    Ok(Value::Object(object))
}

fn string(bytes: &[u8]) -> Result<String, DecodeError> {
    std::str::from_utf8(bytes)
        .map(str::to_owned)
        .map_err(|_| DecodeError::Malformed("a string is not UTF-8"))
}

struct Decoder {
    values: usize,
}

impl Decoder {
    fn fields(
        &mut self,
        message: &Message,
        bytes: &[u8],
        depth: usize,
        out: &mut Map<String, Value>,
    ) -> Result<(), DecodeError> {
        if depth > MAX_DEPTH {
            return Err(DecodeError::Malformed("messages are nested too deeply"));
        }
        let mut reader = Reader::new(bytes);
        while let Some((number, payload)) = reader.next()? {
            self.values += 1;
            if self.values > MAX_VALUES {
                return Err(DecodeError::Malformed("the body has too many values"));
            }
            let Some(field) = message.field(number) else {
                continue;
            };
            if field.inline {
                if let (Kind::Message(name), Payload::Bytes(bytes)) = (&field.kind, payload) {
                    self.fields(table::message(name)?, bytes, depth + 1, out)?;
                }
                continue;
            }
            self.field(field, payload, depth, out)?;
        }
        Ok(())
    }

    fn field(
        &mut self,
        field: &Field,
        payload: Payload<'_>,
        depth: usize,
        out: &mut Map<String, Value>,
    ) -> Result<(), DecodeError> {
        match field.shape {
            Shape::Single => {
                let value = self.value(&field.kind, payload, depth)?;
                // Go writes zero values of plain fields; its JSON leaves them out.
                if field.keep_zero || !json::is_zero(&value) {
                    out.insert(field.name.to_owned(), value);
                }
            }
            Shape::Repeated => {
                let list = out
                    .entry(field.name)
                    .or_insert_with(|| Value::Array(Vec::new()));
                if let (Kind::Integer, Payload::Bytes(packed), Value::Array(items)) =
                    (&field.kind, &payload, &mut *list)
                {
                    let mut reader = Reader::new(packed);
                    while let Some(number) = reader.varint_or_end()? {
                        items.push(json::integer(number));
                    }
                    return Ok(());
                }
                let value = self.value(&field.kind, payload, depth)?;
                if let Value::Array(items) = list {
                    items.push(value);
                }
            }
            Shape::Map => {
                let Payload::Bytes(bytes) = payload else {
                    return Err(DecodeError::Malformed("a map entry is not a message"));
                };
                let (key, value) = self.entry(&field.kind, bytes, depth)?;
                if let Value::Object(map) = out
                    .entry(field.name)
                    .or_insert_with(|| Value::Object(Map::new()))
                {
                    map.insert(key, value);
                }
            }
        }
        Ok(())
    }

    fn entry(
        &mut self,
        kind: &Kind,
        bytes: &[u8],
        depth: usize,
    ) -> Result<(String, Value), DecodeError> {
        let mut key = String::new();
        let mut value = None;
        let mut reader = Reader::new(bytes);
        while let Some((number, payload)) = reader.next()? {
            match (number, payload) {
                (1, Payload::Bytes(text)) => key = string(text)?,
                (2, payload) => value = Some(self.value(kind, payload, depth)?),
                _ => {}
            }
        }
        let value = match value {
            Some(value) => value,
            None => self.value(kind, Payload::Bytes(&[]), depth)?,
        };
        Ok((key, value))
    }

    fn value(
        &mut self,
        kind: &Kind,
        payload: Payload<'_>,
        depth: usize,
    ) -> Result<Value, DecodeError> {
        match (kind, payload) {
            (Kind::Integer, Payload::Varint(number)) => Ok(json::integer(number)),
            (Kind::Bool, Payload::Varint(number)) => Ok(Value::Bool(number != 0)),
            (Kind::String, Payload::Bytes(bytes)) => string(bytes).map(Value::from),
            (Kind::Bytes, Payload::Bytes(bytes)) => Ok(json::base64(bytes)),
            (Kind::Time | Kind::MicroTime, Payload::Bytes(bytes)) => {
                json::time(bytes, matches!(kind, Kind::MicroTime))
            }
            (Kind::Quantity, Payload::Bytes(bytes)) => json::quantity(bytes),
            (Kind::IntOrString, Payload::Bytes(bytes)) => json::int_or_string(bytes),
            (Kind::Raw, Payload::Bytes(bytes)) => json::raw(bytes),
            (Kind::Strings, Payload::Bytes(bytes)) => json::strings(bytes),
            (Kind::Message(name), Payload::Bytes(bytes)) => {
                let mut out = Map::new();
                self.fields(table::message(name)?, bytes, depth + 1, &mut out)?;
                Ok(Value::Object(out))
            }
            _ => Err(DecodeError::Malformed("a field has the wrong wire type")),
        }
    }
}

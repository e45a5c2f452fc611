//! The JSON of Kubernetes' special protobuf types.

use base64::Engine as _;
use serde_json::Value;

use super::wire::{Payload, Reader};
use super::{DecodeError, string};

/// Whether Go's JSON would leave a plain field with this value out.
pub(super) fn is_zero(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Bool(true) => false,
        Value::Number(number) => number.as_i64() == Some(0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.is_empty(),
    }
}

/// A varint holds a signed number in two's complement.
pub(super) fn integer(number: u64) -> Value {
    Value::from(number.cast_signed())
}

pub(super) fn base64(bytes: &[u8]) -> Value {
    Value::from(base64::engine::general_purpose::STANDARD.encode(bytes))
}

/// `Time` and `MicroTime`: seconds and nanoseconds; the zero time is null.
pub(super) fn time(bytes: &[u8], micro: bool) -> Result<Value, DecodeError> {
    let (mut seconds, mut nanos) = (0_i64, 0_i32);
    let mut reader = Reader::new(bytes);
    while let Some((number, payload)) = reader.next()? {
        match (number, payload) {
            (1, Payload::Varint(value)) => seconds = value.cast_signed(),
            (2, Payload::Varint(value)) => {
                nanos = i32::try_from(value.cast_signed())
                    .map_err(|_| DecodeError::Malformed("a time is out of range"))?;
            }
            _ => {}
        }
    }
    if bytes.is_empty() {
        return Ok(Value::Null);
    }
    let time = jiff::Timestamp::new(seconds, nanos)
        .map_err(|_| DecodeError::Malformed("a time is out of range"))?;
    Ok(Value::from(if micro {
        format!("{time:.6}")
    } else {
        format!("{time:.0}")
    }))
}

pub(super) fn quantity(bytes: &[u8]) -> Result<Value, DecodeError> {
    let mut reader = Reader::new(bytes);
    let mut text = String::new();
    while let Some((number, payload)) = reader.next()? {
        if let (1, Payload::Bytes(bytes)) = (number, payload) {
            text = string(bytes)?;
        }
    }
    Ok(Value::from(text))
}

pub(super) fn int_or_string(bytes: &[u8]) -> Result<Value, DecodeError> {
    let (mut is_string, mut number, mut text) = (false, 0, String::new());
    let mut reader = Reader::new(bytes);
    while let Some((field, payload)) = reader.next()? {
        match (field, payload) {
            (1, Payload::Varint(value)) => is_string = value == 1,
            (2, Payload::Varint(value)) => number = value,
            (3, Payload::Bytes(bytes)) => text = string(bytes)?,
            _ => {}
        }
    }
    Ok(if is_string {
        Value::from(text)
    } else {
        integer(number)
    })
}

/// `RawExtension` and `FieldsV1`: JSON in bytes.
pub(super) fn raw(bytes: &[u8]) -> Result<Value, DecodeError> {
    let mut reader = Reader::new(bytes);
    let mut value = Value::Null;
    while let Some((number, payload)) = reader.next()? {
        if let (1, Payload::Bytes(json)) = (number, payload) {
            value = serde_json::from_slice(json)
                .map_err(|_| DecodeError::Malformed("raw JSON cannot be read"))?;
        }
    }
    Ok(value)
}

/// A message that only holds a list of strings.
pub(super) fn strings(bytes: &[u8]) -> Result<Value, DecodeError> {
    let mut reader = Reader::new(bytes);
    let mut items = Vec::new();
    while let Some((number, payload)) = reader.next()? {
        if let (1, Payload::Bytes(text)) = (number, payload) {
            items.push(Value::from(string(text)?));
        }
    }
    Ok(Value::Array(items))
}

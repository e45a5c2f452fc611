//! JSON as the strictest reader takes it: UTF-8 without a byte order mark, one value, no member
//! twice (RFC 8259, section 4: what readers make of a second one differs).
//!
//! Owns: saying what a body is that is no JSON: HTML, PEM, gzip. Refuses: any size limit; the
//! fetch has one.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// Why a body is not a JSON document.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// Nothing at all.
    #[error("an empty body")]
    Empty,
    /// A page for people.
    #[error("an HTML page")]
    Html,
    /// A key in PEM.
    #[error("a PEM file")]
    Pem,
    /// A private key in PEM.
    #[error("a private key in PEM")]
    PrivatePem,
    /// Compressed, and no header says so.
    #[error("gzip data without Content-Encoding")]
    Gzip,
    /// An XML document, such as a cloud storage's refusal.
    #[error("an XML document")]
    Xml,
    /// Begins with a byte order mark.
    #[error("a byte order mark before the JSON")]
    ByteOrderMark,
    /// Not UTF-8.
    #[error("bytes that are not UTF-8")]
    Utf8,
    /// A member twice.
    #[error("the member {0:?} twice in one object")]
    Duplicate(String),
    /// Not JSON.
    #[error("no JSON: {0}")]
    Syntax(String),
    /// JSON of another kind.
    #[error("JSON that is no object")]
    NoObject,
    /// A member of a wrong type.
    #[error("the member {0:?} with a wrong type")]
    Type(String),
}

/// Reads one object.
///
/// # Errors
/// Says what the body is instead.
pub fn object(body: &[u8]) -> Result<Map<String, Value>, Unreadable> {
    match value(body)? {
        Value::Object(object) => Ok(object),
        _ => Err(Unreadable::NoObject),
    }
}

/// Reads one value.
///
/// # Errors
/// Says what the body is instead.
pub fn value(body: &[u8]) -> Result<Value, Unreadable> {
    if body.starts_with(&[0x1f, 0x8b]) {
        return Err(Unreadable::Gzip);
    }
    if body.starts_with(&[0xef, 0xbb, 0xbf]) {
        return Err(Unreadable::ByteOrderMark);
    }
    let text = std::str::from_utf8(body).map_err(|_| Unreadable::Utf8)?;
    let start = text.trim_start();
    if start.is_empty() {
        return Err(Unreadable::Empty);
    }
    if start.starts_with("-----BEGIN ") {
        let private = text.contains("PRIVATE KEY-----");
        return Err(if private {
            Unreadable::PrivatePem
        } else {
            Unreadable::Pem
        });
    }
    if start.starts_with('<') {
        let head: String = start.chars().take(200).collect::<String>().to_lowercase();
        let html = head.starts_with("<!doctype html") || head.contains("<html");
        return Err(if html {
            Unreadable::Html
        } else {
            Unreadable::Xml
        });
    }
    serde_json::from_str::<Unique>(text)
        .map(|unique| unique.0)
        .map_err(|error| {
            let said = error.to_string();
            match said
                .strip_prefix(DUPLICATE)
                .and_then(|rest| rest.split_once('\u{0}'))
            {
                Some((member, _)) => Unreadable::Duplicate(member.to_owned()),
                None => Unreadable::Syntax(said),
            }
        })
}

const DUPLICATE: &str = "duplicate member ";

/// A value in which no object has a member twice.
struct Unique(Value);

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader).map(Self)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(Unique(item)) = items.next_element()? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            let Unique(value) = members.next_value()?;
            if object.insert(name.clone(), value).is_some() {
                let name: String = name.chars().filter(|c| *c != '\u{0}').collect();
                return Err(serde::de::Error::custom(format!("{DUPLICATE}{name}\u{0}")));
            }
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn says_what_it_is() {
        for (body, what) in [
            (&b""[..], Unreadable::Empty),
            (b" \n", Unreadable::Empty),
            (b"<!DOCTYPE html><html>", Unreadable::Html),
            (b"\n<HTML><body>", Unreadable::Html),
            (b"<?xml version=\"1.0\"?><Error/>", Unreadable::Xml),
            (b"-----BEGIN PUBLIC KEY-----\n", Unreadable::Pem),
            (b"-----BEGIN RSA PRIVATE KEY-----\n", Unreadable::PrivatePem),
            (b"\x1f\x8b\x08\x00", Unreadable::Gzip),
            (b"\xef\xbb\xbf{}", Unreadable::ByteOrderMark),
            (b"\xff{}", Unreadable::Utf8),
            (b"[]", Unreadable::NoObject),
            (
                b"{\"a\":1,\"b\":{\"c\":1,\"c\":2}}",
                Unreadable::Duplicate("c".into()),
            ),
        ] {
            assert_eq!(object(body), Err(what), "{}", String::from_utf8_lossy(body));
        }
        for body in [
            &b"{"[..],
            b"{} {}",
            b"issuer: https://a",
            b"{'a':1}",
            b"{\"a\":1,}",
        ] {
            assert!(matches!(object(body), Err(Unreadable::Syntax(_))));
        }
    }

    proptest! {
        /// Whatever is accepted, serde_json accepts as the same value.
        #[test]
        fn accepts_only_what_serde_accepts(body in any::<Vec<u8>>(), text in r#"[\[\]{}",:a-c0-9 .eE+-]{0,40}"#) {
            for body in [body, text.into_bytes()] {
                if let Ok(read) = value(&body) {
                    prop_assert_eq!(serde_json::from_slice::<Value>(&body).unwrap(), read);
                }
            }
        }
    }
}

//! Setting and removing one property of a JSON document, for values that are pushed.
//!
//! Owns: the way to the property, and leaving everything beside it as it is written: order, numbers
//! and all. Refuses: quoting any part of the document in an error.
//!
//! A property that exists as one key, dots and all, is that key; else dots separate steps, `\.` is
//! a dot within one, and a number (or `-1`, the end) is a place in a list. That is how reads look.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::Error;

/// `document` with `property` set to the text `value`. An empty document counts as `{}`.
///
/// # Errors
/// When the document is no JSON object, or the way to the property is blocked.
pub fn set(document: &[u8], property: &str, value: &str, key: &str) -> Result<String, Error> {
    let text = text(document, key)?;
    let text = if text.trim().is_empty() { "{}" } else { text };
    let steps = steps(text, property, key)?;
    put(text, &steps, &quoted(value)?).map_err(|blocked| blocked.error(property, key))
}

/// `document` without `property`, and without the objects that this leaves empty; `None` if it has
/// no such thing. What is left may be `{}`.
///
/// # Errors
/// When the document is no JSON object.
pub fn remove(document: &[u8], property: &str, key: &str) -> Result<Option<String>, Error> {
    let text = text(document, key)?;
    let steps = steps(text, property, key)?;
    take(text, &steps).map_err(|blocked| blocked.error(property, key))
}

/// Why a property cannot be reached.
enum Blocked {
    Shape,
    Place,
}

impl Blocked {
    fn error(&self, property: &str, key: &str) -> Error {
        let reason = match self {
            Self::Shape => format!("property {property} of secret {key} leads through a value"),
            Self::Place => format!("property {property} of secret {key} is beyond a list's end"),
        };
        Error::Shape {
            reason,
            hint: Some("Correct remoteRef.property".into()),
        }
    }
}

fn text<'a>(document: &'a [u8], key: &str) -> Result<&'a str, Error> {
    std::str::from_utf8(document).map_err(|_| no_object(key))
}

fn no_object(key: &str) -> Error {
    Error::Shape {
        reason: format!("secret {key} is not a JSON object, so no property of it can be written"),
        hint: Some("Store a JSON object, or push without a property".into()),
    }
}

fn steps(document: &str, property: &str, key: &str) -> Result<Vec<String>, Error> {
    let members = object(document).ok_or_else(|| no_object(key))?;
    if members.iter().any(|(name, _)| name == property) {
        return Ok(vec![property.to_owned()]);
    }
    let mut steps = vec![String::new()];
    let mut chars = property.chars();
    while let Some(c) = chars.next() {
        match (c, steps.last_mut()) {
            ('.', _) => steps.push(String::new()),
            ('\\', Some(step)) => step.extend(chars.next()),
            (c, Some(step)) => step.push(c),
            (_, None) => {}
        }
    }
    if steps.iter().any(String::is_empty) {
        return Err(Error::Shape {
            reason: format!("property {property:?} of secret {key} has an empty step"),
            hint: Some("Correct remoteRef.property".into()),
        });
    }
    Ok(steps)
}

fn quoted(text: &str) -> Result<String, Error> {
    serde_json::to_string(text).map_err(|_| Error::Shape {
        reason: "the value cannot be written as JSON".into(),
        hint: None,
    })
}

fn put(json: &str, steps: &[String], value: &str) -> Result<String, Blocked> {
    let Some((step, rest)) = steps.split_first() else {
        return Ok(value.to_owned());
    };
    if let Some(mut items) = list(json) {
        let place = match step.as_str() {
            "-1" => items.len(),
            step => step.parse().map_err(|_| Blocked::Shape)?,
        };
        let old = items.get(place).map_or("{}", String::as_str);
        let new = put(old, rest, value)?;
        let end = items.len();
        match items.get_mut(place) {
            Some(item) => *item = new,
            None if place == end => items.push(new),
            None => return Err(Blocked::Place),
        }
        return Ok(format!("[{}]", items.join(",")));
    }
    let mut members = object(json).ok_or(Blocked::Shape)?;
    match members.iter_mut().rev().find(|(name, _)| name == step) {
        Some((_, member)) => *member = put(member, rest, value)?,
        None => members.push((step.clone(), put("{}", rest, value)?)),
    }
    written(&members)
}

fn take(json: &str, steps: &[String]) -> Result<Option<String>, Blocked> {
    let Some((step, rest)) = steps.split_first() else {
        return Ok(None);
    };
    if let Some(mut items) = list(json) {
        let place: Option<usize> = step.parse().ok();
        let Some(place) = place.filter(|place| *place < items.len()) else {
            return Ok(None);
        };
        if rest.is_empty() {
            items.remove(place);
        } else if let Some(item) = items.get_mut(place) {
            match take(item, rest)? {
                Some(left) => *item = left,
                None => return Ok(None),
            }
        }
        return Ok(Some(format!("[{}]", items.join(","))));
    }
    let Some(mut members) = object(json) else {
        return Ok(None);
    };
    let Some(place) = members.iter().rposition(|(name, _)| name == step) else {
        return Ok(None);
    };
    if !rest.is_empty()
        && let Some((_, member)) = members.get_mut(place)
    {
        match take(member, rest)? {
            Some(left) if left == "{}" => {
                members.remove(place);
            }
            Some(left) => *member = left,
            None => return Ok(None),
        }
    } else {
        members.retain(|(name, _)| name != step);
    }
    written(&members).map(Some)
}

fn written(members: &[(String, String)]) -> Result<String, Blocked> {
    let members: Result<Vec<String>, Blocked> = members
        .iter()
        .map(|(name, value)| {
            let name = serde_json::to_string(name).map_err(|_| Blocked::Shape)?;
            Ok(format!("{name}:{value}"))
        })
        .collect();
    Ok(format!("{{{}}}", members?.join(",")))
}

fn list(json: &str) -> Option<Vec<String>> {
    let items: Vec<&RawValue> = serde_json::from_str(json).ok()?;
    Some(items.into_iter().map(|raw| raw.get().to_owned()).collect())
}

/// The members of an object in their order.
fn object(json: &str) -> Option<Vec<(String, String)>> {
    serde_json::from_str::<Members>(json).ok().map(|m| m.0)
}

struct Members(Vec<(String, String)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Order;
        impl<'de> Visitor<'de> for Order {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Members, M::Error> {
                let mut members = Vec::new();
                while let Some((name, raw)) = map.next_entry::<String, &RawValue>()? {
                    members.push((name, raw.get().to_owned()));
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Order)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(document: &str, property: &str, value: &str) -> Result<String, Error> {
        set(document.as_bytes(), property, value, "k")
    }

    fn without(document: &str, property: &str) -> Option<String> {
        remove(document.as_bytes(), property, "k").unwrap()
    }

    #[test]
    fn one_property_changes_and_the_rest_stays_as_written() {
        for (document, property, value, expected) in [
            ("", "a", "x", r#"{"a":"x"}"#),
            ("{}", "a.b", "x", r#"{"a":{"b":"x"}}"#),
            (
                r#"{"z":1.50,"a":"old","m":{"k":[1, 2]}}"#,
                "a",
                "new\"\n",
                r#"{"z":1.50,"a":"new\"\n","m":{"k":[1, 2]}}"#,
            ),
            (
                r#"{"a.b":1,"a":{"b":2}}"#,
                "a.b",
                "x",
                r#"{"a.b":"x","a":{"b":2}}"#,
            ),
            (
                r#"{"a":{"b":2}}"#,
                r"a\.b",
                "x",
                r#"{"a":{"b":2},"a.b":"x"}"#,
            ),
            (r#"{"l":["p","q"]}"#, "l.1", "x", r#"{"l":["p","x"]}"#),
            (r#"{"l":["p"]}"#, "l.-1", "x", r#"{"l":["p","x"]}"#),
            (r#"{"l":[]}"#, "l.0.k", "x", r#"{"l":[{"k":"x"}]}"#),
        ] {
            assert_eq!(with(document, property, value).unwrap(), expected);
        }
        for (document, property) in [
            ("canary", "a"),
            ("[\"canary\"]", "a"),
            ("\"canary\"", "a"),
            (r#"{"a":"canary"}"#, "a.b"),
            (r#"{"a":["canary"]}"#, "a.5"),
            (r#"{"a":"canary"}"#, ""),
            (r#"{"a":"canary"}"#, "b..c"),
        ] {
            let error = with(document, property, "v").unwrap_err();
            assert!(!format!("{error} {error:?}").contains("canary"));
        }
    }

    #[test]
    fn what_was_set_is_removed_and_nothing_beside_it() {
        for (document, property, expected) in [
            (r#"{"a":1,"b":2}"#, "a", Some(r#"{"b":2}"#)),
            (r#"{"a":{"b":1},"c":1.50}"#, "a.b", Some(r#"{"c":1.50}"#)),
            (r#"{"a":{"b":1,"d":2}}"#, "a.b", Some(r#"{"a":{"d":2}}"#)),
            (r#"{"a":1}"#, "a", Some("{}")),
            (r#"{"a.b":1,"a":{"b":2}}"#, "a.b", Some(r#"{"a":{"b":2}}"#)),
            (r#"{"l":[1,2]}"#, "l.0", Some(r#"{"l":[2]}"#)),
            (r#"{"a":1}"#, "b", None),
            (r#"{"a":1}"#, "a.b", None),
            (r#"{"l":[1]}"#, "l.4", None),
        ] {
            assert_eq!(without(document, property).as_deref(), expected);
        }
        assert!(remove(b"canary", "a", "k").is_err());
    }

    #[test]
    fn a_read_finds_what_was_written() {
        for property in ["plain", "a.b.c", r"dotted\.key", "list.0"] {
            let document = with(r#"{"list":["x"],"n":1}"#, property, "va\"lue").unwrap();
            let read = crate::property::property(&document.as_str().into(), property, "k").unwrap();
            assert_eq!(read.expose_str(), Some("va\"lue"), "{property}");
            let back = without(&document, property).unwrap();
            assert!(crate::property::find(&back.as_str().into(), property).is_none());
        }
    }
}

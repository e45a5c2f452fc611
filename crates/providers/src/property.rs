//! A part of a JSON value, and a JSON value as a map.
//!
//! Owns: the rules that the AWS backends share. Refuses: quoting a value in an error.

use std::collections::BTreeMap;

use keyless_secret::SecretBytes;
use serde_json::value::RawValue;

use crate::Error;

/// What `property` names in `value`: first the key of exactly that name, dots and all, then
/// the path.
///
/// # Errors
/// When there is no such thing in `key`.
pub fn property(value: &SecretBytes, property: &str, key: &str) -> Result<SecretBytes, Error> {
    find(value, property).ok_or_else(|| Error::Shape {
        reason: format!("key {property} does not exist in secret {key}"),
        hint: Some("Correct remoteRef.property; the value must be JSON that has it".into()),
    })
}

/// As [`property`], `None` if there is no such thing.
#[must_use]
pub fn find(value: &SecretBytes, property: &str) -> Option<SecretBytes> {
    let json = value.expose();
    if property.contains('.') {
        let literal = keyless_gjson::get(json, &property.replace('.', "\\."));
        if literal.exists() {
            return Some(SecretBytes::new(literal.into_text()));
        }
    }
    path(value, property)
}

/// What the path leads to, nothing else tried.
#[must_use]
pub fn path(value: &SecretBytes, path: &str) -> Option<SecretBytes> {
    let found = keyless_gjson::get(value.expose(), path);
    found.exists().then(|| SecretBytes::new(found.into_text()))
}

/// A JSON object as a map: strings as they read, null empty, everything else as its own text.
///
/// # Errors
/// When `value` is no JSON object.
pub fn map(value: &SecretBytes, key: &str) -> Result<BTreeMap<String, SecretBytes>, Error> {
    // The parser's own words may quote the value.
    let members: BTreeMap<String, &RawValue> =
        serde_json::from_slice(value.expose()).map_err(|_| Error::Shape {
            reason: format!("secret {key} is not a JSON object"),
            hint: Some("Store a JSON object, or read it with spec.data instead of extract".into()),
        })?;
    Ok(members
        .into_iter()
        .map(|(name, raw)| (name, text(raw.get())))
        .collect())
}

fn text(raw: &str) -> SecretBytes {
    if raw == "null" {
        return SecretBytes::default();
    }
    match serde_json::from_str::<String>(raw) {
        Ok(text) => text.into(),
        Err(_) => raw.into(),
    }
}

/// JSON as Go's encoder writes it: safe inside HTML. These characters occur only inside strings.
pub(crate) fn go_json(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        match c {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                out.push_str(&format!("\\u{:04x}", u32::from(c)));
            }
            _ => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(json: &str, path: &str) -> Option<String> {
        find(&json.into(), path).map(|v| v.expose_str().unwrap().to_owned())
    }

    #[test]
    fn the_key_with_dots_wins_over_the_path() {
        let json = r#"{"a.b":"literal","a":{"b":"path","c":[{"k":"v","x":1.50}]},"n":null}"#;
        assert_eq!(at(json, "a.b").as_deref(), Some("literal"));
        assert_eq!(at(json, "a.c.0.k").as_deref(), Some("v"));
        assert_eq!(at(json, "a.c.0.x").as_deref(), Some("1.5"));
        assert_eq!(at(json, "n").as_deref(), Some(""));
        assert_eq!(at(json, "missing"), None);
        assert_eq!(at("no json", "a"), None);
    }

    #[test]
    fn a_map_keeps_json_text() {
        let json =
            r#"{"s":"x\ny","n":5432,"f":1.50,"e":1e3,"o":{"a": 1},"l":[1],"b":true,"z":null}"#;
        let found = map(&json.into(), "k").unwrap();
        let expected = [
            ("b", "true"),
            ("e", "1e3"),
            ("f", "1.50"),
            ("l", "[1]"),
            ("n", "5432"),
            ("o", "{\"a\": 1}"),
            ("s", "x\ny"),
            ("z", ""),
        ];
        let found: Vec<_> = found
            .iter()
            .map(|(k, v)| (k.as_str(), v.expose_str().unwrap()))
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn what_is_no_object_is_an_error_without_the_value() {
        for value in ["canary", "\"canary\"", "[\"canary\"]", "{\"canary\":", ""] {
            let error = map(&value.into(), "k").unwrap_err();
            assert!(!format!("{error} {error:?}").contains("canary"));
        }
    }
}

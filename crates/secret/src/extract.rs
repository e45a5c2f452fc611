//! `dataFrom.extract`: a JSON object as a map of keys.

use std::collections::BTreeMap;

use crate::SecretBytes;

/// A value that is no JSON object. Says what it is instead, never what is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the value is {observed}, not a JSON object")]
pub struct NotAnObject {
    /// What it is.
    pub observed: &'static str,
}

/// Turns a JSON object into a map: strings lose their quotes and escapes, null is empty, every
/// other value keeps its JSON text as written. Of equal keys the last one wins. A document that
/// is `null` as a whole has no keys.
///
/// # Errors
/// The document is anything else.
pub fn extract(document: &SecretBytes) -> Result<BTreeMap<String, SecretBytes>, NotAnObject> {
    let json = document.expose();
    let Some(members) = keyless_gjson::members(json) else {
        return if json.trim_ascii() == b"null" {
            Ok(BTreeMap::new())
        } else {
            Err(NotAnObject {
                observed: describe(json),
            })
        };
    };
    Ok(members
        .into_iter()
        .map(|(key, value)| {
            let bytes = match value.kind() {
                keyless_gjson::Kind::String => to_utf8(&value.text()).into_bytes(),
                keyless_gjson::Kind::Null => Vec::new(),
                _ => value.raw().to_vec(),
            };
            (to_utf8(&key.text()), SecretBytes::new(bytes))
        })
        .collect())
}

/// What a text is, in words.
pub(crate) fn describe(json: &[u8]) -> &'static str {
    if json.trim_ascii().is_empty() {
        return "empty";
    }
    if !keyless_gjson::is_valid(json) {
        return "not JSON";
    }
    match json.trim_ascii_start().first() {
        Some(b'[') => "a JSON array",
        Some(b'"') => "a JSON string",
        Some(b't' | b'f') => "a JSON boolean",
        Some(b'n') => "a JSON null",
        Some(b'{') => "a JSON object",
        _ => "a JSON number",
    }
}

/// As Go decodes JSON strings: one U+FFFD for each byte that is not UTF-8.
fn to_utf8(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        out.push_str(chunk.valid());
        out.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn texts(json: &str) -> Vec<(String, String)> {
        extract(&SecretBytes::from(json))
            .unwrap()
            .iter()
            .map(|(key, value)| (key.clone(), value.expose_str().unwrap().to_owned()))
            .collect()
    }

    #[test]
    fn strings_are_unquoted_and_the_rest_kept_as_written() {
        let json = r#" {"s":"a\n\u00e9","i":5432,"f":1.50,"e":1e3,"o":{ "a" : 1 },"l":[1, 2],
            "t":true,"n":null,"empty":"","dup":1,"dup":2,"\ud800":"\ud800x"} "#;
        let expected = [
            ("dup", "2"),
            ("e", "1e3"),
            ("empty", ""),
            ("f", "1.50"),
            ("i", "5432"),
            ("l", "[1, 2]"),
            ("n", ""),
            ("o", r#"{ "a" : 1 }"#),
            ("s", "a\né"),
            ("t", "true"),
            ("\u{fffd}", "\u{fffd}x"),
        ];
        let got = texts(json);
        let got: Vec<_> = got.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        assert_eq!(got, expected);
        assert!(texts("{}").is_empty());
        assert!(texts("null").is_empty());
    }

    #[test]
    fn anything_else_is_named_without_being_shown() {
        for (json, observed) in [
            ("", "empty"),
            ("hunter2", "not JSON"),
            ("{\"a\":1", "not JSON"),
            ("{\"a\":1} x", "not JSON"),
            ("[1]", "a JSON array"),
            ("\"x\"", "a JSON string"),
            ("1", "a JSON number"),
            ("true", "a JSON boolean"),
        ] {
            let error = extract(&SecretBytes::from(json)).unwrap_err();
            assert_eq!(error.observed, observed, "{json}");
        }
    }

    #[test]
    fn broken_utf8_is_replaced_byte_by_byte() {
        let map = extract(&SecretBytes::new(b"{\"a\":\"\xff\xfe\"}".to_vec())).unwrap();
        assert_eq!(map["a"].expose_str(), Some("\u{fffd}\u{fffd}"));
    }

    proptest! {
        #[test]
        fn agrees_with_serde_json(map in prop::collection::btree_map(".{0,6}", ".{0,6}", 0..5)) {
            let json = serde_json::to_vec(&map).unwrap();
            let got = extract(&SecretBytes::new(json)).unwrap();
            let got: BTreeMap<String, String> = got
                .into_iter()
                .map(|(key, value)| (key, value.expose_str().unwrap().to_owned()))
                .collect();
            prop_assert_eq!(got, map);
        }
    }
}

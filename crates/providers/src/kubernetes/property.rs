//! What `property` names in a Secret's data.
//!
//! Owns: the key of exactly that name, or else the longest key that the name begins with and a
//! path inside its value. Refuses: quoting a value.

use std::collections::BTreeMap;

use keyless_secret::SecretBytes;

use crate::{Error, property as json};

/// The value that `path` names.
///
/// # Errors
/// When there is no such thing in the Secret `name`.
pub(super) fn property(
    data: &BTreeMap<String, SecretBytes>,
    path: &str,
    name: &str,
) -> Result<SecretBytes, Error> {
    let missing = || Error::Shape {
        reason: format!("property {path} does not exist in Secret {name}"),
        hint: Some("Write a key of the Secret, or KEY.PATH for a path inside its JSON".into()),
    };
    if let Some(value) = data.get(path) {
        return Ok(value.clone());
    }
    // Keys may have dots: the longest that fits wins.
    let splits = path.match_indices('.').rev();
    for (dot, _) in splits {
        let (Some(key), Some(rest)) = (path.get(..dot), path.get(dot + 1..)) else {
            continue;
        };
        // A dot of the key may be written `\.`, as in a path.
        let plain = key.replace("\\.", ".");
        if let Some(value) = data.get(key).or_else(|| data.get(&plain)) {
            return json::path(value, rest).ok_or_else(missing);
        }
    }
    let plain = path.replace("\\.", ".");
    data.get(&plain).cloned().ok_or_else(missing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_then_paths() {
        let data = [
            ("user", "u"),
            ("json", r#"{"a":{"b":1,"c.d":"x"}}"#),
            ("tls.crt", r#"{"n":"v"}"#),
            ("a.b.c", "whole"),
        ];
        let data: BTreeMap<String, SecretBytes> = data
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).into()))
            .collect();
        for (path, value) in [
            ("user", Some("u")),
            ("json.a.b", Some("1")),
            ("json.a", Some(r#"{"b":1,"c.d":"x"}"#)),
            (r"json.a.c\.d", Some("x")),
            ("tls.crt", Some(r#"{"n":"v"}"#)),
            ("tls.crt.n", Some("v")),
            (r"tls\.crt", Some(r#"{"n":"v"}"#)),
            (r"tls\.crt.n", Some("v")),
            ("a.b.c", Some("whole")),
            ("a.b.c.d", None),
            ("user.x", None),
            ("nope", None),
            (".", None),
            ("", None),
        ] {
            let found = property(&data, path, "s").ok();
            let found = found.as_ref().and_then(SecretBytes::expose_str);
            assert_eq!(found, value, "{path}");
        }
    }
}

//! `remoteRef.property`: the part of a value that is wanted.

use crate::SecretBytes;

/// How a property is looked up in a JSON document; each provider has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PropertyLookup {
    /// First as one key, its dots escaped, then as a path: AWS, Google.
    KeyFirst,
    /// First as a path, then as one key: Azure.
    PathFirst,
    /// As a path only.
    PathOnly,
}

impl PropertyLookup {
    /// The text of `property` in `document`; nothing if it does not exist.
    ///
    /// Strings lose their quotes, numbers are normalised (`1.50` is `1.5`), objects and arrays
    /// keep their JSON text, null is empty.
    #[must_use]
    pub fn find(self, document: &SecretBytes, property: &str) -> Option<SecretBytes> {
        let as_path = || get(document, property);
        let as_key = || {
            property
                .contains('.')
                .then(|| get(document, &property.replace('.', r"\.")))
                .flatten()
        };
        match self {
            Self::KeyFirst => as_key().or_else(as_path),
            Self::PathFirst => as_path().or_else(as_key),
            Self::PathOnly => as_path(),
        }
    }
}

fn get(document: &SecretBytes, path: &str) -> Option<SecretBytes> {
    let value = keyless_gjson::get(document.expose(), path);
    value.exists().then(|| SecretBytes::new(value.into_text()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lookups_differ_in_their_order_only() {
        let document = SecretBytes::from(r#"{"a.b":"key","a":{"b":"path"},"c.d":1.50,"n":null}"#);
        for (lookup, property, expected) in [
            (PropertyLookup::KeyFirst, "a.b", Some("key")),
            (PropertyLookup::PathFirst, "a.b", Some("path")),
            (PropertyLookup::PathOnly, "a.b", Some("path")),
            (PropertyLookup::KeyFirst, "c.d", Some("1.5")),
            (PropertyLookup::PathFirst, "c.d", Some("1.5")),
            (PropertyLookup::PathOnly, "c.d", None),
            (PropertyLookup::KeyFirst, "n", Some("")),
            (PropertyLookup::KeyFirst, "a", Some(r#"{"b":"path"}"#)),
            (PropertyLookup::KeyFirst, "nope", None),
        ] {
            let found = lookup.find(&document, property);
            let found = found.as_ref().and_then(SecretBytes::expose_str);
            assert_eq!(found, expected, "{lookup:?} {property}");
        }
        assert!(
            PropertyLookup::KeyFirst
                .find(&SecretBytes::from("plain"), "x")
                .is_none()
        );
    }
}

//! What an endpoint's answer means.
//!
//! Owns: the JSONPath into it, and values as texts. Refuses: quoting an answer in an error.

use std::collections::BTreeMap;

use keyless_secret::SecretBytes;
use serde_json::Value;
use serde_json_path::JsonPath;

use super::request::{Spec, Variables};
use crate::{Error, property};

/// The value of `body`.
pub(super) fn value(
    spec: &Spec,
    variables: &Variables,
    body: &SecretBytes,
) -> Result<SecretBytes, Error> {
    match part(spec, variables, body)? {
        None => Ok(body.clone()),
        Some(found) => Ok(text(&found)),
    }
}

/// The members of `body`, or of the part that the store's path names.
pub(super) fn map(
    spec: &Spec,
    variables: &Variables,
    body: &SecretBytes,
) -> Result<BTreeMap<String, SecretBytes>, Error> {
    match part(spec, variables, body)? {
        None => property::map(body, &variables.key),
        // A document inside a document.
        Some(Value::String(inner)) => property::map(&inner.into(), &variables.key),
        Some(found) => property::map(&found.to_string().into(), &variables.key),
    }
}

fn part(spec: &Spec, variables: &Variables, body: &SecretBytes) -> Result<Option<Value>, Error> {
    let Some(path) = spec.path(variables)? else {
        return Ok(None);
    };
    let shape = |reason: String| Error::Shape {
        reason,
        hint: Some("Correct result.jsonPath of the store, or the reference".into()),
    };
    let parsed = JsonPath::parse(&path)
        .map_err(|error| shape(format!("result.jsonPath {path:?}: {error}")))?;
    // The parser's own words may quote the answer.
    let document: Value = serde_json::from_slice(body.expose())
        .map_err(|_| shape(format!("the answer for {:?} is not JSON", variables.key)))?;
    let found = parsed.query(&document).first().cloned();
    let found = found.ok_or_else(|| {
        shape(format!(
            "{path} does not exist in the answer for {:?}",
            variables.key
        ))
    })?;
    Ok(Some(match found {
        // Of many the first counts.
        Value::Array(list) => list.into_iter().next().ok_or_else(|| {
            shape(format!(
                "{path} is an empty list in the answer for {:?}",
                variables.key
            ))
        })?,
        other => other,
    }))
}

/// A value as ESO writes it: numbers as whole ones, null empty, everything else as it is.
fn text(value: &Value) -> SecretBytes {
    match value {
        Value::Null => SecretBytes::default(),
        Value::String(text) => text.as_str().into(),
        Value::Number(number) if number.is_f64() => {
            format!("{:.0}", number.as_f64().unwrap_or_default()).into()
        }
        other => other.to_string().into(),
    }
}

#[cfg(test)]
mod tests {
    use keyless_api::WebhookProvider;
    use serde_json::json;

    use super::*;

    const BODY: &str = r#"{"v":"text","n":5,"f":1.5,"t":true,"o":{"a":1,"s":"x"},"l":["x","y"],"z":null,"e":[],"j":"{\"k\":\"v\"}"}"#;

    fn spec(path: Option<&str>) -> Spec {
        let provider = json!({"url": "https://h", "result": {"jsonPath": path}});
        let provider: WebhookProvider = serde_json::from_value(provider).unwrap();
        Spec::new(&provider).unwrap()
    }

    fn at(property: &str) -> Result<String, Error> {
        let variables = Variables {
            key: "k".into(),
            property: property.into(),
            ..Variables::default()
        };
        let spec = spec(Some("$.{{ .remoteRef.property }}"));
        value(&spec, &variables, &BODY.into()).map(|v| v.expose_str().unwrap().to_owned())
    }

    #[test]
    fn values_of_every_type() {
        for (path, expected) in [
            ("v", "text"),
            ("n", "5"),
            ("f", "2"),
            ("t", "true"),
            ("o", r#"{"a":1,"s":"x"}"#),
            ("l", "x"),
            ("l[1]", "y"),
            ("z", ""),
            ("o.s", "x"),
        ] {
            assert_eq!(at(path).unwrap(), expected, "{path}");
        }
        for path in ["nope", "e", "o.x", "[", "l[9]"] {
            let error = at(path).unwrap_err();
            assert!(!error.to_string().contains("text"), "{error}");
        }
    }

    #[test]
    fn without_a_path_the_answer_is_the_value() {
        let variables = Variables::default();
        let found = value(&spec(None), &variables, &"plain body".into()).unwrap();
        assert_eq!(found.expose_str(), Some("plain body"));
        let not_json = value(&spec(Some("$.v")), &variables, &"canary".into()).unwrap_err();
        assert!(!not_json.to_string().contains("canary"));
    }

    #[test]
    fn maps() {
        let variables = Variables::default();
        let keys = |path: Option<&str>| -> Vec<String> {
            map(&spec(path), &variables, &BODY.into())
                .unwrap()
                .into_keys()
                .collect()
        };
        assert_eq!(keys(None), ["e", "f", "j", "l", "n", "o", "t", "v", "z"]);
        assert_eq!(keys(Some("$.o")), ["a", "s"]);
        assert_eq!(keys(Some("$.j")), ["k"]);
        assert!(map(&spec(Some("$.n")), &variables, &BODY.into()).is_err());
    }
}

//! Files of manifests and values, as kubectl's users name them.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use keyless_controller::preview::{Finding, Given, Subject, Values, documents, secret_of};
use keyless_secret::SecretBytes;
use serde_json::Value;

/// What a set of files holds.
#[derive(Default)]
pub struct Manifests {
    /// The objects to work on, each with its file.
    pub subjects: Vec<(String, Subject)>,
    /// What is wrong with others, each with its file.
    pub wrong: Vec<(String, Finding)>,
    /// ConfigMaps, Secrets and stores beside them.
    pub given: Given,
    /// Kinds that mean nothing here.
    pub others: Vec<String>,
}

/// Reads `files`; `-` is standard input. Objects that name no namespace are in `namespace`.
///
/// # Errors
/// A file cannot be read, or is no YAML.
pub fn manifests(files: &[PathBuf], namespace: Option<&str>) -> Result<Manifests> {
    let mut out = Manifests::default();
    for file in files {
        let name = name(file);
        for document in read(file)? {
            match Subject::read(&document, namespace) {
                Ok(Some(subject)) => out.subjects.push((name.clone(), subject)),
                Ok(None) if out.given.add(&document, namespace) => {}
                Ok(None) => {
                    let kind = document.get("kind").and_then(Value::as_str);
                    out.others.push(format!(
                        "{name}: {} is left out",
                        kind.unwrap_or("a document without kind")
                    ));
                }
                Err(finding) => out.wrong.push((name.clone(), finding)),
            }
        }
    }
    Ok(out)
}

/// The name of a file in messages.
pub fn name(file: &Path) -> String {
    if file == Path::new("-") {
        "standard input".to_owned()
    } else {
        file.display().to_string()
    }
}

/// The documents of a file, lists taken apart.
///
/// # Errors
/// The file cannot be read, or is no YAML. The text is not quoted: it may be a secret.
pub fn read(file: &Path) -> Result<Vec<Value>> {
    let text = text(file)?;
    let parsed: Result<Vec<Value>, _> = serde_saphyr::from_multiple(&text);
    let parsed = parsed.map_err(|error| {
        let place = error.location();
        let place = place.map(|at| format!(" at line {}, column {}", at.line(), at.column()));
        anyhow!(
            "{} is not valid YAML{}",
            name(file),
            place.unwrap_or_default()
        )
    })?;
    Ok(parsed.into_iter().flat_map(documents).collect())
}

/// The text of a file.
///
/// # Errors
/// The file cannot be read, or is no text.
pub fn text(file: &Path) -> Result<String> {
    let read = if file == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).map(|_| text)
    } else {
        std::fs::read_to_string(file)
    };
    read.with_context(|| format!("cannot read {}", name(file)))
}

/// Whether values are written as they are or in base64.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// As they are.
    Plain,
    /// Base64, as in a Secret's data.
    Base64,
}

/// The values in a file: a map of strings, or the manifest of a Secret.
///
/// # Errors
/// The file cannot be read or holds something else. Names keys, never values.
pub fn values(file: &Path, encoding: Encoding) -> Result<Values> {
    let mut documents = read(file)?.into_iter();
    let name = name(file);
    let Some(document) = documents.next() else {
        return Ok(Values::new());
    };
    if documents.next().is_some() {
        return Err(anyhow!(
            "{name} holds several documents, and values are one map"
        ));
    }
    let not_base64 = |key: String| {
        anyhow!(
            "{name}: the value of {key} is not base64. Values that are written as they are go into --values"
        )
    };
    if document.get("kind").and_then(Value::as_str) == Some("Secret") {
        return secret_of(&document).map_err(not_base64);
    }
    let Value::Object(map) = document else {
        return Err(anyhow!("{name} is no map of strings"));
    };
    for (key, value) in &map {
        let what = match value {
            Value::String(_) => continue,
            Value::Number(_) => "a number",
            Value::Bool(_) => "true or false",
            Value::Null => "empty",
            Value::Array(_) => "a list",
            Value::Object(_) => "a map",
        };
        return Err(anyhow!(
            "{name}: the value of {key} is {what}, not a string. Put it in quotes"
        ));
    }
    match encoding {
        Encoding::Base64 => secret_of(&serde_json::json!({"data": map})).map_err(not_base64),
        Encoding::Plain => Ok(map
            .into_iter()
            .filter_map(|(key, value)| match value {
                Value::String(text) => Some((key, SecretBytes::from(text))),
                _ => None,
            })
            .collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        file
    }

    fn read_values(text: &str, encoding: Encoding) -> Result<Vec<(String, String)>, String> {
        let values = values(file(text).path(), encoding).map_err(|error| format!("{error:#}"))?;
        Ok(values
            .into_iter()
            .map(|(k, v)| (k, v.expose_str().unwrap().to_owned()))
            .collect())
    }

    #[test]
    fn values_are_maps_of_strings_or_secrets() {
        let wanted = Ok(vec![("a".to_owned(), "x".to_owned())]);
        for (text, encoding) in [
            ("a: x", Encoding::Plain),
            ("{\"a\": \"x\"}", Encoding::Plain),
            ("a: eA==", Encoding::Base64),
            ("kind: Secret\ndata: {a: eA==}", Encoding::Plain),
            ("kind: Secret\nstringData: {a: x}", Encoding::Base64),
        ] {
            assert_eq!(read_values(text, encoding), wanted, "{text}");
        }
        assert_eq!(read_values("", Encoding::Plain), Ok(Vec::new()));
    }

    #[test]
    fn what_is_wrong_is_said_without_the_value() {
        for (text, encoding, wanted) in [
            (
                "a: hunter2",
                Encoding::Base64,
                "the value of a is not base64",
            ),
            ("a: 5432", Encoding::Plain, "the value of a is a number"),
            (
                "a: {b: hunter2}",
                Encoding::Plain,
                "the value of a is a map",
            ),
            ("- hunter2", Encoding::Plain, "no map of strings"),
            ("a: 'hunter2\nb: [", Encoding::Plain, "is not valid YAML"),
            ("hunter2", Encoding::Plain, "no map of strings"),
        ] {
            let error = read_values(text, encoding).unwrap_err();
            assert!(
                error.contains(wanted) && !error.contains("hunter2"),
                "{error}"
            );
        }
    }
}

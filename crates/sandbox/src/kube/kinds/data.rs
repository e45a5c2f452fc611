//! Secrets and ConfigMaps.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use crate::kube::metadata::{immutable, sealed};
use crate::kube::names;
use crate::kube::object::text;
use crate::kube::resource::Resource;
use crate::kube::status::{Cause, Status, invalid_value, required, too_long};

/// Most bytes that a Secret's or ConfigMap's values may have together.
const LIMIT: usize = 1_048_576;

fn entries<'a>(value: &'a Value, field: &str) -> impl Iterator<Item = (&'a String, &'a Value)> {
    value
        .get(field)
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
}

/// Checks the types that JSON decoding would check.
pub(super) fn decode(resource: &Resource, body: &mut Value) -> Result<(), Status> {
    let kind = resource.kind.as_str();
    let (binary, plain): (&[&str], &[&str]) = match (&*resource.group, &*resource.plural) {
        ("", "secrets") => (&["data"], &["stringData"]),
        ("", "configmaps") => (&["binaryData"], &["data"]),
        _ => return Ok(()),
    };
    let refuse = |why: String| {
        Status::bad_request(format!(
            "{kind} in version \"v1\" cannot be handled as a {kind}: {why}"
        ))
    };
    for field in binary.iter().chain(plain) {
        match body.get_mut(*field) {
            None => {}
            Some(Value::Null) => drop(crate::kube::object::unset(body, field)),
            Some(Value::Object(map)) => {
                check_map(map, kind, field, binary.contains(field)).map_err(refuse)?
            }
            Some(other) => {
                let found = json_type(other);
                let wanted = if binary.contains(field) {
                    "[]uint8"
                } else {
                    "string"
                };
                return Err(refuse(format!(
                    "json: cannot unmarshal {found} into Go struct field {kind}.{field} of type map[string]{wanted}"
                )));
            }
        }
    }
    Ok(())
}

fn check_map(
    map: &mut Map<String, Value>,
    kind: &str,
    field: &str,
    binary: bool,
) -> Result<(), String> {
    let wanted = if binary { "[]uint8" } else { "string" };
    for value in map.values_mut() {
        match value {
            // Go reads null as the empty value.
            Value::Null => *value = json!(""),
            Value::String(text) if binary => {
                if STANDARD.decode(text.as_bytes()).is_err() {
                    let at = text
                        .bytes()
                        .position(|b| !(b.is_ascii_alphanumeric() || b"+/=".contains(&b)))
                        .unwrap_or(text.len() / 4 * 4);
                    return Err(format!("illegal base64 data at input byte {at}"));
                }
            }
            Value::String(_) => {}
            other => {
                let found = json_type(other);
                return Err(format!(
                    "json: cannot unmarshal {found} into Go struct field {kind}.{field} of type {wanted}"
                ));
            }
        }
    }
    Ok(())
}

/// A value's type in the words of Go's JSON decoder.
#[must_use]
pub fn json_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// `stringData` into `data`; the default type.
pub(super) fn default_secret(new: &mut Value) {
    let plain = crate::kube::object::unset(new, "stringData");
    if let (Some(Value::Object(plain)), Some(map)) = (plain, new.as_object_mut())
        && !plain.is_empty()
        && let Some(data) = map
            .entry("data")
            .or_insert_with(|| json!({}))
            .as_object_mut()
    {
        for (key, value) in plain {
            data.insert(
                key,
                STANDARD.encode(value.as_str().unwrap_or_default()).into(),
            );
        }
    }
    if text(new, "type").is_empty() {
        crate::kube::object::set(new, "type", "Opaque");
    }
    if new
        .get("data")
        .and_then(Value::as_object)
        .is_some_and(Map::is_empty)
    {
        crate::kube::object::unset(new, "data");
    }
}

/// Bytes that a base64 text stands for.
fn decoded_len(text: &str) -> usize {
    text.len() / 4 * 3
        - text
            .bytes()
            .rev()
            .take_while(|&b| b == b'=')
            .count()
            .min(text.len() / 4 * 3)
}

pub(super) fn validate_secret(new: &Value, old: Option<&Value>) -> Vec<Cause> {
    let mut causes = Vec::new();
    let mut total = 0;
    for (key, value) in entries(new, "data") {
        if let Some(why) = names::data_key(key) {
            causes.push(invalid_value(format!("data[{key}]"), &json!(key), why));
        }
        total += decoded_len(value.as_str().unwrap_or_default());
    }
    if total > LIMIT {
        causes.push(too_long("data", LIMIT));
    }
    required_by_type(new, &mut causes);
    if let Some(old) = old {
        if text(old, "type") != text(new, "type") {
            causes.push(immutable("type", &json!(text(new, "type"))));
        }
        seal(new, old, &["data"], &mut causes);
    }
    causes
}

fn required_by_type(secret: &Value, causes: &mut Vec<Cause>) {
    let has = |key: &str| secret.get("data").is_some_and(|d| d.get(key).is_some());
    let mut need = |key: &str| {
        if !has(key) {
            causes.push(required(format!("data[{key}]"), ""));
        }
    };
    match text(secret, "type") {
        "kubernetes.io/tls" => ["tls.crt", "tls.key"].into_iter().for_each(need),
        "kubernetes.io/ssh-auth" => need("ssh-privatekey"),
        "kubernetes.io/basic-auth" if !has("username") && !has("password") => {
            need("username");
            need("password");
        }
        "kubernetes.io/service-account-token" => {
            let name = secret.pointer("/metadata/annotations/kubernetes.io~1service-account.name");
            if name.and_then(Value::as_str).is_none_or(str::is_empty) {
                causes.push(required(
                    "metadata.annotations[kubernetes.io/service-account.name]",
                    "",
                ));
            }
        }
        "kubernetes.io/dockerconfigjson" => docker(secret, ".dockerconfigjson", causes),
        "kubernetes.io/dockercfg" => docker(secret, ".dockercfg", causes),
        _ => {}
    }
}

fn docker(secret: &Value, key: &str, causes: &mut Vec<Cause>) {
    let field = format!("data[{key}]");
    match secret
        .get("data")
        .and_then(|d| d.get(key))
        .and_then(Value::as_str)
    {
        None => causes.push(required(field, "")),
        Some(text) => {
            let parsed = STANDARD
                .decode(text)
                .ok()
                .and_then(|b| serde_json::from_slice::<Value>(&b).ok());
            if !parsed.is_some_and(|v| v.is_object()) {
                causes.push(invalid_value(
                    field,
                    &json!("<secret contents redacted>"),
                    "invalid character in the document",
                ));
            }
        }
    }
}

pub(super) fn validate_config_map(new: &Value, old: Option<&Value>) -> Vec<Cause> {
    let mut causes = Vec::new();
    let mut total = 0;
    for field in ["data", "binaryData"] {
        for (key, value) in entries(new, field) {
            if let Some(why) = names::data_key(key) {
                causes.push(invalid_value(format!("{field}[{key}]"), &json!(key), why));
            }
            let text = value.as_str().unwrap_or_default();
            total += if field == "data" {
                text.len()
            } else {
                decoded_len(text)
            };
        }
    }
    for (key, _) in entries(new, "binaryData") {
        if new.get("data").is_some_and(|d| d.get(key).is_some()) {
            causes.push(invalid_value(
                format!("data[{key}]"),
                &json!(key),
                "duplicate of key present in binaryData",
            ));
        }
    }
    if total > LIMIT {
        causes.push(too_long("", LIMIT));
    }
    if let Some(old) = old {
        seal(new, old, &["data", "binaryData"], &mut causes);
    }
    causes
}

/// What `immutable: true` forbids.
fn seal(new: &Value, old: &Value, fields: &[&str], causes: &mut Vec<Cause>) {
    if old.get("immutable") != Some(&json!(true)) {
        return;
    }
    if new.get("immutable") != Some(&json!(true)) {
        causes.push(sealed("immutable"));
    }
    for field in fields {
        if old.get(*field) != new.get(*field) {
            causes.push(sealed(field));
        }
    }
}

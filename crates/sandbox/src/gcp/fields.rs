//! What a request may contain: the JSON fields and the parameters that a method knows.
//!
//! Owns: the refusal of everything else, as Google's front end does before a service sees a call.
//! Refuses: what values mean.

use serde_json::Value;

use super::answer::Answer;
use super::dispatch::Call;

/// Parameters that every method takes: <https://cloud.google.com/apis/docs/system-parameters>.
const SYSTEM: [&str; 10] = [
    "alt",
    "fields",
    "key",
    "prettyPrint",
    "quotaUser",
    "userProject",
    "$alt",
    "$prettyPrint",
    "$.xgafv",
    "$userProject",
];

fn bad(message: String) -> Answer {
    Answer::error("INVALID_ARGUMENT", message)
}

/// Every field of the object `value`, which stands at `at`, is one of `names`.
pub(super) fn known(value: &Value, at: &str, names: &[&str]) -> Result<(), Answer> {
    let fields = match value {
        Value::Null => return Ok(()),
        Value::Object(fields) => fields,
        _ => return Err(bad(format!("Invalid value at '{at}'. It is no object."))),
    };
    match fields.keys().find(|name| !names.contains(&name.as_str())) {
        None => Ok(()),
        Some(name) => {
            let place = if at.is_empty() {
                String::new()
            } else {
                format!(" at '{at}'")
            };
            Err(bad(format!(
                "Invalid JSON payload received. Unknown name \"{name}\"{place}: Cannot find field."
            )))
        }
    }
}

/// Every parameter is one of `names` or one that every method takes.
pub(super) fn parameters(call: &Call<'_>, names: &[&str]) -> Result<(), Answer> {
    let query = call.uri.query().unwrap_or_default().as_bytes();
    let unknown = url::form_urlencoded::parse(query)
        .find(|(name, _)| !names.contains(&&**name) && !SYSTEM.contains(&&**name));
    match unknown {
        None => Ok(()),
        Some((name, _)) => Err(bad(format!(
            "Invalid JSON payload received. Unknown name \"{name}\": Cannot bind query parameter. \
             Field '{name}' could not be found in request message."
        ))),
    }
}

/// A text that may be absent.
pub(super) fn text(value: &Value, at: &str, name: &str) -> Result<String, Answer> {
    match value.get(name) {
        None | Some(Value::Null) => Ok(String::new()),
        Some(Value::String(text)) => Ok(text.clone()),
        Some(_) => Err(bad(format!("Invalid value at '{at}.{name}' (TYPE_STRING)"))),
    }
}

/// A flag that may be absent.
pub(super) fn flag(value: &Value, at: &str, name: &str) -> Result<bool, Answer> {
    match value.get(name) {
        None | Some(Value::Null) => Ok(false),
        Some(Value::Bool(flag)) => Ok(*flag),
        Some(_) => Err(bad(format!("Invalid value at '{at}.{name}' (TYPE_BOOL)"))),
    }
}

/// The fields of a mask, as JSON names them.
pub(super) fn mask(call: &Call<'_>) -> Result<Vec<String>, Answer> {
    let mask = call.query("updateMask").unwrap_or_default();
    let fields: Vec<String> = mask
        .split(',')
        .map(str::trim)
        .filter(|field| !field.is_empty())
        .map(camel)
        .collect();
    if fields.is_empty() {
        return Err(bad("The update mask must be specified.".to_owned()));
    }
    Ok(fields)
}

fn camel(name: &str) -> String {
    let mut out = String::new();
    let mut up = false;
    for c in name.chars() {
        if c == '_' {
            up = true;
        } else if std::mem::take(&mut up) {
            out.push(c.to_ascii_uppercase());
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn unknown_fields_are_named_with_their_place() {
        let value = json!({"a": 1, "b": 2});
        assert!(known(&value, "x", &["a", "b"]).is_ok());
        assert!(known(&Value::Null, "x", &[]).is_ok());
        let refused = known(&value, "policy", &["a"]).unwrap_err();
        let text = refused.body["error"]["message"].as_str().unwrap();
        assert!(text.contains("Unknown name \"b\" at 'policy'"), "{text}");
        assert!(known(&json!([]), "x", &[]).is_err());
        assert_eq!(camel("oidc.allowed_audiences"), "oidc.allowedAudiences");
    }
}

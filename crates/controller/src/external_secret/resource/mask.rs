//! Values taken out of what an API server says about an object.
//!
//! A server quotes what it refuses, and what is written into a target came from a secret.

use serde_json::Value;

/// Shorter texts are no secrets, and taking them out would make a message unreadable.
const SHORTEST: usize = 3;
const MASK: &str = "***";

/// `message` without any text or number that `object` holds beside its name and kind.
#[must_use]
pub fn mask(message: &str, object: &Value) -> String {
    let mut values = Vec::new();
    for (name, field) in object.as_object().into_iter().flatten() {
        match name.as_str() {
            "apiVersion" | "kind" => {}
            "metadata" => {
                for part in ["labels", "annotations"] {
                    gather(field.get(part), &mut values);
                }
            }
            _ => gather(Some(field), &mut values),
        }
    }
    // A value may be part of another one.
    values.sort_by_key(|value| std::cmp::Reverse(value.len()));
    values.dedup();
    let mut out = message.to_owned();
    for value in values {
        if value.len() >= SHORTEST && out.contains(&value) {
            out = out.replace(&value, MASK);
        }
    }
    out
}

fn gather(value: Option<&Value>, values: &mut Vec<String>) {
    match value {
        Some(Value::String(text)) => {
            values.push(text.clone());
            // As it stands between quotes.
            let quoted = Value::String(text.clone()).to_string();
            let inner = quoted.trim_matches('"');
            if inner != text {
                values.push(inner.to_owned());
            }
        }
        Some(Value::Number(number)) => values.push(number.to_string()),
        Some(Value::Array(items)) => items.iter().for_each(|item| gather(Some(item), values)),
        Some(Value::Object(map)) => map.values().for_each(|item| gather(Some(item), values)),
        None | Some(Value::Null | Value::Bool(_)) => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_taken_out_and_names_stay() {
        let object = json!({"apiVersion": "v1", "kind": "Thing", "metadata": {"name": "thing-1",
            "labels": {"l": "hunter2 !"}}, "spec": {"pin": 4711, "list": ["a\nb-secret"], "x": {"y": "hunter"}}});
        let message = "Thing \"thing-1\" is invalid: [metadata.labels: Invalid value: \"hunter2 !\": \
             no label, spec.pin: Invalid value: 4711, spec.list: \"a\\nb-secret\", hunter]";
        assert_eq!(
            mask(message, &object),
            "Thing \"thing-1\" is invalid: [metadata.labels: Invalid value: \"***\": no label, \
             spec.pin: Invalid value: ***, spec.list: \"***\", ***]"
        );
    }
}

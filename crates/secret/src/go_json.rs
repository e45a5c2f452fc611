//! JSON as Go's `encoding/json` writes a decoded document: sorted keys, every number a float.

use std::fmt::Write as _;

use serde_json::Value;

/// Whether `<`, `>` and `&` are escaped.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Html {
    Escape,
    Keep,
}

/// Writes `value`.
pub(crate) fn write(value: &Value, html: Html) -> String {
    let mut out = String::new();
    append(&mut out, value, html);
    out
}

fn append(out: &mut String, value: &Value, html: Html) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(flag) => out.push_str(if *flag { "true" } else { "false" }),
        Value::Number(number) => out.push_str(&float(number.as_f64().unwrap_or(0.0))),
        Value::String(text) => string(out, text, html),
        Value::Array(items) => {
            out.push('[');
            for (n, item) in items.iter().enumerate() {
                if n > 0 {
                    out.push(',');
                }
                append(out, item, html);
            }
            out.push(']');
        }
        Value::Object(members) => {
            let mut sorted: Vec<_> = members.iter().collect();
            sorted.sort_by_key(|(key, _)| *key);
            out.push('{');
            for (n, (key, item)) in sorted.into_iter().enumerate() {
                if n > 0 {
                    out.push(',');
                }
                string(out, key, html);
                out.push(':');
                append(out, item, html);
            }
            out.push('}');
        }
    }
}

/// A float as `encoding/json` writes it: with an exponent below 1e-6 and from 1e21 on.
fn float(number: f64) -> String {
    let size = number.abs();
    if size == 0.0 || (1e-6..1e21).contains(&size) {
        return number.to_string();
    }
    let text = format!("{number:e}");
    match text.split_once('e') {
        Some((mantissa, exponent)) if !exponent.starts_with('-') => {
            format!("{mantissa}e+{exponent}")
        }
        _ => text,
    }
}

fn string(out: &mut String, text: &str, html: Html) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '<' | '>' | '&' if html == Html::Keep => out.push(c),
            '\0'..' ' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                // Writing to a String cannot fail.
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn documents_are_written_as_in_go() {
        let value = json!({
            "b": [1, 1.5, 1e21, 1e-7, 100_000_000_000_000_000_000_u128 as f64, -0.0],
            "a": {"z": null, "y": true, "<": "<&>\u{1}\n\u{2028}\"\\"},
            "big": 12_345_678_901_234_567_890_u64,
        });
        assert_eq!(
            write(&value, Html::Keep),
            "{\"a\":{\"<\":\"<&>\\u0001\\n\\u2028\\\"\\\\\",\"y\":true,\"z\":null},\
             \"b\":[1,1.5,1e+21,1e-7,100000000000000000000,-0],\"big\":12345678901234567000}"
        );
        assert_eq!(write(&json!("<"), Html::Escape), "\"\\u003c\"");
    }
}

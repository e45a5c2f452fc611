//! A deterministic YAML text of a JSON value.
//!
//! Owns: block style, names in order, quotes wherever a plain scalar could be read as anything
//! but itself. Refuses: reading, and everything JSON does not have.

use serde_json::Value;

use super::sorted;

/// The value as YAML in block style, members in the order of their names.
#[must_use]
pub fn to_yaml(value: &Value) -> String {
    let mut out = String::new();
    block(&mut out, value, 0);
    out
}

/// Writes a value that starts on a line of its own.
fn block(out: &mut String, value: &Value, indent: usize) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (name, value) in sorted(map) {
                out.extend(std::iter::repeat_n(' ', indent));
                member(out, name, value, indent);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for item in items {
                out.extend(std::iter::repeat_n(' ', indent));
                out.push('-');
                entry(out, item, indent);
            }
        }
        scalar => {
            out.extend(std::iter::repeat_n(' ', indent));
            out.push_str(&flow(scalar));
            out.push('\n');
        }
    }
}

/// Writes `name: value`; the cursor already stands at the right column.
fn member(out: &mut String, name: &str, value: &Value, indent: usize) {
    out.push_str(&text(name));
    out.push(':');
    match value {
        Value::Object(map) if !map.is_empty() => {
            out.push('\n');
            block(out, value, indent + 2);
        }
        Value::Array(items) if !items.is_empty() => {
            out.push('\n');
            block(out, value, indent);
        }
        scalar => {
            out.push(' ');
            out.push_str(&flow(scalar));
            out.push('\n');
        }
    }
}

/// Writes what follows the dash of a list's item; an object's first member shares its line.
fn entry(out: &mut String, value: &Value, indent: usize) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (position, (name, value)) in sorted(map).into_iter().enumerate() {
                let spaces = if position == 0 { 1 } else { indent + 2 };
                out.extend(std::iter::repeat_n(' ', spaces));
                member(out, name, value, indent + 2);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            out.push('\n');
            block(out, value, indent + 2);
        }
        scalar => {
            out.push(' ');
            out.push_str(&flow(scalar));
            out.push('\n');
        }
    }
}

fn flow(value: &Value) -> String {
    match value {
        Value::String(string) => text(string),
        other => other.to_string(),
    }
}

/// A string, plain where that is safe; JSON's quotes are YAML's double quotes.
fn text(string: &str) -> String {
    if is_plain(string) {
        string.to_owned()
    } else {
        Value::from(string).to_string()
    }
}

/// Whether the text means itself without quotes in YAML 1.1 and 1.2: letters first, no sign that
/// starts a comment, key or collection, and no word for a boolean or null.
fn is_plain(string: &str) -> bool {
    const WORDS: &[&str] = &["y", "n", "yes", "no", "on", "off", "true", "false", "null"];
    let starts = string.starts_with(|c: char| c.is_ascii_alphabetic());
    let safe = |c: char| c.is_ascii_alphanumeric() || " _-./,;()$+='".contains(c);
    starts
        && string.chars().all(safe)
        && !string.ends_with(' ')
        && !WORDS.contains(&string.to_ascii_lowercase().as_str())
}

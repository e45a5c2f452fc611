//! The path language of gjson (tidwall/gjson 1.18), as External Secrets Operator uses it for
//! `property`.
//!
//! ```
//! let json = br#"{"db":{"port":5432,"rate":1.50},"users":[{"name":"a"},{"name":"b"}]}"#;
//! assert_eq!(keyless_gjson::get(json, "db.port").text().as_ref(), b"5432");
//! assert_eq!(keyless_gjson::get(json, "db.rate").text().as_ref(), b"1.5");
//! assert_eq!(keyless_gjson::get(json, "users.#(name==\"b\").name").text().as_ref(), b"b");
//! assert!(!keyless_gjson::get(json, "db.host").exists());
//! ```
//!
//! Owns: paths (dots, escapes, wildcards, indexes, `#`, queries, modifiers, pipes, multipaths,
//! literals, JSON lines) and the text of what they lead to. The document is read as leniently as
//! gjson reads it: it need not be valid.
//!
//! Refuses: setting values, other modifiers, and unbounded work. A path nested deeper than
//! [`MAX_DEPTH`], or one that looks at or makes more than [`BASE_WORK`] plus [`WORK_PER_BYTE`] per
//! byte of the document, leads nowhere; [`try_get`] tells the two cases apart. Known differences
//! to gjson beyond these bounds: a wildcard is never given up half-way, and Go's hexadecimal
//! floats, which JSON does not have, read as 0.
//!
//! The tests compare with recorded answers of the Go library; `testbed/oracle/gjson` makes them.

mod budget;
mod bytes;
mod modifier;
mod number;
mod path;
mod query;
mod scan;
mod search;
mod text;
mod valid;
mod value;
mod wildcard;

pub use budget::{BASE_WORK, Limit, MAX_DEPTH, WORK_PER_BYTE};
pub use valid::is_valid;
pub use value::{Kind, Value};

/// What `path` leads to in `json`; a value that does not exist if it leads nowhere or reaches a
/// bound.
#[must_use]
pub fn get<'a>(json: &'a [u8], path: &str) -> Value<'a> {
    try_get(json, path).unwrap_or_default()
}

/// What `path` leads to in `json`.
///
/// # Errors
/// The path was given up because it reached a bound.
pub fn try_get<'a>(json: &'a [u8], path: &str) -> Result<Value<'a>, Limit> {
    search::get(json, path.as_bytes(), &mut budget::Budget::new(json.len()))
}

/// The members of the object that `json` is, in their order, duplicates included; nothing if it
/// is no valid JSON object.
///
/// Keys and strings have lost their escapes; a lone surrogate is U+FFFD. They need not be UTF-8.
#[must_use]
pub fn members(json: &[u8]) -> Option<Vec<(Value<'_>, Value<'_>)>> {
    let value = Value::parse(json);
    if !value.is_object() || !is_valid(json) {
        return None;
    }
    let members = scan::Members::of(&value, json.trim_ascii_start());
    members.map(|(key, value)| Some((key?, value))).collect()
}

/// Escapes a text so that, as a path, it means the key of exactly that name.
#[must_use]
pub fn escape(key: &str) -> String {
    let mut out = String::with_capacity(key.len());
    for c in key.chars() {
        let plain =
            c.is_ascii_alphanumeric() || c <= ' ' || c > '~' || matches!(c, '_' | '-' | ':');
        if !plain {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

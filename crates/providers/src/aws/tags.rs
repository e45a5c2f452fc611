//! Tags as a value: `metadataPolicy: Fetch`.

use std::collections::BTreeMap;

use keyless_secret::SecretBytes;

use crate::Error;

/// `tags` as a JSON object.
///
/// # Errors
/// Never for tags that came over the wire.
pub(super) fn tags_json(tags: &BTreeMap<String, String>) -> Result<SecretBytes, Error> {
    let json = serde_json::to_string(tags).map_err(|_| Error::Shape {
        reason: "the tags are not text".into(),
        hint: None,
    })?;
    Ok(go_json(&json).into())
}

/// As Go's encoder writes it: safe inside HTML. These characters occur only inside strings.
fn go_json(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        match c {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                out.push_str(&format!("\\u{:04x}", u32::from(c)));
            }
            _ => out.push(c),
        }
    }
    out
}

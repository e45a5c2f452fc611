//! Tags as a value: `metadataPolicy: Fetch`.

use std::collections::BTreeMap;

use keyless_secret::SecretBytes;

use crate::Error;
use crate::property::go_json;

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

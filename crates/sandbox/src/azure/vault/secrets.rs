//! Secrets.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::super::answer::Answer;
use super::Vault;
use super::objects::{self, Kind, Version};

/// Largest value, in bytes.
const LARGEST: usize = 25 * 1024;

/// A secret as the handle writes it.
#[derive(Clone, Debug, Default)]
pub struct Secret {
    /// Its value.
    pub value: String,
    /// E.g. `application/x-pkcs12`.
    pub content_type: Option<String>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// Whether nobody may read it.
    pub disabled: bool,
    /// When it ends, seconds since 1970.
    pub expires: Option<i64>,
    /// When it begins, seconds since 1970.
    pub not_before: Option<i64>,
}

impl Secret {
    /// The request that writes it.
    pub(in super::super) fn request(&self) -> Value {
        let mut attributes = json!({"enabled": !self.disabled});
        if let Some(fields) = attributes.as_object_mut() {
            for (name, time) in [("exp", self.expires), ("nbf", self.not_before)] {
                if let Some(time) = time {
                    fields.insert(name.into(), json!(time));
                }
            }
        }
        json!({
            "value": self.value,
            "contentType": self.content_type,
            "tags": self.tags,
            "attributes": attributes,
        })
    }
}

pub(in super::super) fn set(
    vault: &mut Vault,
    name: &str,
    request: &Value,
    now: i64,
) -> Result<Answer, Answer> {
    let bad = |text: &str| Answer::vault(400, "BadParameter", "", text);
    let value = request
        .get("value")
        .and_then(Value::as_str)
        .ok_or_else(|| bad("Property value is missing."))?;
    if value.len() > LARGEST {
        return Err(bad("The secret value exceeds the maximum of 25600 bytes."));
    }
    let mut version = Version {
        enabled: true,
        ..Version::default()
    };
    version.body.insert("value".into(), json!(value));
    if let Some(kind) = request.get("contentType").and_then(Value::as_str) {
        version.body.insert("contentType".into(), json!(kind));
    }
    objects::attributes(request, &mut version)?;
    objects::add(vault, Kind::Secret, name, version, now)
}

/// Changes attributes and tags of a version; its value stays.
pub(in super::super) fn update(
    vault: &mut Vault,
    name: &str,
    version: Option<&str>,
    request: &Value,
    now: i64,
) -> Result<Answer, Answer> {
    let found = objects::find(vault, Kind::Secret, name, version)?;
    objects::attributes(request, found)?;
    if let Some(kind) = request.get("contentType").and_then(Value::as_str) {
        found.body.insert("contentType".into(), json!(kind));
    }
    found.updated = now;
    let mut shown = found.clone();
    shown.body.remove("value");
    Ok(Answer::ok(objects::whole(
        vault,
        Kind::Secret,
        name,
        &shown,
    )))
}

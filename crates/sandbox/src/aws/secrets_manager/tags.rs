//! Tags of secrets.

use std::collections::BTreeMap;

use keyless_trust::aws::Context;
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::dispatch::Call;
use super::super::protocol::ApiError;
use super::super::state::State;
use super::write::target;
use super::{invalid_parameter, invalid_request};

/// The most tags of a secret.
const MOST: usize = 50;

#[derive(Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(in super::super) struct Tag {
    pub key: String,
    #[serde(default)]
    pub value: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Input {
    secret_id: String,
    #[serde(default)]
    tags: Vec<Tag>,
    #[serde(default)]
    tag_keys: Vec<String>,
}

pub(super) fn add(state: &mut State, call: &Call, input: Input) -> Result<Value, ApiError> {
    let tags = read(&input.tags)?;
    let secret = target(state, call, &input.secret_id, &requested(&tags))?;
    let fresh = tags
        .keys()
        .filter(|k| !secret.tags.contains_key(*k))
        .count();
    if secret.tags.len() + fresh > MOST {
        return Err(invalid_request(
            "The number of tags exceeds the limit of 50.",
        ));
    }
    secret.tags.extend(tags);
    Ok(json!({}))
}

pub(super) fn remove(state: &mut State, call: &Call, input: Input) -> Result<Value, ApiError> {
    let mut facts = Context::new();
    facts.set_all("aws:TagKeys", input.tag_keys.iter().cloned());
    let secret = target(state, call, &input.secret_id, &facts)?;
    secret.tags.retain(|k, _| !input.tag_keys.contains(k));
    Ok(json!({}))
}

/// Tags as a map.
///
/// # Errors
/// When one is too long, comes twice or has AWS's own prefix.
pub(super) fn read(tags: &[Tag]) -> Result<BTreeMap<String, String>, ApiError> {
    let mut out = BTreeMap::new();
    for tag in tags {
        let length = tag.key.chars().count();
        let bad = length == 0
            || length > 128
            || tag.value.chars().count() > 256
            || tag.key.to_ascii_lowercase().starts_with("aws:");
        if bad || out.insert(tag.key.clone(), tag.value.clone()).is_some() {
            return Err(invalid_parameter(format!(
                "Invalid tag key or value: {}",
                tag.key
            )));
        }
    }
    if out.len() > MOST {
        return Err(invalid_parameter(
            "The number of tags exceeds the limit of 50.",
        ));
    }
    Ok(out)
}

/// The condition keys of a request that sets `tags`.
pub(super) fn requested(tags: &BTreeMap<String, String>) -> Context {
    let mut facts = Context::new();
    if !tags.is_empty() {
        facts.set_all("aws:TagKeys", tags.keys().cloned());
    }
    for (key, value) in tags {
        facts.set(&format!("aws:RequestTag/{key}"), value.clone());
    }
    facts
}

//! Tags of parameters.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::super::dispatch::Call;
use super::super::protocol::ApiError;
use super::super::state::State;
use super::record::Parameter;
use super::{allow, key};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(in super::super) struct Tag {
    pub key: String,
    #[serde(default)]
    pub value: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Input {
    resource_type: String,
    resource_id: String,
    #[serde(default)]
    tags: Vec<Tag>,
    #[serde(default)]
    tag_keys: Vec<String>,
}

pub(super) fn add(state: &mut State, call: &Call, input: Input) -> Result<Value, ApiError> {
    let tags = read(input.tags)?;
    let parameter = find(
        state,
        call,
        &input.resource_type,
        &input.resource_id,
        "AddTagsToResource",
    )?;
    let fresh = tags
        .keys()
        .filter(|k| !parameter.tags.contains_key(*k))
        .count();
    if parameter.tags.len() + fresh > 50 {
        return Err(ApiError::bad(
            "TooManyTagsError",
            "The number of tags exceeds the limit of 50.",
        ));
    }
    parameter.tags.extend(tags);
    Ok(json!({}))
}

pub(super) fn remove(state: &mut State, call: &Call, input: Input) -> Result<Value, ApiError> {
    let parameter = find(
        state,
        call,
        &input.resource_type,
        &input.resource_id,
        "RemoveTagsFromResource",
    )?;
    parameter.tags.retain(|k, _| !input.tag_keys.contains(k));
    Ok(json!({}))
}

pub(super) fn list(state: &State, call: &Call, input: Input) -> Result<Value, ApiError> {
    check_type(&input.resource_type)?;
    allow(state, call, "ListTagsForResource", &input.resource_id)?;
    let parameter = state
        .parameters
        .get(&key(call, &input.resource_id)?)
        .ok_or_else(unknown)?;
    let tags: Vec<Value> = parameter
        .tags
        .iter()
        .map(|(k, v)| json!({"Key": k, "Value": v}))
        .collect();
    Ok(json!({ "TagList": tags }))
}

/// Tags as a map.
///
/// # Errors
/// When one is too long or has AWS's own prefix.
pub(super) fn read(tags: Vec<Tag>) -> Result<BTreeMap<String, String>, ApiError> {
    let mut out = BTreeMap::new();
    for tag in tags {
        let length = tag.key.chars().count();
        if length == 0
            || length > 128
            || tag.value.chars().count() > 256
            || tag.key.to_ascii_lowercase().starts_with("aws:")
        {
            return Err(super::validation(format!(
                "Invalid tag key or value: {}",
                tag.key
            )));
        }
        out.insert(tag.key, tag.value);
    }
    Ok(out)
}

fn find<'a>(
    state: &'a mut State,
    call: &Call,
    kind: &str,
    id: &str,
    action: &str,
) -> Result<&'a mut Parameter, ApiError> {
    check_type(kind)?;
    allow(state, call, action, id)?;
    state
        .parameters
        .get_mut(&key(call, id)?)
        .ok_or_else(unknown)
}

fn check_type(kind: &str) -> Result<(), ApiError> {
    if kind == "Parameter" {
        Ok(())
    } else {
        Err(ApiError::bare("InvalidResourceType"))
    }
}

fn unknown() -> ApiError {
    ApiError::bad(
        "InvalidResourceId",
        "The resource ID is not valid. Verify that you entered the correct ID and try again.",
    )
}

//! Systems Manager Parameter Store.
//!
//! Owns: which API exists, the store, ARNs and the permission on a parameter. The APIs are in
//! `read`, `write`, `describe` and `tags`, the names' rules in `name`.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use keyless_trust::aws::Context;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::Aws;
use super::authorize::require;
use super::dispatch::Call;
use super::kms::{self, Place};
use super::protocol::{ApiError, Outcome, Protocol, Reply};
use super::state::State;

mod describe;
mod filter;
mod name;
mod read;
mod record;
mod tags;
mod write;

pub(super) use record::{Kind, Parameter};
pub(super) use write::{Put, put};

/// By account, region and name.
pub(super) type Parameters = BTreeMap<(String, String, String), Parameter>;

pub(super) fn call(aws: &Aws, call: &Call, body: &[u8]) -> Outcome {
    let mut state = aws.state();
    let json = match call.action.as_str() {
        "GetParameter" => read::get_one(&state, call, read(body)?),
        "GetParameters" => read::get_many(&state, call, read(body)?),
        "GetParametersByPath" => read::get_by_path(&state, call, read(body)?),
        "GetParameterHistory" => read::history(&state, call, read(body)?),
        "DescribeParameters" => describe::describe(&state, call, read(body)?),
        "PutParameter" => write::put_checked(&mut state, call, read(body)?),
        "DeleteParameter" => write::delete_one(&mut state, call, read(body)?),
        "DeleteParameters" => write::delete_many(&mut state, call, read(body)?),
        "LabelParameterVersion" => write::label(&mut state, call, read(body)?),
        "AddTagsToResource" => tags::add(&mut state, call, read(body)?),
        "RemoveTagsFromResource" => tags::remove(&mut state, call, read(body)?),
        "ListTagsForResource" => tags::list(&state, call, read(body)?),
        _ => Err(ApiError::bare("UnknownOperationException")),
    };
    json.map(Reply::Json)
}

/// An API's input.
///
/// # Errors
/// `SerializationException`; the text leaves out what was read, it may be a value.
pub(super) fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    serde_json::from_slice(body).map_err(|_| ApiError::bare("SerializationException"))
}

fn place(call: &Call) -> Result<Place<'_>, ApiError> {
    Ok(Place {
        partition: call.partition(),
        account: call.account()?,
        region: &call.region,
    })
}

fn key(call: &Call, name: &str) -> Result<(String, String, String), ApiError> {
    Ok((
        call.account()?.to_owned(),
        call.region.clone(),
        name.to_owned(),
    ))
}

/// A parameter's ARN: a leading slash of the name is not doubled.
fn arn(place: Place<'_>, name: &str) -> String {
    place
        .arn(
            "ssm",
            &format!("parameter/{}", name.trim_start_matches('/')),
        )
        .to_string()
}

/// Permission of the caller on the parameter `name`, whether it exists or not.
fn allow(state: &State, call: &Call, action: &str, name: &str) -> Result<(), ApiError> {
    let mut context = call.context.clone();
    if let Some(parameter) = state.parameters.get(&key(call, name)?) {
        resource_tags(&mut context, parameter);
    }
    require(
        state,
        call.identity()?,
        &format!("ssm:{action}"),
        &arn(place(call)?, name),
        &context,
        Protocol::Json,
    )
}

fn resource_tags(context: &mut Context, parameter: &Parameter) {
    for (key, value) in &parameter.tags {
        context.set(&format!("aws:ResourceTag/{key}"), value.clone());
        context.set(&format!("ssm:resourceTag/{key}"), value.clone());
    }
}

/// Permission to use the key of a SecureString. The key that AWS manages for the service needs
/// none.
fn allow_key(
    state: &State,
    call: &Call,
    action: &str,
    key_id: &str,
    parameter: &str,
) -> Result<(), ApiError> {
    if key_id == record::MANAGED_KEY {
        return Ok(());
    }
    let key = state
        .keys
        .find(place(call)?, key_id)
        .ok_or_else(|| invalid_key(key_id))?;
    let arn = arn(place(call)?, parameter);
    kms::use_key(
        state,
        call.identity()?,
        key,
        action,
        "ssm",
        &[("PARAMETER_ARN", &arn)],
        &call.context,
    )
}

fn invalid_key(key_id: &str) -> ApiError {
    ApiError::bad("InvalidKeyId", format!("Invalid keyId {key_id}"))
}

fn not_found() -> ApiError {
    ApiError::bare("ParameterNotFound")
}

fn validation(text: impl Into<String>) -> ApiError {
    ApiError::bad("ValidationException", text)
}

/// The name after which a page begins.
///
/// # Errors
/// `InvalidNextToken` for a token this service did not give.
fn after(token: Option<&str>) -> Result<Option<String>, ApiError> {
    let read = |token: &str| {
        let bytes = STANDARD.decode(token).ok()?;
        let text = String::from_utf8(bytes).ok()?;
        Some(text.strip_prefix("after:")?.to_owned())
    };
    let bad = || ApiError::bad("InvalidNextToken", "The specified token isn't valid.");
    token.map(|t| read(t).ok_or_else(bad)).transpose()
}

/// The first `size` of `items`, and the token of the next page if there are more.
fn page<T>(
    items: impl Iterator<Item = T>,
    size: usize,
    name: impl Fn(&T) -> String,
) -> (Vec<T>, Option<String>) {
    let mut rest = items.peekable();
    let page: Vec<T> = rest.by_ref().take(size).collect();
    let last = page.last().filter(|_| rest.peek().is_some());
    let next = last.map(|item| STANDARD.encode(format!("after:{}", name(item))));
    (page, next)
}

fn with_token(mut json: Value, token: Option<String>) -> Value {
    if let (Some(token), Some(map)) = (token, json.as_object_mut()) {
        map.insert("NextToken".to_owned(), token.into());
    }
    json
}

//! Reading: one secret, or up to twenty.

use keyless_trust::aws::Context;
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::dispatch::Call;
use super::super::protocol::{ApiError, invalid};
use super::super::state::State;
use super::filter::{Filter, matches_all};
use super::record::{CURRENT, Secret, Version, value_json};
use super::{
    after, alive, allow_any, allow_key, allowed_to, invalid_parameter, invalid_request, page,
    page_size, place, with_token,
};

/// The most ids of one call.
const MOST: usize = 20;
/// Seconds of a day: `LastAccessedDate` is no finer.
const DAY: i64 = 86_400;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct One {
    secret_id: String,
    version_id: Option<String>,
    version_stage: Option<String>,
}

pub(super) fn get_one(state: &mut State, call: &Call, input: One) -> Result<Value, ApiError> {
    let json = value(state, call, &input)?;
    touch(state, call, &input.secret_id)?;
    Ok(json)
}

fn value(state: &State, call: &Call, input: &One) -> Result<Value, ApiError> {
    let mut facts = Context::new();
    match (&input.version_id, &input.version_stage) {
        (Some(id), _) => facts.set("secretsmanager:VersionId", id.clone()),
        (None, stage) => facts.set_all(
            "secretsmanager:VersionStage",
            [stage.clone().unwrap_or_else(|| CURRENT.to_owned())],
        ),
    };
    if let (Some(_), Some(stage)) = (&input.version_id, &input.version_stage) {
        facts.set_all("secretsmanager:VersionStage", [stage.clone()]);
    }
    let action = "secretsmanager:GetSecretValue";
    let secret = allowed_to(state, call, action, &input.secret_id, &facts)?;
    alive(secret)?;
    let version = version(secret, input)?;
    allow_key(state, call, &["kms:Decrypt"], secret, &version.id)?;
    Ok(value_json(secret, version, &call.region))
}

fn version<'a>(secret: &'a Secret, input: &One) -> Result<&'a Version, ApiError> {
    let missing = |what: &str, value: &str| {
        ApiError::bad(
            "ResourceNotFoundException",
            format!("Secrets Manager can't find the specified secret value for {what}: {value}"),
        )
    };
    let stage = input.version_stage.as_deref();
    let Some(id) = input.version_id.as_deref() else {
        let stage = stage.unwrap_or(CURRENT);
        return secret
            .staged(stage)
            .ok_or_else(|| missing("staging label", stage));
    };
    let version = secret
        .versions
        .iter()
        .find(|v| v.id == id)
        .ok_or_else(|| missing("VersionId", id))?;
    match stage {
        Some(stage) if !version.stages.contains(stage) => Err(invalid_request(
            "You provided a VersionStage that is not associated to the provided VersionId.",
        )),
        _ => Ok(version),
    }
}

fn touch(state: &mut State, call: &Call, id: &str) -> Result<(), ApiError> {
    if let Some(key) = super::name::key(&state.secrets, place(call)?, id)?
        && let Some(secret) = state.secrets.get_mut(&key)
    {
        secret.accessed = Some(call.now - call.now.rem_euclid(DAY));
    }
    Ok(())
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Many {
    secret_id_list: Option<Vec<String>>,
    filters: Option<Vec<Filter>>,
    max_results: Option<usize>,
    next_token: Option<String>,
}

/// Only current versions. What cannot be read is told beside what can: the call itself fails
/// only if the caller may not make it.
pub(super) fn get_many(state: &mut State, call: &Call, input: Many) -> Result<Value, ApiError> {
    let (ids, next) = match (&input.secret_id_list, &input.filters) {
        (Some(ids), None) => {
            if input.max_results.is_some() {
                return Err(invalid_parameter(
                    "You can only use MaxResults when you also use the Filters parameter.",
                ));
            }
            check_ids(ids)?;
            allow_any(state, call, "BatchGetSecretValue")?;
            (ids.clone(), None)
        }
        (None, Some(filters)) => {
            let size = page_size(input.max_results, MOST)?;
            for filter in filters {
                filter.check()?;
            }
            allow_any(state, call, "BatchGetSecretValue")?;
            allow_any(state, call, "ListSecrets")?;
            let found: Vec<String> = super::describe::visible(state, call, false)?
                .into_iter()
                .filter(|secret| matches_all(filters, secret))
                .map(|secret| secret.arn(&call.region))
                .collect();
            page(found, after(input.next_token.as_deref())?, size)
        }
        _ => {
            return Err(invalid_parameter(
                "You must include either SecretIdList or Filters in the request, and not both.",
            ));
        }
    };
    let (mut values, mut errors) = (Vec::new(), Vec::new());
    for id in ids {
        let one = One {
            secret_id: id.clone(),
            version_id: None,
            version_stage: None,
        };
        match value(state, call, &one) {
            Ok(json) => {
                touch(state, call, &id)?;
                values.push(json);
            }
            Err(error) => errors.push(json!({
                "SecretId": id, "ErrorCode": error.code, "Message": error.message,
            })),
        }
    }
    Ok(with_token(
        json!({ "SecretValues": values, "Errors": errors }),
        next,
    ))
}

fn check_ids(ids: &[String]) -> Result<(), ApiError> {
    let limit = match ids.len() {
        0 => "Member must have length greater than or equal to 1",
        1..=MOST => return Ok(()),
        _ => "Member must have length less than or equal to 20",
    };
    Err(invalid(
        "ValidationException",
        Some(&format!("[{}]", ids.join(", "))),
        "SecretIdList",
        limit,
    ))
}

//! What is known of secrets without their values.

use keyless_trust::aws::Context;
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::dispatch::Call;
use super::super::protocol::ApiError;
use super::super::state::State;
use super::filter::{Filter, matches_all};
use super::record::{Secret, metadata_json};
use super::{after, allow_any, allowed, page, page_size, with_token};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Describe {
    secret_id: String,
}

/// Works on secrets that are marked for deletion, too.
pub(super) fn describe(state: &State, call: &Call, input: Describe) -> Result<Value, ApiError> {
    let secret = allowed(state, call, &input.secret_id, &Context::new())?;
    Ok(metadata_json(secret, &call.region, "VersionIdsToStages"))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct List {
    #[serde(default)]
    filters: Vec<Filter>,
    #[serde(default)]
    include_planned_deletion: bool,
    max_results: Option<usize>,
    next_token: Option<String>,
    sort_order: Option<String>,
}

pub(super) fn list(state: &State, call: &Call, input: List) -> Result<Value, ApiError> {
    let size = page_size(input.max_results, 100)?;
    for filter in &input.filters {
        filter.check()?;
    }
    allow_any(state, call, "ListSecrets")?;
    let mut found = visible(state, call, input.include_planned_deletion)?;
    found.retain(|secret| matches_all(&input.filters, secret));
    // By creation; names make the order stable.
    found.sort_by(|a, b| (a.created, &a.name).cmp(&(b.created, &b.name)));
    if input.sort_order.as_deref() != Some("asc") {
        found.reverse();
    }
    let (page, next) = page(found, after(input.next_token.as_deref())?, size);
    let list: Vec<Value> = page
        .into_iter()
        .map(|secret| metadata_json(secret, &call.region, "SecretVersionsToStages"))
        .collect();
    Ok(with_token(json!({ "SecretList": list }), next))
}

/// The account's secrets in the request's region, replicas included.
pub(super) fn visible<'a>(
    state: &'a State,
    call: &Call,
    deleted: bool,
) -> Result<Vec<&'a Secret>, ApiError> {
    let account = call.account()?;
    Ok(state
        .secrets
        .values()
        .filter(|s| s.account == account)
        .filter(|s| s.region == call.region || s.replicas.contains_key(&call.region))
        .filter(|s| deleted || s.deleted.is_none())
        .collect())
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Versions {
    secret_id: String,
    #[serde(default)]
    include_deprecated: bool,
    max_results: Option<usize>,
    next_token: Option<String>,
}

pub(super) fn versions(state: &State, call: &Call, input: Versions) -> Result<Value, ApiError> {
    let size = page_size(input.max_results, 100)?;
    let secret = allowed(state, call, &input.secret_id, &Context::new())?;
    let list: Vec<Value> = secret
        .versions
        .iter()
        .filter(|v| input.include_deprecated || !v.stages.is_empty())
        .map(|v| {
            json!({"VersionId": v.id, "VersionStages": v.stages, "CreatedDate": v.created as f64})
        })
        .collect();
    let (list, next) = page(list, after(input.next_token.as_deref())?, size);
    let json = json!({"ARN": secret.arn(&call.region), "Name": secret.name, "Versions": list});
    Ok(with_token(json, next))
}

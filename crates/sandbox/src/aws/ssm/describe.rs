//! `DescribeParameters`: what there is, without values.

use serde::Deserialize;
use serde_json::{Value, json};

use super::super::authorize::require;
use super::super::dispatch::Call;
use super::super::protocol::{ApiError, Protocol};
use super::super::state::State;
use super::filter::{Filter, matches_all};
use super::read::{page_size, under};
use super::record::metadata_json;
use super::{after, page, place, with_token};

const KEYS: [&str; 8] = [
    "Name", "Type", "KeyId", "Path", "Label", "Tier", "DataType", "tag:",
];

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Describe {
    #[serde(default)]
    parameter_filters: Vec<Filter>,
    max_results: Option<usize>,
    next_token: Option<String>,
}

/// The permission is on all parameters or none: the API knows no single resource.
pub(super) fn describe(state: &State, call: &Call, input: Describe) -> Result<Value, ApiError> {
    let size = page_size(input.max_results, 10, 50)?;
    for filter in &input.parameter_filters {
        filter.check(&KEYS)?;
    }
    let place = place(call)?;
    let all = place.arn("ssm", "*").to_string();
    require(
        state,
        call.identity()?,
        "ssm:DescribeParameters",
        &all,
        &call.context,
        Protocol::Json,
    )?;
    let items = under(state, call, "", after(input.next_token.as_deref())?)?
        .filter_map(|p| Some((p, p.latest()?)))
        .filter(|(p, v)| matches_all(&input.parameter_filters, p, v));
    let (items, next) = page(items, size, |(p, _)| p.name.clone());
    let parameters: Vec<Value> = items
        .into_iter()
        .map(|(p, v)| metadata_json(place, p, v))
        .collect();
    Ok(with_token(json!({ "Parameters": parameters }), next))
}

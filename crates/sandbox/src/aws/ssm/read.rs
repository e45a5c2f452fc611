//! Reading: one parameter, up to ten, a path, a history.

use std::ops::Bound;

use serde::Deserialize;
use serde_json::{Value, json};

use super::super::dispatch::Call;
use super::super::protocol::{ApiError, invalid};
use super::super::state::State;
use super::filter::{Filter, matches_all};
use super::name::Wanted;
use super::record::{Kind, Parameter, Version, metadata_json, value_json};
use super::{after, allow, allow_key, page, place, validation, with_token};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct One {
    name: String,
    #[serde(default)]
    with_decryption: bool,
}

pub(super) fn get_one(state: &State, call: &Call, input: One) -> Result<Value, ApiError> {
    let wanted = Wanted::parse(state, call, &input.name)?;
    allow(state, call, "GetParameter", &wanted.name)?;
    let (parameter, version) = wanted.find(state, call)?;
    decrypt(state, call, parameter, version, input.with_decryption)?;
    let value = value_json(
        place(call)?,
        parameter,
        version,
        input.with_decryption,
        wanted.selector.as_deref(),
    );
    Ok(json!({ "Parameter": value }))
}

fn decrypt(
    state: &State,
    call: &Call,
    parameter: &Parameter,
    version: &Version,
    wished: bool,
) -> Result<(), ApiError> {
    match &version.key_id {
        Some(key) if wished && version.kind == Kind::SecureString => {
            allow_key(state, call, "kms:Decrypt", key, &parameter.name)
        }
        _ => Ok(()),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Many {
    names: Vec<String>,
    #[serde(default)]
    with_decryption: bool,
}

/// Missing parameters are listed, not an error; a refused one fails the whole call.
pub(super) fn get_many(state: &State, call: &Call, input: Many) -> Result<Value, ApiError> {
    check_count(&input.names)?;
    let mut found = Vec::new();
    let mut missing = Vec::new();
    let mut wanted = Vec::new();
    for text in &input.names {
        match Wanted::parse(state, call, text) {
            Ok(w) => {
                allow(state, call, "GetParameters", &w.name)?;
                wanted.push((text, w));
            }
            Err(e) if e.code == "ParameterNotFound" => missing.push(text.clone()),
            Err(e) => return Err(e),
        }
    }
    for (text, w) in wanted {
        match w.find(state, call) {
            Ok((parameter, version)) => {
                decrypt(state, call, parameter, version, input.with_decryption)?;
                found.push(value_json(
                    place(call)?,
                    parameter,
                    version,
                    input.with_decryption,
                    w.selector.as_deref(),
                ));
            }
            Err(_) => missing.push(text.clone()),
        }
    }
    Ok(json!({ "Parameters": found, "InvalidParameters": missing }))
}

/// One to ten names, none twice.
pub(super) fn check_count(names: &[String]) -> Result<(), ApiError> {
    let shown = format!("[{}]", names.join(", "));
    if names.is_empty() {
        return Err(invalid(
            "ValidationException",
            Some(&shown),
            "names",
            "Member must have length greater than or equal to 1",
        ));
    }
    if names.len() > 10 {
        return Err(invalid(
            "ValidationException",
            Some(&shown),
            "names",
            "Member must have length less than or equal to 10",
        ));
    }
    for (i, name) in names.iter().enumerate() {
        if names.iter().take(i).any(|n| n == name) {
            return Err(validation(format!(
                "Duplicate parameters are not allowed: {name}"
            )));
        }
    }
    Ok(())
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ByPath {
    path: String,
    #[serde(default)]
    recursive: bool,
    #[serde(default)]
    with_decryption: bool,
    #[serde(default)]
    parameter_filters: Vec<Filter>,
    max_results: Option<usize>,
    next_token: Option<String>,
}

/// Permission on the path is permission on all below it.
pub(super) fn get_by_path(state: &State, call: &Call, input: ByPath) -> Result<Value, ApiError> {
    if !input.path.starts_with('/') {
        return Err(validation(
            "The parameter doesn't meet the parameter name requirements. The parameter name must begin with a forward slash \"/\". It can't be prefixed with \"aws\" or \"ssm\" (case-insensitive). It must use only letters, numbers, or the following symbols: . (period), - (hyphen), _ (underscore). Special characters are not allowed. All sub-paths, if specified, must use the forward slash symbol \"/\". Valid example: /get/parameters2-/by1./path0_.",
        ));
    }
    let size = page_size(input.max_results, 10, 10)?;
    for filter in &input.parameter_filters {
        filter.check(&["Type", "KeyId", "Label"])?;
    }
    allow(state, call, "GetParametersByPath", &input.path)?;
    let prefix = format!("{}/", input.path.trim_end_matches('/'));
    let from = after(input.next_token.as_deref())?;
    let items = under(state, call, &prefix, from)?
        .filter(|p| {
            input.recursive || !p.name.get(prefix.len()..).unwrap_or_default().contains('/')
        })
        .filter_map(|p| Some((p, wanted_version(p, &input.parameter_filters)?)));
    let (items, next) = page(items, size, |(p, _)| p.name.clone());
    let mut parameters = Vec::new();
    for (parameter, version) in items {
        decrypt(state, call, parameter, version, input.with_decryption)?;
        parameters.push(value_json(
            place(call)?,
            parameter,
            version,
            input.with_decryption,
            None,
        ));
    }
    Ok(with_token(json!({ "Parameters": parameters }), next))
}

/// The version with the label asked for, else the latest; `None` when a filter excludes it.
fn wanted_version<'a>(parameter: &'a Parameter, filters: &[Filter]) -> Option<&'a Version> {
    let label = filters.iter().find(|f| f.is_label());
    let version = match label {
        Some(f) => parameter
            .versions
            .iter()
            .rev()
            .find(|v| v.labels.iter().any(|l| f.has(l))),
        None => parameter.latest(),
    }?;
    matches_all(filters, parameter, version).then_some(version)
}

/// # Errors
/// When more is asked for than the API gives at once.
pub(super) fn page_size(
    asked: Option<usize>,
    default: usize,
    max: usize,
) -> Result<usize, ApiError> {
    let size = asked.unwrap_or(default);
    if (1..=max).contains(&size) {
        return Ok(size);
    }
    let limit = format!("Member must have value between 1 and {max}, inclusive");
    Err(invalid(
        "ValidationException",
        Some(&size.to_string()),
        "maxResults",
        &limit,
    ))
}

/// The caller's parameters whose names begin with `prefix`, in order, from after `from`.
pub(super) fn under<'a>(
    state: &'a State,
    call: &Call,
    prefix: &str,
    from: Option<String>,
) -> Result<impl Iterator<Item = &'a Parameter> + use<'a>, ApiError> {
    let (account, region, prefix) = super::key(call, prefix)?;
    let start = match from {
        Some(name) if name >= prefix => Bound::Excluded((account.clone(), region.clone(), name)),
        _ => Bound::Included((account.clone(), region.clone(), prefix.clone())),
    };
    Ok(state
        .parameters
        .range((start, Bound::Unbounded))
        .take_while(move |((a, r, n), _)| *a == account && *r == region && n.starts_with(&prefix))
        .map(|(_, p)| p))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct History {
    name: String,
    #[serde(default)]
    with_decryption: bool,
    max_results: Option<usize>,
    next_token: Option<String>,
}

pub(super) fn history(state: &State, call: &Call, input: History) -> Result<Value, ApiError> {
    let size = page_size(input.max_results, 50, 50)?;
    let wanted = Wanted::parse(state, call, &input.name)?;
    allow(state, call, "GetParameterHistory", &wanted.name)?;
    let (parameter, _) = Wanted {
        selector: None,
        ..wanted
    }
    .find(state, call)?;
    let from = after(input.next_token.as_deref())?
        .and_then(|n| n.parse::<u64>().ok())
        .unwrap_or(0);
    let versions = parameter.versions.iter().filter(|v| v.number > from);
    let (versions, next) = page(versions, size, |v| v.number.to_string());
    let mut out = Vec::new();
    for version in versions {
        decrypt(state, call, parameter, version, input.with_decryption)?;
        let mut json = metadata_json(place(call)?, parameter, version);
        let value = value_json(
            place(call)?,
            parameter,
            version,
            input.with_decryption,
            None,
        );
        if let (Some(json), Some(value)) = (json.as_object_mut(), value.get("Value")) {
            json.remove("ARN");
            json.insert("Value".to_owned(), value.clone());
            json.insert(
                "Labels".to_owned(),
                version.labels.iter().cloned().collect(),
            );
        }
        out.push(json);
    }
    Ok(with_token(json!({ "Parameters": out }), next))
}

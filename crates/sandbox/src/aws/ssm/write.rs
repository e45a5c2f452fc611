//! Writing: put, delete, label.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::{Value, json};

use super::super::dispatch::Call;
use super::super::kms::Place;
use super::super::protocol::{ApiError, invalid};
use super::super::state::State;
use super::name::Wanted;
use super::read::check_count;
use super::record::{Kind, MANAGED_KEY, Parameter, Version, ciphertext};
use super::tags::{self, Tag};
use super::{allow, allow_key, invalid_key, key, place, validation};

/// Versions kept of a parameter.
const MAX_VERSIONS: usize = 100;

/// The input of `PutParameter`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(in super::super) struct Put {
    pub name: String,
    pub value: String,
    pub r#type: Option<Kind>,
    pub key_id: Option<String>,
    #[serde(default)]
    pub overwrite: bool,
    pub description: Option<String>,
    pub allowed_pattern: Option<String>,
    pub tier: Option<String>,
    pub data_type: Option<String>,
    #[serde(default)]
    pub tags: Vec<Tag>,
}

pub(super) fn put_checked(state: &mut State, call: &Call, input: Put) -> Result<Value, ApiError> {
    super::name::check(&input.name)?;
    allow(state, call, "PutParameter", &input.name)?;
    if !input.tags.is_empty() {
        allow(state, call, "AddTagsToResource", &input.name)?;
    }
    let latest = state
        .parameters
        .get(&key(call, &input.name)?)
        .and_then(Parameter::latest);
    if input.r#type.or(latest.map(|v| v.kind)) == Some(Kind::SecureString) {
        let advanced = input.tier.as_deref() == Some("Advanced");
        let action = if advanced {
            "kms:GenerateDataKey"
        } else {
            "kms:Encrypt"
        };
        let old = latest.and_then(|v| v.key_id.as_deref());
        let key_id = input.key_id.as_deref().or(old).unwrap_or(MANAGED_KEY);
        allow_key(state, call, action, key_id, &input.name)?;
    }
    let user = call.identity()?.arn.to_string();
    let (version, advanced) = put(state, place(call)?, input, &user, call.now)?;
    Ok(json!({ "Version": version, "Tier": if advanced { "Advanced" } else { "Standard" } }))
}

/// Writes a parameter without asking who may; returns its version and whether it is advanced.
pub(in super::super) fn put(
    state: &mut State,
    place: Place<'_>,
    input: Put,
    user: &str,
    now: i64,
) -> Result<(u64, bool), ApiError> {
    super::name::check(&input.name)?;
    let at = (
        place.account.to_owned(),
        place.region.to_owned(),
        input.name.clone(),
    );
    let old = state.parameters.get(&at);
    let latest = old.and_then(Parameter::latest);
    check_overwrite(&input, latest)?;
    let full = old.is_some_and(|p| p.versions.len() >= MAX_VERSIONS);
    let labelled = |p: &Parameter| p.versions.first().is_some_and(|v| !v.labels.is_empty());
    if full && old.is_some_and(labelled) {
        return Err(ApiError::bad(
            "ParameterMaxVersionLimitExceeded",
            "You attempted to create a new version of a parameter that has 100 versions and whose oldest version has a label. Move the label to another version and try again.",
        ));
    }
    let name = input.name.clone();
    let (version, tags) = version(state, place, input, latest, user, now)?;
    let (number, advanced) = (version.number, version.advanced);
    let parameter = state.parameters.entry(at).or_insert_with(|| Parameter {
        name,
        versions: Vec::new(),
        tags: BTreeMap::new(),
    });
    if full {
        parameter.versions.remove(0);
    }
    parameter.versions.push(version);
    parameter.tags.extend(tags);
    Ok((number, advanced))
}

fn check_overwrite(input: &Put, latest: Option<&Version>) -> Result<(), ApiError> {
    if latest.is_some() && !input.overwrite {
        return Err(ApiError::bad(
            "ParameterAlreadyExists",
            "The parameter already exists. To overwrite this value, set the overwrite option in the request to true.",
        ));
    }
    if input.overwrite && !input.tags.is_empty() {
        return Err(validation(
            "Invalid request: tags and overwrite can't be used together. To create a parameter with tags, please remove overwrite flag. To update tags for an existing parameter, please use AddTagsToResource or RemoveTagsFromResource.",
        ));
    }
    Ok(())
}

/// The new version; what the input leaves out is taken over from the latest.
fn version(
    state: &State,
    place: Place<'_>,
    input: Put,
    latest: Option<&Version>,
    user: &str,
    now: i64,
) -> Result<(Version, BTreeMap<String, String>), ApiError> {
    let kind = kind(&input, latest)?;
    let advanced = tier(&input, latest.is_some_and(|v| v.advanced))?;
    check_value(&input, advanced)?;
    let key_id = key_id(state, place, &input, kind, latest)?;
    let secure = kind == Kind::SecureString;
    let version = Version {
        number: latest.map_or(1, |v| v.number + 1),
        ciphertext: if secure {
            ciphertext(input.value.len())
        } else {
            String::new()
        },
        value: input.value,
        kind,
        key_id,
        modified: now,
        user: user.to_owned(),
        description: input
            .description
            .or_else(|| latest.and_then(|v| v.description.clone())),
        pattern: input
            .allowed_pattern
            .or_else(|| latest.and_then(|v| v.pattern.clone())),
        advanced,
        data_type: input.data_type.unwrap_or_else(|| "text".to_owned()),
        labels: BTreeSet::new(),
    };
    Ok((version, tags::read(input.tags)?))
}

fn kind(input: &Put, latest: Option<&Version>) -> Result<Kind, ApiError> {
    match (input.r#type, latest) {
        (None, None) => Err(validation(
            "A parameter type is required when you create a parameter.",
        )),
        (None, Some(v)) => Ok(v.kind),
        (Some(new), Some(v)) if (new == Kind::SecureString) != (v.kind == Kind::SecureString) => {
            Err(ApiError::bad(
                "HierarchyTypeMismatchException",
                "Parameter Store doesn't support changing a parameter type in a hierarchy. For example, you can't change a parameter from a String type to a SecureString type. You must create a new, unique parameter.",
            ))
        }
        (Some(new), _) => Ok(new),
    }
}

fn tier(input: &Put, was_advanced: bool) -> Result<bool, ApiError> {
    match input.tier.as_deref() {
        None => Ok(was_advanced),
        Some("Standard") if was_advanced => Err(validation(
            "This parameter uses the advanced-parameter tier. You can't downgrade a parameter from the advanced-parameter tier to the standard-parameter tier. If necessary, you can delete the advanced parameter and recreate it as a standard parameter.",
        )),
        Some("Standard") => Ok(false),
        Some("Advanced") => Ok(true),
        Some("Intelligent-Tiering") => Ok(was_advanced || input.value.len() > 4096),
        Some(other) => Err(invalid(
            "ValidationException",
            Some(other),
            "tier",
            "Member must satisfy enum value set: [Standard, Advanced, Intelligent-Tiering]",
        )),
    }
}

/// The value never stands in a refusal.
fn check_value(input: &Put, advanced: bool) -> Result<(), ApiError> {
    if input.value.is_empty() {
        return Err(invalid(
            "ValidationException",
            Some(""),
            "value",
            "Member must have length greater than or equal to 1",
        ));
    }
    let size = input.value.len();
    if advanced && size > 8192 {
        return Err(validation(
            "Advanced tier parameters support a maximum parameter value of 8192 characters.",
        ));
    }
    if !advanced && size > 4096 {
        return Err(validation(
            "Standard tier parameters support a maximum parameter value of 4096 characters. To create a larger parameter value, upgrade the parameter to use the advanced-parameter tier. For more information, see https://docs.aws.amazon.com/systems-manager/latest/userguide/parameter-store-advanced-parameters.html",
        ));
    }
    if let Some(pattern) = &input.allowed_pattern {
        let regex = regex::RegexBuilder::new(&format!("^(?:{pattern})$"))
            .size_limit(1 << 20)
            .build()
            .map_err(|_| {
                ApiError::bad(
                    "InvalidAllowedPatternException",
                    "The request doesn't meet the regular expression requirement.",
                )
            })?;
        if !regex.is_match(&input.value) {
            let text =
                format!("Parameter value, cannot be validated against allowedPattern: {pattern}");
            return Err(ApiError::bad("ParameterPatternMismatchException", text));
        }
    }
    Ok(())
}

fn key_id(
    state: &State,
    place: Place<'_>,
    input: &Put,
    kind: Kind,
    latest: Option<&Version>,
) -> Result<Option<String>, ApiError> {
    if kind != Kind::SecureString {
        return match &input.key_id {
            Some(_) => Err(validation(
                "KeyId is required for SecureString type parameter only.",
            )),
            None => Ok(None),
        };
    }
    match &input.key_id {
        Some(id) if id != MANAGED_KEY => {
            state.keys.find(place, id).ok_or_else(|| invalid_key(id))?;
            Ok(Some(id.clone()))
        }
        Some(_) => Ok(Some(MANAGED_KEY.to_owned())),
        None => Ok(latest
            .and_then(|v| v.key_id.clone())
            .or_else(|| Some(MANAGED_KEY.to_owned()))),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct DeleteOne {
    name: String,
}

pub(super) fn delete_one(
    state: &mut State,
    call: &Call,
    input: DeleteOne,
) -> Result<Value, ApiError> {
    let wanted = Wanted::parse(state, call, &input.name)?;
    allow(state, call, "DeleteParameter", &wanted.name)?;
    state
        .parameters
        .remove(&key(call, &wanted.name)?)
        .ok_or_else(super::not_found)?;
    Ok(json!({}))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct DeleteMany {
    names: Vec<String>,
}

pub(super) fn delete_many(
    state: &mut State,
    call: &Call,
    input: DeleteMany,
) -> Result<Value, ApiError> {
    check_count(&input.names)?;
    for name in &input.names {
        allow(state, call, "DeleteParameters", name)?;
    }
    let (mut deleted, mut missing) = (Vec::new(), Vec::new());
    for name in input.names {
        match state.parameters.remove(&key(call, &name)?) {
            Some(_) => deleted.push(name),
            None => missing.push(name),
        }
    }
    Ok(json!({ "DeletedParameters": deleted, "InvalidParameters": missing }))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Label {
    name: String,
    parameter_version: Option<u64>,
    labels: Vec<String>,
}

/// A label sits on one version; setting it moves it.
pub(super) fn label(state: &mut State, call: &Call, input: Label) -> Result<Value, ApiError> {
    let wanted = Wanted::parse(state, call, &input.name)?;
    allow(state, call, "LabelParameterVersion", &wanted.name)?;
    let parameter = state
        .parameters
        .get_mut(&key(call, &wanted.name)?)
        .ok_or_else(super::not_found)?;
    let number = input
        .parameter_version
        .or_else(|| parameter.latest().map(|v| v.number))
        .unwrap_or_default();
    if !parameter.versions.iter().any(|v| v.number == number) {
        let text = format!(
            "Systems Manager could not find version {number} of {}. Verify the version and try again.",
            wanted.name
        );
        return Err(ApiError::bad("ParameterVersionNotFound", text));
    }
    let (good, bad): (Vec<String>, Vec<String>) =
        input.labels.into_iter().partition(|l| is_label(l));
    let here = parameter.versions.iter().find(|v| v.number == number);
    let labels: BTreeSet<&String> = here
        .into_iter()
        .flat_map(|v| &v.labels)
        .chain(&good)
        .collect();
    if labels.len() > 10 {
        return Err(ApiError::bad(
            "ParameterVersionLabelLimitExceeded",
            "A parameter version can have a maximum of ten labels.",
        ));
    }
    for version in &mut parameter.versions {
        version.labels.retain(|l| !good.contains(l));
        if version.number == number {
            version.labels.extend(good.iter().cloned());
        }
    }
    Ok(json!({ "InvalidLabels": bad, "ParameterVersion": number }))
}

fn is_label(label: &str) -> bool {
    let lower = label.to_ascii_lowercase();
    let starts = label.chars().next().is_some_and(|c| !c.is_ascii_digit());
    let valid = label
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c));
    starts && valid && label.len() <= 100 && !lower.starts_with("aws") && !lower.starts_with("ssm")
}

//! Names of parameters: their rules, and the version or label that may follow one.

use keyless_trust::aws::Arn;

use super::super::dispatch::Call;
use super::super::protocol::{ApiError, invalid};
use super::super::state::State;
use super::record::{Parameter, Version};
use super::{key, validation};

const RULE: &str = "Parameter name: can't be prefixed with \"ssm\" (case-insensitive). If formed as a path, it can consist of sub-paths divided by slash symbol; each sub-path can be formed as a mix of letters, numbers and the following 3 symbols .-_";

/// Checks the name of a parameter to be written.
pub(super) fn check(name: &str) -> Result<(), ApiError> {
    if name.is_empty() || name.len() > 2048 {
        return Err(invalid(
            "ValidationException",
            Some(name),
            "name",
            "Member must have length between 1 and 2048, inclusive",
        ));
    }
    let lower = name.trim_start_matches('/').to_ascii_lowercase();
    if lower.starts_with("aws") {
        // AWS says this for the names it keeps for itself.
        return Err(ApiError::bad(
            "AccessDeniedException",
            format!("No access to reserved parameter name: {name}."),
        ));
    }
    let valid = |c: char| c.is_ascii_alphanumeric() || "_.-/".contains(c);
    if lower.starts_with("ssm")
        || !name.chars().all(valid)
        || name.contains("//")
        || name.ends_with('/')
    {
        return Err(validation(RULE));
    }
    if name.contains('/') && !name.starts_with('/') {
        return Err(validation("Parameter name must be a fully qualified name."));
    }
    if name.matches('/').count() > 15 {
        let text = "The hierarchy can have a maximum of 15 levels. For more information, see Requirements and constraints for parameter names in the AWS Systems Manager User Guide.";
        return Err(ApiError::bad("HierarchyLevelLimitExceededException", text));
    }
    Ok(())
}

/// A name as given to a reading API: the parameter's own name and what selects a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    pub name: String,
    /// `:3` or `:label`, with the colon.
    pub selector: Option<String>,
}

impl Wanted {
    /// Splits `name`, `name:3`, `name:label`, or an ARN with either.
    pub fn parse(state: &State, call: &Call, text: &str) -> Result<Self, ApiError> {
        let valid = |c: char| c.is_ascii_alphanumeric() || "_.-/:".contains(c);
        if text.is_empty() || text.len() > 2048 || !text.chars().all(valid) {
            return Err(validation(RULE));
        }
        let (name, selector) = match Arn::parse(text) {
            Ok(arn) if text.starts_with("arn:") => {
                if arn.service != "ssm"
                    || arn.account != call.account()?
                    || arn.region != call.region
                {
                    return Err(super::not_found());
                }
                let rest = arn
                    .resource
                    .strip_prefix("parameter")
                    .ok_or_else(|| validation(RULE))?;
                let (path, selector) = split(rest);
                // The ARN of `name` and that of `/name` are the same.
                let bare = path.trim_start_matches('/');
                let nested =
                    bare.contains('/') || !state.parameters.contains_key(&key(call, bare)?);
                (
                    if nested {
                        path.to_owned()
                    } else {
                        bare.to_owned()
                    },
                    selector,
                )
            }
            _ => {
                let (name, selector) = split(text);
                (name.to_owned(), selector)
            }
        };
        Ok(Self { name, selector })
    }

    /// The version meant.
    pub fn find<'a>(
        &self,
        state: &'a State,
        call: &Call,
    ) -> Result<(&'a Parameter, &'a Version), ApiError> {
        let parameter = state
            .parameters
            .get(&key(call, &self.name)?)
            .ok_or_else(super::not_found)?;
        let selector = self.selector.as_deref().and_then(|s| s.strip_prefix(':'));
        let version = match selector {
            None => parameter.latest(),
            Some(s) => match s.parse::<u64>() {
                Ok(number) => parameter.versions.iter().find(|v| v.number == number),
                Err(_) => parameter.versions.iter().find(|v| v.labels.contains(s)),
            },
        };
        let version = version.ok_or_else(|| {
            let what = selector.unwrap_or_default();
            ApiError::bad(
                "ParameterVersionNotFound",
                format!("Systems Manager could not find version {what} of {}. Verify the version and try again.", self.name),
            )
        })?;
        Ok((parameter, version))
    }
}

fn split(text: &str) -> (&str, Option<String>) {
    match text.split_once(':') {
        Some((name, selector)) => (name, Some(format!(":{selector}"))),
        None => (text, None),
    }
}

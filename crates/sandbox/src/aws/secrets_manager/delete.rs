//! Deletion, which takes time, and its undoing.

use keyless_trust::aws::Context;
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::dispatch::Call;
use super::super::protocol::ApiError;
use super::super::state::State;
use super::{allowed, invalid_parameter, invalid_request, name, place, with_identity};

const DAY: i64 = 86_400;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Delete {
    secret_id: String,
    recovery_window_in_days: Option<i64>,
    #[serde(default)]
    force_delete_without_recovery: bool,
}

pub(super) fn delete(state: &mut State, call: &Call, input: Delete) -> Result<Value, ApiError> {
    let days = input.recovery_window_in_days;
    if input.force_delete_without_recovery && days.is_some() {
        return Err(invalid_parameter(
            "You can't use ForceDeleteWithoutRecovery in conjunction with RecoveryWindowInDays.",
        ));
    }
    let days = days.unwrap_or(30);
    if !(7..=30).contains(&days) {
        return Err(invalid_parameter(
            "The RecoveryWindowInDays value must be between 7 and 30 days (inclusive).",
        ));
    }
    let mut facts = Context::new();
    facts.set(
        "secretsmanager:ForceDeleteWithoutRecovery",
        input.force_delete_without_recovery.to_string(),
    );
    if !input.force_delete_without_recovery {
        facts.set("secretsmanager:RecoveryWindowInDays", days.to_string());
    }
    let key = match allowed(state, call, &input.secret_id, &facts) {
        Ok(secret) => {
            if secret.region != call.region {
                return Err(super::replica());
            }
            if !secret.replicas.is_empty() {
                return Err(invalid_request(
                    "You can't delete secret that still has replica regions.",
                ));
            }
            (
                secret.account.clone(),
                secret.region.clone(),
                secret.name.clone(),
            )
        }
        // What does not exist is as good as deleted.
        Err(error)
            if input.force_delete_without_recovery
                && error.code == "ResourceNotFoundException"
                && !input.secret_id.starts_with("arn:") =>
        {
            return Ok(json!({"Name": input.secret_id, "DeletionDate": call.now as f64}));
        }
        Err(error) => return Err(error),
    };
    if input.force_delete_without_recovery {
        let gone = state.secrets.remove(&key).map(|s| s.arn(&call.region));
        return Ok(json!({"ARN": gone, "Name": key.2, "DeletionDate": call.now as f64}));
    }
    let secret = state.secrets.get_mut(&key).ok_or_else(super::not_found)?;
    if secret.deleted.is_some() {
        return Err(invalid_request(
            "You can't perform this operation on the secret because it was already scheduled for deletion.",
        ));
    }
    let gone = call.now + days * DAY;
    secret.deleted = Some(call.now);
    secret.gone = Some(gone);
    Ok(json!({"ARN": secret.arn(&call.region), "Name": secret.name, "DeletionDate": gone as f64}))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Restore {
    secret_id: String,
}

pub(super) fn restore(state: &mut State, call: &Call, input: Restore) -> Result<Value, ApiError> {
    allowed(state, call, &input.secret_id, &Context::new())?;
    let key = name::key(&state.secrets, place(call)?, &input.secret_id)?;
    let secret = key
        .and_then(|key| state.secrets.get_mut(&key))
        .ok_or_else(super::not_found)?;
    secret.deleted = None;
    secret.gone = None;
    Ok(with_identity(secret, &call.region))
}

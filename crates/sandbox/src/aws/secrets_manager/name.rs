//! Names of secrets: their rules, and what an id may be: a name, an ARN, or an ARN without its
//! six characters.

use keyless_trust::aws::Arn;

use super::super::kms::Place;
use super::super::protocol::{ApiError, invalid};
use super::record::Secret;
use super::{Secrets, not_found};

/// Checks the name of a secret to be made.
pub(super) fn check(name: &str) -> Result<(), ApiError> {
    if name.is_empty() || name.len() > 512 {
        return Err(invalid(
            "ValidationException",
            Some(name),
            "Name",
            "Member must have length between 1 and 512, inclusive",
        ));
    }
    if name.chars().all(valid) {
        return Ok(());
    }
    Err(ApiError::bad(
        "ValidationException",
        "Invalid name. Must be a valid name containing alphanumeric characters, or any of the following: -/_+=.@!",
    ))
}

fn valid(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-/_+=.@!".contains(c)
}

/// The secret that `id` names in `place`; an ARN may name another account's.
///
/// # Errors
/// `ValidationException` for an id that can be none, `ResourceNotFoundException` for an ARN of
/// another region or service.
pub(in super::super) fn find<'a>(
    secrets: &'a Secrets,
    place: Place<'_>,
    id: &str,
) -> Result<Option<&'a Secret>, ApiError> {
    Ok(key(secrets, place, id)?.and_then(|key| secrets.get(&key)))
}

/// As [`find`], for the place in the store.
pub(super) fn key(
    secrets: &Secrets,
    place: Place<'_>,
    id: &str,
) -> Result<Option<(String, String, String)>, ApiError> {
    if id.is_empty() || id.len() > 2048 {
        return Err(invalid(
            "ValidationException",
            Some(id),
            "SecretId",
            "Member must have length between 1 and 2048, inclusive",
        ));
    }
    if !id.starts_with("arn:") {
        if !id.chars().all(valid) {
            return Err(ApiError::bad(
                "ValidationException",
                "Invalid name. Must be a valid name containing alphanumeric characters, or any of the following: -/_+=.@!",
            ));
        }
        return Ok(named(secrets, place.account, place.region, id));
    }
    let arn = Arn::parse(id).map_err(|_| not_found())?;
    let Some(rest) = arn.resource.strip_prefix("secret:") else {
        return Err(not_found());
    };
    if arn.service != "secretsmanager" || arn.region != place.region {
        return Err(not_found());
    }
    let whole = rest.rsplit_once('-').and_then(|(name, suffix)| {
        let key = named(secrets, &arn.account, &arn.region, name)?;
        secrets.get(&key).filter(|s| s.suffix == suffix)?;
        Some(key)
    });
    Ok(whole.or_else(|| named(secrets, &arn.account, &arn.region, rest)))
}

/// In its own region, or as a replica.
fn named(
    secrets: &Secrets,
    account: &str,
    region: &str,
    name: &str,
) -> Option<(String, String, String)> {
    let own = (account.to_owned(), region.to_owned(), name.to_owned());
    if secrets.contains_key(&own) {
        return Some(own);
    }
    secrets
        .iter()
        .find(|(_, s)| s.account == account && s.name == name && s.replicas.contains_key(region))
        .map(|(key, _)| key.clone())
}

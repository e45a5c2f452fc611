//! One secret, one version, one payload.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::super::answer::Answer;
use super::super::state::State;
use super::crc32c::crc32c;
use super::name::SecretName;
use super::record::{Secret, Version, VersionState};

pub(super) fn missing(name: &SecretName) -> Answer {
    Answer::error("NOT_FOUND", format!("Secret [{name}] not found."))
}

pub(super) fn missing_version(name: &SecretName, version: &str) -> Answer {
    Answer::error(
        "NOT_FOUND",
        if version == "latest" {
            format!("Secret [{name}] not found or has no versions.")
        } else {
            format!("Secret Version [{name}/versions/{version}] not found.")
        },
    )
}

pub(super) fn find<'a>(state: &'a State, name: &SecretName) -> Result<&'a Secret, Answer> {
    state
        .secrets
        .get(&name.to_string())
        .ok_or_else(|| missing(name))
}

/// What conditions are told of a version: its number, or what the caller wrote.
pub(super) fn number(secret: Option<&Secret>, version: &str) -> String {
    secret
        .and_then(|secret| secret.number(version))
        .map_or_else(|| version.to_owned(), |number| number.to_string())
}

pub(super) fn secret(state: &State, name: &SecretName) -> Result<Answer, Answer> {
    Ok(Answer::ok(find(state, name)?.show()))
}

fn find_version<'a>(
    state: &'a State,
    name: &SecretName,
    version: &str,
) -> Result<(&'a Secret, u64, &'a Version), Answer> {
    let gone = || missing_version(name, version);
    let secret = state.secrets.get(&name.to_string()).ok_or_else(gone)?;
    let number = secret.number(version).ok_or_else(gone)?;
    let found = secret.version(number).ok_or_else(gone)?;
    Ok((secret, number, found))
}

pub(super) fn version(state: &State, name: &SecretName, version: &str) -> Result<Answer, Answer> {
    let (secret, number, found) = find_version(state, name, version)?;
    Ok(Answer::ok(secret.show_version(number, found)))
}

pub(super) fn access(state: &State, name: &SecretName, version: &str) -> Result<Answer, Answer> {
    let (_, number, found) = find_version(state, name, version)?;
    if found.state != VersionState::Enabled {
        return Err(Answer::error(
            "FAILED_PRECONDITION",
            format!(
                "Secret Version [{name}/versions/{number}] is in {} state.",
                found.state
            ),
        ));
    }
    Ok(Answer::ok(json!({
        "name": format!("{name}/versions/{number}"),
        "payload": {
            "data": STANDARD.encode(&found.payload),
            // A 64-bit integer, which is text in JSON.
            "dataCrc32c": crc32c(&found.payload).to_string(),
        },
    })))
}

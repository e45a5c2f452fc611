//! The Resource Manager's errors that belong to no one kind of resource, with the texts that its
//! users report.

use super::super::answer::Answer;
use super::super::dispatch::Call;
use super::super::token::Claims;

pub(super) fn unauthenticated(tenant: &str, code: &str, message: String) -> Answer {
    let description = message.clone();
    Answer::error(401, code, message).with(
        "www-authenticate",
        format!(
            "Bearer authorization_uri=\"https://login.windows.net/{tenant}\", \
             error=\"invalid_token\", error_description=\"{description}\""
        ),
    )
}

pub(super) fn unauthorized(caller: &Claims, action: &str, scope: &str) -> Answer {
    let scope = if scope.is_empty() { "/" } else { scope };
    Answer::error(
        403,
        "AuthorizationFailed",
        format!(
            "The client '{}' with object id '{}' does not have authorization to perform action \
             '{action}' over scope '{scope}' or the scope is invalid. If access was recently \
             granted, please refresh your credentials.",
            caller.appid, caller.oid
        ),
    )
}

pub(super) fn no_version() -> Answer {
    Answer::error(
        400,
        "MissingApiVersionParameter",
        "The api-version query parameter (?api-version=) is required for all requests.",
    )
}

pub(super) fn bad_version(version: &str) -> Answer {
    Answer::error(
        400,
        "InvalidApiVersionParameter",
        format!("The api-version '{version}' is invalid."),
    )
}

pub(super) fn no_subscription(id: &str) -> Answer {
    Answer::error(
        404,
        "SubscriptionNotFound",
        format!("The subscription '{id}' could not be found."),
    )
}

pub(super) fn no_group(name: &str) -> Answer {
    Answer::error(
        404,
        "ResourceGroupNotFound",
        format!("Resource group '{name}' could not be found."),
    )
}

pub(super) fn no_resource(kind: &str, name: &str, group: &str) -> Answer {
    Answer::error(
        404,
        "ResourceNotFound",
        format!(
            "The Resource '{kind}/{name}' under resource group '{group}' was not found. For more \
             details please go to https://aka.ms/ARMResourceNotFoundFix"
        ),
    )
}

pub(super) fn bad_request(message: impl Into<String>) -> Answer {
    Answer::error(400, "BadRequest", message)
}

pub(super) fn nothing_here(call: &Call<'_>) -> Answer {
    Answer::error(
        404,
        "InvalidResourceType",
        format!("This emulator has nothing at '{}'.", call.uri.path()),
    )
}

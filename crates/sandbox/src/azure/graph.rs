//! Microsoft Graph: the directory, as far as the Resource Manager's clients ask it for names.
//!
//! Owns: applications and service principals by their ids. Refuses: writing, users and groups.

use serde_json::{Value, json};

use super::answer::Answer;
use super::dispatch::Call;
use super::state::Client;
use super::{Azure, token};

/// What tokens for Graph are meant for.
pub(super) const RESOURCE: &str = "https://graph.microsoft.com";

/// Whether a path is Graph's, under a host that names no service.
pub(super) fn is_path(path: &[&str]) -> bool {
    matches!(
        path,
        [
            "v1.0" | "beta",
            "directoryObjects" | "servicePrincipals" | "applications" | "me",
            ..
        ]
    )
}

/// The API that a call is for.
pub(super) fn api(call: &Call<'_>) -> &'static str {
    match call.path.as_slice() {
        [_, "directoryObjects", "getByIds"] => "GetByIds",
        [_, "servicePrincipals"] => "ListServicePrincipals",
        [_, "servicePrincipals", _] => "GetServicePrincipal",
        _ => "Unknown",
    }
}

pub(super) fn call(azure: &Azure, api: &str, call: &Call<'_>) -> Answer {
    let refused = |message: &str| Answer::error(401, "InvalidAuthenticationToken", message);
    let bearer = call.authorization.and_then(|h| h.split_once(' '));
    let Some((_, bearer)) = bearer else {
        return refused("Access token is empty.");
    };
    let Some(claims) = token::read(azure, bearer.trim()) else {
        return refused("Access token validation failure. Invalid signature.");
    };
    if claims.aud.trim_end_matches('/') != RESOURCE {
        return refused("Access token validation failure. Invalid audience.");
    }
    if claims.exp <= azure.now() {
        return refused("Lifetime validation failed, the token is expired.");
    }
    let state = azure.state();
    match (api, call.path.as_slice()) {
        ("GetByIds", _) => {
            let body = serde_json::from_slice::<Value>(call.body).unwrap_or_default();
            let ids = body.get("ids").and_then(Value::as_array);
            let ids: Vec<&str> = ids
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .collect();
            let found = state
                .clients
                .values()
                .filter(|c| ids.iter().any(|id| id.eq_ignore_ascii_case(&c.object_id)));
            Answer::ok(json!({"value": found.map(show).collect::<Vec<_>>()}))
        }
        ("ListServicePrincipals", _) => {
            // `az ad sp` and `az role assignment --assignee` look for a client id by this.
            let filter = call.query("$filter").unwrap_or_default();
            let found = state.clients.values().filter(|c| filter.contains(&c.id));
            Answer::ok(json!({"value": found.map(show).collect::<Vec<_>>()}))
        }
        ("GetServicePrincipal", [_, _, id]) => {
            let found = state.clients.values().find(|c| c.object_id == *id);
            found.map_or_else(|| missing(id), |client| Answer::ok(show(client)))
        }
        _ => missing(call.uri.path()),
    }
}

fn missing(what: &str) -> Answer {
    Answer::error(
        404,
        "Request_ResourceNotFound",
        format!(
            "Resource '{what}' does not exist or one of its queried reference-property objects \
             are not present."
        ),
    )
}

fn show(client: &Client) -> Value {
    let kind = match client.managed {
        Some(_) => "ManagedIdentity",
        None => "Application",
    };
    json!({
        "@odata.type": "#microsoft.graph.servicePrincipal",
        "id": client.object_id,
        "appId": client.id,
        "displayName": client.name,
        "servicePrincipalType": kind,
        "servicePrincipalNames": [client.id],
    })
}

//! What resources live in: the tenant, the subscription, its providers, regions and groups.

use http::Method;
use serde_json::{Value, json};

use super::super::Azure;
use super::super::answer::Answer;
use super::super::state::{Group, State};
use super::{
    LOCATIONS, Request, created, identities, location, nothing, page, refusal, tags, vaults,
};

/// What can be made here, by provider.
const PROVIDERS: [(&str, &[&str]); 4] = [
    (
        "Microsoft.Authorization",
        &["roleAssignments", "roleDefinitions"],
    ),
    ("Microsoft.KeyVault", &["vaults", "vaults/accessPolicies"]),
    (
        "Microsoft.ManagedIdentity",
        &[
            "userAssignedIdentities",
            "userAssignedIdentities/federatedIdentityCredentials",
        ],
    ),
    (
        "Microsoft.Resources",
        &["resourceGroups", "subscriptions", "tenants"],
    ),
];

pub(super) fn tenants(azure: &Azure) -> Answer {
    let id = azure.tenant();
    page(vec![json!({
        "id": format!("/tenants/{id}"),
        "tenantId": id,
        "displayName": "keyless sandbox",
        "defaultDomain": "sandbox.onmicrosoft.com",
        "domains": ["sandbox.onmicrosoft.com"],
        "tenantCategory": "Home",
    })])
}

pub(super) fn subscription(azure: &Azure) -> Value {
    let id = azure.subscription();
    json!({
        "id": format!("/subscriptions/{id}"),
        "subscriptionId": id,
        "tenantId": azure.tenant(),
        "displayName": "keyless sandbox",
        "state": "Enabled",
        "subscriptionPolicies": {"spendingLimit": "Off"},
        "authorizationSource": "RoleBased",
        "managedByTenants": [],
    })
}

/// A subscription is seen by whoever has any right in it.
pub(super) fn subscriptions(request: &Request<'_>, state: &State) -> Answer {
    let has = |a: &super::super::roles::Assignment| a.principal == request.caller.oid;
    let seen = state.assignments.iter().any(has);
    let values: Vec<Value> = seen
        .then(|| subscription(request.azure))
        .into_iter()
        .collect();
    let count = values.len();
    Answer::ok(json!({"value": values, "count": {"type": "Total", "value": count}}))
}

pub(super) fn locations(azure: &Azure) -> Answer {
    let values = LOCATIONS.iter().map(|name| {
        json!({
            "id": format!("/subscriptions/{}/locations/{name}", azure.subscription()),
            "name": name,
            "type": "Region",
            "displayName": name,
            "regionalDisplayName": name,
            "metadata": {"regionType": "Physical", "regionCategory": "Recommended"},
        })
    });
    page(values.collect())
}

pub(super) fn providers(azure: &Azure, name: Option<&str>) -> Result<Answer, Answer> {
    let show = |(name, types): &(&str, &[&str])| {
        let types = types.iter().map(|kind| {
            json!({
                "resourceType": kind,
                "locations": LOCATIONS,
                "apiVersions": ["2025-05-31-preview", "2024-11-30", "2023-07-01", "2022-04-01"],
            })
        });
        json!({
            "id": format!("/subscriptions/{}/providers/{name}", azure.subscription()),
            "namespace": name,
            "registrationState": "Registered",
            "registrationPolicy": "RegistrationRequired",
            "resourceTypes": types.collect::<Vec<_>>(),
        })
    };
    let Some(wanted) = name else {
        return Ok(page(PROVIDERS.iter().map(show).collect()));
    };
    let found = PROVIDERS
        .iter()
        .find(|(n, _)| n.eq_ignore_ascii_case(wanted));
    let found = found.ok_or_else(|| {
        Answer::error(
            404,
            "InvalidResourceNamespace",
            format!("The resource namespace '{wanted}' is invalid."),
        )
    })?;
    Ok(Answer::ok(show(found)))
}

/// Refuses a group that is not there.
pub(super) fn known<'a>(state: &'a State, name: &str) -> Result<&'a Group, Answer> {
    let found = state.groups.get(&name.to_ascii_lowercase());
    found.ok_or_else(|| refusal::no_group(name))
}

fn show(subscription: &str, group: &Group) -> Value {
    json!({
        "id": format!("/subscriptions/{subscription}/resourceGroups/{}", group.name),
        "name": group.name,
        "type": "Microsoft.Resources/resourceGroups",
        "location": group.location,
        "tags": group.tags,
        "properties": {"provisioningState": "Succeeded"},
    })
}

pub(super) fn list(request: &Request<'_>, state: &State) -> Answer {
    let id = request.subscription();
    let seen = state.groups.values().filter(|group| {
        let scope = format!("/subscriptions/{id}/resourceGroups/{}", group.name);
        let action = "Microsoft.Resources/subscriptions/resourceGroups/read";
        request.may(state, action, &scope)
    });
    page(seen.map(|group| show(id, group)).collect())
}

pub(super) fn one(request: &Request<'_>, state: &mut State, name: &str) -> Result<Answer, Answer> {
    let id = request.subscription();
    match *request.call.method {
        Method::HEAD => Ok(match known(state, name) {
            Ok(_) => nothing(),
            Err(refused) => refused,
        }),
        Method::GET => known(state, name).map(|group| Answer::ok(show(id, group))),
        Method::PUT => {
            let body = request.body()?;
            let old = known(state, name).ok().cloned();
            let place = location(&body, old.as_ref().map(|g| g.location.as_str()), name, name)?;
            let group = Group {
                name: old.as_ref().map_or(name, |g| g.name.as_str()).to_owned(),
                location: place,
                tags: tags(&body),
            };
            let shown = show(id, &group);
            state.groups.insert(name.to_ascii_lowercase(), group);
            Ok(match old {
                Some(_) => Answer::ok(shown),
                None => created(shown),
            })
        }
        Method::DELETE => {
            known(state, name)?;
            let full = !identities::in_group(request, state, Some(name)).is_empty()
                || !vaults::in_group(request, state, Some(name)).is_empty();
            // Azure would delete them all; here that would take a test's world away by mistake.
            if full {
                return Err(Answer::error(
                    409,
                    "ResourceGroupDeletionBlocked",
                    format!("This emulator deletes empty groups only, and '{name}' is not empty."),
                ));
            }
            state.groups.remove(&name.to_ascii_lowercase());
            Ok(Answer::ok(Value::Null))
        }
        ref other => Err(super::not_allowed(other)),
    }
}

/// Everything that the caller may read, by `resourceType` and `name` if they are asked for.
pub(super) fn resources(
    request: &Request<'_>,
    state: &State,
    group: Option<&str>,
) -> Result<Answer, Answer> {
    let filter = request.call.query("$filter").unwrap_or_default();
    let (mut kind, mut name) = (None, None);
    for condition in filter.split(" and ").filter(|c| !c.trim().is_empty()) {
        let quoted = |field: &str| {
            let rest = condition.trim().strip_prefix(field)?.trim();
            let rest = rest.strip_prefix("eq")?.trim();
            Some(rest.strip_prefix('\'')?.strip_suffix('\'')?.to_owned())
        };
        match (quoted("resourceType"), quoted("name")) {
            (Some(wanted), _) => kind = Some(wanted),
            (_, Some(wanted)) => name = Some(wanted),
            _ => {
                return Err(Answer::error(
                    400,
                    "InvalidFilterInQueryString",
                    format!("Invalid $filter '{filter}' specified in the query string."),
                ));
            }
        }
    }
    let mut all = identities::in_group(request, state, group);
    all.extend(vaults::in_group(request, state, group));
    all.retain(|resource| {
        let is = |field: &str, wanted: &Option<String>| {
            let value = resource
                .get(field)
                .and_then(Value::as_str)
                .unwrap_or_default();
            wanted
                .as_deref()
                .is_none_or(|w| w.eq_ignore_ascii_case(value))
        };
        let text = |field: &str| {
            resource
                .get(field)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        is("type", &kind)
            && is("name", &name)
            && request.may(state, &format!("{}/read", text("type")), text("id"))
    });
    for resource in &mut all {
        if let Some(fields) = resource.as_object_mut() {
            fields.remove("properties");
        }
    }
    Ok(page(all))
}

//! Vaults as resources: the access model, access policies, and their creation.

use http::Method;
use serde_json::{Map, Value, json};

use super::super::answer::Answer;
use super::super::roles;
use super::super::state::{Placement, State};
use super::super::vault::{Access, Policy, Vault};
use super::{Request, created, location, nothing, page, refusal, tags};

pub(super) const KIND: &str = "Microsoft.KeyVault/vaults";

/// The most access policies of one vault.
const MAX_POLICIES: usize = 1024;

/// Permissions by their kind in an access policy.
const SECRETS: &[&str] = &[
    "all", "get", "list", "set", "delete", "backup", "restore", "recover", "purge",
];
const KEYS: &[&str] = &[
    "all",
    "encrypt",
    "decrypt",
    "wrapKey",
    "unwrapKey",
    "sign",
    "verify",
    "get",
    "list",
    "create",
    "update",
    "import",
    "delete",
    "backup",
    "restore",
    "recover",
    "purge",
    "release",
    "rotate",
    "getrotationpolicy",
    "setrotationpolicy",
];
const CERTIFICATES: &[&str] = &[
    "all",
    "get",
    "list",
    "delete",
    "create",
    "import",
    "update",
    "managecontacts",
    "getissuers",
    "listissuers",
    "setissuers",
    "deleteissuers",
    "manageissuers",
    "recover",
    "purge",
    "backup",
    "restore",
];

fn policies(request: &Request<'_>, vault: &Vault) -> Vec<Value> {
    let tenant = request.azure.tenant();
    let show = |(object, policy): (&String, &Policy)| {
        let mut permissions = Map::new();
        for (kind, verbs) in [
            ("keys", &policy.keys),
            ("secrets", &policy.secrets),
            ("certificates", &policy.certificates),
        ] {
            if !verbs.is_empty() {
                permissions.insert(kind.to_owned(), json!(verbs));
            }
        }
        json!({"tenantId": tenant, "objectId": object, "permissions": permissions})
    };
    vault.policies.iter().map(show).collect()
}

fn show(request: &Request<'_>, vault: &Vault) -> Value {
    let mut properties = vault.properties.clone();
    for (name, value) in [
        ("tenantId", json!(request.azure.tenant())),
        (
            "vaultUri",
            json!(format!("https://{}.vault.azure.net/", vault.name)),
        ),
        (
            "enableRbacAuthorization",
            json!(vault.access == Access::Roles),
        ),
        ("accessPolicies", json!(policies(request, vault))),
        (
            "publicNetworkAccess",
            json!(if vault.public { "Enabled" } else { "Disabled" }),
        ),
        ("provisioningState", json!("Succeeded")),
    ] {
        properties.insert(name.to_owned(), value);
    }
    for (name, value) in [
        ("sku", json!({"family": "A", "name": "standard"})),
        ("enableSoftDelete", json!(true)),
        ("softDeleteRetentionInDays", json!(90)),
    ] {
        properties.entry(name).or_insert(value);
    }
    json!({
        "id": vault.resource_id(request.subscription()),
        "name": vault.name,
        "type": KIND,
        "location": vault.place.location,
        "tags": vault.place.tags,
        "properties": properties,
    })
}

/// All of a group, or of the subscription.
pub(super) fn in_group(request: &Request<'_>, state: &State, group: Option<&str>) -> Vec<Value> {
    state
        .vaults
        .values()
        .filter(|v| group.is_none_or(|g| v.place.group.eq_ignore_ascii_case(g)))
        .map(|v| show(request, v))
        .collect()
}

pub(super) fn list(request: &Request<'_>, state: &State, group: Option<&str>) -> Answer {
    page(in_group(request, state, group))
}

fn find<'a>(state: &'a mut State, group: &str, name: &str) -> Result<&'a mut Vault, Answer> {
    state
        .vaults
        .get_mut(&name.to_ascii_lowercase())
        .filter(|v| v.place.group.eq_ignore_ascii_case(group))
        .ok_or_else(|| refusal::no_resource(KIND, name, group))
}

pub(super) fn one(
    request: &Request<'_>,
    state: &mut State,
    group: &str,
    name: &str,
) -> Result<Answer, Answer> {
    match *request.call.method {
        Method::GET => Ok(Answer::ok(show(request, find(state, group, name)?))),
        Method::PUT | Method::PATCH => write(request, state, group, name),
        Method::DELETE => {
            let Ok(vault) = find(state, group, name) else {
                return Ok(nothing());
            };
            // Azure keeps it, deleted, for 90 days; here the name is free at once.
            let id = vault.resource_id(request.subscription());
            state.vaults.remove(&name.to_ascii_lowercase());
            state.assignments.retain(|a| !roles::covers(&id, &a.scope));
            Ok(Answer::ok(Value::Null))
        }
        ref other => Err(super::not_allowed(other)),
    }
}

/// Creates a vault or changes one. What a PUT does not say of an existing one stays as it is,
/// except for its tags; the same is true of the access model.
fn write(
    request: &Request<'_>,
    state: &mut State,
    group: &str,
    name: &str,
) -> Result<Answer, Answer> {
    let body = request.body()?;
    let patch = *request.call.method == Method::PATCH;
    let old = find(state, group, name).ok().cloned();
    if patch && old.is_none() {
        return Err(refusal::no_resource(KIND, name, group));
    }
    if old.is_none() && state.vaults.contains_key(&name.to_ascii_lowercase()) {
        return Err(Answer::error(
            409,
            "VaultAlreadyExists",
            format!(
                "The vault name '{name}' is already in use. Vault names are globally unique so it \
                 is possible that the name is already taken."
            ),
        ));
    }
    if !is_name(name) {
        return Err(Answer::error(
            400,
            "VaultNameNotValid",
            format!(
                "The vault name '{name}' is invalid. A vault's name must be between 3-24 \
                 alphanumeric characters. The name must begin with a letter, end with a letter or \
                 digit, and not contain consecutive hyphens."
            ),
        ));
    }
    let at = old.as_ref().map(|v| v.place.location.as_str());
    let place = Placement {
        group: group.to_owned(),
        location: location(&body, at, name, group)?,
        tags: match &old {
            Some(old) if patch && body.get("tags").is_none() => old.place.tags.clone(),
            _ => tags(&body),
        },
    };
    let none = Map::new();
    let given = body.get("properties").and_then(Value::as_object);
    let given = given.unwrap_or(&none);
    if old.is_none() {
        let tenant = given.get("tenantId").and_then(Value::as_str);
        if !tenant.is_some_and(|t| t.eq_ignore_ascii_case(request.azure.tenant())) {
            return Err(refusal::bad_request(
                "The parameter tenantId is required and must be this tenant's.",
            ));
        }
        if given.get("sku").is_none() {
            return Err(refusal::bad_request("The parameter sku is required."));
        }
    }
    let mut vault = old
        .clone()
        .unwrap_or_else(|| Vault::new(name, place.clone(), Access::Roles));
    vault.place = place;
    let access = match given
        .get("enableRbacAuthorization")
        .and_then(Value::as_bool)
    {
        Some(true) => Access::Roles,
        Some(false) => Access::Policies,
        None => vault.access,
    };
    if access != vault.access && old.is_some() {
        // Who may not assign roles may not decide that they count.
        let id = vault.resource_id(request.subscription());
        request.require(state, "Microsoft.Authorization/roleAssignments/write", &id)?;
    }
    vault.access = access;
    if let Some(entries) = given.get("accessPolicies").filter(|v| !v.is_null()) {
        vault.policies = Default::default();
        replace(request, &mut vault, entries)?;
    }
    if let Some(wanted) = given.get("publicNetworkAccess").and_then(Value::as_str) {
        vault.public = wanted.eq_ignore_ascii_case("Enabled");
    }
    for (name, value) in given {
        const OWN: [&str; 7] = [
            "tenantId",
            "vaultUri",
            "enableRbacAuthorization",
            "accessPolicies",
            "provisioningState",
            "publicNetworkAccess",
            "hsmPoolResourceId",
        ];
        if !OWN.contains(&name.as_str()) && !value.is_null() {
            vault.properties.insert(name.clone(), value.clone());
        }
    }
    let shown = show(request, &vault);
    state.vaults.insert(name.to_ascii_lowercase(), vault);
    Ok(match old {
        Some(_) => Answer::ok(shown),
        None => created(shown),
    })
}

/// `PUT …/accessPolicies/{add|replace|remove}`.
pub(super) fn access_policies(
    request: &Request<'_>,
    state: &mut State,
    group: &str,
    name: &str,
    operation: &str,
) -> Result<Answer, Answer> {
    if *request.call.method != Method::PUT {
        return Err(super::not_allowed(request.call.method));
    }
    let body = request.body()?;
    let entries = body
        .pointer("/properties/accessPolicies")
        .unwrap_or(&Value::Null);
    let vault = find(state, group, name)?;
    let mut changed = vault.clone();
    match operation.to_ascii_lowercase().as_str() {
        "replace" => replace(request, &mut changed, entries)?,
        "add" => {
            for (object, policy) in read(request, entries)? {
                let old = changed.policies.entry(object).or_default();
                old.secrets.extend(policy.secrets);
                old.keys.extend(policy.keys);
                old.certificates.extend(policy.certificates);
            }
        }
        "remove" => {
            for (object, policy) in read(request, entries)? {
                let Some(old) = changed.policies.get_mut(&object) else {
                    continue;
                };
                let without =
                    |own: &mut std::collections::BTreeSet<String>,
                     taken: &std::collections::BTreeSet<String>| {
                        own.retain(|v| !taken.iter().any(|t| t.eq_ignore_ascii_case(v)));
                    };
                without(&mut old.secrets, &policy.secrets);
                without(&mut old.keys, &policy.keys);
                without(&mut old.certificates, &policy.certificates);
                if old.secrets.is_empty() && old.keys.is_empty() && old.certificates.is_empty() {
                    changed.policies.remove(&object);
                }
            }
        }
        other => {
            return Err(refusal::bad_request(format!(
                "The operation kind '{other}' is not add, replace or remove."
            )));
        }
    }
    if changed.policies.len() > MAX_POLICIES {
        return Err(too_many());
    }
    *vault = changed;
    Ok(Answer::ok(json!({
        "id": format!("{}/accessPolicies/", vault.resource_id(request.subscription())),
        "type": "Microsoft.KeyVault/vaults/accessPolicies",
        "properties": {"accessPolicies": policies(request, vault)},
    })))
}

fn too_many() -> Answer {
    refusal::bad_request(format!(
        "The vault has more than {MAX_POLICIES} access policies."
    ))
}

/// Puts policies in place of those of the same principals.
fn replace(request: &Request<'_>, vault: &mut Vault, entries: &Value) -> Result<(), Answer> {
    let read = read(request, entries)?;
    vault.policies.extend(read);
    if vault.policies.len() > MAX_POLICIES {
        return Err(too_many());
    }
    Ok(())
}

/// Access policies of a body, by object id in lower case.
fn read(request: &Request<'_>, entries: &Value) -> Result<Vec<(String, Policy)>, Answer> {
    let bad = |what: &str| {
        refusal::bad_request(format!(
            "An invalid value was provided for 'accessPolicies': {what}."
        ))
    };
    let entries = entries.as_array().ok_or_else(|| bad("it is no list"))?;
    let mut out = Vec::new();
    for entry in entries {
        let text = |field: &str| entry.get(field).and_then(Value::as_str).unwrap_or_default();
        if !text("tenantId").eq_ignore_ascii_case(request.azure.tenant()) {
            return Err(bad("tenantId is another tenant's"));
        }
        if text("objectId").is_empty() {
            return Err(bad("objectId is missing"));
        }
        if !text("applicationId").is_empty() {
            return Err(bad("this emulator has no compound identities"));
        }
        let verbs = |kind: &str, known: &[&str]| {
            let list = entry.pointer(&format!("/permissions/{kind}"));
            let list = list.and_then(Value::as_array).into_iter().flatten();
            list.map(|verb| {
                let verb = verb.as_str().unwrap_or_default();
                if known.iter().any(|k| k.eq_ignore_ascii_case(verb)) {
                    return Ok(verb.to_owned());
                }
                Err(bad(&format!("permissions.{kind} has no '{verb}'")))
            })
            .collect::<Result<_, Answer>>()
        };
        let policy = Policy {
            secrets: verbs("secrets", SECRETS)?,
            keys: verbs("keys", KEYS)?,
            certificates: verbs("certificates", CERTIFICATES)?,
        };
        out.push((text("objectId").to_ascii_lowercase(), policy));
    }
    Ok(out)
}

pub(super) fn name_available(request: &Request<'_>, state: &State) -> Result<Answer, Answer> {
    let body = request.body()?;
    let name = body.get("name").and_then(Value::as_str).unwrap_or_default();
    let taken = state.vaults.contains_key(&name.to_ascii_lowercase());
    Ok(Answer::ok(if taken {
        json!({"nameAvailable": false, "reason": "AlreadyExists",
               "message": format!("The name '{name}' is already in use.")})
    } else {
        json!({"nameAvailable": is_name(name)})
    }))
}

fn is_name(name: &str) -> bool {
    (3..=24).contains(&name.len())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
        && name.starts_with(|c: char| c.is_ascii_alphabetic())
        && !name.ends_with('-')
        && !name.contains("--")
}

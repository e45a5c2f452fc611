//! Role definitions, which are Azure's own, and role assignments.

use http::Method;
use serde_json::{Value, json};

use super::super::answer::Answer;
use super::super::roles::{Assignment, Role, covers};
use super::super::state::State;
use super::{Request, created, nothing, page, refusal};

fn bad_filter(filter: &str) -> Answer {
    Answer::error(
        400,
        "BadRequestFormat",
        format!("The filter '{filter}' is not supported."),
    )
}

/// The text in `FIELD eq 'TEXT'`.
fn equals(condition: &str, field: &str) -> Option<String> {
    let rest = condition.trim().strip_prefix(field)?;
    let rest = rest.trim_start().strip_prefix("eq")?.trim();
    Some(rest.strip_prefix('\'')?.strip_suffix('\'')?.to_owned())
}

pub(super) fn definitions(request: &Request<'_>) -> Result<Answer, Answer> {
    let filter = request.call.query("$filter").unwrap_or_default();
    let mut roles: Vec<&Role> = Role::all().iter().collect();
    for condition in filter.split(" and ").filter(|c| !c.trim().is_empty()) {
        if let Some(name) = equals(condition, "roleName") {
            roles.retain(|role| role.name.eq_ignore_ascii_case(&name));
        } else if let Some(kind) = equals(condition, "type") {
            roles.retain(|_| kind.eq_ignore_ascii_case("BuiltInRole"));
        } else if condition.trim() != "atScopeAndBelow()" {
            return Err(bad_filter(&filter));
        }
    }
    let shown = roles.iter().map(|r| r.show(request.subscription()));
    Ok(page(shown.collect()))
}

pub(super) fn definition(request: &Request<'_>, id: &str) -> Result<Answer, Answer> {
    let role = Role::by_id(id).ok_or_else(|| no_role(404, id))?;
    Ok(Answer::ok(role.show(request.subscription())))
}

fn no_role(status: u16, id: &str) -> Answer {
    Answer::error(
        status,
        "RoleDefinitionDoesNotExist",
        format!("The specified role definition with ID '{id}' does not exist."),
    )
}

fn show(request: &Request<'_>, a: &Assignment) -> Value {
    let created = jiff::Timestamp::from_second(a.created).unwrap_or_default();
    let scope = if a.scope.is_empty() { "/" } else { &a.scope };
    let prefix = scope.trim_end_matches('/');
    json!({
        "id": format!("{prefix}/providers/Microsoft.Authorization/roleAssignments/{}", a.name),
        "name": a.name,
        "type": "Microsoft.Authorization/roleAssignments",
        "properties": {
            "roleDefinitionId": a.role.path(request.subscription()),
            "principalId": a.principal,
            "principalType": a.principal_type,
            "scope": scope,
            "description": a.description,
            "condition": null,
            "conditionVersion": null,
            "createdOn": created.to_string(),
            "updatedOn": created.to_string(),
            "createdBy": a.by,
            "updatedBy": a.by,
        },
    })
}

/// Those at a scope and around it, and unless `atScope()` is asked for, those below it.
pub(super) fn list(request: &Request<'_>, state: &State, scope: &str) -> Result<Answer, Answer> {
    let filter = request.call.query("$filter").unwrap_or_default();
    let (mut at_scope, mut holder) = (false, None);
    for condition in filter.split(" and ").filter(|c| !c.trim().is_empty()) {
        let condition = condition.trim();
        let assigned = condition.strip_prefix("assignedTo('");
        let assigned = assigned.and_then(|rest| rest.strip_suffix("')"));
        match (condition, assigned, equals(condition, "principalId")) {
            ("atScope()", ..) => at_scope = true,
            (_, Some(id), _) => holder = Some(id.to_owned()),
            (_, _, Some(id)) => holder = Some(id),
            _ => return Err(bad_filter(&filter)),
        }
    }
    let found = state.assignments.iter().filter(|a| {
        let here = covers(&a.scope, scope) || (!at_scope && covers(scope, &a.scope));
        here && holder
            .as_deref()
            .is_none_or(|id| a.principal.eq_ignore_ascii_case(id))
    });
    Ok(page(found.map(|a| show(request, a)).collect()))
}

pub(super) fn one(
    request: &Request<'_>,
    state: &mut State,
    scope: &str,
    name: &str,
) -> Result<Answer, Answer> {
    let named = |a: &Assignment| {
        a.name.eq_ignore_ascii_case(name) && covers(&a.scope, scope) && covers(scope, &a.scope)
    };
    match *request.call.method {
        Method::GET => {
            let found = state.assignments.iter().find(|a| named(a));
            let found = found.ok_or_else(|| {
                Answer::error(
                    404,
                    "RoleAssignmentNotFound",
                    format!("The role assignment '{name}' is not found."),
                )
            })?;
            Ok(Answer::ok(show(request, found)))
        }
        Method::PUT => put(request, state, scope, name),
        Method::DELETE => {
            let Some(at) = state.assignments.iter().position(named) else {
                return Ok(nothing());
            };
            let gone = state.assignments.remove(at);
            Ok(Answer::ok(show(request, &gone)))
        }
        ref other => Err(super::not_allowed(other)),
    }
}

fn put(
    request: &Request<'_>,
    state: &mut State,
    scope: &str,
    name: &str,
) -> Result<Answer, Answer> {
    let body = request.body()?;
    let text = |field: &str| {
        let value = body.pointer(&format!("/properties/{field}"))?;
        value.as_str().filter(|text| !text.is_empty())
    };
    if !is_guid(name) {
        return Err(Answer::error(
            400,
            "InvalidRoleAssignmentId",
            format!(
                "The role assignment ID '{name}' is not valid. The role assignment ID must be a GUID."
            ),
        ));
    }
    let (Some(role), Some(principal)) = (text("roleDefinitionId"), text("principalId")) else {
        return Err(Answer::error(
            400,
            "InvalidRoleAssignmentRequest",
            "roleDefinitionId and principalId are required.",
        ));
    };
    if !is_guid(principal) {
        return Err(Answer::error(
            400,
            "InvalidPrincipalId",
            format!(
                "A valid principal ID must be provided for role assignment: '{principal}' is none."
            ),
        ));
    }
    if text("condition").is_some() {
        return Err(refusal::bad_request("This emulator has no conditions."));
    }
    let id = role.rsplit('/').next().unwrap_or_default();
    let role = Role::by_id(id).ok_or_else(|| no_role(400, id))?;
    let kind = principal_type(request, state, principal, text("principalType"))?;
    exists_at(request, state, scope)?;
    let made = Assignment {
        name: name.to_owned(),
        scope: scope.trim_end_matches('/').to_owned(),
        principal: principal.to_ascii_lowercase(),
        principal_type: kind,
        role,
        description: text("description").map(str::to_owned),
        created: request.now,
        by: request.caller.oid.clone(),
    };
    let same = |a: &Assignment| {
        a.role.id == made.role.id
            && a.principal.eq_ignore_ascii_case(&made.principal)
            && a.scope.eq_ignore_ascii_case(&made.scope)
    };
    if let Some(old) = state
        .assignments
        .iter()
        .find(|a| a.name.eq_ignore_ascii_case(name))
    {
        if same(old) {
            return Ok(Answer::ok(show(request, old)));
        }
        return Err(Answer::error(
            409,
            "RoleAssignmentUpdateNotPermitted",
            "Tenant ID, application ID, principal ID, and scope are not allowed to be updated.",
        ));
    }
    if let Some(old) = state.assignments.iter().find(|a| same(a)) {
        return Err(Answer::error(
            409,
            "RoleAssignmentExists",
            format!(
                "The role assignment already exists. The ID of the existing role assignment is {}.",
                old.name.replace('-', "")
            ),
        ));
    }
    let answer = created(show(request, &made));
    state.assignments.push(made);
    Ok(answer)
}

/// What a principal is. Whoever says so is believed about one that is not known yet, since it may
/// not have spread; one that is known must be of that type.
fn principal_type(
    request: &Request<'_>,
    state: &State,
    principal: &str,
    said: Option<&str>,
) -> Result<String, Answer> {
    const ONLY: &str = "ServicePrincipal";
    let known = state
        .clients
        .values()
        .any(|c| c.object_id.eq_ignore_ascii_case(principal));
    match said {
        Some(said) if known && said != ONLY => Err(Answer::error(
            400,
            "UnmatchedPrincipalType",
            format!(
                "The PrincipalId '{}' has type '{ONLY}' , which is different from specified \
                 PrinciaplType '{said}'.",
                principal.replace('-', "")
            ),
        )),
        Some(said) => Ok(said.to_owned()),
        None if known => Ok(ONLY.to_owned()),
        None => Err(Answer::error(
            400,
            "PrincipalNotFound",
            format!(
                "Principal {} does not exist in the directory {}. Check that you have the correct \
                 principal ID. If you are creating this principal and then immediately assigning a \
                 role, this error might be related to a replication delay. In this case, set the \
                 role assignment principalType property to a value, such as ServicePrincipal, \
                 User, or Group.  See https://aka.ms/docs-principaltype",
                principal.replace('-', ""),
                request.azure.tenant()
            ),
        )),
    }
}

/// A resource group or vault that a scope names must be there. What is in a vault need not be.
fn exists_at(request: &Request<'_>, state: &State, scope: &str) -> Result<(), Answer> {
    let parts: Vec<&str> = scope.split('/').filter(|p| !p.is_empty()).collect();
    let Some(group) = parts.get(3) else {
        return Ok(());
    };
    super::groups::known(state, group)?;
    let Some(rest) = parts.get(4..).filter(|rest| !rest.is_empty()) else {
        return Ok(());
    };
    let kind: String = rest
        .iter()
        .skip(1)
        .take(2)
        .copied()
        .collect::<Vec<_>>()
        .join("/");
    let name = rest.get(3).copied().unwrap_or_default();
    let subscription = request.subscription();
    let prefix =
        format!("/subscriptions/{subscription}/resourceGroups/{group}/providers/{kind}/{name}");
    let there = state
        .vaults
        .values()
        .map(|vault| vault.resource_id(subscription))
        .chain(
            state
                .clients
                .values()
                .map(|client| super::identities::id(subscription, client)),
        )
        .any(|id| id.eq_ignore_ascii_case(&prefix));
    if there {
        return Ok(());
    }
    Err(refusal::no_resource(&kind, name, group))
}

fn is_guid(text: &str) -> bool {
    let lengths: Vec<usize> = text.split('-').map(str::len).collect();
    lengths == [8, 4, 4, 4, 12] && text.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-')
}

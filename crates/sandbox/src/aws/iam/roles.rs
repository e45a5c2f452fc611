//! Roles, their trust policies and their inline policies.

use std::collections::BTreeMap;

use keyless_trust::aws::{Arn, Partition, PolicyKind};

use super::super::credentials::unique_id;
use super::super::dispatch::Call;
use super::super::protocol::{ApiError, Form, Xml, invalid, timestamp};
use super::super::state::{Role, State, Tags};
use super::{
    Answer, allow, check_name, check_path, document, encode, exists, no_such, own_arn, page,
    read_tags, unknown_action, write_page, write_tags,
};

pub(super) fn call(state: &mut State, call: &Call, form: &Form) -> Answer {
    match call.action.as_str() {
        "CreateRole" => create_called(state, call, form),
        "GetRole" => {
            let role = find(state, call, form)?;
            Ok(Some(one(role)))
        }
        "ListRoles" => list(state, call, form),
        "UpdateAssumeRolePolicy" => {
            find(state, call, form)?;
            let text = form.required("PolicyDocument")?;
            let trust = document(state, text, PolicyKind::Trust)?;
            find(state, call, form)?.trust = trust;
            Ok(None)
        }
        "UpdateRole" => {
            let max_session = max_session(form)?;
            let role = find(state, call, form)?;
            role.description = form
                .get("Description")
                .map(str::to_owned)
                .or(role.description.take());
            role.max_session = max_session.unwrap_or(role.max_session);
            Ok(Some(Xml::new()))
        }
        "DeleteRole" => delete(state, call, form),
        "TagRole" => {
            let tags = read_tags(form)?;
            find(state, call, form)?.tags.extend(tags);
            Ok(None)
        }
        "UntagRole" => {
            let keys = form.list("TagKeys");
            find(state, call, form)?
                .tags
                .retain(|k, _| !keys.contains(k));
            Ok(None)
        }
        "ListRoleTags" => {
            let role = find(state, call, form)?;
            let mut x = Xml::new();
            x.list("Tags", &role.tags, |x, (k, v)| {
                x.text("Key", k).text("Value", v);
            });
            write_page(&mut x, None);
            Ok(Some(x))
        }
        "ListInstanceProfilesForRole" => {
            // Terraform and the CLI ask before they delete a role; there are none here.
            find(state, call, form)?;
            let mut x = Xml::new();
            x.texts("InstanceProfiles", [""; 0]);
            write_page(&mut x, None);
            Ok(Some(x))
        }
        _ => inline(state, call, form),
    }
}

fn inline(state: &mut State, call: &Call, form: &Form) -> Answer {
    let missing =
        |name: &str| no_such(format!("The role policy with name {name} cannot be found."));
    match call.action.as_str() {
        "PutRolePolicy" => {
            let name = form.required("PolicyName")?;
            check_name(name, "policyName", 128)?;
            find(state, call, form)?;
            let text = form.required("PolicyDocument")?;
            let policy = document(state, text, PolicyKind::Identity)?;
            find(state, call, form)?
                .inline
                .insert(name.to_owned(), policy);
            Ok(None)
        }
        "GetRolePolicy" => {
            let name = form.required("PolicyName")?;
            let role = find(state, call, form)?;
            let policy = role.inline.get(name).ok_or_else(|| missing(name))?;
            let mut x = Xml::new();
            x.text("RoleName", &role.name)
                .text("PolicyName", name)
                .text("PolicyDocument", encode(&policy.text));
            Ok(Some(x))
        }
        "ListRolePolicies" => {
            let role = find(state, call, form)?;
            let (names, next) = page(form, role.inline.keys().map(|n| (n.as_str(), n)))?;
            let mut x = Xml::new();
            x.texts("PolicyNames", names);
            write_page(&mut x, next);
            Ok(Some(x))
        }
        "DeleteRolePolicy" => {
            let name = form.required("PolicyName")?;
            find(state, call, form)?
                .inline
                .remove(name)
                .ok_or_else(|| missing(name))?;
            Ok(None)
        }
        _ => Err(unknown_action(call)),
    }
}

/// The parts of a new role.
pub(in super::super) struct NewRole<'a> {
    pub name: &'a str,
    pub path: &'a str,
    pub trust: &'a str,
    pub description: Option<String>,
    pub max_session: i64,
    pub tags: Tags,
}

/// Stores a role; its name must be new to the account, whatever its path.
pub(in super::super) fn create<'a>(
    state: &'a mut State,
    partition: Partition,
    account: &str,
    new: NewRole<'_>,
    now: i64,
) -> Result<&'a Role, ApiError> {
    check_name(new.name, "roleName", 64)?;
    check_path(new.path)?;
    let at = (account.to_owned(), new.name.to_owned());
    if state.roles.contains_key(&at) {
        return Err(exists(format!(
            "Role with name {} already exists.",
            new.name
        )));
    }
    let trust = document(state, new.trust, PolicyKind::Trust)?;
    let role = Role {
        arn: Arn::iam(partition, account, &format!("role{}{}", new.path, new.name)),
        id: unique_id("AROA", 17),
        path: new.path.to_owned(),
        name: new.name.to_owned(),
        description: new.description,
        created: now,
        max_session: new.max_session,
        trust,
        inline: BTreeMap::new(),
        attached: Vec::new(),
        tags: new.tags,
    };
    Ok(state.roles.entry(at).or_insert(role))
}

fn create_called(state: &mut State, call: &Call, form: &Form) -> Answer {
    let name = form.required("RoleName")?;
    let path = form.get("Path").unwrap_or("/");
    allow(
        state,
        call,
        &own_arn(call, &format!("role{path}{name}"))?.to_string(),
    )?;
    let new = NewRole {
        name,
        path,
        trust: form.required("AssumeRolePolicyDocument")?,
        description: form.get("Description").map(str::to_owned),
        max_session: max_session(form)?.unwrap_or(3600),
        tags: read_tags(form)?,
    };
    let role = create(state, call.partition(), call.account()?, new, call.now)?;
    Ok(Some(one(role)))
}

fn max_session(form: &Form) -> Result<Option<i64>, ApiError> {
    let value = form.number("MaxSessionDuration")?;
    match value {
        Some(v) if v < 3600 => Err(invalid(
            "ValidationError",
            Some(&v.to_string()),
            "maxSessionDuration",
            "Member must have value greater than or equal to 3600",
        )),
        Some(v) if v > 43_200 => Err(invalid(
            "ValidationError",
            Some(&v.to_string()),
            "maxSessionDuration",
            "Member must have value less than or equal to 43200",
        )),
        other => Ok(other),
    }
}

fn list(state: &State, call: &Call, form: &Form) -> Answer {
    allow(state, call, &own_arn(call, "role/")?.to_string())?;
    let prefix = form.get("PathPrefix").unwrap_or("/");
    let account = call.account()?;
    let own = state
        .roles
        .iter()
        .filter(|((a, _), r)| a == account && r.path.starts_with(prefix));
    let (roles, next) = page(form, own.map(|((_, name), r)| (name.as_str(), r)))?;
    let mut x = Xml::new();
    // Tags are left out of lists.
    x.list("Roles", roles, |x, role| {
        write(
            x,
            &Role {
                tags: Tags::new(),
                ..role.clone()
            },
        )
    });
    write_page(&mut x, next);
    Ok(Some(x))
}

fn delete(state: &mut State, call: &Call, form: &Form) -> Answer {
    let role = find(state, call, form)?;
    let conflict = |text: &str| Err(ApiError::new(409, "DeleteConflict", text));
    if !role.attached.is_empty() {
        return conflict("Cannot delete entity, must detach all policies first.");
    }
    if !role.inline.is_empty() {
        return conflict("Cannot delete entity, must delete policies first.");
    }
    let at = (role.arn.account.clone(), role.name.clone());
    state.roles.remove(&at);
    Ok(None)
}

/// The role that `RoleName` names, if the caller may do this to it.
pub(super) fn find<'a>(
    state: &'a mut State,
    call: &Call,
    form: &Form,
) -> Result<&'a mut Role, ApiError> {
    let name = form.required("RoleName")?;
    check_name(name, "roleName", 64)?;
    let at = (call.account()?.to_owned(), name.to_owned());
    let arn = match state.roles.get(&at) {
        Some(role) => role.arn.clone(),
        None => own_arn(call, &format!("role/{name}"))?,
    };
    allow(state, call, &arn.to_string())?;
    state
        .roles
        .get_mut(&at)
        .ok_or_else(|| no_such(format!("The role with name {name} cannot be found.")))
}

fn one(role: &Role) -> Xml {
    let mut x = Xml::new();
    x.node("Role", |x| write(x, role));
    x
}

fn write(x: &mut Xml, role: &Role) {
    x.text("Path", &role.path);
    x.text("RoleName", &role.name);
    x.text("RoleId", &role.id);
    x.text("Arn", role.arn.to_string());
    x.text("CreateDate", timestamp(role.created));
    x.text("AssumeRolePolicyDocument", encode(&role.trust.text));
    if let Some(description) = &role.description {
        x.text("Description", description);
    }
    x.text("MaxSessionDuration", role.max_session.to_string());
    write_tags(x, &role.tags);
}

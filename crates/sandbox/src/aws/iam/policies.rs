//! Managed policies, their versions, and their attachment to roles.

use keyless_trust::aws::{Arn, PolicyKind};

use super::super::dispatch::Call;
use super::super::protocol::{ApiError, Form, Xml, timestamp};
use super::super::state::{ManagedPolicy, State, managed};
use super::roles;
use super::{
    Answer, allow, check_name, check_path, document, encode, exists, no_such, own_arn, page,
    read_tags, unknown_action, write_page, write_tags,
};

/// Versions kept of a policy.
const MAX_VERSIONS: usize = 5;
/// Policies one role may have attached.
const MAX_ATTACHED: usize = 10;

pub(super) fn call(state: &mut State, call: &Call, form: &Form) -> Answer {
    match call.action.as_str() {
        "CreatePolicy" => create(state, call, form),
        "GetPolicy" => {
            let (policy, attachments) = find(state, call, form)?;
            let mut x = Xml::new();
            x.node("Policy", |x| write(x, policy, attachments));
            Ok(Some(x))
        }
        "DeletePolicy" => delete(state, call, form),
        "ListPolicies" => list(state, call, form),
        "CreatePolicyVersion" => create_version(state, call, form),
        "GetPolicyVersion" => get_version(state, call, form),
        "ListPolicyVersions" => {
            let (policy, _) = find(state, call, form)?;
            let mut x = Xml::new();
            x.list("Versions", policy.versions.keys().rev(), |x, n| {
                write_version(x, policy, *n, false)
            });
            write_page(&mut x, None);
            Ok(Some(x))
        }
        "DeletePolicyVersion" => {
            let number = version_number(form)?;
            let policy = find_mut(state, call, form)?;
            if policy.default_version == number {
                return Err(ApiError::new(
                    409,
                    "DeleteConflict",
                    "Cannot delete the default version of a policy.",
                ));
            }
            policy
                .versions
                .remove(&number)
                .ok_or_else(|| no_version(policy, number))?;
            Ok(None)
        }
        "AttachRolePolicy" | "DetachRolePolicy" | "ListAttachedRolePolicies" => {
            attachment(state, call, form)
        }
        _ => Err(unknown_action(call)),
    }
}

fn create(state: &mut State, call: &Call, form: &Form) -> Answer {
    let name = form.required("PolicyName")?;
    let path = form.get("Path").unwrap_or("/");
    check_name(name, "policyName", 128)?;
    check_path(path)?;
    let arn = own_arn(call, &format!("policy{path}{name}"))?;
    allow(state, call, &arn.to_string())?;
    let own = |p: &ManagedPolicy| p.arn.account == arn.account && p.name == name;
    if state.policies.values().any(own) {
        return Err(exists(format!(
            "A policy called {name} already exists. Duplicate names are not allowed."
        )));
    }
    let text = form.required("PolicyDocument")?;
    let document = document(state, text, PolicyKind::Identity)?;
    let mut policy = managed(arn.clone(), name, path, document, call.now);
    policy.description = form.get("Description").map(str::to_owned);
    policy.tags = read_tags(form)?;
    let mut x = Xml::new();
    x.node("Policy", |x| write(x, &policy, 0));
    state.policies.insert(arn.to_string(), policy);
    Ok(Some(x))
}

fn delete(state: &mut State, call: &Call, form: &Form) -> Answer {
    let (policy, attachments) = find(state, call, form)?;
    if attachments > 0 {
        return Err(ApiError::new(
            409,
            "DeleteConflict",
            "Cannot delete a policy attached to entities.",
        ));
    }
    if policy.versions.len() > 1 {
        return Err(ApiError::new(
            409,
            "DeleteConflict",
            "This policy has more than one version. Before you delete a policy, you must delete the policy's versions. The default version is deleted with the policy.",
        ));
    }
    let arn = policy.arn.to_string();
    state.policies.remove(&arn);
    Ok(None)
}

fn list(state: &State, call: &Call, form: &Form) -> Answer {
    allow(state, call, &own_arn(call, "policy/*")?.to_string())?;
    let account = call.account()?;
    let scope = form.get("Scope").unwrap_or("All");
    let wanted = |p: &&ManagedPolicy| match scope {
        "Local" => p.arn.account == account,
        "AWS" => p.arn.account == "aws",
        _ => p.arn.account == account || p.arn.account == "aws",
    };
    let own = state.policies.iter().filter(|(_, p)| wanted(p));
    let (policies, next) = page(form, own.map(|(arn, p)| (arn.as_str(), p)))?;
    let mut x = Xml::new();
    x.list("Policies", policies, |x, p| {
        write(x, p, attachments(state, p))
    });
    write_page(&mut x, next);
    Ok(Some(x))
}

fn create_version(state: &mut State, call: &Call, form: &Form) -> Answer {
    find(state, call, form)?;
    let text = form.required("PolicyDocument")?;
    let document = document(state, text, PolicyKind::Identity)?;
    let now = call.now;
    let default = form.get("SetAsDefault") == Some("true");
    let policy = find_mut(state, call, form)?;
    if policy.versions.len() >= MAX_VERSIONS {
        return Err(ApiError::new(
            409,
            "LimitExceeded",
            "A managed policy can have up to 5 versions. Before you create a new version, you must delete an existing version.",
        ));
    }
    policy.last_version += 1;
    let number = policy.last_version;
    policy.versions.insert(number, (document, now));
    policy.updated = now;
    if default {
        policy.default_version = number;
    }
    let mut x = Xml::new();
    x.node("PolicyVersion", |x| write_version(x, policy, number, false));
    Ok(Some(x))
}

fn get_version(state: &mut State, call: &Call, form: &Form) -> Answer {
    let number = version_number(form)?;
    let (policy, _) = find(state, call, form)?;
    if !policy.versions.contains_key(&number) {
        return Err(no_version(policy, number));
    }
    let mut x = Xml::new();
    x.node("PolicyVersion", |x| write_version(x, policy, number, true));
    Ok(Some(x))
}

fn attachment(state: &mut State, call: &Call, form: &Form) -> Answer {
    if call.action == "ListAttachedRolePolicies" {
        let role = roles::find(state, call, form)?;
        let (arns, next) = page(form, role.attached.iter().map(|a| (a.as_str(), a)))?;
        let mut x = Xml::new();
        x.list("AttachedPolicies", arns, |x, arn| {
            x.text("PolicyName", arn.rsplit('/').next().unwrap_or_default())
                .text("PolicyArn", arn);
        });
        write_page(&mut x, next);
        return Ok(Some(x));
    }
    let arn = form.required("PolicyArn")?;
    if Arn::parse(arn).is_err() {
        return Err(ApiError::bad(
            "ValidationError",
            format!("ARN {arn} is not valid."),
        ));
    }
    let known = state.policies.contains_key(arn);
    let role = roles::find(state, call, form)?;
    if call.action == "DetachRolePolicy" {
        let before = role.attached.len();
        role.attached.retain(|a| a != arn);
        return if role.attached.len() < before {
            Ok(None)
        } else {
            Err(no_such(format!("Policy {arn} was not found.")))
        };
    }
    if !known {
        return Err(no_such(format!(
            "Policy {arn} does not exist or is not attachable."
        )));
    }
    if !role.attached.iter().any(|a| a == arn) {
        if role.attached.len() >= MAX_ATTACHED {
            return Err(ApiError::new(
                409,
                "LimitExceeded",
                format!("Cannot exceed quota for PoliciesPerRole: {MAX_ATTACHED}"),
            ));
        }
        role.attached.push(arn.to_owned());
        role.attached.sort_unstable();
    }
    Ok(None)
}

fn find<'a>(
    state: &'a State,
    call: &Call,
    form: &Form,
) -> Result<(&'a ManagedPolicy, usize), ApiError> {
    let arn = form.required("PolicyArn")?;
    allow(state, call, arn)?;
    let policy = state
        .policies
        .get(arn)
        .ok_or_else(|| no_such(format!("Policy {arn} was not found.")))?;
    Ok((policy, attachments(state, policy)))
}

/// As [`find`], for a change: AWS's own policies cannot be changed.
fn find_mut<'a>(
    state: &'a mut State,
    call: &Call,
    form: &Form,
) -> Result<&'a mut ManagedPolicy, ApiError> {
    let arn = form.required("PolicyArn")?;
    allow(state, call, arn)?;
    let own = call.account()?;
    match state.policies.get_mut(arn) {
        Some(policy) if policy.arn.account == own => Ok(policy),
        Some(_) => Err(ApiError::new(
            403,
            "AccessDenied",
            format!("Policy {arn} is managed by AWS."),
        )),
        None => Err(no_such(format!("Policy {arn} was not found."))),
    }
}

fn attachments(state: &State, policy: &ManagedPolicy) -> usize {
    let arn = policy.arn.to_string();
    state
        .roles
        .values()
        .filter(|r| r.attached.contains(&arn))
        .count()
}

fn version_number(form: &Form) -> Result<u32, ApiError> {
    let id = form.required("VersionId")?;
    id.strip_prefix('v')
        .and_then(|n| n.parse().ok())
        .ok_or_else(|| ApiError::bad("ValidationError", format!("Invalid version id {id}")))
}

fn no_version(policy: &ManagedPolicy, number: u32) -> ApiError {
    no_such(format!(
        "Policy {} version v{number} does not exist or is not attachable.",
        policy.arn
    ))
}

fn write(x: &mut Xml, p: &ManagedPolicy, attachments: usize) {
    x.text("PolicyName", &p.name);
    x.text("PolicyId", &p.id);
    x.text("Arn", p.arn.to_string());
    x.text("Path", &p.path);
    x.text("DefaultVersionId", format!("v{}", p.default_version));
    x.text("AttachmentCount", attachments.to_string());
    x.text("PermissionsBoundaryUsageCount", "0");
    x.text("IsAttachable", "true");
    if let Some(description) = &p.description {
        x.text("Description", description);
    }
    x.text("CreateDate", timestamp(p.created));
    x.text("UpdateDate", timestamp(p.updated));
    write_tags(x, &p.tags);
}

fn write_version(x: &mut Xml, policy: &ManagedPolicy, number: u32, with_document: bool) {
    let Some((document, created)) = policy.versions.get(&number) else {
        return;
    };
    if with_document {
        x.text("Document", encode(&document.text));
    }
    x.text("VersionId", format!("v{number}"));
    x.text(
        "IsDefaultVersion",
        if policy.default_version == number {
            "true"
        } else {
            "false"
        },
    );
    x.text("CreateDate", timestamp(*created));
}

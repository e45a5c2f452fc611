//! `getIamPolicy`, `setIamPolicy` and `testIamPermissions` as requests, alike at every service.
//!
//! Owns: versions of policies, unknown fields, and that members exist.

use keyless_trust::gcp::{Member, Pool};
use serde_json::{Value, json};

use super::super::answer::Answer;
use super::super::dispatch::Call;
use super::super::fields;
use super::super::state::State;
use super::Policy;

/// The options of a read, in the query of a GET or in a body.
const VERSION: &str = "options.requestedPolicyVersion";

fn bad(message: impl Into<String>) -> Answer {
    Answer::error("INVALID_ARGUMENT", message)
}

/// As `getIamPolicy` answers. Whoever asks for less than version 3 is not shown conditions. See
/// <https://docs.cloud.google.com/iam/docs/policies#specifying-version-get>.
pub(in super::super) fn get(policy: &Policy, call: &Call<'_>) -> Result<Answer, Answer> {
    fields::parameters(call, &[VERSION])?;
    let body = call.json()?;
    fields::known(&body, "", &["options"])?;
    let options = body.get("options").unwrap_or(&Value::Null);
    fields::known(options, "options", &["requestedPolicyVersion"])?;
    let invalid = || bad("Invalid value at 'options.requested_policy_version' (TYPE_INT32)");
    let version = match (
        call.query(VERSION),
        options
            .get("requestedPolicyVersion")
            .filter(|v| !v.is_null()),
    ) {
        (Some(text), _) => text.parse().map_err(|_| invalid())?,
        (None, Some(number)) => number.as_i64().ok_or_else(invalid)?,
        (None, None) => 0,
    };
    check_version(version)?;
    Ok(Answer::ok(policy.show_as(version)))
}

fn check_version(version: i64) -> Result<(), Answer> {
    if matches!(version, 0 | 1 | 3) {
        return Ok(());
    }
    Err(bad(format!("Policy version {version} is not supported.")))
}

/// The policy that a request to set puts in place of `policy`.
pub(in super::super) fn set(
    state: &State,
    policy: &Policy,
    call: &Call<'_>,
) -> Result<Policy, Answer> {
    fields::parameters(call, &[])?;
    let request = call.json()?;
    fields::known(&request, "", &["policy", "updateMask"])?;
    let none = Value::Null;
    let given = request.get("policy").unwrap_or(&none);
    let names = ["version", "bindings", "auditConfigs", "etag"];
    fields::known(given, "policy", &names)?;
    let version = given.get("version").and_then(Value::as_i64).unwrap_or(0);
    check_version(version)?;
    let bindings = given.get("bindings").and_then(Value::as_array);
    for (index, binding) in bindings.into_iter().flatten().enumerate() {
        let at = format!("policy.bindings[{index}]");
        fields::known(binding, &at, &["role", "members", "condition"])?;
        let condition = binding.get("condition").unwrap_or(&none);
        let names = ["title", "description", "expression", "location"];
        fields::known(condition, &format!("{at}.condition"), &names)?;
        let members = binding.get("members").and_then(Value::as_array);
        for member in members.into_iter().flatten().filter_map(Value::as_str) {
            // Members that were there before may be gone since.
            if !policy.names(member) {
                exists(state, member)?;
            }
        }
    }
    // With the etag of a policy that has conditions, only version 3 may follow; without one Google
    // lets the conditions go. Ours: no report of the text was found.
    let read = given.get("etag").and_then(Value::as_str);
    if policy.has_conditions() && version != 3 && read.is_some_and(|etag| !etag.is_empty()) {
        return Err(bad(
            "The policy has conditions: its version must be 3 to change it.",
        ));
    }
    let mut changed = policy.clone();
    changed.set(&request)?;
    Ok(changed)
}

/// IAM looks members up when they are given a role.
fn exists(state: &State, text: &str) -> Result<(), Answer> {
    let no_pool = |id: &str| {
        bad(format!(
            "Identity Pool does not exist ({id}). Please check that you specified a valid resource \
             name as returned in the `name` attribute in the configuration API."
        ))
    };
    let known = |pool: &Pool| {
        if state.has_pool(pool) {
            Ok(())
        } else {
            Err(no_pool(&pool.id))
        }
    };
    match Member::parse(text).map_err(|error| bad(error.to_string()))? {
        Member::ServiceAccount(email) if state.account(&email).is_none() => {
            Err(bad(format!("Service account {email} does not exist.")))
        }
        Member::Gke { pool, .. } if !state.has_gke_pool(&pool) => Err(no_pool(&pool)),
        Member::Subject { pool, .. }
        | Member::Attribute { pool, .. }
        | Member::Workloads { pool, .. }
        | Member::Pool(pool) => known(&pool),
        _ => Ok(()),
    }
}

/// As `testIamPermissions` answers.
pub(in super::super) fn test(
    call: &Call<'_>,
    may: impl Fn(&str) -> bool,
) -> Result<Answer, Answer> {
    let request = call.json()?;
    fields::known(&request, "", &["permissions"])?;
    let asked = request.get("permissions").and_then(Value::as_array);
    let held: Vec<&str> = asked
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .filter(|permission| may(permission))
        .collect();
    Ok(Answer::ok(match held.as_slice() {
        [] => json!({}),
        held => json!({"permissions": held}),
    }))
}

//! `AssumeRole`: from one identity to a role, with external id, tags and chaining.
//!
//! Owns: how the trust policy and the caller's own policies combine, and what a chain carries on.

use std::collections::{BTreeMap, BTreeSet};

use keyless_trust::aws::{Context, Decision, Request, evaluate};

use super::super::Aws;
use super::super::authorize::{Verdict, denied, judge};
use super::super::credentials::{Identity, Kind};
use super::super::dispatch::Call;
use super::super::protocol::{ApiError, Form, Outcome, Reply, invalid};
use super::super::state::State;
use super::{Origin, PROTOCOL, Wish, issue, too_long};

pub(super) fn call(aws: &Aws, call: &Call, form: &Form) -> Outcome {
    let identity = call.identity()?;
    let mut state = aws.state();
    let wish = Wish::read(&state, form)?;
    let chained = matches!(identity.kind, Kind::Session { .. });
    let origin = origin(identity, form, chained)?;
    let mut facts = identity.context();
    facts.extend(&call.context);
    facts.set("sts:RoleSessionName", wish.session_name.clone());
    if let Some(id) = form.get("ExternalId") {
        check_external_id(id)?;
        facts.set("sts:ExternalId", id);
    }
    if let Some(source) = &origin.source_identity {
        facts.set("sts:SourceIdentity", source.clone());
    }
    if !origin.tags.is_empty() {
        for (key, value) in &origin.tags {
            facts.set(&format!("aws:RequestTag/{key}"), value.clone());
        }
        facts.set_all("aws:TagKeys", origin.tags.keys().cloned());
        facts.set_all("sts:TransitiveTagKeys", origin.transitive.iter().cloned());
    }
    let mut actions = vec!["sts:AssumeRole"];
    actions.extend((!origin.tags.is_empty()).then_some("sts:TagSession"));
    actions.extend(
        origin
            .source_identity
            .is_some()
            .then_some("sts:SetSourceIdentity"),
    );
    for action in actions {
        authorize(&state, identity, &wish, action, &facts)?;
    }
    let role = wish
        .role(&state)
        .ok_or_else(|| refused(identity, &wish, "sts:AssumeRole", Verdict::Allowed))?;
    if chained && wish.duration > 3600 {
        return Err(ApiError::bad(
            "ValidationError",
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining",
        ));
    }
    if wish.duration > role.max_session {
        return Err(too_long());
    }
    let id = role.id.clone();
    Ok(Reply::Xml(Some(issue(
        &mut state, &wish, &id, origin, call.now,
    ))))
}

/// Within one account either side may grant, unless the trust policy names only the account;
/// between accounts both must.
fn authorize(
    state: &State,
    identity: &Identity,
    wish: &Wish,
    action: &str,
    facts: &Context,
) -> Result<(), ApiError> {
    let resource = wish.role.to_string();
    let mine = judge(state, identity, action, &resource, facts);
    let Some(role) = wish.role(state) else {
        return Err(refused(identity, wish, action, mine));
    };
    let request = Request {
        caller: Some(&identity.caller),
        action,
        resource: None,
        context: facts,
    };
    let trusted = evaluate(&[&role.trust.policy], &request);
    let same_account = identity.account() == wish.role.account;
    let granted = match trusted {
        Decision::Allowed {
            delegated: false, ..
        } if same_account => !mine.overrules_direct_grant(),
        Decision::Allowed { .. } => mine == Verdict::Allowed,
        _ => false,
    };
    if granted {
        Ok(())
    } else {
        Err(refused(identity, wish, action, mine))
    }
}

/// STS names no layer when the trust policy is what refused.
fn refused(identity: &Identity, wish: &Wish, action: &str, mine: Verdict) -> ApiError {
    denied(identity, action, &wish.role.to_string(), mine, PROTOCOL)
}

fn check_external_id(id: &str) -> Result<(), ApiError> {
    let valid = |c: char| c.is_ascii_alphanumeric() || "_+=,.@:/-".contains(c);
    if !id.chars().all(valid) {
        return Err(invalid(
            "ValidationError",
            Some(id),
            "ExternalId",
            "Member must satisfy regular expression pattern: [\\w+=,.@:\\/-]*",
        ));
    }
    if !(2..=1224).contains(&id.len()) {
        return Err(invalid(
            "ValidationError",
            Some(id),
            "ExternalId",
            "Member must have length between 2 and 1224, inclusive",
        ));
    }
    Ok(())
}

/// The tags asked for and those inherited; an inherited tag cannot be set anew.
fn origin(identity: &Identity, form: &Form, chained: bool) -> Result<Origin, ApiError> {
    let mut tags = requested_tags(identity, form)?;
    let mut transitive: BTreeSet<String> = form.list("TransitiveTagKeys").into_iter().collect();
    if let Some(key) = transitive.iter().find(|k| !tags.contains_key(*k)) {
        return Err(ApiError::bad(
            "InvalidParameterValue",
            format!(
                "The specified transitive tag key must be included in the requested tags: {key}"
            ),
        ));
    }
    for key in &identity.transitive {
        if let Some(value) = identity.tags.get(key) {
            tags.insert(key.clone(), value.clone());
            transitive.insert(key.clone());
        }
    }
    Ok(Origin {
        tags,
        transitive,
        source_identity: source_identity(identity, form)?,
        federation: Context::new(),
        chained,
    })
}

fn requested_tags(identity: &Identity, form: &Form) -> Result<BTreeMap<String, String>, ApiError> {
    let refused = |text: &str| Err(ApiError::bad("InvalidParameterValue", text));
    let mut tags: BTreeMap<String, String> = BTreeMap::new();
    for (key, value) in form.tags() {
        let same = |k: &String| k.eq_ignore_ascii_case(&key);
        if identity.transitive.iter().any(same) {
            return refused(
                "One of the specified transitive tag keys can't be set because it conflicts with a transitive tag key from the calling session.",
            );
        }
        if key.is_empty() || key.chars().count() > 128 || value.chars().count() > 256 {
            let limit = "Member must have length between 1 and 128, inclusive";
            return Err(invalid("ValidationError", Some(&key), "Tags", limit));
        }
        if tags.keys().any(same) {
            return refused(
                "Duplicate tag keys found. Please note that Tag keys are case insensitive.",
            );
        }
        tags.insert(key, value);
    }
    if tags.len() > 50 {
        let limit = "Member must have length less than or equal to 50";
        return Err(invalid("ValidationError", None, "Tags", limit));
    }
    Ok(tags)
}

/// Once set, it stays the same along the chain.
fn source_identity(identity: &Identity, form: &Form) -> Result<Option<String>, ApiError> {
    let asked = form.get("SourceIdentity").map(str::to_owned);
    match (&identity.source_identity, asked) {
        (Some(mine), Some(asked)) if *mine != asked => Err(ApiError::new(
            403,
            "AccessDenied",
            "The source identity of a chained session cannot be changed",
        )),
        (mine, asked) => Ok(asked.or_else(|| mine.clone())),
    }
}

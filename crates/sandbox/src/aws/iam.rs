//! Identity and Access Management: providers, roles, policies.
//!
//! Owns: which API exists, permission on it, and the refusals all its parts share. The parts are
//! `providers`, `roles` and `policies`.

use keyless_trust::aws::{Arn, Policy, PolicyKind, Principal};

use super::Aws;
use super::authorize::require;
use super::dispatch::Call;
use super::protocol::{ApiError, Form, Outcome, Protocol, Reply, Xml, invalid};
use super::state::{Document, State, Tags};

pub(super) mod policies;
pub(super) mod providers;
pub(super) mod roles;

pub(super) const PROTOCOL: Protocol = Protocol::Query("https://iam.amazonaws.com/doc/2010-05-08/");

/// An API's result; `None` for those that answer with metadata only.
type Answer = Result<Option<Xml>, ApiError>;

pub(super) fn call(aws: &Aws, call: &Call, form: &Form) -> Outcome {
    let mut state = aws.state();
    let action = call.action.as_str();
    let attachment = action.ends_with("tachRolePolicy") || action == "ListAttachedRolePolicies";
    let managed = action.contains("Polic") && !action.contains("Role");
    let answer = if action.contains("OpenIDConnectProvider") {
        providers::call(&mut state, call, form)
    } else if attachment || managed {
        policies::call(&mut state, call, form)
    } else {
        roles::call(&mut state, call, form)
    };
    answer.map(Reply::Xml)
}

fn unknown_action(call: &Call) -> ApiError {
    ApiError::bad(
        "InvalidAction",
        format!(
            "Could not find operation {} for version 2010-05-08",
            call.action
        ),
    )
}

/// Permission for the API on `resource`.
fn allow(state: &State, call: &Call, resource: &str) -> Result<(), ApiError> {
    require(
        state,
        call.identity()?,
        &format!("iam:{}", call.action),
        resource,
        &call.context,
        PROTOCOL,
    )
}

fn own_arn(call: &Call, resource: &str) -> Result<Arn, ApiError> {
    Ok(Arn::iam(call.partition(), call.account()?, resource))
}

fn no_such(text: impl Into<String>) -> ApiError {
    ApiError::new(404, "NoSuchEntity", text)
}

fn exists(text: impl Into<String>) -> ApiError {
    ApiError::new(409, "EntityAlreadyExists", text)
}

/// Parses a document as IAM does when one is stored.
fn document(state: &State, text: &str, kind: PolicyKind) -> Result<Document, ApiError> {
    let malformed = |text: String| ApiError::bad("MalformedPolicyDocument", text);
    let limit = match kind {
        PolicyKind::Trust => 2048,
        _ => 10_240,
    };
    let size = text.chars().filter(|c| !c.is_whitespace()).count();
    if size > limit {
        let what = if kind == PolicyKind::Trust {
            "ACLSizePerRole"
        } else {
            "PolicySize"
        };
        return Err(ApiError::new(
            409,
            "LimitExceeded",
            format!("Cannot exceed quota for {what}: {limit}"),
        ));
    }
    let document = Document::parse(text, kind).map_err(|e| malformed(e.to_string()))?;
    if let Some(unknown) = unknown_principal(state, &document.policy) {
        return Err(malformed(format!(
            "Invalid principal in policy: \"AWS\":\"{unknown}\""
        )));
    }
    Ok(document)
}

/// IAM refuses a trust in a role that is not there; providers it does not look up.
fn unknown_principal(state: &State, policy: &Policy) -> Option<String> {
    let named = policy
        .statements
        .iter()
        .filter_map(|s| s.principals.as_ref())
        .flat_map(|p| &p.items);
    named
        .filter_map(|p| match p {
            Principal::Aws(text) => Arn::parse_role(text).ok(),
            _ => None,
        })
        .find(|arn| {
            let name = arn.role_name().unwrap_or_default().to_owned();
            state
                .roles
                .get(&(arn.account.clone(), name))
                .is_none_or(|r| r.arn != *arn)
        })
        .map(|arn| arn.to_string())
}

fn check_name(value: &str, field: &str, max: usize) -> Result<(), ApiError> {
    let valid = |c: char| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c);
    if value.is_empty() {
        return Err(invalid(
            "ValidationError",
            Some(value),
            field,
            "Member must have length greater than or equal to 1",
        ));
    }
    if value.len() > max {
        return Err(invalid(
            "ValidationError",
            Some(value),
            field,
            &format!("Member must have length less than or equal to {max}"),
        ));
    }
    if !value.chars().all(valid) {
        return Err(ApiError::bad(
            "ValidationError",
            format!(
                "The specified value for {field} is invalid. It must contain only alphanumeric characters and/or the following: +=,.@_-"
            ),
        ));
    }
    Ok(())
}

/// `/` or `/a/b/`.
fn check_path(path: &str) -> Result<(), ApiError> {
    let good = path == "/"
        || (path.starts_with('/')
            && path.ends_with('/')
            && path.len() <= 512
            && path.bytes().all(|b| b.is_ascii_graphic()));
    if good {
        return Ok(());
    }
    Err(ApiError::bad(
        "ValidationError",
        "The specified value for path is invalid. It must begin and end with / and contain only alphanumeric characters and/or / characters.",
    ))
}

fn read_tags(form: &Form) -> Result<Tags, ApiError> {
    let mut tags = Tags::new();
    for (key, value) in form.tags() {
        if key.is_empty() || key.chars().count() > 128 || value.chars().count() > 256 {
            return Err(invalid(
                "ValidationError",
                Some(&key),
                "tags",
                "Member must have length between 1 and 128, inclusive",
            ));
        }
        if tags.keys().any(|k| k.eq_ignore_ascii_case(&key)) {
            return Err(ApiError::bad(
                "InvalidInput",
                "Duplicate tag keys found. Please note that Tag keys are case insensitive.",
            ));
        }
        tags.insert(key, value);
    }
    if tags.len() > 50 {
        return Err(ApiError::new(
            409,
            "LimitExceeded",
            "The number of tags has reached the maximum limit.",
        ));
    }
    Ok(tags)
}

fn write_tags(x: &mut Xml, tags: &Tags) {
    if !tags.is_empty() {
        x.list("Tags", tags, |x, (k, v)| {
            x.text("Key", k).text("Value", v);
        });
    }
}

/// A page by `Marker` and `MaxItems`, and what comes after it.
fn page<'a, T>(
    form: &Form,
    items: impl Iterator<Item = (&'a str, T)>,
) -> Result<(Vec<T>, Option<String>), ApiError> {
    let size = usize::try_from(form.number("MaxItems")?.unwrap_or(100)).unwrap_or(0);
    if !(1..=1000).contains(&size) {
        return Err(invalid(
            "ValidationError",
            form.get("MaxItems"),
            "maxItems",
            "Member must have value between 1 and 1000, inclusive",
        ));
    }
    let marker = form.get("Marker");
    let mut rest = items
        .skip_while(|(name, _)| marker.is_some_and(|m| *name <= m))
        .peekable();
    let mut out = Vec::new();
    let mut last = String::new();
    while out.len() < size
        && let Some((name, item)) = rest.next()
    {
        name.clone_into(&mut last);
        out.push(item);
    }
    let more = rest.peek().is_some();
    Ok((out, more.then_some(last)))
}

fn write_page(x: &mut Xml, next: Option<String>) {
    x.text("IsTruncated", if next.is_some() { "true" } else { "false" });
    if let Some(marker) = next {
        x.text("Marker", marker);
    }
}

/// Documents travel percent-encoded (RFC 3986) in IAM's answers.
fn encode(text: &str) -> String {
    let mut out = String::new();
    for b in text.bytes() {
        if b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(b));
        } else {
            out.push_str(&format!("%{b:02X}"));
        }
    }
    out
}

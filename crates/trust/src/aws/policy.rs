//! IAM's JSON policy documents, parsed as strictly as IAM does when one is stored.
//!
//! Owns: the document's grammar and the texts of `MalformedPolicyDocument`. Refuses: judging a
//! request (that is `evaluate`) and checking that a named principal exists.

use serde_json::{Map, Value};

use super::condition::{self, Condition};
use super::{Arn, Partition};

mod render;

/// Why a document is refused; `Display` is the message of IAM's `MalformedPolicyDocument`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PolicyError(pub(crate) String);

impl PolicyError {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

/// What a document is attached to; decides which elements it must and must not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PolicyKind {
    /// A role's trust policy: principals, no resources, only `sts:` actions.
    Trust,
    /// Attached to a role or user, or passed with a session: resources, no principals.
    Identity,
    /// Attached to a thing such as a key or a secret: principals and resources.
    Resource,
}

/// A statement's effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Grants.
    Allow,
    /// Refuses, whatever else grants.
    Deny,
}

/// A list of patterns, plain or negated (`Action` and `NotAction`, …).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selector<T> {
    /// Whether the element was the `Not…` form.
    pub negated: bool,
    /// The patterns.
    pub items: Vec<T>,
}

/// Whom a statement is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Principal {
    /// `"*"`: everyone.
    Everyone,
    /// An account id, an account's root, a role, a session or a user.
    Aws(String),
    /// An identity provider: the ARN of an OIDC or SAML provider, or a domain.
    Federated(String),
    /// A service such as `pods.eks.amazonaws.com`.
    Service(String),
    /// An S3 canonical user.
    CanonicalUser(String),
}

/// One statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// Its name.
    pub sid: Option<String>,
    /// What it does when it matches.
    pub effect: Effect,
    /// Whom it is about; absent in identity policies.
    pub principals: Option<Selector<Principal>>,
    /// Which actions.
    pub actions: Selector<String>,
    /// Which resources; absent in trust policies.
    pub resources: Option<Selector<String>>,
    /// All of these must hold.
    pub conditions: Vec<Condition>,
}

/// A policy document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Whether policy variables work: version `2012-10-17`.
    pub variables: bool,
    /// The document's `Id`.
    pub id: Option<String>,
    /// Its statements.
    pub statements: Vec<Statement>,
}

type Object = Map<String, Value>;

impl Policy {
    /// Parses `text` as a policy of the given kind.
    ///
    /// # Errors
    /// The first fault found, with IAM's message.
    pub fn parse(text: &str, kind: PolicyKind) -> Result<Self, PolicyError> {
        let json: Value = serde_json::from_str(text).map_err(|_| not_json(kind))?;
        Self::from_value(&json, kind)
    }

    /// As [`Policy::parse`], from a document already read as JSON.
    ///
    /// # Errors
    /// The first fault found, with IAM's message.
    pub fn from_value(json: &Value, kind: PolicyKind) -> Result<Self, PolicyError> {
        let document = json.as_object().ok_or_else(syntax)?;
        known(document, &["Version", "Id", "Statement"])?;
        let variables = match document.get("Version").map(Value::as_str) {
            None => false,
            Some(Some("2012-10-17")) => true,
            Some(Some("2008-10-17")) => false,
            Some(_) if kind == PolicyKind::Identity => {
                return Err(PolicyError::new(
                    "Policy document must be version 2012-10-17 or greater.",
                ));
            }
            Some(_) => {
                return Err(PolicyError::new(
                    "The policy must contain a valid version string",
                ));
            }
        };
        let id = match document.get("Id") {
            None => None,
            Some(Value::String(s)) => Some(s.clone()),
            Some(_) => return Err(syntax()),
        };
        let items: Vec<&Value> = match document.get("Statement") {
            None => return Err(missing(kind, "Statement")),
            Some(Value::Array(items)) => items.iter().collect(),
            Some(one @ Value::Object(_)) => vec![one],
            Some(_) => return Err(syntax()),
        };
        if items.is_empty() {
            return Err(match kind {
                PolicyKind::Identity => syntax(),
                _ => PolicyError::new("Could not parse the policy: Statement is empty!"),
            });
        }
        let statements = items
            .into_iter()
            .map(|s| statement(s, kind))
            .collect::<Result<Vec<_>, _>>()?;
        for (i, s) in statements.iter().enumerate() {
            let twin = |o: &Statement| o.sid.is_some() && o.sid == s.sid;
            if statements.iter().take(i).any(twin) {
                return Err(PolicyError::new(
                    "Statement IDs (SID) in a single policy must be unique.",
                ));
            }
        }
        Ok(Self {
            variables,
            id,
            statements,
        })
    }
}

fn statement(json: &Value, kind: PolicyKind) -> Result<Statement, PolicyError> {
    const FIELDS: [&str; 9] = [
        "Sid",
        "Effect",
        "Principal",
        "NotPrincipal",
        "Action",
        "NotAction",
        "Resource",
        "NotResource",
        "Condition",
    ];
    let s = json.as_object().ok_or_else(syntax)?;
    known(s, &FIELDS)?;
    let sid = match s.get("Sid") {
        None => None,
        Some(Value::String(sid)) => Some(sid.clone()),
        Some(_) => return Err(syntax()),
    };
    if kind == PolicyKind::Identity
        && let Some(sid) = &sid
        && !sid.bytes().all(|b| b.is_ascii_alphanumeric())
    {
        return Err(PolicyError::new(
            "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression [0-9A-Za-z]*",
        ));
    }
    let effect = match s.get("Effect") {
        None => return Err(missing(kind, "Effect")),
        Some(Value::String(e)) if e == "Allow" => Effect::Allow,
        Some(Value::String(e)) if e == "Deny" => Effect::Deny,
        Some(Value::String(e)) if kind != PolicyKind::Identity => {
            return Err(PolicyError::new(format!("Invalid effect: {e}")));
        }
        Some(_) => return Err(syntax()),
    };
    Ok(Statement {
        sid,
        effect,
        principals: principals(s, kind)?,
        actions: actions(s, kind)?,
        resources: resources(s, kind)?,
        conditions: match s.get("Condition") {
            None => Vec::new(),
            Some(c) => condition::parse(c)?,
        },
    })
}

fn principals(s: &Object, kind: PolicyKind) -> Result<Option<Selector<Principal>>, PolicyError> {
    let Some((negated, json)) = either(s, "Principal", "NotPrincipal")? else {
        return match kind {
            PolicyKind::Identity => Ok(None),
            _ => Err(PolicyError::new("Missing required field Principal")),
        };
    };
    if kind == PolicyKind::Identity {
        return Err(PolicyError::new(
            "Policy document should not specify a principal.",
        ));
    }
    if kind == PolicyKind::Trust && negated {
        return Err(PolicyError::new("Has prohibited field NotPrincipal"));
    }
    let items = match json {
        Value::String(all) if all == "*" => vec![Principal::Everyone],
        Value::String(other) => {
            return Err(PolicyError::new(format!(
                "Invalid principal in policy: \"{other}\""
            )));
        }
        Value::Object(map) if !map.is_empty() => {
            let mut items = Vec::new();
            for (name, values) in map {
                for value in list(values).ok_or_else(syntax)? {
                    items.push(principal(name, value)?);
                }
            }
            items
        }
        _ => return Err(PolicyError::new("Invalid principal in policy")),
    };
    if items.is_empty() {
        return Err(PolicyError::new(
            "Missing required field Principal cannot be empty!",
        ));
    }
    Ok(Some(Selector { negated, items }))
}

fn principal(name: &str, value: &str) -> Result<Principal, PolicyError> {
    let invalid = || {
        PolicyError::new(format!(
            "Invalid principal in policy: \"{name}\":\"{value}\""
        ))
    };
    match name {
        "AWS" if value == "*" => Ok(Principal::Everyone),
        "AWS" => {
            let digits = value.len() == 12 && value.bytes().all(|b| b.is_ascii_digit());
            let arn = Arn::parse(value).is_ok_and(|a| {
                matches!(a.service.as_str(), "iam" | "sts")
                    && Partition::parse(&a.partition).is_some()
                    && !a.resource.contains('*')
            });
            // Ids such as AROA… stand for a deleted principal.
            let id = value.len() >= 16
                && value
                    .bytes()
                    .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
            if digits || arn || id {
                Ok(Principal::Aws(value.to_owned()))
            } else {
                Err(invalid())
            }
        }
        "Federated" => {
            let provider = Arn::parse(value).is_ok_and(|a| {
                a.service == "iam"
                    && ["oidc-provider/", "saml-provider/"].iter().any(|p| {
                        a.resource
                            .strip_prefix(p)
                            .is_some_and(|rest| !rest.is_empty())
                    })
            });
            let domain = value.contains('.')
                && !value.contains(':')
                && value
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-'));
            if provider || domain {
                Ok(Principal::Federated(value.to_owned()))
            } else {
                Err(PolicyError::new(
                    "Federated principals must be valid domain names or SAML metadata ARNs",
                ))
            }
        }
        "Service" if value.contains('.') && !value.contains(['*', ' ']) => {
            Ok(Principal::Service(value.to_owned()))
        }
        "CanonicalUser" if !value.is_empty() => Ok(Principal::CanonicalUser(value.to_owned())),
        _ => Err(invalid()),
    }
}

fn actions(s: &Object, kind: PolicyKind) -> Result<Selector<String>, PolicyError> {
    let missing = || match kind {
        PolicyKind::Identity => PolicyError::new("Policy statement must contain actions."),
        _ => PolicyError::new("Missing required field Action"),
    };
    let (negated, json) = either(s, "Action", "NotAction")?.ok_or_else(missing)?;
    let items = list(json).ok_or_else(syntax)?;
    if items.is_empty() {
        return Err(missing());
    }
    for action in &items {
        check_action(action, kind)?;
    }
    if kind == PolicyKind::Trust && negated {
        return Err(PolicyError::new("Has prohibited field NotAction"));
    }
    Ok(Selector {
        negated,
        items: items.into_iter().map(str::to_owned).collect(),
    })
}

fn check_action(action: &str, kind: PolicyKind) -> Result<(), PolicyError> {
    if action == "*" && kind != PolicyKind::Trust {
        return Ok(());
    }
    let Some((vendor, name)) = action.split_once(':') else {
        return Err(PolicyError::new(
            "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.",
        ));
    };
    if name.contains(':') {
        return Err(PolicyError::new(
            "Actions/Condition can contain only one colon.",
        ));
    }
    if vendor.is_empty()
        || !vendor
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-')
    {
        return Err(PolicyError::new(format!("Vendor {vendor} is not valid")));
    }
    if name.is_empty()
        || !name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'*' | b'?'))
    {
        return Err(PolicyError::new(format!("Invalid Action: {action}")));
    }
    if kind == PolicyKind::Trust && !vendor.eq_ignore_ascii_case("sts") {
        return Err(PolicyError::new(
            "AssumeRole policy may only specify STS AssumeRole actions.",
        ));
    }
    Ok(())
}

fn resources(s: &Object, kind: PolicyKind) -> Result<Option<Selector<String>>, PolicyError> {
    let Some((negated, json)) = either(s, "Resource", "NotResource")? else {
        return match kind {
            PolicyKind::Trust => Ok(None),
            PolicyKind::Identity => {
                Err(PolicyError::new("Policy statement must contain resources."))
            }
            PolicyKind::Resource => Err(PolicyError::new("Missing required field Resource")),
        };
    };
    if kind == PolicyKind::Trust {
        let name = if negated { "NotResource" } else { "Resource" };
        return Err(PolicyError::new(format!("Has prohibited field {name}")));
    }
    let items = list(json).ok_or_else(syntax)?;
    if items.is_empty() {
        return Err(PolicyError::new("Policy statement must contain resources."));
    }
    for resource in &items {
        if *resource != "*" {
            check_resource(resource)?;
        }
    }
    Ok(Some(Selector {
        negated,
        items: items.into_iter().map(str::to_owned).collect(),
    }))
}

fn check_resource(resource: &str) -> Result<(), PolicyError> {
    let Ok(arn) = Arn::parse(resource) else {
        // `arn:aws:s3:::*` has every field; a bare `arn:*` stands for them all.
        if resource.starts_with("arn:") && resource.ends_with('*') {
            return Ok(());
        }
        return Err(PolicyError::new(format!(
            "Resource {resource} must be in ARN format or \"*\"."
        )));
    };
    if !arn.partition.contains(['*', '?', '$']) && Partition::parse(&arn.partition).is_none() {
        let p = arn.partition;
        return Err(PolicyError::new(format!(
            "Partition \"{p}\" is not valid for resource \"{resource}\"."
        )));
    }
    Ok(())
}

/// One of two elements that exclude each other, and whether it was the negated one.
fn either<'a>(
    s: &'a Object,
    plain: &str,
    negated: &str,
) -> Result<Option<(bool, &'a Value)>, PolicyError> {
    match (s.get(plain), s.get(negated)) {
        (Some(_), Some(_)) => Err(syntax()),
        (Some(v), None) => Ok(Some((false, v))),
        (None, Some(v)) => Ok(Some((true, v))),
        (None, None) => Ok(None),
    }
}

/// A string or a list of strings.
pub(crate) fn list(json: &Value) -> Option<Vec<&str>> {
    match json {
        Value::String(s) => Some(vec![s]),
        Value::Array(items) => items.iter().map(Value::as_str).collect(),
        _ => None,
    }
}

fn known(object: &Object, names: &[&str]) -> Result<(), PolicyError> {
    match object.keys().find(|k| !names.contains(&k.as_str())) {
        Some(_) => Err(syntax()),
        None => Ok(()),
    }
}

fn missing(kind: PolicyKind, field: &str) -> PolicyError {
    match kind {
        PolicyKind::Identity => syntax(),
        _ => PolicyError::new(format!("Missing required field {field}")),
    }
}

fn not_json(kind: PolicyKind) -> PolicyError {
    PolicyError::new(match kind {
        PolicyKind::Identity => "The policy is not in the valid JSON format.",
        _ => "This policy contains invalid Json",
    })
}

pub(crate) fn syntax() -> PolicyError {
    PolicyError::new("Syntax errors in policy.")
}

#[cfg(test)]
mod tests;

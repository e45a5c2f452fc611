//! The verdict on a request: an explicit deny beats an allow, an allow beats silence.
//!
//! Owns: matching statements, and for a refusal the nearest miss: the Allow statement that came
//! closest and what in it failed, so that a message can name the broken link. Refuses: deciding
//! how several sets of policies combine (session policy, resource policy): callers evaluate each
//! set and combine.

use std::fmt;

use super::pattern::{Pattern, matches_ignoring_case};
use super::policy::{Effect, Policy, Principal, Selector, Statement};
use super::{Arn, Context};

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Caller {
    /// A user or an account's root, by ARN.
    Aws(Arn),
    /// A session of a role.
    Session {
        /// `arn:…:sts::…:assumed-role/NAME/SESSION`.
        session: Arn,
        /// The role with its path.
        role: Arn,
    },
    /// The bearer of a token of an identity provider, by the provider's ARN.
    Federated(Arn),
    /// A service principal.
    Service(String),
}

/// One request to judge.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Who asks; `None` where the policies hold no principals (identity policies).
    pub caller: Option<&'a Caller>,
    /// The action, `service:Name`.
    pub action: &'a str,
    /// The ARN acted on; `None` for trust policies.
    pub resource: Option<&'a str>,
    /// The facts conditions look at.
    pub context: &'a Context,
}

/// A statement's place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatementRef {
    /// Index among the policies evaluated.
    pub policy: usize,
    /// Index among the policy's statements.
    pub index: usize,
    /// The statement's `Sid`.
    pub sid: Option<String>,
}

impl fmt::Display for StatementRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.sid {
            Some(sid) => write!(f, "statement {sid:?}"),
            None => write!(f, "statement {}", self.index + 1),
        }
    }
}

/// One element of a statement that did not match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Another principal is meant.
    Principal {
        /// Who asked.
        observed: String,
        /// Whom the statement names.
        required: Vec<String>,
    },
    /// Another action is meant.
    Action {
        /// What was asked for.
        observed: String,
        /// What the statement names.
        required: Vec<String>,
    },
    /// Another resource is meant.
    Resource {
        /// What was acted on.
        observed: String,
        /// What the statement names.
        required: Vec<String>,
    },
    /// A condition did not hold.
    Condition {
        /// The operator as written.
        operator: String,
        /// The key as written.
        key: String,
        /// The request's values; `None` when it has no such key.
        observed: Option<Vec<String>>,
        /// The policy's values.
        required: Vec<String>,
    },
}

impl Failure {
    /// What the request had, for a message.
    #[must_use]
    pub fn observed(&self) -> String {
        match self {
            Self::Principal { observed, .. } => format!("principal {observed}"),
            Self::Action { observed, .. } => format!("action {observed}"),
            Self::Resource { observed, .. } => format!("resource {observed}"),
            Self::Condition {
                key,
                observed: None,
                ..
            } => format!("no key {key}"),
            Self::Condition {
                key,
                observed: Some(values),
                ..
            } => format!("{key} = {}", values.join(", ")),
        }
    }

    /// What the statement wanted, for a message.
    #[must_use]
    pub fn required(&self) -> String {
        match self {
            Self::Principal { required, .. } => format!("principal {}", required.join(" or ")),
            Self::Action { required, .. } => format!("action {}", required.join(" or ")),
            Self::Resource { required, .. } => format!("resource {}", required.join(" or ")),
            Self::Condition {
                operator,
                key,
                required,
                ..
            } => {
                format!("{operator} {key} = {}", required.join(" or "))
            }
        }
    }
}

/// The Allow statement that came closest to granting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Miss {
    /// The statement.
    pub statement: StatementRef,
    /// What in it failed; never empty.
    pub failed: Vec<Failure>,
}

/// The verdict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// An Allow statement matched and no Deny.
    Allowed {
        /// The statement that granted.
        by: StatementRef,
        /// Whether it names only the caller's account: the account then decides through its
        /// own identity policies.
        delegated: bool,
    },
    /// A Deny statement matched.
    Denied {
        /// The statement that refused.
        by: StatementRef,
    },
    /// Nothing matched.
    NotAllowed {
        /// The Allow statement that came closest, if there is any.
        nearest: Option<Miss>,
    },
}

impl Decision {
    /// Whether the request is granted, delegation counted as a grant.
    #[must_use]
    pub const fn is_allowed(&self) -> bool {
        matches!(self, Self::Allowed { .. })
    }
}

/// How a principal element matched.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Match {
    No,
    Account,
    Direct,
}

/// Judges `request` by the union of `policies`.
#[must_use]
pub fn evaluate(policies: &[&Policy], request: &Request<'_>) -> Decision {
    let mut allowed: Option<(StatementRef, bool)> = None;
    let mut nearest: Option<(usize, Miss)> = None;
    for (p, policy) in policies.iter().enumerate() {
        for (index, statement) in policy.statements.iter().enumerate() {
            let at = || StatementRef {
                policy: p,
                index,
                sid: statement.sid.clone(),
            };
            let (failed, distance, delegated) = judge(statement, policy.variables, request);
            match (statement.effect, failed.is_empty()) {
                (Effect::Deny, true) => return Decision::Denied { by: at() },
                (Effect::Allow, true) => match &allowed {
                    Some((_, false)) => {}
                    Some((_, true)) if delegated => {}
                    _ => allowed = Some((at(), delegated)),
                },
                (Effect::Allow, false) => {
                    if nearest.as_ref().is_none_or(|(d, _)| distance < *d) {
                        nearest = Some((
                            distance,
                            Miss {
                                statement: at(),
                                failed,
                            },
                        ));
                    }
                }
                (Effect::Deny, false) => {}
            }
        }
    }
    match allowed {
        Some((by, delegated)) => Decision::Allowed { by, delegated },
        None => Decision::NotAllowed {
            nearest: nearest.map(|(_, miss)| miss),
        },
    }
}

/// The failures of one statement, how far it is from matching, and whether it only delegates.
///
/// A statement about another action or principal is farther away than any number of failed
/// conditions: the user means the statement that was written for this request.
fn judge(s: &Statement, variables: bool, request: &Request<'_>) -> (Vec<Failure>, usize, bool) {
    const ELEMENT: usize = 1_000_000;
    let mut failed = Vec::new();
    let mut distance = 0;
    let mut delegated = false;
    if let (Some(selector), Some(caller)) = (&s.principals, request.caller) {
        let matched = selector
            .items
            .iter()
            .map(|p| principal(p, caller))
            .max()
            .unwrap_or(Match::No);
        delegated = !selector.negated && matched == Match::Account;
        if (matched != Match::No) == selector.negated {
            distance += ELEMENT;
            failed.push(Failure::Principal {
                observed: caller.to_string(),
                required: names(selector, Principal::to_string),
            });
        }
    }
    if !selects(&s.actions, |a| matches_ignoring_case(a, request.action)) {
        distance += 2 * ELEMENT;
        failed.push(Failure::Action {
            observed: request.action.to_owned(),
            required: names(&s.actions, String::clone),
        });
    }
    if let (Some(selector), Some(resource)) = (&s.resources, request.resource) {
        let one = |pattern: &String| {
            let pattern = if variables {
                Pattern::with_variables(pattern, request.context)
            } else {
                Some(Pattern::plain(pattern))
            };
            pattern.is_some_and(|p| p.matches(resource))
        };
        if !selects(selector, one) {
            distance += ELEMENT;
            failed.push(Failure::Resource {
                observed: resource.to_owned(),
                required: names(selector, String::clone),
            });
        }
    }
    for c in &s.conditions {
        if !c.holds(request.context, variables) {
            distance += 1;
            failed.push(Failure::Condition {
                operator: c.operator_name(),
                key: c.key.clone(),
                observed: request.context.get(&c.key).map(<[String]>::to_vec),
                required: c.values.clone(),
            });
        }
    }
    (failed, distance, delegated)
}

fn selects<T>(selector: &Selector<T>, one: impl Fn(&T) -> bool) -> bool {
    selector.items.iter().any(one) != selector.negated
}

fn names<T>(selector: &Selector<T>, name: impl Fn(&T) -> String) -> Vec<String> {
    let not = if selector.negated { "not " } else { "" };
    selector
        .items
        .iter()
        .map(|i| format!("{not}{}", name(i)))
        .collect()
}

fn principal(wanted: &Principal, caller: &Caller) -> Match {
    let when = |holds: bool| if holds { Match::Direct } else { Match::No };
    match (wanted, caller) {
        (Principal::Everyone, _) => Match::Direct,
        (Principal::Aws(text), Caller::Aws(arn)) => {
            account(text, &arn.account).max(when(*text == arn.to_string()))
        }
        (Principal::Aws(text), Caller::Session { session, role }) => account(text, &role.account)
            .max(when(
                *text == session.to_string() || *text == role.to_string(),
            )),
        (Principal::Federated(text), Caller::Federated(arn)) => when(*text == arn.to_string()),
        (Principal::Service(text), Caller::Service(name)) => when(text == name),
        _ => Match::No,
    }
}

/// An account id or its root's ARN stands for the whole account.
fn account(wanted: &str, account: &str) -> Match {
    let root = Arn::parse(wanted)
        .is_ok_and(|a| a.service == "iam" && a.resource == "root" && a.account == account);
    if wanted == account || root {
        Match::Account
    } else {
        Match::No
    }
}

impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Aws(arn) | Self::Federated(arn) | Self::Session { session: arn, .. } => {
                arn.fmt(f)
            }
            Self::Service(name) => f.write_str(name),
        }
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Everyone => "*",
            Self::Aws(v) | Self::Federated(v) | Self::Service(v) | Self::CanonicalUser(v) => v,
        })
    }
}

#[cfg(test)]
mod tests;

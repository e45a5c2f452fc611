//! Web identity: the trust policy that a [`Trust`] comes down to, and the verdict on a token.
//!
//! Owns: the condition keys `ISSUER:sub`, `:aud`, `:oaud`, `:amr`, and the round trip between
//! model and policy. Refuses: signatures and times; a token comes here after they were judged.

use super::condition::{Condition, Operator};
use super::evaluate::{Caller, Decision, Request, evaluate};
use super::policy::{Effect, Policy, Principal, Selector, Statement};
use super::{Arn, Context, Partition};
use crate::provider;
use crate::token::Claims;
use crate::trust::{Issuer, Target, Trust};

mod refusal;

pub use refusal::Refusal;

/// The action of the exchange.
pub const ACTION: &str = "sts:AssumeRoleWithWebIdentity";

/// The name of the condition key `claim` of `issuer`: host and path, no scheme.
#[must_use]
pub fn condition_key(issuer: &Issuer, claim: &str) -> String {
    format!("{}:{claim}", issuer.host_path())
}

/// The audience STS takes: `azp` where the token has one, else each `aud`.
#[must_use]
pub fn audiences(claims: &Claims) -> Vec<String> {
    match &claims.azp {
        Some(azp) => vec![azp.clone()],
        None => claims.aud.clone(),
    }
}

/// The condition keys that `claims` bring into the request and into the session made from it.
#[must_use]
pub fn context(issuer: &Issuer, claims: &Claims) -> Context {
    let mut out = Context::new();
    out.set(&condition_key(issuer, "sub"), claims.sub.clone());
    out.set_all(&condition_key(issuer, "aud"), audiences(claims));
    if claims.azp.is_some() {
        out.set_all(&condition_key(issuer, "oaud"), claims.aud.clone());
    }
    if !claims.amr.is_empty() {
        out.set_all(&condition_key(issuer, "amr"), claims.amr.clone());
    }
    out
}

/// Whether a role with the trust policy `policy` in `account` may be assumed with a token of
/// `issuer` that carries `claims`. `facts` are the request's other condition keys.
#[must_use]
pub fn judge(
    policy: &Policy,
    role: &Arn,
    issuer: &Issuer,
    claims: &Claims,
    facts: &Context,
) -> Decision {
    let partition = Partition::parse(&role.partition).unwrap_or(Partition::Aws);
    let caller = Caller::Federated(provider::arn(issuer, partition, &role.account));
    let mut context = facts.clone();
    context.extend(&self::context(issuer, claims));
    let request = Request {
        caller: Some(&caller),
        action: ACTION,
        resource: None,
        context: &context,
    };
    evaluate(&[policy], &request)
}

/// The trust policy that lets exactly `trusts` in: one statement each, both `sub` and `aud`
/// compared exactly. Trusts of other clouds are passed over.
#[must_use]
pub fn trust_policy(trusts: &[Trust]) -> Policy {
    let statements = trusts
        .iter()
        .map(|trust| {
            let Target::AwsRole(role) = &trust.target;
            let partition = Partition::parse(&role.partition).unwrap_or(Partition::Aws);
            let provider = provider::arn(&trust.issuer, partition, &role.account);
            let equals = |claim, value: &str| Condition {
                quantifier: None,
                operator: Operator::StringEquals,
                if_exists: false,
                key: condition_key(&trust.issuer, claim),
                // A value is taken for what it says, even if it looks like a policy's variable.
                values: vec![value.replace("${", "${$}{")],
            };
            Statement {
                sid: None,
                effect: Effect::Allow,
                principals: Some(Selector {
                    negated: false,
                    items: vec![Principal::Federated(provider.to_string())],
                }),
                actions: Selector {
                    negated: false,
                    items: vec![ACTION.to_owned()],
                },
                resources: None,
                conditions: vec![
                    equals("aud", &trust.audience),
                    equals("sub", &trust.subject),
                ],
            }
        })
        .collect();
    Policy {
        variables: true,
        id: None,
        statements,
    }
}

/// The exact trusts that `policy` of `role` grants: every Allow statement with a federated
/// principal and `StringEquals` on one issuer's `sub` and `aud` and nothing else. Wider or
/// stranger statements are left to the linter.
#[must_use]
pub fn trusts_in(policy: &Policy, role: &Arn) -> Vec<Trust> {
    policy
        .statements
        .iter()
        .filter(|s| s.effect == Effect::Allow)
        .flat_map(|s| exact(s, role))
        .collect()
}

fn exact(s: &Statement, role: &Arn) -> Vec<Trust> {
    let (Some(principals), [a, b]) = (&s.principals, s.conditions.as_slice()) else {
        return Vec::new();
    };
    let plain = |c: &Condition| {
        c.operator == Operator::StringEquals && c.quantifier.is_none() && !c.if_exists
    };
    let acts = !s.actions.negated
        && s.actions
            .items
            .iter()
            .any(|x| x.eq_ignore_ascii_case(ACTION));
    if principals.negated || !acts || !plain(a) || !plain(b) {
        return Vec::new();
    }
    let mut out = Vec::new();
    for item in &principals.items {
        let Principal::Federated(text) = item else {
            continue;
        };
        let Some(issuer) = Arn::parse(text).ok().and_then(|arn| {
            Issuer::parse(&format!(
                "https://{}",
                arn.resource.strip_prefix("oidc-provider/")?
            ))
            .ok()
        }) else {
            continue;
        };
        let values = |claim| {
            let key = condition_key(&issuer, claim);
            [a, b]
                .into_iter()
                .find(|c| c.key.eq_ignore_ascii_case(&key))
                .map(|c| c.values.as_slice())
        };
        let (Some(subjects), Some(audiences)) = (values("sub"), values("aud")) else {
            continue;
        };
        for subject in subjects {
            for audience in audiences {
                out.push(Trust {
                    issuer: issuer.clone(),
                    audience: audience.replace("${$}", "$"),
                    subject: subject.replace("${$}", "$"),
                    target: Target::AwsRole(role.clone()),
                });
            }
        }
    }
    out
}

#[cfg(test)]
mod tests;

//! Sessions that AWS's own services make for their customers: EC2 for an instance, EKS for a pod.
//!
//! Owns: the judgement of the role's trust in the service. Refuses: knowing why the service asks.

use std::collections::{BTreeMap, BTreeSet};

use keyless_trust::aws::{Arn, Caller, Context, Request, evaluate};

use super::super::credentials::AccessKey;
use super::super::state::State;
use super::{Origin, Wish, open};

/// What a service asks for.
pub(in super::super) struct Delegation<'a> {
    /// E.g. `pods.eks.amazonaws.com`.
    pub service: &'a str,
    pub role: &'a Arn,
    pub session_name: String,
    /// All of them are passed on along a chain.
    pub tags: BTreeMap<String, String>,
    /// What the service acts for, e.g. a cluster.
    pub source: Option<Arn>,
    /// Seconds.
    pub duration: i64,
}

/// The session's key and when it ends; `None` if there is no such role or it does not trust the
/// service.
pub(in super::super) fn assume(
    state: &mut State,
    asked: Delegation<'_>,
    now: i64,
) -> Option<(AccessKey, i64)> {
    let wish = Wish {
        role: asked.role.clone(),
        session_name: asked.session_name,
        duration: asked.duration,
        policies: Vec::new(),
        packed: None,
    };
    let mut facts = Context::new();
    facts.set("sts:RoleSessionName", wish.session_name.clone());
    if let Some(source) = &asked.source {
        facts.set("aws:SourceArn", source.to_string());
        facts.set("aws:SourceAccount", source.account.clone());
    }
    for (key, value) in &asked.tags {
        facts.set(&format!("aws:RequestTag/{key}"), value.clone());
    }
    if !asked.tags.is_empty() {
        facts.set_all("aws:TagKeys", asked.tags.keys().cloned());
        facts.set_all("sts:TransitiveTagKeys", asked.tags.keys().cloned());
    }
    let role = wish.role(state)?;
    let caller = Caller::Service(asked.service.to_owned());
    let trusted = |action| {
        let request = Request {
            caller: Some(&caller),
            action,
            resource: None,
            context: &facts,
        };
        evaluate(&[&role.trust.policy], &request).is_allowed()
    };
    if !trusted("sts:AssumeRole") || !(asked.tags.is_empty() || trusted("sts:TagSession")) {
        return None;
    }
    let user_id = format!("{}:{}", role.id, wish.session_name);
    let transitive: BTreeSet<String> = asked.tags.keys().cloned().collect();
    let origin = Origin {
        tags: asked.tags,
        transitive,
        ..Origin::default()
    };
    Some(open(state, &wish, &user_id, origin, now))
}

//! A policy as JSON, in the spelling AWS's own console writes: lists of one become strings.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{Effect, Policy, Principal, Selector, Statement};

impl Policy {
    /// The document.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut out = Map::new();
        let version = if self.variables {
            "2012-10-17"
        } else {
            "2008-10-17"
        };
        out.insert("Version".into(), version.into());
        if let Some(id) = &self.id {
            out.insert("Id".into(), id.clone().into());
        }
        out.insert(
            "Statement".into(),
            self.statements.iter().map(statement).collect(),
        );
        Value::Object(out)
    }
}

fn statement(s: &Statement) -> Value {
    let mut out = Map::new();
    if let Some(sid) = &s.sid {
        out.insert("Sid".into(), sid.clone().into());
    }
    let effect = match s.effect {
        Effect::Allow => "Allow",
        Effect::Deny => "Deny",
    };
    out.insert("Effect".into(), effect.into());
    if let Some(p) = &s.principals {
        out.insert(name("Principal", p.negated), principals(p));
    }
    out.insert(
        name("Action", s.actions.negated),
        one_or_many(&s.actions.items),
    );
    if let Some(r) = &s.resources {
        out.insert(name("Resource", r.negated), one_or_many(&r.items));
    }
    if !s.conditions.is_empty() {
        let mut blocks: BTreeMap<String, Map<String, Value>> = BTreeMap::new();
        for c in &s.conditions {
            blocks
                .entry(c.operator_name())
                .or_default()
                .insert(c.key.clone(), one_or_many(&c.values));
        }
        out.insert("Condition".into(), json!(blocks));
    }
    Value::Object(out)
}

fn name(plain: &str, negated: bool) -> String {
    if negated {
        format!("Not{plain}")
    } else {
        plain.to_owned()
    }
}

fn principals(selector: &Selector<Principal>) -> Value {
    if selector.items == [Principal::Everyone] {
        return "*".into();
    }
    let mut out: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for item in &selector.items {
        let (kind, value) = match item {
            Principal::Everyone => ("AWS", "*"),
            Principal::Aws(v) => ("AWS", v.as_str()),
            Principal::Federated(v) => ("Federated", v.as_str()),
            Principal::Service(v) => ("Service", v.as_str()),
            Principal::CanonicalUser(v) => ("CanonicalUser", v.as_str()),
        };
        out.entry(kind).or_default().push(value.to_owned());
    }
    out.into_iter()
        .map(|(k, v)| (k.to_owned(), one_or_many(&v)))
        .collect::<Map<_, _>>()
        .into()
}

fn one_or_many(items: &[String]) -> Value {
    match items {
        [one] => one.clone().into(),
        many => many.to_vec().into(),
    }
}

//! Rules for trust policies of roles.

use serde_json::Value;

use super::{Document, Finding, Severity, Sheet, placeholder};
use crate::aws::federation::ACTION;
use crate::aws::{
    Arn, Condition, Effect, Operator, Policy, PolicyKind, Principal, Quantifier, Statement,
};
use crate::hcl::is_unknown;

const PREFIX: &str = "oidc-provider/";
const POD_IDENTITY: &str = "pods.eks.amazonaws.com";

/// A trust policy and where its statements stand.
pub(super) struct TrustPolicy<'a> {
    pub(super) sheet: &'a Sheet<'a>,
    /// The role's name or address, for messages.
    pub(super) part: &'a str,
    /// Line of a statement.
    pub(super) line: &'a dyn Fn(usize) -> Option<usize>,
}

impl TrustPolicy<'_> {
    pub(super) fn lint(&self, json: &Value, found: &mut Vec<Finding>) {
        let policy = match Policy::from_value(json, PolicyKind::Trust) {
            Ok(policy) => policy,
            Err(error) => {
                let text = error.to_string();
                let finding = self.at(0, "L13", Severity::Error, text);
                found.push(finding);
                return;
            }
        };
        for (index, statement) in policy.statements.iter().enumerate() {
            if statement.effect == Effect::Allow {
                self.statement(index, statement, found);
            }
        }
    }

    fn at(
        &self,
        index: usize,
        code: &'static str,
        severity: Severity,
        observed: impl Into<String>,
    ) -> Finding {
        let part = format!("{}, statement {}", self.part, index + 1);
        self.sheet
            .finding(code, severity, (self.line)(index), &part, observed)
    }

    fn statement(&self, index: usize, s: &Statement, found: &mut Vec<Finding>) {
        let Some(principals) = &s.principals else {
            return;
        };
        let acts = |name: &str| {
            let matches = |a: &String| a.eq_ignore_ascii_case(name) || a == "sts:*" || a == "*";
            s.actions.items.iter().any(matches) != s.actions.negated
        };
        let mut issuers = Vec::new();
        for principal in &principals.items {
            match principal {
                Principal::Federated(arn) => issuers.extend(self.provider(index, arn, found)),
                Principal::Everyone if !principals.negated => found.push(
                    self.at(index, "A26", Severity::Error, "Principal is \"*\"")
                        .required("the ARN of the issuer's OIDC provider"),
                ),
                Principal::Service(name) if name == POD_IDENTITY => {
                    let missing = ["sts:AssumeRole", "sts:TagSession"];
                    for action in missing.into_iter().filter(|a| !acts(a)) {
                        found.push(
                            self.at(index, "A17", Severity::Error, "Pod Identity is trusted")
                                .required(format!("{action} among the actions")),
                        );
                    }
                }
                _ => {}
            }
        }
        if issuers.is_empty() {
            return;
        }
        if !acts(ACTION) {
            let observed = format!("Action {}", s.actions.items.join(", "));
            found.push(
                self.at(index, "A5", Severity::Error, observed)
                    .required(ACTION),
            );
            return;
        }
        self.conditions(index, s, &issuers, found);
    }

    /// The provider's host and path, unless the principal is not one.
    fn provider(&self, index: usize, text: &str, found: &mut Vec<Finding>) -> Option<String> {
        if let Some(word) = placeholder(text) {
            let observed = format!("{word} in Principal {text}");
            found.push(self.at(index, "L4", Severity::Error, observed));
        }
        // A principal that is wholly unknown cannot be judged before it is applied.
        if text.starts_with("${") && text.ends_with('}') {
            return None;
        }
        let wrong = || {
            let observed = format!("Principal {text:?}");
            self.at(index, "A24", Severity::Error, observed)
                .required("arn:PARTITION:iam::ACCOUNT:oidc-provider/ISSUER_HOST_PATH")
        };
        let Ok(arn) = Arn::parse(text) else {
            if !text.contains("${") {
                found.push(wrong());
            }
            return None;
        };
        let Some(host) = arn.resource.strip_prefix(PREFIX) else {
            // SAML and domains are no business of a cluster.
            if arn.service == "iam" && !arn.resource.starts_with("saml-provider/") {
                found.push(wrong());
            }
            return None;
        };
        let bare = !host.contains('.') && !is_unknown(host);
        if host.starts_with("https:") || host.is_empty() || bare && placeholder(text).is_none() {
            found.push(wrong());
            return None;
        }
        if let Some(issuer) = &self.sheet.expect.issuer {
            let wanted = issuer.strip_prefix("https://").unwrap_or(issuer);
            if wanted != host && !is_unknown(host) {
                found.push(
                    self.at(index, "A3", Severity::Error, format!("provider {host}"))
                        .required(format!("provider {wanted}")),
                );
            }
        }
        Some(host.to_owned())
    }

    fn conditions(
        &self,
        index: usize,
        s: &Statement,
        issuers: &[String],
        found: &mut Vec<Finding>,
    ) {
        let mut bound = [false, false];
        for condition in &s.conditions {
            let Some((host, claim)) = condition.key.rsplit_once(':') else {
                continue;
            };
            if !matches!(claim, "sub" | "aud" | "oaud" | "amr") || host == "aws" {
                continue;
            }
            if let Some(word) = placeholder(host) {
                let observed = format!("{word} in condition key {}", condition.key);
                found.push(self.at(index, "L4", Severity::Error, observed));
            }
            let known = !is_unknown(host) && !issuers.iter().any(|i| is_unknown(i));
            if known
                && !issuers
                    .iter()
                    .any(|issuer| issuer.eq_ignore_ascii_case(host))
            {
                // `https://` in front, another region, or half of the issuer.
                let code = if host.starts_with("https://") {
                    "A3"
                } else {
                    "L5"
                };
                found.push(
                    self.at(
                        index,
                        code,
                        Severity::Error,
                        format!("condition key {}", condition.key),
                    )
                    .required(format!("{}:{claim}", issuers.join(" or "))),
                );
            }
            let slot = match claim {
                "sub" => &mut bound[0],
                "aud" => &mut bound[1],
                _ => continue,
            };
            *slot |= self.binds(index, claim, condition, found);
        }
        for (claim, bound) in ["sub", "aud"].iter().zip(bound) {
            if !bound {
                let required = format!("StringEquals {}:{claim}", issuers.join(" or "));
                let observed = match *claim {
                    "sub" => "no condition on sub: every service account of the cluster is let in",
                    _ => "no condition on aud: tokens for other audiences are let in",
                };
                found.push(
                    self.at(index, "A26", Severity::Error, observed)
                        .required(required),
                );
            }
        }
    }

    /// Whether a condition narrows its claim; says so where it does less than it seems.
    fn binds(&self, index: usize, claim: &str, c: &Condition, found: &mut Vec<Finding>) -> bool {
        let written = format!("{} {} = {}", c.operator_name(), c.key, c.values.join(", "));
        let wide = self
            .at(index, "A26", Severity::Error, written.clone())
            .required("StringEquals with the exact value");
        let positive = matches!(
            c.operator,
            Operator::StringEquals | Operator::StringLike | Operator::StringEqualsIgnoreCase
        );
        if !positive || c.if_exists || c.quantifier == Some(Quantifier::All) {
            found.push(wide);
            // It is said once; whether the claim is bound elsewhere does not matter then.
            return true;
        }
        let wild = |v: &String| v.contains(['*', '?']) && !is_unknown(v);
        if c.operator != Operator::StringLike && c.values.iter().any(wild) {
            found.push(
                self.at(index, "A3", Severity::Error, written)
                    .required("no wildcard with StringEquals: it is compared as it stands"),
            );
            return true;
        }
        if claim == "sub" {
            for value in &c.values {
                self.subject(index, value, found);
            }
        }
        if let Some(wanted) = self.expected(claim) {
            let pattern = crate::aws::pattern::Pattern::plain;
            let holds = |v: &String| match c.operator {
                Operator::StringLike => pattern(v).matches(wanted),
                _ => v == wanted,
            };
            if !c.values.iter().any(|v| is_unknown(v) || holds(v)) {
                let observed = format!("{} = {}", c.key, c.values.join(", "));
                found.push(
                    self.at(index, "A3", Severity::Error, observed)
                        .required(format!("{} = {wanted}", c.key)),
                );
            }
        }
        true
    }

    fn expected(&self, claim: &str) -> Option<&str> {
        let expect = self.sheet.expect;
        match claim {
            "sub" => expect.subject.as_deref(),
            _ => expect.audience.as_deref(),
        }
    }

    fn subject(&self, index: usize, value: &str, found: &mut Vec<Finding>) {
        if let Some(word) = placeholder(value) {
            let observed = format!("{word} in {value}");
            found.push(self.at(index, "L4", Severity::Error, observed));
            return;
        }
        if is_unknown(value) {
            return;
        }
        match value
            .strip_prefix("system:serviceaccount:")
            .map(|r| r.split(':'))
        {
            Some(mut parts) => {
                let (namespace, name, more) = (parts.next(), parts.next(), parts.next());
                let any = |part: Option<&str>| part.is_none_or(|p| p.starts_with('*'));
                if any(namespace) || any(name) {
                    found.push(
                        self.at(index, "A26", Severity::Error, format!("subject {value}"))
                            .required("system:serviceaccount:NAMESPACE:NAME"),
                    );
                } else if more.is_some() || name.is_some_and(str::is_empty) {
                    found.push(self.shape(index, value));
                }
            }
            None if value.starts_with('*') => found.push(
                self.at(index, "A26", Severity::Error, format!("subject {value}"))
                    .required("system:serviceaccount:NAMESPACE:NAME"),
            ),
            None => found.push(self.shape(index, value)),
        }
    }

    fn shape(&self, index: usize, value: &str) -> Finding {
        self.at(index, "A3", Severity::Error, format!("subject {value}"))
            .required("system:serviceaccount:NAMESPACE:NAME")
    }
}

/// Whether a policy says whom it is about: then it is one of trust.
pub(super) fn is_trust(json: &Value) -> bool {
    let has = |s: &Value| {
        ["Principal", "NotPrincipal"]
            .iter()
            .any(|name| s.get(name).is_some())
            && s.get("Resource").is_none()
    };
    match json.get("Statement") {
        Some(Value::Array(items)) => items.iter().any(has),
        Some(one) => has(one),
        None => false,
    }
}

/// The line of a statement in a JSON document whose policy is under `pointer`.
pub(super) fn line_in<'a>(
    document: &'a Document,
    pointer: &'a str,
) -> impl Fn(usize) -> Option<usize> + 'a {
    move |index| document.line(&format!("{pointer}/Statement/{index}"))
}

//! Rules for permission policies.

use serde_json::Value;

use super::{Finding, Severity, Sheet, placeholder};
use crate::aws::{Arn, Effect, Partition, Policy, PolicyKind, Statement};
use crate::hcl::is_unknown;

/// Actions that take no narrower resource.
/// <https://docs.aws.amazon.com/service-authorization/latest/reference/reference.html>
const UNBOUND: [&str; 4] = [
    "ssm:DescribeParameters",
    "secretsmanager:ListSecrets",
    "secretsmanager:BatchGetSecretValue",
    "secretsmanager:GetRandomPassword",
];

/// Actions that a search without a path reads everything with. A statement that says it is a search
/// may have these on a wide resource, and no other.
const SEARCHING: [&str; 4] = [
    "secretsmanager:GetSecretValue",
    "ssm:GetParameter",
    "ssm:GetParameters",
    "ssm:GetParametersByPath",
];

/// A permission policy and where its statements stand.
pub(super) struct Permission<'a> {
    pub(super) sheet: &'a Sheet<'a>,
    pub(super) part: &'a str,
    pub(super) line: &'a dyn Fn(usize) -> Option<usize>,
}

impl Permission<'_> {
    pub(super) fn lint(&self, json: &Value, found: &mut Vec<Finding>) {
        let policy = match Policy::from_value(json, PolicyKind::Identity) {
            Ok(policy) => policy,
            Err(error) => {
                let text = error.to_string();
                found.push(self.at(0, "L13", Severity::Error, text));
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
        for condition in &s.conditions {
            let Some((host, claim)) = condition.key.rsplit_once(':') else {
                continue;
            };
            if matches!(claim, "sub" | "aud" | "oaud") && host != "aws" {
                let observed = format!("condition {} in a permission policy", condition.key);
                found.push(self.at(index, "A19", Severity::Error, observed));
            }
        }
        let resources = s.resources.as_ref().filter(|r| !r.negated);
        let resources = resources.map_or(&[][..], |r| r.items.as_slice());
        for resource in resources {
            self.resource(index, s, resource, found);
        }
        let decrypts = |a: &String| {
            a.eq_ignore_ascii_case("kms:Decrypt") || a.eq_ignore_ascii_case("kms:*") || a == "*"
        };
        let via = |k: &str| k.eq_ignore_ascii_case("kms:ViaService");
        if s.actions.items.iter().any(decrypts)
            && !s.actions.negated
            && !s.conditions.iter().any(|c| via(&c.key))
        {
            let observed = "kms:Decrypt without kms:ViaService";
            found.push(self.at(index, "L7", Severity::Warning, observed));
        }
    }

    fn resource(&self, index: usize, s: &Statement, text: &str, found: &mut Vec<Finding>) {
        if let Some(word) = placeholder(text) {
            let observed = format!("{word} in Resource {text}");
            found.push(self.at(index, "L4", Severity::Error, observed));
        }
        let search = s.sid.as_ref().is_some_and(|sid| sid.starts_with("Search"));
        let among = |list: &[&str], a: &String| list.iter().any(|l| l.eq_ignore_ascii_case(a));
        let meant = |a: &String| among(&UNBOUND, a) || search && among(&SEARCHING, a);
        if is_wide(text) && (s.actions.negated || !s.actions.items.iter().all(meant)) {
            let actions = s.actions.items.join(", ");
            found.push(
                self.at(
                    index,
                    "L6",
                    Severity::Warning,
                    format!("{actions} on {text}"),
                )
                .required("the names of what is read"),
            );
        }
        let Ok(arn) = Arn::parse(text) else {
            if text != "*" && !is_unknown(text) {
                let observed = format!("Resource {text:?} is no ARN");
                found.push(self.at(index, "L13", Severity::Error, observed));
            }
            return;
        };
        if arn.service == "ssm" && arn.resource.starts_with("parameter//") {
            found.push(
                self.at(index, "A18", Severity::Error, format!("Resource {text}"))
                    .required("one slash between parameter and the name"),
            );
        }
        let known = |part: &str| !part.is_empty() && !part.contains(['*', '$']);
        if known(&arn.region) && known(&arn.partition) && placeholder(&arn.region).is_none() {
            let partition = Partition::of_region(&arn.region);
            if partition.as_str() != arn.partition {
                let region = &arn.region;
                found.push(
                    self.at(index, "A18", Severity::Error, format!("Resource {text}"))
                        .required(format!("partition {partition}, where region {region} is")),
                );
            }
        }
    }
}

/// Whether a resource covers everything of its kind.
fn is_wide(text: &str) -> bool {
    let Ok(arn) = Arn::parse(text) else {
        return text == "*";
    };
    let resource = arn.resource.trim_end_matches('*');
    let rest = match (arn.service.as_str(), resource) {
        ("ssm", rest) => rest.strip_prefix("parameter"),
        ("secretsmanager", rest) => rest.strip_prefix("secret"),
        ("kms", rest) => rest
            .strip_prefix("key")
            .or_else(|| rest.strip_prefix("alias")),
        _ => return false,
    };
    let all = |rest: &str| rest.chars().all(|c| matches!(c, '/' | ':' | '*'));
    arn.resource.contains('*') && (resource.is_empty() || rest.is_some_and(all))
}

//! The least permission policy for what is read.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::aws::{Arn, Partition};
use crate::plan::{Access, Identity, Place, Scope, Verb};
use crate::render::RenderError;

/// One policy for all that `identities` read; `None` when they read nothing. `next` is a role that
/// is assumed on the way.
pub(super) fn policy(
    partition: Partition,
    account: &str,
    identities: &[&Identity],
    keys: &[String],
    next: Option<&Arn>,
) -> Result<Option<Value>, RenderError> {
    let mut statements = Statements::default();
    let mut services = Vec::new();
    let all = identities.iter().flat_map(|i| &i.grants).map(|g| &g.access);
    for access in all {
        let at = |service: &str, region: &str, resource: String| {
            format!("arn:{partition}:{service}:{region}:{account}:{resource}")
        };
        match &access.place {
            Place::ParameterStore { region } => {
                let host = format!("ssm.{region}.{}", partition.dns_suffix());
                services.push(host);
                parameter(access, region, &at, &mut statements)?;
            }
            Place::SecretsManager { region } => {
                let host = format!("secretsmanager.{region}.{}", partition.dns_suffix());
                services.push(host);
                secret(access, region, &at, &mut statements)?;
            }
            _ => {}
        }
    }
    if !keys.is_empty() && !services.is_empty() {
        services.sort();
        services.dedup();
        statements.decrypt = Some(json!({
            "Sid": "Decrypt",
            "Effect": "Allow",
            "Action": "kms:Decrypt",
            "Resource": keys,
            "Condition": {"StringEquals": {"kms:ViaService": services}},
        }));
    }
    if let Some(next) = next {
        statements.add("Assume", "", &["sts:AssumeRole"], next.to_string());
        statements.add("Assume", "", &["sts:TagSession"], next.to_string());
    }
    Ok(statements.finish())
}

fn parameter(
    access: &Access,
    region: &str,
    at: &dyn Fn(&str, &str, String) -> String,
    out: &mut Statements,
) -> Result<(), RenderError> {
    // The slash that a name begins with is the one after `parameter`.
    let name = |name: &str| literal(name.strip_prefix('/').unwrap_or(name));
    let resource = |rest: String| at("ssm", region, format!("parameter/{rest}"));
    let read = &["ssm:GetParameter", "ssm:GetParameters"];
    match (access.verb, &access.scope) {
        (Verb::Read, Scope::Name(text)) if text.starts_with("arn:") => {
            out.add("ReadParameters", region, read, literal(text));
        }
        (Verb::Read, Scope::Name(text)) => {
            out.add("ReadParameters", region, read, resource(name(text)));
        }
        (Verb::Read, Scope::Below(text)) => {
            out.add(
                "ReadParameters",
                region,
                read,
                resource(format!("{}*", name(text))),
            );
        }
        (Verb::Read, Scope::Everything) => {
            out.add("SearchParameters", region, read, resource("*".into()));
        }
        (Verb::ReadMetadata, Scope::Name(text)) => {
            let action = &["ssm:ListTagsForResource"];
            out.add("ReadTags", region, action, resource(name(text)));
        }
        (Verb::Search, Scope::Below(text)) => {
            let action = &["ssm:GetParametersByPath"];
            let path = name(text);
            let path = path.trim_end_matches('/');
            out.add("ListParameters", region, action, resource(path.to_owned()));
            out.add(
                "ListParameters",
                region,
                action,
                resource(format!("{path}/*")),
            );
        }
        (Verb::Search, _) => {
            let action = &["ssm:GetParametersByPath"];
            out.add("SearchPaths", region, action, resource("*".into()));
        }
        (Verb::SearchTags, _) => {
            out.add("SearchTags", "", &["ssm:DescribeParameters"], "*".into());
        }
        _ => {}
    }
    Ok(())
}

fn secret(
    access: &Access,
    region: &str,
    at: &dyn Fn(&str, &str, String) -> String,
    out: &mut Statements,
) -> Result<(), RenderError> {
    let resource = |rest: String| at("secretsmanager", region, format!("secret:{rest}"));
    // Six characters are put behind every name.
    let named = |text: &str| match text.strip_prefix("arn:") {
        Some(_) => vec![literal(text), format!("{}-??????", literal(text))],
        None => vec![resource(format!("{}-??????", literal(text)))],
    };
    match (access.verb, &access.scope) {
        (Verb::Read, Scope::Name(text)) => {
            for arn in named(text) {
                out.add(
                    "ReadSecrets",
                    region,
                    &["secretsmanager:GetSecretValue"],
                    arn,
                );
            }
        }
        (Verb::Read, Scope::Below(text)) => {
            let arn = resource(format!("{}*", literal(text)));
            out.add(
                "ReadSecrets",
                region,
                &["secretsmanager:GetSecretValue"],
                arn,
            );
        }
        (Verb::Read, Scope::Everything) => {
            let arn = resource("*".into());
            out.add(
                "SearchSecrets",
                region,
                &["secretsmanager:GetSecretValue"],
                arn,
            );
        }
        (Verb::ReadMetadata, Scope::Name(text)) => {
            for arn in named(text) {
                out.add("ReadTags", region, &["secretsmanager:DescribeSecret"], arn);
            }
        }
        (Verb::Search | Verb::SearchTags, _) => {
            let actions = &[
                "secretsmanager:ListSecrets",
                "secretsmanager:BatchGetSecretValue",
            ];
            out.add("SearchNames", "", actions, "*".into());
        }
        _ => {}
    }
    Ok(())
}

/// A text in which no character is a wildcard or the beginning of a variable.
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html#policy-vars-specialchars>
fn literal(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '*' => out.push_str("${*}"),
            '?' => out.push_str("${?}"),
            '$' => out.push_str("${$}"),
            c => out.push(c),
        }
    }
    out
}

/// Statements by name, each with its actions and resources.
#[derive(Default)]
struct Statements {
    all: BTreeMap<(String, String), (Vec<String>, Vec<String>)>,
    decrypt: Option<Value>,
}

impl Statements {
    fn add(&mut self, sid: &str, region: &str, actions: &[&str], resource: String) {
        let entry = self.all.entry((sid.to_owned(), region.to_owned()));
        let (known, resources) = entry.or_default();
        for action in actions {
            if !known.iter().any(|a| a == action) {
                known.push((*action).to_owned());
            }
        }
        if !resources.contains(&resource) {
            resources.push(resource);
        }
    }

    fn finish(self) -> Option<Value> {
        let several = |sid: &str| self.all.keys().filter(|(s, _)| s == sid).count() > 1;
        let mut out = Vec::new();
        for ((sid, region), (actions, resources)) in &self.all {
            let region: String = region.chars().filter(char::is_ascii_alphanumeric).collect();
            let sid = if several(sid) {
                format!("{sid}{region}")
            } else {
                sid.clone()
            };
            let mut statement = Map::new();
            statement.insert("Sid".into(), json!(sid));
            statement.insert("Effect".into(), json!("Allow"));
            statement.insert("Action".into(), one_or_many(actions));
            statement.insert("Resource".into(), one_or_many(resources));
            out.push(Value::Object(statement));
        }
        out.extend(self.decrypt);
        (!out.is_empty()).then(|| json!({"Version": "2012-10-17", "Statement": out}))
    }
}

fn one_or_many(items: &[String]) -> Value {
    match items {
        [one] => json!(one),
        many => json!(many),
    }
}

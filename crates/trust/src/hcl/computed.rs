//! Attributes that a provider computes and that follow from others: ARNs and policy documents.

use serde_json::{Map, Value, json};

use super::Block;
use super::eval::{Evaluation, text_of};

/// What the provider would put into `name`; `None` when that is known after applying only.
pub(super) fn attribute(e: &mut Evaluation<'_>, block: &Block, name: &str) -> Option<Value> {
    let kind = block.labels.first().map(String::as_str)?;
    let text = match (kind, name) {
        ("aws_iam_policy_document", "json" | "minified_json") => {
            policy_document(e, block).to_string()
        }
        ("aws_iam_openid_connect_provider", "arn" | "id") => {
            let url = text_of(&e.argument(block, "url")?);
            let host = url.strip_prefix("https://").unwrap_or(&url).to_owned();
            iam(e, &format!("oidc-provider/{host}"))
        }
        ("aws_iam_role", "arn") => {
            let path = e
                .argument(block, "path")
                .map_or("/".to_owned(), |p| text_of(&p));
            let role = text_of(&e.argument(block, "name")?);
            iam(e, &format!("role{path}{role}"))
        }
        ("aws_iam_role", "id") => text_of(&e.argument(block, "name")?),
        ("google_iam_workload_identity_pool", "name") => {
            let number = e.fact("data.google_project.current.number");
            let id = text_of(&e.argument(block, "workload_identity_pool_id")?);
            format!("projects/{number}/locations/global/workloadIdentityPools/{id}")
        }
        ("google_secret_manager_secret", "id") => {
            let project = text_of(&e.argument(block, "project")?);
            let id = text_of(&e.argument(block, "secret_id")?);
            format!("projects/{project}/secrets/{id}")
        }
        _ => return None,
    };
    Some(Value::String(text))
}

fn iam(e: &mut Evaluation<'_>, resource: &str) -> String {
    let partition = e.fact("data.aws_partition.current.partition");
    let account = e.fact("data.aws_caller_identity.current.account_id");
    format!("arn:{partition}:iam::{account}:{resource}")
}

/// The document of a data source `aws_iam_policy_document`, as the provider makes it.
pub(super) fn policy_document(e: &mut Evaluation<'_>, block: &Block) -> Value {
    let mut statements = Vec::new();
    for statement in block.inner("statement") {
        statements.push(Value::Object(self::statement(e, statement)));
    }
    json!({"Version": "2012-10-17", "Statement": statements})
}

fn statement(e: &mut Evaluation<'_>, block: &Block) -> Map<String, Value> {
    let mut out = Map::new();
    if let Some(sid) = e.argument(block, "sid") {
        out.insert("Sid".into(), sid);
    }
    let effect = e.argument(block, "effect");
    out.insert("Effect".into(), effect.unwrap_or_else(|| json!("Allow")));
    for (argument, element) in [
        ("actions", "Action"),
        ("not_actions", "NotAction"),
        ("resources", "Resource"),
        ("not_resources", "NotResource"),
    ] {
        if let Some(value) = e.argument(block, argument) {
            out.insert(element.into(), value);
        }
    }
    for (kind, element) in [
        ("principals", "Principal"),
        ("not_principals", "NotPrincipal"),
    ] {
        let mut all = Map::new();
        for principals in block.inner(kind) {
            let who = e.argument(principals, "type").map(|t| text_of(&t));
            let identifiers = e.argument(principals, "identifiers");
            if let (Some(who), Some(identifiers)) = (who, identifiers) {
                append(all.entry(who).or_insert_with(|| json!([])), identifiers);
            }
        }
        if let Some(everyone) = all.remove("*") {
            let _ = everyone;
            out.insert(element.into(), json!("*"));
        } else if !all.is_empty() {
            out.insert(element.into(), Value::Object(all));
        }
    }
    let mut conditions = Map::new();
    for condition in block.inner("condition") {
        let part = |e: &mut Evaluation<'_>, name| e.argument(condition, name);
        let (Some(test), Some(variable), Some(values)) = (
            part(e, "test").map(|t| text_of(&t)),
            part(e, "variable").map(|v| text_of(&v)),
            part(e, "values"),
        ) else {
            continue;
        };
        let operator = conditions.entry(test).or_insert_with(|| json!({}));
        if let Some(keys) = operator.as_object_mut() {
            append(keys.entry(variable).or_insert_with(|| json!([])), values);
        }
    }
    if !conditions.is_empty() {
        out.insert("Condition".into(), Value::Object(conditions));
    }
    out
}

fn append(list: &mut Value, more: Value) {
    if let Value::Array(list) = list {
        match more {
            Value::Array(items) => list.extend(items),
            other => list.push(other),
        }
    }
}

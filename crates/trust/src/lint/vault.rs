//! Rules for what `bao read -format=json auth/MOUNT/role/ROLE` and `…/config` print, and for
//! roles in HCL.

use serde_json::Value;

use super::aws::near;
use super::{Document, Finding, Severity, Sheet};

pub(super) fn role(sheet: &Sheet<'_>, document: &Document, found: &mut Vec<Finding>) {
    let empty = Value::Null;
    let data = document.value.get("data").unwrap_or(&empty);
    let line = |field: &str| document.line(&format!("/data/{field}"));
    checks(sheet, data, "role", &line, found);
}

/// The rules for a role's fields, wherever they are written.
pub(super) fn checks(
    sheet: &Sheet<'_>,
    data: &Value,
    part: &str,
    line: &dyn Fn(&str) -> Option<usize>,
    found: &mut Vec<Finding>,
) {
    let list = |name: &str| -> Vec<&str> {
        match data.get(name) {
            Some(Value::Array(items)) => items.iter().filter_map(Value::as_str).collect(),
            Some(Value::String(text)) if !text.is_empty() => text.split(',').collect(),
            _ => Vec::new(),
        }
    };
    let text = |name: &str| data.get(name).and_then(Value::as_str).unwrap_or_default();
    let mut push = |code, field: &str, observed: String, required: String| {
        found.push(
            sheet
                .finding(code, Severity::Error, line(field), part, observed)
                .required(required),
        );
    };
    let expect = sheet.expect;
    if data.get("bound_service_account_names").is_some() {
        for (field, what) in [
            ("bound_service_account_names", "name"),
            ("bound_service_account_namespaces", "namespace"),
        ] {
            let selected = field.ends_with("namespaces")
                && !text("bound_service_account_namespace_selector").is_empty();
            let bound = list(field);
            if bound.contains(&"*") || bound.is_empty() && !selected {
                push(
                    "V9",
                    field,
                    format!("every {what} is let in"),
                    format!("one {what}"),
                );
            }
        }
        if let Some(account) = expect
            .subject
            .as_deref()
            .and_then(crate::ServiceAccount::from_subject)
        {
            for (field, wanted) in [
                ("bound_service_account_names", &account.name),
                ("bound_service_account_namespaces", &account.namespace),
            ] {
                let bound = list(field);
                if !bound.contains(&"*") && !bound.contains(&wanted.as_str()) && !bound.is_empty() {
                    push(
                        "V2",
                        field,
                        format!("{field} {bound:?}"),
                        format!("{wanted:?} in it"),
                    );
                }
            }
        }
        let audience = text("audience");
        if let Some(wanted) = &expect.audience
            && !audience.is_empty()
            && audience != wanted
        {
            push(
                "V3",
                "audience",
                format!("audience {audience}"),
                format!("audience {wanted}"),
            );
        }
        return;
    }
    if text("role_type") == "oidc" {
        push(
            "V2",
            "role_type",
            "role_type oidc".into(),
            "role_type jwt".into(),
        );
        return;
    }
    let audiences = list("bound_audiences");
    if audiences.is_empty() {
        push(
            "V3",
            "bound_audiences",
            "no bound_audiences".into(),
            "the token's audience".into(),
        );
    } else if let Some(wanted) = &expect.audience
        && !audiences.contains(&wanted.as_str())
    {
        push(
            "V3",
            "bound_audiences",
            format!("bound_audiences {audiences:?}"),
            format!("{wanted:?} in it"),
        );
    }
    let subject = text("bound_subject");
    let claims = data.get("bound_claims").and_then(Value::as_object);
    let open = subject.is_empty() && claims.is_none_or(serde_json::Map::is_empty);
    if open {
        push(
            "V9",
            "bound_subject",
            "neither bound_subject nor bound_claims".into(),
            "bound_subject system:serviceaccount:NAMESPACE:NAME".into(),
        );
    } else if let Some(wanted) = &expect.subject
        && !subject.is_empty()
        && subject != wanted
    {
        push(
            "V2",
            "bound_subject",
            format!("bound_subject {subject}"),
            wanted.clone(),
        );
    }
}

pub(super) fn config(sheet: &Sheet<'_>, document: &Document, found: &mut Vec<Finding>) {
    let part = "auth method";
    let text = |name: &str| document.text(&format!("/data/{name}")).unwrap_or_default();
    let line = |name: &str| document.line(&format!("/data/{name}"));
    let keys = document.value.pointer("/data/jwt_validation_pubkeys");
    if keys
        .and_then(Value::as_array)
        .is_some_and(|k| !k.is_empty())
    {
        let line = line("jwt_validation_pubkeys");
        let observed = "keys are stored at the server";
        found.push(sheet.finding("V6", Severity::Warning, line, part, observed));
    }
    let url = text("oidc_discovery_url");
    if url.contains(".well-known") {
        let line = line("oidc_discovery_url");
        found.push(
            sheet
                .finding(
                    "V5",
                    Severity::Error,
                    line,
                    part,
                    format!("oidc_discovery_url {url}"),
                )
                .required("the issuer alone"),
        );
    }
    if let Some(issuer) = &sheet.expect.issuer {
        for name in ["oidc_discovery_url", "bound_issuer"] {
            let there = text(name);
            if !there.is_empty() && there != issuer {
                let code = if near(there, issuer) { "K2" } else { "V4" };
                found.push(
                    sheet
                        .finding(
                            code,
                            Severity::Error,
                            line(name),
                            part,
                            format!("{name} {there}"),
                        )
                        .required(format!("{name} {issuer}")),
                );
            }
        }
    }
}

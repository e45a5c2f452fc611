//! Rules for pool providers, as `gcloud iam workload-identity-pools providers describe` prints
//! them, and for IAM policies, as `get-iam-policy` does.

use serde_json::Value;

use super::aws::near;
use super::{Document, Finding, Severity, Sheet, placeholder};

pub(super) fn provider(sheet: &Sheet<'_>, document: &Document, found: &mut Vec<Finding>) {
    let name = document.text("/name").unwrap_or("without name");
    let part = format!("pool provider {name}");
    let mut push = |code, severity, pointer: &str, observed: String, required: Option<String>| {
        let line = document.line(pointer);
        let mut finding = sheet.finding(code, severity, line, &part, observed);
        finding.required = required;
        found.push(finding);
    };
    if document.text("/state") == Some("DELETED") {
        let observed = "state DELETED".to_owned();
        push(
            "G14",
            Severity::Error,
            "/state",
            observed,
            Some("state ACTIVE".into()),
        );
    }
    if document.value.get("disabled") == Some(&Value::Bool(true)) {
        push(
            "G1",
            Severity::Error,
            "/disabled",
            "it is disabled".into(),
            None,
        );
    }
    if document
        .text("/attributeCondition")
        .is_none_or(str::is_empty)
    {
        let observed = "no attribute condition".to_owned();
        push("L15", Severity::Warning, "", observed, None);
    }
    let subject = document.value.pointer("/attributeMapping/google.subject");
    if subject.is_none() {
        let required = Some("google.subject = assertion.sub".to_owned());
        push(
            "L13",
            Severity::Error,
            "/attributeMapping",
            "google.subject is not mapped".into(),
            required,
        );
    }
    let issuer = document.text("/oidc/issuerUri").unwrap_or_default();
    if let Some(wanted) = &sheet.expect.issuer
        && wanted != issuer
    {
        let code = if near(wanted, issuer) { "K2" } else { "G5" };
        push(
            code,
            Severity::Error,
            "/oidc/issuerUri",
            format!("issuer {issuer}"),
            Some(format!("issuer {wanted}")),
        );
    }
    let allowed = document.value.pointer("/oidc/allowedAudiences");
    let allowed: Vec<&str> = allowed
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    if let Some(wanted) = &sheet.expect.audience {
        let own = format!("//iam.googleapis.com/{name}");
        let default = *wanted == own || *wanted == format!("https:{own}");
        let taken = if allowed.is_empty() {
            default
        } else {
            allowed.contains(&wanted.as_str())
        };
        if !taken {
            push(
                "G3",
                Severity::Error,
                "/oidc/allowedAudiences",
                format!("audiences {allowed:?}"),
                Some(format!("audience {wanted}")),
            );
        }
    }
    if document.value.pointer("/oidc/jwksJson").is_some() {
        let observed = "keys are given inline".to_owned();
        push("P17", Severity::Warning, "/oidc/jwksJson", observed, None);
    }
}

pub(super) fn bindings(sheet: &Sheet<'_>, document: &Document, found: &mut Vec<Finding>) {
    let bindings = document.value.get("bindings").and_then(Value::as_array);
    for (index, binding) in bindings.into_iter().flatten().enumerate() {
        let members = binding.get("members").and_then(Value::as_array);
        for (n, member) in members.into_iter().flatten().enumerate() {
            let line = document.line(&format!("/bindings/{index}/members/{n}"));
            if let Some(member) = member.as_str() {
                self::member(sheet, line, "binding", member, found);
            }
        }
    }
}

/// A member that is the same in all clusters of a project. On one secret that is as narrow as GKE
/// allows; on a project it is worth a thought.
pub(super) fn same_everywhere(
    sheet: &Sheet<'_>,
    line: Option<usize>,
    part: &str,
    text: &str,
    found: &mut Vec<Finding>,
) {
    if text.contains(".svc.id.goog/subject/") {
        let observed = format!("member {text}");
        found.push(sheet.finding("L11", Severity::Warning, line, part, observed));
    }
}

/// A member of a binding.
pub(super) fn member(
    sheet: &Sheet<'_>,
    line: Option<usize>,
    part: &str,
    text: &str,
    found: &mut Vec<Finding>,
) {
    if let Some(word) = placeholder(text) {
        let observed = format!("{word} in member {text}");
        found.push(sheet.finding("L4", Severity::Error, line, part, observed));
    }
    if matches!(text, "allUsers" | "allAuthenticatedUsers") {
        let observed = format!("member {text}");
        found.push(sheet.finding("L6", Severity::Error, line, part, observed));
        return;
    }
    let Some((scheme, rest)) = text.split_once("://iam.googleapis.com/projects/") else {
        return;
    };
    let project = rest.split('/').next().unwrap_or_default();
    let known = !project.contains("${") && placeholder(project).is_none();
    if known && !project.bytes().all(|b| b.is_ascii_digit()) {
        found.push(
            sheet
                .finding("G9", Severity::Error, line, part, format!("member {text}"))
                .required("the project's number, not its id"),
        );
    }
    if scheme == "principalSet" && rest.ends_with("/*") {
        found.push(
            sheet
                .finding("L15", Severity::Error, line, part, format!("member {text}"))
                .required("principal://…/subject/system:serviceaccount:NAMESPACE:NAME"),
        );
    }
}

//! Rules for federated credentials, as `az identity federated-credential list` and `show` print
//! them and as their JSON files are written.

use serde_json::Value;

use super::aws::near;
use super::{Document, Finding, Severity, Sheet, placeholder};
use crate::azure::{FederatedCredential, MAX_CREDENTIALS};
use crate::hcl::is_unknown;
use crate::trust::ServiceAccount;

/// The audiences of Azure's clouds.
const AUDIENCES: [&str; 3] = [
    "api://AzureADTokenExchange",
    "api://AzureADTokenExchangeUSGov",
    "api://AzureADTokenExchangeChina",
];

/// A federated credential as a document has it.
pub(super) struct Written<'a> {
    pub(super) name: Option<&'a str>,
    pub(super) issuer: &'a str,
    pub(super) subject: &'a str,
    pub(super) audiences: Vec<String>,
}

pub(super) fn credentials(sheet: &Sheet<'_>, document: &Document, found: &mut Vec<Finding>) {
    let items: Vec<(String, &Value)> = match &document.value {
        Value::Array(items) => items
            .iter()
            .enumerate()
            .map(|(n, item)| (format!("/{n}"), item))
            .collect(),
        one => vec![(String::new(), one)],
    };
    if items.len() > MAX_CREDENTIALS {
        let observed = format!("{} credentials on one identity", items.len());
        found.push(
            sheet
                .finding(
                    "Z17",
                    Severity::Error,
                    document.line(""),
                    "the list",
                    observed,
                )
                .required(format!("at most {MAX_CREDENTIALS}")),
        );
    }
    let mut near_miss = Vec::new();
    let mut fits = false;
    for (pointer, item) in &items {
        let text = |name: &str| item.get(name).and_then(Value::as_str).unwrap_or_default();
        let audiences = item.get("audiences").and_then(Value::as_array);
        let audiences = audiences.into_iter().flatten().filter_map(Value::as_str);
        let written = Written {
            name: item.get("name").and_then(Value::as_str),
            issuer: text("issuer"),
            subject: text("subject"),
            audiences: audiences.map(str::to_owned).collect(),
        };
        let line = |field: &str| document.line(&format!("{pointer}/{field}"));
        credential(sheet, &written, &line, found);
        let misses = against(sheet, &written, &line);
        fits |= misses.is_empty();
        if near_miss.is_empty() || misses.len() < near_miss.len() {
            near_miss = misses;
        }
    }
    // Others may be meant for other tokens: only when none fits is the nearest one wrong.
    if !fits {
        found.append(&mut near_miss);
    }
}

/// What is wrong with one credential by itself.
pub(super) fn credential(
    sheet: &Sheet<'_>,
    written: &Written<'_>,
    line: &dyn Fn(&str) -> Option<usize>,
    found: &mut Vec<Finding>,
) {
    let Written {
        name,
        issuer,
        subject,
        audiences,
    } = written;
    let part = format!("federated credential {}", name.unwrap_or("without name"));
    let mut push = |code, field: &str, observed: String, required: &str| {
        found.push(
            sheet
                .finding(code, Severity::Error, line(field), &part, observed)
                .required(required),
        );
    };
    for (field, text) in [("issuer", issuer), ("subject", subject)] {
        if let Some(word) = placeholder(text) {
            push(
                "L4",
                field,
                format!("{word} in {field} {text}"),
                "a real value",
            );
        }
    }
    match audiences.as_slice() {
        [one] => {
            if !AUDIENCES.contains(&one.as_str()) && !is_unknown(one) {
                let wanted = sheet.expect.audience.as_deref();
                if wanted != Some(one.as_str()) {
                    push("Z2", "audiences", format!("audience {one}"), AUDIENCES[0]);
                }
            }
        }
        many => push(
            "L10",
            "audiences",
            format!("{} audiences", many.len()),
            "exactly one",
        ),
    }
    if !is_unknown(issuer) && placeholder(issuer).is_none() {
        if !issuer.starts_with("https://") || issuer.trim() != *issuer {
            push(
                "Z17",
                "issuer",
                format!("issuer {issuer:?}"),
                "an https URL without blanks",
            );
        } else if issuer.contains(".svc") {
            push(
                "K1",
                "issuer",
                format!("issuer {issuer}"),
                "the public issuer",
            );
        }
    }
    let account = ServiceAccount::from_subject(subject);
    if account.is_none() && !is_unknown(subject) && placeholder(subject).is_none() {
        push(
            "Z3",
            "subject",
            format!("subject {subject:?}"),
            "system:serviceaccount:NAMESPACE:NAME",
        );
    }
    if let Some(name) = name.filter(|n| !is_unknown(n)) {
        let made = FederatedCredential::new(name, "https://a", "a", "a");
        if let Err(error) = made {
            push("Z17", "name", error.to_string(), "another name");
        }
    }
}

fn against(
    sheet: &Sheet<'_>,
    written: &Written<'_>,
    line: &dyn Fn(&str) -> Option<usize>,
) -> Vec<Finding> {
    let part = format!(
        "federated credential {}",
        written.name.unwrap_or("without name")
    );
    let mut out = Vec::new();
    let mut push = |code, field: &str, observed: &str, required: &str| {
        out.push(
            sheet
                .finding(
                    code,
                    Severity::Error,
                    line(field),
                    &part,
                    format!("{field} {observed}"),
                )
                .required(format!("{field} {required}")),
        );
    };
    let expect = sheet.expect;
    if let Some(issuer) = &expect.issuer
        && issuer != written.issuer
    {
        let code = if near(issuer, written.issuer) {
            "K2"
        } else {
            "Z1"
        };
        push(code, "issuer", written.issuer, issuer);
    }
    if let Some(subject) = &expect.subject
        && subject != written.subject
    {
        push("Z3", "subject", written.subject, subject);
    }
    if let Some(audience) = &expect.audience
        && !written.audiences.contains(audience)
    {
        push("Z2", "audiences", &written.audiences.join(", "), audience);
    }
    out
}

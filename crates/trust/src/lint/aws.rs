//! Rules for what `aws iam get-role`, `get-role-policy`, `get-policy-version` and
//! `get-open-id-connect-provider` print, and for policies on their own.

use serde_json::Value;

use super::permission::Permission;
use super::trust_policy::{TrustPolicy, is_trust, line_in};
use super::{Document, Finding, Severity, Sheet};
use crate::aws::Arn;

pub(super) fn policy(
    sheet: &Sheet<'_>,
    document: &Document,
    json: &Value,
    part: &str,
    found: &mut Vec<Finding>,
) {
    at(sheet, document, json, "", part, found);
}

/// The policy under `pointer`: of trust or of permission, by what it has.
fn at(
    sheet: &Sheet<'_>,
    document: &Document,
    json: &Value,
    pointer: &str,
    part: &str,
    found: &mut Vec<Finding>,
) {
    let line = line_in(document, pointer);
    let (sheet, line) = (sheet, &line);
    if is_trust(json) {
        TrustPolicy { sheet, part, line }.lint(json, found);
    } else {
        Permission { sheet, part, line }.lint(json, found);
    }
}

pub(super) fn role(sheet: &Sheet<'_>, document: &Document, found: &mut Vec<Finding>) {
    let root = if document.value.get("Role").is_some() {
        "/Role"
    } else {
        ""
    };
    let pointer = format!("{root}/AssumeRolePolicyDocument");
    let name = document.text(&format!("{root}/RoleName"));
    let part = format!("role {}", name.unwrap_or("without name"));
    let Some(json) = document.value.pointer(&pointer) else {
        return;
    };
    at(sheet, document, json, &pointer, &part, found);
    // The provider is looked up in the role's own account.
    let arn = document.text(&format!("{root}/Arn")).map(Arn::parse);
    let Some(Ok(role)) = arn else {
        return;
    };
    let statements = json.get("Statement").and_then(Value::as_array);
    for (index, statement) in statements.into_iter().flatten().enumerate() {
        let federated = statement.pointer("/Principal/Federated");
        let texts: Vec<&str> = match federated {
            Some(Value::String(one)) => vec![one],
            Some(Value::Array(many)) => many.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        for arn in texts.iter().filter_map(|text| Arn::parse(text).ok()) {
            if arn.account != role.account || arn.partition != role.partition {
                let line = document.line(&format!("{pointer}/Statement/{index}"));
                found.push(
                    sheet
                        .finding(
                            "A1",
                            Severity::Error,
                            line,
                            &part,
                            format!("provider {arn}"),
                        )
                        .required(format!(
                            "a provider in account {} of partition {}, the role's own",
                            role.account, role.partition
                        )),
                );
            }
        }
    }
}

pub(super) fn role_policy(sheet: &Sheet<'_>, document: &Document, found: &mut Vec<Finding>) {
    for pointer in ["/PolicyDocument", "/PolicyVersion/Document"] {
        if let Some(json) = document.value.pointer(pointer) {
            let name = document.text("/PolicyName").unwrap_or("policy");
            at(sheet, document, json, pointer, name, found);
        }
    }
}

pub(super) fn provider(sheet: &Sheet<'_>, document: &Document, found: &mut Vec<Finding>) {
    let url = document.text("/Url").unwrap_or_default();
    let part = format!("provider {url}");
    let list = |pointer: &str| {
        let items = document.value.pointer(pointer).and_then(Value::as_array);
        let items = items.into_iter().flatten().filter_map(Value::as_str);
        items.map(str::to_owned).collect::<Vec<_>>()
    };
    let ids = list("/ClientIDList");
    let line = document.line("/ClientIDList");
    match &sheet.expect.audience {
        _ if ids.is_empty() => found.push(
            sheet
                .finding("A7", Severity::Error, line, &part, "no client id at all")
                .required("sts.amazonaws.com, or the audience of your tokens"),
        ),
        Some(wanted) if !ids.contains(wanted) => found.push(
            sheet
                .finding(
                    "A2",
                    Severity::Error,
                    line,
                    &part,
                    format!("client ids {ids:?}"),
                )
                .required(format!("client id {wanted}")),
        ),
        _ => {}
    }
    // IAM leaves the scheme out; others do not.
    let bare = |text: &str| text.strip_prefix("https://").unwrap_or(text).to_owned();
    if let Some(issuer) = &sheet.expect.issuer
        && bare(issuer) != bare(url)
    {
        let line = document.line("/Url");
        let code = if near(&bare(issuer), &bare(url)) {
            "K2"
        } else {
            "A1"
        };
        found.push(
            sheet
                .finding(code, Severity::Error, line, &part, bare(url))
                .required(bare(issuer)),
        );
    }
    let thumbprints = list("/ThumbprintList");
    let good = |t: &String| t.len() == 40 && t.bytes().all(|b| b.is_ascii_hexdigit());
    for bad in thumbprints.iter().filter(|t| !good(t)) {
        let line = document.line("/ThumbprintList");
        found.push(
            sheet
                .finding(
                    "A9",
                    Severity::Error,
                    line,
                    &part,
                    format!("thumbprint {bad}"),
                )
                .required("40 hexadecimal digits, or none where a public CA signs"),
        );
    }
}

/// Whether two issuers differ only in what is easily overlooked.
pub(super) fn near(a: &str, b: &str) -> bool {
    let plain = |text: &str| {
        let text = text
            .trim()
            .trim_start_matches("https://")
            .trim_end_matches('/');
        text.replacen(":443", "", 1).to_lowercase()
    };
    a != b && plain(a) == plain(b)
}

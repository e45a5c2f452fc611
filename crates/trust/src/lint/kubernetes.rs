//! Rules for manifests: stores, service accounts, pods.

use serde_json::{Map, Value};

use super::{Document, Finding, Severity, Sheet, placeholder};
use crate::aws::Arn;

/// Annotations and labels that mean something, and that are easily mistyped.
const KEYS: [&str; 9] = [
    "eks.amazonaws.com/role-arn",
    "eks.amazonaws.com/audience",
    "eks.amazonaws.com/token-expiration",
    "azure.workload.identity/client-id",
    "azure.workload.identity/tenant-id",
    "azure.workload.identity/use",
    "iam.gke.io/gcp-service-account",
    "cloud.google.com/workload-identity-provider",
    "cloud.google.com/service-account-email",
];

pub(super) fn manifest(sheet: &Sheet<'_>, document: &Document, found: &mut Vec<Finding>) {
    let text = |pointer: &str| document.text(pointer).unwrap_or_default();
    let kind = text("/kind");
    let part = format!("{kind} {}", text("/metadata/name"));
    let version = text("/apiVersion");
    if version == "external-secrets.io/v1beta1" || version == "external-secrets.io/v1alpha1" {
        let line = document.line("/apiVersion");
        found.push(
            sheet
                .finding("O4", Severity::Warning, line, &part, version)
                .required("external-secrets.io/v1"),
        );
    }
    for pointer in [
        "/metadata/annotations",
        "/metadata/labels",
        "/spec/template/metadata/labels",
        "/spec/template/metadata/annotations",
    ] {
        if let Some(Value::Object(map)) = document.value.pointer(pointer) {
            keys(sheet, document, pointer, map, &part, found);
        }
    }
    if kind == "ClusterSecretStore" && version.starts_with("external-secrets.io/") {
        store(sheet, document, &part, found);
    }
}

fn keys(
    sheet: &Sheet<'_>,
    document: &Document,
    pointer: &str,
    map: &Map<String, Value>,
    part: &str,
    found: &mut Vec<Finding>,
) {
    for (key, value) in map {
        let line = document.line(&format!(
            "{pointer}/{}",
            key.replace('~', "~0").replace('/', "~1")
        ));
        if !KEYS.contains(&key.as_str())
            && let Some(meant) = KEYS.iter().find(|k| almost(k, key))
        {
            found.push(
                sheet
                    .finding("L14", Severity::Error, line, part, key.as_str())
                    .required(*meant),
            );
        }
        let value = value.as_str().unwrap_or_default();
        if KEYS.contains(&key.as_str())
            && let Some(word) = placeholder(value)
        {
            let observed = format!("{word} in {key}: {value}");
            found.push(sheet.finding("L4", Severity::Error, line, part, observed));
        } else if key == "eks.amazonaws.com/role-arn" && Arn::parse_role(value).is_err() {
            found.push(
                sheet
                    .finding("A4", Severity::Error, line, part, format!("{key}: {value}"))
                    .required("arn:PARTITION:iam::ACCOUNT:role/NAME"),
            );
        }
    }
}

/// A cluster-wide store that logs in as the operator for whoever asks.
fn store(sheet: &Sheet<'_>, document: &Document, part: &str, found: &mut Vec<Finding>) {
    let spec = |pointer: &str| document.value.pointer(&format!("/spec{pointer}"));
    let open = spec("/conditions")
        .and_then(Value::as_array)
        .is_none_or(Vec::is_empty);
    let own = ["/provider/aws", "/provider/gcpsm"]
        .iter()
        .any(|p| spec(p).is_some_and(|s| s.get("auth").is_none()))
        || spec("/provider/azurekv").is_some_and(|s| {
            s.get("serviceAccountRef").is_none() && s.get("authSecretRef").is_none()
        });
    if open && own {
        let line = document.line("/spec/provider");
        let observed = "the operator's own identity, for every namespace";
        found.push(
            sheet
                .finding("O5", Severity::Warning, line, part, observed)
                .required("conditions, or a serviceAccountRef"),
        );
    }
}

/// Whether two keys differ by a slip of the pen.
#[must_use]
pub fn almost(one: &str, other: &str) -> bool {
    distance(one, other) <= 3
}

/// Edits between two short texts; more than three are not told apart.
fn distance(a: &str, b: &str) -> usize {
    if a.len().abs_diff(b.len()) > 3 {
        return 4;
    }
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut next = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let at = |row: &[usize], n: usize| row.get(n).copied().unwrap_or(usize::MAX - 1);
            let change = at(&row, j) + usize::from(x != *y);
            let drop = at(&row, j + 1) + 1;
            let add = at(&next, j) + 1;
            next.push(change.min(drop).min(add));
        }
        row = next;
    }
    row.last().copied().unwrap_or(4)
}

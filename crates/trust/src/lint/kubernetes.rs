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
    if !version.starts_with("external-secrets.io/") {
        return;
    }
    match kind {
        "ClusterSecretStore" => {
            store(sheet, document, &part, found);
            let spec = document.value.pointer("/spec/provider");
            accounts(sheet, document, spec, "/spec/provider", &part, found);
        }
        "ExternalSecret" => certificates(sheet, document, &part, found),
        _ => {}
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

/// Service accounts that a cluster-wide store names without their namespace.
fn accounts(
    sheet: &Sheet<'_>,
    document: &Document,
    value: Option<&Value>,
    pointer: &str,
    part: &str,
    found: &mut Vec<Finding>,
) {
    let Some(Value::Object(fields)) = value else {
        return;
    };
    for (name, value) in fields {
        let pointer = format!("{pointer}/{name}");
        if name != "serviceAccountRef" {
            accounts(sheet, document, Some(value), &pointer, part, found);
        } else if value.get("namespace").is_none() {
            let account = value
                .get("name")
                .and_then(Value::as_str)
                .unwrap_or_default();
            let line = document.line(&pointer);
            let observed =
                format!("serviceAccountRef {account} of each namespace that uses the store");
            found.push(
                sheet
                    .finding("O3", Severity::Warning, line, part, observed)
                    .required("namespace, unless that is meant"),
            );
        }
    }
}

/// Certificates of Azure that are read for the sake of a private key, which they have not.
fn certificates(sheet: &Sheet<'_>, document: &Document, part: &str, found: &mut Vec<Finding>) {
    let tls = document.text("/spec/target/template/type") == Some("kubernetes.io/tls");
    let entries = document
        .value
        .pointer("/spec/data")
        .and_then(Value::as_array);
    for (index, entry) in entries.into_iter().flatten().enumerate() {
        let text = |pointer: &str| entry.pointer(pointer).and_then(Value::as_str);
        let (Some(to), Some(from)) = (text("/secretKey"), text("/remoteRef/key")) else {
            continue;
        };
        let Some(name) = from.strip_prefix("cert/") else {
            continue;
        };
        let key = to.ends_with(".key") || to.ends_with(".pfx") || to.ends_with(".p12");
        if key || (tls && entries.is_some_and(|all| all.len() == 1)) {
            let line = document.line(&format!("/spec/data/{index}/remoteRef/key"));
            found.push(
                sheet
                    .finding(
                        "Z23",
                        Severity::Error,
                        line,
                        part,
                        format!("{to} from {from}"),
                    )
                    .required(format!("secret/{name}, which has the private key")),
            );
        }
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

//! The issuer's documents: the issuer itself, what was seen from outside, and whether the token's
//! key is among the published ones.

use keyless_fault::Link;
use serde_json::Value;

use super::objects::Subject;
use super::{Findings, Verdict};
use crate::catalogue;
use crate::plan::{Cloud, GoogleLogin, VaultMethod};

pub(super) fn judge(subject: &Subject<'_>, found: &mut Findings) {
    // Where nobody fetches the documents they cannot break the chain.
    let cloud = subject.identity.as_ref().map(|i| &i.cloud);
    if !is_fetched(cloud) {
        return;
    }
    let tokens = &subject.facts.tokens;
    let minted = tokens.iter().find(|t| t.refused.is_none());
    let claim = |name: &str| minted.and_then(|t| t.claims.get(name)?.as_str());
    let before = found.proven.len();
    let issuer = claim("iss").or(subject.facts.issuer.as_deref());
    let legacy = issuer == Some(super::token::LEGACY);
    // Whoever read the key set from outside has judged the host, too.
    let outside = subject.facts.outside.as_ref();
    let reached = outside.is_some_and(|outside| outside.keys.is_some());
    if let Some(issuer) = issuer.filter(|_| !legacy && !reached) {
        private(cloud, issuer, found);
    }
    if let (Some(iss), Some(served)) = (claim("iss"), subject.facts.issuer.as_deref())
        && iss != served
    {
        found.proven.push(
            Verdict::new(
                "K2",
                "the cluster's discovery document",
                format!("issuer {served}"),
            )
            .at(Link::IssuerDocument)
            .required(format!("issuer {iss}")),
        );
    }
    let Some(outside) = &subject.facts.outside else {
        return;
    };
    for finding in &outside.findings {
        let Some(row) = catalogue::row(&finding.code) else {
            continue;
        };
        let mut verdict = Verdict::new(row.code, finding.subject.clone(), finding.observed.clone());
        if !finding.required.is_empty() {
            verdict = verdict.required(finding.required.clone());
        }
        if !finding.fix.is_empty() {
            verdict = verdict.fix(finding.fix.clone());
        }
        if finding.warning {
            found.further.push(verdict);
        } else if !found.proven.iter().any(|v| v.code == row.code) {
            found.proven.push(verdict);
        }
    }
    if found.proven.len() == before {
        let issuer = &outside.issuer;
        found.holds(
            Link::IssuerDocument,
            format!("{issuer} answers from outside"),
        );
    }
    let kid = minted.and_then(|t| t.header.get("kid").and_then(Value::as_str));
    match (&outside.keys, kid) {
        (Some(keys), Some(kid)) if !keys.iter().any(|k| k == kid) => found.proven.push(
            Verdict::new(
                "K7",
                "the published key set",
                format!("keys {}", keys.join(", ")),
            )
            .required(format!("key {kid}, which signs tokens")),
        ),
        (Some(keys), Some(kid)) if found.proven.len() == before => {
            found.holds(
                Link::Keys,
                format!("key {kid} is one of {} published", keys.len()),
            );
        }
        _ => {}
    }
}

/// Vault's kubernetes method asks the cluster; GKE's pool knows its clusters.
pub(super) fn is_fetched(cloud: Option<&Cloud>) -> bool {
    match cloud {
        Some(Cloud::Vault { method, .. }) => *method == VaultMethod::Jwt,
        Some(Cloud::Google { by, .. }) => matches!(by, GoogleLogin::Pool(_)),
        Some(_) => true,
        None => false,
    }
}

/// An issuer that no cloud can reach. Vault may be able to.
fn private(cloud: Option<&Cloud>, issuer: &str, found: &mut Findings) {
    let host = host(issuer);
    let inside = host == "localhost" || host.ends_with(".local") || host.ends_with(".internal");
    if inside || is_default(issuer) {
        unreachable(cloud, issuer, found);
    }
}

/// An issuer as an API server has it that nobody has told another. Names that some network may
/// know, and with it a cloud of one's own, are left to who looks at the documents.
pub(super) fn default(cloud: Option<&Cloud>, issuer: &str, found: &mut Findings) {
    if is_default(issuer) {
        unreachable(cloud, issuer, found);
    }
}

fn is_default(issuer: &str) -> bool {
    let host = host(issuer);
    host == "kubernetes.default"
        || host.ends_with(".svc")
        || host.contains(".svc.")
        || !issuer.starts_with("https://")
}

fn host(issuer: &str) -> &str {
    let host = issuer.split("://").nth(1).unwrap_or(issuer);
    host.split(['/', ':']).next().unwrap_or_default()
}

fn unreachable(cloud: Option<&Cloud>, issuer: &str, found: &mut Findings) {
    if matches!(cloud, Some(Cloud::Vault { .. })) {
        return;
    }
    found.proven.push(
        Verdict::new("K1", "the cluster's issuer", format!("issuer {issuer}"))
            .required("a public https URL"),
    );
}

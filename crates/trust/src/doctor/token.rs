//! The token: whether one could be minted, and what it says.

use keyless_fault::Link;
use serde_json::Value;

use super::objects::Subject;
use super::{Findings, TokenFact, Verdict};
use crate::plan::Cloud;

/// Clocks may differ by this much, in seconds.
const LEEWAY: i64 = 60;

pub(super) fn judge(subject: &Subject<'_>, found: &mut Findings) {
    let Some(account) = subject.account() else {
        return;
    };
    let name = format!("{}/{}", account.namespace, account.name);
    let Some(token) = subject.facts.tokens.iter().find(|t| t.account == name) else {
        return;
    };
    let about = format!("token of {name}");
    if let Some(why) = &token.refused {
        refused(&about, why, found);
        return;
    }
    found.holds(Link::Kubernetes, "a token could be minted");
    let before = found.proven.len();
    claims(subject, &about, token, found);
    if found.proven.len() == before {
        let kid = token
            .header
            .get("kid")
            .and_then(Value::as_str)
            .unwrap_or("none");
        found.holds(
            Link::Token,
            format!("minted for {:?}, key {kid}", token.audience),
        );
    }
}

/// Only what the cluster itself refuses is a broken link; that whoever looks may not mint is not.
fn refused(about: &str, why: &str, found: &mut Findings) {
    let verdict = |code| Verdict::new(code, about, why.to_owned());
    if why.contains("not found") {
        found.proven.push(verdict("K19"));
    } else if why.contains("may not specify a duration less than 10 minutes") {
        found.proven.push(verdict("K14"));
    } else if why.contains("cannot create resource \"serviceaccounts/token\"") {
        found.further.push(verdict("K21"));
    }
}

fn claims(subject: &Subject<'_>, about: &str, token: &TokenFact, found: &mut Findings) {
    let text = |name: &str| {
        token
            .claims
            .get(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    let time = |name: &str| token.claims.get(name).and_then(Value::as_i64);
    let verdict = |code, observed: String| Verdict::new(code, about, observed);
    let iss = text("iss");
    let audiences: Vec<&str> = match token.claims.get("aud") {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(many)) => many.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    if iss == "kubernetes/serviceaccount" || audiences.is_empty() || time("exp").is_none() {
        let observed = format!("iss {iss:?}, {} audiences", audiences.len());
        found
            .proven
            .push(verdict("K16", observed).required("a token minted for the provider's audience"));
        return;
    }
    let now = subject.facts.now;
    if now > 0 && time("exp").is_some_and(|exp| exp + LEEWAY < now) {
        let observed = format!("expired {} s ago", now - time("exp").unwrap_or(now));
        found.proven.push(verdict("K11", observed));
    }
    if now > 0 && time("iat").is_some_and(|iat| iat > now + LEEWAY) {
        let observed = format!(
            "issued {} s in the future",
            time("iat").unwrap_or(now) - now
        );
        found.proven.push(verdict("K12", observed));
    }
    let Some(identity) = &subject.identity else {
        return;
    };
    let sub = text("sub");
    if !sub.is_empty() && sub != identity.subject() {
        found.proven.push(
            verdict("K18", format!("subject {sub}"))
                .required(format!("subject {}", identity.subject())),
        );
    }
    header(identity, about, token, found);
}

/// What the provider takes as signature.
fn header(identity: &crate::plan::Identity, about: &str, token: &TokenFact, found: &mut Findings) {
    let part = |name: &str| {
        token
            .header
            .get(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    let alg = part("alg");
    let (code, taken): (_, &[&str]) = match &identity.cloud {
        Cloud::Azure { .. } => ("Z11", &["RS256"]),
        Cloud::Google { .. } => ("K6", &["RS256", "ES256"]),
        Cloud::Aws { .. } => (
            "K6",
            &["RS256", "RS384", "RS512", "ES256", "ES384", "ES512"],
        ),
        Cloud::Vault { .. } => return,
    };
    if !alg.is_empty() && !taken.contains(&alg) {
        found.proven.push(
            Verdict::new(code, about, format!("signed {alg}"))
                .required(format!("signed {}", taken.join(" or "))),
        );
    } else if matches!(identity.cloud, Cloud::Azure { .. }) && part("kid").is_empty() {
        found
            .proven
            .push(Verdict::new("Z11", about, "no key id").required("kid in the header"));
    }
}

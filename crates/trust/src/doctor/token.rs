//! The token: whether one could be minted, and what it says.

use keyless_fault::Link;
use serde_json::Value;

use super::objects::Subject;
use super::{Findings, TokenFact, Verdict};
use crate::plan::{Cloud, Identity};

/// Clocks may differ by this much, in seconds.
const LEEWAY: i64 = 60;
/// The shortest life that an API server gives, in seconds.
const SHORTEST: i64 = 600;
/// The issuer of tokens in Secrets.
pub(super) const LEGACY: &str = "kubernetes/serviceaccount";
/// What the audiences of Entra's clouds begin with.
const ENTRA: &str = "api://AzureADTokenExchange";

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
    let shown = Shown::of(token);
    let now = subject.facts.now;
    claims(subject.identity.as_ref(), &about, &shown, now, found);
    if found.proven.len() == before {
        let kid = if shown.key.is_empty() {
            "none"
        } else {
            shown.key
        };
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

/// What the rules look at in a token, from its parts or as the operator read it.
#[derive(Clone, Debug, Default)]
pub(super) struct Shown<'a> {
    pub(super) issuer: &'a str,
    pub(super) subject: &'a str,
    pub(super) audiences: Vec<&'a str>,
    pub(super) algorithm: &'a str,
    pub(super) key: &'a str,
    /// `exp`.
    pub(super) expires: Option<i64>,
    /// `iat`.
    pub(super) issued: Option<i64>,
}

impl<'a> Shown<'a> {
    fn of(token: &'a TokenFact) -> Self {
        fn text<'v>(part: &'v Value, name: &str) -> &'v str {
            part.get(name).and_then(Value::as_str).unwrap_or_default()
        }
        let time = |name: &str| token.claims.get(name).and_then(Value::as_i64);
        Self {
            issuer: text(&token.claims, "iss"),
            subject: text(&token.claims, "sub"),
            audiences: match token.claims.get("aud") {
                Some(Value::String(one)) => vec![one],
                Some(Value::Array(many)) => many.iter().filter_map(Value::as_str).collect(),
                _ => Vec::new(),
            },
            algorithm: text(&token.header, "alg"),
            key: text(&token.header, "kid"),
            expires: time("exp"),
            issued: time("iat"),
        }
    }
}

/// What the claims and the header show; `now` is 0 where nobody looked at a clock.
pub(super) fn claims(
    identity: Option<&Identity>,
    about: &str,
    token: &Shown<'_>,
    now: i64,
    found: &mut Findings,
) {
    let verdict = |code, observed: String| Verdict::new(code, about, observed);
    if token.issuer == LEGACY || token.audiences.is_empty() || token.expires.is_none() {
        let observed = format!(
            "iss {:?}, {} audiences",
            token.issuer,
            token.audiences.len()
        );
        found
            .proven
            .push(verdict("K16", observed).required("a token minted for the provider's audience"));
        return;
    }
    if let Some(expires) = token.expires
        && now > 0
        && expires.saturating_add(LEEWAY) < now
    {
        let observed = format!("expired {} s ago", now.saturating_sub(expires));
        found.proven.push(verdict("K11", observed));
    }
    if let Some(issued) = token.issued
        && now > 0
        && issued > now + LEEWAY
    {
        let observed = format!("issued {} s in the future", issued - now);
        found.proven.push(verdict("K12", observed));
    }
    if let (Some(expires), Some(issued)) = (token.expires, token.issued)
        && expires.saturating_sub(issued) < SHORTEST
    {
        let life = expires.saturating_sub(issued);
        found.short.push(
            verdict("K15", format!("it lives {life} s"))
                .required(format!("a life of {SHORTEST} s or more")),
        );
    }
    let Some(identity) = identity else {
        return;
    };
    if !token.subject.is_empty() && token.subject != identity.subject() {
        found.proven.push(
            verdict("K18", format!("subject {}", token.subject))
                .required(format!("subject {}", identity.subject())),
        );
    }
    header(identity, about, token, found);
    national(identity, about, token, found);
}

/// What the provider takes as signature.
fn header(identity: &Identity, about: &str, token: &Shown<'_>, found: &mut Findings) {
    let alg = token.algorithm;
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
    } else if matches!(identity.cloud, Cloud::Azure { .. }) && token.key.is_empty() {
        found
            .proven
            .push(Verdict::new("Z11", about, "no key id").required("kid in the header"));
    }
}

/// Federated credentials of the national clouds have an audience of their own.
fn national(identity: &Identity, about: &str, token: &Shown<'_>, found: &mut Findings) {
    let wanted = identity.audience.as_str();
    let azure = matches!(identity.cloud, Cloud::Azure { .. });
    let other = token.audiences.iter().find(|aud| aud.starts_with(ENTRA));
    if let Some(other) = other
        && azure
        && wanted.starts_with(ENTRA)
        && !token.audiences.contains(&wanted)
    {
        found.proven.push(
            Verdict::new(
                "Z2",
                about,
                format!("audience {other}, which is another cloud's"),
            )
            .required(format!("audience {wanted}"))
            .fix(format!(
                "Set serviceAccountRef.audiences of the store to [{wanted}], and the \
                     audience of the federated credential"
            )),
        );
    }
}

//! The key set: P9, P13, P14, P16, K6.

use std::collections::BTreeMap;

use crate::documents::json::Unreadable;
use crate::documents::{Algorithm, Entry, KeySet};
use crate::finding::{Code, Finding, Parties, Party, Severity};

/// Keys of one kind that AWS reads, and all that Entra reads.
pub const MOST: usize = 100;
/// Keys that can be uploaded to a Google provider.
pub const MOST_INLINE: usize = 8;

/// A body that is no key set.
#[must_use]
pub fn unreadable(url: &str, what: &Unreadable) -> Finding {
    match what {
        Unreadable::Html => super::discovery::unreadable(url, what),
        Unreadable::PrivatePem => leaked(url, "a private key in PEM"),
        what => Finding::new(Code::P9, url)
            .observed(what.to_string())
            .required("a JSON object with a list \"keys\" of JWKs (RFC 7517, section 5)")
            .fix("Publish the key set that `keyless issuer publish` makes"),
    }
}

/// A private key lies open.
#[must_use]
pub fn leaked(url: &str, observed: &str) -> Finding {
    Finding::new(Code::P14, url)
        .observed(observed)
        .required("public keys only")
        .fix("Take it down now and treat the key as stolen: sign with a new key at once, without the waiting steps (`keyless issuer rotate next --emergency`), and take the old key out of every trust: service providers keep it in their caches")
        .severity(Severity::Critical)
}

/// What is wrong with a set that was read at `url`.
#[must_use]
pub fn judge(url: &str, set: &KeySet) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut names: BTreeMap<&str, usize> = BTreeMap::new();
    for (at, entry) in set.entries.iter().enumerate() {
        found.extend(one(url, at, entry));
        if let Some(kid) = entry.kid.as_deref() {
            *names.entry(kid).or_default() += 1;
        }
    }
    let twice = names
        .into_iter()
        .filter(|(kid, count)| *count > 1 && !kid.is_empty());
    found.extend(twice.map(|(kid, count)| {
        Finding::new(Code::P13, url)
            .observed(format!("{count} keys named {kid:?}"))
            .required("one key of each name: readers take either")
            .fix("Publish each key once; `keyless issuer publish` makes the union")
    }));
    if set.keys().next().is_none() {
        found.push(
            Finding::new(Code::P9, url)
                .observed("no usable key")
                .required("at least the key that signs")
                .fix("Publish the keys of the API servers: `keyless issuer publish`"),
        );
    }
    found.extend(kinds(url, set));
    found.extend(count(url, set));
    found
}

fn one(url: &str, at: usize, entry: &Entry) -> Vec<Finding> {
    let name = match entry.kid.as_deref() {
        Some(kid) if !kid.is_empty() => format!("key {kid:?}"),
        _ => format!("key number {}", at + 1),
    };
    let mut found = Vec::new();
    if entry.private {
        found.push(leaked(url, &format!("private members in {name}")));
    }
    if entry.kid.as_deref().is_none_or(str::is_empty) {
        found.push(
            Finding::new(Code::P13, url)
                .observed(format!("{name} without a name (kid)"))
                .required("a kid in every key: Entra finds keys by it")
                .fix("Publish keys under the names that the API server gives them")
                .hurts(Parties::CLOUDS),
        );
    }
    if let Err(fault) = &entry.key {
        // RFC 7517, section 5: what a reader does not understand it should pass over. Not all do.
        found.push(
            Finding::new(Code::P9, url)
                .observed(format!("{name} is of no use: {fault}"))
                .required("RSA keys of 2048 bits or more and EC keys, in unpadded base64url")
                .fix("Publish the key set that `keyless issuer publish` makes"),
        );
    }
    let cert = ["x5c", "x5t", "x5t#S256", "x5u"];
    if entry.other.iter().any(|m| cert.contains(&m.as_str())) {
        found.push(
            Finding::new(Code::P9, url)
                .observed(format!("certificates (x5c, x5t) in {name}"))
                .required("kty, use, alg, kid and the key's numbers: Google refuses the others in an uploaded set")
                .fix("Publish the key set that `keyless issuer publish` makes")
                .hurts(Parties::only(Party::Google))
                .severity(Severity::Warning),
        );
    }
    found
}

fn kinds(url: &str, set: &KeySet) -> Option<Finding> {
    let other: Vec<String> = set
        .keys()
        .filter(|k| k.alg != Algorithm::Rs256)
        .map(|k| format!("{} ({})", k.kid, k.alg))
        .collect();
    if other.is_empty() {
        return None;
    }
    let only = set.keys().all(|k| k.alg != Algorithm::Rs256);
    Some(
        Finding::new(Code::K6, url)
            .observed(format!("keys that are not for RS256: {}", other.join(", ")))
            .required("RSA keys: Entra takes RS256 only")
            .fix("Sign with an RSA key of 2048 to 4096 bits: `keyless issuer keygen`, then `keyless issuer rotate`")
            .hurts(Parties::only(Party::Entra))
            .severity(if only { Severity::Error } else { Severity::Warning }),
    )
}

fn count(url: &str, set: &KeySet) -> Option<Finding> {
    let rsa = set
        .entries
        .iter()
        .filter(|e| e.key.as_ref().is_ok_and(|k| k.alg.curve().is_none()));
    let rsa = rsa.count();
    let all = set.entries.len();
    let fix = "Retire old keys: `keyless issuer rotate`";
    if all > MOST {
        let aws = rsa > MOST || all - rsa > MOST;
        let entra = Parties::only(Party::Entra);
        return Some(
            Finding::new(Code::P16, url)
                .observed(format!("{all} keys"))
                .required(format!(
                    "at most {MOST}: AWS refuses more of a kind, Entra reads the first {MOST}"
                ))
                .fix(fix)
                .hurts(if aws { entra.and(Party::Aws) } else { entra }),
        );
    }
    (all > MOST_INLINE).then(|| {
        Finding::new(Code::P16, url)
            .observed(format!("{all} keys"))
            .required(format!(
                "at most {MOST_INLINE} where the set is uploaded to a Google provider"
            ))
            .fix(fix)
            .hurts(Parties::NONE)
            .severity(Severity::Note)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::keygen::{KeyKind, SigningKey};

    fn value(kind: KeyKind) -> Value {
        let key = SigningKey::generate(kind).unwrap();
        key.jwk()
            .members()
            .into_iter()
            .map(|(n, v)| (n.to_owned(), json!(v)))
            .collect()
    }

    fn codes(keys: Vec<Value>) -> Vec<(Code, Severity)> {
        let set = KeySet::parse(json!({ "keys": keys }).to_string().as_bytes()).unwrap();
        judge("u", &set)
            .into_iter()
            .map(|f| (f.code, f.severity))
            .collect()
    }

    #[test]
    fn sets() {
        use Severity::{Critical, Error, Note, Warning};
        let (rsa, ec) = (value(KeyKind::Rsa2048), value(KeyKind::Es256));
        let with = |name: &str, to: Value| {
            let mut key = rsa.clone();
            key[name] = to;
            key
        };
        let many = |n: usize| {
            (0..n)
                .map(|i| with("kid", json!(i.to_string())))
                .collect::<Vec<_>>()
        };
        assert_eq!(codes(vec![rsa.clone()]), []);
        assert_eq!(codes(vec![]), [(Code::P9, Error)]);
        assert_eq!(codes(vec![ec.clone()]), [(Code::K6, Error)]);
        assert_eq!(codes(vec![rsa.clone(), ec]), [(Code::K6, Warning)]);
        assert_eq!(
            codes(vec![with("d", json!("AQAB"))]),
            [(Code::P14, Critical)]
        );
        assert_eq!(
            codes(vec![rsa.clone(), with("kid", json!(""))]),
            [(Code::P13, Error)]
        );
        assert_eq!(codes(vec![rsa.clone(), rsa.clone()]), [(Code::P13, Error)]);
        assert_eq!(
            codes(vec![rsa.clone(), with("n", json!("AAAA"))]),
            [(Code::P9, Error), (Code::P13, Error)]
        );
        assert_eq!(
            codes(vec![with("x5c", json!(["AAAA"]))]),
            [(Code::P9, Warning)]
        );
        assert_eq!(codes(many(9)), [(Code::P16, Note)]);
        assert_eq!(codes(many(101)), [(Code::P16, Error)]);
    }
}

//! `verify`: both documents from outside, a token against them, and a verdict for each party.
//!
//! Owns: which URLs are asked for, and the report. Refuses: rules (see [`crate::rules`]).

use std::net::IpAddr;

use serde::Serialize;
use url::Url;

use crate::documents::{Discovery, KeySet};
use crate::facts::{Fetched, Misplaced, Outside, Reach};
use crate::fetch::{Outlook, unix_now};
use crate::finding::{Code, Finding, Parties, Party, Severity};
use crate::marker::{MARKER_PATH, Marker};
use crate::rules;
use crate::rules::token::Against;
use crate::verdict::{Verdict, verdicts};

/// A token to hold against the documents, and what is known of it.
#[derive(Clone)]
pub struct Sample {
    /// Where it is from.
    pub name: String,
    /// The token: never shown.
    pub text: String,
    /// The audience that is registered.
    pub audience: Option<String>,
    /// The subject that is registered.
    pub subject: Option<String>,
    /// The life that was asked for, in seconds.
    pub seconds: Option<i64>,
}

impl std::fmt::Debug for Sample {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sample")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// What to verify.
#[derive(Clone, Debug, Default)]
pub struct Question {
    /// The issuer.
    pub issuer: String,
    /// Tokens that must be good.
    pub tokens: Vec<Sample>,
    /// The key set that was uploaded to a Google provider.
    pub inline: Option<Vec<u8>>,
    /// The key set that was published: what is seen outside must not be older.
    pub expected: Option<KeySet>,
}

/// What was found.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The issuer.
    pub issuer: String,
    /// What was fetched.
    pub fetched: Vec<Row>,
    /// The keys that are published.
    pub keys: Vec<KeyRow>,
    /// The findings, the worst first.
    pub findings: Vec<Finding>,
    /// Who would trust it.
    pub verdicts: Vec<Verdict>,
}

/// One fetch, in figures.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    /// The URL.
    pub url: String,
    /// The addresses that were looked up.
    pub addresses: Vec<IpAddr>,
    /// The status, if there was an answer.
    pub status: Option<u16>,
    /// From look-up to last byte.
    pub milliseconds: Option<u128>,
    /// Size of the body.
    pub bytes: Option<usize>,
    /// Content type.
    pub content_type: Option<String>,
    /// Cache control.
    pub cache_control: Option<String>,
    /// When the first certificate of the chain that was sent ends, seconds since 1970.
    pub certificate_ends: Option<i64>,
}

/// One published key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KeyRow {
    /// Its name.
    pub kid: String,
    /// Its algorithm.
    pub alg: String,
    /// Its size.
    pub bits: usize,
}

impl Report {
    /// The worst finding's severity.
    #[must_use]
    pub fn worst(&self) -> Option<Severity> {
        crate::finding::worst(&self.findings)
    }

    /// Whether a finding has this code.
    #[must_use]
    pub fn has(&self, code: Code) -> bool {
        self.findings.iter().any(|f| f.code == code)
    }

    /// What the party would say.
    #[must_use]
    pub fn verdict(&self, party: Party) -> Option<&Verdict> {
        self.verdicts.iter().find(|v| v.party == party)
    }
}

/// The rows of a set.
#[must_use]
pub fn key_rows(set: &KeySet) -> Vec<KeyRow> {
    let mut rows: Vec<KeyRow> = set
        .keys()
        .map(|k| KeyRow {
            kid: k.kid.clone(),
            alg: k.alg.to_string(),
            bits: k.bits(),
        })
        .collect();
    rows.sort_by(|a, b| a.kid.cmp(&b.kid));
    rows
}

/// Looks at the documents of `issuer`.
pub async fn observe(outlook: &Outlook, issuer: &str) -> Outside {
    let base = issuer.strip_suffix('/').unwrap_or(issuer);
    let discovery = outlook
        .get(&format!("{base}/.well-known/openid-configuration"))
        .await;
    let mut misplaced = None;
    if matches!(&discovery.reach, Reach::Answered(a) if matches!(a.status, 403 | 404 | 410)) {
        for (how, url) in elsewhere(base) {
            if body(&outlook.get(&url).await)
                .is_some_and(|b| Discovery::parse(b).is_ok_and(|d| d.issuer.is_some()))
            {
                misplaced = Some((how, url));
                break;
            }
        }
    }
    let document = body(&discovery).and_then(|b| Discovery::parse(b).ok());
    let keys = match document
        .and_then(|d| d.jwks_uri)
        .filter(|uri| !uri.is_empty())
    {
        Some(uri) => Some(outlook.get(&uri).await),
        None => None,
    };
    Outside {
        issuer: issuer.to_owned(),
        roots: outlook.roots(),
        discovery,
        misplaced,
        keys,
    }
}

fn body(fetched: &Fetched) -> Option<&[u8]> {
    match &fetched.reach {
        Reach::Answered(answer) if answer.status == 200 => Some(&answer.body),
        _ => None,
    }
}

/// Where a document lies that someone published by mistake.
fn elsewhere(base: &str) -> Vec<(Misplaced, String)> {
    let mut places = vec![
        (
            Misplaced::OtherName,
            format!("{base}/.well-known/oidc-configuration"),
        ),
        (
            Misplaced::WithoutDot,
            format!("{base}/well-known/openid-configuration"),
        ),
        (
            Misplaced::OAuth,
            format!("{base}/.well-known/oauth-authorization-server"),
        ),
    ];
    let Ok(url) = Url::parse(base) else {
        return places;
    };
    let path = url.path().trim_end_matches('/');
    let origin = base.strip_suffix(path).unwrap_or(base);
    if !path.is_empty() {
        places.push((
            Misplaced::Inserted,
            format!("{origin}/.well-known/openid-configuration{path}"),
        ));
        places.push((
            Misplaced::OAuth,
            format!("{origin}/.well-known/oauth-authorization-server{path}"),
        ));
        places.push((
            Misplaced::WithoutPath,
            format!("{origin}/.well-known/openid-configuration"),
        ));
    }
    places
}

/// Verifies.
pub async fn verify(outlook: &Outlook, question: &Question) -> Report {
    let outside = observe(outlook, &question.issuer).await;
    let judged = rules::outside::judge(&outside);
    let mut findings = judged.findings;
    let ahead = match &outside.discovery.reach {
        Reach::Answered(answer) => answer.ahead,
        _ => None,
    };
    if let Some(ahead) = ahead.filter(|a| a.abs() > 30) {
        // A web server's clock decides nothing; it is a hint that ours is wrong.
        let finding = rules::token::skew(&outside.discovery.url, ahead);
        findings.push(finding.severity(Severity::Warning).hurts(Parties::NONE));
    }
    let mut withdrawn = Vec::new();
    if !question.tokens.is_empty() || question.expected.is_some() {
        let base = question
            .issuer
            .strip_suffix('/')
            .unwrap_or(&question.issuer);
        let record = outlook.get(&format!("{base}/{MARKER_PATH}")).await;
        let record = body(&record).and_then(|b| Marker::parse(b).ok());
        withdrawn = record.map(|r| r.withdrawn).unwrap_or_default();
    }
    for sample in &question.tokens {
        findings.extend(rules::token::judge(
            &sample.text,
            &Against {
                subject: &sample.name,
                issuer: &question.issuer,
                keys: judged.keys.as_ref(),
                withdrawn: &withdrawn,
                audience: sample.audience.as_deref(),
                expected_subject: sample.subject.as_deref(),
                seconds: sample.seconds,
                now: unix_now(),
            },
        ));
    }
    if let (Some(expected), Some(seen), Some(keys)) =
        (&question.expected, &judged.keys, &outside.keys)
    {
        findings.extend(stale(&keys.url, expected, seen));
    }
    if let Some(inline) = &question.inline {
        findings.extend(inlined(inline, judged.keys.as_ref()));
    }
    findings.sort_by(|a, b| b.severity.cmp(&a.severity).then(a.code.cmp(&b.code)));
    Report {
        issuer: question.issuer.clone(),
        fetched: std::iter::once(&outside.discovery)
            .chain(&outside.keys)
            .map(row)
            .collect(),
        keys: judged.keys.as_ref().map(key_rows).unwrap_or_default(),
        verdicts: verdicts(&findings),
        findings,
    }
}

fn row(fetched: &Fetched) -> Row {
    let answer = match &fetched.reach {
        Reach::Answered(answer) => Some(answer),
        _ => None,
    };
    let header = |name: &str| answer.and_then(|a| a.header(name)).map(str::to_owned);
    Row {
        url: fetched.url.clone(),
        addresses: fetched.addresses.clone(),
        status: answer.map(|a| a.status),
        milliseconds: answer.map(|a| a.took.as_millis()),
        bytes: answer.map(|a| a.body.len()),
        content_type: header("content-type"),
        cache_control: header("cache-control"),
        certificate_ends: answer.and_then(|a| a.certificate),
    }
}

/// What was published is not what is seen.
fn stale(url: &str, expected: &KeySet, seen: &KeySet) -> Option<Finding> {
    let lacks: Vec<String> = expected
        .names()
        .into_iter()
        .filter(|kid| !seen.has(kid))
        .collect();
    (!lacks.is_empty()).then(|| {
        Finding::new(Code::P10, url)
            .observed(format!("a key set without {}", lacks.join(", ")))
            .required("the key set that was published")
            .fix("Wait for caches to end, or purge the CDN; until then no token may be signed with these keys")
    })
}

/// The set that was uploaded to Google, against what is published (P17, P16).
fn inlined(inline: &[u8], published: Option<&KeySet>) -> Vec<Finding> {
    let google = Parties::only(Party::Google);
    let set = match KeySet::parse(inline) {
        Ok(set) => set,
        Err(what) => {
            return vec![rules::keys::unreadable("the uploaded key set", &what).hurts(google)];
        }
    };
    let mut found: Vec<Finding> = rules::keys::judge("the uploaded key set", &set)
        .into_iter()
        .filter(|f| f.code != Code::K6)
        .map(|f| f.hurts(google))
        .collect();
    if set.entries.len() > rules::keys::MOST_INLINE {
        found.retain(|f| f.code != Code::P16);
        found.push(
            Finding::new(Code::P16, "the uploaded key set")
                .observed(format!("{} keys", set.entries.len()))
                .required(format!("at most {}", rules::keys::MOST_INLINE))
                .fix("Upload the keys that sign, and those whose tokens live")
                .hurts(google),
        );
    }
    let Some(published) = published else {
        return found;
    };
    let lacks: Vec<String> = published
        .names()
        .into_iter()
        .filter(|kid| !set.has(kid))
        .collect();
    if !lacks.is_empty() {
        found.push(
            Finding::new(Code::P17, "the uploaded key set")
                .observed(format!("no {}", lacks.join(", ")))
                .required("every key that is published: Google does not refresh an uploaded set")
                .fix("Upload the key set again (gcloud iam workload-identity-pools providers update-oidc --jwk-json-path), or let Google read the issuer")
                .hurts(google),
        );
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_to_look_at() {
        let urls: Vec<String> = elsewhere("https://i.example.com/a/b")
            .into_iter()
            .map(|(_, u)| u)
            .collect();
        assert!(
            urls.contains(&"https://i.example.com/.well-known/openid-configuration/a/b".to_owned())
        );
        assert!(
            urls.contains(&"https://i.example.com/.well-known/openid-configuration".to_owned())
        );
        assert_eq!(elsewhere("https://i.example.com").len(), 3);
    }
}

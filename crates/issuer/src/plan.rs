//! What a publication writes, and in which order.
//!
//! Owns: ownership, "never worse than before", only changed bytes, and the order: the record
//! claims the place, the key set comes before the document that leads to it, and the record is
//! brought up to date last. Whoever reads between two writes finds a valid pair. Refuses: I/O;
//! [`crate::publish`] carries it out.

use std::collections::BTreeSet;

use keyless_trust::Issuer;

use crate::documents::{DISCOVERY_PATH, Discovery, JWKS_PATH, Jwk, KeySet, MAX_DOCUMENT};
use crate::finding::{Code, Finding, Parties, Severity};
use crate::marker::{MARKER_PATH, Marker};
use crate::merge::{Merged, Sources, merge};
use crate::rules;

/// One of the three things that are published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Object {
    /// The record of ownership.
    Marker,
    /// The key set.
    Keys,
    /// The discovery document.
    Discovery,
}

impl Object {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Marker, Self::Keys, Self::Discovery];

    /// Its path below the issuer.
    #[must_use]
    pub const fn path(self) -> &'static str {
        match self {
            Self::Marker => MARKER_PATH,
            Self::Keys => JWKS_PATH,
            Self::Discovery => DISCOVERY_PATH,
        }
    }
}

/// What lies at the target now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Current {
    /// The record.
    pub marker: Option<Vec<u8>>,
    /// The key set.
    pub keys: Option<Vec<u8>>,
    /// The discovery document.
    pub discovery: Option<Vec<u8>>,
}

impl Current {
    /// The bytes of one of the three.
    #[must_use]
    pub fn get(&self, object: Object) -> Option<&[u8]> {
        match object {
            Object::Marker => self.marker.as_deref(),
            Object::Keys => self.keys.as_deref(),
            Object::Discovery => self.discovery.as_deref(),
        }
    }
}

/// What is wanted.
#[derive(Clone, Debug)]
pub struct Wish<'a> {
    /// The issuer.
    pub issuer: &'a Issuer,
    /// Who publishes.
    pub owner: &'a str,
    /// The keys of each API server that was heard.
    pub servers: &'a [KeySet],
    /// Whether all were heard.
    pub complete: bool,
    /// Public keys that no API server has yet.
    pub announced: &'a [Jwk],
    /// Keys that may go at once.
    pub retire: &'a BTreeSet<String>,
    /// Seconds for which a key stays after the last API server has lost it.
    pub keep: i64,
    /// Takes a place over that is someone else's.
    pub adopt: bool,
    /// The publisher logs in with a token of this very issuer.
    pub self_federated: bool,
    /// Now, seconds since 1970.
    pub now: i64,
}

/// What to write, in this order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Plan {
    /// The writes.
    pub writes: Vec<(Object, Vec<u8>)>,
    /// The union that is published.
    pub merged: Merged,
    /// Remarks that do not stop it.
    pub findings: Vec<Finding>,
}

/// Plans a publication.
///
/// # Errors
/// The findings that forbid it: then nothing is written, and what is published stays.
pub fn plan(wish: &Wish<'_>, current: &Current) -> Result<Plan, Vec<Finding>> {
    let mut findings = Vec::new();
    let subject = wish.issuer.as_str();
    let marker = current.marker.as_deref().map(Marker::parse);
    if let Some(Err(what)) = &marker {
        findings.push(damaged(Object::Marker, &what.to_string()));
    }
    let marker = marker.and_then(Result::ok);
    let keys = current.keys.as_deref().map(KeySet::parse);
    if let Some(Err(what)) = &keys {
        findings.push(damaged(Object::Keys, &what.to_string()));
    }
    let published = keys.and_then(Result::ok);
    let discovery = current.discovery.as_deref().map(Discovery::parse);
    let old = discovery.and_then(Result::ok);
    if !wish.adopt
        && let Some(finding) = foreign(wish, marker.as_ref(), published.as_ref(), old.as_ref())
    {
        return Err(vec![finding]);
    }
    let merged = merge(&Sources {
        servers: wish.servers,
        complete: wish.complete,
        announced: wish.announced,
        published: published.as_ref(),
        marker: marker.as_ref(),
        retire: wish.retire,
        keep: wish.keep,
        keep_all: wish.self_federated,
        now: wish.now,
    })
    .map_err(|finding| vec![finding])?;
    if wish.self_federated {
        findings.push(bootstrap(subject));
    }
    let set = KeySet::of(merged.keys.values().cloned());
    let mut algorithms: Vec<_> = set.keys().map(|k| k.alg).collect();
    algorithms.sort();
    let document = Discovery::canonical(wish.issuer, &algorithms);
    let fatal = fatal(wish.issuer, &set, &document);
    if !fatal.is_empty() {
        return Err(fatal);
    }
    let before = marker.clone().unwrap_or_default();
    let mut record = Marker {
        owner: wish.owner.to_owned(),
        issuer: subject.to_owned(),
        keys: merged.records.clone(),
        withdrawn: before.withdrawn.clone(),
    };
    record.withdraw(merged.removed.iter().cloned());
    let mut writes = Vec::new();
    let claimed = marker
        .as_ref()
        .is_some_and(|m| m.owner == wish.owner && m.issuer == subject);
    if !claimed {
        writes.push((Object::Marker, record.to_bytes()));
    }
    for (object, bytes) in [
        (Object::Keys, set.to_bytes()),
        (Object::Discovery, document.to_bytes()),
    ] {
        if current.get(object) != Some(bytes.as_slice()) {
            writes.push((object, bytes));
        }
    }
    if claimed && current.get(Object::Marker) != Some(record.to_bytes().as_slice()) {
        writes.push((Object::Marker, record.to_bytes()));
    }
    Ok(Plan {
        writes,
        merged,
        findings,
    })
}

fn damaged(object: Object, what: &str) -> Finding {
    Finding::new(Code::P8, object.path())
        .observed(format!("at the target, {what}"))
        .required("a document that was written whole")
        .fix("Nothing: it is written anew")
        .severity(Severity::Warning)
}

/// Someone else's place.
fn foreign(
    wish: &Wish<'_>,
    marker: Option<&Marker>,
    published: Option<&KeySet>,
    discovery: Option<&Discovery>,
) -> Option<Finding> {
    let finding = |observed: String| {
        Finding::new(Code::K20, wish.issuer.as_str())
            .observed(observed)
            .required(format!("a place of cluster {} alone", wish.owner))
            .fix("Publish at a path of this cluster's own; if the other one is gone for good, take the place over with --adopt")
    };
    if let Some(marker) = marker {
        if marker.owner != wish.owner {
            return Some(finding(format!("the record of cluster {}", marker.owner)));
        }
        if marker.issuer != wish.issuer.as_str() {
            return Some(finding(format!(
                "this cluster's own record for the issuer {:?}",
                marker.issuer
            )));
        }
        return None;
    }
    if let Some(other) = discovery.and_then(|d| d.issuer.as_deref())
        && other != wish.issuer.as_str()
    {
        return Some(finding(format!(
            "a document of the issuer {other:?}, without a record"
        )));
    }
    let keys = published?;
    let ours = |kid: &str| {
        wish.servers.iter().any(|s| s.has(kid)) || wish.announced.iter().any(|k| k.kid == kid)
    };
    let names = keys.names();
    (!names.is_empty() && !names.iter().any(|kid| ours(kid))).then(|| {
        finding(format!(
            "the keys {}, none of which this cluster has",
            names.join(", ")
        ))
    })
}

fn bootstrap(subject: &str) -> Finding {
    Finding::new(Code::P18, subject)
        .observed("a login at the target with a token of the issuer that is published there")
        .required("a login that works while the documents are wrong")
        .fix("Give the publisher another way in, or watch keyless_issuer_last_verified_timestamp_seconds; until then no key is removed")
        .severity(Severity::Warning)
        .hurts(Parties::NONE)
}

/// What must never be published.
fn fatal(issuer: &Issuer, set: &KeySet, document: &Discovery) -> Vec<Finding> {
    let mut found = rules::issuer::judge(issuer.as_str());
    found.extend(rules::discovery::judge(
        issuer.as_str(),
        issuer.as_str(),
        document,
    ));
    found.extend(rules::keys::judge(issuer.as_str(), set));
    let size = set.to_bytes().len();
    if size > MAX_DOCUMENT {
        found.push(
            Finding::new(Code::P16, issuer.as_str())
                .observed(format!("a key set of {size} bytes"))
                .required(format!("at most {MAX_DOCUMENT}"))
                .fix("Retire old keys: `keyless issuer rotate`"),
        );
    }
    // A private host is the user's affair: Vault and other clusters may use it. An algorithm that
    // one cloud does not take is a remark of `verify`.
    found.retain(|f| f.severity >= Severity::Error && !matches!(f.code, Code::K1 | Code::K6));
    found
}

#[cfg(test)]
mod tests;

//! The union of keys: what the API servers have, what is announced, and what is published and
//! still needed.
//!
//! Owns: when a published key may go. A key that no API server has any more stays until tokens of
//! it have ended; while one server is not heard, nothing goes at all. Refuses: an empty set, and
//! two keys of one name.

use std::collections::{BTreeMap, BTreeSet};

use crate::documents::{Jwk, KeySet};
use crate::finding::{Code, Finding};
use crate::marker::{KeyRecord, Marker};

/// What is merged.
#[derive(Clone, Debug)]
pub struct Sources<'a> {
    /// The keys of each API server that was heard.
    pub servers: &'a [KeySet],
    /// Whether all were heard.
    pub complete: bool,
    /// Public keys that no API server has yet.
    pub announced: &'a [Jwk],
    /// What is published.
    pub published: Option<&'a KeySet>,
    /// Its record.
    pub marker: Option<&'a Marker>,
    /// Keys that may go at once.
    pub retire: &'a BTreeSet<String>,
    /// Seconds for which a key stays after the last API server has lost it: the longest life of a
    /// token and what caches add.
    pub keep: i64,
    /// Whether nothing may go now.
    pub keep_all: bool,
    /// Now, seconds since 1970.
    pub now: i64,
}

/// The union.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Merged {
    /// All keys, by name.
    pub keys: BTreeMap<String, Jwk>,
    /// Their records.
    pub records: BTreeMap<String, KeyRecord>,
    /// New ones.
    pub added: Vec<String>,
    /// Those that no API server has, and until when they stay; without end if nobody can say.
    pub kept: Vec<(String, Option<i64>)>,
    /// Those that go.
    pub removed: Vec<String>,
}

/// Makes the union.
///
/// # Errors
/// A finding: two keys of one name, or no key at all.
pub fn merge(sources: &Sources<'_>) -> Result<Merged, Finding> {
    let mut merged = Merged::default();
    let mut served: BTreeSet<&str> = BTreeSet::new();
    for key in sources.servers.iter().flat_map(KeySet::keys) {
        served.insert(&key.kid);
        add(&mut merged.keys, key)?;
    }
    for key in sources.announced {
        add(&mut merged.keys, key)?;
    }
    let record = |kid: &str| sources.marker.and_then(|m| m.keys.get(kid)).copied();
    for key in sources.published.into_iter().flat_map(KeySet::keys) {
        let known = merged.keys.contains_key(&key.kid);
        if known {
            add(&mut merged.keys, key)?;
            continue;
        }
        let old = record(&key.kid).unwrap_or(KeyRecord {
            since: sources.now,
            ..KeyRecord::default()
        });
        let missing = old.missing.unwrap_or(sources.now);
        let end = missing.saturating_add(sources.keep);
        let retired = sources.retire.contains(&key.kid);
        let over = sources.complete && !old.announced && sources.now >= end;
        if (retired || over) && !sources.keep_all {
            merged.removed.push(key.kid.clone());
            continue;
        }
        let heard = sources.complete && !old.announced;
        merged.kept.push((key.kid.clone(), heard.then_some(end)));
        let missing = if heard { Some(missing) } else { old.missing };
        merged
            .records
            .insert(key.kid.clone(), KeyRecord { missing, ..old });
        merged.keys.insert(key.kid.clone(), key.clone());
    }
    if !sources.keep_all {
        // A retired key that an API server still has is not published any more either: the
        // server accepts it, the world does not.
        let gone: Vec<String> = merged
            .keys
            .keys()
            .filter(|k| sources.retire.contains(*k))
            .cloned()
            .collect();
        for kid in gone {
            merged.keys.remove(&kid);
            merged.records.remove(&kid);
            let published = sources.published.is_some_and(|p| p.has(&kid));
            if published && !merged.removed.contains(&kid) {
                merged.removed.push(kid);
            }
        }
    }
    for kid in merged.keys.keys() {
        if merged.records.contains_key(kid) {
            continue;
        }
        let since = record(kid).map_or(sources.now, |r| r.since);
        let announced = !served.contains(kid.as_str());
        merged.records.insert(
            kid.clone(),
            KeyRecord {
                since,
                announced,
                missing: None,
            },
        );
    }
    let published = |kid: &String| sources.published.is_some_and(|p| p.has(kid));
    merged.added = merged
        .keys
        .keys()
        .filter(|k| !published(k))
        .cloned()
        .collect();
    if merged.keys.is_empty() {
        return Err(Finding::new(Code::P9, "the union of keys")
            .observed("no key at all")
            .required("at least the key that signs")
            .fix("Check the API servers with `keyless issuer inspect`; what is published stays"));
    }
    Ok(merged)
}

fn add(keys: &mut BTreeMap<String, Jwk>, key: &Jwk) -> Result<(), Finding> {
    match keys.get(&key.kid) {
        Some(known) if known.material != key.material => Err(Finding::new(Code::P13, "the union of keys")
            .observed(format!("two different keys named {:?}", key.kid))
            .required("one key of each name")
            .fix("Find out who publishes the other one: `keyless issuer inspect` shows each API server's keys")),
        Some(_) => Ok(()),
        None => {
            keys.insert(key.kid.clone(), key.clone());
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests;

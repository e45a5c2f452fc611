//! A key set (RFC 7517, section 5).
//!
//! Owns: reading a set entry by entry, so that one odd key hides no other; the canonical writing:
//! keys by name, a line each. Refuses: writing anything that is not a good public key.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::json::{self as reader, Unreadable};
use super::jwk::{Jwk, KeyFault, PRIVATE};

/// One member of `keys`, as it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name; absent or empty where it has none.
    pub kid: Option<String>,
    /// The key, or why it is none.
    pub key: Result<Jwk, KeyFault>,
    /// Whether it holds private members.
    pub private: bool,
    /// Members beyond those of a public signing key.
    pub other: Vec<String>,
}

/// A key set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeySet {
    /// Its entries, in their order.
    pub entries: Vec<Entry>,
}

/// Members that a published key may have.
const KNOWN: [&str; 9] = ["kty", "use", "alg", "kid", "n", "e", "crv", "x", "y"];

impl KeySet {
    /// Reads a set.
    ///
    /// # Errors
    /// When it is no JSON object with a list `keys`. A bad entry is no error.
    pub fn parse(body: &[u8]) -> Result<Self, Unreadable> {
        let object = reader::object(body)?;
        let Some(Value::Array(keys)) = object.get("keys") else {
            return Err(Unreadable::Type("keys".into()));
        };
        Ok(Self {
            entries: keys.iter().map(entry).collect(),
        })
    }

    /// A set of good keys: one of each name, by name.
    #[must_use]
    pub fn of(keys: impl IntoIterator<Item = Jwk>) -> Self {
        let keys: BTreeMap<String, Jwk> = keys.into_iter().map(|k| (k.kid.clone(), k)).collect();
        let entry = |key: Jwk| Entry {
            kid: Some(key.kid.clone()),
            key: Ok(key),
            private: false,
            other: Vec::new(),
        };
        Self {
            entries: keys.into_values().map(entry).collect(),
        }
    }

    /// The usable keys that have a name.
    pub fn keys(&self) -> impl Iterator<Item = &Jwk> {
        self.entries
            .iter()
            .filter_map(|e| e.key.as_ref().ok())
            .filter(|k| !k.kid.is_empty())
    }

    /// The key of that name; none when two have it, because readers take either.
    #[must_use]
    pub fn find(&self, kid: &str) -> Option<&Jwk> {
        let named = |e: &&Entry| e.kid.as_deref() == Some(kid);
        let mut found = self.entries.iter().filter(named);
        let first = found.next()?;
        if found.next().is_some() {
            return None;
        }
        first.key.as_ref().ok()
    }

    /// The names of the usable keys, sorted.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.keys().map(|k| k.kid.clone()).collect();
        names.sort();
        names.dedup();
        names
    }

    /// Whether a usable key has this name.
    #[must_use]
    pub fn has(&self, kid: &str) -> bool {
        self.keys().any(|k| k.kid == kid)
    }

    /// The bytes that are published: good keys only, by name, a line each.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let keys: BTreeMap<&str, &Jwk> = self.keys().map(|k| (k.kid.as_str(), k)).collect();
        let line = |key: &Jwk| {
            let members: Vec<String> = key
                .members()
                .into_iter()
                .map(|(name, value)| format!("\"{name}\":{}", Value::String(value)))
                .collect();
            format!("  {{{}}}", members.join(","))
        };
        let lines: Vec<String> = keys.into_values().map(line).collect();
        format!("{{\"keys\":[\n{}\n]}}\n", lines.join(",\n")).into_bytes()
    }
}

fn entry(value: &Value) -> Entry {
    let empty = Map::new();
    let object = value.as_object();
    let members = object.unwrap_or(&empty);
    Entry {
        kid: members
            .get("kid")
            .and_then(Value::as_str)
            .map(str::to_owned),
        key: object.ok_or(KeyFault::NoObject).and_then(Jwk::read),
        private: PRIVATE.iter().any(|name| members.contains_key(*name)),
        other: members
            .keys()
            .filter(|name| !KNOWN.contains(&name.as_str()))
            .cloned()
            .collect(),
    }
}

#[cfg(test)]
mod tests;

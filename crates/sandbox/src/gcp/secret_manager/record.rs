//! What is kept of a secret and its versions, and how answers show it.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Map, Value, json};

use super::super::answer::timestamp;
use super::super::iam::{Kind, Policy};
use super::name::SecretName;

/// The state of a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VersionState {
    /// Its payload can be read.
    Enabled,
    /// Its payload cannot be read for now.
    Disabled,
    /// Its payload is gone.
    Destroyed,
}

impl fmt::Display for VersionState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Enabled => "ENABLED",
            Self::Disabled => "DISABLED",
            Self::Destroyed => "DESTROYED",
        })
    }
}

/// One version.
#[derive(Clone)]
pub(in super::super) struct Version {
    pub state: VersionState,
    pub payload: Vec<u8>,
    /// Whether the writer gave a checksum.
    pub checked: bool,
    pub created: i64,
    pub destroyed: Option<i64>,
    pub generation: u64,
}

impl fmt::Debug for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Version")
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

/// One secret.
#[derive(Clone, Debug)]
pub(in super::super) struct Secret {
    pub name: String,
    pub created: i64,
    pub labels: BTreeMap<String, String>,
    pub annotations: BTreeMap<String, String>,
    /// Aliases and the numbers of versions they stand for.
    pub aliases: BTreeMap<String, u64>,
    /// As the writer gave it; regional secrets have none.
    pub replication: Option<Value>,
    /// Fields without a meaning here, shown as they were written.
    pub others: Map<String, Value>,
    /// Version 1 first.
    pub versions: Vec<Version>,
    pub policy: Policy,
    pub generation: u64,
}

/// A counter as an etag: quoted, as the service has it.
fn etag(seed: i64, generation: u64) -> String {
    format!("\"{:x}{generation:04x}\"", seed.unsigned_abs())
}

impl Secret {
    pub fn new(name: &SecretName, now: i64) -> Self {
        Self {
            name: name.to_string(),
            created: now,
            labels: BTreeMap::new(),
            annotations: BTreeMap::new(),
            aliases: BTreeMap::new(),
            replication: None,
            others: Map::new(),
            versions: Vec::new(),
            policy: Policy::of(Kind::Secret),
            generation: 0,
        }
    }

    pub fn etag(&self) -> String {
        etag(self.created, self.generation)
    }

    pub fn show(&self) -> Value {
        let mut shown = self.others.clone();
        shown.insert("name".into(), json!(self.name));
        shown.insert("createTime".into(), json!(timestamp(self.created)));
        shown.insert("etag".into(), json!(self.etag()));
        if let Some(replication) = &self.replication {
            shown.insert("replication".into(), replication.clone());
        }
        for (field, map) in [("labels", &self.labels), ("annotations", &self.annotations)] {
            if !map.is_empty() {
                shown.insert(field.into(), json!(map));
            }
        }
        if !self.aliases.is_empty() {
            // 64-bit integers are text in JSON.
            let aliases: BTreeMap<_, _> = self
                .aliases
                .iter()
                .map(|(alias, number)| (alias, number.to_string()))
                .collect();
            shown.insert("versionAliases".into(), json!(aliases));
        }
        Value::Object(shown)
    }

    /// The number of the version that `text` means: a number, `latest` or an alias.
    pub fn number(&self, text: &str) -> Option<u64> {
        if text == "latest" {
            return u64::try_from(self.versions.len()).ok().filter(|n| *n > 0);
        }
        text.parse()
            .ok()
            .or_else(|| self.aliases.get(text).copied())
    }

    pub fn version(&self, number: u64) -> Option<&Version> {
        self.versions.get(index(number)?)
    }

    pub fn version_mut(&mut self, number: u64) -> Option<&mut Version> {
        self.versions.get_mut(index(number)?)
    }

    pub fn show_version(&self, number: u64, version: &Version) -> Value {
        let mut shown = json!({
            "name": format!("{}/versions/{number}", self.name),
            "createTime": timestamp(version.created),
            "state": version.state.to_string(),
            "etag": version.etag(),
        });
        if let Some(fields) = shown.as_object_mut() {
            if let Some(replication) = &self.replication {
                let status = if replication.get("userManaged").is_some() {
                    json!({"userManaged": {}})
                } else {
                    json!({"automatic": {}})
                };
                fields.insert("replicationStatus".into(), status);
            }
            if let Some(time) = version.destroyed {
                fields.insert("destroyTime".into(), json!(timestamp(time)));
            }
            if version.checked {
                fields.insert("clientSpecifiedPayloadChecksum".into(), json!(true));
            }
        }
        shown
    }
}

fn index(number: u64) -> Option<usize> {
    usize::try_from(number.checked_sub(1)?).ok()
}

impl Version {
    pub fn etag(&self) -> String {
        etag(self.created, self.generation)
    }
}

//! A secret and its versions, and how they look in answers.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use keyless_trust::aws::{Arn, Partition};
use rand::Rng;
use serde_json::{Map, Value, json};

use super::super::state::Document;

/// The key AWS manages for this service.
pub(super) const MANAGED_KEY: &str = "alias/aws/secretsmanager";
/// The stage of the version that is read by default.
pub(super) const CURRENT: &str = "AWSCURRENT";
/// The stage of the version before it.
pub(super) const PREVIOUS: &str = "AWSPREVIOUS";

/// What a version holds. No `Debug` that shows it.
#[derive(Clone, PartialEq, Eq)]
pub(in super::super) enum Content {
    Text(String),
    Binary(Vec<u8>),
}

impl Content {
    pub fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Binary(bytes) => bytes.len(),
        }
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text(_) => "Text",
            Self::Binary(_) => "Binary",
        })
    }
}

#[derive(Clone, Debug)]
pub(in super::super) struct Version {
    pub id: String,
    pub content: Content,
    pub created: i64,
    pub stages: BTreeSet<String>,
}

#[derive(Clone, Debug)]
pub(in super::super) struct Secret {
    pub account: String,
    /// The region it was made in; replicas are in `replicas`.
    pub region: String,
    pub name: String,
    /// The six characters at the end of its ARN: a secret made anew has another ARN.
    pub suffix: String,
    pub description: Option<String>,
    /// `None`: the key that AWS manages.
    pub key_id: Option<String>,
    pub tags: BTreeMap<String, String>,
    pub created: i64,
    pub changed: i64,
    /// The day it was last read.
    pub accessed: Option<i64>,
    /// When its deletion was asked for.
    pub deleted: Option<i64>,
    /// When it will be gone.
    pub gone: Option<i64>,
    /// Oldest first; may be empty.
    pub versions: Vec<Version>,
    pub policy: Option<Document>,
    /// Regions and their keys.
    pub replicas: BTreeMap<String, Option<String>>,
}

impl Secret {
    /// Its ARN as seen in `region`: a replica's differs in nothing else.
    pub fn arn(&self, region: &str) -> String {
        Arn {
            partition: Partition::of_region(region).as_str().to_owned(),
            service: "secretsmanager".to_owned(),
            region: region.to_owned(),
            account: self.account.clone(),
            resource: format!("secret:{}-{}", self.name, self.suffix),
        }
        .to_string()
    }

    pub fn staged(&self, stage: &str) -> Option<&Version> {
        self.versions.iter().find(|v| v.stages.contains(stage))
    }

    /// Puts `stage` on version `id` and takes it from any other. What was current becomes the
    /// previous one.
    pub fn move_stage(&mut self, stage: &str, id: &str) {
        let before = self.staged(stage).map(|v| v.id.clone());
        for version in &mut self.versions {
            version.stages.remove(stage);
            if version.id == id {
                version.stages.insert(stage.to_owned());
            }
        }
        if let Some(before) = before.filter(|b| stage == CURRENT && b != id) {
            self.move_stage(PREVIOUS, &before);
        }
    }
}

/// Six characters as AWS puts them behind a name.
pub(super) fn suffix() -> String {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let mut rng = rand::rng();
    (0..6)
        .filter_map(|_| ALPHABET.get(rng.random_range(0..ALPHABET.len())))
        .map(|b| char::from(*b))
        .collect()
}

/// A version as `GetSecretValue` shows it.
pub(super) fn value_json(secret: &Secret, version: &Version, region: &str) -> Value {
    let mut out = json!({
        "ARN": secret.arn(region), "Name": secret.name, "VersionId": version.id,
        "VersionStages": version.stages, "CreatedDate": version.created as f64,
    });
    if let Some(map) = out.as_object_mut() {
        match &version.content {
            Content::Text(text) => map.insert("SecretString".into(), text.clone().into()),
            Content::Binary(bytes) => {
                map.insert("SecretBinary".into(), STANDARD.encode(bytes).into())
            }
        };
    }
    out
}

/// A secret as `DescribeSecret` shows it, and with `versions` as the name of the map of stages as
/// `ListSecrets` does.
pub(super) fn metadata_json(secret: &Secret, region: &str, versions: &str) -> Value {
    let stages: Map<String, Value> = secret
        .versions
        .iter()
        .filter(|v| !v.stages.is_empty())
        .map(|v| (v.id.clone(), json!(v.stages)))
        .collect();
    let mut out = json!({
        "ARN": secret.arn(region), "Name": secret.name, "CreatedDate": secret.created as f64,
        "LastChangedDate": secret.changed as f64, "Tags": tags_json(&secret.tags),
    });
    let Some(map) = out.as_object_mut() else {
        return out;
    };
    if !stages.is_empty() {
        map.insert(versions.to_owned(), stages.into());
    }
    for (name, text) in [
        ("Description", &secret.description),
        ("KmsKeyId", &secret.key_id),
    ] {
        if let Some(text) = text {
            map.insert(name.to_owned(), text.clone().into());
        }
    }
    for (name, time) in [
        ("LastAccessedDate", secret.accessed),
        ("DeletedDate", secret.deleted),
    ] {
        if let Some(time) = time {
            map.insert(name.to_owned(), (time as f64).into());
        }
    }
    if !secret.replicas.is_empty() {
        map.insert("PrimaryRegion".into(), secret.region.clone().into());
        map.insert("ReplicationStatus".into(), replicas_json(secret));
    }
    out
}

pub(super) fn tags_json(tags: &BTreeMap<String, String>) -> Value {
    tags.iter()
        .map(|(k, v)| json!({"Key": k, "Value": v}))
        .collect()
}

pub(super) fn replicas_json(secret: &Secret) -> Value {
    secret
        .replicas
        .iter()
        .map(|(region, key)| {
            json!({
                "Region": region, "KmsKeyId": key.as_deref().unwrap_or(MANAGED_KEY),
                "Status": "InSync", "StatusMessage": "Replication succeeded",
            })
        })
        .collect()
}

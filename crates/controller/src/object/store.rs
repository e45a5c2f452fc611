//! A SecretStore or ClusterSecretStore.

use keyless_api::{Condition, DecodeError, SecretStoreSpec, SecretStoreStatus};
use serde::Deserialize;
use serde_json::Value;

use super::ObjectKey;
use super::metadata::{Metadata, json_map, map_text};

/// Which of the two kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum StoreKind {
    /// Namespaced.
    SecretStore,
    /// Cluster-scoped.
    ClusterSecretStore,
}

impl StoreKind {
    /// The kind of the store `key`.
    #[must_use]
    pub fn of(key: &ObjectKey) -> Self {
        if key.namespace.is_empty() {
            Self::ClusterSecretStore
        } else {
            Self::SecretStore
        }
    }

    /// The kind's name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SecretStore => "SecretStore",
            Self::ClusterSecretStore => "ClusterSecretStore",
        }
    }

    /// The plural in URLs.
    #[must_use]
    pub const fn plural(self) -> &'static str {
        match self {
            Self::SecretStore => "secretstores",
            Self::ClusterSecretStore => "clustersecretstores",
        }
    }
}

/// A store. There are few of them, so the spec is kept decoded.
#[derive(Clone, Debug)]
pub struct Store {
    /// Namespace (empty for a ClusterSecretStore) and name.
    pub key: ObjectKey,
    /// uid.
    pub uid: Box<str>,
    /// resourceVersion as a number.
    pub version: u64,
    /// metadata.generation.
    pub generation: i64,
    /// The spec, or what is wrong with it.
    pub spec: Result<SecretStoreSpec, DecodeError>,
    /// The spec as stored, for telling a change.
    pub spec_text: Box<str>,
    /// The status; one that does not decode counts as none.
    pub status: SecretStoreStatus,
    /// Whether deletionTimestamp is set.
    pub deleting: bool,
    /// Whether events about the provider's maintenance are unwanted.
    pub silent: bool,
    /// The force-sync annotation: another value asks for a validation now, whatever the back-off.
    pub forced: Option<Box<str>>,
}

impl Store {
    /// Decodes a watch event's object.
    ///
    /// # Errors
    /// What is wrong, for the log.
    pub fn decode(object: &str) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Raw<'a> {
            #[serde(borrow)]
            metadata: Metadata<'a>,
            #[serde(default)]
            spec: Value,
            #[serde(default)]
            status: Value,
        }
        let raw: Raw<'_> = serde_json::from_str(object).map_err(|e| e.to_string())?;
        let annotations = json_map(&map_text(raw.metadata.annotations));
        let silent =
            annotations.contains_key(keyless_api::constants::annotation::IGNORE_MAINTENANCE_CHECKS);
        let forced = annotations.get(keyless_api::constants::annotation::FORCE_SYNC);
        Ok(Self {
            forced: forced.map(|value| value.as_str().into()),
            key: raw.metadata.key(),
            uid: raw.metadata.uid.as_ref().into(),
            version: raw.metadata.version(),
            generation: raw.metadata.generation,
            spec_text: raw.spec.to_string().into(),
            spec: keyless_api::decode(&raw.spec).map_err(|e| e.below("spec")),
            status: keyless_api::decode(&raw.status).unwrap_or_default(),
            deleting: raw.metadata.deletion_timestamp.is_some(),
            silent,
        })
    }

    /// Which kind it is.
    #[must_use]
    pub fn kind(&self) -> StoreKind {
        StoreKind::of(&self.key)
    }

    /// The Ready condition.
    #[must_use]
    pub fn ready(&self) -> Option<&Condition> {
        self.status
            .conditions
            .iter()
            .find(|c| c.kind == keyless_api::constants::condition::READY)
    }
}

//! What a push says besides the value: labels, annotations, topics, where a secret lies, and its key.
//!
//! Owns: reading it strictly, and what it makes of a secret that is there. Refuses: the mark of
//! ownership, which is not the user's.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::object::{MANAGED_BY, Metadata, Topic};
use crate::Error;

/// `spec.data[].metadata` of a push.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Document {
    api_version: String,
    kind: String,
    #[serde(default)]
    spec: Settings,
}

#[derive(Clone, Debug, Deserialize, Default)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct Settings {
    annotations: BTreeMap<String, String>,
    labels: BTreeMap<String, String>,
    topics: Vec<String>,
    merge_policy: MergePolicy,
    #[serde(rename = "cmekKeyName")]
    pub(super) cmek_key_name: Option<String>,
    replication_location: Option<String>,
    replication_locations: Vec<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
enum MergePolicy {
    #[default]
    Replace,
    Merge,
}

impl Settings {
    /// `None` if the push has none: then labels and annotations are nobody's business here.
    pub(super) fn read(metadata: Option<&Value>) -> Result<Option<Self>, Error> {
        let Some(metadata) = metadata.filter(|metadata| !metadata.is_null()) else {
            return Ok(None);
        };
        let wrong = |reason: String| Error::Config {
            reason: format!("metadata of the push: {reason}"),
            hint: Some(
                "Write apiVersion kubernetes.external-secrets.io/v1alpha1, kind \
                 PushSecretMetadata, and a spec with annotations, labels, topics, mergePolicy, \
                 cmekKeyName or replicationLocations"
                    .into(),
            ),
        };
        let document = Document::deserialize(metadata).map_err(|error| wrong(error.to_string()))?;
        if document.api_version != "kubernetes.external-secrets.io/v1alpha1"
            || document.kind != "PushSecretMetadata"
        {
            return Err(wrong("it is not a PushSecretMetadata".into()));
        }
        if document.spec.labels.contains_key(MANAGED_BY.0) {
            return Err(wrong(format!(
                "the label {} is not yours to set",
                MANAGED_BY.0
            )));
        }
        Ok(Some(document.spec))
    }

    /// Labels and annotations of a secret that has `present` ones.
    pub(super) fn described(&self, present: &Metadata) -> Metadata {
        let with = |present: &BTreeMap<String, String>, own: &BTreeMap<String, String>| {
            let mut all = match self.merge_policy {
                MergePolicy::Merge => present.clone(),
                MergePolicy::Replace => BTreeMap::new(),
            };
            all.extend(own.clone());
            all
        };
        let mut labels = with(&present.labels, &self.labels);
        labels.insert(MANAGED_BY.0.into(), MANAGED_BY.1.into());
        let topics: Vec<Topic> = self
            .topics
            .iter()
            .cloned()
            .map(|name| Topic { name })
            .collect();
        Metadata {
            labels,
            annotations: with(&present.annotations, &self.annotations),
            topics: if topics.is_empty() {
                present.topics.clone()
            } else {
                topics
            },
            etag: present.etag.clone(),
        }
    }

    /// Where a new secret lies, and under which key.
    pub(super) fn replication(&self) -> Value {
        let key = self.cmek_key_name.as_deref().filter(|key| !key.is_empty());
        let encryption = key.map(|key| json!({"kmsKeyName": key}));
        let mut locations = self.replication_locations.clone();
        if locations.is_empty() {
            locations.extend(self.replication_location.clone().filter(|l| !l.is_empty()));
        }
        if locations.is_empty() {
            return match encryption {
                Some(encryption) => json!({"automatic": {"customerManagedEncryption": encryption}}),
                None => json!({"automatic": {}}),
            };
        }
        let replicas: Vec<Value> = locations
            .into_iter()
            .map(|location| match &encryption {
                Some(encryption) => {
                    json!({"location": location, "customerManagedEncryption": encryption})
                }
                None => json!({"location": location}),
            })
            .collect();
        json!({"userManaged": {"replicas": replicas}})
    }
}

//! An ExternalSecret as the operator remembers it.

use std::collections::BTreeMap;

use keyless_api::constants::GROUP;
use keyless_api::{
    CreationPolicy, DecodeError, ExternalSecretSpec, ReferenceKind, RefreshPolicy, StoreKind,
};
use keyless_secret::hash;
use keyless_secret::template::{SourceKind, needed};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::ObjectKey;
use super::metadata::{Metadata, json_map, map_text};
use crate::schedule::phase::seed;

/// The Ready condition as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ready {
    /// `True`, `False` or `Unknown`.
    pub status: Box<str>,
    /// Reason.
    pub reason: Box<str>,
    /// Message.
    pub message: Box<str>,
    /// lastTransitionTime, as written.
    pub since: Box<str>,
}

/// The ClusterExternalSecret that an ExternalSecret was made by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Controller {
    /// Its name.
    pub name: Box<str>,
    /// Its uid when the owner reference was written.
    pub uid: Box<str>,
    /// Where the owner reference stands in the list.
    pub position: usize,
    /// A hash of labels, annotations and spec of the ExternalSecret.
    pub form: u64,
}

/// What other objects' events need to know of an ExternalSecret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// The target's name.
    pub target: Box<str>,
    /// Whether the target is no Secret.
    pub manifest: bool,
    /// Every store named, ClusterSecretStores with an empty namespace.
    pub stores: Vec<ObjectKey>,
    /// ConfigMaps and Secrets of its namespace that hold its templates.
    pub sources: Box<[(ReferenceKind, Box<str>)]>,
    /// Refresh policy.
    pub refresh_policy: RefreshPolicy,
    /// Creation policy.
    pub creation_policy: CreationPolicy,
}

/// An ExternalSecret without what no decision needs.
#[derive(Clone, Debug)]
pub struct ExternalSecret {
    /// Namespace and name.
    pub key: ObjectKey,
    /// uid.
    pub uid: Box<str>,
    /// resourceVersion as a number.
    pub version: u64,
    /// metadata.generation.
    pub generation: i64,
    /// Labels as JSON text, or empty.
    pub labels: Box<str>,
    /// Annotations as JSON text, or empty.
    pub annotations: Box<str>,
    /// The spec as JSON text.
    pub spec: Box<str>,
    /// What `status.syncedResourceVersion` would be now.
    pub fingerprint: Box<str>,
    /// Whether deletionTimestamp is set.
    pub deleting: bool,
    /// Finalizers.
    pub finalizers: Vec<Box<str>>,
    /// The decoded spec's essentials, or what is wrong with the spec.
    pub summary: Result<Summary, DecodeError>,
    /// `status.refreshTime` in milliseconds since the Unix epoch.
    pub refresh_time: Option<i64>,
    /// `status.syncedResourceVersion`.
    pub synced: Option<Box<str>>,
    /// The Ready condition.
    pub ready: Option<Ready>,
    /// Conditions of other types, as JSON texts, kept when the status is written.
    pub other_conditions: Vec<Box<str>>,
    /// `status.binding.name`.
    pub binding: Option<Box<str>>,
    /// The ClusterExternalSecret that it was made by.
    pub controller: Option<Box<Controller>>,
}

#[derive(Deserialize)]
struct Raw<'a> {
    #[serde(borrow)]
    metadata: Metadata<'a>,
    #[serde(borrow, default)]
    spec: Option<&'a RawValue>,
    #[serde(borrow, default)]
    status: Option<&'a RawValue>,
}

impl ExternalSecret {
    /// Decodes a watch event's object. A spec or status of the wrong shape is kept as such; only
    /// metadata that no API server sends is refused.
    ///
    /// # Errors
    /// What is wrong, for the log.
    pub fn decode(object: &str) -> Result<Self, String> {
        let raw: Raw<'_> = serde_json::from_str(object).map_err(|e| e.to_string())?;
        let meta = raw.metadata;
        let key = meta.key();
        let labels = map_text(meta.labels);
        let annotations = map_text(meta.annotations);
        let fingerprint = hash::synced_resource_version(
            meta.generation,
            &json_map(&labels),
            &json_map(&annotations),
        );
        let spec: Box<str> = raw.spec.map_or("{}", RawValue::get).into();
        let summary = decode_spec(&spec).map(|spec| summarise(&spec, &key));
        let mut this = Self {
            uid: meta.uid.as_ref().into(),
            version: meta.version(),
            generation: meta.generation,
            labels,
            annotations,
            spec,
            fingerprint: fingerprint.into(),
            deleting: meta.deletion_timestamp.is_some(),
            finalizers: meta.finalizers.iter().map(|f| f.as_ref().into()).collect(),
            summary,
            refresh_time: None,
            synced: None,
            ready: None,
            other_conditions: Vec::new(),
            binding: None,
            controller: None,
            key,
        };
        this.controller = controller(&meta, &this);
        if let Some(status) = raw.status {
            this.take_status(status.get());
        }
        Ok(this)
    }

    /// The typed spec.
    ///
    /// # Errors
    /// Names the field that has another type than the schema's.
    pub fn spec(&self) -> Result<ExternalSecretSpec, DecodeError> {
        decode_spec(&self.spec)
    }

    /// A status that does not decode counts as none: it is ours to write anew.
    fn take_status(&mut self, text: &str) {
        #[derive(Deserialize, Default)]
        #[serde(rename_all = "camelCase", default)]
        struct Status<'a> {
            refresh_time: Option<String>,
            synced_resource_version: Option<String>,
            #[serde(borrow)]
            conditions: Vec<&'a RawValue>,
            binding: Option<Binding>,
        }
        #[derive(Deserialize)]
        struct Binding {
            #[serde(default)]
            name: String,
        }
        #[derive(Deserialize, Default)]
        #[serde(rename_all = "camelCase", default)]
        struct Condition {
            r#type: String,
            status: String,
            reason: String,
            message: String,
            last_transition_time: String,
        }
        let Ok(status) = serde_json::from_str::<Status<'_>>(text) else {
            return;
        };
        self.refresh_time = status
            .refresh_time
            .and_then(|t| t.parse::<jiff::Timestamp>().ok())
            .map(jiff::Timestamp::as_millisecond);
        self.synced = status
            .synced_resource_version
            .filter(|v| !v.is_empty())
            .map(Into::into);
        self.binding = status.binding.map(|b| b.name.into());
        for raw in status.conditions {
            let Ok(condition) = serde_json::from_str::<Condition>(raw.get()) else {
                continue;
            };
            if condition.r#type == keyless_api::constants::condition::READY {
                self.ready = Some(Ready {
                    status: condition.status.into(),
                    reason: condition.reason.into(),
                    message: condition.message.into(),
                    since: condition.last_transition_time.into(),
                });
            } else {
                self.other_conditions.push(raw.get().into());
            }
        }
    }
}

/// A hash of all that a ClusterExternalSecret decides about an ExternalSecret.
#[must_use]
pub fn form(
    labels: &BTreeMap<String, String>,
    annotations: &BTreeMap<String, String>,
    spec: &Value,
) -> u64 {
    seed(&serde_json::json!([labels, annotations, spec]).to_string())
}

/// Most objects have none, and pay neither for the hash nor for its room.
fn controller(meta: &Metadata<'_>, object: &ExternalSecret) -> Option<Box<Controller>> {
    let mut owners = meta.owner_references.iter().enumerate();
    let (position, owner) = owners.find(|(_, owner)| owner.controller)?;
    let (group, _) = owner.api_version.split_once('/')?;
    if group != GROUP || owner.kind != "ClusterExternalSecret" {
        return None;
    }
    let spec = serde_json::from_str(&object.spec).unwrap_or_default();
    Some(Box::new(Controller {
        name: owner.name.as_ref().into(),
        uid: owner.uid.as_ref().into(),
        position,
        form: form(
            &json_map(&object.labels),
            &json_map(&object.annotations),
            &spec,
        ),
    }))
}

fn decode_spec(text: &str) -> Result<ExternalSecretSpec, DecodeError> {
    let value: Value = serde_json::from_str(text).map_err(|e| DecodeError {
        path: "spec".into(),
        reason: e.to_string(),
    })?;
    keyless_api::decode::<ExternalSecretSpec>(&value).map_err(|e| e.below("spec"))
}

fn summarise(spec: &ExternalSecretSpec, key: &ObjectKey) -> Summary {
    let stores = spec.stores().into_iter().map(|store| {
        let namespace: &str = match store.kind() {
            StoreKind::ClusterSecretStore => "",
            _ => &key.namespace,
        };
        ObjectKey::new(namespace, store.name())
    });
    let needed = spec.template().map(needed).unwrap_or_default();
    let sources = needed.into_iter().map(|(kind, name)| {
        let kind = match kind {
            SourceKind::ConfigMap => ReferenceKind::ConfigMap,
            SourceKind::Secret => ReferenceKind::Secret,
        };
        (kind, name.into())
    });
    Summary {
        sources: sources.collect(),
        target: spec.target_name(&key.name).into(),
        manifest: spec
            .target
            .as_ref()
            .and_then(|target| target.manifest.as_ref())
            .is_some_and(|manifest| !manifest.is_secret()),
        stores: stores.collect(),
        refresh_policy: spec.refresh_policy(),
        creation_policy: spec.creation_policy(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OBJECT: &str = r#"{"apiVersion":"external-secrets.io/v1","kind":"ExternalSecret",
        "metadata":{"name":"a","namespace":"n","uid":"u","resourceVersion":"12","generation":3,
        "labels":{"x":"y"},"annotations":{"force-sync":"1"},"managedFields":[{"manager":"m","fieldsV1":{"f:spec":{}}}],
        "deletionTimestamp":"2026-01-01T00:00:00Z","finalizers":["f"]},
        "spec":{"secretStoreRef":{"name":"s"},"target":{"name":"t"},"data":[{"secretKey":"k","remoteRef":{"key":"r"},
        "sourceRef":{"storeRef":{"name":"c","kind":"ClusterSecretStore"}}}]},
        "status":{"refreshTime":"2026-01-01T00:00:01Z","syncedResourceVersion":"3-x","binding":{"name":"t"},
        "conditions":[{"type":"Other","status":"True"},{"type":"Ready","status":"True","reason":"SecretSynced","message":"secret synced","lastTransitionTime":"2026-01-01T00:00:01Z"}]}}"#;

    #[test]
    fn what_decisions_need_is_kept() {
        let es = ExternalSecret::decode(OBJECT).unwrap();
        assert_eq!(es.key, ObjectKey::new("n", "a"));
        assert_eq!((es.version, es.generation, es.deleting), (12, 3, true));
        let summary = es.summary.clone().unwrap();
        assert_eq!(&*summary.target, "t");
        assert_eq!(
            summary.stores,
            [ObjectKey::new("n", "s"), ObjectKey::new("", "c")]
        );
        assert_eq!(es.refresh_time, Some(1_767_225_601_000));
        assert_eq!(&*es.ready.clone().unwrap().reason, "SecretSynced");
        assert_eq!(es.other_conditions.len(), 1);
        assert!(es.fingerprint.starts_with("3-"));
    }

    #[test]
    fn its_controller_is_a_cluster_external_secret_or_none() {
        let decode = |owners: &str, label: &str| {
            let text = format!(
                r#"{{"metadata":{{"name":"a","labels":{{"l":"{label}"}},"ownerReferences":[{owners}]}},"spec":{{"x":1}}}}"#
            );
            ExternalSecret::decode(&text).unwrap().controller
        };
        let owner = |api: &str, kind: &str, controller: bool| {
            format!(
                r#"{{"apiVersion":"{api}","kind":"{kind}","name":"c","uid":"u","controller":{controller}}}"#
            )
        };
        let ours = owner("external-secrets.io/v1beta1", "ClusterExternalSecret", true);
        let other = owner("external-secrets.io/v1", "ClusterExternalSecret", false);
        let found = decode(&format!("{other},{ours}"), "1").unwrap();
        assert_eq!((&*found.name, &*found.uid, found.position), ("c", "u", 1));
        let labels = [("l".to_owned(), "1".to_owned())].into();
        let spec = serde_json::json!({"x": 1});
        assert_eq!(found.form, form(&labels, &BTreeMap::new(), &spec));
        assert_ne!(found.form, decode(&ours, "2").unwrap().form);
        for none in [
            other,
            owner("example.com/v1", "ClusterExternalSecret", true),
            owner("external-secrets.io/v1", "ClusterPushSecret", true),
            String::new(),
        ] {
            assert_eq!(decode(&none, "1"), None);
        }
    }

    #[test]
    fn a_wrong_spec_does_not_hide_the_object() {
        let es = ExternalSecret::decode(
            r#"{"metadata":{"name":"a","namespace":"n"},"spec":{"data":[{"secretKey":7}]}}"#,
        )
        .unwrap();
        let error = es.summary.unwrap_err();
        assert!(error.path.starts_with("spec.data[0]"), "{}", error.path);
    }

    #[test]
    fn a_wrong_status_counts_as_none() {
        for status in [
            "7",
            "{\"conditions\":7}",
            "{\"refreshTime\":\"soon\"}",
            "null",
        ] {
            let text = format!(r#"{{"metadata":{{"name":"a"}},"status":{status}}}"#);
            let es = ExternalSecret::decode(&text).unwrap();
            assert_eq!((es.refresh_time, es.ready), (None, None));
        }
    }

    #[test]
    fn junk_is_an_error() {
        for junk in ["", "{}", "[]", "{\"metadata\":{\"name\":7}}"] {
            assert!(ExternalSecret::decode(junk).is_err());
        }
    }
}

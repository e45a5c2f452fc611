//! A ClusterExternalSecret as the operator remembers it.

use std::collections::BTreeMap;
use std::time::Duration;

use keyless_api::constants::{annotation, condition, finalizer};
use keyless_api::{ClusterExternalSecretSpec, NamespaceSelection};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::ObjectKey;
use super::external_secret::form;
use super::metadata::{Metadata, json_map, map_text};
use crate::schedule::phase::seed;

/// What the object asks for, ready to be compared with.
#[derive(Clone, Debug)]
pub struct Template {
    /// Name of the ExternalSecrets.
    pub name: Box<str>,
    /// Their labels, all of them.
    pub labels: BTreeMap<String, String>,
    /// Their annotations, all of them: force-sync of the object itself is handed down.
    pub annotations: BTreeMap<String, String>,
    /// Their spec as JSON text, as the API server filled it in.
    pub spec: Box<str>,
    /// A hash of labels, annotations and spec.
    pub form: u64,
    /// The namespaces.
    pub selection: NamespaceSelection,
    /// How often everything is looked at again; `None` is never.
    pub refresh: Option<Duration>,
}

/// The status as stored; one that does not decode counts as none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClusterStatus {
    /// `externalSecretName`.
    pub name: Box<str>,
    /// `provisionedNamespaces`.
    pub provisioned: Vec<Box<str>>,
    /// `failedNamespaces`: namespace and reason.
    pub failed: Vec<(Box<str>, Box<str>)>,
    /// Status and message of the Ready condition.
    pub ready: Option<(Box<str>, Box<str>)>,
    /// Conditions of other types, as JSON texts, kept when the status is written.
    pub other_conditions: Vec<Box<str>>,
}

/// A ClusterExternalSecret without what no decision needs.
#[derive(Clone, Debug)]
pub struct ClusterExternalSecret {
    /// Its name; the namespace is empty.
    pub key: ObjectKey,
    /// uid.
    pub uid: Box<str>,
    /// resourceVersion as a number.
    pub version: u64,
    /// Whether deletionTimestamp is set.
    pub deleting: bool,
    /// Finalizers.
    pub finalizers: Vec<Box<str>>,
    /// What it asks for, or what is wrong with the spec.
    pub template: Result<Template, String>,
    /// A hash of everything that decides about the template.
    pub fingerprint: u64,
    /// The status.
    pub status: ClusterStatus,
}

impl ClusterExternalSecret {
    /// Decodes a watch event's object.
    ///
    /// # Errors
    /// What is wrong, for the log.
    pub fn decode(object: &str) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Raw<'a> {
            #[serde(borrow)]
            metadata: Metadata<'a>,
            #[serde(borrow, default)]
            spec: Option<&'a RawValue>,
            #[serde(default)]
            status: Value,
        }
        let raw: Raw<'_> = serde_json::from_str(object).map_err(|e| e.to_string())?;
        let meta = raw.metadata;
        let key = meta.key();
        let mut annotations = json_map(&map_text(meta.annotations));
        let forced = annotations.remove(annotation::FORCE_SYNC);
        let spec = raw.spec.map_or("{}", RawValue::get);
        Ok(Self {
            uid: meta.uid.as_ref().into(),
            version: meta.version(),
            deleting: meta.deletion_timestamp.is_some(),
            finalizers: meta.finalizers.iter().map(|f| f.as_ref().into()).collect(),
            fingerprint: seed(&format!("{forced:?}{spec}")),
            template: template(&key.name, forced, spec),
            status: decode_status(&raw.status),
            key,
        })
    }

    /// Where the finalizer is that ESO would put on it, if it is there.
    #[must_use]
    pub fn foreign_finalizer(&self) -> Option<usize> {
        let mut all = self.finalizers.iter();
        all.position(|f| &**f == finalizer::CLUSTER_EXTERNAL_SECRET)
    }

    /// Whether a namespace of this name and these labels gets an ExternalSecret. A spec that
    /// means nothing selects nothing, and nothing is removed on its account.
    #[must_use]
    pub fn selects(&self, namespace: &super::Namespace) -> bool {
        let template = self.template.as_ref();
        template.is_ok_and(|t| t.selection.selects(&namespace.name, &namespace.labels))
    }
}

fn template(own_name: &str, forced: Option<String>, text: &str) -> Result<Template, String> {
    let value: Value = serde_json::from_str(text).map_err(|e| format!("spec: {e}"))?;
    let spec: ClusterExternalSecretSpec =
        keyless_api::decode(&value).map_err(|e| e.below("spec").to_string())?;
    let selection = spec.selection().map_err(|violations| {
        let texts: Vec<String> = violations.iter().map(ToString::to_string).collect();
        texts.join("; ")
    })?;
    let refresh = spec
        .refresh_time()
        .map_err(|e| format!("spec.refreshTime: {e}"))?;
    let name = spec.external_secret_name(own_name).into();
    let metadata = spec.external_secret_metadata.unwrap_or_default();
    let mut annotations = metadata.annotations;
    if let Some(forced) = forced {
        annotations.insert(annotation::FORCE_SYNC.to_owned(), forced);
    }
    let spec = value.get("externalSecretSpec").cloned();
    let spec = spec.unwrap_or_else(|| Value::Object(serde_json::Map::new()));
    Ok(Template {
        name,
        form: form(&metadata.labels, &annotations, &spec),
        labels: metadata.labels,
        annotations,
        spec: spec.to_string().into(),
        selection,
        refresh: refresh.positive(),
    })
}

fn decode_status(value: &Value) -> ClusterStatus {
    let Ok(status) = keyless_api::decode::<keyless_api::ClusterExternalSecretStatus>(value) else {
        return ClusterStatus::default();
    };
    let failed = status.failed_namespaces.into_iter();
    let provisioned = status.provisioned_namespaces.into_iter();
    let mut this = ClusterStatus {
        name: status.external_secret_name.unwrap_or_default().into(),
        provisioned: provisioned.map(Into::into).collect(),
        failed: failed
            .map(|f| (f.namespace.into(), f.reason.unwrap_or_default().into()))
            .collect(),
        ..ClusterStatus::default()
    };
    // The raw texts: fields that this operator does not know must survive its writes.
    let raw = value.get("conditions").and_then(Value::as_array);
    for (condition, raw) in status.conditions.into_iter().zip(raw.into_iter().flatten()) {
        if condition.kind == condition::READY {
            let message = condition.message.unwrap_or_default();
            this.ready = Some((condition.status.into(), message.into()));
        } else {
            this.other_conditions.push(raw.to_string().into());
        }
    }
    this
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn decode(metadata: Value, spec: Value, status: Value) -> ClusterExternalSecret {
        let mut meta = json!({"name": "c", "uid": "u", "resourceVersion": "7"});
        let fields = metadata.as_object().unwrap().clone();
        meta.as_object_mut().unwrap().extend(fields);
        let text = json!({"metadata": meta, "spec": spec, "status": status}).to_string();
        ClusterExternalSecret::decode(&text).unwrap()
    }

    fn forced(value: &str) -> Value {
        json!({"annotations": {"external-secrets.io/force-sync": value, "other": "x"}})
    }

    #[test]
    fn the_template_is_ready_to_be_compared_with() {
        let spec = json!({"externalSecretSpec": {"unknown": 7}, "externalSecretMetadata": {"labels": {"l": "1"}, "annotations": {"a": "2"}}});
        let template = decode(forced("now"), spec.clone(), json!({})).template;
        let template = template.unwrap();
        assert_eq!(
            (&*template.name, &*template.spec),
            ("c", r#"{"unknown":7}"#)
        );
        let annotations = [
            ("a".to_owned(), "2".to_owned()),
            (
                "external-secrets.io/force-sync".to_owned(),
                "now".to_owned(),
            ),
        ];
        assert_eq!(template.annotations, annotations.into());
        assert_eq!(template.refresh, Some(Duration::from_secs(3600)));
        let other = decode(json!({}), spec, json!({})).template.unwrap();
        assert_ne!(template.form, other.form);
    }

    #[test]
    fn force_sync_is_a_change_and_other_annotations_are_none() {
        let spec = json!({"externalSecretSpec": {}});
        let print = |meta| decode(meta, spec.clone(), json!({})).fingerprint;
        assert_ne!(print(forced("a")), print(forced("b")));
        assert_ne!(print(forced("a")), print(json!({})));
        assert_eq!(print(json!({"annotations": {"x": "y"}})), print(json!({})));
    }

    #[test]
    fn a_spec_that_means_nothing_says_why() {
        for (spec, expected) in [
            (
                json!({"externalSecretSpec": {}, "refreshTime": "soon"}),
                "spec.refreshTime: ",
            ),
            (
                json!({"externalSecretSpec": {"data": 7}}),
                "spec.externalSecretSpec.data",
            ),
            (
                json!({"externalSecretSpec": {}, "namespaceSelector": {"matchExpressions": [{"key": "a", "operator": "is"}]}}),
                "spec.namespaceSelector.matchExpressions[0].operator",
            ),
        ] {
            let error = decode(json!({}), spec, json!({})).template.unwrap_err();
            assert!(error.starts_with(expected), "{error}");
        }
    }

    #[test]
    fn the_status_is_read_leniently() {
        let status = json!({
            "externalSecretName": "e", "provisionedNamespaces": ["a"], "failedNamespaces": [{"namespace": "b", "reason": "r"}],
            "conditions": [{"type": "Other", "status": "True", "x": 1}, {"type": "Ready", "status": "False", "message": "m"}],
        });
        let read = decode(json!({}), json!({}), status).status;
        assert_eq!(
            (&*read.name, read.provisioned.len(), read.failed.len()),
            ("e", 1, 1)
        );
        assert_eq!(read.ready, Some(("False".into(), "m".into())));
        assert!(read.other_conditions[0].contains("\"x\":1"));
        assert_eq!(
            decode(json!({}), json!({}), json!({"conditions": 7})).status,
            ClusterStatus::default()
        );
    }
}

//! The status of a ClusterExternalSecret: what it is to say, and the write that says it.

use keyless_api::constants::{condition, message};
use serde_json::{Value, json};

use crate::index::ClusterEntry;
use crate::object::{ClusterExternalSecret, ClusterStatus};

/// How many bytes the reasons of all failed namespaces may have: an object has at most 1.5 MiB,
/// and thousands of namespaces may fail for the same long reason.
const REASONS: usize = 512 << 10;
/// The longest reason, and the shortest that a reason is cut to.
const REASON: (usize, usize) = (1024, 64);

/// What the status is to be.
#[must_use]
pub fn wanted(entry: &ClusterEntry) -> ClusterStatus {
    let object = &entry.object;
    let old = &object.status;
    let template = match &object.template {
        Ok(template) => template,
        // Nothing was changed, so nothing else is said.
        Err(reason) => {
            return ClusterStatus {
                ready: Some(("False".into(), reason.as_str().into())),
                ..old.clone()
            };
        }
    };
    let limit = REASONS / entry.failed.len().max(1);
    let limit = limit.clamp(REASON.1, REASON.0);
    let failed = entry.failed.iter();
    let failed: Vec<(Box<str>, Box<str>)> = failed
        .map(|(namespace, reason)| ((**namespace).into(), shorten(reason, limit)))
        .collect();
    let ready = if failed.is_empty() {
        ("True".into(), "".into())
    } else {
        ("False".into(), message::NAMESPACES_FAILED.into())
    };
    ClusterStatus {
        name: template.name.clone(),
        provisioned: entry.provisioned.iter().map(|n| (**n).into()).collect(),
        failed,
        ready: Some(ready),
        other_conditions: old.other_conditions.clone(),
    }
}

fn shorten(text: &str, limit: usize) -> Box<str> {
    if text.len() <= limit {
        return text.into();
    }
    let mut end = limit - '…'.len_utf8();
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let kept = text.get(..end).unwrap_or_default();
    format!("{kept}…").into()
}

/// The merge patch that writes it. The uid keeps it off a namesake made meanwhile.
#[must_use]
pub fn patch(object: &ClusterExternalSecret, status: &ClusterStatus) -> String {
    let others = status.other_conditions.iter();
    let mut conditions: Vec<Value> = others
        .filter_map(|text| serde_json::from_str(text).ok())
        .collect();
    if let Some((ready, text)) = &status.ready {
        let condition = json!({"type": condition::READY, "status": ready});
        let text = (!text.is_empty()).then(|| json!(text));
        conditions.push(keyless_kubernetes::request::with(
            condition, "message", text,
        ));
    }
    let failed = status.failed.iter();
    let failed =
        failed.map(|(namespace, reason)| json!({"namespace": namespace, "reason": reason}));
    // What is null here is absent in the stored status too.
    let list = |list: Vec<Value>| (!list.is_empty()).then_some(list);
    let provisioned = status.provisioned.iter().map(|n| json!(n));
    let body = json!({
        "externalSecretName": status.name,
        "provisionedNamespaces": list(provisioned.collect()),
        "failedNamespaces": list(failed.collect()),
        "conditions": conditions,
    });
    json!({"metadata": {"uid": object.uid}, "status": body}).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::{Index, Standing};
    use crate::object::ObjectKey;

    fn entry(spec: &str, status: &str) -> ClusterEntry {
        let text =
            format!(r#"{{"metadata":{{"name":"c","uid":"u"}},"spec":{spec},"status":{status}}}"#);
        let mut index = Index::default();
        let object = ClusterExternalSecret::decode(&text).unwrap();
        index.upsert_cluster_external_secret(object, true);
        index
            .cluster_external_secret(&ObjectKey::new("", "c"))
            .unwrap()
            .clone()
    }

    const SPEC: &str = r#"{"externalSecretName":"e","externalSecretSpec":{}}"#;

    fn failed(reason: &str) -> Standing {
        Standing::Failed(reason.to_owned())
    }

    fn written(entry: &ClusterEntry) -> Value {
        let patch = patch(&entry.object, &wanted(entry));
        serde_json::from_str(&patch).unwrap()
    }

    #[test]
    fn it_says_what_the_api_says() {
        let mut entry = entry(SPEC, "{}");
        for name in ["b", "a"] {
            entry.note(&name.into(), Standing::Provisioned);
        }
        entry.note(&"d".into(), failed("no"));
        let patch = written(&entry);
        assert_eq!(patch["metadata"]["uid"], "u");
        assert_eq!(
            patch["status"],
            json!({
                "externalSecretName": "e", "provisionedNamespaces": ["a", "b"],
                "failedNamespaces": [{"namespace": "d", "reason": "no"}],
                "conditions": [{"type": "Ready", "status": "False", "message": "one or more namespaces failed"}],
            })
        );
        for name in ["a", "b", "d"] {
            entry.note(&name.into(), Standing::Absent);
        }
        assert_eq!(
            written(&entry)["status"],
            json!({
                "externalSecretName": "e", "provisionedNamespaces": null, "failedNamespaces": null,
                "conditions": [{"type": "Ready", "status": "True"}],
            })
        );
    }

    #[test]
    fn what_was_written_is_not_written_again() {
        let mut first = entry(
            SPEC,
            r#"{"conditions":[{"type":"Mine","status":"True","x":1}]}"#,
        );
        first.note(&"a".into(), Standing::Provisioned);
        first.note(&"b".into(), failed("no"));
        let status = written(&first)["status"].to_string();
        let mut second = entry(SPEC, &status);
        second.note(&"a".into(), Standing::Provisioned);
        second.note(&"b".into(), failed("no"));
        assert_eq!(wanted(&second), second.object.status);
        assert!(status.contains("\"x\":1"), "others' conditions survive");
    }

    #[test]
    fn a_spec_that_means_nothing_changes_the_condition_only() {
        let spec = r#"{"externalSecretSpec":{},"namespaceSelector":{"matchExpressions":[{"key":"a","operator":"is"}]}}"#;
        let old = r#"{"externalSecretName":"e","provisionedNamespaces":["a"],"conditions":[{"type":"Ready","status":"True"}]}"#;
        let status = wanted(&entry(spec, old));
        assert_eq!((&*status.name, status.provisioned.len()), ("e", 1));
        let (ready, message) = status.ready.unwrap();
        assert_eq!(&*ready, "False");
        assert!(
            message.contains("matchExpressions[0].operator"),
            "{message}"
        );
    }

    #[test]
    fn a_thousand_long_reasons_fit_into_an_object() {
        let mut entry = entry(SPEC, "{}");
        for n in 0..5000 {
            let name: std::sync::Arc<str> = format!("namespace-{n}").into();
            entry.note(&name, failed(&"ü".repeat(1000)));
        }
        let patch = patch(&entry.object, &wanted(&entry));
        assert!(patch.len() < 1 << 20, "{}", patch.len());
        assert_eq!(&*shorten("üüü", 5), "ü…");
        assert_eq!(&*shorten("üü", 5), "üü");
    }

    #[test]
    fn only_a_change_is_told() {
        let mut entry = entry(SPEC, "{}");
        let a: std::sync::Arc<str> = "a".into();
        entry.note(&a, Standing::Provisioned);
        for (standing, told) in [
            (Standing::Provisioned, true),
            (failed("x"), false),
            (failed("x"), true),
            (failed("y"), false),
            (Standing::Absent, false),
            (Standing::Absent, true),
        ] {
            entry.told = true;
            entry.note(&a, standing.clone());
            assert_eq!(entry.told, told, "{standing:?}");
        }
    }
}

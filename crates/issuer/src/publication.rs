//! ClusterIssuerPublication: the object by which a cluster says where its issuer is published, and
//! reads whether it is.
//!
//! Owns: the fields, their defaults, the custom resource definition, and how findings become a
//! status. Pure. Refuses: doing what it says (see [`crate::keep`]).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::finding::{Finding, Parties, Severity};
use crate::safety::limits;
use crate::verdict::verdicts;

/// Group.
pub const GROUP: &str = "keyless.dev";
/// Version.
pub const VERSION: &str = "v1alpha1";
/// Plural.
pub const PLURAL: &str = "clusterissuerpublications";
/// Kind.
pub const KIND: &str = "ClusterIssuerPublication";

/// What is wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Spec {
    /// Where to publish.
    pub to: String,
    /// The issuer; absent: the API servers' own.
    pub issuer: Option<String>,
    /// Whether every API server that the cluster lists is read; absent: yes.
    pub all_servers: Option<bool>,
    /// Seconds between two looks; absent: 300.
    pub interval_seconds: Option<u32>,
    /// Seconds for which a key stays that no API server has; absent: 25 hours.
    pub keep_seconds: Option<u32>,
    /// For whom a token is minted to see what signs.
    pub service_account: Account,
    /// Authorities in PEM in place of the public ones.
    pub ca_bundle: Option<String>,
}

/// A service account.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Account {
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
}

impl Default for Account {
    fn default() -> Self {
        Self {
            namespace: "default".into(),
            name: "default".into(),
        }
    }
}

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Outcome {
    /// The issuer.
    pub issuer: String,
    /// Names of the published keys.
    pub keys: Vec<String>,
    /// When the target was last seen to be as it should be.
    pub published: Option<i64>,
    /// When the documents were last seen from outside without an error that concerns everyone.
    pub verified: Option<i64>,
    /// The phase of a rotation that is under way.
    pub rotation: Option<String>,
    /// Whether the last look found an error that concerns everyone; absent: nobody has looked.
    pub broken: Option<bool>,
    /// When the first of the served certificates ends.
    pub certificate: Option<i64>,
    /// When a key goes whose tokens a rotation still drains.
    pub goes_early: Option<i64>,
    /// Seconds between two looks.
    pub interval: i64,
    /// Findings.
    pub findings: Vec<Finding>,
    /// Why nothing could be done.
    pub failed: Option<String>,
}

impl Outcome {
    /// Whether the documents are good for those who could be given authorities at least, and how
    /// that is said.
    #[must_use]
    pub fn ready(&self) -> (bool, &'static str, String) {
        if let Some(failed) = &self.failed {
            return (false, "NotPublished", failed.clone());
        }
        let worst = self
            .findings
            .iter()
            .filter(|f| f.severity >= Severity::Error && f.hurts == Parties::ALL)
            .max_by_key(|f| f.severity);
        match worst {
            Some(finding) => (false, "NotVerified", finding.to_string()),
            None => (
                true,
                "Verified",
                format!(
                    "{} keys are published and seen from outside",
                    self.keys.len()
                ),
            ),
        }
    }
}

/// The status of an object. `before` is the present one, for the time of the last transition.
#[must_use]
pub fn status(outcome: &Outcome, generation: i64, before: Option<&Value>, now: i64) -> Value {
    let (ready, reason, message) = outcome.ready();
    let state = if ready { "True" } else { "False" };
    let old = before
        .and_then(|s| s.pointer("/conditions/0"))
        .filter(|c| c.get("status").and_then(Value::as_str) == Some(state))
        .and_then(|c| c.get("lastTransitionTime"))
        .cloned();
    let time = |seconds: i64| {
        jiff::Timestamp::from_second(seconds)
            .map(|t| t.to_string())
            .unwrap_or_default()
    };
    let answers: BTreeMap<&str, &str> = verdicts(&outcome.findings)
        .into_iter()
        .map(|v| (v.party.as_str(), v.answer.as_str()))
        .collect();
    let first = limits(outcome).into_iter().next();
    json!({
        "observedGeneration": generation,
        "issuer": outcome.issuer,
        "keys": outcome.keys,
        "keyCount": outcome.keys.len(),
        "lastPublished": outcome.published.map(time),
        "lastVerified": outcome.verified.map(time),
        "safeUntil": first.and_then(|l| l.at).map(time),
        "safeUntilLimit": first.map(|l| l.by.as_str()),
        "rotation": outcome.rotation,
        "trust": answers,
        "findings": outcome.findings.iter().take(20).map(|f| json!({
            "code": f.code.as_str(), "severity": f.severity.as_str(), "message": keyless_message(f)})).collect::<Vec<_>>(),
        "conditions": [{
            "type": "Ready", "status": state, "reason": reason, "message": short(&message),
            "observedGeneration": generation, "lastTransitionTime": old.unwrap_or_else(|| json!(time(now))),
        }],
    })
}

fn keyless_message(finding: &Finding) -> String {
    short(&finding.to_string())
}

fn short(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(900)
        .collect()
}

/// The custom resource definition.
#[must_use]
pub fn crd() -> Value {
    let text = |description: &str| json!({"type": "string", "description": description});
    let seconds = |description: &str, least: u32| json!({"type": "integer", "minimum": least, "description": description});
    let spec = json!({
        "type": "object", "required": ["to"],
        "properties": {
            "to": {"type": "string", "minLength": 1, "description": "Where to publish: s3://BUCKET/PATH, gs://BUCKET/PATH, azblob://ACCOUNT/CONTAINER/PATH, https://… (PUT), configmap:NAMESPACE/NAME, or a directory of the controller's pod."},
            "issuer": {"type": "string", "pattern": "^https://", "description": "The issuer; default: the one that the API servers have. Another than theirs is refused."},
            "allServers": {"type": "boolean", "description": "Read every API server that the cluster lists; default true."},
            "intervalSeconds": seconds("Seconds between two looks; default 300.", 10),
            "keepSeconds": seconds("Seconds for which a key stays that no API server has: the longest life of a token and a margin; default 90000.", 600),
            "serviceAccount": {"type": "object", "properties": {"namespace": text("Its namespace; default: default."), "name": text("Its name; default: default.")},
                "description": "The service account for which a token is minted to see what signs."},
            "caBundle": text("Certificate authorities in PEM in place of the public ones: for relying parties that can be given one."),
        },
    });
    let status = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true, "properties": {
        "conditions": {"type": "array", "items": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}},
    }});
    let column =
        |name: &str, path: &str, kind: &str| json!({"name": name, "jsonPath": path, "type": kind});
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{PLURAL}.{GROUP}")},
        "spec": {
            "group": GROUP, "scope": "Cluster",
            "names": {"kind": KIND, "listKind": format!("{KIND}List"), "plural": PLURAL, "singular": KIND.to_lowercase(), "shortNames": ["cip"], "categories": ["keyless"]},
            "versions": [{
                "name": VERSION, "served": true, "storage": true, "subresources": {"status": {}},
                "additionalPrinterColumns": [
                    column("Issuer", ".status.issuer", "string"),
                    column("Ready", ".status.conditions[?(@.type==\"Ready\")].status", "string"),
                    column("Keys", ".status.keyCount", "integer"),
                    column("Verified", ".status.lastVerified", "date"),
                    column("Safe-Until", ".status.safeUntil", "string"),
                    column("Rotation", ".status.rotation", "string"),
                    column("Age", ".metadata.creationTimestamp", "date"),
                ],
                "schema": {"openAPIV3Schema": {"type": "object", "required": ["spec"],
                    "description": "Where the cluster's issuer is published, and whether the world can use it.",
                    "properties": {"apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": {"type": "object"}, "spec": spec, "status": status}}},
            }],
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Code, Party};

    #[test]
    fn one_clouds_refusal_is_told_and_does_not_make_it_unready() {
        let mut outcome = Outcome {
            issuer: "https://i.example.com".into(),
            keys: vec!["k".into()],
            findings: vec![
                Finding::new(Code::K6, "k")
                    .observed("ES256")
                    .hurts(Parties::only(Party::Entra)),
            ],
            ..Outcome::default()
        };
        let first = status(&outcome, 1, None, 1000);
        assert_eq!(first["conditions"][0]["status"], "True");
        assert_eq!(
            (&first["safeUntil"], &first["safeUntilLimit"]),
            (&Value::Null, &json!("verification")),
            "nobody has looked"
        );
        outcome.verified = Some(1000);
        outcome.certificate = Some(2000);
        let known = status(&outcome, 1, None, 1000);
        assert_eq!(
            (&known["safeUntil"], &known["safeUntilLimit"]),
            (&json!("1970-01-01T00:33:20Z"), &json!("certificate"))
        );
        assert_eq!(
            (&first["trust"]["Entra"], &first["trust"]["AWS"]),
            (&json!("no"), &json!("yes"))
        );
        let second = status(&outcome, 1, Some(&first), 2000);
        assert_eq!(first["conditions"], second["conditions"], "nothing changed");
        outcome.findings.push(Finding::new(Code::P5, "k"));
        let third = status(&outcome, 1, Some(&second), 3000);
        assert_eq!(third["conditions"][0]["status"], "False");
        assert_ne!(
            third["conditions"][0]["lastTransitionTime"],
            second["conditions"][0]["lastTransitionTime"]
        );
    }
}

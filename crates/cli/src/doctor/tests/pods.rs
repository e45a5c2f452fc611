//! Pods of a cluster whose webhook was away, and those that it refuses.

use serde_json::{Value, json};

use super::house::{House, state};
use crate::outcome::Outcome;

const ROLE: &str = "arn:aws:iam::111122223333:role/web";

fn hook(house: &House, labels: &Value) {
    hook_named(
        house,
        "pod-identity-webhook",
        "pod-identity-webhook.amazonaws.com",
        labels,
    );
}

fn hook_named(house: &House, name: &str, webhook: &str, labels: &Value) {
    // Nobody listens there: it fails open.
    let configuration = json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": name},
        "webhooks": [{"name": webhook, "admissionReviewVersions": ["v1"], "sideEffects": "None",
            "failurePolicy": "Ignore", "timeoutSeconds": 1, "clientConfig": {"url": "https://127.0.0.1:1/mutate"},
            "namespaceSelector": {"matchLabels": labels},
            "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}]}]});
    house.apply(
        &format!("/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/{name}"),
        &configuration,
    );
}

/// Pods whose controller is gone are collected: some other object plays it.
fn owner(house: &House) -> Value {
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "owner", "namespace": "default"}});
    let map = house.apply("/api/v1/namespaces/default/configmaps/owner", &map);
    json!([{"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": map["metadata"]["uid"]}])
}

fn pod(house: &House, name: &str, account: &str, owner: &Value) {
    house.apply(&format!("/api/v1/namespaces/default/pods/{name}"), &json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": "default", "ownerReferences": owner},
        "spec": {"serviceAccountName": account, "containers": [{"name": "web", "image": "i", "args": ["--password=hunter2"],
            "env": [{"name": "AWS_SECRET_ACCESS_KEY", "value": "canary-4711"}]}]}}));
}

#[test]
fn pods_that_no_webhook_saw() {
    let house = House::new();
    hook(&house, &json!({}));
    house.account("web", &json!({"eks.amazonaws.com/role-arn": ROLE}));
    house.account("plain", &json!({}));
    let owner = owner(&house);
    for name in ["web-1", "web-2"] {
        pod(&house, name, "web", &owner);
    }
    pod(&house, "other", "plain", &owner);
    let one = house.first(&["pod", "web-1"]);
    assert_eq!(
        (&one["broken"]["code"], &one["broken"]["link"]),
        (&json!("W1"), &json!("kubernetes")),
        "{one}"
    );
    assert_eq!(state(&one, "token"), "not reached");
    assert_eq!(one["chain"].as_array().unwrap().len(), 9);
    let plain = house.first(&["po", "default/other"]);
    assert_eq!(
        (&plain["broken"], &plain["identity"]),
        (&Value::Null, &Value::Null),
        "{plain}"
    );
    // Without a name: one of each controller, and nothing of pods that ask for nothing.
    let folder = tempfile::tempdir().unwrap();
    let bundle = folder.path().join("facts").display().to_string();
    let (text, outcome) = house.doctor(&["--collect", &bundle, "-o", "json"]);
    assert!(matches!(outcome, Outcome::Findings(_)), "{outcome:?}");
    let all: Value = serde_json::from_str(&text).unwrap();
    let about: Vec<&str> = all["diagnoses"]
        .as_array()
        .unwrap()
        .iter()
        .map(|d| d["about"].as_str().unwrap())
        .collect();
    assert_eq!(about, ["Pod default/web-1"], "{text}");
    let facts = std::fs::read_to_string(&bundle).unwrap();
    for secret in ["hunter2", "canary-4711"] {
        assert!(!facts.contains(secret), "{facts}");
    }
    let (_, outcome) = house.doctor(&["pods", "nobody", "-n", "default"]);
    assert!(matches!(outcome, Outcome::WrongUse(_)), "{outcome:?}");
    // The namespace is left out by the configuration.
    hook(&house, &json!({"inject": "yes"}));
    let left = house.first(&["pod", "web-1"]);
    assert_eq!(left["broken"]["code"], "W1");
    assert!(
        left["broken"]["required"]
            .as_str()
            .unwrap()
            .contains("namespaceSelector"),
        "{left}"
    );
}

/// Where only other webhooks are, service accounts are annotated for those who log in themselves.
#[test]
fn nobody_is_missed_where_nobody_injects() {
    let house = House::new();
    hook_named(&house, "mesh", "sidecar.mesh.example.com", &json!({}));
    house.account("web", &json!({"eks.amazonaws.com/role-arn": ROLE}));
    let owner = owner(&house);
    pod(&house, "web-1", "web", &owner);
    let (text, outcome) = house.doctor(&["pods"]);
    assert!(matches!(outcome, Outcome::Fine), "{outcome:?} {text}");
    // Who asks about the pod is told.
    assert_eq!(house.first(&["pod", "web-1"])["broken"]["code"], "W1");
}

#[test]
fn a_pod_that_could_not_be_created() {
    let house = House::new();
    hook(&house, &json!({}));
    let message = "Error creating: Internal error occurred: failed calling webhook \"pod-identity-webhook.amazonaws.com\": failed to call webhook: Post \"https://h.svc:443/mutate?timeout=1s\": dial tcp 127.0.0.1:1: connect: connection refused";
    house.apply("/api/v1/namespaces/default/events/web.1", &json!({"apiVersion": "v1", "kind": "Event",
        "metadata": {"name": "web.1", "namespace": "default"}, "reason": "FailedCreate", "message": message, "type": "Warning",
        "involvedObject": {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web", "namespace": "default"}}));
    let one = house.first(&["pod", "web"]);
    assert_eq!(one["broken"]["code"], "W2", "{one}");
    let (text, outcome) = house.doctor(&["pods"]);
    assert!(matches!(outcome, Outcome::Findings(_)), "{outcome:?}");
    assert!(
        text.contains("Pod default/web") && text.contains("[W2]"),
        "{text}"
    );
}

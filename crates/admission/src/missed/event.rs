//! The Event about a pod that lacks a token.
//!
//! Owns: its words, and a name that is the same for the same pod, so that it is told once by
//! whoever finds it. Refuses: sending it.

use keyless_kubernetes::request::escape;
use serde_json::{Value, json};

use super::Missed;
use crate::cloud::Cloud;

/// What users are told.
pub fn note(missed: &Missed) -> String {
    let cloud = match missed.cloud {
        Cloud::Aws => "AWS",
        Cloud::Azure => "Azure",
        Cloud::Google => "Google",
    };
    format!(
        "No {cloud} token was injected into this pod although service account {} asks for one: the webhook was not reachable when the pod was created, or the annotation is newer than the pod. Delete the pod so that its controller creates it anew (kubectl rollout restart for a whole Deployment); keyless leaves it as it is",
        missed.account
    )
}

/// Where it is created, and the object.
pub fn render(missed: &Missed, note: &str, now: jiff::Timestamp) -> (String, Value) {
    let time = jiff::Timestamp::from_second(now.as_second())
        .unwrap_or(jiff::Timestamp::UNIX_EPOCH)
        .to_string();
    // A name has at most 253 characters.
    let stem: String = missed.name.chars().take(200).collect();
    let uid: String = missed.uid.chars().take(8).collect();
    let body = json!({
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {
            "name": format!("{stem}.keyless-{}-{uid}", missed.cloud.as_str()),
            "namespace": missed.namespace,
        },
        "involvedObject": {
            "apiVersion": "v1", "kind": "Pod", "namespace": missed.namespace,
            "name": missed.name, "uid": missed.uid, "resourceVersion": missed.version,
        },
        "type": "Warning",
        "reason": "TokenNotInjected",
        "message": note,
        "source": {"component": "keyless-webhook"},
        "reportingComponent": "keyless-webhook",
        "reportingInstance": "",
        "count": 1,
        "firstTimestamp": time,
        "lastTimestamp": time,
    });
    let path = format!("/api/v1/namespaces/{}/events", escape(&missed.namespace));
    (path, body)
}

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::routing::post;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use keyless_sandbox::tls::{Serving, Tls};
use serde_json::{Value, json};

use super::{CONFIG_MAPS, Cluster, config_map};

/// A webhook server that answers what `respond` makes of the request.
async fn webhook(
    respond: impl Fn(&Value) -> Value + Clone + Send + Sync + 'static,
) -> (Serving, String, Arc<AtomicUsize>) {
    let tls = Tls::new().unwrap();
    let count = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&count);
    let handler = move |body: String| {
        counter.fetch_add(1, Ordering::SeqCst);
        let review: Value = serde_json::from_str(&body).unwrap();
        let mut response = respond(&review["request"]);
        response["uid"] = review["request"]["uid"].clone();
        async move {
            json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response}).to_string()
        }
    };
    let serving = tls.serve(
        Tls::listen(0).await.unwrap(),
        Router::new().route("/", post(handler)),
    );
    (serving, STANDARD.encode(tls.ca_pem()), count)
}

fn configuration(kind: &str, url: &str, ca: &str, change: impl FnOnce(&mut Value)) -> Value {
    let mut hook = json!({"name": "check.example.com", "clientConfig": {"url": url, "caBundle": ca}, "sideEffects": "None", "admissionReviewVersions": ["v1"],
        "rules": [{"operations": ["CREATE", "UPDATE", "DELETE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"]}]});
    change(&mut hook);
    json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": kind, "metadata": {"name": "check"}, "webhooks": [hook]})
}

const VALIDATING: &str = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations";
const MUTATING: &str = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations";

#[tokio::test]
async fn a_validating_webhook_allows_warns_and_denies() {
    let c = Cluster::new().await;
    let (serving, ca, count) = webhook(|request| {
        assert_eq!(request["userInfo"]["username"], "kubernetes-admin");
        assert_eq!(request["resource"]["resource"], "configmaps");
        let bad = request["object"]["data"]["a"] == "bad" || request["operation"] == "DELETE";
        json!({"allowed": !bad, "warnings": ["mind the gap"], "status": {"message": "not this", "code": 403, "reason": "Forbidden"}})
    })
    .await;
    let url = format!("https://{}/", serving.address());
    c.post(
        VALIDATING,
        &configuration("ValidatingWebhookConfiguration", &url, &ca, |_| {}),
    )
    .await
    .ok();
    let good = c.post(CONFIG_MAPS, &config_map("x")).await;
    assert_eq!(good.warnings, ["299 - \"mind the gap\""]);
    good.ok();
    let bad = c
        .merge(&format!("{CONFIG_MAPS}/x"), &json!({"data": {"a": "bad"}}))
        .await;
    assert_eq!(
        bad.refused(403),
        "admission webhook \"check.example.com\" denied the request: not this"
    );
    c.delete(&format!("{CONFIG_MAPS}/x")).await.refused(403);
    assert_eq!(count.load(Ordering::SeqCst), 3);
    c.post(super::SECRETS, &super::secret("x")).await.ok();
    assert_eq!(
        count.load(Ordering::SeqCst),
        3,
        "other resources are not its concern"
    );
    c.delete(&format!("{VALIDATING}/check")).await.ok();
    c.delete(&format!("{CONFIG_MAPS}/x")).await.ok();
}

#[tokio::test]
async fn a_mutating_webhook_changes_what_it_selects() {
    let c = Cluster::new().await;
    let (serving, ca, _) = webhook(|_| {
        let patch = json!([{"op": "add", "path": "/metadata/labels", "value": {"seen": "yes"}}])
            .to_string();
        json!({"allowed": true, "patchType": "JSONPatch", "patch": STANDARD.encode(patch)})
    })
    .await;
    let url = format!("https://{}/", serving.address());
    let select = |hook: &mut Value| hook["namespaceSelector"] = json!({"matchExpressions": [{"key": "kubernetes.io/metadata.name", "operator": "In", "values": ["default"]}]});
    let made = c
        .post(
            MUTATING,
            &configuration("MutatingWebhookConfiguration", &url, &ca, select),
        )
        .await
        .ok();
    assert_eq!(
        (
            &made["webhooks"][0]["failurePolicy"],
            &made["webhooks"][0]["timeoutSeconds"]
        ),
        (&json!("Fail"), &json!(10))
    );
    assert_eq!(
        c.post(CONFIG_MAPS, &config_map("x")).await.ok()["metadata"]["labels"]["seen"],
        "yes"
    );
    let elsewhere = c
        .post(
            "/api/v1/namespaces/kube-public/configmaps",
            &config_map("x"),
        )
        .await
        .ok();
    assert!(elsewhere["metadata"].get("labels").is_none());
}

#[tokio::test]
async fn an_unreachable_webhook_fails_or_is_ignored_as_configured() {
    let c = Cluster::new().await;
    let (serving, ca, _) = webhook(|_| json!({"allowed": true})).await;
    let url = format!("https://{}/", serving.address());
    let other = STANDARD.encode(Tls::new().unwrap().ca_pem());
    c.post(
        VALIDATING,
        &configuration("ValidatingWebhookConfiguration", &url, &other, |_| {}),
    )
    .await
    .ok();
    let refused = c.post(CONFIG_MAPS, &config_map("x")).await;
    assert!(refused.refused(500).starts_with(&format!("Internal error occurred: failed calling webhook \"check.example.com\": failed to call webhook: Post \"{url}?timeout=10s\": ")), "{}", refused.body);
    c.merge(&format!("{VALIDATING}/check"), &json!({"webhooks": configuration("", &url, &other, |h| h["failurePolicy"] = json!("Ignore"))["webhooks"]})).await.ok();
    c.post(CONFIG_MAPS, &config_map("x")).await.ok();
    let effects = configuration("", &url, &ca, |h| h["sideEffects"] = json!("Some"));
    c.merge(
        &format!("{VALIDATING}/check"),
        &json!({"webhooks": effects["webhooks"]}),
    )
    .await
    .ok();
    assert_eq!(
        c.post(&format!("{CONFIG_MAPS}?dryRun=All"), &config_map("y"))
            .await
            .refused(400),
        "admission webhook \"check.example.com\" does not support dry run"
    );
    let service =
        configuration(
            "",
            "",
            &ca,
            |h| {
                h["clientConfig"] =
                    json!({"service": {"name": "s", "namespace": "n"}, "caBundle": ca.clone()})
            },
        );
    c.merge(
        &format!("{VALIDATING}/check"),
        &json!({"webhooks": service["webhooks"]}),
    )
    .await
    .ok();
    assert!(
        c.post(CONFIG_MAPS, &config_map("y"))
            .await
            .refused(500)
            .contains("s.n.svc")
    );
}

//! Pods: nobody injected them, they were refused, or what they were given does not do. The doctor
//! judges what the API server has stored, and what it said.

use std::net::SocketAddr;

use anyhow::{Context as _, Result, bail};
use axum::routing::post;
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use keyless_admission::certificate::plan::Lives;
use keyless_sandbox::tls::{Serving, Tls};
use keyless_scenarios::World;
use keyless_scenarios::api::eventually;
use serde_json::{Value, json};

// Alone: webhooks are known by names that every scenario sees.
scenarios!(alone: pods_that_nobody_injected, pods_that_were_refused, pods_that_were_injected);

const ROLE: &str = "arn:aws:iam::111122223333:role/x";
const AWS_FILE: &str = "/var/run/secrets/eks.amazonaws.com/serviceaccount/token";
const AWS_HOOK: &str = "pod-identity-webhook.amazonaws.com";
const AZURE_HOOK: &str = "mutation.azure-workload-identity.io";

/// The doctor names `code` for the pod: broken, or beside what is broken.
async fn found(w: &World, namespace: &str, pod: &str, more: Vec<Value>, code: &str) -> Result<()> {
    let diagnosis = w.diagnose_pod(namespace, pod, more).await?;
    let named = diagnosis.broken.as_ref().is_some_and(|b| b.code == code);
    let beside = diagnosis.broken.is_none() && diagnosis.further.iter().any(|v| v.code == code);
    if named || beside {
        return Ok(());
    }
    bail!("{pod}: wanted {code}, found {diagnosis:#?}")
}

fn labelled() -> Value {
    json!({"azure.workload.identity/use": "true"})
}

fn with_env(mut pod: Value, env: &[(&str, &str)]) -> Value {
    let env: Vec<Value> = env
        .iter()
        .map(|(name, value)| json!({"name": name, "value": value}))
        .collect();
    pod["spec"]["containers"][0]["env"] = json!(env);
    pod
}

/// One webhook of this scenario's pods, at `address`.
fn hook(w: &World, name: &str, address: SocketAddr, authority: Option<&str>) -> Value {
    let mut hook = json!({
        "name": name, "clientConfig": {"url": format!("https://{address}/inject")},
        "rules": [{"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"]}],
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": w.ns}},
        "failurePolicy": "Fail", "sideEffects": "None", "timeoutSeconds": 10,
        "reinvocationPolicy": "Never", "admissionReviewVersions": ["v1"],
    });
    if let Some(pem) = authority {
        hook["clientConfig"]["caBundle"] = json!(STANDARD.encode(pem));
    }
    hook
}

async fn configure(w: &World, name: &str, hooks: Vec<Value>) -> Result<()> {
    const KIND: &str = "MutatingWebhookConfiguration";
    w.api.delete(KIND, "", name).await?;
    let object = json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": KIND,
        "metadata": {"name": name}, "webhooks": hooks});
    w.api.create(&object).await?;
    Ok(())
}

/// A webhook of somebody else, which answers reviews as `answer` does.
async fn stranger(answer: fn(&Value) -> Value) -> Result<(Tls, Serving)> {
    let tls = Tls::new()?;
    let router = Router::new().route(
        "/inject",
        post(move |Json(review): Json<Value>| async move { Json(answer(&review)) }),
    );
    let serving = tls.serve(Tls::listen(0).await?, router);
    Ok((tls, serving))
}

/// An answer that changes the pod.
fn patched(review: &Value, patch: &Value) -> Value {
    json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": {
        "uid": review["request"]["uid"], "allowed": true, "patchType": "JSONPatch",
        "patch": STANDARD.encode(patch.to_string()),
    }})
}

/// What the API server says when it refuses the pod, in words that contain `part`: it learns of
/// webhooks late.
async fn refused(w: &World, pod: &Value, part: &str) -> Result<String> {
    eventually(&format!("a refusal with {part:?}"), || async {
        let made = w.api.dry_run(pod).await?;
        Ok(made.err().map(|r| r.message).filter(|m| m.contains(part)))
    })
    .await
}

/// As the controller of a ReplicaSet passes it on.
fn event(w: &World, message: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Event", "metadata": {"name": "e", "namespace": w.ns},
        "involvedObject": {"kind": "ReplicaSet", "namespace": w.ns, "name": "web"},
        "type": "Warning", "reason": "FailedCreate", "message": format!("Error creating: {message}"),
        "lastTimestamp": "2033-05-18T03:33:20Z"})
}

/// No webhook is there, or the pod was made by hand.
async fn pods_that_nobody_injected(world: World) -> Result<()> {
    let w = &world;
    let client = "azure.workload.identity/client-id";
    for (name, annotations) in [
        ("aws", json!({"eks.amazonaws.com/role-arn": ROLE})),
        (
            "azure",
            json!({client: "11111111-2222-3333-4444-555555555555"}),
        ),
        (
            "half",
            json!({"cloud.google.com/workload-identity-provider":
                "projects/1/locations/global/workloadIdentityPools/pool-1/providers/prov-1"}),
        ),
    ] {
        w.service_account(name, annotations).await?;
    }
    let azure = [
        ("AZURE_CLIENT_ID", "11111111-2222-3333-4444-555555555555"),
        ("AZURE_TENANT_ID", "22222222-2222-3333-4444-555555555555"),
        (
            "AZURE_FEDERATED_TOKEN_FILE",
            "/var/run/secrets/azure/tokens/azure-identity-token",
        ),
    ];
    let by_hand = [
        ("AWS_ROLE_ARN", ROLE),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", AWS_FILE),
        ("AWS_REGION", "eu-central-1"),
    ];
    let google = [(
        "GOOGLE_APPLICATION_CREDENTIALS",
        "/nowhere/credentials.json",
    )];
    for (pod, code) in [
        (w.pod("missed", "aws", &json!({})), "W1"),
        (w.pod("off", "azure", &labelled()), "Z25"),
        (
            with_env(w.pod("by-hand", "aws", &json!({})), &by_hand),
            "W6",
        ),
        (
            with_env(w.pod("old-path", "azure", &labelled()), &azure),
            "Z24",
        ),
        (w.pod("default", "default", &labelled()), "K18"),
        (
            with_env(w.pod("google", "half", &json!({})), &google),
            "G16",
        ),
        (w.pod("half", "half", &json!({})), "G20"),
    ] {
        let made = w.api.create(&pod).await?;
        let name = made["metadata"]["name"].as_str().context("no name")?;
        if code == "G20" || code == "G16" {
            let diagnosis = w.diagnose_pod(&w.ns, name, Vec::new()).await?;
            let all = diagnosis.broken.iter().chain(&diagnosis.further);
            let codes: Vec<&str> = all.map(|v| v.code).collect();
            assert!(codes.contains(&code), "{name}: {codes:?}");
        } else {
            found(w, &w.ns, name, Vec::new(), code).await?;
        }
    }
    // Static pods have no service account, and no webhook sees them.
    let elsewhere = w.namespace("static", json!({})).await?;
    let annotate = json!({"metadata": {"annotations": {"eks.amazonaws.com/role-arn": ROLE}}});
    w.api
        .patch("ServiceAccount", &elsewhere, "default", &annotate)
        .await?;
    let mut pod = w.pod("static", "default", &json!({}));
    pod["metadata"]["namespace"] = json!(elsewhere);
    pod["metadata"]["annotations"] = json!({"kubernetes.io/config.mirror": "x"});
    let spec = pod["spec"].as_object_mut().context("no spec")?;
    spec.remove("serviceAccountName");
    spec.insert("nodeName".to_owned(), json!("node-1"));
    w.api.create(&pod).await?;
    found(w, &elsewhere, "static", Vec::new(), "W9").await
}

/// The API server refuses the pod, because of the webhook or in its name.
async fn pods_that_were_refused(world: World) -> Result<()> {
    let w = &world;
    w.owns("MutatingWebhookConfiguration", &w.ns);
    let annotations = json!({
        "eks.amazonaws.com/role-arn": ROLE,
        "azure.workload.identity/client-id": "11111111-2222-3333-4444-555555555555",
        "azure.workload.identity/service-account-token-expiration": "60",
    });
    w.service_account("app", annotations).await?;
    let pod = w.pod("app", "app", &labelled());
    let closed: SocketAddr = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let (tls, other) = (Tls::new()?, Tls::new()?);
    let untrusted = tls.serve(Tls::listen(0).await?, Router::new());
    let (speaks, old) =
        stranger(|review| json!({"response": {"uid": review["request"]["uid"], "allowed": true}}))
            .await?;
    for (hook, part, code) in [
        (
            hook(w, AWS_HOOK, closed, Some(tls.ca_pem())),
            "failed calling webhook",
            "W2",
        ),
        (
            hook(w, AZURE_HOOK, closed, Some(tls.ca_pem())),
            "failed calling webhook \"mutation.azure-workload-identity.io\"",
            "Z14",
        ),
        (
            hook(w, AWS_HOOK, untrusted.address(), Some(other.ca_pem())),
            "certificate signed by unknown authority",
            "W3",
        ),
        (
            hook(w, AWS_HOOK, old.address(), Some(speaks.ca_pem())),
            "expected webhook response of admission.k8s.io/v1",
            "W4",
        ),
    ] {
        configure(w, &w.ns, vec![hook]).await?;
        let message = refused(w, &pod, part).await?;
        found(w, &w.ns, "web", vec![event(w, &message)], code).await?;
    }
    // By the rules of Azure's webhook, which are keyless's own.
    let at = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    configure(w, &w.ns, vec![hook(w, AZURE_HOOK, at, None)]).await?;
    let server = w.inject(at, w.injection(Lives::default())).await?;
    let message = refused(w, &pod, "between 3600 and 86400").await?;
    found(w, &w.ns, "web", vec![event(w, &message)], "Z15").await?;
    server.stop().await
}

/// Pods that were injected, and what became of that.
async fn pods_that_were_injected(world: World) -> Result<()> {
    let w = &world;
    let other = format!("{}-z", w.ns);
    w.owns("MutatingWebhookConfiguration", &w.ns);
    w.owns("MutatingWebhookConfiguration", &other);
    let role = |role: &str| json!({"eks.amazonaws.com/role-arn": role});
    w.service_account("app", role(ROLE)).await?;
    let at = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    configure(w, &w.ns, vec![hook(w, AWS_HOOK, at, None)]).await?;
    let server = w.inject(at, w.injection(Lives::default())).await?;
    w.until_injected("app", &json!({})).await?;

    let sound = w.api.create(&w.pod("sound", "app", &json!({}))).await?;
    let diagnosis = w.diagnose_pod(&w.ns, "sound", Vec::new()).await?;
    assert_eq!(diagnosis.broken, None, "{sound}");
    for (name, env, code) in [
        ("stored", ("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE"), "A14"),
        (
            "both",
            (
                "AWS_CONTAINER_CREDENTIALS_FULL_URI",
                "http://169.254.170.23/v1/credentials",
            ),
            "A15",
        ),
    ] {
        let pod = with_env(w.pod(name, "app", &json!({})), &[env]);
        w.api.create(&pod).await?;
        found(w, &w.ns, name, Vec::new(), code).await?;
    }

    // Somebody else's webhook comes later and adds a container, and takes a field away.
    let (tls, later) = stranger(|review| {
        let name = review["request"]["object"]["metadata"]["name"].as_str();
        let patch = match name {
            Some("lost") => json!([{"op": "remove", "path": "/spec/containers/0/workingDir"}]),
            _ => json!([{"op": "add", "path": "/spec/containers/-",
                "value": {"name": "proxy", "image": "registry.example/proxy:1"}}]),
        };
        patched(review, &patch)
    })
    .await?;
    let sidecar = hook(
        w,
        "sidecar.example.com",
        later.address(),
        Some(tls.ca_pem()),
    );
    configure(w, &other, vec![sidecar]).await?;
    let probe = w.pod("probe", "app", &json!({}));
    eventually("the sidecar", || async {
        let made = w.api.dry_run(&probe).await?;
        let containers = made
            .ok()
            .and_then(|pod| Some(pod["spec"]["containers"].as_array()?.len()));
        Ok((containers == Some(2)).then_some(()))
    })
    .await?;
    w.api.create(&w.pod("sidecar", "app", &json!({}))).await?;
    found(w, &w.ns, "sidecar", Vec::new(), "W7").await?;
    let mut lost = w.pod("lost", "app", &json!({}));
    lost["spec"]["containers"][0]["workingDir"] = json!("/srv");
    let template = json!({"metadata": lost["metadata"], "spec": lost["spec"]});
    // In place of a ReplicaSet, which would go on and make pods of its own.
    let owner = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "web", "namespace": w.ns}});
    let owner = w.api.create(&owner).await?;
    let uid = owner["metadata"]["uid"].clone();
    lost["metadata"]["ownerReferences"] =
        json!([{"apiVersion": "v1", "kind": "ConfigMap", "name": "web", "uid": uid}]);
    w.api.create(&lost).await?;
    let owner = json!({"apiVersion": "apps/v1", "kind": "ReplicaSet",
        "metadata": {"name": "web", "namespace": w.ns, "uid": uid}, "spec": {"template": template}});
    found(w, &w.ns, "lost", vec![owner], "W5").await?;

    // A second one that injects the same.
    let twice = hook(
        w,
        "iam-for-pods.amazonaws.com",
        later.address(),
        Some(tls.ca_pem()),
    );
    configure(w, &other, vec![twice]).await?;
    found(w, &w.ns, "sound", Vec::new(), "W8").await?;
    w.api
        .delete("MutatingWebhookConfiguration", "", &other)
        .await?;

    // The annotation changes, the pod does not.
    let change = json!({"metadata": {"annotations": role("arn:aws:iam::111122223333:role/y")}});
    w.api.patch("ServiceAccount", &w.ns, "app", &change).await?;
    found(w, &w.ns, "sound", Vec::new(), "W10").await?;
    server.stop().await
}

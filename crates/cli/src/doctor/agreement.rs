//! The operator's condition and `keyless doctor` say the same of a broken chain: code and link.

mod breaks;

use serde_json::{Value, json};

use super::tests::{first, run};
use crate::sandbox::objects::{Objects, ready};
use crate::sandbox::stage::Stage;

use breaks::Break;

const GROUP: &str = "/apis/external-secrets.io/v1";

/// Makes a chain and breaks it: namespace, service account, store, ExternalSecret.
async fn apply(objects: &Objects, it: &Break) {
    let ns = it.name;
    let apply = async |path: String, object: Value| {
        objects.apply(&path, &object).await.unwrap();
    };
    let meta = |name: &str| json!({"name": name, "namespace": ns});
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": ns}});
    apply(format!("/api/v1/namespaces/{ns}"), namespace).await;
    if let Some(annotations) = &it.annotations {
        let account = json!({"apiVersion": "v1", "kind": "ServiceAccount",
            "metadata": {"name": "web", "namespace": ns, "annotations": annotations}});
        let path = format!("/api/v1/namespaces/{ns}/serviceaccounts/web");
        apply(path, account).await;
    }
    let mut reference = json!({"kind": "SecretStore", "name": "s"});
    if let Some(spec) = &it.store {
        let mut store = json!({"apiVersion": "external-secrets.io/v1", "kind": "SecretStore",
            "metadata": meta("s"), "spec": spec});
        let mut path = format!("{GROUP}/namespaces/{ns}/secretstores/s");
        if it.cluster {
            // Under the namespace's name, which no other chain has.
            store["kind"] = json!("ClusterSecretStore");
            store["metadata"] = json!({"name": ns});
            path = format!("{GROUP}/clustersecretstores/{ns}");
            reference = json!({"kind": "ClusterSecretStore", "name": ns});
        }
        apply(path, store).await;
    }
    let external = json!({"apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret",
        "metadata": meta("app"), "spec": {"refreshInterval": "1h", "secretStoreRef": reference,
        "data": [{"secretKey": "a", "remoteRef": it.remote}]}});
    apply(
        format!("{GROUP}/namespaces/{ns}/externalsecrets/app"),
        external,
    )
    .await;
}

/// The code at the end of a message, and the link in it.
fn told(message: &str) -> (String, String) {
    let code = message.strip_suffix(']').and_then(|m| m.rsplit_once('['));
    let link = message.split_once("; broken link ").map(|(_, rest)| {
        let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '-'));
        rest[..end.unwrap_or(rest.len())].to_owned()
    });
    (
        code.map_or_else(String::new, |(_, code)| code.to_owned()),
        link.unwrap_or_default(),
    )
}

#[test]
fn condition_and_doctor_agree() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let (stage, breaks) = runtime.block_on(async {
        let stage = Stage::start(None).await.unwrap();
        stage.trust_everything().await.unwrap();
        let breaks = breaks::all(&stage).await.unwrap();
        for it in &breaks {
            apply(&stage.objects, it).await;
        }
        (stage, breaks)
    });
    let (kubeconfig, ca) = (
        stage.kubeconfig.display().to_string(),
        stage.authority.display().to_string(),
    );
    let mut wrong = Vec::new();
    for it in &breaks {
        let path = format!("{GROUP}/namespaces/{}/externalsecrets/app", it.name);
        let says = |o: &Value| {
            let (status, message) = ready(o);
            status == "False" && told(&message).0 == it.code
        };
        let (_, object) = runtime.block_on(stage.objects.until(&path, says)).unwrap();
        let (status, message) = ready(&object);
        let condition = told(&message);
        let (text, _) = run(
            "keyless",
            &[
                "es",
                "app",
                "-n",
                it.name,
                "-o",
                "json",
                "--kubeconfig",
                &kubeconfig,
                "--ca",
                &ca,
                "--ca-is-public",
            ],
        );
        let broken = &first(&text)["broken"];
        let doctor = (
            broken["code"].as_str().unwrap_or_default().to_owned(),
            broken["link"].as_str().unwrap_or_default().to_owned(),
        );
        eprintln!("{:<24} {:?} {message}", it.name, condition);
        // What the controller finds out by itself is of the store.
        let same_link = condition.1 == doctor.1 || (condition.1.is_empty() && doctor.1 == "store");
        let wanted = (it.code, it.link);
        if condition.0 != it.code
            || (doctor.0.as_str(), doctor.1.as_str()) != wanted
            || !same_link
            || message.len() >= 1024
        {
            wrong.push(format!(
                "{}: wanted {wanted:?}, condition {status} {condition:?} ({} bytes), doctor {doctor:?}\n    {message}",
                it.name,
                message.len()
            ));
        }
        assert!(!message.contains("eyJ"), "a token: {message}");
    }
    runtime.block_on(stage.stop()).unwrap();
    assert!(breaks.len() >= 35, "{} breaks", breaks.len());
    assert!(
        wrong.is_empty(),
        "{} of {}:\n{}",
        wrong.len(),
        breaks.len(),
        wrong.join("\n")
    );
}

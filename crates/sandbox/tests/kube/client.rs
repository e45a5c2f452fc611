//! A stock Rust client, in process and over TLS.

use std::collections::BTreeMap;

use futures::StreamExt as _;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Secret};
use kube::api::{
    Api, ApiResource, DeleteParams, DynamicObject, ListParams, ObjectMeta, Patch, PatchParams,
    PostParams, WatchEvent, WatchParams,
};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::json;

use super::{CRDS, Cluster, definition};

async fn story(client: Client) {
    let secrets: Api<Secret> = Api::namespaced(client.clone(), "default");
    let list = secrets.list(&ListParams::default()).await.unwrap();
    let from = list.metadata.resource_version.unwrap();
    let mut watch = secrets
        .watch(&WatchParams::default().labels("app=x"), &from)
        .await
        .unwrap()
        .boxed();
    let labels = BTreeMap::from([("app".to_owned(), "x".to_owned())]);
    let secret = Secret {
        metadata: ObjectMeta {
            name: Some("s".into()),
            labels: Some(labels),
            ..ObjectMeta::default()
        },
        string_data: Some(BTreeMap::from([("k".into(), "v".into())])),
        ..Secret::default()
    };
    let made = secrets
        .create(&PostParams::default(), &secret)
        .await
        .unwrap();
    assert_eq!(made.data.unwrap()["k"].0, b"v");
    let again = secrets
        .create(&PostParams::default(), &secret)
        .await
        .unwrap_err();
    assert!(matches!(again, kube::Error::Api(status) if status.is_already_exists()));
    let Some(Ok(WatchEvent::Added(seen))) = watch.next().await else {
        panic!("no event")
    };
    assert_eq!(seen.metadata.uid, made.metadata.uid);
    let applied = Patch::Apply(
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": {"z": "Yg=="}}),
    );
    secrets
        .patch("s", &PatchParams::apply("me").force(), &applied)
        .await
        .unwrap();
    let Some(Ok(WatchEvent::Modified(seen))) = watch.next().await else {
        panic!("no event")
    };
    assert_eq!(seen.data.unwrap().len(), 2);
    let meta = secrets.get_metadata("s").await.unwrap();
    assert_eq!(meta.metadata.name.as_deref(), Some("s"));
    let missing = secrets.get("no").await.unwrap_err();
    assert!(matches!(missing, kube::Error::Api(status) if status.is_not_found()));
    secrets.delete("s", &DeleteParams::default()).await.unwrap();
    let Some(Ok(WatchEvent::Deleted(_))) = watch.next().await else {
        panic!("no event")
    };

    let maps: Api<ConfigMap> = Api::all(client.clone());
    assert!(
        maps.list(&ListParams::default().fields("metadata.name=kube-root-ca.crt"))
            .await
            .unwrap()
            .items
            .len()
            >= 3
    );
    let namespaces: Api<Namespace> = Api::all(client.clone());
    assert_eq!(
        namespaces
            .get("default")
            .await
            .unwrap()
            .status
            .unwrap()
            .phase
            .as_deref(),
        Some("Active")
    );
    let leases: Api<Lease> = Api::namespaced(client.clone(), "default");
    let lease = json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "l"}, "spec": {"holderIdentity": "a", "leaseDurationSeconds": 15, "renewTime": "2026-01-01T00:00:00.123456Z"}});
    let lease: Lease = serde_json::from_value(lease).unwrap();
    let held = leases.create(&PostParams::default(), &lease).await.unwrap();
    let mut stolen = held.clone();
    stolen.spec.as_mut().unwrap().holder_identity = Some("b".into());
    leases
        .replace("l", &PostParams::default(), &stolen)
        .await
        .unwrap();
    let late = leases
        .replace("l", &PostParams::default(), &held)
        .await
        .unwrap_err();
    assert!(matches!(late, kube::Error::Api(status) if status.is_conflict()));

    let kind = ApiResource {
        group: "example.com".into(),
        version: "v1".into(),
        api_version: "example.com/v1".into(),
        kind: "Widget".into(),
        plural: "widgets".into(),
    };
    let widgets: Api<DynamicObject> = Api::namespaced_with(client, "default", &kind);
    let widget = DynamicObject::new("w", &kind).data(json!({"spec": {"size": 1}}));
    widgets
        .create(&PostParams::default(), &widget)
        .await
        .unwrap();
    let status = widgets
        .patch_status(
            "w",
            &PatchParams::default(),
            &Patch::Merge(json!({"status": {"ok": true}})),
        )
        .await
        .unwrap();
    assert_eq!(status.data["status"]["ok"], true);
}

#[tokio::test]
async fn in_process() {
    let c = Cluster::new().await;
    c.post(CRDS, &definition()).await.ok();
    story(Client::new(c.server.router(), "default")).await;
}

#[tokio::test]
async fn over_tls_with_the_kubeconfig() {
    // The client takes the process's provider where it is given none.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let c = Cluster::with(|o| o.port = Some(0)).await;
    c.post(CRDS, &definition()).await.ok();
    let kubeconfig = Kubeconfig::from_yaml(&c.server.kubeconfig("admin").unwrap()).unwrap();
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
        .await
        .unwrap();
    assert!(
        config
            .cluster_url
            .to_string()
            .starts_with("https://127.0.0.1:")
    );
    story(Client::try_from(config).unwrap()).await;
    let account = Kubeconfig::from_yaml(
        &c.server
            .kubeconfig("system:serviceaccount:default:default")
            .unwrap(),
    )
    .unwrap();
    let config = Config::from_custom_kubeconfig(account, &KubeConfigOptions::default())
        .await
        .unwrap();
    let secrets: Api<Secret> = Api::default_namespaced(Client::try_from(config).unwrap());
    let refused = secrets.list(&ListParams::default()).await.unwrap_err();
    assert!(matches!(refused, kube::Error::Api(status) if status.is_forbidden()));
    c.server.stop().await;
}

use std::collections::BTreeMap;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use keyless_fault::ObjectRef;
use keyless_secret::SecretBytes;
use serde_json::json;

use super::*;
use crate::{ServiceAccount, SubjectToken};

/// A cluster whose Secrets and ConfigMaps say where they are.
struct Told;

impl Cluster for Told {
    fn service_account<'a>(
        &'a self,
        namespace: &'a str,
        name: &'a str,
    ) -> BoxFuture<'a, Result<ServiceAccount, Error>> {
        async move {
            Ok(ServiceAccount {
                uid: format!("{namespace}/{name}"),
                annotations: BTreeMap::new(),
            })
        }
        .boxed()
    }

    fn token<'a>(
        &'a self,
        _: &'a str,
        _: &'a str,
        _: &'a [String],
        _: Option<Duration>,
    ) -> BoxFuture<'a, Result<SubjectToken, Error>> {
        async move { Err(incomplete("not asked for")) }.boxed()
    }

    fn secret_key<'a>(
        &'a self,
        namespace: &'a str,
        name: &'a str,
        key: &'a str,
    ) -> BoxFuture<'a, Result<SecretBytes, Error>> {
        async move { Ok(format!("{namespace}/{name}/{key}\n").into()) }.boxed()
    }

    fn config_map_key<'a>(
        &'a self,
        namespace: &'a str,
        name: &'a str,
        key: &'a str,
    ) -> BoxFuture<'a, Result<String, Error>> {
        async move { Ok(format!("cm {namespace}/{name}/{key}")) }.boxed()
    }

    fn server(&self) -> Option<ApiServer> {
        Some(ApiServer {
            url: "https://own".into(),
            authorities: Some(b"own".to_vec()),
        })
    }
}

async fn of(
    spec: serde_json::Value,
    store: &str,
    from: Option<&str>,
) -> Result<Resolved<Login>, Error> {
    let spec: KubernetesProvider = serde_json::from_value(spec).unwrap();
    let kind = if store.is_empty() {
        "ClusterSecretStore"
    } else {
        "SecretStore"
    };
    let consumer = Consumer {
        store: ObjectRef::new(kind, store, "s"),
        namespace: from.map(Into::into),
    };
    resolve(&Told, &spec, &consumer).await
}

async fn login(spec: serde_json::Value, store: &str, from: Option<&str>) -> Login {
    match of(spec, store, from).await.unwrap() {
        Resolved::To(login) => login,
        Resolved::Referent(reason) => panic!("{reason}"),
    }
}

#[tokio::test]
async fn the_own_server_unless_another_is_named() {
    let auth = json!({"serviceAccount": {"name": "reader"}});
    for server in [json!(null), json!({}), json!({"url": "kubernetes.default"})] {
        let found = login(json!({"server": server, "auth": auth}), "a", None).await;
        assert_eq!(
            (&*found.url, found.peer.authorities.as_deref()),
            ("https://own", Some(b"own".as_slice()))
        );
    }
    let named =
        json!({"url": "k.example:6443/", "caProvider": {"type": "ConfigMap", "name": "ca"}});
    let found = login(json!({"server": named, "auth": auth}), "a", None).await;
    assert_eq!(found.url, "https://k.example:6443");
    assert_eq!(
        found.peer.authorities.as_deref(),
        Some(b"cm a/ca/ca.crt".as_slice())
    );
    // Named with authorities of its own, the default is a name like any other.
    let found = login(
        json!({"server": {"caBundle": "Y2E="}, "auth": auth}),
        "a",
        None,
    )
    .await;
    assert_eq!(
        (&*found.url, found.peer.authorities.as_deref()),
        ("https://kubernetes.default", Some(b"ca".as_slice()))
    );
    for url in ["http://k", "https://u:p@k", "https://k?x", "https://"] {
        let spec = json!({"server": {"url": url, "caBundle": "Y2E="}, "auth": auth});
        assert!(of(spec, "a", None).await.is_err(), "{url}");
    }
}

#[tokio::test]
async fn whose_token() {
    let found = login(
        json!({"auth": {"serviceAccount": {"name": "r", "audiences": ["x"]}}}),
        "a",
        None,
    )
    .await;
    assert_eq!(
        found.source,
        Source::Account {
            namespace: "a".into(),
            name: "r".into(),
            uid: "a/r".into(),
            audiences: vec!["x".into()]
        }
    );
    let token = json!({"auth": {"token": {"bearerToken": {"name": "t", "key": "k"}}}});
    let found = login(token, "a", None).await;
    assert_eq!(found.source, Source::Token(Sealed::new("a/t/k".into())));
    let pair = json!({"auth": {"cert": {"clientCert": {"name": "c", "key": "x"}, "clientKey": {"name": "c", "key": "y"}}}});
    let found = login(pair, "a", None).await;
    assert_eq!(
        (found.source, found.peer.certificate.is_some()),
        (Source::Certificate, true)
    );
}

#[tokio::test]
async fn a_tenant_never_reads_with_the_operators_rights() {
    assert!(of(json!({}), "a", None).await.is_err());
    assert_eq!(login(json!({}), "", None).await.source, Source::Operator);
    for auth in [
        json!({"serviceAccount": {"name": "r", "namespace": "b"}}),
        json!({"token": {"bearerToken": {"name": "t", "key": "k", "namespace": "b"}}}),
    ] {
        assert!(of(json!({"auth": auth}), "a", None).await.is_err());
    }
    let foreign =
        json!({"url": "k", "caProvider": {"type": "Secret", "name": "c", "namespace": "b"}});
    assert!(
        of(
            json!({"server": foreign, "auth": {"serviceAccount": {"name": "r"}}}),
            "a",
            None
        )
        .await
        .is_err()
    );
}

#[tokio::test]
async fn open_references_follow_the_consumer() {
    let open = json!({"auth": {"serviceAccount": {"name": "r"}}});
    let closed = json!({"auth": {"serviceAccount": {"name": "r", "namespace": "b"}}});
    assert!(matches!(
        of(open.clone(), "", None).await.unwrap(),
        Resolved::Referent(_)
    ));
    let found = login(open.clone(), "", Some("c")).await;
    assert!(matches!(found.source, Source::Account { namespace, .. } if namespace == "c"));
    let spec = |value| serde_json::from_value::<KubernetesProvider>(value).unwrap();
    assert!(depends_on_consumer(&spec(open)));
    assert!(!depends_on_consumer(&spec(closed)));
    assert!(!depends_on_consumer(&spec(json!({"remoteNamespace": "x"}))));
}

use std::sync::atomic::AtomicUsize;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use serde_json::json;

use super::*;
use crate::inject::aws;

/// An API server that knows one account, and counts.
async fn serve(State(asked): State<Arc<AtomicUsize>>, uri: axum::http::Uri) -> impl IntoResponse {
    asked.fetch_add(1, Ordering::Relaxed);
    match uri.path() {
        "/api/v1/namespaces/shop/serviceaccounts/new" => {
            let annotations = json!({"eks.amazonaws.com/role-arn": "arn", "other": "x"});
            let object = json!({"metadata": {"name": "new", "namespace": "shop", "annotations": annotations}});
            (StatusCode::OK, object.to_string())
        }
        path if path.ends_with("/broken") => (StatusCode::FORBIDDEN, "{}".to_owned()),
        _ => (StatusCode::NOT_FOUND, "{}".to_owned()),
    }
}

fn accounts() -> (Accounts, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let router = Router::new().fallback(serve).with_state(Arc::clone(&asked));
    let requests = Requests::new(kube::Client::new(router, "default"));
    let injectors = Injectors {
        aws: Some(aws::Settings::default()),
        ..Injectors::default()
    };
    (
        Accounts::new(requests, Arc::new(ArcSwap::from_pointee(injectors))),
        asked,
    )
}

fn object(name: &str, annotations: serde_json::Value) -> String {
    json!({"metadata": {"name": name, "namespace": "shop", "annotations": annotations}}).to_string()
}

#[tokio::test]
async fn what_the_watch_told_is_not_asked_for() {
    let (accounts, asked) = accounts();
    accounts.begin();
    let annotations = json!({"eks.amazonaws.com/role-arn": "arn", "kubectl.kubernetes.io/last-applied-configuration": "{}",
        "eks.amazon.com/role-arn": "arn:aws:typo"});
    accounts.upsert(&object("buyer", annotations), true);
    accounts.upsert(&object("plain", json!({"a": "b"})), true);
    accounts.synced();
    let buyer = accounts.get("shop", "buyer").await.unwrap().unwrap();
    assert_eq!(buyer.len(), 2, "only what a cloud reads is kept: {buyer:?}");
    assert!(
        accounts
            .get("shop", "plain")
            .await
            .unwrap()
            .unwrap()
            .is_empty()
    );
    assert_eq!(asked.load(Ordering::Relaxed), 0);
    assert_eq!(accounts.count(), (2, 1));
}

#[tokio::test]
async fn a_new_account_is_read_live_and_not_kept() {
    let (accounts, asked) = accounts();
    for round in 1..=2 {
        let new = accounts.get("shop", "new").await.unwrap().unwrap();
        assert_eq!(new.len(), 1);
        assert_eq!(asked.load(Ordering::Relaxed), round);
    }
    assert_eq!(accounts.get("shop", "nobody").await.unwrap(), None);
    assert!(accounts.get("shop", "broken").await.is_err());
    assert_eq!(accounts.count(), (0, 0));
}

#[tokio::test]
async fn what_a_new_list_does_not_name_is_gone() {
    let (accounts, _) = accounts();
    accounts.begin();
    accounts.upsert(&object("a", json!({})), true);
    accounts.upsert(&object("b", json!({})), true);
    accounts.synced();
    accounts.begin();
    accounts.upsert(&object("b", json!({})), true);
    assert!(
        accounts.cached("shop", "a").is_some(),
        "until the list is complete"
    );
    accounts.synced();
    assert!(accounts.cached("shop", "a").is_none());
    assert!(accounts.cached("shop", "b").is_some());
    accounts.delete(&object("b", json!({})));
    assert!(accounts.cached("shop", "b").is_none());
}

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::inject::{aws, azure, google};
use crate::patch::{Operation, apply};

fn all() -> Injectors {
    Injectors {
        aws: Some(aws::Settings::default()),
        azure: Some(azure::Settings {
            tenant_id: "tenant".into(),
            ..azure::Settings::default()
        }),
        google: Some(google::Settings::default()),
    }
}

/// Service account `buyer` asks for a token of every cloud.
fn known() -> Accounts {
    let pairs = [
        (
            "eks.amazonaws.com/role-arn",
            "arn:aws:iam::111122223333:role/r",
        ),
        ("azure.workload.identity/client-id", "client"),
        (
            "cloud.google.com/workload-identity-provider",
            "projects/1/locations/l/workloadIdentityPools/a/providers/b",
        ),
        (
            "cloud.google.com/service-account-email",
            "a@p.iam.gserviceaccount.com",
        ),
    ];
    let annotations = pairs.map(|(key, value)| (key.to_owned(), value.to_owned()));
    Accounts::from([("buyer".to_owned(), Some(Arc::new(annotations.into())))])
}

fn pod(labels: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "cart", "labels": labels}, "spec": {
        "serviceAccountName": "buyer", "containers": [{"name": "app", "image": "i"}],
    }})
}

fn review(version: &str, operation: &str, kind: &str, object: &Value) -> Vec<u8> {
    json!({"apiVersion": version, "kind": "AdmissionReview", "request": {
        "uid": "705ab4f5", "kind": {"group": "", "version": "v1", "kind": kind}, "operation": operation,
        "namespace": "shop", "object": object,
    }})
    .to_string()
    .into_bytes()
}

/// The server's way from bytes to bytes.
fn respond(path: &str, body: &[u8], accounts_known: &Accounts) -> Option<Value> {
    let injectors = all();
    let route = Route::of(path, &injectors)?;
    let request = Request::read(body).unwrap();
    let _ = accounts(&injectors, &route, &request);
    let answered = answer(&injectors, &route, &request, accounts_known, 7);
    Some(serde_json::from_str(&answered.answer.render(&request)).unwrap())
}

/// The patch of an answer, read back from its bytes.
fn patch(answer: &Value) -> Vec<Operation> {
    let Some(text) = answer["response"]["patch"].as_str() else {
        return Vec::new();
    };
    assert_eq!(answer["response"]["patchType"], "JSONPatch");
    let list: Value = serde_json::from_slice(&STANDARD.decode(text).unwrap()).unwrap();
    let operation = |entry: &Value| {
        let path = entry["path"].as_str().unwrap().to_owned();
        let value = entry["value"].clone();
        match entry["op"].as_str().unwrap() {
            "add" => Operation::Add { path, value },
            "replace" => Operation::Replace { path, value },
            other => panic!("{other}"),
        }
    };
    list.as_array().unwrap().iter().map(operation).collect()
}

fn volumes(pod: &Value) -> Vec<&str> {
    let list = pod["spec"]["volumes"].as_array();
    let names = list.into_iter().flatten().map(|v| v["name"].as_str());
    names.map(Option::unwrap).collect()
}

#[test]
fn who_answers_at_which_path() {
    let opted_in = json!({"azure.workload.identity/use": "true"});
    let opted_out = json!({"eks.amazonaws.com/skip-pod-identity-webhook": ""});
    let (aws, azure, google) = ("aws-iam-token", "azure-workload", "gcp-iam-token");
    for (path, labels, wanted) in [
        ("/mutate", json!({}), vec![aws]),
        // The webhook configuration has asked the labels already.
        ("/mutate", opted_out.clone(), vec![aws]),
        ("/inject/aws", json!({}), vec![aws]),
        ("/inject/azure", json!({}), vec![azure]),
        ("/inject/google", json!({}), vec![google]),
        ("/inject/gcp", json!({}), vec![google]),
        ("/mutate-v1-pod", json!({}), vec![google]),
        ("/mutate-v1-pod", opted_in.clone(), vec![azure, google]),
        ("/inject", json!({}), vec![aws, google]),
        ("/inject", opted_in, vec![aws, azure, google]),
        ("/inject", opted_out, vec![google]),
    ] {
        let pod = pod(labels);
        let body = review("admission.k8s.io/v1", "CREATE", "Pod", &pod);
        let answer = respond(path, &body, &known()).unwrap();
        let after = apply(&pod, &patch(&answer));
        let names = volumes(&after);
        for one in [aws, azure, google] {
            let is = names.iter().any(|name| name.starts_with(one));
            assert_eq!(is, wanted.contains(&one), "{path}: {one} of {names:?}");
        }
        let injected = answer["response"]["auditAnnotations"]["injected"].as_str();
        assert_eq!(injected.unwrap().split(',').count(), wanted.len());
    }
    for path in ["/", "/inject/oracle", "/mutate/", "/validate"] {
        assert_eq!(Route::of(path, &all()), None, "{path}");
    }
    let azure_alone = Injectors {
        azure: all().azure,
        ..Injectors::default()
    };
    let route = Route::of("/mutate-v1-pod", &azure_alone).unwrap();
    assert_eq!((route.clouds, route.by_labels), (vec![Cloud::Azure], false));
    assert_eq!(Route::of("/mutate", &azure_alone), None);
}

#[test]
fn other_objects_pass_with_a_warning() {
    for (operation, kind) in [("UPDATE", "Pod"), ("CREATE", "Secret"), ("DELETE", "Pod")] {
        let body = review("admission.k8s.io/v1", operation, kind, &Value::Null);
        let answer = respond("/inject", &body, &known()).unwrap();
        assert_eq!(answer["response"]["allowed"], true);
        assert_eq!(patch(&answer), []);
        let warning = answer["response"]["warnings"][0].as_str().unwrap();
        assert!(warning.contains(operation), "{warning}");
    }
}

#[test]
fn a_refusal_of_one_cloud_refuses_and_changes_nothing() {
    let mut accounts_known = known();
    let mut annotations = known()["buyer"].clone().unwrap().as_ref().clone();
    annotations.insert("cloud.google.com/token-expiration".into(), "1h".into());
    accounts_known.insert("buyer".into(), Some(Arc::new(annotations)));
    let body = review("admission.k8s.io/v1", "CREATE", "Pod", &pod(json!({})));
    let answer = respond("/inject", &body, &accounts_known).unwrap();
    assert_eq!(answer["response"]["allowed"], false);
    assert_eq!(answer["response"]["status"]["code"], 400);
    assert_eq!(patch(&answer), []);
}

#[test]
fn accounts_are_asked_for_only_where_a_cloud_wants_them() {
    let injectors = all();
    let names = |path: &str, pod: &Value| {
        let route = Route::of(path, &injectors).unwrap();
        let request = Request::read(&review("admission.k8s.io/v1", "CREATE", "Pod", pod));
        accounts(&injectors, &route, &request.unwrap())
    };
    let mut unnamed = pod(json!({}));
    unnamed["spec"]["serviceAccountName"] = Value::Null;
    assert_eq!(names("/inject", &pod(json!({}))), ["buyer"]);
    assert!(names("/inject", &unnamed).is_empty());
    assert_eq!(names("/inject/azure", &unnamed), ["default"]);
}

fn any_pod() -> impl Strategy<Value = Value> {
    let name = prop_oneof![
        Just("app".to_owned()),
        Just("AWS_REGION".to_owned()),
        Just("AZURE_CLIENT_ID".to_owned()),
        Just("aws-iam-token".to_owned()),
        "[a-z]{1,3}",
    ];
    let container = (name.clone(), prop::collection::vec(name.clone(), 0..3)).prop_map(
        |(name, env)| json!({"name": name, "env": env.iter().map(|n| json!({"name": n, "value": "v"})).collect::<Vec<_>>(), "newer": 1}),
    );
    let lists = (
        prop::collection::vec(container.clone(), 0..3),
        prop::collection::vec(container, 0..3),
        prop::collection::vec(name, 0..3),
    );
    (lists, any::<bool>()).prop_map(|((containers, init, volumes), azure)| {
        let volumes: Vec<Value> = volumes.iter().map(|n| json!({"name": n, "emptyDir": {}})).collect();
        let labels = if azure { json!({"azure.workload.identity/use": "true"}) } else { Value::Null };
        json!({"metadata": {"generateName": "cart-", "labels": labels}, "alien": [1], "spec": {
            "serviceAccountName": "buyer", "containers": containers, "initContainers": init, "volumes": volumes,
        }})
    })
}

/// Every leaf that was there is there, at the same place of its list or a later one.
fn kept(before: &Value, after: &Value) -> bool {
    match (before, after) {
        (Value::Object(before), Value::Object(after)) => before.iter().all(|(key, value)| {
            value.is_null() || after.get(key).is_some_and(|now| kept(value, now))
        }),
        (Value::Array(before), Value::Array(after)) => {
            let mut rest = after.iter();
            before
                .iter()
                .all(|one| rest.any(|now| one["name"] == now["name"]))
        }
        (before, after) => before == after,
    }
}

proptest! {
    /// From bytes to bytes: valid, stable, nothing lost, and a second look changes nothing.
    #[test]
    fn the_answer_holds_what_the_rules_promise(pod in any_pod(), v1: bool, path in prop::sample::select(vec!["/inject", "/mutate", "/mutate-v1-pod", "/inject/azure"])) {
        let version = if v1 { "admission.k8s.io/v1" } else { "admission.k8s.io/v1beta1" };
        let body = review(version, "CREATE", "Pod", &pod);
        let answer = respond(path, &body, &known()).unwrap();
        prop_assert_eq!(&answer, &respond(path, &body, &known()).unwrap(), "the same bytes, another answer");
        prop_assert_eq!(answer["apiVersion"].as_str(), Some(version));
        prop_assert_eq!(&answer["response"]["uid"], "705ab4f5");
        prop_assert_eq!(&answer["response"]["allowed"], true);
        let after = apply(&pod, &patch(&answer));
        prop_assert!(kept(&pod, &after), "{} {}", pod, after);
        let again = respond(path, &review(version, "CREATE", "Pod", &after), &known()).unwrap();
        prop_assert_eq!(patch(&again), vec![]);
    }
}

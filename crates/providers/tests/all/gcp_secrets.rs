//! Reading, searching and writing at Secret Manager.

use std::sync::Arc;
use std::time::Duration;

use keyless_fault::{Class, Fault, Link};
use keyless_providers::{Capabilities, Find, Provider, Ref, Validation};
use serde_json::{Value, json};

use crate::google::{AUDIENCE, World, answer, error, world};
use crate::stores::{key, read_one, spec, store};

pub async fn opened(world: &World, more: Value) -> Arc<dyn Provider> {
    world.kube.account("a", "sa", &[]);
    let mut gcp = json!({"projectID": "p-1", "auth": {"workloadIdentityFederation":
        {"audience": AUDIENCE, "serviceAccountRef": {"name": "sa"}}}});
    for (field, value) in more.as_object().unwrap() {
        gcp[field] = value.clone();
    }
    let spec = spec(json!({ "gcpsm": gcp }));
    world.registry.open(&spec, &store("a")).await.unwrap()
}

fn of(key: &str, property: Option<&str>, version: Option<&str>, metadata: bool) -> Ref {
    Ref {
        key: key.into(),
        property: property.map(Into::into),
        version: version.map(Into::into),
        metadata,
    }
}

#[tokio::test(start_paused = true)]
async fn values_properties_versions_and_aliases() {
    let world = world(&[]);
    let provider = opened(&world, json!({})).await;
    for value in ["one", r#"{"a":{"b":"deep"},"a.b":"literal","n":1.50}"#] {
        world.google.put("secrets/s", value);
    }
    world.google.edit(|state| {
        state
            .secrets
            .get_mut("secrets/s")
            .unwrap()
            .aliases
            .insert("prod".into(), 1);
    });
    for (property, version, expected) in [
        (None, Some("1"), "one"),
        (None, Some("prod"), "one"),
        (Some("a.b"), None, "literal"),
        (Some("n"), Some("2"), "1.5"),
        (Some("a"), Some("latest"), r#"{"b":"deep"}"#),
    ] {
        let read = read_one(&provider, of("s", property, version, false)).await;
        assert_eq!(read.unwrap(), expected, "{property:?} {version:?}");
    }
    for (reference, text) in [
        (
            of("s", Some("none"), None, false),
            "key none does not exist in secret s",
        ),
        (of("s", Some("a"), Some("1"), false), "secret s is not JSON"),
        (of("s", None, Some("9"), false), "no such version"),
        (of("s", None, Some("../x"), false), "no version of Google"),
        (
            of("projects/p/secrets/s", None, None, false),
            "no secret of Google",
        ),
        (of("", None, None, false), "no secret of Google"),
    ] {
        let error = read_one(&provider, reference).await.unwrap_err();
        assert!(error.to_string().contains(text), "{error}");
        assert!(!error.is_no_secret(), "{error}");
    }
    let error = read_one(&provider, key("none")).await.unwrap_err();
    assert!(error.is_no_secret() && error.code() == "G13", "{error}");
}

#[tokio::test(start_paused = true)]
async fn equal_reads_share_a_call_and_a_map_is_a_json_object() {
    let world = world(&[]);
    let provider = opened(&world, json!({})).await;
    world
        .google
        .put("secrets/s", r#"{"u":"x","n":5432,"z":null}"#);
    let refs: Vec<Ref> = ["u", "n", "u"]
        .map(|p| of("s", Some(p), None, false))
        .into();
    let read = provider.read(&refs, Duration::from_secs(60)).await;
    assert!(read.iter().all(Result::is_ok));
    assert_eq!(world.google.calls(":access").len(), 1);
    let map = provider
        .read_map(&key("s"), Duration::from_secs(60))
        .await
        .unwrap();
    let map: Vec<_> = map
        .iter()
        .map(|(k, v)| (k.as_str(), v.expose_str().unwrap()))
        .collect();
    assert_eq!(map, [("n", "5432"), ("u", "x"), ("z", "")]);
    assert_eq!(world.google.calls(":access").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn regional_secrets_live_at_a_regional_endpoint() {
    let world = world(&[]);
    let provider = opened(&world, json!({"location": "europe-west3"})).await;
    world
        .google
        .put("locations/europe-west3/secrets/s", "regional");
    world.google.put("secrets/s", "global");
    assert_eq!(read_one(&provider, key("s")).await.unwrap(), "regional");
    let call = &world.google.calls(":access")[0];
    assert_eq!(call.host, "secretmanager.europe-west3.rep.googleapis.com");
    let all = Find {
        name: Some(".".into()),
        ..Find::default()
    };
    let found = provider.find(&all, Duration::ZERO).await.unwrap();
    assert_eq!(found.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_disabled_version_is_an_error_unless_the_policy_looks_further() {
    let world = world(&[]);
    for value in ["one", "two", "three"] {
        world.google.put("secrets/s", value);
    }
    world.google.edit(|state| {
        let versions = &mut state.secrets.get_mut("secrets/s").unwrap().versions;
        versions[1].1 = "DESTROYED";
        versions[2].1 = "DISABLED";
    });
    let strict = opened(&world, json!({})).await;
    let error = read_one(&strict, key("s")).await.unwrap_err();
    assert_eq!(
        (error.link(), error.class(), error.code()),
        (Link::Secret, Class::Config, "G13")
    );
    let lenient = opened(
        &world,
        json!({"secretVersionSelectionPolicy": "LatestOrFetch"}),
    )
    .await;
    assert_eq!(read_one(&lenient, key("s")).await.unwrap(), "one");
    // A version that is named is that version.
    for version in ["latest", "2"] {
        assert!(
            read_one(&lenient, of("s", None, Some(version), false))
                .await
                .is_err()
        );
    }
    world
        .google
        .edit(|state| state.secrets.get_mut("secrets/s").unwrap().versions[0].1 = "DISABLED");
    let error = read_one(&lenient, key("s")).await.unwrap_err();
    assert!(error.to_string().contains("DISABLED"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn labels_and_annotations() {
    let world = world(&[]);
    let provider = opened(&world, json!({})).await;
    world.google.put("secrets/s", "v");
    world.google.edit(|state| {
        state.secrets.get_mut("secrets/s").unwrap().about =
            json!({"labels": {"env": "prod"}, "annotations": {"note": "hello"}});
    });
    for (property, expected) in [
        (Some("labels.env"), "prod"),
        (Some("annotations.note"), "hello"),
        (Some("labels"), r#"{"env":"prod"}"#),
        (
            None,
            r#"{"annotations":{"note":"hello"},"labels":{"env":"prod"}}"#,
        ),
    ] {
        let read = read_one(&provider, of("s", property, None, true)).await;
        assert_eq!(read.unwrap(), expected);
    }
    let map = provider
        .read_map(&of("s", None, None, true), Duration::ZERO)
        .await
        .unwrap();
    assert_eq!(map["labels"].expose(), br#"{"env":"prod"}"#);
    let labels = of("s", Some("labels"), None, true);
    let map = provider.read_map(&labels, Duration::ZERO).await.unwrap();
    assert_eq!(map["env"].expose(), b"prod");
    assert!(world.google.calls(":access").is_empty());
}

#[tokio::test(start_paused = true)]
async fn searching_by_name_path_and_label() {
    let world = world(&[]);
    let provider = opened(&world, json!({})).await;
    for name in ["app-a", "app-b", "app-c", "other-app-d"] {
        world.google.put(&format!("secrets/{name}"), name);
    }
    world.google.edit(|state| {
        state.secrets.get_mut("secrets/app-b").unwrap().about = json!({"labels": {"env": "prod"}});
        // Listed, and without a version.
        state
            .secrets
            .entry("secrets/app-empty".into())
            .or_default()
            .about = json!({});
    });
    let found = |name: Option<&str>, path: Option<&str>, tags: &[(&str, &str)]| {
        let find = Find {
            name: name.map(Into::into),
            path: path.map(Into::into),
            tags: tags
                .iter()
                .map(|(k, v)| ((*k).into(), (*v).into()))
                .collect(),
        };
        let provider = Arc::clone(&provider);
        async move {
            let found = provider.find(&find, Duration::ZERO).await.unwrap();
            found.into_keys().collect::<Vec<_>>().join(" ")
        }
    };
    assert_eq!(found(Some("^app-"), None, &[]).await, "app-a app-b app-c");
    assert_eq!(found(Some("b|d"), Some("app"), &[]).await, "app-b");
    assert_eq!(found(None, None, &[("env", "prod")]).await, "app-b");
    assert_eq!(found(None, None, &[("env", "dev")]).await, "");
    assert_eq!(found(None, None, &[("env", "prod OR name:a")]).await, "");
    // The service was told what is looked for, page by page.
    let calls = world.google.calls("GET /v1/projects/p-1/secrets?");
    assert!(
        calls
            .iter()
            .any(|call| call.line.contains("filter=labels.env%3Dprod"))
    );
    assert!(calls.iter().any(|call| call.line.contains("pageToken=2")));
}

#[tokio::test(start_paused = true)]
async fn a_payload_that_was_damaged_on_its_way_is_asked_for_again() {
    let world = world(&[]);
    let provider = opened(&world, json!({})).await;
    world.google.put("secrets/s", "v");
    let damaged = || answer(200, r#"{"payload":{"data":"dw==","dataCrc32c":"1"}}"#);
    world.google.next("secretmanager.googleapis.com", damaged());
    assert_eq!(read_one(&provider, key("s")).await.unwrap(), "v");
    for _ in 0..20 {
        world.google.next("secretmanager.googleapis.com", damaged());
    }
    let error = read_one(&provider, key("s")).await.unwrap_err();
    assert_eq!(
        (error.link(), error.class(), error.code()),
        (Link::Network, Class::Unavailable, "G21")
    );
}

#[tokio::test(start_paused = true)]
async fn validation_tells_the_truth_by_one_call() {
    let world = world(&[]);
    let provider = opened(&world, json!({})).await;
    assert_eq!(provider.validate().await.unwrap(), Validation::Valid);
    assert_eq!(world.google.calls("secretmanager").len(), 1);
    assert_eq!(provider.capabilities(), Capabilities::ReadWrite);
    let host = "secretmanager.googleapis.com";
    let text =
        "Permission 'secretmanager.versions.access' denied for resource 'x' (or it may not exist).";
    world.google.next(
        host,
        error(403, "PERMISSION_DENIED", text, "IAM_PERMISSION_DENIED"),
    );
    assert!(matches!(
        provider.validate().await.unwrap(),
        Validation::Undetermined(_)
    ));
    for (next, code) in [
        (
            error(
                403,
                "PERMISSION_DENIED",
                "Secret Manager API has not been used",
                "SERVICE_DISABLED",
            ),
            "G10",
        ),
        (
            error(
                403,
                "PERMISSION_DENIED",
                "Permission denied on resource project p-1.",
                "CONSUMER_INVALID",
            ),
            "G12",
        ),
        (
            error(404, "NOT_FOUND", "Project 'p-1' not found or deleted.", ""),
            "G12",
        ),
    ] {
        world.google.next(host, next);
        assert_eq!(provider.validate().await.unwrap_err().code(), code);
    }
}

#[tokio::test(start_paused = true)]
async fn throttling_waits_for_what_google_asks() {
    let world = world(&[]);
    let provider = opened(&world, json!({})).await;
    world.google.put("secrets/s", "v");
    for _ in 0..2 {
        let mut next = error(
            429,
            "RESOURCE_EXHAUSTED",
            "Quota exceeded",
            "RATE_LIMIT_EXCEEDED",
        );
        let seconds = http::HeaderValue::from_static("30");
        next.headers_mut().insert("retry-after", seconds);
        world.google.next("secretmanager.googleapis.com", next);
    }
    let start = tokio::time::Instant::now();
    assert_eq!(read_one(&provider, key("s")).await.unwrap(), "v");
    assert!(start.elapsed() >= Duration::from_secs(60));
    assert_eq!(world.google.calls(":access").len(), 3);
}

//! Reading and searching Parameter Store.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use keyless_fault::{Class, Fault, Link};
use keyless_providers::{Find, Provider, Ref};
use serde_json::json;

use crate::cloud::{World, world};
use crate::stores::{ROLE, jwt, key, read_one, spec, store};

async fn open(world: &World) -> Arc<dyn Provider> {
    world
        .kube
        .account("a", "sa", &[("eks.amazonaws.com/role-arn", ROLE)]);
    world
        .registry
        .open(&jwt(json!({"name": "sa"})), &store("a"))
        .await
        .unwrap()
}

fn versioned(name: &str, version: &str) -> Ref {
    Ref {
        version: Some(version.into()),
        ..key(name)
    }
}

fn part(name: &str, property: &str) -> Ref {
    Ref {
        property: Some(property.into()),
        ..key(name)
    }
}

const JSON: &str = r#"{"a":{"b":[1.50,"x"]},"a.b":"dotted","n":null}"#;

#[tokio::test(start_paused = true)]
async fn references_in_all_their_forms_alone_and_in_a_batch() {
    let world = world();
    world.cloud.put("/app/x", "one");
    world.cloud.put("/app/x", "two");
    world.cloud.put("plain", "p");
    world.cloud.put("/app/json", JSON);
    world.cloud.edit(|state| {
        state
            .parameters
            .get_mut("/app/x")
            .unwrap()
            .labels
            .insert("prod".into(), 1);
    });
    let provider = open(&world).await;
    let cases = [
        (key("/app/x"), "two"),
        (versioned("/app/x", "1"), "one"),
        (versioned("/app/x", "prod"), "one"),
        (key("/app/x:2"), "two"),
        (key("plain"), "p"),
        (
            key("arn:aws:ssm:eu-central-1:111122223333:parameter/app/x"),
            "two",
        ),
        (
            versioned("arn:aws:ssm:eu-central-1:111122223333:parameter/app/x", "1"),
            "one",
        ),
        (part("/app/json", "a.b"), "dotted"),
        (part("/app/json", "a.b.0"), "1.5"),
        (part("/app/json", "n"), ""),
    ];
    for (reference, expected) in cases.clone() {
        assert_eq!(
            read_one(&provider, reference.clone()).await.unwrap(),
            expected,
            "{reference:?}"
        );
    }
    let refs: Vec<Ref> = cases
        .iter()
        .map(|(reference, _)| reference.clone())
        .collect();
    let values = provider.read(&refs, Duration::ZERO).await;
    assert_eq!(values.len(), cases.len());
    for (value, (reference, expected)) in values.iter().zip(&cases) {
        assert_eq!(
            value.as_ref().unwrap().expose_str(),
            Some(*expected),
            "{reference:?}"
        );
    }
    assert_eq!(world.cloud.calls("GetParameters").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_missing_parameter_is_no_secret_and_a_missing_version_or_property_is_an_error() {
    let world = world();
    world.cloud.put("/x", "text");
    let provider = open(&world).await;
    let refs = [
        key("/gone"),
        versioned("/x", "7"),
        versioned("/gone", "1"),
        part("/x", "p"),
        key("/x"),
    ];
    for alone in [true, false] {
        let values = if alone {
            let mut values = Vec::new();
            for reference in &refs {
                values.extend(
                    provider
                        .read(std::slice::from_ref(reference), Duration::ZERO)
                        .await,
                );
            }
            values
        } else {
            provider.read(&refs, Duration::ZERO).await
        };
        let errors: Vec<_> = values.iter().map(|value| value.as_ref().err()).collect();
        assert!(errors[0].unwrap().is_no_secret());
        assert_eq!(errors[0].unwrap().code(), "A21");
        assert!(!errors[1].unwrap().is_no_secret());
        assert_eq!(
            errors[1].unwrap().provider_code(),
            Some("ParameterVersionNotFound")
        );
        assert!(errors[2].unwrap().is_no_secret());
        assert_eq!(
            errors[3].unwrap().to_string(),
            "key p does not exist in secret /x"
        );
        assert!(errors[4].is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn the_prefix_goes_in_front_of_every_name_but_an_arn() {
    let world = world();
    world.cloud.put("/team/x", "v");
    world
        .kube
        .account("a", "sa", &[("eks.amazonaws.com/role-arn", ROLE)]);
    let spec = spec(json!({"aws": {
        "service": "ParameterStore", "region": "eu-central-1", "prefix": "/team/",
        "auth": {"jwt": {"serviceAccountRef": {"name": "sa"}}},
    }}));
    let provider = world.registry.open(&spec, &store("a")).await.unwrap();
    assert_eq!(read_one(&provider, key("x")).await.unwrap(), "v");
    let arn = key("arn:aws:ssm:eu-central-1:111122223333:parameter/team/x");
    assert_eq!(read_one(&provider, arn).await.unwrap(), "v");
}

#[tokio::test(start_paused = true)]
async fn tags_read_as_json() {
    let world = world();
    world.cloud.put("/x", "v");
    world.cloud.edit(|state| {
        let tags = [("team", "a<b"), ("env.name", "prod")];
        state.parameters.get_mut("/x").unwrap().tags = tags
            .iter()
            .map(|(k, v)| ((*k).into(), (*v).into()))
            .collect();
    });
    let provider = open(&world).await;
    let tags = Ref {
        metadata: true,
        ..versioned("/x", "1")
    };
    assert_eq!(
        read_one(&provider, tags.clone()).await.unwrap(),
        r#"{"env.name":"prod","team":"a\u003cb"}"#
    );
    let one = Ref {
        property: Some("env.name".into()),
        ..tags
    };
    assert_eq!(read_one(&provider, one).await.unwrap(), "prod");
}

#[tokio::test(start_paused = true)]
async fn an_object_reads_as_a_map() {
    let world = world();
    world
        .cloud
        .put("/x", r#"{"s":"t","n":1.50,"o":{"k":null},"z":null}"#);
    world.cloud.put("/text", "text");
    let provider = open(&world).await;
    let map = provider.read_map(&key("/x"), Duration::ZERO).await.unwrap();
    let map: Vec<_> = map
        .iter()
        .map(|(k, v)| (k.as_str(), v.expose_str().unwrap()))
        .collect();
    assert_eq!(
        map,
        [("n", "1.50"), ("o", r#"{"k":null}"#), ("s", "t"), ("z", "")]
    );
    let inner = provider
        .read_map(&part("/x", "o"), Duration::ZERO)
        .await
        .unwrap();
    assert_eq!(inner["k"].expose(), b"");
    assert!(
        provider
            .read_map(&key("/text"), Duration::ZERO)
            .await
            .is_err()
    );
    assert!(
        provider
            .read_map(&key("/gone"), Duration::ZERO)
            .await
            .unwrap_err()
            .is_no_secret()
    );
}

fn seed(world: &World) {
    for number in 0..25 {
        world
            .cloud
            .put(&format!("/app/db/{number:02}"), &format!("d{number}"));
        world.cloud.put(&format!("/other/{number:02}"), "o");
    }
    world.cloud.edit(|state| {
        for (name, parameter) in &mut state.parameters {
            if name.ends_with('7') {
                parameter.tags.insert("team".into(), "a".into());
            }
        }
    });
}

fn names(found: &BTreeMap<String, keyless_secret::SecretBytes>) -> Vec<&str> {
    found.keys().map(String::as_str).collect()
}

#[tokio::test(start_paused = true)]
async fn find_by_name_walks_all_pages_and_matches_the_full_name() {
    let world = world();
    seed(&world);
    let provider = open(&world).await;
    let by_name = Find {
        path: Some("/app".into()),
        name: Some("db/1[0-4]$".into()),
        ..Find::default()
    };
    let found = provider.find(&by_name, Duration::ZERO).await.unwrap();
    assert_eq!(
        names(&found),
        [
            "/app/db/10",
            "/app/db/11",
            "/app/db/12",
            "/app/db/13",
            "/app/db/14"
        ]
    );
    assert_eq!(found["/app/db/12"].expose(), b"d12");
    assert_eq!(world.cloud.calls("GetParametersByPath").len(), 3);
    assert!(world.cloud.calls("GetParameters").is_empty());
    let everywhere = Find {
        path: None,
        name: Some("7$".into()),
        ..Find::default()
    };
    assert_eq!(
        provider
            .find(&everywhere, Duration::ZERO)
            .await
            .unwrap()
            .len(),
        4
    );
}

#[tokio::test(start_paused = true)]
async fn find_falls_back_to_describing_where_listing_is_denied() {
    let world = world();
    seed(&world);
    world.cloud.edit(|state| {
        state.denied_operations.insert("GetParametersByPath");
    });
    let provider = open(&world).await;
    let by_name = Find {
        path: Some("/app".into()),
        name: Some("0".into()),
        ..Find::default()
    };
    let found = provider.find(&by_name, Duration::ZERO).await.unwrap();
    assert_eq!(found.len(), 12);
    assert_eq!(world.cloud.calls("DescribeParameters").len(), 1);
    assert_eq!(world.cloud.calls("GetParameters").len(), 2);
    world.cloud.edit(|state| {
        state.denied_operations.insert("DescribeParameters");
    });
    let error = provider.find(&by_name, Duration::ZERO).await.unwrap_err();
    assert_eq!((error.link(), error.code()), (Link::Permission, "A18"));
}

#[tokio::test(start_paused = true)]
async fn find_by_tags_and_path() {
    let world = world();
    seed(&world);
    let provider = open(&world).await;
    let tags: BTreeMap<String, String> = [("team".to_owned(), "a".to_owned())].into();
    let everywhere = Find {
        tags: tags.clone(),
        ..Find::default()
    };
    let found = provider.find(&everywhere, Duration::ZERO).await.unwrap();
    assert_eq!(
        names(&found),
        ["/app/db/07", "/app/db/17", "/other/07", "/other/17"]
    );
    let below = Find {
        path: Some("/other".into()),
        tags,
        ..Find::default()
    };
    let found = provider.find(&below, Duration::ZERO).await.unwrap();
    assert_eq!(names(&found), ["/other/07", "/other/17"]);
    assert!(
        provider
            .find(&Find::default(), Duration::ZERO)
            .await
            .is_err()
    );
    let broken = Find {
        name: Some("(".into()),
        ..Find::default()
    };
    assert_eq!(
        provider
            .find(&broken, Duration::ZERO)
            .await
            .unwrap_err()
            .class(),
        Class::Config
    );
}

#[tokio::test(start_paused = true)]
async fn equal_searches_share_one_walk() {
    let world = world();
    seed(&world);
    let provider = open(&world).await;
    let searches: Vec<Find> = ["1", "2", "3", "4"]
        .map(|name| Find {
            path: Some("/app".into()),
            name: Some(name.into()),
            ..Find::default()
        })
        .into();
    let found = searches
        .iter()
        .map(|find| provider.find(find, Duration::ZERO));
    let found = futures::future::join_all(found).await;
    assert!(found.iter().all(Result::is_ok));
    assert_eq!(world.cloud.calls("GetParametersByPath").len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_denied_parameter_fails_alone_with_action_and_resource() {
    let world = world();
    for number in 0..10 {
        world.cloud.put(&format!("/p{number}"), "v");
    }
    world.cloud.edit(|state| {
        state.denied.insert("/p4".into());
    });
    let provider = open(&world).await;
    let refs: Vec<Ref> = (0..10).map(|number| key(&format!("/p{number}"))).collect();
    let values = provider.read(&refs, Duration::ZERO).await;
    for (number, value) in values.iter().enumerate() {
        assert_eq!(value.is_err(), number == 4, "{number}");
    }
    let error = values[4].as_ref().unwrap_err();
    assert_eq!(
        (error.link(), error.class(), error.code()),
        (Link::Permission, Class::Denied, "A18")
    );
    let hint = error.hint().unwrap();
    assert!(
        hint.contains("ssm:GetParameter on arn:aws:ssm:eu-central-1:111122223333:parameter/p4"),
        "{hint}"
    );
    assert_eq!(world.cloud.calls("GetParameters").len(), 2);
    assert_eq!(world.cloud.calls("GetParameter").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_policy_with_get_parameter_only_is_enough() {
    let world = world();
    for number in 0..30 {
        world.cloud.put(&format!("/p{number}"), "v");
    }
    world.cloud.edit(|state| {
        state.denied_operations.insert("GetParameters");
    });
    let provider = open(&world).await;
    let refs: Vec<Ref> = (0..30).map(|number| key(&format!("/p{number}"))).collect();
    assert!(
        provider
            .read(&refs, Duration::ZERO)
            .await
            .iter()
            .all(Result::is_ok)
    );
    let before = world.cloud.calls("GetParameters").len();
    assert!(
        provider
            .read(&refs, Duration::ZERO)
            .await
            .iter()
            .all(Result::is_ok)
    );
    assert_eq!(world.cloud.calls("GetParameters").len(), before);
}

#[tokio::test(start_paused = true)]
async fn throttling_is_waited_out_and_counted() {
    let world = world();
    world.cloud.put("/x", "v");
    world.cloud.edit(|state| state.throttle = 2);
    let provider = open(&world).await;
    assert_eq!(read_one(&provider, key("/x")).await.unwrap(), "v");
    let calls = world.registry.calls().calls;
    let count = |outcome| calls.iter().find(|calls| calls.outcome == outcome).unwrap();
    assert_eq!((count("throttled").count, count("success").count), (2, 1));
    assert_eq!(
        (count("success").provider, count("success").call),
        ("AWS/ParameterStore", "GetParameter")
    );
}

#[tokio::test(start_paused = true)]
async fn a_thousand_objects_take_a_hundred_calls_and_one_login() {
    let world = world();
    for number in 0..1000 {
        world
            .cloud
            .put(&format!("/p{number}"), &format!("v{number}"));
    }
    let provider = open(&world).await;
    let mut tasks = Vec::new();
    for number in 0..1000 {
        let provider = Arc::clone(&provider);
        tasks.push(tokio::spawn(async move {
            assert_eq!(
                read_one(&provider, key(&format!("/p{number}")))
                    .await
                    .unwrap(),
                format!("v{number}")
            );
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(world.cloud.calls("GetParameters").len(), 100);
    assert_eq!(world.cloud.0.lock().unwrap().calls.len(), 101);
}

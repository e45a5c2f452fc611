//! Reading and searching Secrets Manager at the sandbox's AWS.

use std::sync::Arc;
use std::time::Duration;

use keyless_fault::{Class, Fault, Link, explain};
use keyless_providers::{Error, Find, Provider, Ref};
use keyless_sandbox::aws::faults;
use serde_json::{Value, json};

use crate::place::{Sand, everything, jwt};
use crate::stores::{key, read_one};

fn at(name: &str, version: &str) -> Ref {
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

fn arn(name: &str) -> String {
    format!("arn:aws:secretsmanager:eu-central-1:111122223333:secret:{name}")
}

fn allow(actions: &[&str], resource: &str) -> Value {
    json!({"Effect": "Allow", "Action": actions, "Resource": resource})
}

async fn all(provider: &Arc<dyn Provider>, refs: &[Ref]) -> Vec<Result<String, Error>> {
    provider
        .read(refs, Duration::ZERO)
        .await
        .into_iter()
        .map(|value| value.map(|v| String::from_utf8_lossy(v.expose()).into_owned()))
        .collect()
}

#[tokio::test]
async fn references_in_all_their_forms_alone_and_in_a_batch() {
    let sand = Sand::new().await;
    let aws = &sand.sandbox.aws;
    sand.role("app", everything());
    let first = aws.put_secret("app/x", "one").unwrap();
    aws.put_secret("app/x", "two").unwrap();
    aws.put_secret(
        "app/json",
        r#"{"a":{"b":[1.50,"x"]},"a.b":"dotted","n":null}"#,
    )
    .unwrap();
    aws.put_binary_secret("bin", b"\x01bytes").unwrap();
    let whole = aws.secret("app/x").unwrap().arn;
    let cases = [
        (key("app/x"), "two"),
        (at("app/x", "AWSCURRENT"), "two"),
        (at("app/x", "AWSPREVIOUS"), "one"),
        (at("app/x", &format!("uuid/{first}")), "one"),
        (key(&whole), "two"),
        (at(&whole, "AWSPREVIOUS"), "one"),
        (key(&arn("app/x")), "two"),
        (part("app/json", "a.b"), "dotted"),
        (part("app/json", "a.b.0"), "1.5"),
        (part("app/json", "n"), ""),
        (key("bin"), "\u{1}bytes"),
    ];
    let provider = sand.secrets("app").await;
    for (reference, expected) in &cases {
        let read = all(&provider, std::slice::from_ref(reference)).await;
        assert_eq!(read[0].as_ref().unwrap(), expected, "{reference:?}");
    }
    assert_eq!(sand.calls("BatchGetSecretValue"), 0);
    let refs: Vec<Ref> = cases
        .iter()
        .map(|(reference, _)| reference.clone())
        .collect();
    let read = all(&provider, &refs).await;
    assert_eq!(read.len(), cases.len());
    for (value, (reference, expected)) in read.iter().zip(&cases) {
        assert_eq!(value.as_ref().unwrap(), expected, "{reference:?}");
    }
    assert_eq!(sand.calls("BatchGetSecretValue"), 1);
}

#[tokio::test]
async fn what_is_absent_or_marked_for_deletion_is_no_secret_and_the_rest_an_error() {
    let sand = Sand::new().await;
    let aws = &sand.sandbox.aws;
    sand.role("app", everything());
    aws.put_secret("x", "text").unwrap();
    aws.put_secret("marked", "text").unwrap();
    assert!(aws.delete_secret("marked", false));
    let refs = [
        key("gone"),
        key("marked"),
        at("x", "NOSUCHSTAGE"),
        at("x", "uuid/00000000-0000-0000-0000-000000000009"),
        part("x", "p"),
        key("x"),
    ];
    let provider = sand.secrets("app").await;
    for alone in [true, false] {
        let mut read = Vec::new();
        if alone {
            for reference in &refs {
                read.extend(all(&provider, std::slice::from_ref(reference)).await);
            }
        } else {
            read = all(&provider, &refs).await;
        }
        let errors: Vec<_> = read.iter().map(|value| value.as_ref().err()).collect();
        for (place, row) in [(0, "A21"), (1, "A22"), (2, "A21"), (3, "A21")] {
            let error = errors[place].unwrap();
            assert!(error.is_no_secret(), "{:?}: {error}", refs[place]);
            assert_eq!(error.code(), row);
        }
        assert!(!errors[4].unwrap().is_no_secret());
        assert_eq!(
            errors[4].unwrap().to_string(),
            "key p does not exist in secret x"
        );
        assert!(errors[5].is_none());
    }
}

#[tokio::test]
async fn reads_of_one_identity_are_batched_and_two_identities_share_nothing() {
    let sand = Sand::new().await;
    let aws = &sand.sandbox.aws;
    sand.role("app", everything());
    sand.role(
        "other",
        json!([allow(&["secretsmanager:GetSecretValue"], &arn("n0-??????"))]),
    );
    let names: Vec<String> = (0..45).map(|n| format!("n{n}")).collect();
    for name in &names {
        aws.put_secret(name, name).unwrap();
    }
    // Several stores of one identity, as the stores of several objects.
    let (first, second) = (sand.secrets("app").await, sand.secrets("app").await);
    let refs: Vec<Ref> = names.iter().map(|name| key(name)).collect();
    let (one, two) = tokio::join!(all(&first, &refs[..30]), all(&second, &refs[15..]));
    for (value, name) in one.iter().zip(&names).chain(two.iter().zip(&names[15..])) {
        assert_eq!(value.as_ref().unwrap(), name);
    }
    assert_eq!(sand.calls("BatchGetSecretValue"), 3);
    assert_eq!(sand.calls("GetSecretValue"), 0);
    let saved = sand.place.registry.calls();
    assert_eq!((saved.coalesced, saved.batched), (15, 42));
    let by_call: Vec<_> = saved
        .saved
        .iter()
        .map(|saved| (saved.provider, saved.call, saved.outcome, saved.count))
        .collect();
    let of = |why, count| ("AWS/SecretsManager", "GetSecretValue", why, count);
    assert_eq!(by_call, [of("batched", 42), of("coalesced", 15)]);
    // The other identity is asked about itself, whatever was read a moment ago.
    let other = sand.secrets("other").await;
    let accepting = Duration::from_secs(600);
    assert!(first.read(&refs[1..2], accepting).await[0].is_ok());
    assert!(other.read(&refs[..1], accepting).await[0].is_ok());
    let denied = other
        .read(&refs[1..2], accepting)
        .await
        .remove(0)
        .unwrap_err();
    assert_eq!(denied.class(), Class::Denied);
}

#[tokio::test]
async fn without_the_permission_for_batches_each_is_read_alone_and_nobody_is_told() {
    let sand = Sand::new().await;
    let aws = &sand.sandbox.aws;
    sand.role(
        "app",
        json!([allow(&["secretsmanager:GetSecretValue"], &arn("app/*"))]),
    );
    for n in 0..8 {
        aws.put_secret(&format!("app/{n}"), &format!("v{n}"))
            .unwrap();
    }
    aws.put_secret("other", "v").unwrap();
    let refs: Vec<Ref> = (0..8).map(|n| key(&format!("app/{n}"))).collect();
    let provider = sand.secrets("app").await;
    for _ in 0..3 {
        for (n, value) in all(&provider, &refs).await.into_iter().enumerate() {
            assert_eq!(value.unwrap(), format!("v{n}"));
        }
    }
    let batches = sand
        .sandbox
        .aws
        .calls("secretsmanager", "BatchGetSecretValue");
    assert_eq!(
        (batches.total, batches.refused),
        (1, 1),
        "asked once and remembered"
    );
    assert_eq!(sand.calls("GetSecretValue"), 24);
    assert_eq!(sand.place.registry.calls().batched, 0);
    let error = read_one(&provider, key("other")).await.unwrap_err();
    assert_eq!(
        (error.link(), error.class(), error.code()),
        (Link::Permission, Class::Denied, "A18")
    );
    let told = explain(&error);
    assert!(told.contains("secretsmanager:GetSecretValue on arn:aws:secretsmanager:eu-central-1:111122223333:secret:other-"), "{told}");
    assert!(
        told.contains("secretsmanager:BatchGetSecretValue on * is denied too"),
        "{told}"
    );
}

#[tokio::test]
async fn one_refused_secret_spoils_no_batch() {
    let sand = Sand::new().await;
    let aws = &sand.sandbox.aws;
    let batch =
        json!({"Effect": "Allow", "Action": "secretsmanager:BatchGetSecretValue", "Resource": "*"});
    sand.role(
        "app",
        json!([
            allow(&["secretsmanager:GetSecretValue"], &arn("app/*")),
            batch
        ]),
    );
    let key_arn = aws.create_key(None).unwrap();
    aws.put_secret("app/1", "v1").unwrap();
    aws.put_locked_secret("app/locked", "v", &key_arn).unwrap();
    aws.put_secret("secret", "v").unwrap();
    aws.put_secret("app/2", "v2").unwrap();
    let provider = sand.secrets("app").await;
    let refs = [
        key("app/1"),
        key("app/locked"),
        key("secret"),
        key("app/gone"),
        key("app/2"),
    ];
    let read = all(&provider, &refs).await;
    assert_eq!(read[0].as_ref().unwrap(), "v1");
    assert_eq!(read[4].as_ref().unwrap(), "v2");
    let locked = read[1].as_ref().unwrap_err();
    assert_eq!((locked.link(), locked.code()), (Link::Decryption, "A20"));
    let denied = read[2].as_ref().unwrap_err();
    assert_eq!((denied.link(), denied.code()), (Link::Permission, "A18"));
    assert!(!explain(denied).contains("Batch"), "{}", explain(denied));
    assert!(read[3].as_ref().unwrap_err().is_no_secret());
    // A key of its own is no hindrance to whom it lets.
    sand.allow("app", json!([
        allow(&["secretsmanager:GetSecretValue"], &arn("app/*")), batch,
        {"Effect": "Allow", "Action": "kms:Decrypt", "Resource": key_arn,
         "Condition": {"StringEquals": {"kms:ViaService": "secretsmanager.eu-central-1.amazonaws.com"}}},
    ]));
    assert_eq!(read_one(&provider, key("app/locked")).await.unwrap(), "v");
}

#[tokio::test]
async fn tags_and_stages_may_decide() {
    let sand = Sand::new().await;
    let aws = &sand.sandbox.aws;
    sand.role("app", json!([
        {"Effect": "Allow", "Action": "secretsmanager:GetSecretValue", "Resource": "*",
         "Condition": {"StringEquals": {"secretsmanager:ResourceTag/team": "a"},
                       "ForAnyValue:StringEquals": {"secretsmanager:VersionStage": "AWSCURRENT"}}},
    ]));
    for name in ["mine", "theirs"] {
        aws.put_secret(name, "old").unwrap();
        aws.put_secret(name, "new").unwrap();
    }
    aws.tag_secret("mine", "team", "a");
    let provider = sand.secrets("app").await;
    assert_eq!(read_one(&provider, key("mine")).await.unwrap(), "new");
    for refused in [key("theirs"), at("mine", "AWSPREVIOUS")] {
        let error = read_one(&provider, refused).await.unwrap_err();
        assert_eq!(error.class(), Class::Denied);
    }
}

#[tokio::test]
async fn tags_and_maps() {
    let sand = Sand::new().await;
    let aws = &sand.sandbox.aws;
    sand.role("app", everything());
    aws.put_secret("x", r#"{"s":"t","n":1.50,"o":{"k":null},"z":null}"#)
        .unwrap();
    aws.put_secret("text", "text").unwrap();
    aws.tag_secret("x", "team", "a<b");
    aws.tag_secret("x", "env.name", "prod");
    let provider = sand.secrets("app").await;
    let tags = |property: Option<&str>| Ref {
        metadata: true,
        property: property.map(Into::into),
        ..key("x")
    };
    assert_eq!(
        read_one(&provider, tags(None)).await.unwrap(),
        r#"{"env.name":"prod","team":"a\u003cb"}"#
    );
    assert_eq!(
        read_one(&provider, tags(Some("env.name"))).await.unwrap(),
        "prod"
    );
    let map = |reference: Ref| {
        let provider = Arc::clone(&provider);
        async move { provider.read_map(&reference, Duration::ZERO).await }
    };
    let found = map(key("x")).await.unwrap();
    let found: Vec<_> = found
        .iter()
        .map(|(k, v)| (k.as_str(), v.expose_str().unwrap()))
        .collect();
    assert_eq!(
        found,
        [("n", "1.50"), ("o", r#"{"k":null}"#), ("s", "t"), ("z", "")]
    );
    assert_eq!(map(part("x", "o")).await.unwrap()["k"].expose(), b"");
    assert!(!map(key("text")).await.unwrap_err().is_no_secret());
    assert!(map(key("gone")).await.unwrap_err().is_no_secret());
    aws.delete_secret("x", false);
    let marked = read_one(&provider, tags(None)).await.unwrap_err();
    assert!(marked.is_no_secret(), "{marked}");
}

async fn found(provider: &Arc<dyn Provider>, find: Find) -> Vec<(String, String)> {
    let found = provider.find(&find, Duration::ZERO).await.unwrap();
    let text = |bytes: &keyless_secret::SecretBytes| bytes.expose_str().unwrap().to_owned();
    found
        .iter()
        .map(|(name, value)| (name.clone(), text(value)))
        .collect()
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs
        .iter()
        .map(|(k, v)| ((*k).into(), (*v).into()))
        .collect()
}

#[tokio::test]
async fn searches() {
    let sand = Sand::new().await;
    let aws = &sand.sandbox.aws;
    sand.role("app", everything());
    for (name, value, tags) in [
        ("app/a", "1", &[("k1", "x"), ("k2", "y")][..]),
        ("app/b", "2", &[("k1", "y"), ("k2", "x")]),
        ("app/sub/c", "3", &[("k1", "x")]),
        ("other/a", "4", &[("k1", "x"), ("k2", "y")]),
        ("app/gone", "5", &[("k1", "x"), ("k2", "y")]),
    ] {
        aws.put_secret(name, value).unwrap();
        for (key, value) in tags {
            aws.tag_secret(name, key, value);
        }
    }
    aws.delete_secret("app/gone", false);
    let by_name = |path: Option<&str>, name: &str| Find {
        path: path.map(Into::into),
        name: Some(name.into()),
        ..Find::default()
    };
    let provider = sand.secrets("app").await;
    assert_eq!(
        found(&provider, by_name(None, "a$")).await,
        pairs(&[("app/a", "1"), ("other/a", "4")])
    );
    assert_eq!(
        found(&provider, by_name(Some("app/"), "[ac]$")).await,
        pairs(&[("app/a", "1"), ("app/sub/c", "3")])
    );
    let by_tags = |path: Option<&str>, tags: &[(&str, &str)]| Find {
        path: path.map(Into::into),
        name: None,
        tags: pairs(tags).into_iter().collect(),
    };
    let both = [("k1", "x"), ("k2", "y")];
    assert_eq!(
        found(&provider, by_tags(None, &both)).await,
        pairs(&[("app/a", "1"), ("other/a", "4")])
    );
    assert_eq!(
        found(&provider, by_tags(Some("app/"), &both)).await,
        pairs(&[("app/a", "1")])
    );
    assert!(
        provider
            .find(&Find::default(), Duration::ZERO)
            .await
            .is_err()
    );
    let broken = by_name(None, "(");
    assert!(provider.find(&broken, Duration::ZERO).await.is_err());
    // The prefix is in front of what is read, and once.
    let mut prefixed = jwt("SecretsManager", "app");
    prefixed["prefix"] = json!("app/");
    let prefixed = sand.place.open(prefixed).await;
    assert_eq!(read_one(&prefixed, key("a")).await.unwrap(), "1");
    assert_eq!(
        found(&prefixed, by_name(None, "(a|c)$")).await,
        pairs(&[("app/a", "1"), ("app/sub/c", "3")])
    );
}

#[tokio::test]
async fn a_search_walks_all_pages_and_reads_in_batches() {
    let sand = Sand::new().await;
    sand.role("app", everything());
    for n in 0..130 {
        sand.sandbox
            .aws
            .put_secret(&format!("s{n:03}"), "v")
            .unwrap();
    }
    let provider = sand.secrets("app").await;
    let everything = Find {
        name: Some(".*".into()),
        ..Find::default()
    };
    assert_eq!(found(&provider, everything).await.len(), 130);
    assert_eq!(sand.calls("ListSecrets"), 2);
    assert_eq!(sand.calls("BatchGetSecretValue"), 7);
    assert_eq!(sand.calls("GetSecretValue"), 0);
}

#[tokio::test]
async fn a_search_without_permission_names_it() {
    let sand = Sand::new().await;
    sand.role(
        "app",
        json!([allow(&["secretsmanager:GetSecretValue"], "*")]),
    );
    let provider = sand.secrets("app").await;
    let by_name = Find {
        name: Some("x".into()),
        ..Find::default()
    };
    let error = provider.find(&by_name, Duration::ZERO).await.unwrap_err();
    assert_eq!((error.class(), error.code()), (Class::Denied, "A18"));
    assert!(
        explain(&error).contains("secretsmanager:ListSecrets"),
        "{}",
        explain(&error)
    );
}

#[tokio::test]
async fn throttling_is_waited_out() {
    let sand = Sand::new().await;
    let aws = &sand.sandbox.aws;
    sand.role("app", everything());
    for n in 0..5 {
        aws.put_secret(&format!("s{n}"), "v").unwrap();
    }
    let api = "BatchGetSecretValue";
    aws.add_fault(
        faults::Fault::new(faults::Effect::Throttle)
            .on("secretsmanager", api)
            .times(1),
    );
    let provider = sand.secrets("app").await;
    let refs: Vec<Ref> = (0..5).map(|n| key(&format!("s{n}"))).collect();
    for value in all(&provider, &refs).await {
        assert_eq!(value.unwrap(), "v");
    }
    assert_eq!(sand.calls(api), 2);
    assert_eq!(sand.calls("GetSecretValue"), 0);
    let outcomes: Vec<_> = sand
        .place
        .registry
        .calls()
        .calls
        .into_iter()
        .filter(|call| call.call == api)
        .map(|call| (call.provider, call.outcome, call.count))
        .collect();
    assert_eq!(
        outcomes,
        [
            ("AWS/SecretsManager", "success", 1),
            ("AWS/SecretsManager", "throttled", 1)
        ]
    );
}

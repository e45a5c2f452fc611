//! Writing to Secrets Manager and Parameter Store at the sandbox's AWS.

use std::sync::Arc;

use keyless_fault::{Class, Fault};
use keyless_providers::{Provider, Push, Pushed, Remote};
use serde_json::{Value, json};

use crate::place::{Sand, everything, jwt};

fn remote(key: &str, property: Option<&str>) -> Remote {
    Remote {
        key: key.into(),
        property: property.map(Into::into),
    }
}

fn settings(spec: Value) -> Value {
    json!({"apiVersion": "kubernetes.external-secrets.io/v1alpha1", "kind": "PushSecretMetadata", "spec": spec})
}

async fn push(
    provider: &Arc<dyn Provider>,
    to: Remote,
    value: &str,
    spec: Option<Value>,
) -> Result<Pushed, keyless_providers::Error> {
    let push = Push {
        remote: to,
        value: value.into(),
        metadata: spec.map(settings),
    };
    provider.push(&push).await
}

const WRITES: [&str; 8] = [
    "CreateSecret",
    "PutSecretValue",
    "UpdateSecret",
    "TagResource",
    "UntagResource",
    "PutResourcePolicy",
    "ReplicateSecretToRegions",
    "DeleteSecret",
];

fn writes(sand: &Sand) -> u64 {
    WRITES.iter().map(|api| sand.calls(api)).sum()
}

#[tokio::test]
async fn a_secret_is_made_changed_and_left_alone() {
    let sand = Sand::new().await;
    sand.role("app", everything());
    let aws = &sand.sandbox.aws;
    let provider = sand.secrets("app").await;
    let whole = || remote("app/x", None);
    assert_eq!(
        push(&provider, whole(), "v1", None).await.unwrap(),
        Pushed::Created
    );
    let seen = aws.secret("app/x").unwrap();
    assert_eq!(seen.value.as_deref(), Some(&b"v1"[..]));
    assert!(seen.binary);
    assert_eq!(seen.versions, ["00000000-0000-0000-0000-000000000001"]);
    assert_eq!(seen.tags["managed-by"], "external-secrets");
    let before = writes(&sand);
    assert_eq!(
        push(&provider, whole(), "v1", None).await.unwrap(),
        Pushed::Unchanged
    );
    assert_eq!(writes(&sand), before, "an equal value is not written");
    assert_eq!(
        push(&provider, whole(), "v2", None).await.unwrap(),
        Pushed::Updated
    );
    let seen = aws.secret("app/x").unwrap();
    assert_eq!(
        (seen.value.as_deref(), seen.versions.len()),
        (Some(&b"v2"[..]), 2)
    );
    // In the middle of its end it is not written to.
    aws.delete_secret("app/x", false);
    let error = push(&provider, whole(), "v3", None).await.unwrap_err();
    assert!(error.to_string().contains("marked for deletion"), "{error}");
}

#[tokio::test]
async fn settings_are_set_once() {
    let sand = Sand::new().await;
    sand.role("app", everything());
    let aws = &sand.sandbox.aws;
    let key = aws.create_key(None).unwrap();
    let policy = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"secretsmanager:GetSecretValue","Resource":"*","Condition":{"StringEquals":{"aws:PrincipalTag/x":"y"}}}]}"#;
    sand.place.kube.config_map(("ns", "policies", "p"), policy);
    let spec = |description: &str| {
        json!({
            "secretPushFormat": "string", "description": description, "kmsKeyID": key, "tags": {"team": "a"},
            "resourcePolicy": {"blockPublicPolicy": true, "policySourceRef": {"kind": "ConfigMap", "name": "policies", "key": "p"}},
            "replicationLocations": ["eu-west-1"],
        })
    };
    let provider = sand.secrets("app").await;
    let to = || remote("x", None);
    assert_eq!(
        push(&provider, to(), "v", Some(spec("d1"))).await.unwrap(),
        Pushed::Created
    );
    let seen = aws.secret("x").unwrap();
    assert!(!seen.binary);
    assert_eq!(seen.description.as_deref(), Some("d1"));
    assert_eq!(seen.key_id.as_deref(), Some(key.as_str()));
    assert_eq!(seen.policy.as_deref(), Some(policy));
    assert_eq!(seen.replicas, ["eu-west-1"]);
    assert_eq!(seen.tags.len(), 2);
    let before = writes(&sand);
    assert_eq!(
        push(&provider, to(), "v", Some(spec("d1"))).await.unwrap(),
        Pushed::Unchanged
    );
    assert_eq!(writes(&sand), before);
    aws.tag_secret("x", "stray", "1");
    assert_eq!(
        push(&provider, to(), "v", Some(spec("d2"))).await.unwrap(),
        Pushed::Updated
    );
    let seen = aws.secret("x").unwrap();
    assert_eq!(seen.description.as_deref(), Some("d2"));
    assert_eq!(seen.tags.keys().collect::<Vec<_>>(), ["managed-by", "team"]);
    assert_eq!(seen.versions.len(), 1, "the value was as wanted");
    let public = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"secretsmanager:*","Resource":"*"}]}"#;
    sand.place.kube.config_map(("ns", "policies", "p"), public);
    let error = push(&provider, to(), "v", Some(spec("d2")))
        .await
        .unwrap_err();
    assert_eq!(error.provider_code(), Some("PublicPolicyException"));
    let bad = push(&provider, to(), "v", Some(json!({"nonsense": 1})))
        .await
        .unwrap_err();
    assert!(bad.to_string().contains("nonsense"), "{bad}");
}

#[tokio::test]
async fn properties_come_and_go_one_by_one() {
    let sand = Sand::new().await;
    sand.role("app", everything());
    let aws = &sand.sandbox.aws;
    let provider = sand.secrets("app").await;
    let value = || {
        let seen = aws.secret("j").unwrap();
        String::from_utf8(seen.value.unwrap()).unwrap()
    };
    for (property, text, outcome) in [
        ("user", "u", Pushed::Created),
        ("db.host", "h", Pushed::Updated),
        ("db.host", "h", Pushed::Unchanged),
    ] {
        let done = push(&provider, remote("j", Some(property)), text, None)
            .await
            .unwrap();
        assert_eq!(done, outcome);
    }
    assert_eq!(value(), r#"{"user":"u","db":{"host":"h"}}"#);
    let exists = |property: Option<&'static str>| {
        let provider = Arc::clone(&provider);
        async move { provider.exists(&remote("j", property)).await.unwrap() }
    };
    assert!(exists(None).await && exists(Some("db.host")).await);
    assert!(!exists(Some("db.port")).await);
    assert!(!provider.exists(&remote("none", None)).await.unwrap());
    assert!(
        provider
            .delete(&remote("j", Some("db.host")))
            .await
            .unwrap()
    );
    assert_eq!(value(), r#"{"user":"u"}"#);
    assert!(
        !provider
            .delete(&remote("j", Some("db.host")))
            .await
            .unwrap()
    );
    // With its last property the secret goes.
    assert!(provider.delete(&remote("j", Some("user"))).await.unwrap());
    assert!(aws.secret("j").unwrap().gone.is_some());
    assert!(!provider.delete(&remote("j", None)).await.unwrap());
    assert!(!exists(None).await);
}

#[tokio::test]
async fn what_others_made_is_not_touched() {
    let sand = Sand::new().await;
    sand.role("app", everything());
    let aws = &sand.sandbox.aws;
    aws.put_secret("theirs", r#"{"a":"b"}"#).unwrap();
    let provider = sand.secrets("app").await;
    for property in [None, Some("a")] {
        let to = remote("theirs", property);
        let refused = push(&provider, to.clone(), "v", None).await.unwrap_err();
        assert!(
            refused
                .to_string()
                .contains("secret not managed by external-secrets")
        );
        let refused = provider.delete(&to).await.unwrap_err();
        assert!(
            refused
                .to_string()
                .contains("secret not managed by external-secrets")
        );
    }
    assert!(provider.exists(&remote("theirs", None)).await.unwrap());
    assert_eq!(writes(&sand), 0);
    let seen = aws.secret("theirs").unwrap();
    assert_eq!((seen.versions.len(), seen.gone), (1, None));
}

#[tokio::test]
async fn deletion_as_the_store_says() {
    let sand = Sand::new().await;
    sand.role("app", everything());
    let aws = &sand.sandbox.aws;
    for (name, options, days) in [
        ("a", json!({}), Some(30)),
        ("b", json!({"recoveryWindowInDays": 7}), Some(7)),
        ("c", json!({"forceDeleteWithoutRecovery": true}), None),
    ] {
        let mut spec = jwt("SecretsManager", "app");
        spec["secretsManager"] = options;
        let provider = sand.place.open(spec).await;
        push(&provider, remote(name, None), "v", None)
            .await
            .unwrap();
        assert!(provider.delete(&remote(name, None)).await.unwrap());
        let gone = aws.secret(name).map(|seen| seen.gone.unwrap());
        let left = gone.map(|gone| (gone - sand.sandbox.clock.unix() + 43_200) / 86_400);
        assert_eq!(left, days, "{name}");
    }
}

#[tokio::test]
async fn a_refused_write_names_its_permission() {
    let sand = Sand::new().await;
    sand.role(
        "app",
        json!([{"Effect": "Allow", "Action": ["secretsmanager:DescribeSecret"], "Resource": "*"}]),
    );
    let provider = sand.secrets("app").await;
    let error = push(&provider, remote("x", None), "v", None)
        .await
        .unwrap_err();
    assert_eq!((error.class(), error.code()), (Class::Denied, "A18"));
    assert!(
        error
            .required()
            .unwrap()
            .contains("secretsmanager:CreateSecret")
    );
}

#[tokio::test]
async fn a_parameter_is_made_changed_and_left_alone() {
    let sand = Sand::new().await;
    sand.role("app", everything());
    let aws = &sand.sandbox.aws;
    let provider = sand.place.open(jwt("ParameterStore", "app")).await;
    let puts = || aws.calls("ssm", "PutParameter").total;
    let plain = || remote("/app/x", None);
    assert_eq!(
        push(&provider, plain(), "v1", None).await.unwrap(),
        Pushed::Created
    );
    assert_eq!(
        push(&provider, plain(), "v1", None).await.unwrap(),
        Pushed::Unchanged
    );
    assert_eq!(puts(), 1);
    assert_eq!(
        push(&provider, plain(), "v2", None).await.unwrap(),
        Pushed::Updated
    );
    assert_eq!(aws.parameter("/app/x").as_deref(), Some("v2"));
    assert_eq!(
        aws.parameter_tags("/app/x").unwrap()["managed-by"],
        "external-secrets"
    );
    let spec = json!({"secretType": "SecureString", "tier": {"type": "Advanced"}, "tags": {"team": "a"}, "description": "d"});
    let secure = || remote("/app/secure", None);
    assert_eq!(
        push(&provider, secure(), "v", Some(spec.clone()))
            .await
            .unwrap(),
        Pushed::Created
    );
    assert_eq!(
        push(&provider, secure(), "v", Some(spec)).await.unwrap(),
        Pushed::Unchanged
    );
    // Of the type that it has, unless another is asked for, which AWS refuses.
    assert_eq!(
        push(&provider, secure(), "w", None).await.unwrap(),
        Pushed::Updated
    );
    let other = json!({"secretType": "String"});
    let refused = push(&provider, secure(), "x", Some(other))
        .await
        .unwrap_err();
    assert_eq!(
        refused.provider_code(),
        Some("HierarchyTypeMismatchException")
    );
    let binary = Push {
        remote: plain(),
        value: keyless_secret::SecretBytes::new(vec![0xff]),
        metadata: None,
    };
    assert!(
        provider
            .push(&binary)
            .await
            .unwrap_err()
            .to_string()
            .contains("not text")
    );
}

#[tokio::test]
async fn parameters_of_others_and_properties() {
    let sand = Sand::new().await;
    sand.role("app", everything());
    let aws = &sand.sandbox.aws;
    let provider = sand.place.open(jwt("ParameterStore", "app")).await;
    aws.put_parameter("/theirs", "{}").unwrap();
    let foreign = push(&provider, remote("/theirs", Some("a")), "v", None)
        .await
        .unwrap_err();
    assert!(
        foreign
            .to_string()
            .contains("secret not managed by external-secrets")
    );
    assert!(provider.delete(&remote("/theirs", None)).await.is_err());
    assert_eq!(aws.parameter("/theirs").as_deref(), Some("{}"));
    for property in ["a", "b.c"] {
        push(&provider, remote("/j", Some(property)), "v", None)
            .await
            .unwrap();
    }
    assert_eq!(
        aws.parameter("/j").as_deref(),
        Some(r#"{"a":"v","b":{"c":"v"}}"#)
    );
    assert!(provider.exists(&remote("/j", Some("b.c"))).await.unwrap());
    assert!(provider.delete(&remote("/j", Some("a"))).await.unwrap());
    assert_eq!(aws.parameter("/j").as_deref(), Some(r#"{"b":{"c":"v"}}"#));
    assert!(provider.delete(&remote("/j", Some("b.c"))).await.unwrap());
    assert_eq!(aws.parameter("/j"), None);
    assert!(!provider.delete(&remote("/j", None)).await.unwrap());
    assert!(!provider.exists(&remote("/j", None)).await.unwrap());
}

use proptest::prelude::*;
use serde_json::{Value, json};

use super::decode;
use crate::*;

fn spec(value: Value) -> Result<ExternalSecretSpec, String> {
    decode(&value).map_err(|error| error.below("spec").to_string())
}

#[test]
fn errors_name_the_field() {
    let cases = [
        (
            json!({"data": [{"secretKey": "a"}]}),
            "spec.data[0]: missing field `remoteRef`",
        ),
        (
            json!({"data": [{"secretKey": "a", "remoteRef": {}}]}),
            "spec.data[0].remoteRef: missing field `key`",
        ),
        (
            json!({"refreshInterval": 5}),
            "spec.refreshInterval: invalid type: integer, expected a string",
        ),
        (
            json!({"dataFrom": {}}),
            "spec.dataFrom: invalid type: map, expected a sequence",
        ),
        (
            json!({"target": {"creationPolicy": 1}}),
            "spec.target.creationPolicy: invalid type: integer, expected a string",
        ),
        (
            json!("text"),
            "spec: invalid type: string, expected struct ExternalSecretSpec",
        ),
    ];
    for (value, message) in cases {
        assert_eq!(spec(value).unwrap_err(), message);
    }
}

#[test]
fn errors_hold_no_value() {
    for hidden in [
        json!("hunter2, expected \"x\""),
        json!(47_114_711),
        json!(3.25),
    ] {
        for value in [
            json!({"data": hidden}),
            json!({"data": [hidden]}),
            json!({"target": {"immutable": hidden}}),
        ] {
            let message = spec(value).unwrap_err();
            let leaks = ["hunter2", "4711", "3.25"]
                .iter()
                .any(|it| message.contains(it));
            assert!(!leaks && message.contains(", expected "), "{message}");
        }
    }
}

#[test]
fn errors_name_the_field_of_a_provider() {
    let decoded =
        decode::<SecretStoreSpec>(&json!({"provider": {"aws": {"service": "SecretsManager"}}}));
    let error = decoded.unwrap_err().below("spec").to_string();
    assert_eq!(error, "spec.provider.aws: missing field `region`");
    let decoded = decode::<SecretStoreSpec>(
        &json!({"provider": {"vault": {"server": "s", "auth": {"jwt": 1}}}}),
    );
    let error = decoded.unwrap_err().below("spec").to_string();
    assert!(
        error.starts_with("spec.provider.vault.auth.jwt: invalid type"),
        "{error}"
    );
    let decoded = decode::<SecretStoreSpec>(&json!({}));
    assert_eq!(decoded.unwrap_err().to_string(), "missing field `provider`");
}

#[test]
fn other_schemas_do_not_choke() {
    let spec = spec(json!({
        "unknown": {"deep": [1]},
        "secretStoreRef": null,
        "refreshPolicy": "Sometimes",
        "target": {"creationPolicy": "", "deletionPolicy": "Burn", "template": null},
        "data": null,
        "dataFrom": [{"extract": {"key": "k", "new": true, "conversionStrategy": "Rot13"}}],
    }))
    .unwrap();
    assert_eq!(
        spec.refresh_policy(),
        RefreshPolicy::Other("Sometimes".to_owned())
    );
    assert_eq!(spec.refresh_policy().unknown(), Some("Sometimes"));
    assert_eq!(spec.creation_policy(), CreationPolicy::Owner);
    assert_eq!(spec.deletion_policy().as_str(), "Burn");
    assert!(spec.data.is_empty());
    let written = serde_json::to_value(&spec).unwrap();
    assert_eq!(
        written["dataFrom"][0]["extract"]["conversionStrategy"],
        "Rot13"
    );
    assert!(decode::<ExternalSecretSpec>(&Value::Null).is_ok());
}

#[test]
fn another_provider_keeps_its_name_and_content() {
    let value = json!({"provider": {"gitlab": {"url": "x"}}});
    let store: SecretStoreSpec = decode(&value).unwrap();
    assert_eq!(store.provider.names(), ["gitlab"]);
    assert_eq!(serde_json::to_value(&store).unwrap(), value);
}

#[test]
fn effective_defaults() {
    let empty = spec(json!({})).unwrap();
    assert_eq!(empty.refresh_policy(), RefreshPolicy::Periodic);
    assert_eq!(empty.refresh_interval(), Ok(GoDuration::HOUR));
    assert_eq!(empty.creation_policy(), CreationPolicy::Owner);
    assert_eq!(empty.deletion_policy(), DeletionPolicy::Retain);
    assert_eq!(empty.target_name("own"), "own");
    let named = spec(json!({"target": {"name": "t"}, "secretStoreRef": {"name": "s"}, "data": [
        {"secretKey": "a", "remoteRef": {"key": "k"}, "sourceRef": {"storeRef": {"name": "s", "kind": "ClusterSecretStore"}}},
        {"secretKey": "b", "remoteRef": {"key": "k"}, "sourceRef": {"storeRef": {"name": "s", "kind": "SecretStore"}}},
    ]}))
    .unwrap();
    assert_eq!(named.target_name("own"), "t");
    let stores: Vec<_> = named
        .stores()
        .into_iter()
        .map(|it| (it.kind(), it.name()))
        .collect();
    assert_eq!(
        stores,
        [
            (StoreKind::SecretStore, "s"),
            (StoreKind::ClusterSecretStore, "s")
        ]
    );
    let store = |interval: Value| {
        let spec = json!({"provider": {}, "refreshInterval": interval});
        decode::<SecretStoreSpec>(&spec).unwrap().refresh_interval()
    };
    assert_eq!(store(json!(60)), Ok(Some(GoDuration::from_secs(60))));
    assert_eq!(store(json!("0s")), Ok(None));
    assert_eq!(store(Value::Null), Ok(None));
}

#[test]
fn namespaces_that_a_cluster_store_admits() {
    let labels = [("team".to_owned(), "a".to_owned())].into();
    let allows = |conditions: Value, namespace: &str| {
        let spec = json!({"provider": {}, "conditions": conditions});
        decode::<SecretStoreSpec>(&spec)
            .unwrap()
            .allows(namespace, &labels)
    };
    assert_eq!(allows(json!([]), "x"), Ok(true));
    assert_eq!(allows(json!([{}]), "x"), Ok(false));
    assert_eq!(allows(json!([{"namespaceSelector": {}}]), "x"), Ok(true));
    assert_eq!(
        allows(
            json!([{"namespaceSelector": {"matchLabels": {"team": "b"}}}]),
            "x"
        ),
        Ok(false)
    );
    assert_eq!(
        allows(json!([{"namespaces": ["y"]}, {"namespaces": ["x"]}]), "x"),
        Ok(true)
    );
    assert_eq!(
        allows(json!([{"namespaceRegexes": ["ro"]}]), "production"),
        Ok(true)
    );
    assert_eq!(
        allows(json!([{"namespaceRegexes": ["^ro"]}]), "production"),
        Ok(false)
    );
    assert!(allows(json!([{"namespaceRegexes": ["["]}]), "x").is_err());
}

#[test]
fn label_selectors() {
    let labels = [("a".to_owned(), "1".to_owned())].into();
    let matches = |key: &str, operator: &str, values: &[&str]| {
        let requirement = json!({"key": key, "operator": operator, "values": values});
        let selector: LabelSelector = decode(&json!({"matchExpressions": [requirement]})).unwrap();
        selector.matches(&labels)
    };
    assert!(
        matches("a", "In", &["1", "2"])
            && !matches("a", "In", &["2"])
            && !matches("b", "In", &["1"])
    );
    assert!(
        matches("a", "NotIn", &["2"])
            && matches("b", "NotIn", &["1"])
            && !matches("a", "NotIn", &["1"])
    );
    assert!(matches("a", "Exists", &[]) && !matches("b", "Exists", &[]));
    assert!(matches("b", "DoesNotExist", &[]) && !matches("a", "DoesNotExist", &[]));
    assert!(!matches("a", "Near", &["1"]));
}

/// JSON of any shape, with the API's own names often enough to reach the types.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "\\PC{0,8}".prop_map(Value::from),
    ];
    let names = prop::sample::select(vec![
        "data",
        "dataFrom",
        "target",
        "template",
        "provider",
        "aws",
        "vault",
        "auth",
        "jwt",
        "remoteRef",
        "sourceRef",
        "extract",
        "key",
        "name",
        "namespace",
        "conditions",
        "refreshInterval",
        "x",
    ]);
    leaf.prop_recursive(6, 48, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(names.clone(), inner, 0..4).prop_map(|map| Value::Object(
                map.into_iter().map(|(k, v)| (k.to_owned(), v)).collect()
            )),
        ]
    })
}

proptest! {
    #[test]
    fn any_object_is_decoded_or_refused_and_what_decodes_is_judged(value in any_json()) {
        if let Ok(spec) = decode::<ExternalSecretSpec>(&value) {
            let again: ExternalSecretSpec = decode(&serde_json::to_value(&spec).unwrap()).unwrap();
            prop_assert_eq!(&again, &spec);
            prop_assert_eq!(validate(&again), validate(&spec));
        }
        if let Ok(spec) = decode::<SecretStoreSpec>(&value) {
            let again: SecretStoreSpec = decode(&serde_json::to_value(&spec).unwrap()).unwrap();
            prop_assert_eq!(validate_store(&again, Some("n")), validate_store(&spec, Some("n")));
        }
    }
}

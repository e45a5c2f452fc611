use std::sync::LazyLock;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{ListType, Schema};

fn recorded() -> Value {
    serde_json::from_str(include_str!("recorded.json")).unwrap()
}

fn recorded_schema() -> &'static Schema {
    static SCHEMA: LazyLock<Schema> =
        LazyLock::new(|| Schema::parse(&recorded()["schema"]).unwrap());
    &SCHEMA
}

fn object(spec: &Value) -> Value {
    json!({"apiVersion": "x.io/v1", "kind": "Test", "metadata": {"name": "t"}, "spec": spec})
}

/// Every case was answered by a real kube-apiserver; see `origin` in the file.
#[test]
fn answers_as_the_real_server() {
    let file = recorded();
    let schema = recorded_schema();
    for case in file["cases"].as_array().unwrap() {
        let mut value = object(&case["spec"]);
        schema.prune(&mut value);
        schema.default(&mut value);
        let mut found: Vec<Value> = schema
            .validate(&value, None)
            .into_iter()
            .map(|error| json!([error.field, error.reason, error.message]))
            .collect();
        let mut expected = case["causes"].as_array().cloned().unwrap_or_default();
        // The real server walks Go maps: the order of sibling fields is its own accident.
        found.sort_by_key(Value::to_string);
        expected.sort_by_key(Value::to_string);
        assert_eq!(found, expected, "{}", case["spec"]);
        if case.get("causes").is_none() {
            assert_eq!(
                value.get("spec").unwrap_or(&Value::Null),
                &case["stored"],
                "{}",
                case["spec"]
            );
        }
    }
}

#[test]
fn unknown_fields_in_the_servers_order() {
    let schema = recorded_schema();
    let mut value = object(&json!({
        "req": "a", "foo": 1, "lm": [{"name": "a", "port": 1, "zz": 1}],
        "puf": {"q": 1, "k": {"y": 1}},
        "er": {"apiVersion": "v1", "kind": "X", "metadata": {"name": "a", "foo": 1}, "spec": {"a": 1}},
    }));
    let expected = [
        "spec.foo",
        "spec.lm[0].zz",
        "spec.puf.k.y",
        "spec.er.metadata.foo",
    ];
    assert_eq!(schema.unknown_fields(&value), expected);
    assert_eq!(schema.prune(&mut value), expected);
    assert_eq!(
        value["spec"],
        json!({
            "req": "a", "lm": [{"name": "a", "port": 1}], "puf": {"q": 1, "k": {}},
            "er": {"apiVersion": "v1", "kind": "X", "metadata": {"name": "a"}, "spec": {"a": 1}},
        })
    );
}

#[test]
fn rules_on_updates_and_at_the_root() {
    let schema = recorded_schema();
    let old = object(&json!({"req": "a", "imm": "1", "oos": "1"}));
    let new = object(&json!({"req": "a", "imm": "2", "oos": "2"}));
    let texts = |value: &Value, old: Option<&Value>| -> Vec<String> {
        schema
            .validate(value, old)
            .iter()
            .map(ToString::to_string)
            .collect()
    };
    assert_eq!(texts(&old, None), Vec::<String>::new());
    assert_eq!(texts(&old, Some(&old)), Vec::<String>::new());
    assert_eq!(
        texts(&new, Some(&old)),
        [
            "spec.imm: Invalid value: \"2\": immutable",
            "spec.oos: Invalid value: \"2\": oimmutable"
        ]
    );
    let mut bad = old.clone();
    bad["metadata"]["name"] = "badname".into();
    assert_eq!(texts(&bad, None), ["<nil>: Invalid value: no badname"]);
}

#[test]
fn rules_see_types() {
    let schema = Schema::parse(&json!({"type": "object", "properties": {"a": {
        "x-kubernetes-int-or-string": true,
        "x-kubernetes-validations": [
            {"rule": "type(self) == string || self >= 0", "message": "must not be negative"},
        ],
    }, "t": {
        "type": "string", "format": "date-time",
        "x-kubernetes-validations": [{"rule": "self > timestamp('2026-01-01T00:00:00Z')", "message": "too old"}],
    }}}))
    .unwrap();
    let texts = |value: Value| -> Vec<String> {
        schema
            .validate(&value, None)
            .iter()
            .map(ToString::to_string)
            .collect()
    };
    assert_eq!(
        texts(json!({"a": 1, "t": "2026-05-01T00:00:00Z"})),
        Vec::<String>::new()
    );
    assert_eq!(texts(json!({"a": "x"})), Vec::<String>::new());
    assert_eq!(
        texts(json!({"a": -1})),
        ["a: Invalid value: -1: must not be negative"]
    );
    assert_eq!(
        texts(json!({"t": "2025-05-01T00:00:00Z"})),
        ["t: Invalid value: \"2025-05-01T00:00:00Z\": too old"]
    );
}

/// Texts of kube-apiserver v1.37.2, after `CustomResourceDefinition… is invalid: `.
#[test]
fn refuses_what_is_not_structural() {
    let a = "spec.validation.openAPIV3Schema.properties[spec].properties[a]";
    let cases = [
        (
            json!({}),
            ".type: Required value: must not be empty for specified object fields",
        ),
        (
            json!({"type": "array"}),
            ".items: Required value: must be specified",
        ),
        (
            json!({"type": "object", "anyOf": [{"type": "object"}]}),
            ".anyOf[0].type: Forbidden: must be empty to be structural",
        ),
        (
            json!({"type": "object", "anyOf": [{"description": "q", "required": ["z"]}]}),
            ".anyOf[0].description: Forbidden: must be empty to be structural",
        ),
        (
            json!({"type": "object", "properties": {"q": {"type": "string"}}, "additionalProperties": {"type": "string"}}),
            ".additionalProperties: Forbidden: additionalProperties and properties are mutual exclusive",
        ),
        (
            json!({"type": "string", "default": 1}),
            ".default: Invalid value: \"integer\":  in body must be of type string: \"integer\"",
        ),
        (
            json!({"type": "foo"}),
            ".type: Unsupported value: \"foo\": supported values: \"array\", \"boolean\", \"integer\", \"number\", \"object\", \"string\"",
        ),
        (
            json!({"type": "array", "uniqueItems": true, "items": {"type": "string"}}),
            ".uniqueItems: Forbidden: uniqueItems cannot be set to true since the runtime complexity becomes quadratic",
        ),
        (
            json!({"type": "array", "x-kubernetes-list-type": "map", "items": {"type": "object"}}),
            ".x-kubernetes-list-map-keys: Required value: must not be empty if x-kubernetes-list-type is map",
        ),
        (
            json!({"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"],
                   "items": {"type": "object", "properties": {"k": {"type": "string"}}}}),
            ".items.properties[k].default: Required value: this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property",
        ),
        (
            json!({"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "object"}}),
            ".items.x-kubernetes-map-type: Invalid value: null: must be atomic as item of a list with x-kubernetes-list-type=set",
        ),
        (
            json!({"type": "array", "items": [{"type": "string"}]}),
            ".items: Forbidden: items must be a schema object and not an array",
        ),
        (
            json!({"type": "string", "x-kubernetes-validations": [{"rule": "a ||\n b"}]}),
            ".x-kubernetes-validations[0].message: Required value: message must be specified if rule contains line breaks",
        ),
    ];
    for (raw, expected) in cases {
        let schema = json!({"type": "object", "properties": {"spec": {"type": "object", "properties": {"a": raw}}}});
        assert_eq!(
            Schema::parse(&schema).unwrap_err(),
            format!("{a}{expected}")
        );
    }
    for (raw, expected) in [
        (
            json!({}),
            "spec.validation.openAPIV3Schema.type: Required value: must not be empty at the root",
        ),
        (
            json!({"type": "string"}),
            "spec.validation.openAPIV3Schema.type: Invalid value: \"string\": must be object at the root",
        ),
        (
            json!({"type": "object", "properties": {"metadata": {"type": "object", "properties": {"labels": {"type": "string"}}}}}),
            "spec.validation.openAPIV3Schema.properties[metadata]: Forbidden: must not specify anything other than name and generateName, but metadata is implicitly specified",
        ),
    ] {
        assert_eq!(Schema::parse(&raw).unwrap_err(), expected);
    }
    for accepted in [
        json!({"x-kubernetes-int-or-string": true, "type": "string"}),
        json!({"type": "object", "additionalProperties": false}),
        json!({"x-kubernetes-int-or-string": true, "anyOf": [{"type": "integer"}, {"type": "string"}]}),
    ] {
        let schema = json!({"type": "object", "properties": {"a": accepted}});
        assert!(Schema::parse(&schema).is_ok(), "{schema}");
    }
}

#[test]
fn hostile_schemas_are_refused_without_deep_recursion() {
    let mut raw = json!({"type": "string"});
    for _ in 0..120 {
        raw = json!({"type": "object", "properties": {"a": raw}});
    }
    assert!(
        Schema::parse(&raw)
            .unwrap_err()
            .contains("nested too deeply")
    );
    let rule = format!("{}true{}", "(".repeat(5000), ")".repeat(5000));
    let raw = json!({"type": "object", "x-kubernetes-validations": [{"rule": rule}]});
    assert!(
        Schema::parse(&raw)
            .unwrap_err()
            .contains("too long or nested too deeply")
    );
}

#[test]
fn errors_are_bounded() {
    let schema = recorded_schema();
    let value = object(&json!({"req": "a", "atl": vec![1; 10_000]}));
    assert!(schema.validate(&value, None).len() <= 101);
}

#[test]
fn navigation() {
    let schema = recorded_schema();
    let list = schema.at(&["spec", "lm"]).unwrap();
    assert_eq!(
        list.list_type(),
        &ListType::Map(vec!["name".into(), "port".into()])
    );
    assert_eq!(
        schema
            .at(&["spec", "lm", "[]", "v"])
            .unwrap()
            .default_value(),
        Some(&json!("vd"))
    );
    assert!(schema.at(&["spec", "atm"]).unwrap().is_atomic_map());
    assert!(schema.at(&["spec", "nothing"]).is_none());
}

/// Values of every shape, with the schema's own names likely.
fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[a-zA-Z0-9.é\"\\\\]{0,6}".prop_map(Value::from),
    ];
    let names = prop_oneof![
        proptest::sample::select(vec![
            "spec", "metadata", "lm", "set", "puf", "er", "mp", "sub", "one", "i", "s", "name",
            "port", "dt", "k",
        ])
        .prop_map(str::to_owned),
        "[a-z._-]{0,5}",
    ];
    leaf.prop_recursive(5, 48, 5, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            proptest::collection::btree_map(names.clone(), inner, 0..5)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn any_value_is_handled(value in any_value(), old in proptest::option::of(any_value())) {
        let schema = recorded_schema();
        for mut value in [value.clone(), object(&value)] {
            let mut unknown = schema.unknown_fields(&value);
            let dropped = schema.prune(&mut value);
            prop_assert_eq!(&unknown, &dropped);
            unknown = schema.prune(&mut value);
            prop_assert!(unknown.is_empty(), "pruning twice dropped {:?}", unknown);
            schema.default(&mut value);
            let once = value.clone();
            schema.default(&mut value);
            prop_assert_eq!(&once, &value);
            let _ = schema.validate(&value, old.as_ref());
        }
    }

    #[test]
    fn any_schema_is_parsed_or_refused(raw in any_value()) {
        let _ = Schema::parse(&json!({"type": "object", "properties": raw, "x-kubernetes-validations": [raw]}));
        let _ = Schema::parse(&raw);
    }
}

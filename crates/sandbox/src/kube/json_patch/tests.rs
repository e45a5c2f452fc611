use proptest::prelude::*;
use serde_json::{Value, json};

use super::{PatchError, apply};

#[test]
fn operations() {
    let cases = [
        // RFC 6902, appendix A.
        (
            json!({"foo": "bar"}),
            json!([{"op": "add", "path": "/baz", "value": "qux"}]),
            json!({"baz": "qux", "foo": "bar"}),
        ),
        (
            json!({"foo": ["bar", "baz"]}),
            json!([{"op": "add", "path": "/foo/1", "value": "qux"}]),
            json!({"foo": ["bar", "qux", "baz"]}),
        ),
        (
            json!({"baz": "qux", "foo": "bar"}),
            json!([{"op": "remove", "path": "/baz"}]),
            json!({"foo": "bar"}),
        ),
        (
            json!({"foo": ["bar", "qux", "baz"]}),
            json!([{"op": "remove", "path": "/foo/1"}]),
            json!({"foo": ["bar", "baz"]}),
        ),
        (
            json!({"baz": "qux"}),
            json!([{"op": "replace", "path": "/baz", "value": "boo"}]),
            json!({"baz": "boo"}),
        ),
        (
            json!({"foo": {"bar": "baz", "waldo": "fred"}, "qux": {"corge": "grault"}}),
            json!([{"op": "move", "from": "/foo/waldo", "path": "/qux/thud"}]),
            json!({"foo": {"bar": "baz"}, "qux": {"corge": "grault", "thud": "fred"}}),
        ),
        (
            json!({"foo": ["all", "grass", "cows", "eat"]}),
            json!([{"op": "move", "from": "/foo/1", "path": "/foo/3"}]),
            json!({"foo": ["all", "cows", "eat", "grass"]}),
        ),
        (
            json!({"baz": "qux", "foo": ["a", 2]}),
            json!([{"op": "test", "path": "/foo/1", "value": 2.0}]),
            json!({"baz": "qux", "foo": ["a", 2]}),
        ),
        (
            json!({"/": 9, "~1": 10}),
            json!([{"op": "test", "path": "/~01", "value": 10}]),
            json!({"/": 9, "~1": 10}),
        ),
        (
            json!({"foo": ["bar"]}),
            json!([{"op": "add", "path": "/foo/-", "value": ["abc"]}]),
            json!({"foo": ["bar", ["abc"]]}),
        ),
        (
            json!({"a": 1}),
            json!([{"op": "copy", "from": "/a", "path": "/b"}]),
            json!({"a": 1, "b": 1}),
        ),
        (
            json!({"a": 1}),
            json!([{"op": "add", "path": "", "value": 2}]),
            json!(2),
        ),
        (
            json!({"a/b": 1}),
            json!([{"op": "remove", "path": "/a~1b"}]),
            json!({}),
        ),
        (
            json!({"a": [1, 2]}),
            json!([{"op": "remove", "path": "/a/-1"}]),
            json!({"a": [1]}),
        ),
        (
            json!({}),
            json!([{"op": "test", "path": "/none", "value": null}]),
            json!({}),
        ),
    ];
    for (mut value, patch, expected) in cases {
        apply(&mut value, &patch).unwrap();
        assert_eq!(value, expected, "{patch}");
    }
}

#[test]
fn errors_leave_the_value_alone() {
    let original = json!({"a": {"b": [1]}});
    for (patch, malformed) in [
        (
            json!([{"op": "add", "path": "/x", "value": 1}, {"op": "remove", "path": "/nope"}]),
            false,
        ),
        (
            json!([{"op": "replace", "path": "/a/c", "value": 1}]),
            false,
        ),
        (json!([{"op": "add", "path": "/a/b/2", "value": 1}]), false),
        (json!([{"op": "add", "path": "/a/b/01", "value": 1}]), false),
        (
            json!([{"op": "add", "path": "/a/b/0/c", "value": 1}]),
            false,
        ),
        (json!([{"op": "add", "path": "a", "value": 1}]), true),
        (json!([{"op": "add", "path": "/a"}]), true),
        (json!([{"op": "jump", "path": "/a"}]), true),
        (json!([{"op": "move", "from": "/a", "path": "/a/b"}]), true),
        (json!({"op": "add"}), true),
        (json!([1]), true),
    ] {
        let mut value = original.clone();
        let error = apply(&mut value, &patch).unwrap_err();
        assert_eq!(
            matches!(error, PatchError::Malformed(_)),
            malformed,
            "{patch}: {error}"
        );
        assert_eq!(value, original);
    }
    let mut value = original.clone();
    let error = apply(
        &mut value,
        &json!([{"op": "test", "path": "/a", "value": 1}]),
    )
    .unwrap_err();
    assert_eq!(error, PatchError::TestFailed { path: "/a".into() });
}

#[test]
fn doubling_copies_are_stopped() {
    let mut value = json!({"a": ["x".repeat(1000)]});
    let double = json!({"op": "copy", "from": "/a", "path": "/a/-"});
    let error = apply(&mut value, &Value::from(vec![double; 40])).unwrap_err();
    assert!(matches!(error, PatchError::TooLarge(_)));
}

proptest! {
    #[test]
    fn never_panics(
        operations in proptest::collection::vec(
            ("add|remove|replace|move|copy|test|x", "(/(a|b|0|1|-|-1|~1|99999999999999999999))*", "(/(a|0|-))*"),
            0..6,
        )
    ) {
        let patch: Vec<Value> = operations
            .into_iter()
            .map(|(op, path, from)| json!({"op": op, "path": path, "from": from, "value": {"a": [1]}}))
            .collect();
        let original = json!({"a": {"b": [1, [2]]}, "b": [{"a": 1}]});
        let mut value = original.clone();
        if apply(&mut value, &Value::from(patch)).is_err() {
            prop_assert_eq!(value, original);
        }
    }

    #[test]
    fn add_then_remove_returns(key in "[a-z/~]{1,5}") {
        let escaped = format!("/{}", key.replace('~', "~0").replace('/', "~1"));
        let original = json!({"Z": 1});
        let mut value = original.clone();
        apply(&mut value, &json!([{"op": "add", "path": escaped, "value": 2}])).unwrap();
        prop_assert_eq!(value.get(&key), Some(&json!(2)));
        apply(&mut value, &json!([{"op": "remove", "path": escaped}])).unwrap();
        prop_assert_eq!(value, original);
    }
}

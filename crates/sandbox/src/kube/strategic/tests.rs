use proptest::prelude::*;
use serde_json::{Value, json};

use super::{PatchError, apply};

#[test]
fn patches() {
    let containers = |names: &[&str]| -> Value {
        names
            .iter()
            .map(|name| json!({"name": name, "image": "i"}))
            .collect()
    };
    let cases = [
        (
            "maps merge, null deletes",
            json!({"metadata": {"labels": {"a": "1", "b": "2"}}}),
            json!({"metadata": {"labels": {"a": null, "c": "3"}}}),
            json!({"metadata": {"labels": {"b": "2", "c": "3"}}}),
        ),
        (
            "containers merge by name",
            json!({"spec": {"containers": containers(&["a", "b"])}}),
            json!({"spec": {"containers": [{"name": "b", "image": "j"}, {"name": "c"}]}}),
            json!({"spec": {"containers": [{"name": "a", "image": "i"}, {"name": "b", "image": "j"}, {"name": "c"}]}}),
        ),
        (
            "$patch: delete removes an item",
            json!({"spec": {"containers": containers(&["a", "b"])}}),
            json!({"spec": {"containers": [{"name": "a", "$patch": "delete"}]}}),
            json!({"spec": {"containers": containers(&["b"])}}),
        ),
        (
            "$patch: replace replaces a list",
            json!({"spec": {"containers": containers(&["a", "b"])}}),
            json!({"spec": {"containers": [{"name": "x"}, {"$patch": "replace"}]}}),
            json!({"spec": {"containers": [{"name": "x"}]}}),
        ),
        (
            "$patch: replace replaces a map",
            json!({"metadata": {"labels": {"a": "1"}}}),
            json!({"metadata": {"labels": {"$patch": "replace", "b": "2"}}}),
            json!({"metadata": {"labels": {"b": "2"}}}),
        ),
        (
            "$patch: delete removes a map",
            json!({"metadata": {"labels": {"a": "1"}, "name": "n"}}),
            json!({"metadata": {"labels": {"$patch": "delete"}}}),
            json!({"metadata": {"name": "n"}}),
        ),
        (
            "$retainKeys keeps the named keys",
            json!({"spec": {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}}}),
            json!({"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}}),
            json!({"spec": {"strategy": {"type": "Recreate"}}}),
        ),
        (
            "finalizers unite and shrink",
            json!({"metadata": {"finalizers": ["a", "b"]}}),
            json!({"metadata": {"finalizers": ["c", "a"], "$deleteFromPrimitiveList/finalizers": ["b"]}}),
            json!({"metadata": {"finalizers": ["a", "c"]}}),
        ),
        (
            "$setElementOrder orders merged and untouched items",
            json!({"spec": {"containers": containers(&["a", "b", "c"])}}),
            json!({"spec": {"$setElementOrder/containers": [{"name": "c"}, {"name": "a"}], "containers": [{"name": "c", "image": "j"}]}}),
            json!({"spec": {"containers": [{"name": "c", "image": "j"}, {"name": "a", "image": "i"}, {"name": "b", "image": "i"}]}}),
        ),
        (
            "$setElementOrder alone",
            json!({"metadata": {"finalizers": ["a", "b"]}}),
            json!({"metadata": {"$setElementOrder/finalizers": ["b", "a"]}}),
            json!({"metadata": {"finalizers": ["b", "a"]}}),
        ),
        (
            "lists without a merge key are replaced",
            json!({"rules": [{"verbs": ["get"]}]}),
            json!({"rules": [{"verbs": ["list"]}]}),
            json!({"rules": [{"verbs": ["list"]}]}),
        ),
        (
            "ports of a container and of a service",
            json!({"spec": {"ports": [{"port": 80, "name": "a"}], "containers": [{"name": "a", "ports": [{"containerPort": 80, "name": "x"}]}]}}),
            json!({"spec": {"ports": [{"port": 80, "targetPort": 1}], "containers": [{"name": "a", "ports": [{"containerPort": 80, "hostPort": 2}]}]}}),
            json!({"spec": {"ports": [{"port": 80, "name": "a", "targetPort": 1}], "containers": [{"name": "a", "ports": [{"containerPort": 80, "name": "x", "hostPort": 2}]}]}}),
        ),
        (
            "nulls in new objects vanish",
            json!({}),
            json!({"data": {"a": null, "b": "1"}}),
            json!({"data": {"b": "1"}}),
        ),
    ];
    for (what, mut value, patch, expected) in cases {
        apply(&mut value, &patch).unwrap();
        assert_eq!(value, expected, "{what}");
    }
}

#[test]
fn refusals_leave_the_value_alone() {
    let original = json!({"spec": {"containers": [{"name": "a"}]}});
    for (patch, text) in [
        (json!([]), "expected an object"),
        (
            json!({"spec": {"containers": [{"image": "i"}]}}),
            "does not contain declared merge key: name",
        ),
        (json!({"spec": {"containers": ["a"]}}), "must be objects"),
        (
            json!({"spec": {"$patch": "explode"}}),
            "Unknown patch type found: explode",
        ),
        (
            json!({"spec": {"$setElementOrder/containers": 1}}),
            "must be a list",
        ),
        (
            json!({"metadata": {"$retainKeys": [{}]}}),
            "must be a list of scalars",
        ),
    ] {
        let mut value = original.clone();
        let error: PatchError = apply(&mut value, &patch).unwrap_err();
        assert!(error.to_string().contains(text), "{patch}: {error}");
        assert_eq!(value, original);
    }
}

fn any_object() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        "[a-c]".prop_map(Value::from),
        (0..3).prop_map(Value::from)
    ];
    let names = proptest::sample::select(vec![
        "spec",
        "metadata",
        "containers",
        "name",
        "ports",
        "finalizers",
        "labels",
        "$patch",
        "$retainKeys",
        "$setElementOrder/containers",
        "$deleteFromPrimitiveList/finalizers",
        "containerPort",
    ]);
    leaf.prop_recursive(5, 40, 4, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map(names.clone().prop_map(str::to_owned), inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn any_patch_is_applied_or_refused(value in any_object(), patch in any_object()) {
        let mut patched = value.clone();
        if apply(&mut patched, &patch).is_err() {
            prop_assert_eq!(patched, value);
        }
    }

    #[test]
    fn an_empty_patch_changes_no_object(value in any_object()) {
        let mut patched = value.clone();
        apply(&mut patched, &json!({})).unwrap();
        if value.is_object() {
            prop_assert_eq!(patched, value);
        }
    }
}

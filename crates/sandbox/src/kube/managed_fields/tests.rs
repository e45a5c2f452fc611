use std::sync::LazyLock;
use std::time::Instant;

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::{apply, check, conflict_message, update};
use crate::kube::schema::Schema;

fn schema() -> &'static Schema {
    static SCHEMA: LazyLock<Schema> = LazyLock::new(|| {
        let file: Value = serde_json::from_str(include_str!("../schema/recorded.json")).unwrap();
        Schema::parse(&file["schema"]).unwrap()
    });
    &SCHEMA
}

fn managed(object: &Value) -> Value {
    object
        .pointer("/metadata/managedFields")
        .cloned()
        .unwrap_or(json!([]))
}

fn without_managed(object: &Value) -> Value {
    let mut object = object.clone();
    object["metadata"]
        .as_object_mut()
        .unwrap()
        .remove("managedFields");
    object
}

/// Every step was answered by a real kube-apiserver; see `origin` in the file.
#[test]
fn owns_as_the_real_server() {
    let file: Value = serde_json::from_str(include_str!("recorded.json")).unwrap();
    let schema = schema();
    for step in file["steps"].as_array().unwrap() {
        let what = &step["what"];
        let before = Some(&step["before"]).filter(|before| !before.is_null());
        let kind = step
            .pointer("/after/kind")
            .or_else(|| step.pointer("/before/kind"))
            .unwrap();
        let schema = (kind == "Test").then_some(schema);
        let manager = step["manager"].as_str().unwrap();
        let subresource = step["subresource"].as_str();
        let after = step.get("after");
        if step["op"] == "update" {
            let after = after.unwrap();
            let mut new = without_managed(after);
            if what == "a reset clears" {
                new["metadata"]["managedFields"] = json!([{}]);
            }
            update(before, &mut new, manager, subresource, schema, "T");
            assert_eq!(managed(&new), managed(after), "{what}");
            continue;
        }
        let force = step["force"] == true;
        match apply(
            before,
            &step["applied"],
            manager,
            force,
            schema,
            subresource,
            "T",
        ) {
            Ok(mut merged) => {
                let after = after.unwrap_or_else(|| panic!("{what}: the real server refused"));
                assert_eq!(managed(&merged), managed(after), "{what}");
                if let Some(schema) = schema {
                    schema.default(&mut merged);
                }
                if before.is_none() {
                    merged["metadata"]["namespace"] = "default".into();
                }
                assert_eq!(without_managed(&merged), without_managed(after), "{what}");
            }
            Err(conflicts) => {
                assert_eq!(conflict_message(&conflicts), step["message"], "{what}");
                let mut causes: Vec<Value> = conflicts
                    .iter()
                    .map(|conflict| json!([conflict.cause(), conflict.field]))
                    .collect();
                // The real server walks a Go map: the order of its causes is chance.
                let mut expected = step["causes"].as_array().unwrap().clone();
                causes.sort_by_key(Value::to_string);
                expected.sort_by_key(Value::to_string);
                assert_eq!(causes, expected, "{what}");
            }
        }
    }
}

/// Texts of kube-apiserver v1.37.2.
#[test]
fn refuses_what_cannot_be_typed() {
    let schema = schema();
    let patch = |spec: Value| json!({"apiVersion": "x.io/v1", "kind": "Test", "metadata": {"name": "u"}, "spec": spec});
    let prefix = "failed to create typed patch object (/u; x.io/v1, Kind=Test): ";
    for (spec, expected) in [
        (json!({"foo": 1}), ".spec.foo: field not declared in schema"),
        (
            json!({"set": ["a", "a"]}),
            ".spec.set: duplicate entries for key [=\"a\"]",
        ),
        (
            json!({"lm": [{"name": "a", "port": 1}, {"name": "a", "port": 1}]}),
            ".spec.lm: duplicate entries for key [name=\"a\",port=1]",
        ),
        (json!({"lm": "x"}), ".spec.lm: expected list, got &{x}"),
    ] {
        assert_eq!(
            check(&patch(spec), schema).unwrap_err(),
            format!("{prefix}{expected}")
        );
    }
    assert_eq!(
        check(
            &patch(json!({"req": "a", "puf": {"x": {"y": 1}}, "mp": {"k": "v"}})),
            schema
        ),
        Ok(())
    );
}

#[test]
fn many_updaters_are_united() {
    let mut object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"k": "0"}});
    update(None, &mut object, "m00", None, None, "2026-01-01T00:00:00Z");
    for index in 1..30 {
        let old = object.clone();
        object["data"][format!("k{index}")] = "x".into();
        update(
            Some(&old),
            &mut object,
            &format!("m{index:02}"),
            None,
            None,
            &format!("2026-01-01T00:00:{index:02}Z"),
        );
    }
    let entries = managed(&object);
    assert_eq!(entries.as_array().unwrap().len(), 10);
    assert_eq!(entries[0]["manager"], "ancient-changes");
    assert_eq!(entries[9]["manager"], "m29");
}

#[test]
fn tracking_a_write_is_cheap() {
    let data: Map<String, Value> = (0..20)
        .map(|index| (format!("key-{index}"), json!("v".repeat(40))))
        .collect();
    let mut old = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "labels": {"a": "b"}}, "data": data});
    update(None, &mut old, "one", None, None, "T");
    let mut new = old.clone();
    new["data"]["key-3"] = "changed".into();
    let start = Instant::now();
    for _ in 0..200 {
        update(Some(&old), &mut new.clone(), "two", None, None, "T");
    }
    let each = start.elapsed() / 200;
    assert!(
        each.as_millis() < 5,
        "{each:?} in an unoptimised build on a loaded machine"
    );
}

#[test]
fn garbage_in_managed_fields_is_dropped() {
    let mut object = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "data": {"a": "1"},
        "metadata": {"name": "c", "managedFields": [
            1, {"operation": "Jump"}, {"operation": "Update", "manager": "m", "fieldsV1": {"x:": 1, "k:{": {}, "f:data": {"f:a": 3}}},
        ]},
    });
    let old = object.clone();
    object["data"]["a"] = "2".into();
    update(Some(&old), &mut object, "n", None, None, "T");
    let entries = managed(&object);
    assert_eq!(entries.as_array().unwrap().len(), 1);
    assert_eq!(entries[0]["manager"], "n");
}

/// Specs of the recorded schema, valid or nearly so.
fn any_spec() -> impl Strategy<Value = Value> {
    let name = || proptest::sample::select(vec!["a", "b", "c"]);
    let item = (name(), 0..2, proptest::option::of(name()))
        .prop_map(|(name, port, v)| json!({"name": name, "port": port, "v": v.unwrap_or("vd")}));
    let fields = (
        proptest::option::of(proptest::collection::vec(item, 0..4)),
        proptest::option::of(proptest::collection::btree_set(name(), 0..3)),
        proptest::option::of(proptest::collection::btree_map(name(), name(), 0..3)),
        proptest::option::of(proptest::collection::vec(name(), 0..3)),
        proptest::option::of(prop_oneof![
            Just(json!({})),
            name().prop_map(|name| json!({name: {"x": [1, {"y": 2}]}})),
            (name(), 0..3).prop_map(|(name, value)| json!({name: value, "q": {name: 1}})),
        ]),
    );
    fields.prop_map(|(lm, set, mp, atl, puf)| {
        let mut spec = json!({"req": "x"});
        let mut put = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                spec[name] = value;
            }
        };
        put(
            "lm",
            lm.map(|mut items| {
                items.sort_by_key(|item| item["name"].to_string() + &item["port"].to_string());
                items.dedup_by_key(|item| item["name"].to_string() + &item["port"].to_string());
                Value::from(items)
            }),
        );
        put("set", set.map(|set| set.into_iter().collect()));
        put("mp", mp.map(|map| json!(map)));
        put("atl", atl.map(Value::from));
        put("puf", puf);
        spec
    })
}

fn object(spec: &Value) -> Value {
    json!({"apiVersion": "x.io/v1", "kind": "Test", "metadata": {"name": "t"}, "spec": spec})
}

/// Without empty containers: removing the last entry may leave one.
fn content(value: &Value) -> Value {
    match value {
        Value::Object(map) => map
            .iter()
            .map(|(name, child)| (name.clone(), content(child)))
            .filter(|(_, child)| {
                !matches!(child, Value::Object(map) if map.is_empty()) && *child != json!([])
            })
            .collect::<Map<_, _>>()
            .into(),
        other => other.clone(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn apply_is_idempotent(spec in any_spec()) {
        let schema = schema();
        let once = apply(None, &object(&spec), "one", false, Some(schema), None, "T").unwrap();
        let twice = apply(Some(&once), &object(&spec), "one", false, Some(schema), None, "U").unwrap();
        prop_assert_eq!(&twice, &once);
        prop_assert_eq!(&once["spec"], &spec);
    }

    #[test]
    fn apply_then_remove_returns_to_the_base(base in any_spec(), more in any_spec()) {
        let schema = schema();
        let first = apply(None, &object(&base), "base", false, Some(schema), None, "T").unwrap();
        // Only what does not conflict can be taken back without a trace.
        let Ok(second) = apply(Some(&first), &object(&more), "more", false, Some(schema), None, "T") else {
            return Ok(());
        };
        let nothing = json!({"apiVersion": "x.io/v1", "kind": "Test", "metadata": {"name": "t"}});
        let third = apply(Some(&second), &nothing, "more", false, Some(schema), None, "T").unwrap();
        prop_assert_eq!(managed(&third), managed(&first));
        let sorted = |object: &Value| {
            let mut spec = content(&object["spec"]);
            for list in ["lm", "set"] {
                if let Some(Value::Array(items)) = spec.get_mut(list) {
                    items.sort_by_key(Value::to_string);
                }
            }
            spec
        };
        prop_assert_eq!(sorted(&third), sorted(&first));
    }

    #[test]
    fn forced_values_win(base in any_spec(), more in any_spec()) {
        let schema = schema();
        let first = apply(None, &object(&base), "base", false, Some(schema), None, "T").unwrap();
        let second = apply(Some(&first), &object(&more), "more", true, Some(schema), None, "T").unwrap();
        // Whoever applies the same again finds nothing to do and no conflict.
        let again = apply(Some(&second), &object(&more), "more", false, Some(schema), None, "U");
        prop_assert_eq!(again.unwrap(), second);
    }

    #[test]
    fn ownership_survives_any_update(before in any_spec(), after in any_spec()) {
        let schema = schema();
        let mut old = object(&before);
        update(None, &mut old, "one", None, Some(schema), "T");
        let mut new = object(&after);
        update(Some(&old), &mut new, "two", None, Some(schema), "T");
        // Whatever is there is owned: a third party's different value conflicts.
        let mut claim = object(&json!({"req": "other"}));
        claim["spec"]["atl"] = json!(["other"]);
        let conflicts = apply(Some(&new), &claim, "three", false, Some(schema), None, "T").unwrap_err();
        prop_assert_eq!(conflicts.iter().any(|conflict| conflict.field == ".spec.atl"), after.get("atl").is_some());
        prop_assert!(conflicts.iter().any(|conflict| conflict.field == ".spec.req"));
    }
}

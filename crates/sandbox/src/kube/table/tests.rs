use proptest::prelude::*;
use serde_json::{Value, json};

use super::{IncludeObject, JsonPath, Table};

/// Every row was rendered by a real kube-apiserver; see `origin` in the file.
#[test]
fn renders_as_the_real_server() {
    let file: Value = serde_json::from_str(include_str!("recorded.json")).unwrap();
    for row in file["rows"].as_array().unwrap() {
        let (group, kind) = (
            row["group"].as_str().unwrap(),
            row["kind"].as_str().unwrap(),
        );
        let table = match row.get("printerColumns") {
            Some(columns) => Table::custom(Some(columns)),
            None => Table::builtin(group, kind),
        };
        let rendered = table.render(
            [&row["object"]],
            &json!({"resourceVersion": "7"}),
            IncludeObject::Metadata,
            row["now"].as_str().unwrap(),
        );
        let columns: Vec<Value> = rendered["columnDefinitions"]
            .as_array()
            .unwrap()
            .iter()
            .map(|column| {
                json!([
                    column["name"],
                    column["type"],
                    column["format"],
                    column["priority"]
                ])
            })
            .collect();
        assert_eq!(Value::from(columns), row["columns"], "{kind}");
        assert_eq!(rendered["rows"][0]["cells"], row["cells"], "{kind}");
        assert_eq!(rendered["metadata"]["resourceVersion"], "7");
    }
}

#[test]
fn rows_carry_what_was_asked_for() {
    let secret = json!({"kind": "Secret", "metadata": {"name": "s", "labels": {"a": "b"}}, "data": {"k": "dg=="}});
    let render = |include| {
        Table::builtin("", "Secret").render(
            [&secret],
            &Value::Null,
            include,
            "2026-01-01T00:00:00Z",
        )["rows"][0]["object"]
            .clone()
    };
    assert_eq!(render(IncludeObject::None), Value::Null);
    assert_eq!(render(IncludeObject::Object), secret);
    assert_eq!(
        render(IncludeObject::Metadata),
        json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": secret["metadata"]})
    );
    assert_eq!(IncludeObject::parse(None), Some(IncludeObject::Metadata));
    assert_eq!(
        IncludeObject::parse(Some("Object")),
        Some(IncludeObject::Object)
    );
    assert_eq!(IncludeObject::parse(Some("x")), None);
}

#[test]
fn json_paths() {
    let value = json!({
        "a": {"b.c": 1, "d": [1, 2, 3], "e f": true},
        "l": [{"t": "x", "n": 1}, {"t": "y", "n": 2, "m": {"z": "deep"}}, {"t": "y", "n": 3}],
    });
    for (path, expected) in [
        (".a.d", json!([[1, 2, 3]])),
        ("{.a.d[0]}", json!([1])),
        ("$.a.d[-1]", json!([3])),
        (".a.d[3]", json!([])),
        (".a.d[*]", json!([1, 2, 3])),
        (".a.d[1:]", json!([2, 3])),
        (".a.d[:2]", json!([1, 2])),
        (".a.d[-2:-1]", json!([2])),
        (".a.d[0:3:2]", json!([1, 3])),
        (r".a.b\.c", json!([1])),
        (".a['b.c']", json!([1])),
        (".a[\"e f\"]", json!([true])),
        ("a.d[0]", json!([1])),
        (".a.*", json!([1, [1, 2, 3], true])),
        (r#".l[?(@.t=="y")].n"#, json!([2, 3])),
        (".l[?(@.t!='y')].n", json!([1])),
        (".l[?(@.n >= 2)].n", json!([2, 3])),
        (".l[?(@.n < 2)].t", json!(["x"])),
        (".l[?(@.m)].n", json!([2])),
        (".l[?(@.n == @.n)].n", json!([1, 2, 3])),
        (r#".l[?(@.m.z=="deep")].t"#, json!(["y"])),
        ("..z", json!(["deep"])),
        (".nothing.at.all", json!([])),
        (".", json!([value])),
    ] {
        let found: Vec<Value> = JsonPath::parse(path)
            .unwrap()
            .find(&value)
            .into_iter()
            .cloned()
            .collect();
        assert_eq!(Value::from(found), expected, "{path}");
    }
    for bad in [
        "{.a",
        ".a[",
        ".a[x]",
        ".a[?(b)]",
        ".a[?(@.b==)]",
        ".a[?(@.b=1)]",
        ".a b",
        ".a[1:2:0]",
        ".a[1]b",
        ".a[]",
    ] {
        assert!(JsonPath::parse(bad).is_err(), "{bad}");
    }
}

#[test]
fn hostile_paths_and_objects_stay_small() {
    let nested = format!(".a{}", "[?(@".repeat(50) + &")]".repeat(50));
    assert!(JsonPath::parse(&nested).is_err());
    assert!(JsonPath::parse(&".a".repeat(10_000)).is_err());
    let wide = Value::from(vec![json!([1, 2, 3]); 30_000]);
    assert!(JsonPath::parse("........x").map_or(true, |path| path.find(&wide).len() <= 10_000));
    assert!(JsonPath::parse("..[*]").unwrap().find(&wide).len() <= 10_000);
}

proptest! {
    #[test]
    fn any_path_is_parsed_or_refused(path in r#"[.\[\]?(@)=!<>'"\\a-c0-9:*${} -]{0,24}"#) {
        let value = json!({"a": [{"b": 1, "c": "x"}, {"b": 2}], "b": {"a": {"c": [1, 2]}}});
        if let Ok(path) = JsonPath::parse(&path) {
            prop_assert!(path.find(&value).len() <= 10_000);
        }
    }

    #[test]
    fn any_object_is_rendered(group in "|apps|rbac.authorization.k8s.io|apiextensions.k8s.io", kind in "Secret|Pod|Event|Service|Deployment|RoleBinding|CustomResourceDefinition|X", junk in ".{0,8}") {
        let object = json!({
            "metadata": junk, "spec": {"containers": [junk, 1], "ports": [junk], "versions": [1], "names": 3},
            "status": {"containerStatuses": [1], "conditions": junk}, "subjects": [1], "data": [junk],
        });
        let table = Table::builtin(&group, &kind).render([&object, &Value::Null], &Value::Null, IncludeObject::Metadata, &junk);
        prop_assert_eq!(table["rows"].as_array().unwrap().len(), 2);
    }
}

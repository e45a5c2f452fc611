//! The cases are those that External Secrets Operator was recorded on.

use keyless_fault::{Fault, explain};
use serde_json::{Value, json};

use super::*;
use crate::extract::extract;
use crate::render::RenderError;

/// Puts the key into `{}` of the template; `!` does not parse.
struct Braces;

impl Render for Braces {
    fn render(&mut self, _: &str, _: &str, _: &Map) -> Result<Vec<u8>, RenderError> {
        Err(RenderError::Execute("not used here".to_owned().into()))
    }

    fn transform(&mut self, text: &str, keys: &[&str]) -> Result<Vec<Vec<u8>>, RenderError> {
        if text == "!" {
            return Err(RenderError::Parse("bad template".to_owned().into()));
        }
        Ok(keys
            .iter()
            .map(|key| text.replace("{}", key).into_bytes())
            .collect())
    }
}

fn run(remote: &[(&str, &str)], spec: Value) -> Result<Gathered, Error> {
    let spec: ExternalSecretSpec = serde_json::from_value(spec).unwrap();
    let read = |key: &str| {
        remote
            .iter()
            .find(|(name, _)| *name == key)
            .map(|(_, value)| SecretBytes::from(*value))
    };
    let fetched = Fetched {
        data_from: spec
            .data_from
            .iter()
            .map(|item| {
                if let Some(find) = &item.find {
                    let pattern = find.name.as_ref()?.regexp.as_deref()?;
                    let pattern = crate::go_regexp::GoRegexp::compile(pattern).unwrap();
                    let found: Map = remote
                        .iter()
                        .filter(|(name, _)| pattern.is_match(name))
                        .map(|(name, value)| ((*name).to_owned(), SecretBytes::from(*value)))
                        .collect();
                    return Some(FetchedMap {
                        values: found,
                        convert_first: true,
                    });
                }
                let document = read(&item.extract.as_ref()?.key)?;
                Some(extract(&document).unwrap().into())
            })
            .collect(),
        data: spec
            .data
            .iter()
            .map(|item| read(&item.remote_ref.key))
            .collect(),
    };
    gather(&spec, fetched, &mut Braces)
}

fn data(remote: &[(&str, &str)], spec: Value) -> Value {
    let gathered = run(remote, spec).unwrap_or_else(|error| panic!("{}", explain(&error)));
    gathered
        .data
        .iter()
        .map(|(key, value)| {
            let value = value.expose();
            let text = String::from_utf8(value.to_vec()).unwrap_or_else(|_| format!("{value:?}"));
            (key.clone(), Value::from(text))
        })
        .collect::<serde_json::Map<_, _>>()
        .into()
}

fn error(remote: &[(&str, &str)], spec: Value) -> Error {
    run(remote, spec).unwrap_err()
}

#[test]
fn later_items_win_and_data_wins_over_data_from() {
    let remote = [
        ("k1", r#"{"a":"1","b":"1"}"#),
        ("k2", r#"{"b":"2","c":"2"}"#),
        ("k3", "3"),
    ];
    let spec = json!({
        "dataFrom": [{"extract": {"key": "k1"}}, {"extract": {"key": "k2"}}],
        "data": [{"secretKey": "c", "remoteRef": {"key": "k3"}}],
    });
    assert_eq!(data(&remote, spec), json!({"a": "1", "b": "2", "c": "3"}));
    let remote = [("k1", "one"), ("k2", "two")];
    let spec = json!({"data": [
        {"secretKey": "a", "remoteRef": {"key": "k1"}},
        {"secretKey": "a", "remoteRef": {"key": "k2"}},
    ]});
    assert_eq!(data(&remote, spec), json!({"a": "two"}));
}

#[test]
fn keys_are_converted_unless_rewritten() {
    let remote = [("doc", r#"{"a/b":"1","drop":"2","c":"3"}"#)];
    let item =
        |rewrite: Value| json!({"dataFrom": [{"extract": {"key": "doc"}, "rewrite": rewrite}]});
    assert_eq!(
        data(&remote, item(json!([]))),
        json!({"a_b": "1", "c": "3", "drop": "2"})
    );
    assert_eq!(
        data(
            &remote,
            item(json!([
                {"regexp": {"source": "/", "target": "-"}},
                {"regexp": {"source": "^drop$", "target": ""}},
            ]))
        ),
        json!({"a-b": "1", "c": "3"})
    );
    let failed = error(
        &remote,
        item(json!([{"regexp": {"source": "x", "target": "y"}}])),
    );
    assert_eq!(failed.field(), "spec.dataFrom[0].rewrite");
    assert_eq!(
        explain(&failed),
        "error processing spec.dataFrom[0].extract: invalid secret keys (TIP: use rewrite or \
         conversionStrategy to change keys): \"a/b\" has the invalid character '/'"
    );
    let remote = [("doc", r#"{"a/b":"1","a b":"2"}"#)];
    assert_eq!(
        explain(&error(&remote, item(json!([])))),
        "error processing spec.dataFrom[0].extract: error applying conversion strategy to keys: \
         secret name collision during conversion: a_b. Use conversionStrategy: Unicode or \
         rewrite so that every name gets its own key"
    );
    // Names found by providers that convert early reach the rewrite converted.
    let remote = [("app/db", "1"), ("app/x y", "2")];
    let spec = json!({"dataFrom": [{"find": {"name": {"regexp": "^app"}},
        "rewrite": [{"regexp": {"source": "^app_(.*)$", "target": "$1"}}]}]});
    assert_eq!(data(&remote, spec), json!({"db": "1", "x_y": "2"}));
}

#[test]
fn values_are_decoded() {
    let remote = [
        (
            "k1",
            r#"{"name":"Z3JlYXQtbmFtZQ==","address":"happy calm street No. 1","short":"abcd"}"#,
        ),
        ("f-a", "YWJj"),
        ("f-b", "YWI"),
        ("f-c", "YW Jj"),
        ("f-d", "YWJj\n"),
    ];
    let spec = json!({"dataFrom": [
        {"extract": {"key": "k1", "decodingStrategy": "Auto"}},
        {"find": {"name": {"regexp": "^f-"}, "decodingStrategy": "Auto"}},
    ]});
    assert_eq!(
        data(&remote, spec),
        json!({"name": "great-name", "address": "happy calm street No. 1",
            "short": "[105, 183, 29]", "f-a": "abc", "f-b": "YWI", "f-c": "YW Jj", "f-d": "abc"})
    );
    let failed = error(
        &remote,
        json!({"data": [
        {"secretKey": "a", "remoteRef": {"key": "f-b", "decodingStrategy": "Base64"}}]}),
    );
    assert_eq!(failed.field(), "spec.data[0].remoteRef.decodingStrategy");
    assert_eq!(
        explain(&failed),
        "error processing spec.data[0] (key: f-b): error applying decoding strategy Base64 to \
         data: the value is not valid base64 at byte 3. Store the value in that encoding or set \
         decodingStrategy: None"
    );
    let failed = error(
        &remote,
        json!({"dataFrom": [
        {"find": {"name": {"regexp": "^f-b"}, "decodingStrategy": "Base64"}}]}),
    );
    assert!(explain(&failed).contains("to data of key \"f-b\""));
}

#[test]
fn null_bytes_are_refused_only_by_policy() {
    let item = |policy: &str| {
        json!({"data": [{"secretKey": "nb", "remoteRef":
        {"key": "k", "decodingStrategy": "Base64", "nullBytePolicy": policy}}]})
    };
    assert_eq!(data(&[("k", "AGE=")], item("Ignore")), json!({"nb": "\0a"}));
    assert_eq!(data(&[("k", "YQ==")], item("Fail")), json!({"nb": "a"}));
    let failed = error(&[("k", "AGE=")], item("Fail"));
    assert!(matches!(failed.problem, Problem::NullBytes(_)));
}

#[test]
fn merges_follow_their_policies() {
    let remote = [
        ("m-a", r#"{"x":"1","p":"a"}"#),
        ("m-b", r#"{"y2":"2","p":"b"}"#),
    ];
    let item = |merge: Value| {
        json!({"dataFrom": [{"find": {"name": {"regexp": "^m-"}},
        "rewrite": [{"merge": merge}]}]})
    };
    let failed = error(&remote, item(json!({})));
    assert_eq!(failed.field(), "spec.dataFrom[0].rewrite[0]");
    assert!(
        explain(&failed).contains("merge failed: conflicts: p;"),
        "{}",
        explain(&failed)
    );
    assert_eq!(
        data(&remote, item(json!({"conflictPolicy": "Ignore"}))),
        json!({"p": "b", "x": "1", "y2": "2"})
    );
    assert_eq!(
        data(
            &remote,
            item(json!({"conflictPolicy": "Ignore", "priority": ["m-a"]}))
        ),
        json!({"p": "a", "x": "1", "y2": "2"})
    );
    let unknown = json!({"conflictPolicy": "Ignore", "priority": ["nope"]});
    assert!(explain(&error(&remote, item(unknown))).contains("key \"nope\" of priority not found"));
    let ignored = json!({"conflictPolicy": "Ignore", "priority": ["nope"],
        "priorityPolicy": "IgnoreNotFound"});
    assert_eq!(
        data(&remote, item(ignored)),
        json!({"p": "b", "x": "1", "y2": "2"})
    );

    let remote = [
        ("m-a", r#"{"x":"1","p":"a"}"#),
        ("m-b", r#"{"y2":{"n":1.5,"h":"<"},"p":"b"}"#),
    ];
    assert_eq!(
        data(
            &remote,
            item(json!({"strategy": "JSON", "into": "all", "conflictPolicy": "Ignore"}))
        ),
        json!({"all": r#"{"p":"b","x":"1","y2":{"h":"<","n":1.5}}"#,
            "m-a": remote[0].1, "m-b": remote[1].1})
    );
    let failed = error(
        &remote,
        item(json!({"strategy": "JSON", "conflictPolicy": "Ignore"})),
    );
    assert!(explain(&failed).contains("missing 'into' field"));
    let failed = error(&[("m-a", "hunter2")], item(json!({})));
    assert!(explain(&failed).contains("the value of key \"m-a\" is not JSON, not a JSON object"));
    let remote = [("m-a", r#"{"n":1e3,"l":[1,"<"],"t":true,"z":null,"f":1.50}"#)];
    assert_eq!(
        data(&remote, item(json!({}))),
        json!({"n": "1000", "l": r#"[1,"\u003c"]"#, "t": "true", "z": "", "f": "1.5"})
    );
}

#[test]
fn transforms_and_their_failures() {
    let remote = [("doc", r#"{"a":"1","b":"2"}"#)];
    let item = |template: &str| {
        json!({"dataFrom": [{"extract": {"key": "doc"},
        "rewrite": [{"transform": {"template": template}}]}]})
    };
    assert_eq!(data(&remote, item("x-{}")), json!({"x-a": "1", "x-b": "2"}));
    // Where keys meet, the alphabetically later one wins.
    assert_eq!(data(&remote, item("same")), json!({"same": "2"}));
    let failed = error(&remote, item("!"));
    assert_eq!(failed.link(), keyless_fault::Link::Template);
    assert!(explain(&failed).starts_with(
        "error processing spec.dataFrom[0].extract: error applying rewrite to keys: failed \
         rewrite operation[0]: transform failed: unable to parse template: bad template"
    ));
    assert!(matches!(
        error(&remote, item("<no value>")).problem,
        Problem::Keys(_)
    ));
    let failed = error(
        &remote,
        json!({"dataFrom": [{"extract": {"key": "doc"}, "rewrite": [
        {"regexp": {"source": "a", "target": "b"}}, {"regexp": {"source": "(", "target": "b"}}]}]}),
    );
    assert_eq!(failed.field(), "spec.dataFrom[0].rewrite[1]");
    assert!(explain(&failed).contains("error parsing regexp: missing closing ): `(`"));
}

#[test]
fn what_is_missing_is_an_error_only_under_retain() {
    let spec = |policy: &str| {
        json!({
            "target": {"deletionPolicy": policy},
            "dataFrom": [{"extract": {"key": "nope"}}],
            "data": [{"secretKey": "a", "remoteRef": {"key": "k"}},
                {"secretKey": "b", "remoteRef": {"key": "nope"}}],
        })
    };
    for policy in ["Delete", "Merge"] {
        let gathered = run(&[("k", "v")], spec(policy)).unwrap();
        assert_eq!(gathered.data.keys().collect::<Vec<_>>(), ["a"]);
        let missing: Vec<String> = gathered.missing.iter().map(ToString::to_string).collect();
        assert_eq!(
            missing,
            [
                "secret does not exist at provider using spec.dataFrom[0]",
                "secret does not exist at provider using spec.data[1] (key=nope)",
            ]
        );
    }
    let failed = error(&[("k", "v")], spec("Retain"));
    assert_eq!(failed.class(), keyless_fault::Class::NotFound);
    assert_eq!(
        failed.to_string(),
        "error processing spec.dataFrom[0].extract"
    );
}

#[test]
fn generated_values_are_neither_converted_nor_decoded() {
    let item: DataFrom = serde_json::from_value(json!({"sourceRef": {"generatorRef":
        {"kind": "Fake", "name": "g"}}}))
    .unwrap();
    let generate = |key: &str| {
        let map: Map = [(key.to_owned(), SecretBytes::from("YWJj"))].into();
        from_item(&item, map.into(), &mut Braces)
    };
    assert_eq!(generate("a").unwrap()["a"].expose(), b"YWJj");
    assert!(matches!(generate("a/b"), Err(Problem::Keys(_))));
}

#[test]
fn unknown_strategies_are_named() {
    let failed = error(
        &[("k", "v")],
        json!({"data": [
        {"secretKey": "a", "remoteRef": {"key": "k", "decodingStrategy": "Rot13"}}]}),
    );
    assert_eq!(failed.field(), "spec.data[0].remoteRef.decodingStrategy");
    assert!(explain(&failed).contains("decodingStrategy \"Rot13\" is not supported"));
}

//! Numbers are those of the API's reference behaviour; what keyless does on purpose says so.

use keyless_api::Manifest;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::render::RenderError;
use crate::template::SourceKind;
use crate::wanted::{OwnershipError, Writer};

/// Replaces `{{ .key }}` and knows nothing else.
struct Plain;

impl Render for Plain {
    fn render(&mut self, _: &str, text: &str, data: &Map) -> Result<Vec<u8>, RenderError> {
        let mut out = text.to_owned();
        for (key, value) in data {
            let value = value.expose_str().unwrap();
            out = out.replace(&format!("{{{{ .{key} }}}}"), value);
        }
        Ok(out.into_bytes())
    }

    fn transform(&mut self, _: &str, _: &[&str]) -> Result<Vec<Vec<u8>>, RenderError> {
        unreachable!()
    }
}

fn kind(api_version: &str, kind: &str) -> TargetKind {
    let manifest = Manifest {
        api_version: api_version.to_owned(),
        kind: kind.to_owned(),
    };
    TargetKind::of(&manifest).unwrap().unwrap()
}

fn config_map() -> TargetKind {
    kind("v1", "ConfigMap")
}

fn custom() -> TargetKind {
    kind("example.com/v1", "Thing")
}

fn writer() -> Writer {
    Writer {
        namespace: "ns".to_owned(),
        name: "es".to_owned(),
        uid: "uid-es".to_owned(),
    }
}

fn spec(mut target: Value) -> ExternalSecretSpec {
    if target.get("manifest").is_none() {
        target["manifest"] = json!({"apiVersion": "example.com/v1", "kind": "Thing"});
    }
    keyless_api::decode(&json!({ "target": target })).unwrap()
}

fn fetched() -> Map {
    [("a", "v1"), ("b", "x: 1")]
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value.into()))
        .collect()
}

fn sources() -> Sources {
    let texts = [
        ("t", "{{ .a }}"),
        ("doc", "p: {{ .a }}\nq: [1, 2]"),
        ("n", "12"),
    ];
    let texts = texts.map(|(key, text)| (key.to_owned(), text.into()));
    [(
        (SourceKind::ConfigMap, "src".to_owned()),
        Some(texts.into()),
    )]
    .into()
}

fn fill(kind: &TargetKind, target: Value) -> Result<ManifestContent, ManifestError> {
    let labels = [("own".to_owned(), "1".to_owned())].into();
    let none = Texts::new();
    content(
        kind,
        &spec(target),
        &labels,
        &none,
        fetched(),
        &sources(),
        &mut Plain,
    )
}

fn build(
    kind: &TargetKind,
    target: Value,
    existing: Option<&Value>,
) -> Result<Value, ManifestError> {
    let content = fill(kind, target.clone())?;
    wanted(&writer(), &spec(target), kind, "t", &content, existing)
}

fn built(kind: &TargetKind, target: Value, existing: Option<&Value>) -> Value {
    build(kind, target.clone(), existing).unwrap_or_else(|error| panic!("{target}: {error:?}"))
}

/// Without what the operator adds to each object.
fn content_of(mut object: Value) -> Value {
    let fields = object.as_object_mut().unwrap();
    for name in ["apiVersion", "kind", "metadata"] {
        fields.remove(name);
    }
    object
}

/// 2.7.2, 2.7.5 and 2.4.1: the recorded ConfigMap.
#[test]
fn without_a_template() {
    let object = built(&config_map(), json!({}), None);
    assert_eq!(
        object,
        json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {
                "name": "t",
                "namespace": "ns",
                "labels": {
                    "own": "1",
                    "reconcile.external-secrets.io/managed": "true",
                    "reconcile.external-secrets.io/created-by": crate::hash::created_by("ns", "es"),
                },
                "annotations": {
                    "reconcile.external-secrets.io/data-hash": value_hash("map[a:v1 b:x: 1]"),
                },
                "ownerReferences": [{"apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret",
                    "name": "es", "uid": "uid-es", "controller": true, "blockOwnerDeletion": true}],
            },
            "data": {"a": "v1", "b": "x: 1"},
        })
    );
    let object = built(&custom(), json!({}), None);
    assert_eq!(
        content_of(object),
        json!({"spec": {"data": {"a": "v1", "b": "x: 1"}}})
    );
}

fn value_hash(text: &str) -> String {
    crate::hash::text_hash(text)
}

/// The hash that ESO noted on a ConfigMap with the one key `a: v1`.
#[test]
fn the_recorded_hash() {
    let object = json!({"data": {"a": "v1"}});
    assert_eq!(
        content_hash(&config_map(), &object).unwrap(),
        "581d0d917b833b63b84bb6ae335ef26210912d5e0530af53f225bb9b"
    );
    assert_eq!(content_hash(&custom(), &json!({"status": 1})), None);
    assert_eq!(
        content_hash(&config_map(), &json!({})),
        Some(value_hash("map[]"))
    );
    let both = json!({"spec": {"x": 1}, "data": {"y": 2}});
    assert_eq!(content_hash(&custom(), &both), Some(value_hash("map[x:1]")));
}

/// 2.7.3: where templates go.
#[test]
fn templates_fill_paths() {
    let from = |target: &str, literal: &str| json!({"target": target, "literal": literal});
    let items = |target: &str, key: &str, how: &str| json!({"target": target, "configMap": {"name": "src", "items": [{"key": key, "templateAs": how}]}});
    for (template, expected) in [
        (
            json!({"data": {"out": "<{{ .a }}>"}}),
            json!({"spec": {}, "data": {"out": "<v1>"}}),
        ),
        (
            json!({"templateFrom": [from("Data", "lit: '{{ .a }}'")]}),
            json!({"spec": {}, "data": {"lit": "v1"}}),
        ),
        (
            json!({"templateFrom": [from("DATA", "m: 1")]}),
            json!({"spec": {}, "data": {"m": "1"}}),
        ),
        (
            json!({"templateFrom": [from("Spec", "m: 1\nl: [a]")]}),
            json!({"spec": {"m": 1, "l": ["a"]}}),
        ),
        (
            json!({"templateFrom": [from("spec.rules[0].from", "- source: {{ .a }}")]}),
            json!({"spec": {"rules": [{"from": [{"source": "v1"}]}]}}),
        ),
        (
            json!({"templateFrom": [from("spec.rules[1]", "x: 1.0"), from("spec.rules[1].y.Z", "2.5")]}),
            json!({"spec": {"rules": [null, {"x": 1, "y": {"Z": 2.5}}]}}),
        ),
        // Merged at the leaf; something else than a map is replaced.
        (
            json!({"templateFrom": [from("spec.m", "x: 1\nu: 1"), from("spec.m", "u: 2\nz: 2")]}),
            json!({"spec": {"m": {"x": 1, "u": 2, "z": 2}}}),
        ),
        (
            json!({"templateFrom": [from("spec.m", "[1, 2]"), from("spec.m", "x: 1")]}),
            json!({"spec": {"m": {"x": 1}}}),
        ),
        // One value: the YAML that it is, or the text if it is none.
        (
            json!({"templateFrom": [items("spec.v", "t", "Values")]}),
            json!({"spec": {"v": "v1"}}),
        ),
        (
            json!({"templateFrom": [items("spec.v", "n", "Values")]}),
            json!({"spec": {"v": 12}}),
        ),
        (
            json!({"templateFrom": [items("spec", "n", "Values")]}),
            json!({"spec": {"n": "12"}}),
        ),
        (
            json!({"templateFrom": [items("", "n", "Values")]}),
            json!({"spec": {}, "data": {"n": "12"}}),
        ),
        (
            json!({"templateFrom": [items("spec.v", "doc", "KeysAndValues")]}),
            json!({"spec": {"v": {"p": "v1", "q": [1, 2]}}}),
        ),
        // template.data comes last.
        (
            json!({"data": {"k": "data"}, "templateFrom": [from("data.k", "path")]}),
            json!({"spec": {}, "data": {"k": "data"}}),
        ),
        // On purpose as for Secrets: the fetched values under mergePolicy Merge, or if there is
        // nothing else.
        (
            json!({"metadata": {"labels": {}}}),
            json!({"spec": {"data": {"a": "v1", "b": "x: 1"}}}),
        ),
        (
            json!({"mergePolicy": "Merge", "templateFrom": [from("spec.data.a", "mine")]}),
            json!({"spec": {"data": {"a": "mine", "b": "x: 1"}}}),
        ),
        (
            json!({"templateFrom": [from("status.x", "1")]}),
            json!({"spec": {}, "status": {"x": 1}}),
        ),
        (
            json!({"templateFrom": [from("spec.[0]", "1")]}),
            json!(null),
        ),
    ] {
        let object = build(&custom(), json!({"template": template}), None);
        match object {
            Ok(object) => assert_eq!(content_of(object), expected, "{template}"),
            Err(error) => assert!(expected.is_null(), "{template}: {error:?}"),
        }
    }
}

/// 2.7.5, and on purpose: values of template.metadata are rendered, and no source twice (2.7.4).
#[test]
fn metadata_is_rendered_once() {
    let template = json!({
        "metadata": {"labels": {"l": "{{ .a }}"}, "annotations": {"n": "<{{ .a }}>"}, "finalizers": ["x.io/f"]},
        "templateFrom": [
            {"target": "labels", "literal": "m: {{ .a }}"},
            {"target": "metadata.annotations", "literal": "from-path: {{ .a }}\nflag: true"},
            {"target": "metadata.labels.one", "literal": "7"},
        ],
    });
    let object = built(&config_map(), json!({"template": template}), None);
    let metadata = &object["metadata"];
    assert_eq!(metadata["labels"]["l"], "v1");
    assert_eq!(metadata["labels"]["m"], "v1");
    assert_eq!(metadata["labels"]["one"], "7");
    assert!(
        metadata["labels"].get("own").is_none(),
        "a template replaces the object's own labels"
    );
    assert_eq!(metadata["annotations"]["n"], "<v1>");
    assert_eq!(metadata["annotations"]["from-path"], "v1");
    assert_eq!(metadata["annotations"]["flag"], "true");
    assert_eq!(metadata["finalizers"], json!(["x.io/f"]));

    struct Counting(Vec<String>);
    impl Render for Counting {
        fn render(&mut self, _: &str, text: &str, _: &Map) -> Result<Vec<u8>, RenderError> {
            self.0.push(text.to_owned());
            Ok(b"{{ .b }}".to_vec())
        }
        fn transform(&mut self, _: &str, _: &[&str]) -> Result<Vec<Vec<u8>>, RenderError> {
            unreachable!()
        }
    }
    let mut counting = Counting(Vec::new());
    let spec = spec(json!({"template": {"templateFrom": [
        {"configMap": {"name": "src", "items": [{"key": "t"}]}},
    ]}}));
    let none = Texts::new();
    let kind = custom();
    let content = content(
        &kind,
        &spec,
        &none,
        &none,
        fetched(),
        &sources(),
        &mut counting,
    )
    .unwrap();
    let object = wanted(&writer(), &spec, &kind, "t", &content, None).unwrap();
    assert_eq!(counting.0, ["{{ .a }}"]);
    assert_eq!(
        object["data"]["t"], "{{ .b }}",
        "a rendered value is not a template"
    );
}

/// A template chooses no other object.
#[test]
fn identity_is_out_of_reach() {
    for path in [
        "metadata",
        "metadata.namespace",
        "metadata.name",
        "metadata.ownerReferences",
        "metadata.ownerReferences[0].uid",
        "metadata.finalizers",
        "metadata.labels.a.b",
        "metadata.labels[0]",
        "Metadata.labels",
        "METADATA.namespace",
        "apiVersion",
        "apiversion.x",
        "kind",
        "Kind",
    ] {
        let template = json!({"templateFrom": [{"target": path, "literal": "x: y"}]});
        let error = build(&custom(), json!({"template": template}), None).unwrap_err();
        assert!(
            matches!(
                error,
                ManifestError::Template(TemplateError::Place {
                    source: PlaceError::Identity { .. },
                    ..
                })
            ),
            "{path}: {error:?}"
        );
    }
    let template = json!({"templateFrom": [{"target": "metadata.labels", "literal": "a: [1]"}]});
    let error = build(&custom(), json!({"template": template}), None).unwrap_err();
    assert!(format!("{error:?}").contains("NotText"), "{error:?}");
    // An object of the same name elsewhere is not mistaken for it.
    let elsewhere = json!({"metadata": {"name": "other", "namespace": "kube-system"}});
    let object = built(&custom(), json!({}), Some(&elsewhere));
    assert_eq!(
        (
            &object["metadata"]["name"],
            &object["metadata"]["namespace"]
        ),
        (&json!("t"), &json!("ns"))
    );
}

/// 1.8 holds for every kind.
#[test]
fn template_rules_hold() {
    for template in [
        json!({"type": "bootstrap.kubernetes.io/token"}),
        json!({"type": "kubernetes.io/service-account-token",
            "metadata": {"annotations": {"kubernetes.io/service-account.name": "x"}}}),
    ] {
        let target =
            json!({"manifest": {"apiVersion": "v1", "kind": "ConfigMap"}, "template": template});
        let error = build(&config_map(), target, None).unwrap_err();
        assert!(
            matches!(
                error,
                ManifestError::Template(TemplateError::Forbidden { .. })
            ),
            "{error:?}"
        );
    }
}

#[test]
fn paths() {
    for (text, reason) in [
        ("", "empty"),
        ("spec..x", "empty"),
        ("spec.", "empty"),
        (".spec", "empty"),
        ("[0].x", "start with a name"),
        ("spec.x[", "not closed"),
        ("spec.x[]", "number"),
        ("spec.x[-1]", "number"),
        ("spec.x[a]", "number"),
        ("spec.x[10001]", "greater"),
        ("spec.x[99999999999999999999]", "number"),
        ("spec.x[0]y", "followed by"),
        (&"a.".repeat(70), "empty"),
        (&["a"; 65].join("."), "more than 64"),
    ] {
        let error = Path::parse(text).expect_err(text).to_string();
        assert!(error.contains(reason), "{text}: {error}");
    }
    for text in [
        "spec",
        "spec.x[10000]",
        "a[0][1].b",
        "spec.customRequestHeaders.X-Y",
    ] {
        assert_eq!(Path::parse(text).unwrap().to_string(), text);
    }
    assert_eq!(Path::parse("sPeC").unwrap().to_string(), "spec");
    assert_eq!(Path::parse("DATA").unwrap().to_string(), "data");
    assert_eq!(Path::parse("Spec.X").unwrap().to_string(), "Spec.X");
}

#[test]
fn what_is_in_the_way_is_named() {
    let existing = json!({"metadata": {}, "spec": {"list": [1], "text": "s3cr3t"}});
    for (path, at) in [
        ("spec.list.x", "spec.list"),
        ("spec.text[0]", "spec.text"),
        ("spec.list[0].x", "spec.list[0]"),
    ] {
        let target = json!({"creationPolicy": "Merge",
            "template": {"templateFrom": [{"target": path, "literal": "x: y"}]}});
        let error = build(&custom(), target, Some(&existing)).unwrap_err();
        let text = format!("{error:?} {error}");
        assert!(
            text.contains(&format!("{at:?}")) && !text.contains("s3cr3t"),
            "{text}"
        );
    }
}

#[test]
fn lists_do_not_grow_without_end() {
    let from: Vec<Value> = (0..11)
        .map(|n| json!({"target": format!("spec.l{n}[10000]"), "literal": "1"}))
        .collect();
    let template = json!({"template": {"templateFrom": from}});
    let error = build(&custom(), template, None).unwrap_err();
    assert_eq!(error, ManifestError::Place(PlaceError::TooLarge));
    let deep = format!("{}1{}", "[".repeat(99), "]".repeat(99));
    let template = json!({"template": {"templateFrom": [{"target": "spec.x", "literal": deep}]}});
    assert!(build(&custom(), template, None).is_err());
}

#[test]
fn values_are_texts() {
    let data: Map = [("bin".to_owned(), SecretBytes::new(vec![0xff, 0xfe]))].into();
    let none = Texts::new();
    let spec = ExternalSecretSpec::default();
    for kind in [config_map(), custom()] {
        let error = content(
            &kind,
            &spec,
            &none,
            &none,
            data.clone(),
            &Sources::new(),
            &mut Plain,
        );
        assert!(
            matches!(
                error,
                Err(ManifestError::Value {
                    source: PlaceError::Binary { .. },
                    ..
                })
            ),
            "{error:?}"
        );
    }
    let secret = fill(&config_map(), json!({})).unwrap();
    assert!(!format!("{secret:?}").contains("v1"), "no value in Debug");
}

#[test]
fn a_kind_without_spec_and_data_is_refused() {
    let existing = json!({"metadata": {}, "rules": []});
    let target = json!({"creationPolicy": "Merge", "template": {"templateFrom": [{"target": "rules[0]", "literal": "x: y"}]}});
    let error = build(&custom(), target, Some(&existing)).unwrap_err();
    assert!(matches!(error, ManifestError::NoContent { .. }));
}

/// 2.7.6 and what keyless does on purpose: of an existing object, owners, finalizers and metadata
/// of others stay under every policy.
#[test]
fn an_owned_object_that_exists() {
    let other = json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": "d", "uid": "1"});
    let existing = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "t", "namespace": "ns", "uid": "u", "resourceVersion": "7",
            "labels": {"foreign": "yes", "stale": "1"}, "annotations": {"foreign": "yes"},
            "finalizers": ["x.io/f"], "ownerReferences": [other],
            "managedFields": [{"manager": "externalsecrets.external-secrets.io/es", "operation": "Update",
                "fieldsV1": {"f:metadata": {"f:labels": {"f:stale": {}}}}}]},
        "data": {"theirs": "x"}, "binaryData": {"b": "eA=="}, "immutable": true,
    });
    let object = built(&config_map(), json!({}), Some(&existing));
    let metadata = &object["metadata"];
    assert_eq!(metadata["ownerReferences"][0], other);
    assert_eq!(metadata["ownerReferences"][1]["name"], "es");
    assert_eq!(metadata["labels"]["foreign"], "yes");
    assert!(metadata["labels"].get("stale").is_none());
    assert_eq!(metadata["annotations"]["foreign"], "yes");
    assert_eq!(metadata["finalizers"], json!(["x.io/f"]));
    assert_eq!(
        (&metadata["resourceVersion"], &metadata["uid"]),
        (&json!("7"), &json!("u"))
    );
    assert_eq!(
        content_of(object),
        json!({"data": {"a": "v1", "b": "x: 1"}, "immutable": true})
    );
    let status = json!({"metadata": {}, "spec": {"old": 1}, "status": {"ready": true}});
    let object = built(
        &custom(),
        json!({"creationPolicy": "Orphan"}),
        Some(&status),
    );
    assert_eq!(object["status"]["ready"], true);
    assert!(object["spec"].get("old").is_none());
    assert!(object["metadata"].get("ownerReferences").is_none());
    assert!(
        object["metadata"]["labels"]
            .get("reconcile.external-secrets.io/created-by")
            .is_none()
    );
}

/// On purpose: Merge keeps the keys of others, and removes its own that are no longer wanted.
#[test]
fn merge_keeps_what_is_foreign() {
    let fields = |fields: Value| json!([{"manager": "externalsecrets.external-secrets.io/es", "operation": "Update", "fieldsV1": fields}]);
    for policy in ["Merge", "CreateOrMerge"] {
        let target = json!({"creationPolicy": policy});
        let existing = json!({"metadata": {"managedFields": fields(json!({"f:data": {"f:old": {}}}))},
            "data": {"theirs": "x", "old": "1"}, "binaryData": {"b": "eA=="}});
        let object = built(&config_map(), target.clone(), Some(&existing));
        assert_eq!(
            content_of(object),
            json!({"data": {"theirs": "x", "a": "v1", "b": "x: 1"}, "binaryData": {"b": "eA=="}})
        );
        let existing = json!({"metadata": {"managedFields": fields(json!({"f:spec": {"f:data": {"f:old": {}}}}))},
            "spec": {"keep": 1, "data": {"theirs": "x", "old": "1"}}});
        let object = built(&custom(), target, Some(&existing));
        assert_eq!(
            content_of(object),
            json!({"spec": {"keep": 1, "data": {"theirs": "x", "a": "v1", "b": "x: 1"}}})
        );
    }
    let target = json!({"creationPolicy": "Merge",
        "template": {"templateFrom": [{"target": "spec.rules[1].x", "literal": "2"}]}});
    let existing = json!({"metadata": {}, "spec": {"keep": 1, "rules": [{"x": 0}]}});
    let object = built(&custom(), target, Some(&existing));
    assert_eq!(
        content_of(object),
        json!({"spec": {"keep": 1, "rules": [{"x": 0}, {"x": 2}]}})
    );
}

/// 2.4.9 holds here too, on purpose.
#[test]
fn an_object_of_someone_else_is_left_alone() {
    let owned_by = |kind: &str, name: &str| {
        json!({"metadata": {"ownerReferences": [{"apiVersion": "external-secrets.io/v1", "kind": kind,
            "name": name, "uid": "1", "controller": true}]}})
    };
    let other = owned_by("ExternalSecret", "other");
    for policy in ["Owner", "Orphan", "Merge", "CreateOrMerge"] {
        let error = build(&custom(), json!({"creationPolicy": policy}), Some(&other)).unwrap_err();
        assert!(
            matches!(
                error,
                ManifestError::Ownership(OwnershipError::OtherExternalSecret { .. })
            ),
            "{policy}: {error:?}"
        );
    }
    let foreign = owned_by("Thing", "t");
    assert!(build(&custom(), json!({}), Some(&foreign)).is_err());
    assert!(
        build(
            &custom(),
            json!({"creationPolicy": "Merge"}),
            Some(&foreign)
        )
        .is_ok()
    );
}

#[test]
fn kinds() {
    let of = |api_version: &str, kind: &str| {
        TargetKind::of(&Manifest {
            api_version: api_version.to_owned(),
            kind: kind.to_owned(),
        })
    };
    assert_eq!(
        of("v1", "Secret"),
        Ok(None),
        "a Secret is an ordinary target"
    );
    assert_eq!(config_map().base(), "/api/v1");
    assert_eq!(custom().base(), "/apis/example.com/v1");
    assert_eq!(custom().to_string(), "example.com/v1 Thing");
    for (api_version, kind) in [
        ("", "A"),
        ("/v1", "A"),
        ("a/", "A"),
        ("a/b/c", "A"),
        ("../v1", "A"),
        ("a/..", "A"),
        ("A/v1", "A"),
        ("a b/v1", "A"),
        ("v1?x=", "A"),
        ("v1", ""),
        ("v1", "a/b"),
        ("v1", "1a"),
        ("v1", ".."),
    ] {
        assert!(of(api_version, kind).is_err(), "{api_version} {kind}");
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        "[a-z]{0,4}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-z]{1,3}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn no_path_makes_it_panic(path in "[a-c.\\[\\]0-9-]{0,30}", literal in "\\PC{0,40}", existing in any_json()) {
        let target = json!({"creationPolicy": "CreateOrMerge",
            "template": {"templateFrom": [{"target": path, "literal": literal}]}});
        let existing = json!({"metadata": existing, "a": existing, "b": [existing], "spec": {}});
        let _ = build(&custom(), target, Some(&existing));
    }

    /// What is placed is found there, and nothing else has changed.
    #[test]
    fn what_is_placed_is_there(existing in any_json(), value in any_json(), key in "[a-z]{1,3}", index in 0usize..4) {
        let text = format!("spec.{key}[{index}]");
        let mut object = json!({"spec": {}, "other": existing});
        let before = object.clone();
        let mut budget = 100;
        let path = Path::parse(&text).unwrap();
        path.put(&mut object, value.clone(), path::Leaf::Merge, &mut budget).unwrap();
        prop_assert_eq!(&object["spec"][&key][index], &value);
        prop_assert_eq!(&object["other"], &before["other"]);
        prop_assert_eq!(budget, 100 - index - 1);
    }

    /// Building once more what was built changes nothing, and what was built is valid.
    #[test]
    fn it_settles(policy in prop::sample::select(vec!["Owner", "Orphan", "Merge", "CreateOrMerge"]), existing in any_json(), config: bool) {
        let kind = if config { config_map() } else { custom() };
        let existing = json!({"metadata": {"name": "t", "namespace": "ns"}, "spec": {"data": {}, "x": existing}, "data": {}});
        let target = json!({"creationPolicy": policy});
        let once = built(&kind, target.clone(), Some(&existing));
        prop_assert!(is_valid(&kind, &once));
        prop_assert_eq!(&built(&kind, target, Some(&once)), &once);
    }
}

//! The cases are those that External Secrets Operator was recorded on; the stand-in engine only
//! replaces `{{ .key }}`.

use keyless_fault::{Fault, explain};
use serde_json::{Value, json};

use super::*;
use crate::render::RenderError;

/// Replaces `{{ .key }}` by the value of the key.
struct Simple;

impl Render for Simple {
    fn render(&mut self, name: &str, text: &str, data: &Map) -> Result<Vec<u8>, RenderError> {
        let mut out = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("{{ .") {
            out.extend_from_slice(before.as_bytes());
            let (key, after) = after.split_once(" }}").unwrap();
            let value = data.get(key).ok_or_else(|| {
                RenderError::Execute(
                    format!("template: {name}: map has no entry for key {key:?}").into(),
                )
            })?;
            out.extend_from_slice(value.expose());
            rest = after;
        }
        out.extend_from_slice(rest.as_bytes());
        Ok(out)
    }

    fn transform(&mut self, _: &str, _: &[&str]) -> Result<Vec<Vec<u8>>, RenderError> {
        Err(RenderError::Execute("not used here".to_owned().into()))
    }
}

fn map(pairs: &[(&str, &str)]) -> Map {
    pairs
        .iter()
        .map(|(key, value)| ((*key).to_owned(), SecretBytes::from(*value)))
        .collect()
}

fn run(
    fetched: &[(&str, &str)],
    template: Value,
    sources: &Sources,
) -> Result<Content, TemplateError> {
    let spec: ExternalSecretSpec = serde_json::from_value(json!({
        "data": [{"secretKey": "x", "remoteRef": {"key": "x"}}],
        "target": {"template": template},
    }))
    .unwrap();
    let labels = BTreeMap::from([("zzz".to_owned(), "1".to_owned())]);
    content(&spec, &labels, &labels, map(fetched), sources, &mut Simple)
}

fn data(fetched: &[(&str, &str)], template: Value) -> Vec<(String, String)> {
    texts(&run(fetched, template, &Sources::new()).unwrap().data)
}

fn texts(data: &Map) -> Vec<(String, String)> {
    data.iter()
        .map(|(key, value)| (key.clone(), value.expose_str().unwrap().to_owned()))
        .collect()
}

fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}

#[test]
fn precedence_is_data_then_sources_then_fetched() {
    let fetched = [("a", "f"), ("b", "f"), ("c", "f")];
    let both = |policy: &str| {
        json!({"mergePolicy": policy, "data": {"a": "data"},
        "templateFrom": [{"literal": "a: lit\nb: lit"}]})
    };
    assert_eq!(
        data(&fetched, both("Merge")),
        pairs(&[("a", "data"), ("b", "lit"), ("c", "f")])
    );
    assert_eq!(
        data(&fetched, both("Replace")),
        pairs(&[("a", "data"), ("b", "lit")])
    );
    let all = pairs(&[("a", "f"), ("b", "f"), ("c", "f")]);
    assert_eq!(data(&fetched, json!({"mergePolicy": "Merge"})), all);
    assert_eq!(data(&fetched, json!({})), all);
}

#[test]
fn metadata_comes_from_the_template_alone_if_there_is_one() {
    let rendered = run(
        &[("one", "foo")],
        json!({"type": "kubernetes.io/tls", "metadata": {"labels": {"x": "{{ .one }}"},
            "annotations": {"y": "-{{ .one }}"}, "finalizers": ["f"]}}),
        &Sources::new(),
    )
    .unwrap();
    assert_eq!(
        rendered.labels,
        BTreeMap::from([("x".to_owned(), "foo".to_owned())])
    );
    assert_eq!(
        rendered.annotations,
        BTreeMap::from([("y".to_owned(), "-foo".to_owned())])
    );
    assert_eq!(rendered.kind.as_deref(), Some("kubernetes.io/tls"));
    assert_eq!(rendered.finalizers, ["f"]);
    assert_eq!(texts(&rendered.data), pairs(&[("one", "foo")]));

    let spec = ExternalSecretSpec::default();
    let own = BTreeMap::from([("l".to_owned(), "1".to_owned())]);
    let plain = content(
        &spec,
        &own,
        &own,
        map(&[("k", "v")]),
        &Sources::new(),
        &mut Simple,
    )
    .unwrap();
    assert_eq!((plain.labels, plain.annotations), (own.clone(), own));
}

fn sources() -> Sources {
    let config = map(&[
        ("config.json", "executed-{{ .one }}-{{ .two }}"),
        ("templated", "executed-{{ .one }}: {{ .two }}"),
        ("b64", "YWJj"),
    ]);
    let secret = map(&[("line", "s={{ .one }}")]);
    Sources::from([
        ((SourceKind::ConfigMap, "test".to_owned()), Some(config)),
        ((SourceKind::Secret, "src".to_owned()), Some(secret)),
        ((SourceKind::Secret, "gone".to_owned()), None),
    ])
}

#[test]
fn texts_come_from_objects_and_literals() {
    let template = json!({"templateFrom": [
        {"configMap": {"name": "test", "items": [
            {"key": "config.json", "templateAs": "Values"},
            {"key": "templated", "templateAs": "KeysAndValues"}]}},
        {"secret": {"name": "src", "items": [{"key": "line"}]}},
        {"literal": "lit-{{ .one }}: {{ .two }}"},
        {"target": "Labels", "literal": "label: {{ .one }}"},
        {"target": "annotations", "configMap": {"name": "test", "items": [{"key": "config.json"}]}},
        {"valuesDecodingStrategy": "Base64", "configMap": {"name": "test", "items": [{"key": "b64"}]}},
    ]});
    let parsed: ExternalSecretTemplate = serde_json::from_value(template.clone()).unwrap();
    assert_eq!(
        needed(&parsed).into_iter().collect::<Vec<_>>(),
        [
            (SourceKind::ConfigMap, "test".to_owned()),
            (SourceKind::Secret, "src".to_owned())
        ]
    );
    let fetched = [("one", "foo1-val"), ("two", "bar2-val")];
    let rendered = run(&fetched, template, &sources()).unwrap();
    assert_eq!(
        texts(&rendered.data),
        pairs(&[
            ("b64", "abc"),
            ("config.json", "executed-foo1-val-bar2-val"),
            ("executed-foo1-val", "bar2-val"),
            ("line", "s=foo1-val"),
            ("lit-foo1-val", "bar2-val"),
        ])
    );
    assert_eq!(rendered.labels["label"], "foo1-val");
    assert_eq!(
        rendered.annotations["config.json"],
        "executed-foo1-val-bar2-val"
    );
}

#[test]
fn literals_are_yaml_maps_of_strings() {
    let literal = |text: &str| json!({"templateFrom": [{"literal": text}]});
    let rendered = run(&[], literal("n: 5\nb: true"), &Sources::new()).unwrap();
    assert_eq!(
        texts(&rendered.data),
        pairs(&[("b", "true"), ("false", "5")])
    );
    assert_eq!(
        rendered.warnings,
        [
            "spec.target.template.templateFrom[0]: the key n is read as \"false\"; quote it to keep \
          it as written"
        ]
    );
    assert!(data(&[("one", "foo")], literal("")).is_empty());
    for (text, reason) in [
        (
            "m: {a: b}",
            "the value at line 1 of the rendered text is a map, not a string",
        ),
        (
            "just text",
            "the rendered text is a single text, not a YAML map of strings",
        ),
    ] {
        let error = run(&[], literal(text), &Sources::new()).unwrap_err();
        assert_eq!(error.field(), "spec.target.template.templateFrom[0]");
        assert!(explain(&error).contains(reason), "{}", explain(&error));
    }
}

#[test]
fn fetched_values_are_not_executed() {
    let fetched = [("one", "{{ .two }}"), ("two", "secret")];
    let template =
        json!({"data": {"x": "{{ .one }}"}, "templateFrom": [{"literal": "y2: '{{ .one }}'"}]});
    assert_eq!(
        data(&fetched, template),
        pairs(&[("x", "{{ .two }}"), ("y2", "{{ .two }}")])
    );
}

#[test]
fn what_is_missing_is_named() {
    let object = |kind: &str, name: &str, key: &str| json!({"templateFrom": [{kind: {"name": name, "items": [{"key": key}]}}]});
    for (template, text) in [
        (
            object("configMap", "nope", "x"),
            "error fetching templateFrom data: ConfigMap \"nope\" not found",
        ),
        (
            object("secret", "gone", "x"),
            "error fetching templateFrom data: Secret \"gone\" not found",
        ),
        (
            object("configMap", "test", "nope"),
            "error in ConfigMap test: missing key nope",
        ),
    ] {
        let error = run(&[], template, &sources()).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("could not apply template: {text}")
        );
        assert_eq!(error.class(), keyless_fault::Class::NotFound);
    }
    let error = run(&[], json!({"data": {"x": "{{ .nope }}"}}), &sources()).unwrap_err();
    assert_eq!(
        explain(&error),
        "could not apply template at key x of spec.target.template.data: unable to execute \
         template: template: x: map has no entry for key \"nope\""
    );
}

#[test]
fn forbidden_templates_never_render() {
    for template in [
        json!({"type": "bootstrap.kubernetes.io/token", "data": {"x": "{{ .nope }}"}}),
        json!({"type": "kubernetes.io/service-account-token",
            "metadata": {"annotations": {"kubernetes.io/service-account.name": "x"}}}),
        json!({"type": "kubernetes.io/service-account-token",
            "templateFrom": [{"target": "annotations", "literal": "a: b"}]}),
        json!({"templateFrom": [{"target": "spec.x", "literal": "a: b"}]}),
    ] {
        let error = run(&[], template, &Sources::new()).unwrap_err();
        assert!(matches!(error, TemplateError::Forbidden { .. }), "{error}");
    }
}

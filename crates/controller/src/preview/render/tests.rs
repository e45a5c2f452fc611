use std::collections::BTreeMap;

use keyless_secret::hash::data_hash;
use keyless_secret::template::SourceKind;

use super::*;

fn values(pairs: &[(&str, &str)]) -> Values {
    pairs
        .iter()
        .map(|(key, value)| ((*key).to_owned(), SecretBytes::from(*value)))
        .collect()
}

fn subject(document: &Value) -> Subject {
    Subject::read(document, None).unwrap().unwrap()
}

fn manifest(version: &str, template: Value) -> Value {
    json!({
        "apiVersion": format!("external-secrets.io/{version}"), "kind": "ExternalSecret",
        "metadata": {"name": "db", "namespace": "n", "labels": {"mine": "yes"}},
        "spec": {"target": {"name": "t", "template": template}, "data": [
            {"secretKey": "user", "remoteRef": {"key": "/user"}},
            {"secretKey": "password", "remoteRef": {"key": "/password"}},
        ]},
    })
}

fn given() -> Values {
    values(&[("user", "ada"), ("password", "hunter2")])
}

fn rendered(document: &Value, values: &Values, given: &Given) -> Result<Rendered, Finding> {
    render(&subject(document), values, given, 0)
}

fn texts(secret: &Value) -> BTreeMap<String, String> {
    let data = target::data(secret);
    data.into_iter()
        .map(|(key, value)| (key, value.expose_str().unwrap().to_owned()))
        .collect()
}

#[test]
fn the_secret_is_the_one_that_a_sync_creates() {
    let template = json!({
        "type": "example.com/db", "data": {"url": "db://{{ .user }}:{{ .password }}@h"},
        "metadata": {"labels": {"for": "{{ .user }}"}},
    });
    for version in ["v1", "v1beta1"] {
        let out = rendered(
            &manifest(version, template.clone()),
            &given(),
            &Given::default(),
        )
        .unwrap();
        assert_eq!(out.secret["type"], "example.com/db");
        assert_eq!(out.secret["metadata"]["name"], "t");
        assert_eq!(out.secret["metadata"]["namespace"], "n");
        let data = values(&[("url", "db://ada:hunter2@h")]);
        assert_eq!(target::data(&out.secret), data);
        let meta = &out.secret["metadata"];
        assert_eq!(
            meta["annotations"]["reconcile.external-secrets.io/data-hash"],
            data_hash(&data)
        );
        assert_eq!(meta["labels"]["for"], "ada");
        assert_eq!(
            meta["labels"]["reconcile.external-secrets.io/managed"],
            "true"
        );
        // An owner without a uid is refused by every API server.
        assert_eq!(meta.get("ownerReferences"), None);
        assert!(
            out.notes
                .iter()
                .any(|note| note.contains("ownerReferences"))
        );
    }
}

#[test]
fn an_object_from_a_cluster_owns_its_secret() {
    let mut document = manifest("v1", Value::Null);
    document["metadata"]["uid"] = json!("the-uid");
    let out = rendered(&document, &given(), &Given::default()).unwrap();
    assert_eq!(
        out.secret["metadata"]["ownerReferences"][0]["uid"],
        "the-uid"
    );
    // Without a template the values and the object's own labels are taken as they are.
    assert_eq!(target::data(&out.secret), given());
    assert_eq!(out.secret["metadata"]["labels"]["mine"], "yes");
    assert!(out.notes.is_empty(), "{:?}", out.notes);
}

#[test]
fn a_failure_names_field_key_and_place() {
    for (text, wanted) in [
        (
            "{{ .user }}\n{{ .nope }}",
            "spec.target.template.data.url, line 2, column 4: unable to execute template",
        ),
        (
            "a\n{{ .user | nope }}",
            "spec.target.template.data.url, line 2: unable to parse template",
        ),
    ] {
        let document = manifest("v1", json!({"data": {"url": text}}));
        let finding = rendered(&document, &given(), &Given::default()).unwrap_err();
        let said = finding.to_string();
        assert!(said.starts_with(wanted), "{said}");
        assert!(!said.contains("hunter2"), "{said}");
        assert!(!finding.is_blind());
    }
}

#[test]
fn only_what_a_sync_would_see_is_seen() {
    let mut all = given();
    all.extend(values(&[("other", "x")]));
    let document = manifest("v1", json!({"data": {"k": "{{ .other }}"}}));
    assert!(rendered(&document, &all, &Given::default()).is_err());
    let out = rendered(&manifest("v1", Value::Null), &all, &Given::default()).unwrap();
    assert!(
        out.notes.iter().any(|note| note.contains("yields other")),
        "{:?}",
        out.notes
    );
    // With dataFrom nobody can say what is missing or too much.
    let mut open = manifest("v1", Value::Null);
    open["spec"]["dataFrom"] = json!([{"extract": {"key": "/all"}}]);
    let out = rendered(&open, &all, &Given::default()).unwrap();
    assert_eq!(target::data(&out.secret), all);
    // A value that is not given is told, and only a template that needs it fails.
    let out = rendered(
        &manifest("v1", Value::Null),
        &values(&[("user", "a")]),
        &Given::default(),
    );
    assert!(
        out.unwrap()
            .notes
            .iter()
            .any(|note| note.contains("spec.data[1]"))
    );
}

#[test]
fn sources_are_found_by_name_or_stand_for_all() {
    let map = |name: &str, text: &str| json!({"kind": "ConfigMap", "metadata": {"name": name}, "data": {"k": text}});
    let secret = |text: &str| json!({"kind": "Secret", "metadata": {"name": "s"}, "stringData": {"k": text}});
    let from = json!({"templateFrom": [
        {"configMap": {"name": "m", "items": [{"key": "k", "templateAs": "KeysAndValues"}]}},
        {"secret": {"name": "s", "items": [{"key": "k", "templateAs": "KeysAndValues"}]}},
    ]});
    let document = manifest("v1", from);
    let missing = rendered(&document, &given(), &Given::default()).unwrap_err();
    assert!(
        missing.to_string().contains("ConfigMap \"m\" not found"),
        "{missing}"
    );
    let mut given_objects = Given::default();
    assert!(given_objects.add(&map("m", "a: {{ .user }}"), None));
    given_objects.stand_in(SourceKind::ConfigMap, map("another", "b: no"));
    given_objects.stand_in(SourceKind::Secret, secret("c: '{{ .password }}'"));
    let out = rendered(&document, &given(), &given_objects).unwrap();
    let wanted = BTreeMap::from([
        ("a".to_owned(), "ada".to_owned()),
        ("c".into(), "hunter2".into()),
    ]);
    assert_eq!(texts(&out.secret), wanted);
}

#[test]
fn a_push_secret_renders_over_all_values() {
    let document = json!({
        "apiVersion": "external-secrets.io/v1alpha1", "kind": "PushSecret",
        "metadata": {"name": "push"},
        "spec": {"selector": {"secret": {"name": "source"}}, "template": {"data": {"token": "{{ .user | upper }}"}}},
    });
    let out = rendered(&document, &given(), &Given::default()).unwrap();
    assert_eq!(
        texts(&out.secret),
        BTreeMap::from([("token".to_owned(), "ADA".to_owned())])
    );
    assert_eq!(out.secret["metadata"], json!({"name": "source"}));
    let mut wrong = document;
    wrong["spec"]["template"]["data"]["token"] = json!("{{ .nope }}");
    let finding = rendered(&wrong, &given(), &Given::default()).unwrap_err();
    assert!(
        finding
            .to_string()
            .starts_with("spec.template.data.token, line 1"),
        "{finding}"
    );
}

#[test]
fn manifests_that_cannot_be_read_say_why() {
    let read = |document: Value| Subject::read(&document, None);
    assert!(
        read(json!({"kind": "Deployment", "apiVersion": "apps/v1"}))
            .unwrap()
            .is_none()
    );
    for (document, wanted) in [
        (
            json!({"kind": "ExternalSecret", "apiVersion": "external-secrets.io/v1alpha1"}),
            "apiVersion: ",
        ),
        (
            json!({"kind": "ExternalSecret", "apiVersion": "external-secrets.io/v1", "metadata": {}}),
            "metadata.name: ",
        ),
        (
            json!({"kind": "ExternalSecret", "apiVersion": "external-secrets.io/v1", "metadata": {"name": "x", "namespace": false}}),
            "metadata.namespace: ",
        ),
        (
            json!({"kind": "ExternalSecret", "apiVersion": "external-secrets.io/v1", "metadata": {"name": "x"}, "spec": {"data": [{"secretKey": 7}]}}),
            "spec.data[0]",
        ),
    ] {
        let finding = read(document).unwrap_err();
        assert!(finding.to_string().starts_with(wanted), "{finding}");
    }
}

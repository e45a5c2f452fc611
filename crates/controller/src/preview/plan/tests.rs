use keyless_secret::SecretBytes;
use serde_json::json;

use super::*;

const CANARY: &str = "hunter2";

fn key() -> FingerprintKey {
    FingerprintKey::new(SecretBytes::from("a key that nobody can guess")).unwrap()
}

fn values(pairs: &[(&str, &str)]) -> Values {
    pairs
        .iter()
        .map(|(key, value)| ((*key).to_owned(), SecretBytes::from(*value)))
        .collect()
}

fn subject(target: Value, extra: Value) -> Subject {
    let mut spec = json!({"secretStoreRef": {"name": "s"}, "target": target, "data": [
        {"secretKey": "a", "remoteRef": {"key": "/a"}},
        {"secretKey": "b", "remoteRef": {"key": "/b"}},
    ]});
    for (field, value) in extra.as_object().unwrap() {
        spec[field] = value.clone();
    }
    let document = json!({
        "apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret",
        "metadata": {"name": "db", "namespace": "n"}, "spec": spec,
    });
    Subject::read(&document, None).unwrap().unwrap()
}

/// The Secret as a sync of `subject` with these values leaves it in the cluster.
fn synced(subject: &Subject, data: &Values) -> Value {
    let facts = Facts::given(subject, data, &Given::default(), &Given::default());
    let What::ExternalSecret(spec) = &subject.what else {
        panic!("another kind")
    };
    let target = subject.target(spec);
    let mut object = subject.object.clone();
    object.uid = "the-uid".into();
    let sync = Sync {
        target: &target,
        object: &object,
        spec,
    };
    let Ok(Found::Gathered(gathered)) = facts.values else {
        panic!("no values")
    };
    let engine = SharedEngine::default();
    let content = template::content(
        spec,
        &Default::default(),
        &Default::default(),
        gathered.data,
        &Sources::new(),
        &mut engine.at(0),
    )
    .unwrap();
    let wanted = target::wanted(&sync, &content, None).unwrap().1;
    let mut secret = target::create(&target, &wanted);
    secret["type"] = json!("Opaque");
    let fields = |map: &Value| -> Value {
        let keys = map.as_object().into_iter().flatten();
        keys.map(|(k, _)| (format!("f:{k}"), json!({})))
            .collect::<serde_json::Map<_, _>>()
            .into()
    };
    secret["metadata"]["managedFields"] = json!([{
        "manager": "externalsecrets.external-secrets.io/db", "operation": "Update", "apiVersion": "v1",
        "fieldsType": "FieldsV1", "fieldsV1": {"f:data": fields(&secret["data"])},
    }]);
    secret
}

fn existing(secret: &Value) -> Given {
    let mut given = Given::default();
    assert!(given.add(secret, None));
    given
}

fn planned(subject: &Subject, data: &Values, present: Option<&Value>) -> Planned {
    let existing = present.map(existing).unwrap_or_default();
    let facts = Facts::given(subject, data, &Given::default(), &existing);
    let planned = plan(subject, facts, &key(), 0);
    let said = format!("{planned:?} {}", planned.changes);
    assert!(!said.contains(CANARY), "{said}");
    planned
}

fn data_lines(planned: &Planned) -> Vec<String> {
    let data = planned
        .changes
        .changes
        .iter()
        .filter(|c| c.part == diff::Part::Data);
    data.map(|c| format!("{} {}", c.sign(), c.key)).collect()
}

#[test]
fn create_nothing_change_remove() {
    let first = values(&[("a", CANARY), ("b", "2")]);
    let es = subject(json!({}), json!({}));
    let created = planned(&es, &first, None);
    assert_eq!(created.action, Action::Create);
    assert_eq!(data_lines(&created), ["+ a", "+ b"]);
    assert_eq!(created.target.to_string(), "Secret n/db");
    let secret = synced(&es, &first);
    let same = planned(&es, &first, Some(&secret));
    assert_eq!(same.action, Action::Nothing, "{}", same.changes);
    assert_eq!(same.changes.unchanged, 2);
    assert!(!same.is_different());
    let changed = planned(
        &es,
        &values(&[("a", "hunter2!"), ("b", "2")]),
        Some(&secret),
    );
    assert_eq!(changed.action, Action::Change);
    assert_eq!(data_lines(&changed), ["~ a"]);
    // An entry less: its key goes.
    let less = subject(
        json!({}),
        json!({"data": [{"secretKey": "b", "remoteRef": {"key": "/b"}}]}),
    );
    let removed = planned(&less, &values(&[("b", "2")]), Some(&secret));
    assert_eq!(data_lines(&removed), ["- a"]);
}

#[test]
fn merge_keeps_the_keys_of_others() {
    let es = subject(json!({"creationPolicy": "Merge"}), json!({}));
    let data = values(&[("a", CANARY), ("b", "2")]);
    let absent = planned(&es, &data, None);
    assert_eq!(absent.action, Action::Nothing);
    assert!(absent.notes.iter().any(|note| note.contains("Merge")));
    let other = json!({"kind": "Secret", "metadata": {"name": "db", "namespace": "n"}, "type": "Opaque",
        "data": {"theirs": "eA==", "a": "b2xk"}});
    let merged = planned(&es, &data, Some(&other));
    assert_eq!(merged.action, Action::Change);
    assert_eq!(data_lines(&merged), ["~ a", "+ b"]);
    assert_eq!(merged.changes.unchanged, 1);
}

#[test]
fn an_immutable_target_is_refused() {
    let es = subject(json!({}), json!({}));
    let mut secret = synced(&es, &values(&[("a", "1"), ("b", "2")]));
    secret["immutable"] = json!(true);
    let refused = planned(&es, &values(&[("a", CANARY), ("b", "2")]), Some(&secret));
    let finding = refused.finding.unwrap();
    assert!(finding.message.contains("immutable"), "{finding}");
    assert!(
        refused
            .changes
            .changes
            .iter()
            .all(|c| c.part != diff::Part::Data)
    );
}

#[test]
fn a_target_of_someone_else_is_refused() {
    let es = subject(json!({}), json!({}));
    let mut secret = synced(&es, &values(&[("a", "1"), ("b", "2")]));
    secret["metadata"]["ownerReferences"][0]["name"] = json!("other");
    let refused = planned(&es, &values(&[("a", CANARY), ("b", "2")]), Some(&secret));
    assert_eq!(refused.action, Action::Fail);
    assert!(
        refused
            .finding
            .unwrap()
            .message
            .contains("owned by another ExternalSecret")
    );
}

#[test]
fn a_missing_value_follows_the_deletion_policy() {
    let none = values(&[]);
    let retained = planned(&subject(json!({}), json!({})), &none, None);
    assert_eq!(retained.action, Action::Fail);
    let finding = retained.finding.unwrap();
    assert_eq!(finding.path.as_deref(), Some("spec.data[0]"));
    assert!(!finding.is_blind());
    let es = subject(json!({"deletionPolicy": "Delete"}), json!({}));
    assert_eq!(planned(&es, &none, None).action, Action::Nothing);
    let secret = synced(&es, &values(&[("a", CANARY), ("b", "2")]));
    let deleted = planned(&es, &none, Some(&secret));
    assert_eq!(deleted.action, Action::Delete);
    assert_eq!(data_lines(&deleted), ["- a", "- b"]);
}

#[test]
fn templates_and_rules_that_fail_say_where() {
    let data = values(&[("a", CANARY), ("b", "2")]);
    let es = subject(
        json!({"template": {"data": {"k": "{{ .a | fromJson }}{{ .c }}"}}}),
        json!({}),
    );
    let failed = planned(&es, &data, None);
    assert_eq!(failed.action, Action::Fail);
    assert_eq!(
        failed.finding.unwrap().path.as_deref(),
        Some("spec.target.template.data.k")
    );
    let wrong = subject(json!({}), json!({"data": []}));
    assert_eq!(
        planned(&wrong, &data, None).finding.unwrap().link,
        Link::Manifest
    );
}

//! The cases are those that External Secrets Operator was recorded on.

use keyless_fault::Fault;
use serde_json::json;

use super::*;

fn writer() -> Writer {
    Writer {
        namespace: "ns".to_owned(),
        name: "es".to_owned(),
        uid: "u1".to_owned(),
    }
}

fn spec(policy: &str) -> ExternalSecretSpec {
    serde_json::from_value(json!({"target": {"creationPolicy": policy}})).unwrap()
}

fn immutable_spec() -> ExternalSecretSpec {
    serde_json::from_value(json!({"target": {"immutable": true}})).unwrap()
}

fn texts(pairs: &[(&str, &str)]) -> Texts {
    pairs
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}

fn data(pairs: &[(&str, &str)]) -> Map {
    texts(pairs)
        .into_iter()
        .map(|(key, value)| (key, SecretBytes::from(value)))
        .collect()
}

fn content(pairs: &[(&str, &str)]) -> Content {
    Content {
        data: data(pairs),
        ..Content::default()
    }
}

fn reference(kind: &str, name: &str) -> OwnerReference {
    OwnerReference {
        api_version: if kind == "ExternalSecret" {
            "external-secrets.io/v1beta1"
        } else {
            "v1"
        }
        .to_owned(),
        kind: kind.to_owned(),
        name: name.to_owned(),
        uid: "old".to_owned(),
        controller: Some(true),
        block_owner_deletion: None,
    }
}

fn managed(data: &[&str], labels: &[&str], annotations: &[&str]) -> ManagedKeys {
    let set = |keys: &[&str]| keys.iter().map(|key| (*key).to_owned()).collect();
    ManagedKeys {
        data: set(data),
        labels: set(labels),
        annotations: set(annotations),
    }
}

#[test]
fn a_new_secret_gets_labels_hash_and_owner() {
    let wanted = wanted(
        &writer(),
        &spec("Owner"),
        Some(content(&[("a", "bar")])),
        None,
    )
    .unwrap();
    assert_eq!(
        wanted.labels,
        texts(&[
            (
                "reconcile.external-secrets.io/created-by",
                &created_by("ns", "es")
            ),
            ("reconcile.external-secrets.io/managed", "true"),
        ])
    );
    assert_eq!(
        wanted.annotations,
        // Recorded for data {a: bar}.
        texts(&[(
            "reconcile.external-secrets.io/data-hash",
            "058e0d6b65b01d3c3ace67739fcffdd775d247fe827932fc82905c63"
        )])
    );
    assert_eq!(
        serde_json::to_value(&wanted.owner_references).unwrap(),
        json!([{"apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret", "name": "es",
            "uid": "u1", "controller": true, "blockOwnerDeletion": true}])
    );
    assert_eq!(wanted.kind, None);
}

#[test]
fn policies_decide_about_foreign_data_and_ownership() {
    let existing = Existing {
        data: data(&[("foreign", "1"), ("own-old", "2"), ("own", "3")]),
        labels: texts(&[
            ("reconcile.external-secrets.io/created-by", "x"),
            ("theirs", "1"),
        ]),
        kind: "Opaque".to_owned(),
        owner_references: vec![reference("ExternalSecret", "es")],
        managed: managed(&["own-old", "own"], &[], &[]),
        ..Existing::default()
    };
    for (policy, keys, owned) in [
        ("Owner", &["own"][..], true),
        ("Orphan", &["own"], false),
        ("Merge", &["foreign", "own"], false),
        ("CreateOrMerge", &["foreign", "own"], false),
    ] {
        let content = content(&[("own", "new")]);
        let wanted = wanted(&writer(), &spec(policy), Some(content), Some(&existing)).unwrap();
        assert_eq!(wanted.data.keys().collect::<Vec<_>>(), keys, "{policy}");
        assert_eq!(wanted.data["own"].expose(), b"new");
        assert_eq!(
            wanted.labels.contains_key(label::CREATED_BY),
            owned,
            "{policy}"
        );
        assert_eq!(wanted.labels["theirs"], "1");
        assert_eq!(
            wanted.owner_references.len(),
            usize::from(owned),
            "{policy}"
        );
    }
}

#[test]
fn stale_own_metadata_goes_and_foreign_stays() {
    let existing = Existing {
        labels: texts(&[("b", "1"), ("a", "1"), ("theirs", "1")]),
        annotations: texts(&[("n", "1"), ("theirs", "1")]),
        finalizers: vec!["f1".to_owned()],
        managed: managed(&[], &["a", "b"], &["n"]),
        ..Existing::default()
    };
    let content = Content {
        labels: texts(&[("a", "2")]),
        annotations: texts(&[("m", "x")]),
        finalizers: vec!["f1".to_owned(), "f2".to_owned()],
        kind: Some("t".to_owned()),
        ..Content::default()
    };
    let mut wanted = wanted(&writer(), &spec("Orphan"), Some(content), Some(&existing)).unwrap();
    wanted.labels.remove(label::MANAGED);
    wanted.annotations.remove(annotation::DATA_HASH);
    assert_eq!(wanted.labels, texts(&[("a", "2"), ("theirs", "1")]));
    assert_eq!(wanted.annotations, texts(&[("m", "x"), ("theirs", "1")]));
    assert_eq!(wanted.finalizers, ["f1", "f2"]);
    assert_eq!(wanted.kind.as_deref(), Some("t"));
}

#[test]
fn a_target_of_someone_else_is_left_alone() {
    let owned_by = |kind: &str, name: &str| Existing {
        owner_references: vec![reference(kind, name)],
        ..Existing::default()
    };
    let attempt = |policy: &str, existing: &Existing| {
        wanted(&writer(), &spec(policy), Some(content(&[])), Some(existing))
    };
    for policy in ["Owner", "Orphan", "Merge", "CreateOrMerge"] {
        let error = attempt(policy, &owned_by("ExternalSecret", "other")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "target is owned by another ExternalSecret: other"
        );
        assert_eq!(
            error.blame().unwrap().to_string(),
            "ExternalSecret ns/other"
        );
    }
    let config_map = owned_by("ConfigMap", "c");
    assert!(matches!(
        attempt("Owner", &config_map),
        Err(OwnershipError::OtherKind { .. })
    ));
    assert_eq!(
        attempt("Orphan", &config_map).unwrap().owner_references,
        config_map.owner_references
    );
    // The uid is not looked at, and a plain owner beside the controller stays.
    let mut plain = reference("ConfigMap", "c");
    plain.controller = None;
    let mut own = owned_by("ExternalSecret", "es");
    own.owner_references.push(plain.clone());
    let references = attempt("Owner", &own).unwrap().owner_references;
    assert_eq!((references[0].uid.as_str(), &references[1]), ("u1", &plain));
    assert_eq!(attempt("Orphan", &own).unwrap().owner_references, [plain]);
}

#[test]
fn an_immutable_target_keeps_its_data() {
    assert!(needs_content(&immutable_spec(), false));
    assert!(!needs_content(&immutable_spec(), true));
    assert!(needs_content(&spec("Owner"), true));

    let created = wanted(
        &writer(),
        &immutable_spec(),
        Some(content(&[("a", "1")])),
        None,
    )
    .unwrap();
    assert!(created.immutable && !created.refused);
    let existing = Existing {
        data: data(&[("a", "1")]),
        immutable: true,
        ..Existing::default()
    };
    let kept = wanted(&writer(), &immutable_spec(), None, Some(&existing)).unwrap();
    assert_eq!(kept.data, existing.data);
    assert!(kept.immutable && !kept.refused);

    let mut other = content(&[("a", "2")]);
    other.labels = texts(&[("l", "new")]);
    let refused = wanted(&writer(), &spec("Owner"), Some(other), Some(&existing)).unwrap();
    assert!(refused.refused && refused.immutable);
    assert_eq!(refused.data, existing.data);
    assert_eq!(refused.labels["l"], "new");
    let same = wanted(
        &writer(),
        &spec("Owner"),
        Some(content(&[("a", "1")])),
        Some(&existing),
    )
    .unwrap();
    assert!(!same.refused);
}

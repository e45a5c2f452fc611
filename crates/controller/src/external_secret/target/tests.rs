use super::*;

const MANAGER: &str = "externalsecrets.external-secrets.io/es";

struct Case {
    object: ExternalSecret,
    spec: ExternalSecretSpec,
    target: ObjectKey,
}

impl Case {
    fn new(policy: &str, immutable: bool) -> Self {
        let text = json!({
            "metadata": {"name": "es", "namespace": "n", "uid": "uid"},
            "spec": {"target": {"name": "t", "creationPolicy": policy, "immutable": immutable}},
        });
        let object = ExternalSecret::decode(&text.to_string()).unwrap();
        Self {
            spec: object.spec().unwrap(),
            object,
            target: ObjectKey::new("n", "t"),
        }
    }

    fn sync(&self) -> Sync<'_> {
        Sync {
            target: &self.target,
            object: &self.object,
            spec: &self.spec,
        }
    }

    fn change(&self, content: &Content, existing: Option<&Value>) -> Change {
        change(&self.sync(), content, existing).unwrap()
    }

    fn created(&self, content: &Content) -> Value {
        match self.change(content, None) {
            Change::Create(object) => object,
            other => panic!("{other:?}"),
        }
    }

    fn replaced(&self, content: &Content, existing: &Value) -> Value {
        match self.change(content, Some(existing)) {
            Change::Replace(object) => object,
            other => panic!("{other:?}"),
        }
    }
}

fn content(data: &[(&str, &str)]) -> Content {
    Content {
        data: data
            .iter()
            .map(|(k, v)| ((*k).into(), (*v).into()))
            .collect(),
        ..Content::default()
    }
}

/// As the API server would return it, with our manager owning what we wrote.
fn stored(mut object: Value) -> Value {
    let fields = |map: Option<&Value>| {
        let map = map.and_then(Value::as_object);
        let names = map
            .into_iter()
            .flatten()
            .map(|(k, _)| (format!("f:{k}"), json!({})));
        Value::Object(names.collect())
    };
    let entry = json!({"manager": MANAGER, "operation": "Update", "fieldsV1": {
        "f:data": fields(object.get("data")),
        "f:metadata": {
            "f:labels": fields(object.pointer("/metadata/labels")),
            "f:annotations": fields(object.pointer("/metadata/annotations")),
        },
    }});
    object["metadata"]["managedFields"] = json!([entry]);
    object["metadata"]["resourceVersion"] = json!("5");
    object["type"] = json!("Opaque");
    object
}

#[test]
fn a_created_secret_carries_everything_eso_writes() {
    let mut want = content(&[("password", "s3cr3t")]);
    want.labels.insert("app".into(), "x".into());
    want.finalizers.push("f".into());
    want.kind = Some("kubernetes.io/basic-auth".into());
    let object = Case::new("Owner", false).created(&want);
    assert_eq!(object["data"], json!({"password": "czNjcjN0"}));
    assert_eq!(object["type"], "kubernetes.io/basic-auth");
    let meta = &object["metadata"];
    assert_eq!(
        (&meta["name"], &meta["namespace"]),
        (&json!("t"), &json!("n"))
    );
    assert_eq!(meta["labels"]["app"], "x");
    assert_eq!(meta["labels"][label::MANAGED], "true");
    assert_eq!(
        meta["labels"][label::CREATED_BY],
        hash::created_by("n", "es")
    );
    assert_eq!(
        meta["annotations"][annotation::DATA_HASH],
        "32624ec2bbb01c19a38546e9e3c9996bce3ad67744c9550874b627b9"
    );
    assert_eq!(meta["finalizers"], json!(["f"]));
    assert_eq!(
        meta["ownerReferences"],
        json!([{"apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret", "name": "es",
            "uid": "uid", "controller": true, "blockOwnerDeletion": true}])
    );
}

#[test]
fn an_equal_secret_needs_no_write() {
    for policy in ["Owner", "Orphan", "CreateOrMerge"] {
        let case = Case::new(policy, false);
        let want = content(&[("a", "1")]);
        let old = stored(case.created(&want));
        assert!(is_valid(&old));
        assert_eq!(case.change(&want, Some(&old)), Change::None, "{policy}");
    }
}

#[test]
fn only_merging_policies_keep_foreign_keys() {
    for (policy, keeps) in [
        ("Owner", false),
        ("Orphan", false),
        ("Merge", true),
        ("CreateOrMerge", true),
    ] {
        let old = json!({"metadata": {"name": "t", "resourceVersion": "5"}, "data": {"foreign": "eA=="}, "type": "Opaque"});
        let new = Case::new(policy, false).replaced(&content(&[("a", "1")]), &old);
        assert_eq!(new["data"].get("foreign").is_some(), keeps, "{policy}");
        assert_eq!(new["data"]["a"], "MQ==");
        assert_eq!(new["metadata"]["resourceVersion"], "5");
        assert!(is_valid(&new), "the hash covers foreign keys too");
        assert_eq!(
            new["metadata"].get("ownerReferences").is_some(),
            policy == "Owner"
        );
    }
}

#[test]
fn what_we_wrote_and_no_longer_want_goes() {
    let case = Case::new("CreateOrMerge", false);
    let mut first = content(&[("a", "1"), ("b", "2")]);
    first.labels.insert("l".into(), "1".into());
    let mut old = stored(case.created(&first));
    old["data"]["foreign"] = json!("eA==");
    old["metadata"]["labels"]["theirs"] = json!("1");
    let new = case.replaced(&content(&[("a", "1")]), &old);
    assert_eq!(new["data"], json!({"a": "MQ==", "foreign": "eA=="}));
    let labels = new["metadata"]["labels"].as_object().unwrap();
    assert_eq!(
        labels.keys().collect::<Vec<_>>(),
        [label::MANAGED, "theirs"]
    );
}

#[test]
fn merge_waits_for_a_secret() {
    assert_eq!(
        Case::new("Merge", false).change(&content(&[]), None),
        Change::Missing
    );
}

#[test]
fn foreign_controllers_are_respected() {
    let refused = |policy: &str, version: &str, kind: &str, name: &str| {
        let old = json!({"metadata": {"name": "t", "ownerReferences": [
            {"apiVersion": version, "kind": kind, "name": name, "uid": "x", "controller": true}]}});
        change(
            &Case::new(policy, false).sync(),
            &content(&[("a", "1")]),
            Some(&old),
        )
        .err()
    };
    for policy in ["Owner", "Merge", "Orphan"] {
        let failed = refused(policy, "external-secrets.io/v1", "ExternalSecret", "other").unwrap();
        assert!(
            failed.message.starts_with(message::OWNED_BY_OTHER),
            "{}",
            failed.message
        );
        assert!(!failed.retry);
    }
    let failed = refused("Owner", "v1", "ConfigMap", "c").unwrap();
    assert!(failed.message.starts_with(message::OWNERSHIP_FAILED) && !failed.retry);
    assert!(refused("Merge", "v1", "ConfigMap", "c").is_none());
    assert!(
        refused(
            "Owner",
            "external-secrets.io/v1beta1",
            "ExternalSecret",
            "es"
        )
        .is_none()
    );
}

#[test]
fn an_immutable_target_is_created_once_and_never_rendered_again() {
    let locking = Case::new("Owner", true);
    let object = locking.created(&content(&[("a", "1")]));
    assert_eq!(object["immutable"], true);
    let old = stored(object);
    assert_eq!(
        locking.change(&content(&[("a", "2")]), Some(&old)),
        Change::None
    );
    let free = Case::new("Owner", false);
    let Change::ReplaceThenFail(None, failed) = free.change(&content(&[("a", "2")]), Some(&old))
    else {
        panic!("the flag is gone, but the Secret is locked")
    };
    assert!(failed.message.starts_with(message::TARGET_IMMUTABLE) && !failed.retry);
    let mut want = content(&[("a", "2")]);
    want.labels.insert("l".into(), "1".into());
    let Change::ReplaceThenFail(Some(new), _) = free.change(&want, Some(&old)) else {
        panic!("metadata is still written")
    };
    assert_eq!(new["data"]["a"], "MQ==");
    assert_eq!(new["metadata"]["labels"]["l"], "1");
}

#[test]
fn satisfaction_tells_every_wish_apart() {
    let owner = Case::new("Owner", false);
    let base = satisfaction(&owner.sync(), &content(&[("a", "1")]));
    let mut labelled = content(&[("a", "1")]);
    labelled.labels.insert("a".into(), "b".into());
    for other in [
        satisfaction(&Case::new("Orphan", false).sync(), &content(&[("a", "1")])),
        satisfaction(&Case::new("Owner", true).sync(), &content(&[("a", "1")])),
        satisfaction(&owner.sync(), &content(&[("a", "2")])),
        satisfaction(&owner.sync(), &labelled),
    ] {
        assert_ne!(base, other);
    }
}

#[test]
fn tampering_is_seen() {
    let mut object = Case::new("Owner", false).created(&content(&[("a", "1")]));
    assert!(is_valid(&object));
    object["data"]["b"] = json!("eA==");
    assert!(!is_valid(&object));
}

#[test]
fn what_no_secret_can_hold_is_refused_with_its_field() {
    let mut case = Case::new("Owner", false);
    let spec = json!({"data": [{"secretKey": "big", "remoteRef": {"key": "k"}}],
        "target": {"template": {"data": {"made": "x"}}}});
    let refused = |case: &Case, data: &[(&str, &str)]| {
        let existing = stored(case.created(&content(&[("a", "1")])));
        let failed = change(&case.sync(), &content(data), Some(&existing)).unwrap_err();
        assert!(failed.retry, "the value may shrink again");
        failed.message
    };
    let half = "x".repeat(600 << 10);
    let message = refused(&case, &[("big", &half), ("small", &half[..500_000])]);
    for part in [
        "could not update secret: Secret n/t would hold 1114400 bytes and may hold 1048576",
        "614400 of them are key \"big\" from spec.dataFrom",
    ] {
        assert!(message.contains(part), "{message}");
    }
    let full = "x".repeat(1 << 20);
    assert!(change(&case.sync(), &content(&[("a", &full)]), None).is_ok());
    for key in ["é", "a b", "..", "", &*"k".repeat(254)] {
        let message = refused(&case, &[(key, "v")]);
        assert!(
            message.contains("spec.dataFrom leads to the key"),
            "{message}"
        );
        assert!(message.contains("rewrite"), "{message}");
    }
    for key in [".a", "a.b", "-", "_", "A9"] {
        assert!(change(&case.sync(), &content(&[(key, "v")]), None).is_ok());
    }
    case.spec = serde_json::from_value(spec).unwrap();
    for (key, path) in [
        ("big", "spec.data[0]"),
        ("made", "spec.target.template.data[made]"),
        ("other", "spec.dataFrom"),
    ] {
        assert_eq!(path_of(&case.spec, key), path);
    }
}

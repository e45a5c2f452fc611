use super::*;

const MANAGER: &str = "externalsecrets.external-secrets.io/es";

fn sync(target: &ObjectKey, policy: CreationPolicy) -> Sync<'_> {
    Sync {
        target,
        name: "es",
        uid: "uid",
        policy,
        immutable: false,
    }
}

fn key() -> ObjectKey {
    ObjectKey::new("n", "t")
}

fn wanted(data: &[(&str, &str)]) -> Wanted {
    Wanted {
        data: data.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect(),
        ..Wanted::default()
    }
}

fn created(policy: CreationPolicy, wanted: &Wanted) -> Value {
    let key = key();
    let Change::Create(object) = change(&sync(&key, policy), wanted, None).unwrap() else {
        panic!("not created")
    };
    object
}

/// As the API server would return it, with our manager owning what we wrote.
fn stored(mut object: Value, manager: &str) -> Value {
    let fields = |map: Option<&Value>| {
        let map = map.and_then(Value::as_object);
        let names = map.into_iter().flatten().map(|(k, _)| (format!("f:{k}"), json!({})));
        Value::Object(names.collect())
    };
    let entry = json!({"manager": manager, "operation": "Update", "fieldsV1": {
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

fn replaced(sync: &Sync<'_>, wanted: &Wanted, old: &Value) -> Value {
    match change(sync, wanted, Some(old)).unwrap() {
        Change::Replace(new) => new,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_created_secret_carries_everything_eso_writes() {
    let mut want = wanted(&[("password", "s3cr3t")]);
    want.labels.insert("app".into(), "x".into());
    want.annotations.insert("note".into(), "y".into());
    want.finalizers.push("f".into());
    want.kind = Some("kubernetes.io/basic-auth".into());
    let object = created(CreationPolicy::Owner, &want);
    assert_eq!(object["data"], json!({"password": "czNjcjN0"}));
    assert_eq!(object["type"], "kubernetes.io/basic-auth");
    let meta = &object["metadata"];
    assert_eq!(meta["labels"]["app"], "x");
    assert_eq!(meta["labels"][label::MANAGED], "true");
    assert_eq!(meta["labels"][label::CREATED_BY], hash::created_by("n", "es"));
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
    let key = key();
    for policy in [CreationPolicy::Owner, CreationPolicy::Orphan, CreationPolicy::CreateOrMerge] {
        let want = wanted(&[("a", "1")]);
        let old = stored(created(policy.clone(), &want), MANAGER);
        assert!(is_valid(&old));
        assert_eq!(change(&sync(&key, policy), &want, Some(&old)).unwrap(), Change::None);
    }
}

#[test]
fn owner_and_orphan_clear_foreign_keys_and_mergers_keep_them() {
    let key = key();
    let want = wanted(&[("a", "1")]);
    for (policy, keeps) in [
        (CreationPolicy::Owner, false),
        (CreationPolicy::Orphan, false),
        (CreationPolicy::Merge, true),
        (CreationPolicy::CreateOrMerge, true),
    ] {
        let old = json!({"metadata": {"name": "t", "resourceVersion": "5"}, "data": {"foreign": "eA=="}, "type": "Opaque"});
        let new = replaced(&sync(&key, policy.clone()), &want, &old);
        assert_eq!(new["data"].get("foreign").is_some(), keeps, "{policy:?}");
        assert_eq!(new["data"]["a"], "MQ==");
        assert_eq!(new["metadata"]["resourceVersion"], "5");
        assert!(is_valid(&new), "the hash covers foreign keys too");
        let owned = controller(&new) == Some(("ExternalSecret", "es"));
        assert_eq!(owned, policy == CreationPolicy::Owner);
    }
}

#[test]
fn own_keys_labels_and_annotations_that_are_no_longer_wanted_go() {
    let key = key();
    let mut first = wanted(&[("a", "1"), ("b", "2")]);
    first.labels.insert("l".into(), "1".into());
    first.annotations.insert("x".into(), "1".into());
    let mut old = stored(created(CreationPolicy::CreateOrMerge, &first), MANAGER);
    old["data"]["foreign"] = json!("eA==");
    old["metadata"]["labels"]["theirs"] = json!("1");
    let new = replaced(&sync(&key, CreationPolicy::CreateOrMerge), &wanted(&[("a", "1")]), &old);
    assert_eq!(new["data"], json!({"a": "MQ==", "foreign": "eA=="}));
    let labels = new["metadata"]["labels"].as_object().unwrap();
    assert_eq!(labels.keys().collect::<Vec<_>>(), [label::MANAGED, "theirs"]);
    assert_eq!(new["metadata"]["annotations"].as_object().unwrap().len(), 1);
}

#[test]
fn fields_of_other_managers_and_of_apply_are_not_ours() {
    let mut old = stored(created(CreationPolicy::Merge.into_create(), &wanted(&[("a", "1")])), "kubectl");
    assert_eq!(OwnFields::of(&old, MANAGER), OwnFields::default());
    old["metadata"]["managedFields"][0]["manager"] = json!(MANAGER);
    assert!(OwnFields::of(&old, MANAGER).data.contains("a"));
    old["metadata"]["managedFields"][0]["operation"] = json!("Apply");
    assert_eq!(OwnFields::of(&old, MANAGER), OwnFields::default());
}

trait IntoCreate {
    fn into_create(self) -> CreationPolicy;
}

impl IntoCreate for CreationPolicy {
    /// Merge never creates; for a fixture its creating sibling stands in.
    fn into_create(self) -> CreationPolicy {
        CreationPolicy::CreateOrMerge
    }
}

#[test]
fn merge_waits_for_a_secret() {
    let key = key();
    let sync = sync(&key, CreationPolicy::Merge);
    assert_eq!(change(&sync, &wanted(&[]), None).unwrap(), Change::Missing);
}

#[test]
fn foreign_controllers_are_respected() {
    let key = key();
    let owned = |kind: &str, name: &str| json!({"metadata": {"name": "t", "ownerReferences": [{"kind": kind, "name": name, "uid": "x", "controller": true}]}});
    let refused = |policy, kind, name| {
        change(&sync(&key, policy), &wanted(&[("a", "1")]), Some(&owned(kind, name))).err()
    };
    for policy in [CreationPolicy::Owner, CreationPolicy::Merge, CreationPolicy::Orphan] {
        let failed = refused(policy, "ExternalSecret", "other").unwrap();
        assert!(failed.message.starts_with(message::OWNED_BY_OTHER) && !failed.retry);
    }
    let failed = refused(CreationPolicy::Owner, "ConfigMap", "c").unwrap();
    assert!(failed.message.starts_with(message::OWNERSHIP_FAILED) && !failed.retry);
    assert!(refused(CreationPolicy::Merge, "ConfigMap", "c").is_none());
    assert!(refused(CreationPolicy::Owner, "ExternalSecret", "es").is_none());
}

#[test]
fn leaving_owner_gives_up_the_reference_and_the_label() {
    let key = key();
    let want = wanted(&[("a", "1")]);
    let mut old = stored(created(CreationPolicy::Owner, &want), MANAGER);
    old["metadata"]["ownerReferences"].as_array_mut().unwrap().push(json!({"kind": "Pod", "name": "p", "uid": "p"}));
    let new = replaced(&sync(&key, CreationPolicy::Orphan), &want, &old);
    assert_eq!(new["metadata"]["ownerReferences"], json!([{"kind": "Pod", "name": "p", "uid": "p"}]));
    assert!(new["metadata"]["labels"].get(label::CREATED_BY).is_none());
}

#[test]
fn an_own_reference_with_an_old_uid_is_corrected_in_place() {
    let key = key();
    let want = wanted(&[("a", "1")]);
    let mut old = stored(created(CreationPolicy::Owner, &want), MANAGER);
    old["metadata"]["ownerReferences"][0]["uid"] = json!("older");
    let new = replaced(&sync(&key, CreationPolicy::Owner), &want, &old);
    assert_eq!(new["metadata"]["ownerReferences"].as_array().unwrap().len(), 1);
    assert_eq!(new["metadata"]["ownerReferences"][0]["uid"], "uid");
}

#[test]
fn an_immutable_target_is_created_once_and_never_rendered_again() {
    let key = key();
    let mut lock = sync(&key, CreationPolicy::Owner);
    lock.immutable = true;
    let Change::Create(object) = change(&lock, &wanted(&[("a", "1")]), None).unwrap() else {
        panic!("not created")
    };
    assert_eq!(object["immutable"], true);
    let old = stored(object, MANAGER);
    assert_eq!(change(&lock, &wanted(&[("a", "2")]), Some(&old)).unwrap(), Change::None);
    let free = sync(&key, CreationPolicy::Owner);
    let Change::ReplaceThenFail(None, failed) = change(&free, &wanted(&[("a", "2")]), Some(&old)).unwrap() else {
        panic!("the flag is gone, but the Secret is locked")
    };
    assert!(failed.message.starts_with(message::TARGET_IMMUTABLE) && !failed.retry);
    let mut want = wanted(&[("a", "2")]);
    want.labels.insert("l".into(), "1".into());
    let Change::ReplaceThenFail(Some(new), _) = change(&free, &want, Some(&old)).unwrap() else {
        panic!("metadata is still written")
    };
    assert_eq!(new["data"]["a"], "MQ==");
    assert_eq!(new["metadata"]["labels"]["l"], "1");
}

#[test]
fn satisfaction_tells_every_wish_apart() {
    let key = key();
    let base = satisfaction(&sync(&key, CreationPolicy::Owner), &wanted(&[("a", "1")]));
    let mut labelled = wanted(&[("a", "1")]);
    labelled.labels.insert("a".into(), "b".into());
    for other in [
        satisfaction(&sync(&key, CreationPolicy::Orphan), &wanted(&[("a", "1")])),
        satisfaction(&sync(&key, CreationPolicy::Owner), &wanted(&[("a", "2")])),
        satisfaction(&sync(&key, CreationPolicy::Owner), &labelled),
    ] {
        assert_ne!(base, other);
    }
}

#[test]
fn tampering_is_seen() {
    let mut object = created(CreationPolicy::Owner, &wanted(&[("a", "1")]));
    assert!(is_valid(&object));
    object["data"]["b"] = json!("eA==");
    assert!(!is_valid(&object));
}

use super::*;
use crate::object::{Secret, Store};

fn es(name: &str, version: u64, generation: i64, extra: &str) -> ExternalSecret {
    ExternalSecret::decode(&format!(
        r#"{{"metadata":{{"name":"{name}","namespace":"n","uid":"u-{name}","resourceVersion":"{version}","generation":{generation}}},
        "spec":{{"secretStoreRef":{{"name":"s"}},"target":{{"name":"t-{name}"}}}}{extra}}}"#
    ))
    .unwrap()
}

fn secret(name: &str, version: u64) -> Secret {
    Secret::decode(&format!(
        r#"{{"metadata":{{"name":"{name}","namespace":"n","resourceVersion":"{version}","labels":{{"reconcile.external-secrets.io/created-by":"c"}}}}}}"#
    ))
    .unwrap()
}

fn store(version: u64, spec: &str, status: &str) -> Store {
    Store::decode(&format!(
        r#"{{"metadata":{{"name":"s","namespace":"n","uid":"u","resourceVersion":"{version}","generation":{version}}},"spec":{spec},"status":{status}}}"#
    ))
    .unwrap()
}

fn work(name: &str) -> Work {
    Work::ExternalSecret(ObjectKey::new("n", name))
}

#[test]
fn status_changes_wake_nobody() {
    let mut index = Index::default();
    assert_eq!(
        index.upsert_external_secret(es("a", 1, 1, ""), false),
        [(work("a"), Lane::User)]
    );
    let status = r#","status":{"refreshTime":"2026-01-01T00:00:00Z"}"#;
    assert_eq!(
        index.upsert_external_secret(es("a", 2, 1, status), false),
        []
    );
    assert_eq!(
        index.upsert_external_secret(es("a", 3, 2, status), false),
        [(work("a"), Lane::User)]
    );
}

#[test]
fn older_events_do_not_undo_our_status() {
    let mut index = Index::default();
    index.upsert_external_secret(es("a", 5, 1, ""), true);
    let key = ObjectKey::new("n", "a");
    index.status_written(&key, 9, |o| o.refresh_time = Some(7));
    index.upsert_external_secret(es("a", 6, 1, ""), false);
    assert_eq!(
        index.external_secret(&key).unwrap().object.refresh_time,
        Some(7)
    );
}

#[test]
fn a_recreated_object_starts_anew() {
    let mut index = Index::default();
    index.upsert_external_secret(es("a", 5, 1, ""), true);
    let key = ObjectKey::new("n", "a");
    index.external_secret_mut(&key).unwrap().refreshed = Some(7);
    let mut new = es("a", 6, 1, "");
    new.uid = "other".into();
    assert_eq!(
        index.upsert_external_secret(new, false),
        [(work("a"), Lane::User)]
    );
    assert_eq!(index.external_secret(&key).unwrap().refreshed, None);
}

#[test]
fn a_list_forgets_what_it_does_not_name() {
    let mut index = Index::default();
    for kind in [Kind::ExternalSecrets, Kind::Secrets] {
        index.begin(kind);
    }
    index.upsert_external_secret(es("a", 1, 1, ""), true);
    index.upsert_external_secret(es("b", 1, 1, ""), true);
    index.upsert_secret(secret("t-a", 3), true);
    index.finish(Kind::ExternalSecrets);
    index.finish(Kind::Secrets);
    for kind in [Kind::ExternalSecrets, Kind::Secrets] {
        index.begin(kind);
    }
    index.upsert_external_secret(es("a", 1, 1, ""), true);
    index.finish(Kind::ExternalSecrets);
    assert!(index.external_secret(&ObjectKey::new("n", "b")).is_none());
    assert_eq!(index.finish(Kind::Secrets), [(work("a"), Lane::Event)]);
    assert!(index.orphans("c", &ObjectKey::new("n", "x")).is_empty());
}

#[test]
fn own_writes_wake_nobody_and_foreign_ones_do() {
    let mut index = Index::default();
    index.begin(Kind::Secrets);
    index.finish(Kind::Secrets);
    index.upsert_external_secret(es("a", 1, 1, ""), false);
    index.secret_known(secret("t-a", 3), None);
    assert_eq!(index.upsert_secret(secret("t-a", 3), false), []);
    assert!(index.secret(&ObjectKey::new("n", "t-a")).unwrap().verified);
    assert_eq!(
        index.upsert_secret(secret("t-a", 4), false),
        [(work("a"), Lane::Event)]
    );
    assert!(index.secret(&ObjectKey::new("n", "t-a")).unwrap().suspect);
    assert_eq!(index.remove_secret(&ObjectKey::new("n", "t-a"), 3), []);
    assert_eq!(
        index.remove_secret(&ObjectKey::new("n", "t-a"), 5),
        [(work("a"), Lane::Event)]
    );
}

#[test]
fn orphans_are_found_by_their_creator() {
    let mut index = Index::default();
    index.secret_known(secret("old", 3), None);
    index.secret_known(secret("new", 4), None);
    let target = ObjectKey::new("n", "new");
    assert_eq!(index.orphans("c", &target), [ObjectKey::new("n", "old")]);
    index.remove_secret(&ObjectKey::new("n", "old"), 9);
    assert!(index.orphans("c", &target).is_empty());
}

#[test]
fn a_store_turning_ready_wakes_exactly_its_readers() {
    let mut index = Index::default();
    index.upsert_external_secret(es("a", 1, 1, ""), true);
    let other = r#"{"metadata":{"name":"o","namespace":"n","uid":"o"},"spec":{"secretStoreRef":{"name":"other"}}}"#;
    index.upsert_external_secret(ExternalSecret::decode(other).unwrap(), true);
    let key = ObjectKey::new("n", "s");
    assert_eq!(
        index.upsert_store(store(1, "{}", "{}"), true),
        [(Work::Store(key.clone()), Lane::Event)]
    );
    assert!(!index.store(&key).unwrap().is_ready());
    let outcome = |generation, ready| Outcome {
        ready,
        generation,
        said: u64::from(ready),
    };
    let woken = [(work("a"), Lane::Event)];
    assert_eq!(
        index.store_validated(&key, outcome(1, false)),
        woken,
        "the first verdict, and each other one, is told by the readers"
    );
    assert_eq!(index.store_validated(&key, outcome(1, false)), []);
    assert_eq!(
        index.store_validated(&key, outcome(1, true)),
        [(work("a"), Lane::Event)]
    );
    assert_eq!(index.store_validated(&key, outcome(1, true)), []);
    assert!(
        !index
            .external_secret(&ObjectKey::new("n", "a"))
            .unwrap()
            .refetch
    );
    assert_eq!(
        index.store_validated(&key, outcome(2, true)),
        [(work("a"), Lane::Event)]
    );
    assert!(
        index
            .external_secret(&ObjectKey::new("n", "a"))
            .unwrap()
            .refetch
    );
}

#[test]
fn a_stores_status_is_not_news_but_its_spec_is() {
    let mut index = Index::default();
    let key = ObjectKey::new("n", "s");
    index.upsert_store(store(1, "{}", "{}"), true);
    let status = r#"{"conditions":[{"type":"Ready","status":"True"}]}"#;
    assert_eq!(index.upsert_store(store(2, "{}", status), false), []);
    assert!(index.store(&key).unwrap().is_ready());
    let changed = store(3, r#"{"controller":"x"}"#, status);
    assert_eq!(
        index.upsert_store(changed, false),
        [(Work::Store(key), Lane::User)]
    );
}

#[test]
fn a_new_force_sync_value_on_a_store_asks_for_a_validation_now() {
    let mut index = Index::default();
    let store = |version: u64, value: &str| {
        let text = format!(
            r#"{{"metadata":{{"name":"s","namespace":"n","uid":"u","resourceVersion":"{version}","annotations":{{"external-secrets.io/force-sync":"{value}"}}}},"spec":{{}}}}"#
        );
        Store::decode(&text).unwrap()
    };
    index.upsert_store(store(1, "a"), true);
    assert_eq!(index.upsert_store(store(2, "a"), false), []);
    let key = ObjectKey::new("n", "s");
    assert_eq!(
        index.upsert_store(store(3, "b"), false),
        [(Work::Store(key), Lane::User)]
    );
}

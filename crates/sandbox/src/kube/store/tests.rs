use serde_json::{Value, json};

use super::{Bucket, Change, Key, Refused, Store};
use crate::kube::object;

fn secret(name: &str, data: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"namespace": "a", "name": name, "uid": format!("u-{name}")}, "data": {"k": data}})
}

fn secrets() -> Bucket {
    Bucket::new("", "secrets")
}

#[test]
fn versions_grow_and_stale_writes_are_refused() {
    let store = Store::new(8);
    let first = store.create(&secrets(), secret("x", "1")).unwrap();
    assert_eq!(
        store.create(&secrets(), secret("x", "1")).unwrap_err(),
        Refused::Exists
    );
    let second = store
        .replace(&secrets(), first.version(), secret("x", "2"))
        .unwrap();
    assert!(second.version() > first.version());
    assert_eq!(
        store
            .replace(&secrets(), first.version(), secret("x", "3"))
            .unwrap_err(),
        Refused::Stale
    );
    assert_eq!(
        store.replace(&secrets(), 1, secret("y", "3")).unwrap_err(),
        Refused::Missing
    );
    assert_eq!(
        object::meta(second.value(), "resourceVersion"),
        second.version().to_string()
    );
}

#[test]
fn events_are_kept_until_the_ring_is_full() {
    let store = Store::new(2);
    let first = store.create(&secrets(), secret("x", "1")).unwrap();
    store.create(&secrets(), secret("y", "1")).unwrap();
    store
        .remove(&Key::of(&secrets(), first.value()), first.version())
        .unwrap();
    let (events, version) = store.events_after(&secrets(), first.version()).unwrap();
    assert_eq!(
        events.iter().map(|e| e.change).collect::<Vec<_>>(),
        [Change::Added, Change::Deleted]
    );
    assert_eq!(version, 3);
    assert_eq!(store.events_after(&secrets(), 0).unwrap_err(), 1);
    assert_eq!(store.take_removed().len(), 1);
}

#[test]
fn owners_are_indexed() {
    let store = Store::new(8);
    let mut child = secret("x", "1");
    object::set_meta(&mut child, "ownerReferences", json!([{"uid": "o"}]));
    let first = store.create(&secrets(), child).unwrap();
    assert_eq!(store.dependents("o").len(), 1);
    let second = store
        .replace(&secrets(), first.version(), secret("x", "1"))
        .unwrap();
    assert!(store.dependents("o").is_empty());
    assert_eq!(store.find("u-x").unwrap().1.version(), second.version());
}

#[test]
fn a_folder_brings_everything_back_and_a_torn_line_is_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), 8).unwrap();
    let x = store.create(&secrets(), secret("x", "1")).unwrap();
    store.create(&secrets(), secret("y", "1")).unwrap();
    store
        .remove(&Key::of(&secrets(), x.value()), x.version())
        .unwrap();
    drop(store);
    let file = folder.path().join("objects.jsonl");
    let mut text = std::fs::read_to_string(&file).unwrap();
    text.push_str("{\"group\":\"\",\"resource\":\"secrets\",\"obj");
    std::fs::write(&file, text).unwrap();
    let store = Store::open(folder.path(), 8).unwrap();
    assert_eq!(store.version(), 3);
    let (objects, _) = store.list(&secrets(), None);
    assert_eq!(
        objects
            .iter()
            .map(|o| o.name().to_owned())
            .collect::<Vec<_>>(),
        ["y"]
    );
    assert_eq!(store.events_after(&secrets(), 2).unwrap_err(), 3);
}

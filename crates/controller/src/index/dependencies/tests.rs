use keyless_api::ReferenceKind::{ConfigMap, Secret, ServiceAccount};
use serde_json::{Value, json};

use super::*;
use crate::index::{Failure, Kind, Outcome, Work};
use crate::object::Namespace;

const CONFIG_MAPS: Origin = Origin::Demanded(ConfigMap);
const SECRETS: Origin = Origin::Demanded(Secret);
const ACCOUNTS: Origin = Origin::Demanded(ServiceAccount);

fn key(namespace: &str, name: &str) -> ObjectKey {
    ObjectKey::new(namespace, name)
}

fn at(version: u64) -> Sighting {
    Sighting {
        version,
        state: version,
        identity: Some(1),
    }
}

fn object(name: &str, spec: &Value) -> ExternalSecret {
    let text = json!({"metadata": {"name": name, "namespace": "n", "uid": name, "resourceVersion": "1"}, "spec": spec});
    ExternalSecret::decode(&text.to_string()).unwrap()
}

/// An ExternalSecret of store `store` that takes a template from an object of `field`.
fn templated(name: &str, field: &str, source: &str) -> ExternalSecret {
    let from = json!([{field: {"name": source, "items": [{"key": "k"}]}}]);
    object(
        name,
        &json!({"secretStoreRef": {"name": "s"}, "target": {"template": {"templateFrom": from}}}),
    )
}

fn store(namespace: &str, name: &str, auth: &Value) -> Store {
    let provider = json!({"aws": {"service": "ParameterStore", "region": "r", "auth": auth}});
    let mut text = json!({"metadata": {"name": name, "uid": name, "resourceVersion": "1"}, "spec": {"provider": provider}});
    if !namespace.is_empty() {
        text["metadata"]["namespace"] = json!(namespace);
    }
    Store::decode(&text.to_string()).unwrap()
}

fn by_account(namespace: Option<&str>) -> Value {
    let mut selector = json!({"name": "sa"});
    if let Some(namespace) = namespace {
        selector["namespace"] = json!(namespace);
    }
    json!({"jwt": {"serviceAccountRef": selector}})
}

/// An index with the templated objects `a` (ConfigMap c), `b` (Secret c) and a bystander, whose
/// watches have listed what exists: both named c, at version 5.
fn listed() -> Index {
    let mut index = Index::default();
    index.upsert_external_secret(templated("a", "configMap", "c"), false);
    index.upsert_external_secret(templated("b", "secret", "c"), false);
    index.upsert_external_secret(
        object("bystander", &json!({"secretStoreRef": {"name": "s"}})),
        false,
    );
    for origin in [CONFIG_MAPS, SECRETS] {
        index.begin_sightings(origin);
        let disturbed = index.sighted(origin, &key("n", "c"), at(5), true);
        assert!(disturbed.is_empty(), "the first list wakes nobody");
        assert!(index.finish_sightings(origin).is_empty());
    }
    index
}

fn ready(index: &mut Index, store: &ObjectKey) {
    let outcome = Outcome {
        ready: true,
        generation: 0,
        said: 0,
    };
    index.store_validated(store, outcome);
}

fn fail(index: &mut Index, object: &ObjectKey) {
    let failure = Failure::after(None, keyless_fault::Class::Denied, "no");
    index.external_secret_mut(object).unwrap().failure = Some(failure);
}

#[test]
fn a_change_wakes_exactly_those_who_depend_on_that_object() {
    let mut index = listed();
    for (origin, namespace, name, version, woken) in [
        (CONFIG_MAPS, "n", "c", 5, None),
        (CONFIG_MAPS, "n", "c", 4, None),
        (CONFIG_MAPS, "n", "c", 6, Some("a")),
        (CONFIG_MAPS, "n", "c", 6, None),
        (CONFIG_MAPS, "other", "c", 7, None),
        (CONFIG_MAPS, "n", "unrelated", 8, None),
        (SECRETS, "n", "c", 9, Some("b")),
        (Origin::Managed, "n", "c", 10, Some("b")),
        (ACCOUNTS, "n", "c", 11, None),
    ] {
        let disturbed = index.sighted(origin, &key(namespace, name), at(version), false);
        let expected: Vec<_> = woken.iter().map(|name| key("n", name)).collect();
        assert_eq!(
            disturbed.external_secrets, expected,
            "{origin:?} {namespace}/{name} {version}"
        );
        assert!(disturbed.stores.is_empty() && !disturbed.gone);
    }
    assert!(index.external_secret(&key("n", "a")).unwrap().rerender);
    assert!(
        !index
            .external_secret(&key("n", "bystander"))
            .unwrap()
            .rerender
    );
    assert_eq!(index.sightings(), 2, "what nobody depends on is forgotten");
}

#[test]
fn what_is_gone_is_told_once_and_what_moved_to_the_other_watch_is_not_gone() {
    let mut index = listed();
    let c = key("n", "c");
    let disturbed = index.vanished(CONFIG_MAPS, &c, 6);
    assert_eq!(
        (disturbed.external_secrets, disturbed.gone),
        (vec![key("n", "a")], true)
    );
    assert!(index.vanished(CONFIG_MAPS, &c, 6).is_empty());
    let back = index.sighted(CONFIG_MAPS, &c, at(7), false);
    assert_eq!(
        (back.external_secrets, back.gone),
        (vec![key("n", "a")], false)
    );
    // It got the managed label: one watch shows it, the other loses it, in either order.
    assert!(!index.sighted(Origin::Managed, &c, at(8), false).is_empty());
    assert!(index.vanished(SECRETS, &c, 8).is_empty());
    assert!(!index.vanished(Origin::Managed, &c, 9).is_empty());
}

#[test]
fn a_list_after_an_interruption_tells_what_was_missed() {
    let mut index = listed();
    let relist = |index: &mut Index, versions: &[u64]| {
        index.begin_sightings(CONFIG_MAPS);
        let mut woken = Vec::new();
        for version in versions {
            let disturbed = index.sighted(CONFIG_MAPS, &key("n", "c"), at(*version), true);
            woken.extend(disturbed.external_secrets);
        }
        woken.extend(index.finish_sightings(CONFIG_MAPS).external_secrets);
        woken
    };
    assert!(relist(&mut index, &[5]).is_empty());
    assert_eq!(relist(&mut index, &[6]), [key("n", "a")]);
    assert_eq!(
        relist(&mut index, &[]),
        [key("n", "a")],
        "deleted meanwhile"
    );
    assert!(relist(&mut index, &[]).is_empty());
    assert_eq!(
        relist(&mut index, &[8]),
        [key("n", "a")],
        "created meanwhile"
    );
    index.end_sightings(CONFIG_MAPS);
    assert!(
        relist(&mut index, &[9]).is_empty(),
        "a new watch begins anew"
    );
}

/// The gap between an object's read and the first list of the watch that it starts.
#[test]
fn a_first_list_disturbs_only_those_who_read_another_state() {
    for (read, listed, woken) in [
        (Some(Sighting::read(5)), Some(5), false),
        (Some(Sighting::read(5)), Some(6), true),
        (Some(Sighting::read(6)), Some(5), false),
        (Some(Sighting::ABSENT), Some(5), true),
        (Some(Sighting::ABSENT), None, false),
        (Some(Sighting::read(5)), None, true),
        (None, Some(5), false),
    ] {
        let mut index = Index::default();
        index.upsert_external_secret(templated("a", "configMap", "c"), false);
        let (a, c) = (key("n", "a"), key("n", "c"));
        if let Some(read) = read {
            assert!(index.read(ConfigMap, &c, read, &a).is_empty());
        }
        index.begin_sightings(CONFIG_MAPS);
        let mut disturbed = Vec::new();
        if let Some(version) = listed {
            disturbed.extend(
                index
                    .sighted(CONFIG_MAPS, &c, at(version), true)
                    .external_secrets,
            );
        }
        disturbed.extend(index.finish_sightings(CONFIG_MAPS).external_secrets);
        assert_eq!(!disturbed.is_empty(), woken, "{read:?} {listed:?}");
    }
}

#[test]
fn one_readers_news_reach_the_other_readers_even_without_a_watch() {
    let mut index = Index::default();
    for name in ["a", "b"] {
        index.upsert_external_secret(templated(name, "configMap", "c"), false);
    }
    let (a, b, c) = (key("n", "a"), key("n", "b"), key("n", "c"));
    assert!(index.read(ConfigMap, &c, Sighting::read(5), &a).is_empty());
    assert!(index.read(ConfigMap, &c, Sighting::read(5), &b).is_empty());
    let disturbed = index.read(ConfigMap, &c, Sighting::read(6), &a);
    assert_eq!(disturbed.external_secrets, [b]);
}

#[test]
fn nobody_wakes_itself_by_its_own_target() {
    let mut index = Index::default();
    index.upsert_external_secret(templated("a", "secret", "a"), false);
    assert_eq!(index.demand(), Demand::default());
    assert!(
        index
            .sighted(Origin::Managed, &key("n", "a"), at(5), false)
            .is_empty()
    );
}

#[test]
fn the_demand_follows_what_exists() {
    let has =
        |index: &Index| [Secret, ConfigMap, ServiceAccount].map(|kind| index.demand().has(kind));
    let mut index = Index::default();
    assert_eq!(has(&index), [false; 3]);
    index.upsert_external_secret(templated("a", "configMap", "c"), false);
    index.upsert_external_secret(templated("b", "configMap", "c"), false);
    assert_eq!(has(&index), [false, true, false]);
    index.upsert_store(store("n", "s", &by_account(None)), false);
    assert_eq!(has(&index), [false, true, true]);
    index.remove_external_secret(&key("n", "a"));
    assert_eq!(has(&index), [false, true, true]);
    index.sighted(CONFIG_MAPS, &key("n", "c"), at(1), false);
    index.remove_external_secret(&key("n", "b"));
    assert_eq!((has(&index), index.sightings()), ([false, false, true], 0));
    let mut changed = store(
        "n",
        "s",
        &json!({"secretRef": {"accessKeyIDSecretRef": {"name": "keys", "key": "id"}}}),
    );
    changed.version = 2;
    index.upsert_store(changed, false);
    assert_eq!(has(&index), [true, false, false]);
    index.remove_store(&key("n", "s"));
    assert_eq!(has(&index), [false; 3]);
}

#[test]
fn a_credential_wakes_the_stores_that_mean_the_object_of_that_namespace() {
    for (owner, named, changed, woken) in [
        ("n", None, "n", true),
        ("n", None, "m", false),
        ("n", Some("n"), "n", true),
        ("n", Some("m"), "m", false),
        ("", Some("m"), "m", true),
        ("", Some("m"), "n", false),
        ("", None, "n", true),
        ("", None, "m", false),
    ] {
        let mut index = Index::default();
        index.upsert_store(store(owner, "s", &by_account(named)), false);
        let kind = if owner.is_empty() {
            "ClusterSecretStore"
        } else {
            "SecretStore"
        };
        index.upsert_external_secret(
            object(
                "reader",
                &json!({"secretStoreRef": {"name": "s", "kind": kind}}),
            ),
            false,
        );
        let disturbed = index.sighted(ACCOUNTS, &key(changed, "sa"), at(5), false);
        let expected: Vec<_> = woken.then(|| key(owner, "s")).into_iter().collect();
        assert_eq!(disturbed.stores, expected, "{owner:?} {named:?} {changed}");
    }
}

#[test]
fn a_credential_wakes_failing_readers_of_a_ready_store_and_leaves_the_others() {
    let referent = store("", "s", &by_account(None));
    let fixed = store("", "s", &by_account(Some("n")));
    let reader = |namespace: &str, name: &str| {
        let mut object = object(
            name,
            &json!({"secretStoreRef": {"name": "s", "kind": "ClusterSecretStore"}}),
        );
        object.key = key(namespace, name);
        object
    };
    let (fine, bad, far) = (key("n", "fine"), key("n", "bad"), key("m", "far"));
    for (store, is_ready, woken) in [
        (&referent, true, vec![bad.clone()]),
        (&fixed, true, vec![far.clone(), bad.clone()]),
        (&fixed, false, vec![]),
    ] {
        let mut index = Index::default();
        index.upsert_store(store.clone(), false);
        for key in [&fine, &bad, &far] {
            index.upsert_external_secret(reader(&key.namespace, &key.name), false);
        }
        fail(&mut index, &bad);
        fail(&mut index, &far);
        if is_ready {
            ready(&mut index, &key("", "s"));
        }
        let entry = index.store_mut(&key("", "s")).unwrap();
        for _ in 0..9 {
            entry.circuit.failure(std::time::Duration::ZERO, None);
        }
        let disturbed = index.sighted(ACCOUNTS, &key("n", "sa"), at(5), false);
        assert_eq!(disturbed.stores, [key("", "s")]);
        assert_eq!(disturbed.external_secrets, woken);
        assert!(!index.store(&key("", "s")).unwrap().circuit.is_open());
        // One that is gone may be on its way back: nobody but the store asks, and a bit later.
        let gone = index.vanished(ACCOUNTS, &key("n", "sa"), 6);
        assert_eq!(
            (gone.stores.len(), gone.external_secrets.len(), gone.gone),
            (1, 0, true)
        );
        assert!(index.store(&key("", "s")).unwrap().stale);
    }
}

#[test]
fn who_waits_for_its_target_hears_when_it_appears_goes_or_changes_hands() {
    let mine = |identity| Sighting {
        identity: Some(identity),
        ..at(5)
    };
    let newer = |identity| Sighting {
        identity: Some(identity),
        ..at(6)
    };
    for (seen, then, woken) in [
        (Sighting::ABSENT, Some(newer(1)), true),
        (mine(1), Some(newer(1)), false),
        (mine(1), Some(newer(2)), true),
        (mine(1), None, true),
        (Sighting::ABSENT, None, false),
    ] {
        for initial in [true, false] {
            let mut index = Index::default();
            let spec = json!({"secretStoreRef": {"name": "s"}, "target": {"name": "t", "creationPolicy": "Merge"}});
            index.upsert_external_secret(object("a", &spec), false);
            let (a, t) = (key("n", "a"), key("n", "t"));
            assert_eq!(index.demand(), Demand::default(), "only who waits watches");
            assert!(index.await_target(&a, &t, Some(seen)));
            assert!(!index.await_target(&a, &t, Some(seen)), "told once");
            assert!(index.demand().has(Secret));
            index.begin_sightings(SECRETS);
            let mut disturbed = Disturbed::default();
            if initial && let Some(then) = then {
                disturbed = index.sighted(SECRETS, &t, then, true);
            }
            if !initial && seen.state != 0 {
                assert!(index.sighted(SECRETS, &t, seen, true).is_empty());
            }
            let end = index.finish_sightings(SECRETS);
            if disturbed.is_empty() {
                disturbed = end;
            }
            if !initial {
                assert!(disturbed.is_empty());
                disturbed = match then {
                    Some(then) => index.sighted(SECRETS, &t, then, false),
                    None => index.vanished(SECRETS, &t, 7),
                };
            }
            let expected: Vec<_> = woken.then(|| a.clone()).into_iter().collect();
            assert_eq!(
                disturbed.external_secrets, expected,
                "{seen:?} {then:?} {initial}"
            );
            assert!(!disturbed.gone, "a target that goes is what it waits for");
            index.await_target(&a, &t, None);
            assert_eq!(index.demand(), Demand::default());
        }
    }
}

#[test]
fn who_is_gone_or_changed_waits_no_more() {
    let mut index = Index::default();
    let spec = |policy: &str| json!({"secretStoreRef": {"name": "s"}, "target": {"name": "t", "creationPolicy": policy}});
    let (a, t) = (key("n", "a"), key("n", "t"));
    assert!(
        !index.await_target(&a, &t, Some(Sighting::ABSENT)),
        "nobody waits"
    );
    assert_eq!(index.demand(), Demand::default());
    index.upsert_external_secret(object("a", &spec("Merge")), false);
    assert!(index.await_target(&a, &t, Some(Sighting::ABSENT)));
    let mut changed = object("a", &spec("Owner"));
    changed.version = 2;
    changed.fingerprint = "other".into();
    index.upsert_external_secret(changed, false);
    assert_eq!(index.demand(), Demand::default());
    assert!(index.await_target(&a, &t, Some(Sighting::ABSENT)));
    index.remove_external_secret(&a);
    assert_eq!(index.demand(), Demand::default());
}

#[test]
fn a_relabelled_namespace_wakes_exactly_those_whose_admission_changed() {
    let namespace = |labels: Value| {
        let text = json!({"metadata": {"name": "n", "labels": labels}});
        Namespace::decode(&text.to_string()).unwrap()
    };
    let selecting = |name: &str, team: &str| {
        let spec = json!({"provider": {"fake": {"data": []}}, "conditions": [{"namespaceSelector": {"matchLabels": {"team": team}}}]});
        let text =
            json!({"metadata": {"name": name, "uid": name, "resourceVersion": "1"}, "spec": spec});
        Store::decode(&text.to_string()).unwrap()
    };
    let mut index = Index::default();
    for (name, team) in [("red", "red"), ("blue", "blue")] {
        index.upsert_store(selecting(name, team), true);
        let spec = json!({"secretStoreRef": {"name": name, "kind": "ClusterSecretStore"}});
        index.upsert_external_secret(object(name, &spec), true);
        let mut far = object(name, &spec);
        far.key = key("far", name);
        index.upsert_external_secret(far, true);
    }
    index.upsert_external_secret(
        object("local", &json!({"secretStoreRef": {"name": "red"}})),
        true,
    );
    assert_eq!(
        index.upsert_namespace(namespace(json!({"team": "red"}))),
        [],
        "the first list wakes nobody"
    );
    index.finish(Kind::Namespaces);
    let mut relabel = |labels: Value| {
        let wakes = index.upsert_namespace(namespace(labels));
        let names = wakes.into_iter().map(|(work, _)| match work {
            Work::ExternalSecret(key) => format!("{key}"),
            other => panic!("{other:?}"),
        });
        names.collect::<Vec<_>>()
    };
    assert_eq!(relabel(json!({"team": "red", "x": "y"})), [""; 0]);
    assert_eq!(relabel(json!({"team": "blue"})), ["n/blue", "n/red"]);
    assert_eq!(relabel(json!({})), ["n/blue"]);
    assert!(index.external_secret(&key("n", "blue")).unwrap().refetch);
}

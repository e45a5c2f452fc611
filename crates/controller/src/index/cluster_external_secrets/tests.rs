use super::*;

fn cluster(name: &str, version: u64, spec: &str, extra: &str) -> ClusterExternalSecret {
    ClusterExternalSecret::decode(&format!(
        r#"{{"metadata":{{"name":"{name}","uid":"u-{name}","resourceVersion":"{version}"}},"spec":{spec}{extra}}}"#
    ))
    .unwrap()
}

/// Makes ExternalSecrets `es` in namespaces of a team.
fn of_team(name: &str, es: &str, team: &str) -> ClusterExternalSecret {
    let spec = format!(
        r#"{{"externalSecretName":"{es}","externalSecretSpec":{{}},"namespaceSelectors":[{{"matchLabels":{{"team":"{team}"}}}}]}}"#
    );
    cluster(name, 1, &spec, "")
}

fn namespace(name: &str, version: u64, team: &str, finalizers: &str) -> Namespace {
    Namespace::decode(&format!(
        r#"{{"metadata":{{"name":"{name}","resourceVersion":"{version}","labels":{{"team":"{team}"}},"finalizers":[{finalizers}]}}}}"#
    ))
    .unwrap()
}

fn held(name: &str, version: u64, cluster: &str) -> Namespace {
    let finalizer = format!(r#""externalsecrets.external-secrets.io/ces-{cluster}""#);
    namespace(name, version, "none", &finalizer)
}

fn es(
    namespace: &str,
    name: &str,
    version: u64,
    owner: Option<&str>,
    extra: &str,
) -> ExternalSecret {
    let owner = owner.map(|name| {
        format!(
            r#"{{"apiVersion":"external-secrets.io/v1","kind":"ClusterExternalSecret","name":"{name}","uid":"u-{name}","controller":true}}"#
        )
    });
    let text = format!(
        r#"{{"metadata":{{"name":"{name}","namespace":"{namespace}","uid":"u","generation":1,"resourceVersion":"{version}","ownerReferences":[{}]}},"spec":{{}}{extra}}}"#,
        owner.unwrap_or_default()
    );
    ExternalSecret::decode(&text).unwrap()
}

fn key(name: &str) -> ObjectKey {
    ObjectKey::new("", name)
}

/// The ClusterExternalSecrets among `wakes`.
fn woken(wakes: &Wakes) -> Vec<&str> {
    let mut names: Vec<&str> = wakes
        .iter()
        .filter_map(|(work, _)| match work {
            Work::ClusterExternalSecret(key) => Some(&*key.name),
            _ => None,
        })
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// What `name` has to look at; afterwards it has looked.
fn scope(index: &mut Index, name: &str) -> Vec<String> {
    let entry = index.cluster_external_secret_mut(&key(name)).unwrap();
    match std::mem::take(&mut entry.scope) {
        Scope::All => vec!["*".into()],
        Scope::Some(set) => set.iter().map(ToString::to_string).collect(),
    }
}

/// Two teams' ClusterExternalSecrets, which have looked at everything.
fn two_teams() -> Index {
    let mut index = Index::default();
    for kind in [
        Kind::Namespaces,
        Kind::ClusterExternalSecrets,
        Kind::ExternalSecrets,
    ] {
        index.begin(kind);
        index.finish(kind);
    }
    for (name, team) in [("ca", "a"), ("cb", "b")] {
        index.upsert_cluster_external_secret(of_team(name, "e", team), false);
        assert_eq!(scope(&mut index, name), ["*"]);
    }
    index
}

#[test]
fn a_namespace_wakes_exactly_those_that_select_it_or_did() {
    let mut index = two_teams();
    let wakes = index.upsert_namespace(namespace("n", 1, "a", ""));
    assert_eq!(woken(&wakes), ["ca"]);
    assert_eq!(scope(&mut index, "ca"), ["n"]);
    assert!(scope(&mut index, "cb").is_empty());
    assert!(
        index
            .upsert_namespace(namespace("n", 2, "a", ""))
            .is_empty()
    );
    let wakes = index.upsert_namespace(namespace("n", 3, "b", ""));
    assert_eq!(woken(&wakes), ["ca", "cb"]);
    assert_eq!(scope(&mut index, "ca"), ["n"]);
    assert_eq!(scope(&mut index, "cb"), ["n"]);
    let wakes = index.upsert_namespace(namespace("other", 4, "c", ""));
    assert!(wakes.is_empty());
    assert_eq!(woken(&index.remove_namespace("n")), ["cb"]);
    assert!(index.remove_namespace("n").is_empty());
}

#[test]
fn an_old_event_does_not_bring_a_namespace_back() {
    let mut index = two_teams();
    index.upsert_namespace(held("n", 3, "ca"));
    index.upsert_namespace(namespace("n", 5, "none", ""));
    assert!(index.upsert_namespace(held("n", 4, "ca")).is_empty());
    assert_eq!(index.held_for("ca").count(), 0);
}

#[test]
fn a_foreign_external_secret_wakes_those_that_would_make_it() {
    let mut index = two_teams();
    index.upsert_namespace(namespace("n", 1, "a", ""));
    scope(&mut index, "ca");
    let foreign =
        |index: &mut Index, name| index.upsert_external_secret(es("n", name, 2, None, ""), false);
    assert_eq!(woken(&foreign(&mut index, "e")), ["ca"]);
    assert!(woken(&foreign(&mut index, "another")).is_empty());
    assert_eq!(scope(&mut index, "ca"), ["n"]);
    let gone = index.remove_external_secret(&ObjectKey::new("n", "e"));
    assert_eq!(woken(&gone), ["ca"], "what was blocked is free");
    assert_eq!(scope(&mut index, "ca"), ["n"]);
    let elsewhere = es("unknown", "e", 3, None, "");
    assert!(woken(&index.upsert_external_secret(elsewhere, false)).is_empty());
}

#[test]
fn what_it_made_wakes_its_maker_wherever_it_is() {
    let mut index = two_teams();
    let made = |version, owner, extra: &str| es("n", "old", version, owner, extra);
    let wakes = index.upsert_external_secret(made(2, Some("ca"), ""), false);
    assert_eq!(woken(&wakes), ["ca"]);
    assert_eq!(scope(&mut index, "ca"), ["n"]);
    let status = r#","status":{"refreshTime":"2026-01-01T00:00:00Z"}"#;
    let wakes = index.upsert_external_secret(made(3, Some("ca"), status), false);
    assert!(wakes.is_empty(), "a status is no edit");
    let wakes = index.upsert_external_secret(made(4, None, status), false);
    assert_eq!(woken(&wakes), ["ca"], "the owner reference was taken away");
    let wakes = index.upsert_external_secret(made(5, Some("cb"), status), false);
    assert_eq!(woken(&wakes), ["cb"]);
    let gone = index.remove_external_secret(&ObjectKey::new("n", "old"));
    assert_eq!(woken(&gone), ["cb"]);
    assert_eq!(index.made_by("ca").count() + index.made_by("cb").count(), 0);
}

#[test]
fn what_was_made_is_found_by_namespace() {
    let mut index = two_teams();
    for (namespace, name) in [("m", "e"), ("n", "a"), ("n", "e"), ("o", "e")] {
        index.upsert_external_secret(es(namespace, name, 1, Some("ca"), ""), false);
    }
    index.upsert_external_secret(es("n", "b", 1, Some("cb"), ""), false);
    let n = "n".into();
    let made = index.made_in("ca", &n);
    let made: Vec<String> = made.map(ToString::to_string).collect();
    assert_eq!(made, ["n/a", "n/e"]);
    assert_eq!(index.made_by("ca").count(), 4);
    assert_eq!(index.made_in("ca", &"x".into()).count(), 0);
}

#[test]
fn a_renamed_template_is_found_by_its_new_name_only() {
    let mut index = two_teams();
    index.upsert_namespace(namespace("n", 1, "a", ""));
    let mut renamed = of_team("ca", "f", "a");
    renamed.version = 2;
    let wakes = index.upsert_cluster_external_secret(renamed, false);
    assert_eq!(
        wakes,
        [(Work::ClusterExternalSecret(key("ca")), Lane::User)]
    );
    assert_eq!(scope(&mut index, "ca"), ["*"]);
    let foreign = |name| es("n", name, 2, None, "");
    assert!(woken(&index.upsert_external_secret(foreign("e"), false)).is_empty());
    assert_eq!(
        woken(&index.upsert_external_secret(foreign("f"), false)),
        ["ca"]
    );
}

#[test]
fn a_finalizer_is_told_to_its_cluster_external_secret_even_if_that_is_gone() {
    let mut index = two_teams();
    for name in ["ca", "gone"] {
        let wakes = index.upsert_namespace(held(&format!("n-{name}"), 1, name));
        assert_eq!(woken(&wakes), [name]);
        assert_eq!(index.held_for(name).count(), 1);
    }
    assert_eq!(scope(&mut index, "ca"), ["n-ca"]);
    let wakes = index.remove_cluster_external_secret(&key("ca"));
    assert_eq!(woken(&wakes), ["ca"], "the finalizer is to be taken off");
    assert!(index.remove_cluster_external_secret(&key("cb")).is_empty());
}

#[test]
fn nothing_is_looked_at_before_everything_is_known() {
    let mut index = Index::default();
    for kind in [
        Kind::Namespaces,
        Kind::ClusterExternalSecrets,
        Kind::ExternalSecrets,
    ] {
        index.begin(kind);
        index.upsert_cluster_external_secret(of_team("ca", "e", "a"), true);
        index.upsert_namespace(held("n", 1, "gone"));
        assert!(!index.knows_clusters());
        let wakes = index.finish(kind);
        if index.knows_clusters() {
            assert_eq!(
                (kind, woken(&wakes)),
                (Kind::ExternalSecrets, vec!["ca", "gone"])
            );
        } else {
            assert!(woken(&wakes).is_empty());
        }
    }
    index.begin(Kind::Namespaces);
    index.upsert_namespace(held("n", 1, "gone"));
    assert!(index.finish(Kind::Namespaces).is_empty(), "known before");
}

#[test]
fn a_list_tells_what_is_gone() {
    let mut index = two_teams();
    index.upsert_namespace(namespace("n", 1, "a", ""));
    index.upsert_external_secret(es("n", "e", 1, Some("ca"), ""), false);
    scope(&mut index, "ca");
    index.begin(Kind::ExternalSecrets);
    assert_eq!(woken(&index.finish(Kind::ExternalSecrets)), ["ca"]);
    index.begin(Kind::Namespaces);
    assert_eq!(woken(&index.finish(Kind::Namespaces)), ["ca"]);
    assert_eq!(index.namespaces().count(), 0);
    index.begin(Kind::ClusterExternalSecrets);
    index.upsert_cluster_external_secret(of_team("ca", "e", "a"), true);
    index.finish(Kind::ClusterExternalSecrets);
    assert!(index.cluster_external_secret(&key("cb")).is_none());
}

#[test]
fn an_edited_status_is_told_again_without_a_look_at_all_namespaces() {
    let mut index = two_teams();
    let status = ClusterStatus {
        ready: Some(("True".into(), "".into())),
        name: "e".into(),
        ..ClusterStatus::default()
    };
    index.cluster_status_written(&key("ca"), 3, status);
    assert!(index.cluster_external_secret(&key("ca")).unwrap().told);
    let spec = r#"{"externalSecretName":"e","externalSecretSpec":{},"namespaceSelectors":[{"matchLabels":{"team":"a"}}]}"#;
    let ready = |version, status: &str| {
        let extra = format!(
            r#","status":{{"externalSecretName":"e","conditions":[{{"type":"Ready","status":"{status}"}}]}}"#
        );
        cluster("ca", version, spec, &extra)
    };
    assert!(
        index
            .upsert_cluster_external_secret(ready(3, "True"), false)
            .is_empty(),
        "our own echo"
    );
    let wakes = index.upsert_cluster_external_secret(ready(4, "False"), false);
    assert_eq!(
        wakes,
        [(Work::ClusterExternalSecret(key("ca")), Lane::Event)]
    );
    assert!(scope(&mut index, "ca").is_empty());
    assert!(!index.cluster_external_secret(&key("ca")).unwrap().told);
    // An answer that is older than what an event has told.
    index.cluster_status_written(&key("ca"), 2, ClusterStatus::default());
    assert!(!index.cluster_external_secret(&key("ca")).unwrap().told);
}

#[test]
fn one_that_was_made_again_starts_anew() {
    let mut index = two_teams();
    let entry = index.cluster_external_secret_mut(&key("ca")).unwrap();
    entry.note(&"n".into(), Standing::Provisioned);
    let mut new = of_team("ca", "e", "a");
    (new.uid, new.version) = ("other".into(), 9);
    index.upsert_cluster_external_secret(new, false);
    let entry = index.cluster_external_secret(&key("ca")).unwrap();
    assert!(entry.provisioned.is_empty() && entry.scope == Scope::All);
}

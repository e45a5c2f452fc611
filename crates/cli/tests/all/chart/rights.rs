//! Which rights the chart gives, and where.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::support::helm::Helm;

fn kinds(objects: &[Value]) -> BTreeSet<String> {
    let name = |o: &Value| {
        let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
        format!("{} {}", text(&o["kind"]), text(&o["metadata"]["name"]))
    };
    objects.iter().map(name).collect()
}

fn tokens(objects: &[Value]) -> Vec<(String, String)> {
    let roles = objects.iter().filter(|o| {
        let kind = o["kind"].as_str().unwrap_or_default();
        kind.ends_with("Role") && o["rules"].to_string().contains("serviceaccounts/token")
    });
    let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
    roles
        .map(|o| (text(&o["kind"]), text(&o["metadata"]["namespace"])))
        .collect()
}

/// Nobody creates tokens for a whole cluster unless it is asked for; a narrower place has a Role.
#[test]
fn the_right_to_create_tokens_is_given_where_asked() {
    let Some(helm) = Helm::get() else { return };
    let role = |ns: &str| ("Role".to_owned(), ns.to_owned());
    let all = ("ClusterRole".to_owned(), String::new());
    for (set, wanted) in [
        ("a=b", vec![]),
        ("rbac.serviceAccountTokenCreate=false", vec![]),
        (
            "rbac.tokenNamespaces={team-a,team-b}",
            vec![role("team-a"), role("team-b")],
        ),
        ("rbac.serviceAccountTokenCreate=true", vec![all]),
        (
            "rbac.serviceAccountTokenCreate=true,scopedNamespace=team",
            vec![role("team")],
        ),
        (
            "rbac.serviceAccountTokenCreate=true,rbac.profile=least,rbac.namespaces={x}",
            vec![role("x")],
        ),
        (
            "rbac.create=false,rbac.serviceAccountTokenCreate=true",
            vec![],
        ),
    ] {
        let objects = helm.template(&["--set", set]).unwrap();
        assert_eq!(tokens(&objects), wanted, "{set}");
    }
}

#[test]
fn the_profile_least_and_a_scoped_namespace_touch_no_other_secret() {
    let Some(helm) = Helm::get() else { return };
    for (set, namespaces) in [
        (
            "rbac.profile=least,rbac.namespaces={team-a,team-b}",
            &["team-a", "team-b"][..],
        ),
        ("scopedNamespace=team", &["team"][..]),
    ] {
        let objects = helm.template(&["--set", set]).unwrap();
        let secrets: Vec<&Value> = objects
            .iter()
            .filter(|o| o["rules"].to_string().contains("\"secrets\""))
            .collect();
        let places: Vec<&str> = secrets
            .iter()
            .map(|o| o["metadata"]["namespace"].as_str().unwrap_or("everywhere"))
            .collect();
        assert_eq!(places, namespaces, "{set}");
    }
    let objects = helm.template(&["--set", "scopedNamespace=team"]).unwrap();
    let cluster: Vec<_> = kinds(&objects)
        .into_iter()
        .filter(|k| k.starts_with("Cluster"))
        .collect();
    assert!(cluster.is_empty(), "{cluster:?}");
}

use std::time::Instant;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{
    AUTHENTICATED, Attributes, Authorizer, MASTERS, User, Verdict, default_objects, forbidden,
};

fn bob() -> User {
    User {
        name: "bob".into(),
        groups: vec!["dev".into(), AUTHENTICATED.into()],
        ..User::default()
    }
}

fn role(kind: &str, namespace: &str, name: &str, rules: &Value) -> Value {
    json!({"kind": kind, "metadata": {"name": name, "namespace": namespace}, "rules": rules})
}

fn binding(kind: &str, namespace: &str, name: &str, role: (&str, &str), subjects: &Value) -> Value {
    json!({
        "kind": kind, "metadata": {"name": name, "namespace": namespace},
        "roleRef": {"kind": role.0, "name": role.1}, "subjects": subjects,
    })
}

fn on<'a>(
    verb: &'a str,
    group: &'a str,
    resource: &'a str,
    namespace: &'a str,
    name: &'a str,
) -> Attributes<'a> {
    let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
    Attributes {
        verb,
        group,
        resource,
        subresource,
        namespace,
        name,
        path: "",
    }
}

#[test]
fn rules() {
    let reader = json!([
        {"verbs": ["get"], "apiGroups": [""], "resources": ["secrets"], "resourceNames": ["one"]},
        {"verbs": ["list"], "apiGroups": ["apps"], "resources": ["*/scale", "deployments"]},
        {"verbs": ["*"], "apiGroups": ["x.io"], "resources": ["*"]},
        {"verbs": ["get"], "nonResourceURLs": ["/logs/*", "/one"]},
    ]);
    let roles = [
        role("Role", "a", "reader", &reader),
        role("ClusterRole", "", "reader", &reader),
    ];
    let user = json!([{"kind": "User", "name": "bob"}]);
    let in_namespace = Authorizer::new(
        &roles,
        &[binding("RoleBinding", "a", "b", ("Role", "reader"), &user)],
    );
    let through_cluster_role = Authorizer::new(
        &roles,
        &[binding(
            "RoleBinding",
            "a",
            "b",
            ("ClusterRole", "reader"),
            &user,
        )],
    );
    let everywhere = Authorizer::new(
        &roles,
        &[binding(
            "ClusterRoleBinding",
            "",
            "b",
            ("ClusterRole", "reader"),
            &user,
        )],
    );
    for (attributes, local, cluster) in [
        (on("get", "", "secrets", "a", "one"), true, true),
        (on("get", "", "secrets", "a", "two"), false, false),
        (on("get", "", "secrets", "a", ""), false, false),
        (on("get", "", "secrets", "b", "one"), false, true),
        (on("get", "", "secrets/status", "a", "one"), false, false),
        (on("list", "apps", "deployments", "a", ""), true, true),
        (
            on("list", "apps", "deployments/status", "a", ""),
            false,
            false,
        ),
        (
            on("list", "apps", "statefulsets/scale", "a", ""),
            true,
            true,
        ),
        (on("list", "", "deployments", "a", ""), false, false),
        (on("patch", "x.io", "things/status", "a", "q"), true, true),
        (on("patch", "x.io", "things", "", "q"), false, true),
        (
            Attributes {
                verb: "get",
                path: "/logs/a",
                ..Attributes::default()
            },
            false,
            true,
        ),
        (
            Attributes {
                verb: "get",
                path: "/one",
                ..Attributes::default()
            },
            false,
            true,
        ),
        (
            Attributes {
                verb: "get",
                path: "/one/two",
                ..Attributes::default()
            },
            false,
            false,
        ),
        (
            Attributes {
                verb: "post",
                path: "/one",
                ..Attributes::default()
            },
            false,
            false,
        ),
    ] {
        assert_eq!(
            in_namespace.authorize(&bob(), &attributes).allowed,
            local,
            "{attributes:?}"
        );
        assert_eq!(
            through_cluster_role.authorize(&bob(), &attributes).allowed,
            local,
            "{attributes:?}"
        );
        assert_eq!(
            everywhere.authorize(&bob(), &attributes).allowed,
            cluster,
            "{attributes:?}"
        );
    }
}

#[test]
fn subjects() {
    let all = role(
        "ClusterRole",
        "",
        "all",
        &json!([{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}]),
    );
    let allowed = |subject: Value, user: &User| {
        let binding = binding(
            "RoleBinding",
            "a",
            "b",
            ("ClusterRole", "all"),
            &json!([subject]),
        );
        Authorizer::new([&all], [&binding])
            .authorize(user, &on("get", "", "pods", "a", ""))
            .allowed
    };
    let account = User::service_account("ns", "sa", "");
    assert!(allowed(
        json!({"kind": "ServiceAccount", "name": "sa", "namespace": "ns"}),
        &account
    ));
    assert!(!allowed(
        json!({"kind": "ServiceAccount", "name": "sa", "namespace": "a"}),
        &account
    ));
    assert!(!allowed(
        json!({"kind": "ServiceAccount", "name": "sa"}),
        &account
    ));
    assert!(allowed(
        json!({"kind": "User", "name": "system:serviceaccount:ns:sa"}),
        &account
    ));
    assert!(allowed(
        json!({"kind": "Group", "name": "system:serviceaccounts"}),
        &account
    ));
    assert!(allowed(
        json!({"kind": "Group", "name": "system:serviceaccounts:ns"}),
        &account
    ));
    assert!(!allowed(
        json!({"kind": "Group", "name": "system:serviceaccounts:a"}),
        &account
    ));
    assert!(!allowed(json!({"kind": "User", "name": "dev"}), &bob()));
    assert!(allowed(json!({"kind": "Group", "name": "dev"}), &bob()));
    assert!(!allowed(json!({"kind": "Robot", "name": "bob"}), &bob()));
    assert!(!allowed(json!(3), &bob()));
}

/// Texts of kube-apiserver v1.37.2.
#[test]
fn refusals_in_the_servers_words() {
    let none = Verdict {
        allowed: false,
        reason: String::new(),
    };
    for (attributes, expected) in [
        (
            on("list", "", "secrets", "x", ""),
            r#"secrets is forbidden: User "bob" cannot list resource "secrets" in API group "" in the namespace "x""#,
        ),
        (
            on("get", "", "secrets", "x", "a"),
            r#"secrets "a" is forbidden: User "bob" cannot get resource "secrets" in API group "" in the namespace "x""#,
        ),
        (
            on("list", "", "namespaces", "", ""),
            r#"namespaces is forbidden: User "bob" cannot list resource "namespaces" in API group "" at the cluster scope"#,
        ),
        (
            on("get", "x.io", "tests/status", "x", "q"),
            r#"tests.x.io "q" is forbidden: User "bob" cannot get resource "tests/status" in API group "x.io" in the namespace "x""#,
        ),
        (
            on("create", "", "serviceaccounts/token", "x", "a"),
            r#"serviceaccounts "a" is forbidden: User "bob" cannot create resource "serviceaccounts/token" in API group "" in the namespace "x""#,
        ),
        (
            Attributes {
                verb: "get",
                path: "/metrics",
                ..Attributes::default()
            },
            r#"forbidden: User "bob" cannot get path "/metrics""#,
        ),
    ] {
        assert_eq!(forbidden(&bob(), &attributes, &none), expected);
    }
}

/// The default policy, as a real cluster applies it.
#[test]
fn defaults() {
    let (roles, mut bindings) = default_objects();
    let group = json!([{"kind": "Group", "name": "dev"}]);
    bindings.push(binding(
        "RoleBinding",
        "default",
        "bb",
        ("ClusterRole", "view"),
        &group,
    ));
    bindings.push(binding(
        "RoleBinding",
        "ops",
        "bb",
        ("ClusterRole", "admin"),
        &group,
    ));
    let policy = Authorizer::new(&roles, &bindings);
    let allowed =
        |user: &User, attributes: &Attributes<'_>| policy.authorize(user, attributes).allowed;
    let path = |path| Attributes {
        verb: "get",
        path,
        ..Attributes::default()
    };
    for (attributes, expected) in [
        (on("get", "", "configmaps", "default", "x"), true),
        (on("get", "", "secrets", "default", "x"), false),
        (on("create", "", "configmaps", "default", ""), false),
        (on("get", "", "secrets", "ops", "x"), true),
        (
            on("create", "rbac.authorization.k8s.io", "roles", "ops", ""),
            true,
        ),
        (on("create", "", "serviceaccounts/token", "ops", "x"), true),
        (on("list", "", "namespaces", "", ""), false),
        (
            on(
                "create",
                "authorization.k8s.io",
                "selfsubjectaccessreviews",
                "",
                "",
            ),
            true,
        ),
        (path("/apis/x"), true),
        (path("/openid/v1/jwks"), false),
        (path("/metrics"), false),
    ] {
        assert_eq!(allowed(&bob(), &attributes), expected, "{attributes:?}");
    }
    let account = User::service_account("a", "b", "");
    assert!(allowed(&account, &path("/openid/v1/jwks")));
    assert!(allowed(&User::anonymous(), &path("/version")));
    assert!(!allowed(&User::anonymous(), &path("/api")));
    let master = User {
        groups: vec![MASTERS.into()],
        ..User::default()
    };
    assert!(allowed(&master, &on("delete", "x", "y", "z", "")));
    assert_eq!(
        policy
            .authorize(&bob(), &on("get", "", "configmaps", "default", "x"))
            .reason,
        r#"RBAC: allowed by RoleBinding "bb/default" of ClusterRole "view" to Group "dev""#
    );
}

#[test]
fn missing_roles_are_named() {
    let user = json!([{"kind": "User", "name": "bob"}]);
    let policy = Authorizer::new(
        [],
        &[binding(
            "RoleBinding",
            "default",
            "m",
            ("Role", "nope"),
            &user,
        )],
    );
    let attributes = on("list", "", "secrets", "default", "");
    let verdict = policy.authorize(&bob(), &attributes);
    assert!(!verdict.allowed);
    assert_eq!(
        forbidden(&bob(), &attributes, &verdict),
        r#"secrets is forbidden: User "bob" cannot list resource "secrets" in API group "" in the namespace "default": rbac: RBAC: role.rbac.authorization.k8s.io "nope" not found"#
    );
}

#[test]
fn rules_review_lists_each_rule_once() {
    let (roles, bindings) = default_objects();
    let status = Authorizer::new(&roles, &bindings).rules_for(&bob(), "default");
    assert_eq!(status["incomplete"], json!(false));
    assert_eq!(status["resourceRules"].as_array().unwrap().len(), 2);
    assert_eq!(status["nonResourceRules"].as_array().unwrap().len(), 2);
}

#[test]
fn aggregation_in_a_circle_ends() {
    let circle = |name: &str, other: &str| {
        json!({
            "kind": "ClusterRole",
            "metadata": {"name": name, "labels": {name: "true"}},
            "aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {other: "true"}}, {"matchExpressions": [{"key": "leaf", "operator": "Exists"}]}]},
        })
    };
    let leaf = json!({
        "kind": "ClusterRole", "metadata": {"name": "leaf", "labels": {"leaf": "x"}},
        "rules": [{"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]}],
    });
    let user = json!([{"kind": "User", "name": "bob"}]);
    let policy = Authorizer::new(
        &[circle("x", "y"), circle("y", "x"), leaf],
        &[binding(
            "ClusterRoleBinding",
            "",
            "b",
            ("ClusterRole", "x"),
            &user,
        )],
    );
    assert!(
        policy
            .authorize(&bob(), &on("get", "", "pods", "", ""))
            .allowed
    );
    assert!(
        !policy
            .authorize(&bob(), &on("list", "", "pods", "", ""))
            .allowed
    );
}

#[test]
fn one_check_among_many_bindings_is_fast() {
    let (mut roles, mut bindings) = default_objects();
    for index in 0..2000 {
        let name = format!("r{index}");
        roles.push(role(
            "Role",
            &name,
            &name,
            &json!([{"verbs": ["get"], "apiGroups": [""], "resources": ["secrets"]}]),
        ));
        bindings.push(binding(
            "RoleBinding",
            &name,
            &name,
            ("Role", &name),
            &json!([{"kind": "User", "name": "bob"}]),
        ));
    }
    let policy = Authorizer::new(&roles, &bindings);
    let start = Instant::now();
    for _ in 0..1000 {
        assert!(
            policy
                .authorize(&bob(), &on("get", "", "secrets", "r1999", "x"))
                .allowed
        );
    }
    let each = start.elapsed() / 1000;
    assert!(
        each.as_micros() < 500,
        "{each:?} in an unoptimised build on a loaded machine"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn garbage_grants_nothing(text in ".{0,12}", kind in "Role|ClusterRole|RoleBinding|ClusterRoleBinding|") {
        let role = json!({"kind": kind, "metadata": text, "rules": [text, {"verbs": text, "resources": [1]}]});
        let binding = json!({"kind": kind, "metadata": {"name": text}, "subjects": [text, {"kind": "User", "name": "bob"}], "roleRef": 1});
        let policy = Authorizer::new([&role], [&binding]);
        prop_assert!(!policy.authorize(&bob(), &on("get", "", "pods", "a", "")).allowed);
        let _ = policy.rules_for(&bob(), &text);
    }
}

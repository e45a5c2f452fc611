//! The roles and bindings that every cluster starts with.
//!
//! Rules as a kube-apiserver v1.37.2 bootstraps them. Left out: roles of controllers that a
//! sandbox does not run, the retired `extensions` group, and kinds it does not serve.

use serde_json::{Value, json};

/// ClusterRoles first, then ClusterRoleBindings.
#[must_use]
pub fn default_objects() -> (Vec<Value>, Vec<Value>) {
    let roles = vec![
        plain(
            "cluster-admin",
            &json!([
                {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]},
                {"verbs": ["*"], "nonResourceURLs": ["*"]},
            ]),
        ),
        aggregated("admin", None),
        aggregated("edit", Some("admin")),
        aggregated("view", Some("edit")),
        part_of("admin", &admin_rules()),
        part_of("edit", &edit_rules()),
        part_of("view", &view_rules()),
        plain(
            "system:basic-user",
            &json!([
                {"verbs": ["create"], "apiGroups": ["authorization.k8s.io"], "resources": ["selfsubjectaccessreviews", "selfsubjectrulesreviews"]},
                {"verbs": ["create"], "apiGroups": ["authentication.k8s.io"], "resources": ["selfsubjectreviews"]},
            ]),
        ),
        plain(
            "system:discovery",
            &json!([{"verbs": ["get"], "nonResourceURLs": [
                "/api", "/api/*", "/apis", "/apis/*", "/healthz", "/livez", "/openapi", "/openapi/*", "/readyz", "/version", "/version/",
            ]}]),
        ),
        plain(
            "system:monitoring",
            &json!([
                {"verbs": ["get"], "nonResourceURLs": [
                    "/flagz", "/healthz", "/healthz/*", "/livez", "/livez/*", "/metrics", "/metrics/slis", "/readyz", "/readyz/*", "/statusz",
                ]},
                {"verbs": ["get"], "apiGroups": [""], "resources": ["nodes/metrics"]},
            ]),
        ),
        plain(
            "system:public-info-viewer",
            &json!([
                {"verbs": ["get"], "nonResourceURLs": ["/healthz", "/livez", "/readyz", "/version", "/version/"]},
            ]),
        ),
        plain(
            "system:service-account-issuer-discovery",
            &json!([{"verbs": ["get"], "nonResourceURLs": [
                "/.well-known/openid-configuration", "/.well-known/openid-configuration/", "/openid/v1/jwks", "/openid/v1/jwks/",
            ]}]),
        ),
        plain(
            "system:auth-delegator",
            &json!([
                {"verbs": ["create"], "apiGroups": ["authentication.k8s.io"], "resources": ["tokenreviews"]},
                {"verbs": ["create"], "apiGroups": ["authorization.k8s.io"], "resources": ["subjectaccessreviews"]},
            ]),
        ),
    ];
    let bindings = vec![
        binding("cluster-admin", &["system:masters"]),
        binding("system:basic-user", &["system:authenticated"]),
        binding("system:discovery", &["system:authenticated"]),
        binding("system:monitoring", &["system:monitoring"]),
        binding(
            "system:public-info-viewer",
            &["system:authenticated", "system:unauthenticated"],
        ),
        binding(
            "system:service-account-issuer-discovery",
            &["system:serviceaccounts"],
        ),
    ];
    (roles, bindings)
}

fn role(name: &str) -> Value {
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {
            "name": name,
            "labels": {"kubernetes.io/bootstrapping": "rbac-defaults"},
            "annotations": {"rbac.authorization.kubernetes.io/autoupdate": "true"},
        },
    })
}

fn set(role: &mut Value, pointer: &str, field: &str, value: Value) {
    if let Some(Value::Object(map)) = role.pointer_mut(pointer) {
        map.insert(field.to_owned(), value);
    }
}

fn plain(name: &str, rules: &Value) -> Value {
    let mut role = role(name);
    set(&mut role, "", "rules", rules.clone());
    role
}

fn label(into: &str) -> String {
    format!("rbac.authorization.k8s.io/aggregate-to-{into}")
}

fn part_of(into: &str, rules: &Value) -> Value {
    let mut role = plain(&format!("system:aggregate-to-{into}"), rules);
    set(&mut role, "/metadata/labels", &label(into), json!("true"));
    role
}

fn aggregated(name: &str, into: Option<&str>) -> Value {
    let mut role = role(name);
    let own = label(name);
    set(
        &mut role,
        "",
        "aggregationRule",
        json!({"clusterRoleSelectors": [{"matchLabels": {own: "true"}}]}),
    );
    set(&mut role, "", "rules", json!([]));
    if let Some(into) = into {
        set(&mut role, "/metadata/labels", &label(into), json!("true"));
    }
    role
}

fn binding(name: &str, groups: &[&str]) -> Value {
    let subjects: Vec<Value> = groups
        .iter()
        .map(|group| json!({"kind": "Group", "apiGroup": "rbac.authorization.k8s.io", "name": group}))
        .collect();
    let mut binding = role(name);
    set(&mut binding, "", "kind", json!("ClusterRoleBinding"));
    set(&mut binding, "", "subjects", Value::from(subjects));
    set(
        &mut binding,
        "",
        "roleRef",
        json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name}),
    );
    binding
}

const WRITE: [&str; 5] = ["create", "delete", "deletecollection", "patch", "update"];
const READ: [&str; 3] = ["get", "list", "watch"];
const ALL: [&str; 8] = [
    "create",
    "delete",
    "deletecollection",
    "get",
    "list",
    "patch",
    "update",
    "watch",
];

fn view_rules() -> Value {
    json!([
        {"verbs": READ, "apiGroups": [""], "resources": [
            "configmaps", "endpoints", "persistentvolumeclaims", "persistentvolumeclaims/status", "pods",
            "replicationcontrollers", "replicationcontrollers/scale", "serviceaccounts", "services", "services/status",
        ]},
        {"verbs": READ, "apiGroups": [""], "resources": [
            "bindings", "limitranges", "namespaces/status", "pods/log", "pods/status",
            "replicationcontrollers/status", "resourcequotas", "resourcequotas/status",
        ]},
        {"verbs": READ, "apiGroups": [""], "resources": ["namespaces"]},
        {"verbs": READ, "apiGroups": ["", "events.k8s.io"], "resources": ["events"]},
        {"verbs": READ, "apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"]},
        {"verbs": READ, "apiGroups": ["apps"], "resources": [
            "controllerrevisions", "daemonsets", "daemonsets/status", "deployments", "deployments/scale", "deployments/status",
            "replicasets", "replicasets/scale", "replicasets/status", "statefulsets", "statefulsets/scale", "statefulsets/status",
        ]},
        {"verbs": READ, "apiGroups": ["autoscaling"], "resources": ["horizontalpodautoscalers", "horizontalpodautoscalers/status"]},
        {"verbs": READ, "apiGroups": ["batch"], "resources": ["cronjobs", "cronjobs/status", "jobs", "jobs/status"]},
        {"verbs": READ, "apiGroups": ["policy"], "resources": ["poddisruptionbudgets", "poddisruptionbudgets/status"]},
        {"verbs": READ, "apiGroups": ["networking.k8s.io"], "resources": ["ingresses", "ingresses/status", "networkpolicies"]},
    ])
}

fn edit_rules() -> Value {
    json!([
        {"verbs": READ, "apiGroups": [""], "resources": [
            "pods/attach", "pods/exec", "pods/portforward", "pods/proxy", "secrets", "services/proxy",
        ]},
        {"verbs": ["impersonate"], "apiGroups": [""], "resources": ["serviceaccounts"]},
        {"verbs": WRITE, "apiGroups": [""], "resources": ["pods", "pods/attach", "pods/exec", "pods/portforward", "pods/proxy"]},
        {"verbs": ["create"], "apiGroups": [""], "resources": ["pods/eviction"]},
        {"verbs": WRITE, "apiGroups": [""], "resources": [
            "configmaps", "persistentvolumeclaims", "replicationcontrollers", "replicationcontrollers/scale",
            "secrets", "serviceaccounts", "services", "services/proxy",
        ]},
        {"verbs": ["create"], "apiGroups": [""], "resources": ["serviceaccounts/token"]},
        {"verbs": WRITE, "apiGroups": ["", "events.k8s.io"], "resources": ["events"]},
        {"verbs": WRITE, "apiGroups": ["apps"], "resources": [
            "daemonsets", "deployments", "deployments/rollback", "deployments/scale",
            "replicasets", "replicasets/scale", "statefulsets", "statefulsets/scale",
        ]},
        {"verbs": WRITE, "apiGroups": ["autoscaling"], "resources": ["horizontalpodautoscalers"]},
        {"verbs": WRITE, "apiGroups": ["batch"], "resources": ["cronjobs", "jobs"]},
        {"verbs": WRITE, "apiGroups": ["policy"], "resources": ["poddisruptionbudgets"]},
        {"verbs": WRITE, "apiGroups": ["networking.k8s.io"], "resources": ["ingresses", "networkpolicies"]},
        {"verbs": ALL, "apiGroups": ["coordination.k8s.io"], "resources": ["leases"]},
    ])
}

fn admin_rules() -> Value {
    json!([
        {"verbs": ["create"], "apiGroups": ["authorization.k8s.io"], "resources": ["localsubjectaccessreviews"]},
        {"verbs": ALL, "apiGroups": ["rbac.authorization.k8s.io"], "resources": ["rolebindings", "roles"]},
    ])
}

//! Role-based access control: who may do what, decided from plain RBAC objects.
//!
//! Owns: the meaning of roles, bindings and aggregation, the index that makes one check cheap,
//! the default roles, and the wording of refusals. Refuses: I/O, admission (escalation checks
//! of writers), and subjects it cannot read: a malformed binding grants nothing.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::{Value, json};

mod defaults;
#[cfg(test)]
mod tests;

pub use defaults::default_objects;

/// The group of every authenticated user.
pub const AUTHENTICATED: &str = "system:authenticated";
/// The group of requests without credentials.
pub const UNAUTHENTICATED: &str = "system:unauthenticated";
/// The group that every check lets through, without any role.
pub const MASTERS: &str = "system:masters";

/// Who asks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct User {
    /// User name, e.g. `system:serviceaccount:apps:default`.
    pub name: String,
    /// Groups, including `system:authenticated`.
    pub groups: Vec<String>,
    /// Stable identity, if the authenticator knows one.
    pub uid: String,
    /// Further facts of the authenticator.
    pub extra: BTreeMap<String, Vec<String>>,
}

impl User {
    /// The user that tokens of a service account authenticate, with its groups.
    #[must_use]
    pub fn service_account(namespace: &str, name: &str, uid: &str) -> Self {
        Self {
            name: format!("system:serviceaccount:{namespace}:{name}"),
            groups: vec![
                "system:serviceaccounts".to_owned(),
                format!("system:serviceaccounts:{namespace}"),
                AUTHENTICATED.to_owned(),
            ],
            uid: uid.to_owned(),
            extra: BTreeMap::new(),
        }
    }

    /// The user of requests without credentials.
    #[must_use]
    pub fn anonymous() -> Self {
        Self {
            name: "system:anonymous".to_owned(),
            groups: vec![UNAUTHENTICATED.to_owned()],
            ..Self::default()
        }
    }
}

/// What is asked for; either a resource or a path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attributes<'a> {
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`, …
    pub verb: &'a str,
    /// API group, empty for the core group.
    pub group: &'a str,
    /// Resource in the plural, empty for a path.
    pub resource: &'a str,
    /// Subresource, e.g. `status`, or empty.
    pub subresource: &'a str,
    /// Namespace, empty for cluster scope.
    pub namespace: &'a str,
    /// Object name, empty for collections.
    pub name: &'a str,
    /// URL path of a non-resource request, else empty.
    pub path: &'a str,
}

/// The answer to one check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Whether the request may pass.
    pub allowed: bool,
    /// Which binding allowed it, or which role could not be resolved.
    pub reason: String,
}

/// A policy rule, read once.
#[derive(Debug, Default)]
struct Rule {
    verbs: Vec<String>,
    groups: Vec<String>,
    resources: Vec<String>,
    names: Vec<String>,
    paths: Vec<String>,
    raw: Value,
}

/// A binding resolved to the rules of its role; `None` when the role does not exist.
#[derive(Debug)]
struct Grant {
    rules: Option<std::sync::Arc<[Rule]>>,
    binding: String,
    role_kind: String,
    role: String,
}

/// Grants by subject, and by namespace: the empty namespace holds cluster role bindings.
type Index = HashMap<String, HashMap<String, Vec<std::sync::Arc<Grant>>>>;

/// The compiled policy of a cluster.
#[derive(Debug, Default)]
pub struct Authorizer {
    users: Index,
    groups: Index,
}

impl Authorizer {
    /// Compiles roles and bindings of all four kinds, as raw objects with `kind` set.
    pub fn new<'a>(
        roles: impl IntoIterator<Item = &'a Value>,
        bindings: impl IntoIterator<Item = &'a Value>,
    ) -> Self {
        let roles = Roles::new(roles);
        let mut authorizer = Self::default();
        for binding in bindings {
            authorizer.bind(&roles, binding);
        }
        authorizer
    }

    fn bind(&mut self, roles: &Roles, binding: &Value) {
        let cluster = binding.get("kind").and_then(Value::as_str) == Some("ClusterRoleBinding");
        let namespace = if cluster {
            ""
        } else {
            pointer(binding, "/metadata/namespace")
        };
        if !cluster && namespace.is_empty() {
            return;
        }
        let name = pointer(binding, "/metadata/name");
        let role_kind = pointer(binding, "/roleRef/kind");
        let role = pointer(binding, "/roleRef/name");
        let role_namespace = if role_kind == "Role" { namespace } else { "" };
        let grant = std::sync::Arc::new(Grant {
            rules: roles
                .rules
                .get(&(role_namespace.to_owned(), role.to_owned()))
                .cloned(),
            binding: if cluster {
                format!("ClusterRoleBinding {name:?}")
            } else {
                format!("RoleBinding {:?}", format!("{name}/{namespace}"))
            },
            role_kind: role_kind.to_owned(),
            role: role.to_owned(),
        });
        for subject in list(binding, "subjects") {
            let subject_name = pointer(subject, "/name");
            let (index, key) = match pointer(subject, "/kind") {
                "User" => (&mut self.users, subject_name.to_owned()),
                "Group" => (&mut self.groups, subject_name.to_owned()),
                "ServiceAccount" => {
                    let own = pointer(subject, "/namespace");
                    let home = if own.is_empty() { namespace } else { own };
                    if home.is_empty() {
                        continue;
                    }
                    (
                        &mut self.users,
                        format!("system:serviceaccount:{home}:{subject_name}"),
                    )
                }
                _ => continue,
            };
            index
                .entry(key)
                .or_default()
                .entry(namespace.to_owned())
                .or_default()
                .push(grant.clone());
        }
    }

    /// Every grant of a user that counts in `namespace`, with the text naming the subject;
    /// cluster-wide ones first.
    fn grants<'a>(
        &'a self,
        user: &'a User,
        namespace: &'a str,
    ) -> impl Iterator<Item = (&'a Grant, String)> {
        let spaces = if namespace.is_empty() {
            vec![""]
        } else {
            vec!["", namespace]
        };
        spaces.into_iter().flat_map(move |space| {
            let of_user = self
                .users
                .get(&user.name)
                .into_iter()
                .map(|grants| (grants, subject_text("User", &user.name)));
            let of_groups = user
                .groups
                .iter()
                .filter_map(|group| Some((self.groups.get(group)?, subject_text("Group", group))));
            of_user.chain(of_groups).flat_map(move |(grants, subject)| {
                grants
                    .get(space)
                    .into_iter()
                    .flatten()
                    .map(move |grant| (&**grant, subject.clone()))
            })
        })
    }

    /// Decides one request.
    #[must_use]
    pub fn authorize(&self, user: &User, attributes: &Attributes<'_>) -> Verdict {
        if user.groups.iter().any(|group| group == MASTERS) {
            return Verdict {
                allowed: true,
                reason: String::new(),
            };
        }
        let mut unresolved: Vec<String> = Vec::new();
        for (grant, subject) in self.grants(user, attributes.namespace) {
            match &grant.rules {
                Some(rules) if rules.iter().any(|rule| rule.allows(attributes)) => {
                    return Verdict {
                        allowed: true,
                        reason: format!(
                            "RBAC: allowed by {} of {} {:?} to {subject}",
                            grant.binding, grant.role_kind, grant.role
                        ),
                    };
                }
                Some(_) => {}
                None => unresolved.push(format!(
                    "{}.rbac.authorization.k8s.io {:?} not found",
                    grant.role_kind.to_lowercase(),
                    grant.role
                )),
            }
        }
        let reason = match unresolved.as_slice() {
            [] => String::new(),
            [one] => format!("rbac: RBAC: {one}"),
            many => format!("rbac: RBAC: [{}]", many.join(", ")),
        };
        Verdict {
            allowed: false,
            reason,
        }
    }

    /// The `status` of a SelfSubjectRulesReview: what the user may do in a namespace.
    #[must_use]
    pub fn rules_for(&self, user: &User, namespace: &str) -> Value {
        let mut resources = Vec::new();
        let mut paths = Vec::new();
        if user.groups.iter().any(|group| group == MASTERS) {
            resources.push(json!({"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}));
            paths.push(json!({"verbs": ["*"], "nonResourceURLs": ["*"]}));
        }
        for (grant, _) in self.grants(user, namespace) {
            for rule in grant.rules.iter().flat_map(|rules| rules.iter()) {
                let target = if rule.paths.is_empty() {
                    &mut resources
                } else {
                    &mut paths
                };
                if !target.contains(&rule.raw) {
                    target.push(rule.raw.clone());
                }
            }
        }
        json!({"resourceRules": resources, "nonResourceRules": paths, "incomplete": false})
    }
}

fn subject_text(kind: &str, name: &str) -> String {
    // The real server names service accounts as `ServiceAccount "name/namespace"`.
    match name
        .strip_prefix("system:serviceaccount:")
        .and_then(|rest| rest.split_once(':'))
    {
        Some((namespace, account)) if kind == "User" => {
            format!("ServiceAccount {:?}", format!("{account}/{namespace}"))
        }
        _ => format!("{kind} {name:?}"),
    }
}

/// Roles by namespace (empty for cluster roles) and name, aggregation done.
struct Roles {
    rules: HashMap<(String, String), std::sync::Arc<[Rule]>>,
}

impl Roles {
    fn new<'a>(objects: impl IntoIterator<Item = &'a Value>) -> Self {
        let objects: Vec<&Value> = objects.into_iter().collect();
        let cluster_roles: Vec<&Value> = objects
            .iter()
            .copied()
            .filter(|role| role.get("kind").and_then(Value::as_str) == Some("ClusterRole"))
            .collect();
        let mut rules = HashMap::new();
        for role in objects {
            let cluster = role.get("kind").and_then(Value::as_str) == Some("ClusterRole");
            let namespace = if cluster {
                ""
            } else {
                pointer(role, "/metadata/namespace")
            };
            let mut raw = Vec::new();
            collect(role, &cluster_roles, &mut BTreeSet::new(), &mut raw);
            rules.insert(
                (
                    namespace.to_owned(),
                    pointer(role, "/metadata/name").to_owned(),
                ),
                raw.into_iter().map(Rule::new).collect(),
            );
        }
        Self { rules }
    }
}

/// The rules of a role; an aggregated role has those of the roles it selects instead.
fn collect<'a>(
    role: &'a Value,
    all: &[&'a Value],
    visited: &mut BTreeSet<&'a str>,
    out: &mut Vec<&'a Value>,
) {
    if !visited.insert(pointer(role, "/metadata/name")) {
        return;
    }
    let Some(aggregation) = role.get("aggregationRule").filter(|rule| rule.is_object()) else {
        out.extend(list(role, "rules"));
        return;
    };
    for selector in list(aggregation, "clusterRoleSelectors") {
        for other in all {
            if selects(selector, other.pointer("/metadata/labels")) {
                collect(other, all, visited, out);
            }
        }
    }
}

/// Whether a label selector (both of its forms) matches.
fn selects(selector: &Value, labels: Option<&Value>) -> bool {
    let label = |key: &str| {
        labels
            .and_then(|labels| labels.get(key))
            .and_then(Value::as_str)
    };
    let equal = selector
        .get("matchLabels")
        .and_then(Value::as_object)
        .is_none_or(|wanted| {
            wanted
                .iter()
                .all(|(key, value)| label(key).is_some() && label(key) == value.as_str())
        });
    equal
        && list(selector, "matchExpressions").iter().all(|expression| {
            let value = label(pointer(expression, "/key"));
            let listed = || {
                list(expression, "values")
                    .iter()
                    .any(|one| one.as_str() == value)
            };
            match pointer(expression, "/operator") {
                "In" => value.is_some() && listed(),
                "NotIn" => value.is_none() || !listed(),
                "Exists" => value.is_some(),
                "DoesNotExist" => value.is_none(),
                _ => false,
            }
        })
}

impl Rule {
    fn new(raw: &Value) -> Self {
        let strings = |field: &str| -> Vec<String> {
            list(raw, field)
                .iter()
                .filter_map(Value::as_str)
                .map(str::to_owned)
                .collect()
        };
        Self {
            verbs: strings("verbs"),
            groups: strings("apiGroups"),
            resources: strings("resources"),
            names: strings("resourceNames"),
            paths: strings("nonResourceURLs"),
            raw: raw.clone(),
        }
    }

    fn allows(&self, attributes: &Attributes<'_>) -> bool {
        if !has(&self.verbs, attributes.verb) {
            return false;
        }
        if attributes.resource.is_empty() {
            return self
                .paths
                .iter()
                .any(|pattern| path_matches(pattern, attributes.path));
        }
        has(&self.groups, attributes.group)
            && self
                .resources
                .iter()
                .any(|resource| resource_matches(resource, attributes))
            && (self.names.is_empty() || self.names.iter().any(|name| name == attributes.name))
    }
}

fn has(list: &[String], wanted: &str) -> bool {
    list.iter().any(|one| one == "*" || one == wanted)
}

/// `*`, `pods`, `pods/log` or `*/scale`.
fn resource_matches(rule: &str, attributes: &Attributes<'_>) -> bool {
    if rule == "*" {
        return true;
    }
    match rule.split_once('/') {
        None => attributes.subresource.is_empty() && rule == attributes.resource,
        Some((resource, subresource)) => {
            subresource == attributes.subresource
                && (resource == "*" || resource == attributes.resource)
        }
    }
}

fn path_matches(pattern: &str, path: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => path.starts_with(prefix),
        None => pattern == path,
    }
}

/// The message of a refusal, as a real API server words it in `Status.message`.
#[must_use]
pub fn forbidden(user: &User, attributes: &Attributes<'_>, verdict: &Verdict) -> String {
    let Attributes {
        verb,
        group,
        resource,
        subresource,
        namespace,
        name,
        path,
    } = *attributes;
    let user = &user.name;
    let mut message = if resource.is_empty() {
        format!("forbidden: User {user:?} cannot {verb} path {path:?}")
    } else {
        let qualified = if group.is_empty() {
            resource.to_owned()
        } else {
            format!("{resource}.{group}")
        };
        let object = if name.is_empty() {
            qualified
        } else {
            format!("{qualified} {name:?}")
        };
        let full = if subresource.is_empty() {
            resource.to_owned()
        } else {
            format!("{resource}/{subresource}")
        };
        let scope = if namespace.is_empty() {
            "at the cluster scope".to_owned()
        } else {
            format!("in the namespace {namespace:?}")
        };
        format!(
            "{object} is forbidden: User {user:?} cannot {verb} resource {full:?} in API group {group:?} {scope}"
        )
    };
    if !verdict.reason.is_empty() {
        message.push_str(": ");
        message.push_str(&verdict.reason);
    }
    message
}

fn pointer<'a>(value: &'a Value, path: &str) -> &'a str {
    value
        .pointer(path)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

fn list<'a>(value: &'a Value, field: &str) -> &'a [Value] {
    value
        .get(field)
        .and_then(Value::as_array)
        .map(Vec::as_slice)
        .unwrap_or_default()
}

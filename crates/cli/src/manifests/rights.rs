//! The rights of the operator: one table, from which the plain manifests and the Helm chart are
//! made.
//!
//! Owns: which verbs on which kinds, why, where, and what must be in use for them to be needed.
//! Refuses: how they are bound; that is a matter of the profile.

use std::fmt::Write as _;

/// Where a right is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Everywhere: objects of the API, and what is not in a namespace.
    Cluster,
    /// In the namespaces whose Secrets are written.
    Synced,
    /// In the namespace of the operator.
    Own,
}

/// What must be in use for a right to be needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Nothing: it always is.
    Always,
    /// ClusterSecretStores.
    ClusterStores,
    /// ClusterExternalSecrets.
    ClusterExternalSecrets,
    /// More than one namespace: labels of namespaces decide who may use what.
    Namespaces,
    /// The admission plugin OwnerReferencesPermissionEnforcement, which OpenShift has on.
    OwnerReferences,
    /// Stores that name a service account, in `serviceAccountRef` or its like.
    Tokens,
    /// Several replicas.
    LeaderElection,
}

/// One rule, with the reason it is needed.
pub struct Rule {
    /// The reason.
    pub why: &'static str,
    /// Where.
    pub place: Place,
    /// When.
    pub need: Need,
    /// API groups.
    pub groups: &'static [&'static str],
    /// Resources.
    pub resources: &'static [&'static str],
    /// Verbs.
    pub verbs: &'static [&'static str],
}

const ESO: &[&str] = &["external-secrets.io"];
const CORE: &[&str] = &[""];

/// Every right. `list` beside `watch` is for API servers without streaming lists.
pub const RULES: &[Rule] = &[
    Rule {
        why: "the objects that say what to sync",
        place: Place::Cluster,
        need: Need::Always,
        groups: ESO,
        resources: &["externalsecrets", "secretstores"],
        verbs: &["list", "watch"],
    },
    Rule {
        why: "their status",
        place: Place::Cluster,
        need: Need::Always,
        groups: ESO,
        resources: &["externalsecrets/status", "secretstores/status"],
        verbs: &["patch"],
    },
    Rule {
        why: "finalizers that another operator left are taken off at deletion; ExternalSecrets of a \
              ClusterExternalSecret are kept as it says",
        place: Place::Cluster,
        need: Need::Always,
        groups: ESO,
        resources: &["externalsecrets"],
        verbs: &["patch"],
    },
    Rule {
        why: "a Secret names its ExternalSecret as an owner that waits for it",
        place: Place::Cluster,
        need: Need::OwnerReferences,
        groups: ESO,
        resources: &["externalsecrets/finalizers"],
        verbs: &["update"],
    },
    Rule {
        why: "stores for all namespaces",
        place: Place::Cluster,
        need: Need::ClusterStores,
        groups: ESO,
        resources: &["clustersecretstores"],
        verbs: &["list", "watch"],
    },
    Rule {
        why: "their status",
        place: Place::Cluster,
        need: Need::ClusterStores,
        groups: ESO,
        resources: &["clustersecretstores/status"],
        verbs: &["patch"],
    },
    Rule {
        why: "the objects that make ExternalSecrets in many namespaces; a finalizer that another \
              operator left is taken off",
        place: Place::Cluster,
        need: Need::ClusterExternalSecrets,
        groups: ESO,
        resources: &["clusterexternalsecrets"],
        verbs: &["list", "watch", "patch"],
    },
    Rule {
        why: "their status",
        place: Place::Cluster,
        need: Need::ClusterExternalSecrets,
        groups: ESO,
        resources: &["clusterexternalsecrets/status"],
        verbs: &["patch"],
    },
    Rule {
        why: "what a ClusterExternalSecret makes in each of its namespaces",
        place: Place::Cluster,
        need: Need::ClusterExternalSecrets,
        groups: ESO,
        resources: &["externalsecrets"],
        verbs: &["create", "delete"],
    },
    Rule {
        why: "an ExternalSecret names its ClusterExternalSecret as an owner that waits for it",
        place: Place::Cluster,
        need: Need::ClusterExternalSecrets,
        groups: ESO,
        resources: &["clusterexternalsecrets/finalizers"],
        verbs: &["update"],
    },
    Rule {
        why: "finalizers that External Secrets Operator left on namespaces are taken off",
        place: Place::Cluster,
        need: Need::ClusterExternalSecrets,
        groups: CORE,
        resources: &["namespaces"],
        verbs: &["patch"],
    },
    Rule {
        why: "the conditions of ClusterSecretStores, the namespaces of ClusterExternalSecrets",
        place: Place::Cluster,
        need: Need::Namespaces,
        groups: CORE,
        resources: &["namespaces"],
        verbs: &["list", "watch"],
    },
    Rule {
        why: "what happened, told on the object",
        place: Place::Cluster,
        need: Need::Always,
        groups: CORE,
        resources: &["events"],
        verbs: &["create"],
    },
    Rule {
        why: "the Secrets that are written, and credentials that stores name",
        place: Place::Synced,
        need: Need::Always,
        groups: CORE,
        resources: &["secrets"],
        verbs: &["get", "list", "watch", "create", "update", "delete"],
    },
    Rule {
        why: "which role a service account stands for, certificate authorities and templates; list \
              and watch are used only while something depends on one, and may be taken away: then \
              a change is noticed at the next refresh",
        place: Place::Synced,
        need: Need::Always,
        groups: CORE,
        resources: &["serviceaccounts", "configmaps"],
        verbs: &["get", "list", "watch"],
    },
    Rule {
        why: "tokens for the service accounts that stores name in serviceAccountRef",
        place: Place::Synced,
        need: Need::Tokens,
        groups: CORE,
        resources: &["serviceaccounts/token"],
        verbs: &["create"],
    },
    Rule {
        why: "who leads when there are several replicas",
        place: Place::Own,
        need: Need::LeaderElection,
        groups: &["coordination.k8s.io"],
        resources: &["leases"],
        verbs: &["get", "create", "update"],
    },
];

/// A list of texts as YAML has it on one line.
pub fn list(items: &[&str]) -> String {
    let quoted: Vec<String> = items
        .iter()
        .map(|i| if i.is_empty() { "\"\"" } else { i }.to_owned())
        .collect();
    format!("[{}]", quoted.join(", "))
}

/// The table as the chart reads it.
pub fn table() -> String {
    let mut out = String::from(
        "# Generated by `cargo xtask generate` from crates/cli/src/manifests/rights.rs.\n",
    );
    for rule in RULES {
        // Writing to a String cannot fail.
        let _ = write!(
            out,
            "- why: {:?}\n  place: {}\n  need: {}\n  apiGroups: {}\n  resources: {}\n  verbs: {}\n",
            rule.why,
            word(rule.place),
            word(rule.need),
            list(rule.groups),
            list(rule.resources),
            list(rule.verbs),
        );
    }
    out
}

fn word(name: impl std::fmt::Debug) -> String {
    let name = format!("{name:?}");
    let mut letters = name.chars();
    let first = letters.next().map(|c| c.to_ascii_lowercase());
    first.into_iter().chain(letters).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// CVE-2024-45041 was a helper pod with a cluster-wide role: one pod's token was the cluster.
    /// No right here has a way to more than it says.
    #[test]
    fn the_operators_rights_are_bounded() {
        let elevating = [
            "*",
            "escalate",
            "bind",
            "impersonate",
            "approve",
            "sign",
            "deletecollection",
        ];
        let foreign = [
            "*",
            "rbac.authorization.k8s.io",
            "admissionregistration.k8s.io",
            "apiextensions.k8s.io",
            "certificates.k8s.io",
        ];
        let takeover = ["pods/exec", "pods/attach", "pods/ephemeralcontainers"];
        for rule in RULES {
            let why = rule.why;
            for verb in rule.verbs {
                assert!(!elevating.contains(verb), "{why}: {verb}");
            }
            for group in rule.groups {
                assert!(!foreign.contains(group), "{why}: {group}");
            }
            for resource in rule.resources {
                assert!(!resource.contains('*'), "{why}: {resource}");
                assert!(!resource.starts_with("nodes"), "{why}: {resource}");
                assert!(!takeover.contains(resource), "{why}: {resource}");
            }
            if rule.resources.contains(&"serviceaccounts/token") {
                assert_eq!((rule.resources.len(), rule.verbs), (1, &["create"][..]));
                assert_eq!((rule.place, rule.need), (Place::Synced, Need::Tokens));
            }
            if rule.resources.contains(&"serviceaccounts") {
                let reads = ["get", "list", "watch"];
                assert!(rule.verbs.iter().all(|v| reads.contains(v)), "{why}");
            }
            if rule.resources.contains(&"secrets") {
                assert_eq!(rule.place, Place::Synced, "{why}");
            }
        }
    }

    /// What is not cluster-wide need not be: the Lease, in the operator's own namespace.
    #[test]
    fn leases_are_a_matter_of_the_own_namespace() {
        for rule in RULES {
            let leases = rule.resources.contains(&"leases");
            assert_eq!(leases, rule.place == Place::Own, "{}", rule.why);
        }
    }

    #[test]
    fn the_table_is_yaml_that_says_the_same() {
        let read: Vec<serde_json::Value> = serde_saphyr::from_str(&table()).unwrap();
        assert_eq!(read.len(), RULES.len());
        for (row, rule) in read.iter().zip(RULES) {
            assert_eq!(row["why"], rule.why);
            assert_eq!(row["apiGroups"], serde_json::json!(rule.groups));
            assert_eq!(row["verbs"], serde_json::json!(rule.verbs));
        }
        assert_eq!(word(Need::ClusterExternalSecrets), "clusterExternalSecrets");
    }
}

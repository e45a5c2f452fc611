//! `keyless manifests`: what an installation needs beside the CRDs, made from one table of rights.

use std::fmt::Write as _;
use std::io::Write as _;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::outcome::Outcome;

/// Flags of `keyless manifests`.
#[derive(clap::Args)]
pub struct Flags {
    /// Which part
    #[arg(value_enum)]
    part: Part,
    /// Namespace of the operator
    #[arg(long, default_value = "external-secrets")]
    namespace: String,
    /// Image of the operator
    #[arg(long, default_value = "ghcr.io/keyless/keyless:latest")]
    image: String,
}

/// A part of an installation.
#[derive(Clone, Copy, clap::ValueEnum)]
enum Part {
    /// Namespace, service account, roles and bindings
    Rbac,
    /// The Deployment and the Service of its metrics
    Operator,
}

/// One rule of the operator's ClusterRole, with the reason it is needed.
struct Rule {
    why: &'static str,
    groups: &'static [&'static str],
    resources: &'static [&'static str],
    verbs: &'static [&'static str],
}

const RULES: &[Rule] = &[
    Rule {
        why: "the objects that say what to sync",
        groups: &["external-secrets.io"],
        resources: &[
            "externalsecrets",
            "secretstores",
            "clustersecretstores",
            "clusterexternalsecrets",
        ],
        verbs: &["get", "list", "watch"],
    },
    Rule {
        why: "their status; finalizers of another operator are removed at deletion",
        groups: &["external-secrets.io"],
        resources: &[
            "externalsecrets",
            "externalsecrets/status",
            "externalsecrets/finalizers",
            "secretstores/status",
            "clustersecretstores/status",
            "clusterexternalsecrets",
            "clusterexternalsecrets/status",
            "clusterexternalsecrets/finalizers",
        ],
        verbs: &["update", "patch"],
    },
    Rule {
        why: "what a ClusterExternalSecret makes in each of its namespaces",
        groups: &["external-secrets.io"],
        resources: &["externalsecrets"],
        verbs: &["create", "delete"],
    },
    Rule {
        why: "the Secrets that are written, and credentials that stores name",
        groups: &[""],
        resources: &["secrets"],
        verbs: &[
            "get", "list", "watch", "create", "update", "patch", "delete",
        ],
    },
    Rule {
        why: "which role a service account stands for, certificate authorities and templates; list \
              and watch are used only while something depends on one, and may be taken away: then \
              a change is noticed at the next refresh",
        groups: &[""],
        resources: &["serviceaccounts", "configmaps"],
        verbs: &["get", "list", "watch"],
    },
    Rule {
        why: "tokens for the service accounts that stores name in serviceAccountRef",
        groups: &[""],
        resources: &["serviceaccounts/token"],
        verbs: &["create"],
    },
    Rule {
        why: "the conditions of ClusterSecretStores, the namespaces of ClusterExternalSecrets",
        groups: &[""],
        resources: &["namespaces"],
        verbs: &["get", "list", "watch"],
    },
    Rule {
        why: "finalizers that External Secrets Operator left on namespaces are taken off",
        groups: &[""],
        resources: &["namespaces"],
        verbs: &["patch"],
    },
    Rule {
        why: "what happened, told on the object",
        groups: &[""],
        resources: &["events"],
        verbs: &["create", "patch"],
    },
];

/// Prints one part.
pub fn run(flags: &Flags) -> Result<Outcome> {
    let text = match flags.part {
        Part::Rbac => rbac(&flags.namespace)?,
        Part::Operator => operator(&flags.namespace, &flags.image),
    };
    std::io::stdout()
        .write_all(text.as_bytes())
        .context("cannot write to standard output")?;
    Ok(Outcome::Fine)
}

/// The objects of the part `rbac`, as the sandbox applies them.
///
/// # Errors
/// Never in practice: the text is this file's own.
pub fn rbac_objects(namespace: &str) -> Result<Vec<Value>> {
    let text = rbac(namespace)?;
    text.split("\n---\n")
        .map(|document| serde_saphyr::from_str(document).context("a generated manifest is no YAML"))
        .collect()
}

/// Where the API server keeps `object`.
///
/// # Errors
/// When the object is of a kind that no manifest here has.
pub fn path_of(object: &Value) -> Result<String> {
    let text = |pointer: &str| {
        object
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    let (name, namespace) = (text("/metadata/name"), text("/metadata/namespace"));
    let rbac = "/apis/rbac.authorization.k8s.io/v1";
    Ok(match text("/kind") {
        "Namespace" => format!("/api/v1/namespaces/{name}"),
        "ServiceAccount" => format!("/api/v1/namespaces/{namespace}/serviceaccounts/{name}"),
        "ClusterRole" => format!("{rbac}/clusterroles/{name}"),
        "ClusterRoleBinding" => format!("{rbac}/clusterrolebindings/{name}"),
        "Role" => format!("{rbac}/namespaces/{namespace}/roles/{name}"),
        "RoleBinding" => format!("{rbac}/namespaces/{namespace}/rolebindings/{name}"),
        kind => bail!("no manifest has the kind {kind}"),
    })
}

fn list(items: &[&str]) -> String {
    let quoted: Vec<String> = items
        .iter()
        .map(|i| {
            if i.is_empty() {
                "\"\"".to_owned()
            } else {
                (*i).to_owned()
            }
        })
        .collect();
    format!("[{}]", quoted.join(", "))
}

fn rbac(namespace: &str) -> Result<String> {
    let mut out = format!(
        "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: {namespace}\n---\n\
         apiVersion: v1\nkind: ServiceAccount\nmetadata:\n  name: external-secrets\n  namespace: {namespace}\n---\n\
         apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata:\n  name: external-secrets-controller\nrules:\n"
    );
    for rule in RULES {
        write!(
            out,
            "  # {}\n  - apiGroups: {}\n    resources: {}\n    verbs: {}\n",
            rule.why,
            list(rule.groups),
            list(rule.resources),
            list(rule.verbs)
        )?;
    }
    write!(
        out,
        "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\nmetadata:\n  name: external-secrets-controller\n\
         roleRef:\n  apiGroup: rbac.authorization.k8s.io\n  kind: ClusterRole\n  name: external-secrets-controller\n\
         subjects:\n  - kind: ServiceAccount\n    name: external-secrets\n    namespace: {namespace}\n\
         ---\napiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata:\n  name: external-secrets-leaderelection\n  namespace: {namespace}\n\
         rules:\n  # who leads when there are several replicas\n  - apiGroups: [coordination.k8s.io]\n    resources: [leases]\n    verbs: [get, create, update, patch]\n\
         ---\napiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata:\n  name: external-secrets-leaderelection\n  namespace: {namespace}\n\
         roleRef:\n  apiGroup: rbac.authorization.k8s.io\n  kind: Role\n  name: external-secrets-leaderelection\n\
         subjects:\n  - kind: ServiceAccount\n    name: external-secrets\n    namespace: {namespace}\n"
    )?;
    Ok(out)
}

fn operator(namespace: &str, image: &str) -> String {
    format!(
        "apiVersion: apps/v1
kind: Deployment
metadata:
  name: external-secrets
  namespace: {namespace}
  labels: {{app.kubernetes.io/name: external-secrets}}
spec:
  replicas: 1
  selector:
    matchLabels: {{app.kubernetes.io/name: external-secrets}}
  template:
    metadata:
      labels: {{app.kubernetes.io/name: external-secrets}}
    spec:
      serviceAccountName: external-secrets
      securityContext:
        runAsNonRoot: true
        runAsUser: 65532
        seccompProfile: {{type: RuntimeDefault}}
      containers:
        - name: keyless
          image: {image}
          args: [controller]
          ports:
            - {{name: metrics, containerPort: 8080}}
            - {{name: live, containerPort: 8082}}
          livenessProbe:
            httpGet: {{path: /healthz, port: live}}
          readinessProbe:
            httpGet: {{path: /readyz, port: live}}
          securityContext:
            allowPrivilegeEscalation: false
            readOnlyRootFilesystem: true
            capabilities: {{drop: [ALL]}}
---
apiVersion: v1
kind: Service
metadata:
  name: external-secrets-metrics
  namespace: {namespace}
  labels: {{app.kubernetes.io/name: external-secrets}}
spec:
  selector: {{app.kubernetes.io/name: external-secrets}}
  ports:
    - {{name: metrics, port: 8080, targetPort: metrics}}
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// CVE-2024-45041 was a helper pod with a cluster-wide role: one pod's token was the cluster.
    /// There is one service account here, and its role has no way to more than it says.
    #[test]
    fn the_operators_rights_are_bounded() {
        let objects = rbac_objects("external-secrets").unwrap();
        let of = |kind: &str| objects.iter().filter(|o| o["kind"] == kind).count();
        assert_eq!((of("ServiceAccount"), of("ClusterRole")), (1, 1));
        assert_eq!((of("ClusterRoleBinding"), of("RoleBinding")), (1, 1));
        let elevating = [
            "*",
            "escalate",
            "bind",
            "impersonate",
            "approve",
            "sign",
            "deletecollection",
        ];
        for rule in RULES {
            for verb in rule.verbs {
                assert!(!elevating.contains(verb), "{}: {verb}", rule.why);
            }
            for group in rule.groups {
                assert!(
                    ![
                        "*",
                        "rbac.authorization.k8s.io",
                        "admissionregistration.k8s.io",
                        "apiextensions.k8s.io",
                        "certificates.k8s.io"
                    ]
                    .contains(group),
                    "{}: {group}",
                    rule.why
                );
            }
            for resource in rule.resources {
                assert!(!resource.contains('*'), "{}: {resource}", rule.why);
                assert!(!resource.starts_with("nodes"), "{}: {resource}", rule.why);
                assert!(
                    !["pods/exec", "pods/attach", "pods/ephemeralcontainers"].contains(resource),
                    "{}: {resource}",
                    rule.why
                );
            }
            if rule.resources.contains(&"serviceaccounts/token") {
                assert_eq!((rule.resources.len(), rule.verbs), (1, &["create"][..]));
            }
            if rule.resources.contains(&"serviceaccounts") {
                let reads = ["get", "list", "watch"];
                assert!(rule.verbs.iter().all(|v| reads.contains(v)), "{}", rule.why);
            }
        }
    }

    /// What is not cluster-wide need not be: the Lease, in the operator's own namespace.
    #[test]
    fn leases_are_a_matter_of_the_own_namespace() {
        assert!(RULES.iter().all(|rule| !rule.resources.contains(&"leases")));
    }
}

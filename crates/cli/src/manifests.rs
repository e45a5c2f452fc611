//! `keyless manifests`: what an installation without Helm needs beside the CRDs, and the table of
//! rights that the chart reads. Whoever has Helm takes `charts/keyless`.

mod rights;
mod webhook;

use std::fmt::Write as _;
use std::io::Write as _;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::outcome::Outcome;
use rights::{Need, Place, RULES, Rule, list};

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
    /// A namespace whose service accounts stores may name (serviceAccountRef); may be repeated. The operator may create tokens there
    #[arg(long = "token-namespace", value_name = "NAMESPACE")]
    token_namespaces: Vec<String>,
    /// Whom the part `webhook` injects tokens for: aws, azure, google
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "aws",
        value_name = "CLOUDS"
    )]
    inject: Vec<crate::webhook::CloudName>,
    /// Azure's tenant, for the part `webhook`
    #[arg(long, value_name = "TENANT")]
    azure_tenant_id: Option<String>,
    /// The operator may create tokens for the service accounts of every namespace
    #[arg(long, conflicts_with = "token_namespaces")]
    tokens_everywhere: bool,
}

/// For whose service accounts the operator may create tokens.
#[derive(Clone, Copy, Debug)]
pub enum Tokens<'a> {
    /// Those of all namespaces.
    Everywhere,
    /// Those of these namespaces.
    In(&'a [String]),
}

/// A part of an installation.
#[derive(Clone, Copy, clap::ValueEnum)]
enum Part {
    /// Namespace, service account, roles and bindings
    Rbac,
    /// The Deployment and the Service of its metrics
    Operator,
    /// The admission server that injects tokens into pods, with its own service account and rights
    Webhook,
    /// The table of rights that the Helm chart reads
    Rights,
}

impl Flags {
    fn tokens(&self) -> Tokens<'_> {
        if self.tokens_everywhere {
            Tokens::Everywhere
        } else {
            Tokens::In(&self.token_namespaces)
        }
    }
}

/// Prints one part.
pub fn run(flags: &Flags) -> Result<Outcome> {
    let text = match flags.part {
        Part::Rbac => rbac(&flags.namespace, flags.tokens())?,
        Part::Operator => operator(&flags.namespace, &flags.image),
        Part::Webhook => {
            let azure = crate::webhook::CloudName(keyless_admission::cloud::Cloud::Azure);
            if flags.inject.contains(&azure) && flags.azure_tenant_id.is_none() {
                let what = "injection for Azure needs a tenant: give --azure-tenant-id";
                return Ok(Outcome::WrongUse(what.into()));
            }
            webhook::objects(&webhook::Wish {
                namespace: &flags.namespace,
                image: &flags.image,
                clouds: &flags.inject,
                tenant: flags.azure_tenant_id.as_deref(),
            })
        }
        Part::Rights => rights::table(),
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
pub fn rbac_objects(namespace: &str, tokens: Tokens<'_>) -> Result<Vec<Value>> {
    let text = rbac(namespace, tokens)?;
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

/// One role and its binding to the operator's service account; `at` is its namespace, if it has one.
fn role(
    out: &mut String,
    name: &str,
    namespace: &str,
    at: Option<&str>,
    rules: impl Iterator<Item = &'static Rule>,
) -> std::fmt::Result {
    let prefix = if at.is_some() { "" } else { "Cluster" };
    let place = at.map_or_else(String::new, |at| format!("\n  namespace: {at}"));
    write!(
        out,
        "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: {prefix}Role\nmetadata:\n  name: {name}{place}\nrules:\n"
    )?;
    for rule in rules {
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
        "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: {prefix}RoleBinding\nmetadata:\n  name: {name}{place}\n\
         roleRef:\n  apiGroup: rbac.authorization.k8s.io\n  kind: {prefix}Role\n  name: {name}\n\
         subjects:\n  - kind: ServiceAccount\n    name: external-secrets\n    namespace: {namespace}\n"
    )
}

fn rbac(namespace: &str, tokens: Tokens<'_>) -> Result<String> {
    let mut out = format!(
        "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: {namespace}\n---\n\
         apiVersion: v1\nkind: ServiceAccount\nmetadata:\n  name: external-secrets\n  namespace: {namespace}\n"
    );
    let everywhere = matches!(tokens, Tokens::Everywhere);
    let controller = RULES
        .iter()
        .filter(|rule| rule.place != Place::Own && (everywhere || rule.need != Need::Tokens));
    role(
        &mut out,
        "external-secrets-controller",
        namespace,
        None,
        controller,
    )?;
    let own = RULES.iter().filter(|rule| rule.place == Place::Own);
    role(
        &mut out,
        "external-secrets-leaderelection",
        namespace,
        Some(namespace),
        own,
    )?;
    if let Tokens::In(namespaces) = tokens {
        for at in namespaces {
            let rules = RULES.iter().filter(|rule| rule.need == Need::Tokens);
            role(
                &mut out,
                "external-secrets-tokens",
                namespace,
                Some(at),
                rules,
            )?;
        }
    }
    Ok(out)
}

/// The Deployment as the chart makes it by default, and a Service for the metrics.
fn operator(namespace: &str, image: &str) -> String {
    // Those of a release of the chart, so that one can follow the other.
    let labels =
        "{app.kubernetes.io/name: external-secrets, app.kubernetes.io/instance: external-secrets}";
    format!(
        "apiVersion: apps/v1
kind: Deployment
metadata:
  name: external-secrets
  namespace: {namespace}
  labels: {labels}
spec:
  replicas: 1
  selector:
    matchLabels: {labels}
  template:
    metadata:
      labels: {labels}
    spec:
      serviceAccountName: external-secrets
      containers:
        - name: external-secrets
          image: {image}
          args: [controller, --loglevel=info, \"--metrics-addr=:8080\", \"--live-addr=:8082\"]
          ports:
            - {{name: metrics, containerPort: 8080, protocol: TCP}}
            - {{name: live, containerPort: 8082, protocol: TCP}}
          livenessProbe:
            httpGet: {{path: /healthz, port: 8082}}
            initialDelaySeconds: 10
            periodSeconds: 10
            timeoutSeconds: 5
            failureThreshold: 5
            successThreshold: 1
          readinessProbe:
            httpGet: {{path: /readyz, port: 8082}}
            initialDelaySeconds: 1
            periodSeconds: 10
            timeoutSeconds: 5
            failureThreshold: 3
            successThreshold: 1
          env:
            - name: POD_NAMESPACE
              valueFrom: {{fieldRef: {{fieldPath: metadata.namespace}}}}
          resources:
            requests: {{cpu: 10m, memory: 64Mi}}
            limits: {{memory: 256Mi}}
          securityContext:
            runAsNonRoot: true
            runAsUser: 1000
            allowPrivilegeEscalation: false
            readOnlyRootFilesystem: true
            capabilities: {{drop: [ALL]}}
            seccompProfile: {{type: RuntimeDefault}}
---
apiVersion: v1
kind: Service
metadata:
  name: external-secrets-metrics
  namespace: {namespace}
  labels: {labels}
spec:
  selector: {labels}
  ports:
    - {{name: metrics, port: 8080, targetPort: metrics, protocol: TCP}}
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn creates_tokens(role: &Value) -> bool {
        role.to_string().contains("serviceaccounts/token")
    }

    /// One service account, and its token may be had for nobody else's unless somebody asks for it.
    #[test]
    fn tokens_are_created_only_where_asked_for() {
        let namespaces = ["team-a".to_owned(), "team-b".to_owned()];
        for (tokens, cluster, roles) in [
            (Tokens::In(&[]), false, 0),
            (Tokens::In(&namespaces), false, 2),
            (Tokens::Everywhere, true, 0),
        ] {
            let objects = rbac_objects("external-secrets", tokens).unwrap();
            let of = |kind: &str| objects.iter().filter(|o| o["kind"] == kind).count();
            assert_eq!((of("ServiceAccount"), of("ClusterRole")), (1, 1));
            assert_eq!(of("ClusterRoleBinding"), 1);
            assert_eq!((of("Role"), of("RoleBinding")), (1 + roles, 1 + roles));
            for role in objects.iter().filter(|o| o["kind"] == "ClusterRole") {
                assert_eq!(creates_tokens(role), cluster, "{tokens:?}");
            }
            let found = objects
                .iter()
                .filter(|o| o["kind"] == "Role" && creates_tokens(o));
            let found: Vec<&str> = found
                .map(|o| o["metadata"]["namespace"].as_str().unwrap())
                .collect();
            let wanted: &[&str] = if roles == 0 {
                &[]
            } else {
                &["team-a", "team-b"]
            };
            assert_eq!(found, wanted);
            for object in &objects {
                path_of(object).unwrap();
            }
        }
    }
}

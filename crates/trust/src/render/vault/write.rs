//! The model in each form.

use serde_json::{Value, json};

use super::{Model, Role};
use crate::hcl::write::{Expr, Writer};
use crate::plan::VaultMethod;
use crate::render::names::Names;
use crate::render::shell::{Script, Word};
use crate::render::{Target, head, reasons};

/// Where the API server is for everything in the cluster.
const IN_CLUSTER: &str = "https://kubernetes.default.svc";
/// How long a session lives, in seconds.
const TTL: i64 = 3600;

/// A policy in the server's own language.
fn policy(role: &Role<'_>) -> String {
    let mut w = Writer::new();
    for (path, capabilities) in &role.paths {
        w.block("path", &[path], |w| {
            w.set("capabilities", &Expr::texts(capabilities.iter().copied()));
        });
    }
    w.finish()
}

/// What is written to a role: the arguments of the API, and of the provider, which has the same.
fn role_fields(role: &Role<'_>, method: VaultMethod) -> Vec<(&'static str, Value)> {
    let identity = role.identity;
    let mut out = match method {
        VaultMethod::Jwt => vec![
            ("role_type", json!("jwt")),
            ("user_claim", json!("sub")),
            ("bound_audiences", json!([identity.audience])),
            ("bound_subject", json!(identity.subject())),
        ],
        VaultMethod::Kubernetes => {
            let mut out = vec![
                (
                    "bound_service_account_names",
                    json!([identity.account.name]),
                ),
                (
                    "bound_service_account_namespaces",
                    json!([identity.account.namespace]),
                ),
            ];
            if !identity.audience.is_empty() {
                out.push(("audience", json!(identity.audience)));
            }
            out
        }
    };
    out.push(("token_policies", json!([role.policy])));
    out.push(("token_ttl", json!(TTL)));
    out
}

/// What is written to a method's configuration: the arguments of the API, and of the provider,
/// which has the same.
fn config_fields(model: &Model<'_>, method: VaultMethod) -> Vec<(&'static str, Value)> {
    let known = model.known;
    match method {
        VaultMethod::Jwt => {
            let issuer = model.issuer.map_or("", crate::Issuer::as_str);
            let mut out = vec![
                ("oidc_discovery_url", json!(issuer)),
                ("bound_issuer", json!(issuer)),
            ];
            out.extend(
                known
                    .issuer_ca
                    .iter()
                    .map(|ca| ("oidc_discovery_ca_pem", json!(ca))),
            );
            out
        }
        VaultMethod::Kubernetes => {
            let host = known.kubernetes_host.as_deref().unwrap_or(IN_CLUSTER);
            let mut out = vec![("kubernetes_host", json!(host))];
            if let Some(ca) = &known.kubernetes_ca {
                out.push(("kubernetes_ca_cert", json!(ca)));
                // Its own pod's token and authority, if it has any, are another cluster's.
                out.push(("disable_local_ca_jwt", json!(true)));
            }
            out
        }
    }
}

/// Who may ask the cluster whose token it is.
/// <https://developer.hashicorp.com/vault/docs/auth/kubernetes#how-to-work-with-short-lived-kubernetes-tokens>
fn reviewer(model: &Model<'_>) -> &'static str {
    if model.known.kubernetes_ca.is_some() {
        "It asks the cluster with the token that logs in: bind those service accounts to the ClusterRole system:auth-delegator, or set token_reviewer_jwt."
    } else {
        "In the cluster the server finds it by itself, and its own service account needs the ClusterRole system:auth-delegator; for one outside give --vault-kubernetes-host and --vault-kubernetes-ca."
    }
}

/// An argument of the API as one of the provider.
fn argument(value: &Value) -> Expr {
    match value {
        Value::Array(items) => Expr::texts(items.iter().filter_map(Value::as_str)),
        Value::Number(n) => Expr::Number(n.as_i64().unwrap_or(TTL)),
        Value::Bool(b) => Expr::Bool(*b),
        other => Expr::text(other.as_str().unwrap_or_default()),
    }
}

/// OpenTofu, with the provider that serves Vault and OpenBao.
pub(in crate::render) fn hcl(model: &Model<'_>) -> String {
    let mut w = Writer::new();
    w.comment(&head(Target::Vault));
    w.block("terraform", &[], |w| {
        w.set("required_version", &Expr::text(">= 1.6, < 2"));
        w.block("required_providers", &[], |w| {
            w.set(
                "vault",
                &Expr::Object(vec![
                    ("source".into(), Expr::text("hashicorp/vault")),
                    ("version".into(), Expr::text(">= 4, < 6")),
                ]),
            );
        });
    });
    let mut labels = Names::default();
    for ((server, namespace, path), mount) in &model.mounts {
        let label = labels.label(path);
        w.gap();
        w.comment(&format!(
            "At {server}: VAULT_ADDR names it, VAULT_TOKEN opens it."
        ));
        let within = |w: &mut Writer| {
            if let Some(namespace) = namespace {
                w.set("namespace", &Expr::text(namespace));
            }
        };
        let (backend, role_kind) = match mount.method {
            VaultMethod::Jwt => {
                w.block("resource", &["vault_jwt_auth_backend", &label], |w| {
                    within(w);
                    w.set("path", &Expr::text(path));
                    for (name, value) in config_fields(model, mount.method) {
                        w.set(name, &argument(&value));
                    }
                });
                (
                    format!("vault_jwt_auth_backend.{label}.path"),
                    "vault_jwt_auth_backend_role",
                )
            }
            VaultMethod::Kubernetes => {
                w.block("resource", &["vault_auth_backend", &label], |w| {
                    within(w);
                    w.set("type", &Expr::text("kubernetes"));
                    w.set("path", &Expr::text(path));
                });
                w.gap();
                w.comment(reviewer(model));
                w.block(
                    "resource",
                    &["vault_kubernetes_auth_backend_config", &label],
                    |w| {
                        within(w);
                        w.set(
                            "backend",
                            &Expr::code(format!("vault_auth_backend.{label}.path")),
                        );
                        for (name, value) in config_fields(model, mount.method) {
                            w.set(name, &argument(&value));
                        }
                    },
                );
                (
                    format!("vault_auth_backend.{label}.path"),
                    "vault_kubernetes_auth_backend_role",
                )
            }
        };
        for role in &mount.roles {
            let label = labels.label(&role.policy);
            w.gap();
            w.comment(&reasons(role.identity));
            w.block("resource", &["vault_policy", &label], |w| {
                within(w);
                w.set("name", &Expr::text(&role.policy));
                w.set("policy", &Expr::text(policy(role)));
            });
            w.block("resource", &[role_kind, &label], |w| {
                within(w);
                w.set("backend", &Expr::code(backend.clone()));
                w.set("role_name", &Expr::text(role.name));
                for (name, value) in role_fields(role, mount.method) {
                    if name == "token_policies" {
                        let policy = Expr::code(format!("vault_policy.{label}.name"));
                        w.set(name, &Expr::List(vec![policy]));
                    } else {
                        w.set(name, &argument(&value));
                    }
                }
            });
        }
    }
    w.finish()
}

/// A script for bao, or vault with `BAO=vault`.
pub(in crate::render) fn shell(model: &Model<'_>) -> String {
    let mut s = Script::new(&head(Target::Vault));
    s.comment("BAO_ADDR (VAULT_ADDR) names the server, BAO_TOKEN (VAULT_TOKEN) opens it.");
    s.set(
        "bao",
        &[
            "printf".into(),
            "%s".into(),
            Word::Variable("{BAO:-bao}", String::new()),
        ],
    );
    let bao = |words: &[&str], namespace: &Option<String>| -> Vec<Word<'static>> {
        let mut out = vec![Word::Variable("bao", String::new())];
        let split = words.len().min(if words.first() == Some(&"write") {
            1
        } else {
            2
        });
        let (verb, rest) = words.split_at(split);
        out.extend(verb.iter().map(|w| Word::from((*w).to_owned())));
        out.extend(
            namespace
                .iter()
                .map(|n| Word::from(format!("-namespace={n}"))),
        );
        out.extend(rest.iter().map(|w| Word::from((*w).to_owned())));
        out
    };
    for ((server, namespace, path), mount) in &model.mounts {
        s.gap();
        s.comment(&format!("At {server}:"));
        let kind = match mount.method {
            VaultMethod::Jwt => "jwt",
            VaultMethod::Kubernetes => "kubernetes",
        };
        let config = format!("auth/{path}/config");
        let flag = format!("-path={path}");
        s.unless(
            &bao(&["read", &config], namespace),
            &bao(&["auth", "enable", &flag, kind], namespace),
        );
        if mount.method == VaultMethod::Kubernetes {
            s.comment(reviewer(model));
        }
        let fields: serde_json::Map<String, Value> = config_fields(model, mount.method)
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect();
        s.feed(
            &bao(&["write", &config, "-"], namespace),
            &Value::Object(fields).to_string(),
        );
        for role in &mount.roles {
            s.comment(&reasons(role.identity));
            s.feed(
                &bao(&["policy", "write", &role.policy, "-"], namespace),
                &policy(role),
            );
            let at = format!("auth/{path}/role/{}", role.name);
            let fields = role_fields(role, mount.method).into_iter();
            let fields: serde_json::Map<String, Value> = fields
                .map(|(name, value)| (name.to_owned(), value))
                .collect();
            s.feed(
                &bao(&["write", &at, "-"], namespace),
                &Value::Object(fields).to_string(),
            );
        }
    }
    s.finish()
}

/// Documents for programs.
pub(in crate::render) fn json(model: &Model<'_>) -> Value {
    let mounts = model.mounts.iter().map(|((server, namespace, path), mount)| {
        let roles = mount.roles.iter().map(|role| {
            let fields = role_fields(role, mount.method).into_iter();
            let fields: serde_json::Map<String, Value> =
                fields.map(|(name, value)| (name.to_owned(), value)).collect();
            json!({"name": role.name, "role": fields, "policy": {
                "name": role.policy, "text": policy(role),
            }})
        });
        json!({
            "server": server,
            "namespace": namespace,
            "path": path,
            "method": match mount.method { VaultMethod::Jwt => "jwt", VaultMethod::Kubernetes => "kubernetes" },
            "issuer": model.issuer.map(crate::Issuer::as_str),
            "config": config_fields(model, mount.method).into_iter()
                .map(|(name, value)| (name.to_owned(), value)).collect::<serde_json::Map<_, _>>(),
            "roles": roles.collect::<Vec<_>>(),
        })
    });
    json!({"methods": mounts.collect::<Vec<_>>()})
}

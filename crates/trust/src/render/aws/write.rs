//! The model in each form.

use serde_json::{Value, json};

use super::{Model, Role};
use crate::hcl::write::{Expr, Writer, quote};
use crate::render::shell::{Script, Word};
use crate::render::{Target, head, reasons};

/// OpenTofu.
pub(in crate::render) fn hcl(model: &Model<'_>) -> String {
    let mut w = Writer::new();
    w.comment(&head(Target::Aws));
    w.block("terraform", &[], |w| {
        w.set("required_version", &Expr::text(">= 1.6, < 2"));
        w.block("required_providers", &[], |w| {
            w.set(
                "aws",
                &Expr::Object(vec![
                    ("source".into(), Expr::text("hashicorp/aws")),
                    ("version".into(), Expr::text(">= 5.100, < 7")),
                ]),
            );
        });
    });
    if let Some((issuer, arn, audiences)) = &model.provider {
        w.gap();
        w.comment("AWS checks the certificate of the issuer by itself: no thumbprints.");
        w.block(
            "resource",
            &["aws_iam_openid_connect_provider", "cluster"],
            |w| {
                w.set("url", &Expr::text(issuer.as_str()));
                w.set("client_id_list", &Expr::texts(audiences.iter().cloned()));
            },
        );
        import(
            &mut w,
            model.import,
            "aws_iam_openid_connect_provider.cluster",
            &arn.to_string(),
        );
    }
    for role in &model.roles {
        w.gap();
        for identity in &role.identities {
            w.comment(&reasons(identity));
        }
        self::role(&mut w, model, role);
    }
    w.finish()
}

/// What exists already is taken over: at once where that was asked for.
fn import(w: &mut Writer, now: bool, address: &str, id: &str) {
    if now {
        w.block("import", &[], |w| {
            w.set("to", &Expr::code(address));
            w.set("id", &Expr::text(id));
        });
    } else {
        w.gap();
        w.comment(&format!(
            "If it exists already, take it over:\nimport {{\n  to = {address}\n  id = {}\n}}",
            quote(id)
        ));
    }
}

fn role(w: &mut Writer, model: &Model<'_>, role: &Role<'_>) {
    let label = role.label.as_str();
    let name = role.arn.role_name().unwrap_or_default();
    w.block(
        "data",
        &["aws_iam_policy_document", &format!("{label}_trust")],
        |w| {
            document(w, &role.trust.to_json(), true);
        },
    );
    w.block("resource", &["aws_iam_role", label], |w| {
        w.set("name", &Expr::text(name));
        let path = role.arn.resource.strip_prefix("role").unwrap_or_default();
        let path = path.strip_suffix(name).unwrap_or_default();
        if path.len() > 1 {
            w.set("path", &Expr::text(path));
        }
        let trust = format!("data.aws_iam_policy_document.{label}_trust.json");
        w.set("assume_role_policy", &Expr::code(trust));
    });
    if model.import {
        import(w, true, &format!("aws_iam_role.{label}"), name);
    }
    if let Some(policy) = &role.policy {
        permission(w, label, &format!("aws_iam_role.{label}.id"), policy);
    }
    if let Some((last, policy)) = &role.chained {
        w.gap();
        w.comment(&format!(
            "Through {last}: its trust must let {} in with sts:AssumeRole and sts:TagSession.",
            role.arn
        ));
        if let Some(policy) = policy {
            let name = quote(last.role_name().unwrap_or_default());
            permission(w, &format!("{label}_chained"), &name, policy);
        }
    }
    if let Some(cluster) = role.cluster {
        for (n, identity) in role.identities.iter().enumerate() {
            let label = if n == 0 {
                label.to_owned()
            } else {
                format!("{label}_{n}")
            };
            w.block(
                "resource",
                &["aws_eks_pod_identity_association", &label],
                |w| {
                    w.set("cluster_name", &Expr::text(cluster));
                    w.set("namespace", &Expr::text(&identity.account.namespace));
                    w.set("service_account", &Expr::text(&identity.account.name));
                    w.set(
                        "role_arn",
                        &Expr::code(format!("aws_iam_role.{}.arn", role.label)),
                    );
                },
            );
        }
    }
}

fn permission(w: &mut Writer, label: &str, role: &str, policy: &Value) {
    w.block(
        "data",
        &["aws_iam_policy_document", &format!("{label}_read")],
        |w| {
            document(w, policy, false);
        },
    );
    w.block("resource", &["aws_iam_role_policy", label], |w| {
        w.set("name", &Expr::text("keyless-read"));
        w.set("role", &Expr::code(role));
        let read = format!("data.aws_iam_policy_document.{label}_read.json");
        w.set("policy", &Expr::code(read));
    });
}

/// A policy as blocks `statement`.
fn document(w: &mut Writer, policy: &Value, trust: bool) {
    let statements = policy.get("Statement").and_then(Value::as_array);
    for statement in statements.into_iter().flatten() {
        w.block("statement", &[], |w| {
            let list = |name: &str| texts(statement.get(name));
            if let Some(sid) = statement.get("Sid").and_then(Value::as_str) {
                w.set("sid", &Expr::text(sid));
            }
            w.set("actions", &Expr::texts(list("Action")));
            if statement.get("Resource").is_some() {
                w.set("resources", &Expr::texts(list("Resource")));
            }
            let principal = statement.get("Principal").and_then(Value::as_object);
            for (kind, who) in principal.into_iter().flatten() {
                w.block("principals", &[], |w| {
                    w.set("type", &Expr::text(kind));
                    let provider = "aws_iam_openid_connect_provider.cluster.arn";
                    let identifiers = if trust && kind == "Federated" {
                        Expr::List(vec![Expr::code(provider)])
                    } else {
                        Expr::texts(texts(Some(who)))
                    };
                    w.set("identifiers", &identifiers);
                });
            }
            let conditions = statement.get("Condition").and_then(Value::as_object);
            for (operator, keys) in conditions.into_iter().flatten() {
                for (key, values) in keys.as_object().into_iter().flatten() {
                    w.block("condition", &[], |w| {
                        w.set("test", &Expr::text(operator));
                        w.set("variable", &Expr::text(key));
                        w.set("values", &Expr::texts(texts(Some(values))));
                    });
                }
            }
        });
    }
}

fn texts(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::String(one)) => vec![one.clone()],
        Some(Value::Array(many)) => many
            .iter()
            .filter_map(|v| v.as_str().map(str::to_owned))
            .collect(),
        _ => Vec::new(),
    }
}

/// A script for the AWS CLI. It can be run again: what exists is brought to the wanted state.
pub(in crate::render) fn shell(model: &Model<'_>) -> String {
    let mut s = Script::new(&head(Target::Aws));
    let iam = |verb: &'static str| -> Vec<Word<'static>> {
        ["aws", "iam", verb].into_iter().map(Word::from).collect()
    };
    let with = |mut words: Vec<Word<'static>>, more: &[&str]| {
        words.extend(more.iter().map(|m| Word::from((*m).to_owned())));
        words
    };
    if let Some((issuer, arn, audiences)) = &model.provider {
        let arn = arn.to_string();
        let by_arn = ["--open-id-connect-provider-arn", arn.as_str()];
        s.gap();
        let mut create = with(
            iam("create-open-id-connect-provider"),
            &["--url", issuer.as_str(), "--client-id-list"],
        );
        create.extend(audiences.iter().map(|a| Word::from(a.clone())));
        s.unless(&with(iam("get-open-id-connect-provider"), &by_arn), &create);
        for audience in audiences {
            let add = with(iam("add-client-id-to-open-id-connect-provider"), &by_arn);
            s.run(&with(add, &["--client-id", audience]));
        }
    }
    for role in &model.roles {
        s.gap();
        for identity in &role.identities {
            s.comment(&reasons(identity));
        }
        let name = role.arn.role_name().unwrap_or_default();
        let path = role.arn.resource.strip_prefix("role").unwrap_or_default();
        let path = path.strip_suffix(name).unwrap_or("/");
        let trust = role.trust.to_json().to_string();
        let document = ["--assume-role-policy-document", trust.as_str()];
        let create = with(iam("create-role"), &["--role-name", name, "--path", path]);
        s.unless(
            &with(iam("get-role"), &["--role-name", name]),
            &with(create, &document),
        );
        let policy = ["--role-name", name, "--policy-document", trust.as_str()];
        s.run(&with(iam("update-assume-role-policy"), &policy));
        let put = |s: &mut Script, name: &str, policy: &Value| {
            let policy = policy.to_string();
            let all = ["--role-name", name, "--policy-name", "keyless-read"];
            let words = with(iam("put-role-policy"), &all);
            s.run(&with(words, &["--policy-document", &policy]));
        };
        if let Some(policy) = &role.policy {
            put(&mut s, name, policy);
        }
        if let Some((last, policy)) = &role.chained {
            s.comment(&format!(
                "Through {last}: its trust must let {} in.",
                role.arn
            ));
            if let Some(policy) = policy {
                put(&mut s, last.role_name().unwrap_or_default(), policy);
            }
        }
        if let Some(cluster) = role.cluster {
            for identity in &role.identities {
                let arn = role.arn.to_string();
                let eks = ["aws", "eks", "create-pod-identity-association"];
                let words = eks.into_iter().map(Word::from).collect();
                s.run(&with(
                    words,
                    &[
                        "--cluster-name",
                        cluster,
                        "--namespace",
                        &identity.account.namespace,
                        "--service-account",
                        &identity.account.name,
                        "--role-arn",
                        &arn,
                    ],
                ));
            }
        }
    }
    s.finish()
}

/// Documents for programs.
pub(in crate::render) fn json(model: &Model<'_>) -> Value {
    let provider = model.provider.as_ref().map(|(issuer, arn, audiences)| {
        json!({"url": issuer.as_str(), "arn": arn.to_string(), "clientIds": audiences})
    });
    let roles = model.roles.iter().map(|role| {
        json!({
            "arn": role.arn.to_string(),
            "trustPolicy": role.trust.to_json(),
            "permissionPolicy": role.policy,
            "chained": role.chained.as_ref().map(|(arn, policy)| json!({
                "arn": arn.to_string(),
                "permissionPolicy": policy,
            })),
            "podIdentity": role.cluster,
            "serviceAccounts": role.identities.iter().map(|i| json!({
                "namespace": i.account.namespace,
                "name": i.account.name,
                "annotations": {"eks.amazonaws.com/role-arn": role.arn.to_string()},
            })).collect::<Vec<_>>(),
        })
    });
    json!({"provider": provider, "roles": roles.collect::<Vec<_>>()})
}

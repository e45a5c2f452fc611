//! OpenTofu and Terraform.

use std::collections::BTreeMap;

use super::super::{Binding, IMPERSONATOR, Model, On, PoolSide, Principal};
use super::POOLS;
use crate::hcl::write::{Expr, Writer, quote};
use crate::render::names::Names;
use crate::render::{Target, head, reasons};

/// OpenTofu.
pub(in crate::render) fn hcl(model: &Model<'_>) -> String {
    let mut w = Writer::new();
    w.comment(&head(Target::Google));
    w.block("terraform", &[], |w| {
        w.set("required_version", &Expr::text(">= 1.6, < 2"));
        w.block("required_providers", &[], |w| {
            w.set(
                "google",
                &Expr::Object(vec![
                    ("source".into(), Expr::text("hashicorp/google")),
                    ("version".into(), Expr::text(">= 6, < 8")),
                ]),
            );
        });
    });
    let mut labels = Names::default();
    // The pool's project is the one that people look for.
    let numbers: Numbers<'_> = model
        .numbered()
        .into_iter()
        .map(|project| {
            let label = if project == model.project {
                "current"
            } else {
                project
            };
            (project, labels.label(label))
        })
        .collect();
    for (project, label) in &numbers {
        w.block("data", &["google_project", label], |w| {
            w.set("project_id", &Expr::text(*project));
        });
    }
    if let Some(side) = &model.pool {
        pool(&mut w, model, side);
    }
    for principal in &model.principals {
        w.gap();
        w.comment(&reasons(principal.identity));
        let member = match principal.impersonates {
            Some(email) => {
                let member = member(model, &numbers, principal);
                impersonation(&mut w, &mut labels, principal, email, &member);
                Expr::text(format!("serviceAccount:{email}"))
            }
            None => member(model, &numbers, principal),
        };
        for binding in &principal.grants {
            self::binding(&mut w, &mut labels, &numbers, principal, binding, &member);
        }
    }
    w.finish()
}

fn pool(w: &mut Writer, model: &Model<'_>, side: &PoolSide) {
    w.gap();
    w.comment("A deleted pool or provider keeps its id for 30 days: undelete and import it then.");
    w.block(
        "resource",
        &["google_iam_workload_identity_pool", "cluster"],
        |w| {
            w.set("project", &Expr::text(&model.project));
            w.set("workload_identity_pool_id", &Expr::text(&side.pool));
        },
    );
    let labels = ["google_iam_workload_identity_pool_provider", "cluster"];
    w.block("resource", &labels, |w| {
        let pool = "google_iam_workload_identity_pool.cluster.workload_identity_pool_id";
        w.set("project", &Expr::text(&model.project));
        w.set("workload_identity_pool_id", &Expr::code(pool));
        w.set(
            "workload_identity_pool_provider_id",
            &Expr::text(&side.provider),
        );
        w.set(
            "attribute_mapping",
            &Expr::Object(vec![("google.subject".into(), Expr::text(side.mapping()))]),
        );
        w.set("attribute_condition", &Expr::text(side.condition()));
        w.block("oidc", &[], |w| {
            w.set("issuer_uri", &Expr::text(side.issuer.as_str()));
            if !side.audiences.is_empty() {
                // With a list the provider's own name is no longer taken by itself.
                w.set(
                    "allowed_audiences",
                    &Expr::texts(side.audiences.iter().cloned()),
                );
            }
        });
    });
    if model.import {
        let name = format!(
            "projects/{}/locations/global/workloadIdentityPools/{}",
            model.project, side.pool
        );
        for (to, id) in [
            ("google_iam_workload_identity_pool.cluster", name.clone()),
            (
                "google_iam_workload_identity_pool_provider.cluster",
                format!("{name}/providers/{}", side.provider),
            ),
        ] {
            w.block("import", &[], |w| {
                w.set("to", &Expr::code(to));
                w.set("id", &Expr::text(id));
            });
        }
    }
}

/// Projects and the labels under which their numbers are looked up.
type Numbers<'a> = BTreeMap<&'a str, String>;

fn lookup<'a>(numbers: &'a Numbers<'_>, project: &str) -> &'a str {
    numbers.get(project).map_or("current", String::as_str)
}

/// The principal of a policy, with the project's number as far as it is known.
fn member(model: &Model<'_>, numbers: &Numbers<'_>, principal: &Principal<'_>) -> Expr {
    let (pool, project) = model.pool_of(principal);
    let rest = format!(
        "/locations/global/workloadIdentityPools/{pool}/subject/{}",
        principal.subject
    );
    match model.number_of(project) {
        Some(number) => Expr::text(format!("principal://{POOLS}/{number}{rest}")),
        None => {
            let lookup = lookup(numbers, project);
            Expr::code(format!(
                "format(\"principal://{POOLS}/%s%s\", data.google_project.{lookup}.number, {})",
                quote(&rest)
            ))
        }
    }
}

fn impersonation(
    w: &mut Writer,
    labels: &mut Names,
    principal: &Principal<'_>,
    email: &str,
    member: &Expr,
) {
    let label = labels.label(&principal.identity.name);
    w.block(
        "resource",
        &["google_service_account_iam_member", &label],
        |w| {
            // The account's address alone does not always tell its project.
            let account = format!("projects/-/serviceAccounts/{email}");
            w.set("service_account_id", &Expr::text(account));
            w.set("role", &Expr::text(IMPERSONATOR));
            w.set("member", member);
        },
    );
}

fn binding(
    w: &mut Writer,
    labels: &mut Names,
    numbers: &Numbers<'_>,
    principal: &Principal<'_>,
    binding: &Binding,
    member: &Expr,
) {
    let name = &principal.identity.name;
    let fill = |w: &mut Writer| {
        w.set("role", &Expr::text(binding.role));
        w.set("member", member);
    };
    match (&binding.on, &binding.location) {
        (On::Secret(id), None) => {
            let label = labels.label(&format!("{name}_{id}"));
            w.block(
                "resource",
                &["google_secret_manager_secret_iam_member", &label],
                |w| {
                    w.set("project", &Expr::text(&binding.project));
                    w.set("secret_id", &Expr::text(id));
                    fill(w);
                },
            );
        }
        (On::Secret(id), Some(location)) => {
            let label = labels.label(&format!("{name}_{id}"));
            let kind = "google_secret_manager_regional_secret_iam_member";
            w.block("resource", &[kind, &label], |w| {
                w.set("project", &Expr::text(&binding.project));
                w.set("location", &Expr::text(location));
                w.set("secret_id", &Expr::text(id));
                fill(w);
            });
        }
        (On::Prefix(_) | On::Project, _) => {
            // The label says that the width is meant.
            let label = labels.label(&format!("search_{name}"));
            w.block("resource", &["google_project_iam_member", &label], |w| {
                w.set("project", &Expr::text(&binding.project));
                fill(w);
                if let Some(condition) = binding.condition("%s") {
                    w.block("condition", &[], |w| {
                        w.set("title", &Expr::text("names"));
                        let lookup = lookup(numbers, &binding.project);
                        w.set(
                            "expression",
                            &Expr::code(format!(
                                "format({}, data.google_project.{lookup}.number)",
                                quote(&condition)
                            )),
                        );
                    });
                }
            });
        }
    }
}

//! The model in each form.

use serde_json::{Value, json};

use super::{Binding, IMPERSONATOR, Model, On, PoolSide, Principal, cel};
use crate::hcl::write::{Expr, Writer, quote};
use crate::render::names::Names;
use crate::render::shell::{Script, Word};
use crate::render::{Target, head, reasons};

const POOLS: &str = "iam.googleapis.com/projects";

impl PoolSide {
    fn mapping(&self) -> String {
        if self.short {
            "assertion.sub.extract(\"system:serviceaccount:{subject}\")".to_owned()
        } else {
            "assertion.sub".to_owned()
        }
    }

    fn condition(&self) -> String {
        let subjects: Vec<String> = self.subjects.iter().map(|s| cel(s)).collect();
        format!("assertion.sub in [{}]", subjects.join(", "))
    }
}

impl Binding {
    /// The condition on a prefix, given the project's number.
    fn condition(&self, number: &str) -> Option<String> {
        let On::Prefix(prefix) = &self.on else {
            return None;
        };
        let location = self.location.as_ref().map(|l| format!("locations/{l}/"));
        let place = format!(
            "projects/{number}/{}secrets/{prefix}",
            location.unwrap_or_default()
        );
        Some(format!("resource.name.startsWith({})", cel(&place)))
    }
}

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
    w.block("data", &["google_project", "current"], |w| {
        w.set("project_id", &Expr::text(&model.project));
    });
    if let Some(side) = &model.pool {
        pool(&mut w, model, side);
    }
    let mut labels = Names::default();
    for principal in &model.principals {
        w.gap();
        w.comment(&reasons(principal.identity));
        let member = match principal.impersonates {
            Some(email) => {
                impersonation(&mut w, &mut labels, model, principal, email);
                Expr::text(format!("serviceAccount:{email}"))
            }
            None => member(model, principal),
        };
        for binding in &principal.grants {
            self::binding(&mut w, &mut labels, principal, binding, &member);
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

/// The principal of a policy, with the project's number as far as it is known.
fn member(model: &Model<'_>, principal: &Principal<'_>) -> Expr {
    let pool = match &principal.gke {
        Some(project) => format!("{project}.svc.id.goog"),
        None => model
            .pool
            .as_ref()
            .map(|s| s.pool.clone())
            .unwrap_or_default(),
    };
    let rest = format!(
        "/locations/global/workloadIdentityPools/{pool}/subject/{}",
        principal.subject
    );
    match &model.number {
        Some(number) => Expr::text(format!("principal://{POOLS}/{number}{rest}")),
        None => Expr::code(format!(
            "format(\"principal://{POOLS}/%s%s\", data.google_project.current.number, {})",
            quote(&rest)
        )),
    }
}

fn impersonation(
    w: &mut Writer,
    labels: &mut Names,
    model: &Model<'_>,
    principal: &Principal<'_>,
    email: &str,
) {
    let label = labels.label(&principal.identity.name);
    w.block(
        "resource",
        &["google_service_account_iam_member", &label],
        |w| {
            let project = email
                .split_once('@')
                .and_then(|(_, host)| host.split('.').next());
            let project = project.unwrap_or("-");
            let account = format!("projects/{project}/serviceAccounts/{email}");
            w.set("service_account_id", &Expr::text(account));
            w.set("role", &Expr::text(IMPERSONATOR));
            w.set("member", &member(model, principal));
        },
    );
}

fn binding(
    w: &mut Writer,
    labels: &mut Names,
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
                let number = "NUMBER";
                if let Some(condition) = binding.condition(number) {
                    w.block("condition", &[], |w| {
                        w.set("title", &Expr::text("names"));
                        let parts = condition.replacen(number, "%s", 1);
                        w.set(
                            "expression",
                            &Expr::code(format!(
                                "format({}, data.google_project.current.number)",
                                quote(&parts)
                            )),
                        );
                    });
                }
            });
        }
    }
}

/// A script for gcloud.
pub(in crate::render) fn shell(model: &Model<'_>) -> String {
    let mut s = Script::new(&head(Target::Google));
    let gcloud = |words: &str, more: &[String]| -> Vec<Word<'static>> {
        let words = std::iter::once("gcloud").chain(words.split(' '));
        let words = words.map(|w| Word::from(w.to_owned()));
        words
            .chain(more.iter().map(|m| Word::from(m.clone())))
            .collect()
    };
    let project = format!("--project={}", model.project);
    s.gap();
    match &model.number {
        Some(number) => s.set("number", &["printf".into(), "%s".into(), number.into()]),
        None => s.set(
            "number",
            &gcloud(
                "projects describe",
                &[
                    model.project.clone(),
                    "--format=value(projectNumber)".into(),
                ],
            ),
        ),
    };
    if let Some(side) = &model.pool {
        let global = "--location=global".to_owned();
        let pool = [side.pool.clone(), global.clone(), project.clone()];
        s.unless(
            &gcloud("iam workload-identity-pools describe", &pool),
            &gcloud("iam workload-identity-pools create", &pool),
        );
        let mut provider = vec![
            side.provider.clone(),
            global,
            project.clone(),
            format!("--workload-identity-pool={}", side.pool),
        ];
        let describe = gcloud("iam workload-identity-pools providers describe", &provider);
        provider.push(format!("--issuer-uri={}", side.issuer));
        // gcloud splits at commas unless another sign is named.
        provider.push(format!(
            "--attribute-mapping=google.subject={}",
            side.mapping()
        ));
        provider.push(format!("--attribute-condition={}", side.condition()));
        if !side.audiences.is_empty() {
            provider.push(format!("--allowed-audiences={}", side.audiences.join(",")));
        }
        s.unless(
            &describe,
            &gcloud(
                "iam workload-identity-pools providers create-oidc",
                &provider,
            ),
        );
        s.run(&gcloud(
            "iam workload-identity-pools providers update-oidc",
            &provider,
        ));
    }
    for principal in &model.principals {
        s.gap();
        s.comment(&reasons(principal.identity));
        let pool = match &principal.gke {
            Some(project) => format!("{project}.svc.id.goog"),
            None => model
                .pool
                .as_ref()
                .map(|p| p.pool.clone())
                .unwrap_or_default(),
        };
        // The number is that of a variable: the rest of the word follows it.
        let rest = format!(
            "/locations/global/workloadIdentityPools/{pool}/subject/{}",
            principal.subject
        );
        s.set(
            "member",
            &[
                "printf".into(),
                format!("principal://{POOLS}/%s%s").into(),
                Word::Variable("number", String::new()),
                rest.into(),
            ],
        );
        if let Some(email) = principal.impersonates {
            let mut words = gcloud(
                "iam service-accounts add-iam-policy-binding",
                &[
                    email.to_owned(),
                    format!("--role={IMPERSONATOR}"),
                    "--member".into(),
                ],
            );
            words.push(Word::Variable("member", String::new()));
            s.run(&words);
            s.set(
                "member",
                &[
                    "printf".into(),
                    "%s".into(),
                    format!("serviceAccount:{email}").into(),
                ],
            );
        }
        for binding in &principal.grants {
            let role = format!("--role={}", binding.role);
            let project = format!("--project={}", binding.project);
            let mut words = match &binding.on {
                On::Secret(id) => {
                    let mut all = vec![id.clone(), project, role];
                    all.extend(binding.location.iter().map(|l| format!("--location={l}")));
                    gcloud("secrets add-iam-policy-binding", &all)
                }
                _ => {
                    let mut words = gcloud(
                        "projects add-iam-policy-binding",
                        &[binding.project.clone(), role],
                    );
                    match binding.condition("%s") {
                        Some(condition) => {
                            let pattern = format!("expression={condition},title=names");
                            s.set(
                                "condition",
                                &[
                                    "printf".into(),
                                    pattern.into(),
                                    Word::Variable("number", String::new()),
                                ],
                            );
                            words.push("--condition".into());
                            words.push(Word::Variable("condition", String::new()));
                        }
                        None => words.push("--condition=None".into()),
                    }
                    words
                }
            };
            words.push("--member".into());
            words.push(Word::Variable("member", String::new()));
            s.run(&words);
        }
    }
    s.finish()
}

/// Documents for programs.
pub(in crate::render) fn json(model: &Model<'_>) -> Value {
    let pool = model.pool.as_ref().map(|side| {
        json!({
            "project": model.project,
            "pool": side.pool,
            "provider": side.provider,
            "issuerUri": side.issuer.as_str(),
            "allowedAudiences": side.audiences,
            "attributeMapping": {"google.subject": side.mapping()},
            "attributeCondition": side.condition(),
        })
    });
    let number = model.number.as_deref().unwrap_or("PROJECT_NUMBER");
    let principals = model.principals.iter().map(|p| {
        let pool = match &p.gke {
            Some(project) => format!("{project}.svc.id.goog"),
            None => model
                .pool
                .as_ref()
                .map(|s| s.pool.clone())
                .unwrap_or_default(),
        };
        let principal = format!(
            "principal://{POOLS}/{number}/locations/global/workloadIdentityPools/{pool}/subject/{}",
            p.subject
        );
        json!({
            "principal": principal,
            "impersonates": p.impersonates,
            "bindings": p.grants.iter().map(|b| json!({
                "project": b.project,
                "location": b.location,
                "role": b.role,
                "secret": match &b.on { On::Secret(id) => Some(id), _ => None },
                "condition": b.condition(number),
            })).collect::<Vec<_>>(),
        })
    });
    json!({"pool": pool, "principals": principals.collect::<Vec<_>>()})
}

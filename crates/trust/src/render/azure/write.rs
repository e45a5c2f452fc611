//! The model as OpenTofu and as documents.

use serde_json::{Value, json};

use super::{Assignment, Managed, Model};
use crate::hcl::write::{Expr, Writer, quote};
use crate::render::names::Names;
use crate::render::{Target, head, reasons};

/// OpenTofu.
pub(in crate::render) fn hcl(model: &Model<'_>) -> String {
    let mut w = Writer::new();
    w.comment(&head(Target::Azure));
    w.block("terraform", &[], |w| {
        w.set("required_version", &Expr::text(">= 1.6, < 2"));
        w.block("required_providers", &[], |w| {
            w.set(
                "azurerm",
                &Expr::Object(vec![
                    ("source".into(), Expr::text("hashicorp/azurerm")),
                    ("version".into(), Expr::text(">= 4.65, < 6")),
                ]),
            );
        });
    });
    w.gap();
    w.comment("The subscription comes from ARM_SUBSCRIPTION_ID.");
    w.block("provider", &["azurerm"], |w| {
        let needed = ["Microsoft.KeyVault", "Microsoft.ManagedIdentity"];
        w.set("resource_providers_to_register", &Expr::texts(needed));
        w.block("features", &[], |_| {});
    });
    for (name, label) in &model.vaults {
        w.block("data", &["azurerm_key_vault", label], |w| {
            w.set("name", &Expr::text(name));
            w.set("resource_group_name", &Expr::text(&model.group));
            w.block("lifecycle", &[], |w| {
                w.block("postcondition", &[], |w| {
                    let (condition, message) = if model.access_policies {
                        (
                            "!self.rbac_authorization_enabled",
                            "This vault uses roles: render without access policies.",
                        )
                    } else {
                        (
                            "self.rbac_authorization_enabled",
                            "This vault uses access policies: render with --azure-access-policies.",
                        )
                    };
                    w.set("condition", &Expr::code(condition));
                    w.set("error_message", &Expr::text(message));
                });
            });
        });
    }
    // Entra refuses credentials that are written at the same time: one waits for the other.
    let mut last: Option<String> = None;
    for managed in &model.identities {
        w.gap();
        if let Some(client) = managed.client {
            w.comment(&format!("Service accounts are annotated with client id {client}: import that identity, or change the annotation."));
        }
        w.block(
            "resource",
            &["azurerm_user_assigned_identity", &managed.label],
            |w| {
                w.set("name", &Expr::text(&managed.name));
                w.set("resource_group_name", &Expr::text(&model.group));
                w.set("location", &Expr::text(&model.location));
            },
        );
        for credential in &managed.credentials {
            w.gap();
            w.comment(&reasons(credential.identity));
            let labels = [
                "azurerm_federated_identity_credential",
                credential.label.as_str(),
            ];
            w.block("resource", &labels, |w| {
                w.set("name", &Expr::text(&credential.name));
                let id = format!("azurerm_user_assigned_identity.{}.id", managed.label);
                w.set("user_assigned_identity_id", &Expr::code(id));
                w.set("issuer", &Expr::text(model.issuer));
                w.set("subject", &Expr::text(&credential.subject));
                w.set("audience", &Expr::texts([credential.audience]));
                if let Some(before) = &last {
                    w.set("depends_on", &Expr::List(vec![Expr::code(before.clone())]));
                }
            });
            last = Some(format!(
                "azurerm_federated_identity_credential.{}",
                credential.label
            ));
        }
        permissions(&mut w, model, managed);
        for output in ["client_id", "tenant_id"] {
            w.block("output", &[&format!("{}_{output}", managed.label)], |w| {
                let value = format!("azurerm_user_assigned_identity.{}.{output}", managed.label);
                w.set("value", &Expr::code(value));
            });
        }
        if model.import {
            w.gap();
            w.comment(&format!("An identity that exists is taken over by its id:\nimport {{\n  to = azurerm_user_assigned_identity.{}\n  id = \"/subscriptions/ID/resourceGroups/{}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{}\"\n}}", managed.label, model.group, managed.name));
        }
    }
    w.finish()
}

fn permissions(w: &mut Writer, model: &Model<'_>, managed: &Managed<'_>) {
    let principal = format!(
        "azurerm_user_assigned_identity.{}.principal_id",
        managed.label
    );
    let vault = |name: &str| {
        let label = model.vaults.get(name).map_or("", String::as_str);
        format!("data.azurerm_key_vault.{label}")
    };
    if model.access_policies {
        for (name, kinds) in policies(managed) {
            let label = format!(
                "{}_{}",
                managed.label,
                model.vaults.get(&name).map_or("", String::as_str)
            );
            w.block(
                "resource",
                &["azurerm_key_vault_access_policy", &label],
                |w| {
                    w.set("key_vault_id", &Expr::code(format!("{}.id", vault(&name))));
                    w.set(
                        "tenant_id",
                        &Expr::code(format!("{}.tenant_id", vault(&name))),
                    );
                    w.set("object_id", &Expr::code(principal.clone()));
                    for (argument, permissions) in kinds {
                        w.set(argument, &Expr::texts(permissions));
                    }
                },
            );
        }
        return;
    }
    let mut labels = Names::default();
    for Assignment {
        vault: name,
        role,
        part,
    } in &managed.assignments()
    {
        let base = format!("{}_{}", managed.label, part.as_deref().unwrap_or(name));
        let label = labels.label(&base);
        w.block("resource", &["azurerm_role_assignment", &label], |w| {
            let id = format!("{}.id", vault(name));
            let scope = match part {
                Some(part) => format!("format(\"%s/%s\", {id}, {})", quote(part)),
                None => id,
            };
            w.set("scope", &Expr::code(scope));
            w.set("role_definition_name", &Expr::text(*role));
            w.set("principal_id", &Expr::code(principal.clone()));
            w.set("principal_type", &Expr::text("ServicePrincipal"));
        });
    }
}

type Permissions = Vec<(&'static str, Vec<&'static str>)>;

/// Access policies know no names: what is read in a vault decides over all of its kind.
pub(super) fn policies(managed: &Managed<'_>) -> Vec<(String, Permissions)> {
    let mut vaults: Vec<&String> = managed.reads.iter().map(|r| &r.vault).collect();
    vaults.dedup();
    let kinds = |vault: &str| {
        let all = [
            ("secret_permissions", "secrets"),
            ("key_permissions", "keys"),
            ("certificate_permissions", "certificates"),
        ];
        all.into_iter()
            .filter_map(|(argument, kind)| {
                let of = || {
                    let here = managed.reads.iter();
                    here.filter(|r| r.vault == vault && r.kind == kind)
                };
                of().next()?;
                let permissions = if of().any(|r| r.name.is_none()) {
                    vec!["Get", "List"]
                } else {
                    vec!["Get"]
                };
                Some((argument, permissions))
            })
            .collect()
    };
    vaults
        .into_iter()
        .map(|vault| (vault.clone(), kinds(vault)))
        .collect()
}

/// Documents for programs.
pub(in crate::render) fn json(model: &Model<'_>) -> Value {
    let identities = model.identities.iter().map(|managed| {
        json!({
            "name": managed.name,
            "resourceGroup": model.group,
            "location": model.location,
            "clientId": managed.client,
            "federatedCredentials": managed.credentials.iter().map(|c| json!({
                "name": c.name,
                "issuer": model.issuer,
                "subject": c.subject,
                "audiences": [c.audience],
            })).collect::<Vec<_>>(),
            "roleAssignments": if model.access_policies { json!([]) } else {
                managed.assignments().iter().map(|a| json!({
                    "vault": a.vault,
                    "role": a.role,
                    "part": a.part,
                })).collect()
            },
            "accessPolicies": if model.access_policies {
                policies(managed).iter().map(|(vault, kinds)| {
                    let kinds = kinds.iter();
                        let mut out: serde_json::Map<String, Value> = kinds
                            .map(|(argument, permissions)| ((*argument).to_owned(), json!(permissions)))
                            .collect();
                        out.insert("vault".into(), json!(vault));
                        Value::Object(out)
                    }).collect()
            } else { json!([]) },
        })
    });
    json!({"identities": identities.collect::<Vec<_>>()})
}

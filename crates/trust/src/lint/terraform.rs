//! Rules for OpenTofu and Terraform files, and for policies of Vault, which are HCL too.

use serde_json::{Value, json};

use super::permission::Permission;
use super::trust_policy::{TrustPolicy, is_trust};
use super::{Expect, File, Finding, Severity, Sheet, azure, google, placeholder, vault};
use crate::hcl::{Block, Module, is_unknown};

mod versions;

/// Arguments that later versions of a provider no longer have, and what is used now.
const GONE: [(&str, &str, &str); 5] = [
    (
        "azurerm_federated_identity_credential",
        "parent_id",
        "user_assigned_identity_id",
    ),
    (
        "azurerm_federated_identity_credential",
        "resource_group_name",
        "nothing: the identity says it",
    ),
    (
        "azurerm_key_vault",
        "enable_rbac_authorization",
        "rbac_authorization_enabled",
    ),
    (
        "azurerm_storage_account",
        "allow_blob_public_access",
        "allow_nested_items_to_be_public",
    ),
    (
        "azurerm_storage_container",
        "storage_account_name",
        "storage_account_id",
    ),
];

/// Looks at one module.
pub(super) struct Linter<'a> {
    pub(super) module: &'a Module,
    files: &'a [File<'a>],
    expect: &'a Expect,
}

pub(super) fn lint(module: &Module, files: &[File<'_>], expect: &Expect, found: &mut Vec<Finding>) {
    let linter = Linter {
        module,
        files,
        expect,
    };
    versions::lint(&linter, found);
    linter.references(found);
    for block in &module.blocks {
        linter.block(block, found);
    }
}

impl<'a> Linter<'a> {
    pub(super) fn sheet(&self, file: usize) -> Sheet<'a> {
        Sheet {
            file: self.files.get(file).map_or("", |f| f.name),
            expect: self.expect,
        }
    }

    pub(super) fn at(
        &self,
        block: &Block,
        argument: Option<&str>,
        code: &'static str,
        severity: Severity,
        observed: impl Into<String>,
    ) -> Finding {
        self.sheet(block.file).finding(
            code,
            severity,
            Some(line(block, argument)),
            &block.address(),
            observed,
        )
    }

    fn references(&self, found: &mut Vec<Finding>) {
        for reference in self.module.references() {
            if !self.module.declares(&reference) {
                let sheet = self.sheet(reference.file);
                let observed = format!("{} is not declared", reference.address);
                let line = Some(reference.line);
                let part = reference.address.clone();
                found.push(sheet.finding("L1", Severity::Error, line, &part, observed));
            }
        }
    }

    fn block(&self, block: &Block, found: &mut Vec<Finding>) {
        let kind = block.labels.first().map_or("", String::as_str);
        self.gone(block, kind, found);
        match (block.kind.as_str(), kind) {
            ("resource", "aws_iam_role") => self.policy(block, "assume_role_policy", found),
            (
                "resource",
                "aws_iam_policy"
                | "aws_iam_role_policy"
                | "aws_iam_user_policy"
                | "aws_iam_group_policy",
            ) => self.policy(block, "policy", found),
            ("data", "aws_iam_policy_document") => self.document(block, found),
            ("resource", "aws_iam_openid_connect_provider") => self.oidc_provider(block, found),
            ("resource", "azurerm_federated_identity_credential") => {
                self.credential(block, "audience", "name", found);
            }
            ("resource", "azuread_application_federated_identity_credential") => {
                self.credential(block, "audiences", "display_name", found);
            }
            ("resource", "azurerm_key_vault_access_policy") => self.access_policy(block, found),
            ("resource", "google_project_iam_member" | "google_project_iam_binding") => {
                self.project_role(block, found);
            }
            (
                "resource",
                "google_secret_manager_secret_iam_member" | "google_service_account_iam_member",
            ) => self.member(block, found),
            ("resource", "google_iam_workload_identity_pool_provider") => {
                self.pool_provider(block, found);
            }
            ("resource", "vault_jwt_auth_backend_role" | "vault_kubernetes_auth_backend_role") => {
                self.vault_role(block, found);
            }
            ("path", path) => self.vault_path(block, path, found),
            _ => {}
        }
    }

    fn gone(&self, block: &Block, kind: &str, found: &mut Vec<Finding>) {
        for (_, argument, now) in GONE.iter().filter(|(k, ..)| *k == kind) {
            if block.kind == "resource" && block.attribute(argument).is_some() {
                found.push(
                    self.at(block, Some(argument), "L9", Severity::Warning, *argument)
                        .required(*now),
                );
            }
        }
    }

    /// A policy given as text; a document of the same module is looked at where it stands.
    fn policy(&self, block: &Block, argument: &str, found: &mut Vec<Finding>) {
        let Some(text) = self.module.text(block, argument) else {
            return;
        };
        let documents = self.module.data("aws_iam_policy_document");
        let elsewhere = documents
            .map(|d| self.module.policy_document(d).to_string())
            .any(|document| document == text);
        if elsewhere || text.starts_with("${") {
            return;
        }
        match serde_json::from_str(&text) {
            Ok(json) => self.json(block, Some(argument), &json, found),
            Err(error) => {
                let observed = format!("{argument} is no JSON: {error}");
                found.push(self.at(block, Some(argument), "L12", Severity::Error, observed));
            }
        }
    }

    fn document(&self, block: &Block, found: &mut Vec<Finding>) {
        let json = self.module.policy_document(block);
        let empty = json.pointer("/Statement/0").is_none();
        if !empty {
            self.json(block, None, &json, found);
        }
    }

    fn json(&self, block: &Block, argument: Option<&str>, json: &Value, found: &mut Vec<Finding>) {
        let sheet = self.sheet(block.file);
        let address = block.address();
        let statement = |index: usize| {
            let inner = block.inner("statement").nth(index);
            Some(inner.map_or_else(|| line(block, argument), |s| s.line))
        };
        let (sheet, part, line) = (&sheet, address.as_str(), &statement);
        if is_trust(json) {
            TrustPolicy { sheet, part, line }.lint(json, found);
        } else {
            Permission { sheet, part, line }.lint(json, found);
        }
    }

    fn oidc_provider(&self, block: &Block, found: &mut Vec<Finding>) {
        let url = self.module.text(block, "url").unwrap_or_default();
        if let Some(word) = placeholder(&url) {
            let observed = format!("{word} in url {url}");
            found.push(self.at(block, Some("url"), "L4", Severity::Error, observed));
        } else if !is_unknown(&url) && crate::Issuer::parse(&url).is_err() {
            let observed = format!("url {url}");
            found.push(
                self.at(block, Some("url"), "A24", Severity::Error, observed)
                    .required("an https URL without query"),
            );
        }
        let ids = self.module.texts(block, "client_id_list");
        if ids.is_some_and(|ids| ids.is_empty()) {
            let observed = "client_id_list is empty";
            found.push(self.at(
                block,
                Some("client_id_list"),
                "A2",
                Severity::Error,
                observed,
            ));
        }
        let prints = self
            .module
            .texts(block, "thumbprint_list")
            .unwrap_or_default();
        let good =
            |t: &String| is_unknown(t) || t.len() == 40 && t.bytes().all(|b| b.is_ascii_hexdigit());
        for bad in prints.iter().filter(|t| !good(t)) {
            let observed = format!("thumbprint {bad}");
            found.push(self.at(
                block,
                Some("thumbprint_list"),
                "A9",
                Severity::Error,
                observed,
            ));
        }
    }

    fn credential(&self, block: &Block, audiences: &str, name: &str, found: &mut Vec<Finding>) {
        let text = |argument| self.module.text(block, argument).unwrap_or_default();
        let (issuer, subject, named) = (text("issuer"), text("subject"), text(name));
        let written = azure::Written {
            name: Some(&named),
            issuer: &issuer,
            subject: &subject,
            audiences: self.module.texts(block, audiences).unwrap_or_default(),
        };
        let place = |field: &str| {
            let argument = match field {
                "audiences" => audiences,
                "name" => name,
                other => other,
            };
            Some(line(block, Some(argument)))
        };
        azure::credential(&self.sheet(block.file), &written, &place, found);
    }

    /// Whether a vault uses policies or roles is said by the vault alone.
    fn access_policy(&self, block: &Block, found: &mut Vec<Finding>) {
        let vault = self.module.text(block, "key_vault_id").unwrap_or_default();
        let module = self.module;
        let made = module.resources("azurerm_key_vault").any(|v| {
            vault.contains(&v.address())
                && module.value(v, "rbac_authorization_enabled") == Some(json!(false))
        });
        // A vault that is only read can be asked, and the plan fails if it says otherwise.
        let asked = module.data("azurerm_key_vault").any(|v| {
            let conditions = v.inner("lifecycle").flat_map(|l| l.inner("postcondition"));
            let texts = conditions.filter_map(|c| module.text(c, "condition"));
            vault.contains(&v.address())
                && texts
                    .into_iter()
                    .any(|t| t.contains("!self.rbac_authorization_enabled"))
        });
        let off = made || asked;
        if !off {
            let observed = "nothing says that the vault uses access policies";
            found.push(self.at(block, None, "L8", Severity::Warning, observed));
        }
        let lists = |name| self.module.texts(block, name).unwrap_or_default();
        let gets = |list: Vec<String>| list.iter().any(|p| p.eq_ignore_ascii_case("get"));
        if gets(lists("certificate_permissions")) && !gets(lists("secret_permissions")) {
            let argument = Some("certificate_permissions");
            let observed = "Get on certificates only";
            found.push(self.at(block, argument, "L16", Severity::Warning, observed));
        }
    }

    fn project_role(&self, block: &Block, found: &mut Vec<Finding>) {
        let role = self.module.text(block, "role").unwrap_or_default();
        let narrowed = block.inner("condition").next().is_some();
        if role.starts_with("roles/secretmanager.") && !narrowed && !is_search(block, &role) {
            found.push(
                self.at(
                    block,
                    Some("role"),
                    "L6",
                    Severity::Warning,
                    format!("{role} on the project"),
                )
                .required("google_secret_manager_secret_iam_member for each secret"),
            );
            for member in self.module.texts(block, "member").unwrap_or_default() {
                let line = Some(line(block, Some("member")));
                let sheet = self.sheet(block.file);
                google::same_everywhere(&sheet, line, &block.address(), &member, found);
            }
        }
        self.member(block, found);
    }

    fn member(&self, block: &Block, found: &mut Vec<Finding>) {
        let mut members = self.module.texts(block, "member").unwrap_or_default();
        members.extend(self.module.texts(block, "members").unwrap_or_default());
        let argument = if block.attribute("member").is_some() {
            "member"
        } else {
            "members"
        };
        for member in members {
            let line = Some(line(block, Some(argument)));
            google::member(
                &self.sheet(block.file),
                line,
                &block.address(),
                &member,
                found,
            );
        }
    }

    fn pool_provider(&self, block: &Block, found: &mut Vec<Finding>) {
        let condition = self.module.text(block, "attribute_condition");
        if condition.is_none_or(|c| c.trim().is_empty()) {
            let observed = "no attribute_condition";
            found.push(self.at(block, None, "L15", Severity::Warning, observed));
        }
        let mapping = self.module.value(block, "attribute_mapping");
        if mapping.is_none_or(|m| m.get("google.subject").is_none()) {
            let observed = "google.subject is not mapped";
            found.push(
                self.at(
                    block,
                    Some("attribute_mapping"),
                    "L13",
                    Severity::Error,
                    observed,
                )
                .required("google.subject = assertion.sub"),
            );
        }
        for argument in [
            "workload_identity_pool_id",
            "workload_identity_pool_provider_id",
        ] {
            let id = self.module.text(block, argument).unwrap_or_default();
            if id.starts_with("gcp-") {
                let observed = format!("{argument} {id}");
                found.push(
                    self.at(block, Some(argument), "L13", Severity::Error, observed)
                        .required("an id that does not begin with gcp-"),
                );
            }
        }
    }

    fn vault_role(&self, block: &Block, found: &mut Vec<Finding>) {
        let mut data = serde_json::Map::new();
        for attribute in &block.attributes {
            if let Some(value) = self.module.value(block, &attribute.name) {
                data.insert(attribute.name.clone(), value);
            }
        }
        let place = |field: &str| Some(line(block, Some(field)));
        let sheet = self.sheet(block.file);
        vault::checks(
            &sheet,
            &Value::Object(data),
            &block.address(),
            &place,
            found,
        );
    }

    fn vault_path(&self, block: &Block, path: &str, found: &mut Vec<Finding>) {
        let capabilities = self.module.texts(block, "capabilities").unwrap_or_default();
        let observed = format!("{} on {path}", capabilities.join(", "));
        if matches!(
            path,
            "*" | "+/*" | "secret/*" | "secret/data/*" | "kv/*" | "kv/data/*"
        ) {
            found.push(self.at(block, None, "L6", Severity::Warning, observed.clone()));
        }
        if capabilities.iter().any(|c| c == "sudo" || c == "root") {
            found.push(self.at(
                block,
                Some("capabilities"),
                "L6",
                Severity::Warning,
                observed,
            ));
        }
        // Others of the same file show that the engine is of version 2.
        let parts = |p: &str| {
            let mut parts = p.splitn(3, '/').map(str::to_owned);
            (
                parts.next().unwrap_or_default(),
                parts.next().unwrap_or_default(),
            )
        };
        let (mount, second) = parts(path);
        let versioned = self.module.blocks.iter().any(|b| {
            b.kind == "path"
                && b.file == block.file
                && b.labels.first().is_some_and(|p| {
                    let (m, s) = parts(p);
                    m == mount && s == "data"
                })
        });
        let known = [
            "data", "metadata", "delete", "undelete", "destroy", "subkeys", "config",
        ];
        if versioned && !known.contains(&second.as_str()) && !second.contains(['*', '+']) {
            found.push(
                self.at(block, None, "V8", Severity::Error, format!("path {path}"))
                    .required(format!("path {mount}/data/…")),
            );
        }
    }
}

/// The line of an argument, or of its block.
fn line(block: &Block, argument: Option<&str>) -> usize {
    argument
        .and_then(|name| block.attribute(name))
        .map_or(block.line, |a| a.line)
}

/// A member whose name begins with `search` says that the width is meant; that holds for the roles
/// that a search needs, and for no other.
fn is_search(block: &Block, role: &str) -> bool {
    let named = block.labels.get(1);
    named.is_some_and(|name| name.starts_with("search"))
        && matches!(
            role,
            "roles/secretmanager.secretAccessor" | "roles/secretmanager.viewer"
        )
}

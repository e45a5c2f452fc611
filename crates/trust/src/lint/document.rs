//! What a document is, by its content; names of files only tell HCL from the rest.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{File, json};
use crate::hcl;

/// The form of a file.
#[derive(Clone, Debug)]
pub enum Form {
    /// HCL: OpenTofu, Terraform, a policy of Vault.
    Hcl,
    /// JSON, or YAML of one or several documents.
    Documents(Vec<Document>),
    /// None of these.
    Unreadable {
        /// Counted from one.
        line: usize,
        /// The parser's words.
        reason: String,
    },
}

/// A JSON or YAML document with the lines of its members.
#[derive(Clone, Debug)]
pub struct Document {
    /// Its content.
    pub value: Value,
    first: usize,
    lines: BTreeMap<String, usize>,
}

/// What a document describes.
#[derive(Clone, Debug)]
pub(super) enum Kind {
    Policy(Value),
    Role,
    RolePolicy,
    OidcProvider,
    FederatedCredentials,
    PoolProvider,
    GoogleBindings,
    VaultRole,
    VaultConfig,
    Manifest,
    Unknown,
}

impl Document {
    /// Where the member of that JSON pointer stands.
    #[must_use]
    pub fn line(&self, pointer: &str) -> Option<usize> {
        let mut pointer = pointer;
        loop {
            if let Some(line) = self.lines.get(pointer) {
                return Some(self.first + line - 1);
            }
            match pointer.rfind('/') {
                Some(at) => pointer = pointer.get(..at).unwrap_or_default(),
                None => return Some(self.first),
            }
        }
    }

    /// The text of that JSON pointer.
    #[must_use]
    pub fn text(&self, pointer: &str) -> Option<&str> {
        self.value.pointer(pointer).and_then(Value::as_str)
    }

    pub(super) fn kind(&self) -> Kind {
        let has = |pointer: &str| self.value.pointer(pointer).is_some();
        if has("/kind") && has("/apiVersion") {
            Kind::Manifest
        } else if has("/Role/AssumeRolePolicyDocument") || has("/AssumeRolePolicyDocument") {
            Kind::Role
        } else if has("/PolicyVersion/Document") || has("/PolicyDocument") {
            Kind::RolePolicy
        } else if has("/Statement") {
            Kind::Policy(self.value.clone())
        } else if has("/ClientIDList") {
            Kind::OidcProvider
        } else if has("/oidc") || has("/attributeMapping") {
            Kind::PoolProvider
        } else if has("/bindings") {
            Kind::GoogleBindings
        } else if has("/data/bound_audiences")
            || has("/data/bound_service_account_names")
            || has("/data/role_type")
        {
            Kind::VaultRole
        } else if has("/data/oidc_discovery_url") || has("/data/kubernetes_host") {
            Kind::VaultConfig
        } else if has("/subject") && has("/issuer") || has("/0/subject") && has("/0/issuer") {
            Kind::FederatedCredentials
        } else {
            Kind::Unknown
        }
    }
}

/// The form of `file`.
pub(super) fn form(file: &File<'_>) -> Form {
    let text = file.text.strip_prefix('\u{feff}').unwrap_or(file.text);
    let ending = |wanted: &[&str]| {
        let ending = file.name.rsplit('.').next().unwrap_or_default();
        wanted.contains(&ending)
    };
    if ending(&["tf", "tofu", "hcl"]) {
        return Form::Hcl;
    }
    if text.len() > hcl::MAX_LENGTH {
        return Form::Unreadable {
            line: 1,
            reason: format!(
                "the file has {} bytes, at most {} are read",
                text.len(),
                hcl::MAX_LENGTH
            ),
        };
    }
    let start = text.trim_start().chars().next();
    if ending(&["json"]) || matches!(start, Some('{' | '[')) {
        return match serde_json::from_str(text) {
            Ok(value) => Form::Documents(vec![Document {
                value,
                first: 1,
                lines: json::lines(text),
            }]),
            Err(error) => Form::Unreadable {
                line: error.line().max(1),
                reason: format!("column {}: no JSON", error.column()),
            },
        };
    }
    yaml(text)
}

/// YAML, document by document, so that a finding has at least the line where its document begins.
fn yaml(text: &str) -> Form {
    let mut documents = Vec::new();
    let mut from = 0;
    let mut first = 1;
    let mut parts = Vec::new();
    let mut at = 0;
    for (line, row) in (1..).zip(text.split_inclusive('\n')) {
        if row.trim_end() == "---" {
            parts.push((first, text.get(from..at).unwrap_or_default()));
            from = at + row.len();
            first = line + 1;
        }
        at += row.len();
    }
    parts.push((first, text.get(from..).unwrap_or_default()));
    for (first, part) in parts {
        let empty = part
            .lines()
            .all(|l| l.trim().is_empty() || l.trim_start().starts_with('#'));
        if empty {
            continue;
        }
        match serde_saphyr::from_str::<Value>(part) {
            Ok(value) => documents.push(Document {
                lines: rows(part),
                value,
                first,
            }),
            Err(error) => {
                let within = error.location().map_or(1, |at| at.line() as usize);
                return Form::Unreadable {
                    line: first + within - 1,
                    reason: "no YAML".to_owned(),
                };
            }
        }
    }
    Form::Documents(documents)
}

/// Lines of block mappings by indentation: good enough to point at a field of a manifest. A path
/// through a list has the list's own line.
fn rows(text: &str) -> BTreeMap<String, usize> {
    let mut found = BTreeMap::new();
    let mut path: Vec<(usize, String)> = Vec::new();
    for (n, row) in text.lines().enumerate() {
        let body = row.trim_start();
        if body.is_empty() || body.starts_with(['#', '-']) {
            continue;
        }
        let indent = row.len() - body.len();
        let Some((key, _)) = body.split_once(':') else {
            continue;
        };
        path.retain(|(i, _)| *i < indent);
        let key = key.trim_matches(['"', '\'', ' ']);
        path.push((indent, key.replace('~', "~0").replace('/', "~1")));
        let mut pointer = String::new();
        for (_, name) in &path {
            pointer.push('/');
            pointer.push_str(name);
        }
        found.entry(pointer).or_insert(n + 1);
    }
    found
}

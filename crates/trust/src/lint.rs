//! Mistakes in what describes trust: policies, trust documents, HCL, manifests, and what the
//! clouds' own tools print about their objects.
//!
//! Owns: telling what a document is, the rules, and findings with catalogue code, line and fix.
//! Refuses: judging one token against one rule, which is the evaluator's business, and anything
//! that needs a call.
//!
//! A statement whose `Sid` begins with `Search` says that a wide resource is meant; it is believed for
//! the actions of a search only.

mod aws;
mod azure;
mod document;
mod google;
mod json;
mod kubernetes;
mod permission;
mod terraform;
mod trust_policy;
mod vault;

use crate::catalogue;
use crate::hcl::{HclError, Module};

pub use document::{Document, Form};
pub use kubernetes::almost;

/// A file to look at.
#[derive(Clone, Copy, Debug)]
pub struct File<'a> {
    /// Its name in findings; its ending tells HCL from the rest.
    pub name: &'a str,
    /// Its content.
    pub text: &'a str,
}

/// What the documents are held against; what is not given is not compared.
#[derive(Clone, Debug, Default)]
pub struct Expect {
    /// The token's issuer.
    pub issuer: Option<String>,
    /// The token's subject.
    pub subject: Option<String>,
    /// The token's audience.
    pub audience: Option<String>,
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth a thought.
    Warning,
    /// The chain will not work, or is open to others.
    Error,
}

impl Severity {
    /// The word in output.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Code of the catalogue.
    pub code: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// Name of the file.
    pub file: String,
    /// Line, counted from one, where it is known.
    pub line: Option<usize>,
    /// Which part of the document.
    pub part: String,
    /// What is there.
    pub observed: String,
    /// What should be.
    pub required: Option<String>,
    /// What to do.
    pub fix: String,
}

/// What a look at some files came to.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Mistakes, by file and line.
    pub findings: Vec<Finding>,
    /// Documents that were understood: file and what it is.
    pub read: Vec<(String, &'static str)>,
    /// Documents that mean nothing here: file and why.
    pub skipped: Vec<(String, String)>,
}

/// Looks at all `files`; those of HCL are read together, as one module.
#[must_use]
pub fn lint(files: &[File<'_>], expect: &Expect) -> Report {
    let mut report = Report::default();
    let mut module = Module::new();
    let mut any = false;
    for (index, file) in files.iter().enumerate() {
        let sheet = Sheet::new(file, expect);
        match document::form(file) {
            Form::Hcl => match module.add(index, file.text) {
                Ok(()) => {
                    any = true;
                    report.read.push((file.name.to_owned(), "HCL"));
                }
                Err(error) => report.findings.push(unreadable(&sheet, &error)),
            },
            Form::Documents(documents) => {
                for document in &documents {
                    one(&sheet, document, &mut report);
                }
                if documents.is_empty() {
                    let why = "it is empty".to_owned();
                    report.skipped.push((file.name.to_owned(), why));
                }
            }
            Form::Unreadable { line, reason } => report.findings.push(sheet.finding(
                "L12",
                Severity::Error,
                Some(line),
                "the file",
                reason,
            )),
        }
    }
    if any {
        terraform::lint(&module, files, expect, &mut report.findings);
    }
    // Several rules may see the same thing; the first one says it.
    let mut seen = std::collections::BTreeSet::new();
    report.findings.retain(|f| {
        seen.insert((
            f.code,
            f.file.clone(),
            f.line,
            f.part.clone(),
            f.observed.clone(),
        ))
    });
    report
        .findings
        .sort_by(|a, b| (&a.file, a.line, a.code).cmp(&(&b.file, b.line, b.code)));
    report
}

fn one(sheet: &Sheet<'_>, document: &Document, report: &mut Report) {
    let found = &mut report.findings;
    let kind = match document.kind() {
        document::Kind::Policy(policy) => {
            aws::policy(sheet, document, &policy, "policy", found);
            "policy of AWS"
        }
        document::Kind::Role => {
            aws::role(sheet, document, found);
            "role of AWS"
        }
        document::Kind::RolePolicy => {
            aws::role_policy(sheet, document, found);
            "policy of AWS"
        }
        document::Kind::OidcProvider => {
            aws::provider(sheet, document, found);
            "OIDC provider of AWS"
        }
        document::Kind::FederatedCredentials => {
            azure::credentials(sheet, document, found);
            "federated credentials of Azure"
        }
        document::Kind::PoolProvider => {
            google::provider(sheet, document, found);
            "pool provider of Google"
        }
        document::Kind::GoogleBindings => {
            google::bindings(sheet, document, found);
            "IAM policy of Google"
        }
        document::Kind::VaultRole => {
            vault::role(sheet, document, found);
            "role of Vault"
        }
        document::Kind::VaultConfig => {
            vault::config(sheet, document, found);
            "auth method of Vault"
        }
        document::Kind::Manifest => {
            kubernetes::manifest(sheet, document, found);
            "manifest"
        }
        document::Kind::Unknown => {
            let why = "nothing in it is known here".to_owned();
            report.skipped.push((sheet.file.to_owned(), why));
            return;
        }
    };
    report.read.push((sheet.file.to_owned(), kind));
}

fn unreadable(sheet: &Sheet<'_>, error: &HclError) -> Finding {
    let (line, reason) = match error {
        HclError::Syntax {
            line,
            column,
            reason,
        } => (Some(*line), format!("column {column}: {reason}")),
        HclError::TooLong(_) => (None, error.to_string()),
    };
    sheet.finding("L12", Severity::Error, line, "the file", reason)
}

/// A file under inspection: makes findings that name it.
#[derive(Clone, Copy)]
struct Sheet<'a> {
    file: &'a str,
    expect: &'a Expect,
}

impl<'a> Sheet<'a> {
    fn new(file: &File<'a>, expect: &'a Expect) -> Self {
        Self {
            file: file.name,
            expect,
        }
    }

    /// A finding with the catalogue's fix.
    fn finding(
        &self,
        code: &'static str,
        severity: Severity,
        line: Option<usize>,
        part: &str,
        observed: impl Into<String>,
    ) -> Finding {
        Finding {
            code,
            severity,
            file: self.file.to_owned(),
            line,
            part: part.to_owned(),
            observed: observed.into(),
            required: None,
            fix: catalogue::row(code).map_or_else(String::new, |row| row.fix.to_owned()),
        }
    }
}

impl Finding {
    fn required(mut self, required: impl Into<String>) -> Self {
        self.required = Some(required.into());
        self
    }
}

/// Whether `text` has a place-holder that somebody forgot: words in capitals, `<…>`, or an account
/// of zeros. Returns the word.
fn placeholder(text: &str) -> Option<&str> {
    const WORDS: [&str; 12] = [
        "REGION",
        "ACCOUNT_ID",
        "ACCOUNT",
        "OIDC_PROVIDER_ID",
        "OIDC_PROVIDER",
        "PROJECT_ID",
        "PROJECT_NUMBER",
        "TENANT_ID",
        "CLIENT_ID",
        "ISSUER",
        "CLUSTER_NAME",
        "NAMESPACE",
    ];
    let edge = |c: char| !(c.is_ascii_alphanumeric() || c == '_');
    let word = text.split(edge).find(|word| WORDS.contains(word));
    let angles = || {
        let from = text.find('<')?;
        let to = text.get(from..)?.find('>')?;
        text.get(from..=from + to)
    };
    word.or_else(angles).or_else(|| {
        text.contains("00000000-0000-0000-0000-000000000000")
            .then_some("00000000-…")
    })
}

#[cfg(test)]
mod tests;

//! `keyless trust lint`: documents against the rules of the linter.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use keyless_trust::hcl::MAX_LENGTH;
use keyless_trust::lint::{Expect, File, Report, Severity, lint};
use serde_json::{Value, json};

use super::show::{self, Format};
use crate::manifest_files;
use crate::outcome::Outcome;

pub const HELP: &str = "Reads HCL (.tf, .tofu, .hcl), JSON and YAML: trust and permission policies, what aws iam \
get-role, get-open-id-connect-provider and get-policy-version, az identity federated-credential list, gcloud iam \
workload-identity-pools providers describe and bao read -format=json print, and manifests. Files of HCL are read \
together, as one module.\n\nExit codes: 0 nothing found, 1 findings, 2 wrong use, 3 a file could not be read.";

/// The most files that a folder is read for.
const MANY: usize = 10_000;

/// Flags of `keyless trust lint`.
#[derive(clap::Args)]
pub struct Flags {
    /// Files, or folders that are searched for .tf, .tofu, .hcl, .json, .yaml and .yml; - is
    /// standard input
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Issuer of the tokens: what is registered must be exactly this
    #[arg(long, value_name = "URL")]
    issuer: Option<String>,
    /// Subject of the tokens, such as system:serviceaccount:NAMESPACE:NAME
    #[arg(long, value_name = "SUBJECT")]
    subject: Option<String>,
    /// Audience of the tokens
    #[arg(long, value_name = "AUDIENCE")]
    audience: Option<String>,
    /// Output for people or for programs
    #[arg(short, long, value_enum, default_value = "text")]
    output: Format,
}

/// Looks at all files and prints what was found.
pub fn run(flags: &Flags) -> Result<Outcome> {
    let (text, outcome) = perform(flags)?;
    std::io::stdout()
        .write_all(text.as_bytes())
        .context("cannot write to standard output")?;
    Ok(outcome)
}

/// The text for standard output, and how the command ends.
pub(super) fn perform(flags: &Flags) -> Result<(String, Outcome)> {
    let mut paths = Vec::new();
    for file in &flags.files {
        collect(file, &mut paths)?;
    }
    let mut texts = Vec::new();
    for path in &paths {
        texts.push((manifest_files::name(path), manifest_files::text(path)?));
    }
    let files: Vec<File<'_>> = texts
        .iter()
        .map(|(name, text)| File { name, text })
        .collect();
    let expect = Expect {
        issuer: flags.issuer.clone(),
        subject: flags.subject.clone(),
        audience: flags.audience.clone(),
    };
    let report = lint(&files, &expect);
    for (file, why) in &report.skipped {
        eprintln!("keyless: note: {file} is left out: {why}");
    }
    if report.read.is_empty() && report.findings.is_empty() {
        let text = "the files hold nothing that can be checked".to_owned();
        return Ok((String::new(), Outcome::WrongUse(text)));
    }
    Ok((show(&report, flags.output)?, outcome(&report)))
}

fn outcome(report: &Report) -> Outcome {
    let count = |severity| {
        report
            .findings
            .iter()
            .filter(|f| f.severity == severity)
            .count()
    };
    match (count(Severity::Error), count(Severity::Warning)) {
        (0, 0) => Outcome::Fine,
        (errors, warnings) => Outcome::Findings(format!("{errors} errors, {warnings} warnings")),
    }
}

fn collect(path: &Path, out: &mut Vec<PathBuf>) -> Result<()> {
    if !path.is_dir() {
        out.push(path.to_owned());
        return Ok(());
    }
    let entries = std::fs::read_dir(path);
    let entries = entries.with_context(|| format!("cannot read {}", path.display()))?;
    let mut inside = Vec::new();
    for entry in entries {
        inside.push(
            entry
                .with_context(|| format!("cannot read {}", path.display()))?
                .path(),
        );
    }
    inside.sort();
    for path in inside {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let ending = path.extension().unwrap_or_default();
        let known = ["tf", "tofu", "hcl", "json", "yaml", "yml"];
        // `.terraform` holds modules of others, a state file holds secrets.
        if name.starts_with('.') {
            continue;
        }
        anyhow::ensure!(
            out.len() < MANY,
            "more than {MANY} files: name a smaller folder"
        );
        if path.is_dir() {
            collect(&path, out)?;
        } else if known.iter().any(|k| ending == *k) {
            let length = std::fs::metadata(&path).map_or(0, |m| m.len());
            if length > MAX_LENGTH as u64 {
                eprintln!(
                    "keyless: note: {} is left out: it is too long",
                    path.display()
                );
                continue;
            }
            out.push(path);
        }
    }
    Ok(())
}

fn show(report: &Report, format: Format) -> Result<String> {
    if format != Format::Text {
        return show::document(format, &program(report));
    }
    let mut out = String::new();
    for f in &report.findings {
        let line = f.line.map_or(String::new(), |line| format!(":{line}"));
        out.push_str(&format!(
            "{}{line}: {} {}: {}: {}\n",
            f.file,
            f.severity.as_str(),
            f.code,
            f.part,
            f.observed
        ));
        if let Some(required) = &f.required {
            out.push_str(&format!("    required: {required}\n"));
        }
        out.push_str(&format!("    fix: {}\n", f.fix));
    }
    Ok(out)
}

fn program(report: &Report) -> Value {
    let findings = report.findings.iter().map(|f| {
        json!({
            "code": f.code,
            "severity": f.severity.as_str(),
            "file": f.file,
            "line": f.line,
            "part": f.part,
            "observed": f.observed,
            "required": f.required,
            "fix": f.fix,
            "page": keyless_trust::catalogue::place(f.code),
        })
    });
    let read = report.read.iter();
    let read = read.map(|(file, what)| json!({"file": file, "kind": what}));
    let skipped = report.skipped.iter();
    let skipped = skipped.map(|(file, why)| json!({"file": file, "reason": why}));
    json!({
        "findings": findings.collect::<Vec<_>>(),
        "read": read.collect::<Vec<_>>(),
        "skipped": skipped.collect::<Vec<_>>(),
    })
}

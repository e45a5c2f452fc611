//! Findings for people and for programs.

use std::fmt::Write as _;

use anyhow::Result;
use serde_json::{Value, json};

use super::Report;
use super::finding::{Finding, Weight};
use crate::plan::Format;

/// The whole report.
///
/// # Errors
/// Never in practice: a value that is no JSON.
pub fn text(format: Format, report: &Report) -> Result<String> {
    match format {
        Format::Text => people(report),
        Format::Json => Ok(serde_json::to_string_pretty(&program(report))? + "\n"),
        Format::Yaml => Ok(keyless_api::to_yaml(&program(report))),
    }
}

/// How many findings have this weight.
pub fn count(report: &Report, weight: Weight) -> usize {
    let of = |finding: &&Finding| finding.weight == weight;
    report.findings.iter().filter(of).count()
}

fn people(report: &Report) -> Result<String> {
    let mut out = String::new();
    let mut last = None;
    for finding in &report.findings {
        if last != Some(&finding.object) {
            writeln!(out, "{}", finding.object)?;
            last = Some(&finding.object);
        }
        let path = finding.path.as_ref();
        let path = path.map_or_else(String::new, |path| format!("{path}: "));
        let weight = finding.weight.as_str();
        writeln!(out, "  {weight:<8} {path}{}", finding.message)?;
    }
    if !report.findings.is_empty() {
        out.push('\n');
    }
    let looked = report.looked.iter();
    let looked: Vec<String> = looked.map(|(kind, n)| format!("{n} {kind}")).collect();
    writeln!(
        out,
        "Looked at: {}.",
        if looked.is_empty() {
            "nothing".to_owned()
        } else {
            looked.join(", ")
        }
    )?;
    for unseen in &report.unseen {
        writeln!(out, "Could not look at {unseen}")?;
    }
    if report.findings.is_empty() && report.unseen.is_empty() {
        writeln!(out, "Nothing would differ.")?;
    } else {
        writeln!(
            out,
            "{} would stop, {} to do before the switch, {} differ (docs/compatibility.md).",
            count(report, Weight::Stops),
            count(report, Weight::Step),
            count(report, Weight::Differs)
        )?;
    }
    Ok(out)
}

fn program(report: &Report) -> Value {
    let findings = report.findings.iter().map(|finding| {
        json!({
            "weight": match finding.weight { Weight::Stops => "stops", Weight::Step => "todo", Weight::Differs => "differs" },
            "object": {"kind": finding.object.kind, "namespace": finding.object.namespace, "name": finding.object.name},
            "path": finding.path,
            "message": finding.message,
            "compatibility": finding.row,
        })
    });
    let findings: Vec<Value> = findings.collect();
    json!({
        "findings": findings,
        "lookedAt": report.looked,
        "couldNotLookAt": report.unseen,
        "stops": count(report, Weight::Stops),
        "todo": count(report, Weight::Step),
        "differs": count(report, Weight::Differs),
    })
}

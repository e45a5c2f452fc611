//! Diagnoses for people and for programs.

use anyhow::Result;
use keyless_trust::catalogue;
use keyless_trust::doctor::{self, Diagnosis, Verdict};
use serde_json::{Value, json};

/// How diagnoses are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people
    Text,
    /// One JSON document
    Json,
    /// One YAML document
    Yaml,
}

/// All diagnoses.
///
/// # Errors
/// Never in practice: a value that is no JSON.
pub fn text(diagnoses: &[Diagnosis], format: Format) -> Result<String> {
    let all = || json!({"diagnoses": diagnoses.iter().map(program).collect::<Vec<_>>()});
    Ok(match format {
        Format::Text => {
            let texts: Vec<String> = diagnoses.iter().map(doctor::text).collect();
            texts.join("\n")
        }
        Format::Json => serde_json::to_string_pretty(&all())? + "\n",
        Format::Yaml => keyless_api::to_yaml(&all()),
    })
}

fn program(diagnosis: &Diagnosis) -> Value {
    let chain = diagnosis.chain.iter().map(|step| {
        json!({
            "link": step.link.as_str(),
            "state": step.state.as_str(),
            "evidence": step.evidence,
        })
    });
    let identity = diagnosis.identity.as_ref().map(|identity| {
        json!({
            "subject": identity.subject(),
            "audience": identity.audience,
            "becomes": identity.becomes(),
        })
    });
    let unseen = diagnosis.unseen.iter();
    let unseen = unseen.map(|u| json!({"what": u.what, "why": u.why}));
    json!({
        "about": diagnosis.about,
        "identity": identity,
        "sound": diagnosis.is_sound(),
        "broken": diagnosis.broken.as_ref().map(verdict),
        "chain": chain.collect::<Vec<_>>(),
        "partial": !diagnosis.unseen.is_empty(),
        "further": diagnosis.further.iter().map(verdict).collect::<Vec<_>>(),
        "unseen": unseen.collect::<Vec<_>>(),
    })
}

fn verdict(verdict: &Verdict) -> Value {
    json!({
        "link": verdict.link.as_str(),
        "code": Some(verdict.code).filter(|code| !code.is_empty()),
        "title": catalogue::row(verdict.code).map(|row| row.title),
        "subject": verdict.subject,
        "observed": verdict.observed,
        "required": verdict.required,
        "fix": verdict.fix,
        "page": catalogue::place(verdict.code),
    })
}

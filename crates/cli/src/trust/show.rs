//! Documents for programs, and how a command ends that could not see everything.

use anyhow::Result;
use serde_json::Value;

use crate::outcome::Outcome;

/// How results are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people
    Text,
    /// One JSON document
    Json,
    /// One YAML document
    Yaml,
}

/// `value` as one document.
///
/// # Errors
/// Never in practice: a value that is no JSON.
pub fn document(format: Format, value: &Value) -> Result<String> {
    Ok(match format {
        Format::Yaml => keyless_api::to_yaml(value),
        Format::Json | Format::Text => serde_json::to_string_pretty(value)? + "\n",
    })
}

/// How a command ends that could not read `unseen` and not use `wrong`.
pub fn completeness(unseen: &[String], wrong: &[String]) -> Outcome {
    if !unseen.is_empty() {
        return Outcome::CouldNotLook(format!("the result is incomplete: {}", unseen.join("; ")));
    }
    if !wrong.is_empty() {
        return Outcome::Findings(format!("left out: {}", wrong.join("; ")));
    }
    Outcome::Fine
}

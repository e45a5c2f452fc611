//! Documents for programs.

use anyhow::Result;
use serde_json::Value;

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

//! `keyless crds`: the CRDs on standard output, ready for `kubectl apply -f -`.

use std::io::Write;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::outcome::Outcome;

/// Flags of `keyless crds`.
#[derive(clap::Args)]
pub struct Flags {
    /// Only this kind, by its plural name, e.g. externalsecrets
    plural: Option<String>,
}

/// Prints all CRDs, or one.
pub fn run(flags: &Flags) -> Result<Outcome> {
    let mut out = std::io::stdout().lock();
    let mut known = Vec::new();
    let mut printed = false;
    for crd in keyless_api::crds() {
        let plural = plural(&crd).to_owned();
        if flags.plural.as_ref().is_none_or(|wanted| *wanted == plural) {
            out.write_all(document(&crd)?.as_bytes())
                .context("cannot write to standard output")?;
            printed = true;
        }
        known.push(plural);
    }
    if !printed {
        let wanted = flags.plural.as_deref().unwrap_or_default();
        let what = format!("there is no CRD {wanted:?}; there are {}", known.join(", "));
        return Ok(Outcome::WrongUse(what));
    }
    Ok(Outcome::Fine)
}

fn plural(crd: &Value) -> &str {
    crd.pointer("/spec/names/plural")
        .and_then(Value::as_str)
        .unwrap_or_default()
}

fn document(crd: &Value) -> Result<String> {
    Ok(format!("---\n{}", keyless_api::to_yaml(crd)))
}

//! `keyless trust render`: the plan for one cloud, to apply.

use std::io::Write as _;

use anyhow::{Context, Result};
use keyless_trust::render::{Form, RenderError, Settings, Target, documents, render};

use super::show::{self, Format};
use super::source;
use crate::outcome::Outcome;

/// Flags of `keyless trust render`.
#[derive(clap::Args)]
pub struct Flags {
    /// For which cloud
    #[arg(value_enum)]
    cloud: Cloud,
    #[command(flatten)]
    source: source::Flags,
    /// In which form
    #[arg(short, long, value_enum, default_value = "tofu")]
    output: Output,
    /// Write import blocks for what may exist already
    #[arg(long)]
    import: bool,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Cloud {
    /// A provider, roles, and policies in IAM
    Aws,
    /// Managed identities, federated credentials, and roles on Key Vaults
    Azure,
    /// A workload identity pool, or GKE's, and members of Secret Manager's secrets
    Google,
    /// An auth method, roles, and policies of Vault or OpenBao
    Vault,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Output {
    /// OpenTofu and Terraform
    Tofu,
    /// A script for aws, az, gcloud or bao
    Shell,
    /// One JSON document
    Json,
    /// One YAML document
    Yaml,
}

/// Plans, renders and prints.
pub fn run(flags: &Flags) -> Result<Outcome> {
    let (text, outcome) = perform(flags)?;
    std::io::stdout()
        .write_all(text.as_bytes())
        .context("cannot write to standard output")?;
    Ok(outcome)
}

/// The text for standard output, and how the command ends.
pub(super) fn perform(flags: &Flags) -> Result<(String, Outcome)> {
    let nothing = |outcome| Ok((String::new(), outcome));
    let derived = match source::derive(&flags.source)? {
        Ok(derived) => derived,
        Err(outcome) => return nothing(outcome),
    };
    let target = match flags.cloud {
        Cloud::Aws => Target::Aws,
        Cloud::Azure => Target::Azure,
        Cloud::Google => Target::Google,
        Cloud::Vault => Target::Vault,
    };
    if target.identities(&derived.plan).next().is_none() {
        let text = format!("nothing that was read logs in to {}", target.as_str());
        return nothing(Outcome::WrongUse(text));
    }
    let settings = Settings {
        options: &derived.options,
        import: flags.import,
    };
    let plan = &derived.plan;
    let text = match flags.output {
        Output::Tofu => render(plan, target, Form::Hcl, &settings),
        Output::Shell => render(plan, target, Form::Shell, &settings),
        Output::Json => render(plan, target, Form::Json, &settings),
        Output::Yaml => match documents(plan, target, &settings) {
            Ok(json) => Ok(show::document(Format::Yaml, &json)?),
            Err(error) => Err(error),
        },
    };
    let text = match text {
        Ok(text) => text,
        Err(error @ RenderError::Missing { .. }) => {
            return nothing(Outcome::WrongUse(error.to_string()));
        }
        Err(error) => return nothing(Outcome::Findings(error.to_string())),
    };
    for note in &plan.notes {
        eprintln!("keyless: note: {}: {}", note.object, note.text);
    }
    Ok((text, derived.outcome()))
}

//! `keyless trust`: trust derived from what a cluster reads, written for a cloud, and checked.

pub mod collect;
mod lint;
mod objects;
mod plan;
mod render;
mod rights;
mod show;
mod source;

use anyhow::Result;

use crate::outcome::Outcome;

/// Flags of `keyless trust`.
#[derive(clap::Args)]
pub struct Flags {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(clap::Subcommand)]
enum Verb {
    /// Who logs in where, as what, and exactly what each may read, with the objects that need it
    Plan(plan::Flags),
    /// Write the trust for a cloud: OpenTofu, a script of its own tool, or documents
    Render(render::Flags),
    /// The least rights that the operator needs in the cluster, as values of the Helm chart
    Rights(rights::Flags),
    /// Find mistakes in policies, trust documents, HCL, manifests, and what the clouds print
    #[command(after_help = lint::HELP)]
    Lint(lint::Flags),
}

/// Runs one verb.
pub fn run(flags: &Flags) -> Result<Outcome> {
    match &flags.verb {
        Verb::Plan(flags) => plan::run(flags),
        Verb::Render(flags) => render::run(flags),
        Verb::Rights(flags) => rights::run(flags),
        Verb::Lint(flags) => lint::run(flags),
    }
}

#[cfg(test)]
mod tests;

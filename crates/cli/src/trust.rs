//! `keyless trust`: trust derived from what a cluster reads, written for a cloud, and checked.

mod lint;
mod show;

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
    /// Find mistakes in policies, trust documents, HCL, manifests, and what the clouds print
    #[command(after_help = lint::HELP)]
    Lint(lint::Flags),
}

/// Runs one verb.
pub fn run(flags: &Flags) -> Result<Outcome> {
    match &flags.verb {
        Verb::Lint(flags) => lint::run(flags),
    }
}

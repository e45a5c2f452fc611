//! `keyless issuer`: the two documents of a cluster's issuer, from the first key to its successor.

mod inspect;
pub mod keep;
mod keygen;
pub mod outlook;
mod publish;
mod rotate;
mod serve;
mod servers;
mod show;
mod verify;

use std::io::Write as _;

use anyhow::{Context, Result};
use keyless_issuer::finding::Severity;

use crate::outcome::Outcome;

/// Flags of `keyless issuer`.
#[derive(clap::Args)]
pub struct Flags {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Read every API server and say whether clouds could trust this cluster, and what to change
    Inspect(inspect::Flags),
    /// Publish the union of the API servers' keys and the discovery document
    Publish(Box<publish::Flags>),
    /// Fetch the published documents as a cloud would, and say what each of them would make of it
    Verify(verify::Flags),
    /// Change the signing key, or the issuer, without a refused token
    Rotate(rotate::Flags),
    /// Serve the published documents over HTTPS
    Serve(serve::Flags),
    /// Print the CRD of ClusterIssuerPublication, by which `keyless controller` keeps an issuer published
    Crd,
    /// Make a signing key for API servers
    Keygen(keygen::Flags),
}

/// How results are printed.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// For people
    Text,
    /// One JSON document
    Json,
}

/// Runs one of the commands.
pub fn run(flags: &Flags) -> Result<Outcome> {
    match &flags.command {
        Command::Inspect(flags) => wait(inspect::run(flags)),
        Command::Publish(flags) => wait(publish::run(flags)),
        Command::Verify(flags) => wait(verify::run(flags)),
        Command::Rotate(flags) => wait(rotate::run(flags)),
        Command::Serve(flags) => wait(serve::run(flags)),
        Command::Crd => {
            let crd = keyless_issuer::publication::crd();
            print(&format!("---\n{}", keyless_api::to_yaml(&crd)))?;
            Ok(Outcome::Fine)
        }
        Command::Keygen(flags) => keygen::run(flags),
    }
}

fn wait(work: impl Future<Output = Result<Outcome>>) -> Result<Outcome> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the async runtime")?;
    runtime.block_on(work)
}

fn print(text: &str) -> Result<()> {
    std::io::stdout()
        .write_all(text.as_bytes())
        .context("cannot write to standard output")
}

/// Errors and worse end with findings; the rest is fine.
fn by_severity(worst: Option<Severity>, what: &str) -> Outcome {
    match worst {
        Some(severity) if severity >= Severity::Error => Outcome::Findings(format!(
            "{what}: the worst finding is of severity {severity}"
        )),
        _ => Outcome::Fine,
    }
}

fn duration(text: &str) -> Result<std::time::Duration, String> {
    let duration = keyless_api::GoDuration::parse(text).map_err(|e| e.to_string())?;
    duration
        .positive()
        .ok_or_else(|| format!("{text} is not more than nothing"))
}

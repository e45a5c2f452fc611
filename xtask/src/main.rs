//! Tasks that are not cargo's: `cargo xtask test`, `testbed`, `helm`, `vault`, `generate`, `fuzz`, `deny`.
//!
//! Owns: what must be built or fetched before the tests can run, and the generated files.
//! Refuses: anything that a plain `cargo` command already does.

mod cache;
mod conformance;
mod deny;
mod dist;
mod evidence;
mod fuzz;
mod generate;
mod helm;
mod sbom;
mod test;
mod testbed;
mod vault;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(
    name = "cargo xtask",
    about = "Tasks of the keyless workspace that are not cargo's own"
)]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Run all tests: units, sandbox scenarios, and the same scenarios on a real kube-apiserver
    Test(test::Args),
    /// Build kube-apiserver, kube-controller-manager, etcd and kubectl; print their folder
    Testbed,
    /// Build Helm for the tests of the chart; print its path
    Helm,
    /// Build Vault, server and command line, for the tests; print its path
    Vault,
    /// Write the generated files: CRDs, manifests, CLI reference
    Generate(generate::Args),
    /// Fuzz the readers of what users write, and compare random templates with Go
    Fuzz(fuzz::Args),
    /// Check licences and banned crates
    Deny,
    /// Build what is released: binary, bill of materials, checksums
    Dist(dist::Args),
}

fn main() -> ExitCode {
    let result = match Cli::parse().task {
        Task::Test(args) => test::run(&args),
        Task::Testbed => testbed::print(),
        Task::Helm => helm::print(),
        Task::Vault => vault::print(),
        Task::Generate(args) => generate::run(&args),
        Task::Fuzz(args) => fuzz::run(&args),
        Task::Deny => deny::run(),
        Task::Dist(args) => dist::run(&args),
    };
    if let Err(error) = result {
        eprintln!("xtask: {error:#}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

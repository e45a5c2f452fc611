//! The `keyless` binary: parses, installs the crypto provider, dispatches.

mod args;
mod bench;
mod cluster;
mod controller;
mod crds;
mod doctor;
mod issuer;
mod manifest_files;
mod manifests;
mod migrate;
mod outcome;
mod plan;
mod reference;
mod sandbox;
mod template;
mod trust;
mod webhook;

use std::process::ExitCode;

use clap::Parser;

use args::{Cli, Command};
use outcome::Outcome;

fn main() -> ExitCode {
    // The one crypto provider, before anything can ask rustls for a default. An error means that
    // one is installed already, which is as good.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let outcome = match Cli::parse().command {
        Command::Controller(flags) => controller::run(*flags),
        Command::Webhook(flags) => webhook::run(*flags),
        Command::Template(flags) => template::run(&flags),
        Command::Plan(flags) => plan::run(&flags),
        Command::Migrate(flags) => migrate::run(&flags),
        Command::Issuer(flags) => issuer::run(&flags),
        Command::Doctor(flags) => doctor::run(&flags),
        Command::Trust(flags) => trust::run(&flags),
        Command::Sandbox(flags) => sandbox::run(&flags),
        Command::Bench(flags) => bench::run(&flags),
        Command::Crds(flags) => crds::run(&flags),
        Command::Manifests(flags) => manifests::run(&flags),
        Command::Reference(flags) => reference::run(&flags),
    };
    outcome.unwrap_or_else(Outcome::from_error).report()
}

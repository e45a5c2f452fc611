//! The command line: verbs grouped by what a person wants.

use clap::{Parser, Subcommand};

/// Secrets for Kubernetes workloads without any stored key.
#[derive(Parser)]
#[command(name = "keyless", version, about, long_about = None, max_term_width = 100)]
#[command(
    after_help = "Exit codes: 0 fine, 1 findings or differences, 2 wrong use, 3 could not look."
)]
pub struct Cli {
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// The verbs.
#[derive(Subcommand)]
pub enum Command {
    /// Run the operator: sync ExternalSecrets into Secrets
    // As Go's flags: the last one counts. A chart's extraArgs may repeat what the chart sets.
    #[command(args_override_self = true)]
    Controller(Box<crate::controller::Flags>),
    /// Run the admission server alone: tokens injected into pods, custom resources validated
    Webhook(Box<crate::webhook::Flags>),
    /// Render an ExternalSecret's templates offline, as a sync would
    Template(crate::template::Flags),
    /// Show what a sync would create, change or remove, without values and without writing
    Plan(Box<crate::plan::Flags>),
    /// Find out what would differ before keyless takes over from External Secrets Operator
    Migrate(crate::migrate::Flags),
    /// The cluster's issuer: inspect, publish, verify, rotate its keys
    Issuer(Box<crate::issuer::Flags>),
    /// Show the chain of trust link by link, the first broken one, and how to mend it
    Doctor(Box<crate::doctor::Flags>),
    /// Derive trust from what a cluster reads, write it for a cloud, and check what is written
    Trust(Box<crate::trust::Flags>),
    /// Put the whole story on this machine: Kubernetes, its issuer, the clouds and the operator
    Sandbox(crate::sandbox::Flags),
    /// Measure the operator beside the raw ceiling of the same API server
    Bench(crate::bench::Flags),
    /// Print the CRDs
    Crds(crate::crds::Flags),
    /// Print the manifests of an installation
    Manifests(crate::manifests::Flags),
    /// Print the reference of the command line or of the metrics, in Markdown
    Reference(crate::reference::Flags),
}

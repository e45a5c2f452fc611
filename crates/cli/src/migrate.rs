//! `keyless migrate check`: what would differ if keyless took over from External Secrets Operator.

mod collect;
mod deviations;
mod finding;
mod installation;
mod objects;
mod show;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::PathBuf;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::cluster;
use crate::manifest_files;
use crate::outcome::Outcome;
use crate::plan::Format;
use finding::{Finding, Weight};

/// Flags of `keyless migrate`.
#[derive(clap::Args)]
pub struct Flags {
    #[command(subcommand)]
    command: Command,
}

/// The verbs of `keyless migrate`.
#[derive(clap::Subcommand)]
enum Command {
    /// Report by object what would differ: in a cluster that runs External Secrets Operator, or in files
    Check(Check),
}

/// Flags of `keyless migrate check`.
#[derive(clap::Args)]
struct Check {
    /// Manifests instead of a cluster; - is standard input
    #[arg(short, long, value_name = "FILE", conflicts_with_all = ["kubeconfig", "context"])]
    filename: Vec<PathBuf>,
    #[command(flatten)]
    cluster: cluster::Flags,
    /// Only this namespace, and what is in none
    #[arg(short, long)]
    namespace: Option<String>,
    /// Output for people or for programs
    #[arg(short, long, value_enum, default_value = "text")]
    output: Format,
}

/// What was found.
#[derive(Default)]
struct Report {
    findings: Vec<Finding>,
    /// How many objects of each kind were looked at.
    looked: BTreeMap<String, usize>,
    /// What could not be looked at, and why.
    unseen: Vec<String>,
}

/// Looks and prints the report.
pub fn run(flags: &Flags) -> Result<Outcome> {
    let Command::Check(check) = &flags.command;
    let (text, outcome) = perform(check)?;
    std::io::stdout()
        .write_all(text.as_bytes())
        .context("cannot write to standard output")?;
    Ok(outcome)
}

fn perform(check: &Check) -> Result<(String, Outcome)> {
    let seen = if check.filename.is_empty() {
        in_cluster(check)?
    } else {
        in_files(check)?
    };
    let report = report(seen);
    Ok((show::text(check.output, &report)?, outcome(&report)))
}

fn report(seen: collect::Seen) -> Report {
    let mut report = Report {
        unseen: seen.unseen,
        ..Report::default()
    };
    for object in seen.objects.iter().filter(|o| objects::matters(o)) {
        let kind = object.get("kind").and_then(Value::as_str);
        let kind = kind.unwrap_or_default().to_owned();
        *report.looked.entry(kind).or_default() += 1;
        report.findings.extend(objects::look(object));
    }
    // By object, the gravest first; findings of equal weight stay as they came.
    report
        .findings
        .sort_by(|a, b| (&a.object, a.weight).cmp(&(&b.object, b.weight)));
    report
}

/// What could not be looked at weighs more than a finding.
fn outcome(report: &Report) -> Outcome {
    if !report.unseen.is_empty() {
        let n = report.unseen.len();
        return Outcome::CouldNotLook(format!("{n} collections could not be looked at"));
    }
    let count = |weight| show::count(report, weight);
    match (
        count(Weight::Stops),
        count(Weight::Step),
        count(Weight::Differs),
    ) {
        (0, 0, 0) => Outcome::Fine,
        (0, 0, n) => Outcome::Findings(format!("everything works; {n} things behave otherwise")),
        (stops, steps, _) => Outcome::Findings(format!(
            "{stops} things would stop, {steps} are to do before the switch"
        )),
    }
}

fn in_files(check: &Check) -> Result<collect::Seen> {
    let mut seen = collect::Seen::default();
    for file in &check.filename {
        seen.objects.extend(manifest_files::read(file)?);
    }
    if let Some(namespace) = &check.namespace {
        seen.objects.retain(|object| {
            let own = object
                .pointer("/metadata/namespace")
                .and_then(Value::as_str);
            own.is_none_or(|own| own == namespace)
        });
    }
    Ok(seen)
}

fn in_cluster(check: &Check) -> Result<collect::Seen> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the async runtime")?;
    runtime.block_on(async {
        let config = cluster::config(&check.cluster).await?;
        let client = kube::Client::try_from(config).context("cannot make a client")?;
        collect::cluster(&client, check.namespace.as_deref()).await
    })
}

#[cfg(test)]
mod tests;

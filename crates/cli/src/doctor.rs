//! `keyless doctor`: the chain of trust, link by link, and the first that is broken.

mod collect;
mod patience;
mod show;
mod slim;

use std::io::Write as _;
use std::path::PathBuf;

use anyhow::{Context, Result};
use keyless_identity::Environment;
use keyless_trust::doctor::{self, Diagnosis, Facts};

use crate::cluster;
use crate::issuer::outlook;
use crate::manifest_files;
use crate::outcome::Outcome;

pub const HELP: &str = "Looks with the rights of whoever runs it, and says what it could not see. It reads no value of a \
Secret; whether one is there it asks by metadata. The token that it mints is looked at and thrown away: nothing is sent \
to a cloud unless --exchange says so. It ends within ten seconds, whatever does not answer: what is missing then is \
listed as not looked at.\n\nExit codes: 0 no broken link, 1 a broken link, 2 wrong use, 3 could not look.";

/// Flags of `keyless doctor`.
#[derive(clap::Args, Clone)]
#[command(after_help = HELP)]
pub struct Flags {
    /// externalsecret, secretstore, clustersecretstore or pod, or their short names es, ss, css,
    /// po; without it everything that is not ready, and pods that lack a token
    #[arg(value_name = "KIND", value_parser = kind)]
    kind: Option<Kind>,
    /// Name of the object
    #[arg(value_name = "NAME", requires = "kind")]
    name: Option<String>,
    #[command(flatten)]
    cluster: cluster::Flags,
    /// Namespace of the object; default: the context's. Without an object: look there only
    #[arg(short, long)]
    namespace: Option<String>,
    #[command(flatten)]
    outlook: outlook::Flags,
    /// Log in as the object would: mints a token of its service account and sends it to the
    /// provider that the store or pod names (AWS STS, Entra, Google STS, Vault). What it gets is
    /// thrown away. Endpoints are those of the operator's environment variables
    #[arg(long, conflicts_with = "bundle")]
    exchange: bool,
    /// Read the Secrets that a store names, to look for their keys: names and sizes are kept,
    /// values are not. Without it metadata says whether a Secret is there
    #[arg(long, conflicts_with = "bundle")]
    look_at_secrets: bool,
    /// What a cloud's own tool prints about an object: aws iam get-role, get-role-policy,
    /// get-open-id-connect-provider, az identity federated-credential list, gcloud iam
    /// workload-identity-pools providers describe, bao read -format=json
    #[arg(long, value_name = "FILE")]
    describe: Vec<PathBuf>,
    /// An error text that somebody saw; it weighs more than the object's conditions
    #[arg(long, value_name = "TEXT")]
    error: Vec<String>,
    /// Diagnose from facts that were collected elsewhere, and contact nothing
    #[arg(long, value_name = "FILE", conflicts_with_all = ["kubeconfig", "context", "collect"])]
    bundle: Option<PathBuf>,
    /// Write the facts to this file, to diagnose elsewhere: no values and no tokens are in it
    #[arg(long, value_name = "FILE")]
    collect: Option<PathBuf>,
    /// Write a page for people to this file
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Output for people or for programs
    #[arg(short, long, value_enum, default_value = "text")]
    output: show::Format,
}

/// What can be asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    ExternalSecret,
    SecretStore,
    ClusterSecretStore,
    Pod,
}

impl Kind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::ExternalSecret => "ExternalSecret",
            Self::SecretStore => "SecretStore",
            Self::ClusterSecretStore => "ClusterSecretStore",
            Self::Pod => "Pod",
        }
    }
}

fn kind(text: &str) -> Result<Kind, String> {
    match text.to_ascii_lowercase().as_str() {
        "es" | "externalsecret" | "externalsecrets" => Ok(Kind::ExternalSecret),
        "ss" | "secretstore" | "secretstores" => Ok(Kind::SecretStore),
        "css" | "clustersecretstore" | "clustersecretstores" => Ok(Kind::ClusterSecretStore),
        "po" | "pod" | "pods" => Ok(Kind::Pod),
        _ => Err("it is externalsecret, secretstore, clustersecretstore or pod".to_owned()),
    }
}

/// Looks, judges and prints.
pub fn run(flags: &Flags) -> Result<Outcome> {
    let (text, outcome) = perform(flags, &Environment::from_process())?;
    std::io::stdout()
        .write_all(text.as_bytes())
        .context("cannot write to standard output")?;
    Ok(outcome)
}

/// The text for standard output, and how the command ends.
fn perform(flags: &Flags, environment: &Environment) -> Result<(String, Outcome)> {
    let nothing = |outcome| Ok((String::new(), outcome));
    let mut all: Vec<Facts> = match &flags.bundle {
        Some(file) => bundle(file)?,
        None => match collect::facts(flags, environment)? {
            Ok(all) => all,
            Err(outcome) => return nothing(outcome),
        },
    };
    for file in &flags.describe {
        for document in manifest_files::read(file)? {
            let described = doctor::Described {
                name: manifest_files::name(file),
                document,
            };
            all.iter_mut()
                .for_each(|f| f.described.push(described.clone()));
        }
    }
    for facts in &mut all {
        facts.errors.extend(flags.error.iter().cloned());
    }
    if let Some(file) = &flags.collect {
        let text = serde_json::to_string_pretty(&all)? + "\n";
        std::fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))?;
    }
    let diagnoses: Vec<Diagnosis> = all.iter().map(doctor::diagnose).collect();
    if let Some(file) = &flags.html {
        std::fs::write(file, doctor::html(&diagnoses))
            .with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok((show::text(&diagnoses, flags.output)?, outcome(&diagnoses)))
}

/// One set of facts, or a list of them.
fn bundle(file: &std::path::Path) -> Result<Vec<Facts>> {
    let text = manifest_files::text(file)?;
    let wrong = || format!("{} is no bundle of facts", manifest_files::name(file));
    let value: serde_json::Value = serde_json::from_str(&text).with_context(wrong)?;
    let list = if value.is_array() {
        value
    } else {
        serde_json::Value::Array(vec![value])
    };
    serde_json::from_value(list).with_context(wrong)
}

fn outcome(diagnoses: &[Diagnosis]) -> Outcome {
    let broken = diagnoses.iter().filter(|d| d.broken.is_some()).count();
    let blind = diagnoses
        .iter()
        .filter(|d| d.broken.is_none() && !d.is_sound() && !d.unseen.is_empty());
    match (broken, blind.count()) {
        (0, 0) => Outcome::Fine,
        (0, n) => Outcome::CouldNotLook(format!(
            "no broken link was found, and {n} of {} objects could not be seen whole",
            diagnoses.len()
        )),
        (n, _) => Outcome::Findings(format!("{n} of {} chains are broken", diagnoses.len())),
    }
}

#[cfg(test)]
mod agreement;
#[cfg(test)]
mod tests;

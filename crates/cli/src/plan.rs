//! `keyless plan`: what a sync would write, by length and keyed hash, never by value.

mod show;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use keyless_controller::preview::{self, Cluster, Facts, Given, Planned, Subject};
use keyless_identity::Environment;
use keyless_secret::SecretBytes;
use keyless_secret::diff::FingerprintKey;

use crate::cluster;
use crate::manifest_files::{self, Encoding, Manifests};
use crate::outcome::Outcome;
pub use show::Format;

/// Flags of `keyless plan`.
#[derive(clap::Args)]
pub struct Flags {
    /// Manifests of ExternalSecrets; stores, ConfigMaps and Secrets beside them count as applied;
    /// - is standard input
    #[arg(short, long, value_name = "FILE", required = true)]
    filename: Vec<PathBuf>,
    #[command(flatten)]
    cluster: cluster::Flags,
    /// Namespace of objects that name none; default: the context's
    #[arg(short, long)]
    namespace: Option<String>,
    /// Contact nothing: take the fetched values by key from this file, a map of strings or the
    /// manifest of a Secret
    #[arg(long, value_name = "FILE", conflicts_with_all = ["kubeconfig", "context"])]
    values: Option<PathBuf>,
    /// With --values: the Secrets that exist
    #[arg(long, value_name = "FILE", requires = "values")]
    existing: Vec<PathBuf>,
    /// Make hashes with the secret in this file, so that plans can be compared; otherwise each
    /// plan has a key of its own that nobody knows
    #[arg(long, value_name = "FILE")]
    hash_key: Option<PathBuf>,
    /// Output for people or for programs
    #[arg(short, long, value_enum, default_value = "text")]
    output: Format,
}

/// Plans all objects and prints the result.
pub fn run(flags: &Flags) -> Result<Outcome> {
    let (text, outcome) = perform(flags, Environment::from_process())?;
    std::io::stdout()
        .write_all(text.as_bytes())
        .context("cannot write to standard output")?;
    Ok(outcome)
}

/// The text for standard output, and how the command ends.
fn perform(flags: &Flags, environment: Environment) -> Result<(String, Outcome)> {
    let key = match &flags.hash_key {
        None => preview::one_time_key(),
        Some(file) => match hash_key(file)? {
            Some(key) => key,
            None => {
                let least = FingerprintKey::MIN;
                let text = format!(
                    "{} holds fewer than {least} bytes: a short key can be guessed",
                    file.display()
                );
                return Ok((String::new(), Outcome::WrongUse(text)));
            }
        },
    };
    let (manifests, planned) = match &flags.values {
        Some(values) => offline(flags, values, &key)?,
        None => online(flags, environment, &key)?,
    };
    for other in &manifests.others {
        eprintln!("keyless: note: {other}");
    }
    if planned.is_empty() && manifests.wrong.is_empty() {
        let text = "the files hold no ExternalSecret".to_owned();
        return Ok((String::new(), Outcome::WrongUse(text)));
    }
    Ok((
        show::text(flags.output, &planned, &manifests.wrong)?,
        outcome(&planned, &manifests),
    ))
}

/// An object that could not be looked at weighs more than a difference.
fn outcome(planned: &[(String, Planned)], manifests: &Manifests) -> Outcome {
    let blind = |p: &Planned| p.finding.as_ref().is_some_and(preview::Finding::is_blind);
    let count = |is: &dyn Fn(&Planned) -> bool| planned.iter().filter(|(_, p)| is(p)).count();
    let all = planned.len() + manifests.wrong.len();
    let (blind, different) = (
        count(&blind),
        count(&Planned::is_different) + manifests.wrong.len(),
    );
    if blind > 0 {
        return Outcome::CouldNotLook(format!("{blind} of {all} objects could not be looked at"));
    }
    if different > 0 {
        return Outcome::Findings(format!("{different} of {all} objects differ or would fail"));
    }
    Outcome::Fine
}

fn hash_key(file: &Path) -> Result<Option<FingerprintKey>> {
    let bytes = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    Ok(FingerprintKey::new(SecretBytes::new(bytes)))
}

fn now() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |now| i64::try_from(now.as_millis()).unwrap_or(i64::MAX))
}

type All = (Manifests, Vec<(String, Planned)>);

fn offline(flags: &Flags, values: &Path, key: &FingerprintKey) -> Result<All> {
    let namespace = Some(flags.namespace.as_deref().unwrap_or("default"));
    let manifests = manifest_files::manifests(&flags.filename, namespace)?;
    let values = manifest_files::values(values, Encoding::Plain)?;
    let mut existing = Given::default();
    for file in &flags.existing {
        for object in manifest_files::read(file)? {
            existing.add(&object, namespace);
        }
    }
    let plan = |subject: &Subject| {
        let facts = Facts::given(subject, &values, &manifests.given, &existing);
        preview::plan(subject, facts, key, now())
    };
    let subjects = manifests.subjects.iter();
    let planned = subjects.map(|(file, subject)| (file.clone(), plan(subject)));
    let planned = planned.collect();
    Ok((manifests, planned))
}

fn online(flags: &Flags, environment: Environment, key: &FingerprintKey) -> Result<All> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the async runtime")?;
    runtime.block_on(async {
        let config = cluster::config(&flags.cluster).await?;
        let namespace = flags.namespace.clone();
        let namespace = namespace.unwrap_or_else(|| config.default_namespace.clone());
        let manifests = manifest_files::manifests(&flags.filename, Some(&namespace))?;
        let clients = keyless_controller::connect(&config).await?;
        let cluster = Cluster::new(&clients, environment, manifests.given.clone())?;
        // All at once, so that reads of one store share their calls.
        let facts = manifests
            .subjects
            .iter()
            .map(|(_, subject)| cluster.facts(subject));
        let facts = futures::future::join_all(facts).await;
        let planned = manifests
            .subjects
            .iter()
            .zip(facts)
            .map(|((file, subject), facts)| {
                (file.clone(), preview::plan(subject, facts, key, now()))
            });
        let planned = planned.collect();
        Ok((manifests, planned))
    })
}

#[cfg(test)]
mod tests;

//! `keyless issuer publish`: the union of keys, brought to a target.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use keyless_identity::Environment;
use keyless_issuer::cluster::ApiServer;
use keyless_issuer::documents::{Jwk, KeySet};
use keyless_issuer::effects::Pass;
use keyless_issuer::fetch::{timestamp, unix_now};
use keyless_issuer::plan::Wish;
use keyless_issuer::publish::{PublishError, Published, publish};
use keyless_issuer::rules::servers::{Judged, judge};
use keyless_issuer::target::Target;
use keyless_issuer::target::place::{Opener, Place};
use keyless_trust::Issuer;

use super::{Format, print, servers, show};
use crate::outcome::Outcome;

/// Flags of `keyless issuer publish`.
#[derive(clap::Args)]
pub struct Flags {
    /// Where to publish: a directory, https://… (PUT), s3://BUCKET/PATH, gs://BUCKET/PATH, azblob://ACCOUNT/CONTAINER/PATH or configmap:NAMESPACE/NAME
    #[arg(long, value_name = "TARGET")]
    to: String,
    /// A file with a bearer token for the target, in place of the identity that the environment gives
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    #[command(flatten)]
    servers: servers::Flags,
    /// Take the keys of this file instead of API servers: a key set; may be repeated
    #[arg(long, value_name = "FILE", conflicts_with_all = ["context", "server", "all_servers"])]
    jwks: Vec<PathBuf>,
    /// The issuer; default: the one that the API servers have
    #[arg(long, value_name = "URL")]
    issuer: Option<String>,
    /// Who owns the place; default: the uid of the namespace kube-system
    #[arg(long, value_name = "NAME")]
    owner: Option<String>,
    /// A public key in PEM that no API server has yet, published before it signs; may be repeated
    #[arg(long, value_name = "FILE")]
    announce: Vec<PathBuf>,
    /// How long a key stays after the last API server has lost it: the longest life of a token and a margin
    #[arg(long, default_value = "25h", value_parser = super::duration)]
    keep: Duration,
    /// Take over a place that another cluster has published at
    #[arg(long)]
    adopt: bool,
    /// Output for people or for programs
    #[arg(short, long, value_enum, default_value = "text")]
    output: Format,
}

/// What the API servers, or the files, say.
struct Heard {
    sets: Vec<KeySet>,
    complete: bool,
    issuer: Option<String>,
    owner: Option<String>,
    judged: Judged,
}

/// Publishes and prints.
pub async fn run(flags: &Flags) -> Result<Outcome> {
    let (heard, server) = if flags.jwks.is_empty() {
        from_servers(flags).await?
    } else {
        (from_files(flags)?, None)
    };
    let target = target(&flags.to, flags.token_file.as_ref(), server)?;
    let issuer = flags.issuer.clone().or_else(|| heard.issuer.clone());
    let issuer = issuer
        .context("the API servers do not agree on an issuer, or were not asked: give --issuer")?;
    if let Some(theirs) = &heard.issuer
        && *theirs != issuer
    {
        let text = format!(
            "the API servers' issuer is {theirs}, not {issuer}: tokens would not match the documents [K2]. Change --service-account-issuer first: `keyless issuer inspect --wanted {issuer}`"
        );
        return Ok(Outcome::Findings(text));
    }
    let issuer = Issuer::parse(&issuer)?;
    let owner = flags.owner.clone().or_else(|| heard.owner.clone());
    let owner = owner.context("nobody says who owns the place: give --owner")?;
    let announced = flags
        .announce
        .iter()
        .map(announced)
        .collect::<Result<Vec<Jwk>>>()?;
    let retire = BTreeSet::new();
    let wish = Wish {
        issuer: &issuer,
        owner: &owner,
        servers: &heard.sets,
        complete: heard.complete,
        announced: &announced,
        retire: &retire,
        keep: i64::try_from(flags.keep.as_secs()).unwrap_or(i64::MAX),
        adopt: flags.adopt,
        self_federated: false,
        now: unix_now(),
    };
    let done = match publish(target.as_ref(), &wish).await {
        Ok(done) => done,
        Err(PublishError::Forbidden(findings)) => {
            let mut out = String::new();
            match flags.output {
                Format::Text => show::findings(&mut out, &findings)?,
                Format::Json => {
                    out = serde_json::to_string_pretty(&serde_json::json!({"findings": findings}))?
                        + "\n"
                }
            }
            print(&out)?;
            return Ok(Outcome::Findings(
                "nothing was published, and what is published stays".into(),
            ));
        }
        Err(error) => {
            return Ok(Outcome::CouldNotLook(keyless_fault::explain(&error)));
        }
    };
    print(&match flags.output {
        Format::Text => people(&issuer, target.as_ref(), &done, &heard.judged)?,
        Format::Json => serde_json::to_string_pretty(&done)? + "\n",
    })?;
    Ok(Outcome::Fine)
}

/// The target that `to` names. `server` is for a ConfigMap.
///
/// # Errors
/// It names none, or the environment does not say enough to open it.
pub fn target(
    to: &str,
    token_file: Option<&PathBuf>,
    server: Option<ApiServer>,
) -> Result<Box<dyn Target>> {
    let place = Place::parse(to).map_err(|why| anyhow::anyhow!("--to: {why}"))?;
    let opener = Opener {
        environment: Environment::from_process(),
        server,
        token_file: token_file.cloned(),
        steps: Arc::new(Pass),
    };
    Ok(opener.open(&place)?)
}

async fn from_servers(flags: &Flags) -> Result<(Heard, Option<ApiServer>)> {
    let servers = servers::servers(&flags.servers).await?;
    let mut seen = Vec::new();
    for server in &servers {
        seen.push(server.look(None).await);
    }
    let judged = judge(&seen, unix_now());
    let mut owner = None;
    for server in &servers {
        if flags.owner.is_some() || owner.is_some() {
            break;
        }
        owner = server.cluster_uid().await.ok();
    }
    let heard = Heard {
        sets: judged.said.iter().filter_map(|s| s.keys.clone()).collect(),
        complete: judged.complete(),
        issuer: judged.issuer().map(str::to_owned),
        owner,
        judged,
    };
    Ok((heard, servers.into_iter().next()))
}

fn from_files(flags: &Flags) -> Result<Heard> {
    let read = |file: &PathBuf| {
        let bytes =
            std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
        KeySet::parse(&bytes).with_context(|| format!("{} holds no key set", file.display()))
    };
    Ok(Heard {
        sets: flags.jwks.iter().map(read).collect::<Result<_>>()?,
        complete: true,
        issuer: None,
        owner: None,
        judged: Judged::default(),
    })
}

fn announced(file: &PathBuf) -> Result<Jwk> {
    let name = file.display().to_string();
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {name}"))?;
    Ok(keyless_issuer::keygen::public_key(&name, &text)?)
}

fn people(
    issuer: &Issuer,
    target: &dyn Target,
    done: &Published,
    judged: &Judged,
) -> Result<String> {
    let mut out = String::new();
    let what = match done.written.as_slice() {
        [] => "nothing to write".to_owned(),
        paths => format!("wrote {}", paths.join(", ")),
    };
    writeln!(out, "{issuer} at {}: {what}", target.name())?;
    for kid in &done.keys {
        let note = if done.added.contains(kid) { "new" } else { "" };
        writeln!(out, "{}", format!("key  {kid}  {note}").trim_end())?;
    }
    for (kid, until) in &done.kept {
        match until {
            Some(until) => writeln!(
                out,
                "kept {kid}: no API server has it; until {}",
                timestamp(*until)
            )?,
            None => writeln!(
                out,
                "kept {kid}: until an API server has it, or all are heard"
            )?,
        }
    }
    for kid in &done.removed {
        writeln!(out, "gone {kid}")?;
    }
    show::findings(&mut out, &done.findings)?;
    show::findings(&mut out, &judged.findings)?;
    Ok(out)
}

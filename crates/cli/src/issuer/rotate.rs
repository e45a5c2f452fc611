//! `keyless issuer rotate`: a change of the signing key or of the issuer, one safe step after the
//! other.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use keyless_issuer::cluster::ApiServer;
use keyless_issuer::effects::Pass;
use keyless_issuer::facts::Server;
use keyless_issuer::fetch::{timestamp, unix_now};
use keyless_issuer::flags::{self as advice, Distribution};
use keyless_issuer::keygen::public_key;
use keyless_issuer::rotate::{Place, Progress, RotateError, Rotator};
use keyless_issuer::rotation::{Kind, Phase, Rotation, Timing, Todo};
use keyless_issuer::rules::servers::{Judged, judge};
use keyless_issuer::state::{InCluster, InFile, State};
use keyless_trust::Issuer;

use super::{Format, outlook, print, publish, servers, show};
use crate::outcome::Outcome;

/// Flags of `keyless issuer rotate`.
#[derive(clap::Args)]
pub struct Flags {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(clap::Subcommand)]
enum Verb {
    /// Begin: publish the new public key, or the new issuer's documents, before anything signs with it
    Start(Box<Start>),
    /// Show where it stands, what is dangerous, and what is waited for; change nothing
    Status(Box<Common>),
    /// Publish what the phase demands, look, and go on as far as what is seen allows; ahead of time it refuses
    Next(Box<Next>),
    /// Give up, as long as nothing has been signed with the new key
    Abort(Box<Common>),
}

/// Flags of every step.
#[derive(clap::Args)]
struct Common {
    #[command(flatten)]
    servers: servers::Flags,
    #[command(flatten)]
    outlook: outlook::Flags,
    /// Where the documents are published
    #[arg(long, value_name = "TARGET")]
    to: String,
    /// Where the new issuer's documents are published, when the issuer changes
    #[arg(long, value_name = "TARGET")]
    to_new: Option<String>,
    /// A file with a bearer token for the targets, in place of the identity that the environment gives
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Who owns the places; default: the uid of the namespace kube-system
    #[arg(long, value_name = "NAME")]
    owner: Option<String>,
    /// The ConfigMap that keeps the state
    #[arg(
        long,
        value_name = "NAMESPACE/NAME",
        default_value = "kube-system/keyless-issuer-rotation"
    )]
    state: String,
    /// Keep the state in this file instead
    #[arg(long, value_name = "FILE")]
    state_file: Option<PathBuf>,
    /// How long a key stays that no API server has
    #[arg(long, default_value = "25h", value_parser = super::duration)]
    keep: Duration,
    /// Output for people or for programs
    #[arg(short, long, value_enum, default_value = "text")]
    output: Format,
}

/// Flags of `start`.
#[derive(clap::Args)]
struct Start {
    #[command(flatten)]
    common: Common,
    /// The new public key in PEM
    #[arg(
        long,
        value_name = "FILE",
        required_unless_present = "new_issuer",
        conflicts_with = "new_issuer"
    )]
    new_public_key: Option<PathBuf>,
    /// The new issuer
    #[arg(long, value_name = "URL", requires = "to_new")]
    new_issuer: Option<String>,
    /// How long to wait between publishing and signing: what the slowest relying party keeps. Without Entra 2h are enough
    #[arg(long, default_value = "24h", value_parser = super::duration)]
    wait: Duration,
    /// How long the old one stays after the switch: the longest life of a token, and what caches add
    #[arg(long, default_value = "25h", value_parser = super::duration)]
    drain: Duration,
}

/// Flags of `next`.
#[derive(clap::Args)]
struct Next {
    #[command(flatten)]
    common: Common,
    /// Wait for nothing: the old key is stolen. Tokens will be refused until caches have ended
    #[arg(long)]
    emergency: bool,
}

/// Runs one of the steps.
pub async fn run(flags: &Flags) -> Result<Outcome> {
    match &flags.verb {
        Verb::Start(start) => begin(start).await,
        Verb::Status(common) => {
            let rotator = rotator(common, None).await?;
            told(common, rotator.status().await, false)
        }
        Verb::Next(next) => {
            let rotator = rotator(&next.common, None).await?;
            told(&next.common, rotator.advance(next.emergency).await, true)
        }
        Verb::Abort(common) => {
            let rotator = rotator(common, None).await?;
            match rotator.abort().await {
                Ok(Ok(_)) => {
                    print("aborted; the new key is not published any more\n")?;
                    Ok(Outcome::Fine)
                }
                Ok(Err(stay)) => Ok(Outcome::Findings(stay.reason)),
                Err(error) => wrong(error),
            }
        }
    }
}

async fn begin(start: &Start) -> Result<Outcome> {
    let rotator = rotator(&start.common, start.new_issuer.as_deref()).await?;
    let seconds = |d: Duration| i64::try_from(d.as_secs()).unwrap_or(i64::MAX);
    let timing = Timing {
        wait: seconds(start.wait),
        drain: seconds(start.drain),
    };
    let judged = heard(&rotator.servers, Some(&start.common.servers.account()?)).await;
    let rotation = match (&start.new_issuer, &start.new_public_key) {
        (Some(new), _) => {
            let old = judged
                .issuer()
                .context("the API servers do not agree on an issuer")?;
            Rotation::begin(
                Kind::Issuer,
                BTreeSet::from([old.to_owned()]),
                new.clone(),
                timing,
                unix_now(),
            )
        }
        (None, Some(file)) => {
            let name = file.display().to_string();
            let text =
                std::fs::read_to_string(file).with_context(|| format!("cannot read {name}"))?;
            let jwk = public_key(&name, &text)?;
            let mut old: BTreeSet<String> = judged
                .said
                .iter()
                .filter_map(|s| s.keys.as_ref())
                .flat_map(|k| k.names())
                .collect();
            old.remove(&jwk.kid);
            if old.is_empty() {
                bail!("the API servers have no other key than {}", jwk.kid);
            }
            let mut rotation = Rotation::begin(Kind::Key, old, jwk.kid, timing, unix_now());
            // A private key given by mistake is not kept: only its public half is.
            rotation.public_key = Some(keyless_issuer::keygen::public_pem(&name, &text)?);
            rotation
        }
        (None, None) => bail!("give --new-public-key or --new-issuer"),
    };
    match rotator.begin(&rotation).await {
        Ok(()) => told(&start.common, rotator.advance(false).await, true),
        Err(error) => wrong(error),
    }
}

async fn heard(
    servers: &[ApiServer],
    account: Option<&keyless_issuer::cluster::Account>,
) -> Judged {
    let mut seen: Vec<Server> = Vec::new();
    for server in servers {
        seen.push(server.look(account).await);
    }
    judge(&seen, unix_now())
}

async fn rotator(common: &Common, new_issuer: Option<&str>) -> Result<Rotator> {
    let servers = servers::servers(&common.servers).await?;
    let first = servers.first().context("no API server was named")?.clone();
    let owner = match &common.owner {
        Some(owner) => owner.clone(),
        None => first.cluster_uid().await.map_err(|r| {
            anyhow::anyhow!(
                "nobody says who owns the place, give --owner: {}",
                r.message
            )
        })?,
    };
    let state: Box<dyn State> = match &common.state_file {
        Some(file) => Box::new(InFile(file.clone())),
        None => {
            let (namespace, name) = common
                .state
                .split_once('/')
                .with_context(|| format!("--state {:?} is not NAMESPACE/NAME", common.state))?;
            Box::new(InCluster {
                server: first,
                namespace: namespace.to_owned(),
                name: name.to_owned(),
            })
        }
    };
    let kept = state.load().await?;
    let migration = kept
        .as_ref()
        .map(|k| &k.rotation)
        .filter(|r| r.kind == Kind::Issuer && !r.phase.is_over());
    let judged = heard(&servers, None).await;
    let present = judged
        .issuer()
        .context("the API servers do not agree on an issuer")?;
    let old = migration
        .and_then(|r| r.old.first())
        .map_or(present, String::as_str);
    let new = new_issuer.or_else(|| migration.map(|r| r.new.as_str()));
    let mut places = vec![Place {
        issuer: Issuer::parse(old)?,
        target: publish::target(
            &common.to,
            common.token_file.as_ref(),
            servers.first().cloned(),
        )?,
    }];
    if let Some(new) = new {
        let to = common
            .to_new
            .as_deref()
            .context("give --to-new: the new issuer's documents need a place")?;
        places.push(Place {
            issuer: Issuer::parse(new)?,
            target: publish::target(to, common.token_file.as_ref(), servers.first().cloned())?,
        });
    }
    Ok(Rotator {
        state,
        places,
        outlook: outlook::outlook(&common.outlook)?,
        servers,
        account: common.servers.account()?,
        owner,
        keep: i64::try_from(common.keep.as_secs()).unwrap_or(i64::MAX),
        steps: Arc::new(Pass),
    })
}

fn wrong(error: RotateError) -> Result<Outcome> {
    match error {
        RotateError::None | RotateError::UnderWay(_) => Ok(Outcome::WrongUse(error.to_string())),
        other => Err(other.into()),
    }
}

fn told(common: &Common, progress: Result<Progress, RotateError>, acted: bool) -> Result<Outcome> {
    let progress = match progress {
        Ok(progress) => progress,
        Err(error) => return wrong(error),
    };
    print(&match common.output {
        Format::Text => people(&progress)?,
        Format::Json => serde_json::to_string_pretty(&progress)? + "\n",
    })?;
    let phase = progress.rotation.phase;
    Ok(match &progress.stay {
        _ if !progress.findings.is_empty() => {
            Outcome::Findings("tokens are in danger, see above".into())
        }
        Some(stay) if acted && !progress.moved => {
            let left = stay
                .until
                .map(|u| format!("; {} left", left(u - unix_now())))
                .unwrap_or_default();
            Outcome::Findings(format!("stays in phase {phase}: {}{left}", stay.reason))
        }
        _ => Outcome::Fine,
    })
}

/// A span of time as people say it.
fn left(seconds: i64) -> String {
    let seconds = seconds.max(0);
    let (hours, minutes) = (seconds / 3600, seconds % 3600 / 60);
    match (hours, minutes) {
        (0, 0) => format!("{seconds}s"),
        (0, minutes) => format!("{minutes}m{}s", seconds % 60),
        (hours, minutes) => format!("{hours}h{minutes}m"),
    }
}

fn people(progress: &Progress) -> Result<String> {
    let rotation = &progress.rotation;
    let mut out = String::new();
    let old: Vec<&str> = rotation.old.iter().map(String::as_str).collect();
    writeln!(out, "from {} to {}", old.join(", "), rotation.new)?;
    for entered in &rotation.log {
        let note = entered
            .note
            .as_ref()
            .map(|n| format!("  ({n})"))
            .unwrap_or_default();
        writeln!(out, "{}  {}{note}", timestamp(entered.at), entered.phase)?;
    }
    if let Some(stay) = &progress.stay {
        writeln!(out, "\n{}: {}", rotation.phase, stay.reason)?;
        if let Some(until) = stay.until {
            writeln!(
                out,
                "not before {}, {} left",
                timestamp(until),
                left(until - unix_now())
            )?;
        }
        match (stay.todo, rotation.kind) {
            (Some(Todo::Switch), Kind::Key) => {
                writeln!(out, "\n{}", advice::signing_key("NEW", "OLD").trim_end())?;
            }
            (Some(Todo::Switch), Kind::Issuer) => {
                let old = rotation.old.first().map(String::as_str);
                for distribution in Distribution::ALL {
                    let text = advice::issuer(distribution, &rotation.new, old);
                    writeln!(out, "\n--- {}\n{}", distribution.as_str(), text.trim_end())?;
                }
            }
            (Some(Todo::Remove), Kind::Key) => {
                writeln!(
                    out,
                    "take the old --service-account-key-file off every API server"
                )?;
            }
            (Some(Todo::Remove), Kind::Issuer) => {
                writeln!(
                    out,
                    "take the old --service-account-issuer off every API server"
                )?;
            }
            (Some(Todo::Publish), Kind::Issuer) if rotation.phase == Phase::Retire => {
                writeln!(
                    out,
                    "take the old issuer's documents away, and its trust at every cloud"
                )?;
            }
            _ => {}
        }
    } else {
        writeln!(out, "\nall is done")?;
    }
    show::findings(&mut out, &progress.findings)?;
    Ok(out)
}

//! `keyless bench`: a cold sync beside the raw ceiling of the same API server, in one run.
//!
//! Machines drift, so a figure alone says little: ceilings and syncs alternate on one server, and
//! what counts is the ratio of their means.

mod admission;
mod calls;
mod load;
mod process;
mod requests;
mod server;
mod track;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::outcome::Outcome;
use crate::sandbox::Format;
use load::Load;
use process::{Operator, seconds};
use server::Server;
use track::Track;

/// Flags of `keyless bench`.
#[derive(clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Flags {
    /// Something else than syncs
    #[command(subcommand)]
    what: Option<What>,
    /// How many ExternalSecrets
    #[arg(short = 'n', long, default_value_t = 1000)]
    objects: usize,
    /// How many distinct remote values they read
    #[arg(long, default_value_t = 1000)]
    keys: usize,
    /// How often ceiling and sync are repeated, one after the other
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// A fresh kube-apiserver and etcd from this folder (`cargo xtask testbed` prints one); without
    /// it the sandbox's own API is measured
    #[arg(long, value_name = "FOLDER")]
    kube_bin: Option<PathBuf>,
    /// Output for people or for programs
    #[arg(short, long, value_enum, default_value = "text")]
    output: Format,
}

/// What is measured beside syncs.
#[derive(clap::Subcommand)]
enum What {
    /// Pods created while the admission server is asked about each
    Admission(admission::Flags),
    /// Count what the clouds are asked when many objects are due at once, and what is saved
    Calls(calls::Flags),
}

/// How long a sync may take before the bench gives up.
const LIMIT: Duration = Duration::from_secs(600);

/// Runs all rounds and prints the table.
pub fn run(flags: &Flags) -> Result<Outcome> {
    crate::controller::log("off")?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("cannot start the async runtime")?;
    let outcome = runtime.block_on(perform(flags));
    runtime.shutdown_background();
    outcome
}

async fn perform(flags: &Flags) -> Result<Outcome> {
    if cfg!(debug_assertions) {
        eprintln!(
            "keyless bench: this is a debug build; figures that count need `cargo run --profile bench -- bench`"
        );
    }
    match &flags.what {
        Some(What::Admission(flags)) => return admission::perform(flags).await,
        Some(What::Calls(flags)) => return calls::perform(flags).await,
        None => {}
    }
    let server = Server::start(flags.kube_bin.as_deref(), flags.keys).await?;
    let load = Load::new(server.client().await?, flags.keys);
    load.namespaces().await?;
    let mut rounds = Vec::new();
    for round in 1..=flags.rounds {
        eprintln!("keyless bench: round {round} of {}: ceiling", flags.rounds);
        load.external_secrets(flags.objects).await?;
        let ceiling = load.ceiling(flags.objects).await?;
        load.clear().await?;
        eprintln!("keyless bench: round {round} of {}: operator", flags.rounds);
        load.external_secrets(flags.objects).await?;
        let measured = cold(&server, &load, flags.objects, ceiling).await?;
        load.clear().await?;
        rounds.push(measured);
    }
    report(flags, &rounds)?;
    Ok(Outcome::Fine)
}

/// One cold sync, from the start of the operator's process to the last object Ready.
async fn cold(server: &Server, load: &Load, objects: usize, ceiling: Duration) -> Result<Value> {
    let client = server.client().await?;
    let (track, watching) = Track::start(client.clone()).await?;
    let before = requests::count(&client).await?;
    server.sandbox.aws.reset_calls();
    let log = std::env::temp_dir().join(format!("keyless-bench-{}.log", std::process::id()));
    let mut operator = Operator::start(
        &server.operator_flags(),
        &server.operator_environment(),
        &log,
    )?;
    let mut probe = None;
    loop {
        let ready = track.count();
        if probe.is_none() && ready * 10 >= objects * 3 {
            let object = load.external_secret("probe", "bench-probe", 0);
            load.create(&load::collection("bench-probe"), &object)
                .await?;
            probe = Some(Instant::now());
        }
        if ready > objects {
            break;
        }
        if operator.ended() || operator.started.elapsed() > LIMIT {
            bail!(
                "{ready} of {objects} objects became Ready; the operator's log is {}",
                log.display()
            );
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let usage = operator.usage();
    let after = requests::count(&client).await?;
    let (first, median, last) = track.spread(operator.started);
    tokio::time::sleep(Duration::from_secs(3)).await;
    let rest = operator.usage();
    watching.abort();
    let calls: serde_json::Map<String, Value> = server
        .sandbox
        .aws
        .all_calls()
        .into_iter()
        .map(|(api, calls)| (api, json!(calls.total)))
        .collect();
    let _ = std::fs::remove_file(&log);
    #[allow(clippy::cast_precision_loss, reason = "counts far below 2^52")]
    let per = |n: f64| (n / objects as f64 * 1000.0).round() / 1000.0;
    Ok(json!({
        "ceiling_s": seconds(ceiling),
        "first_ready_s": seconds(first), "median_ready_s": seconds(median), "all_ready_s": seconds(last),
        "probe_s": probe.and_then(|at| track.ready("bench-probe/probe").map(|seen| seconds(seen.saturating_duration_since(at)))),
        "requests_per_object": after.since(&before).into_iter().map(|(verb, n)| (verb, json!(per(n)))).collect::<serde_json::Map<_, _>>(),
        "provider_calls": calls,
        "operator_cpu_ms_per_object": per(usage.cpu_seconds * 1000.0),
        "operator_rss_mib": (rest.rss_mib * 10.0).round() / 10.0, "operator_rss_peak_mib": (rest.rss_peak_mib * 10.0).round() / 10.0,
    }))
}

fn mean(rounds: &[Value], key: &str) -> f64 {
    let values: Vec<f64> = rounds
        .iter()
        .filter_map(|r| r.get(key).and_then(Value::as_f64))
        .collect();
    #[allow(clippy::cast_precision_loss, reason = "a handful of rounds")]
    let count = values.len().max(1) as f64;
    values.iter().sum::<f64>() / count
}

#[allow(clippy::print_stdout, reason = "the figures are the command's result")]
fn report(flags: &Flags, rounds: &[Value]) -> Result<()> {
    let (ceiling, all) = (mean(rounds, "ceiling_s"), mean(rounds, "all_ready_s"));
    let ratio = (all / ceiling * 100.0).round() / 100.0;
    if flags.output == Format::Json {
        let document = json!({"objects": flags.objects, "keys": flags.keys, "server": flags.kube_bin.as_ref().map_or("sandbox", |_| "kube-apiserver"), "rounds": rounds, "ratio": ratio});
        println!("{}", serde_json::to_string_pretty(&document)?);
        return Ok(());
    }
    println!(
        "{} ExternalSecrets, {} remote values, {}",
        flags.objects,
        flags.keys,
        flags
            .kube_bin
            .as_ref()
            .map_or("the sandbox's API", |_| "a real kube-apiserver")
    );
    println!(
        "{:>7} {:>10} {:>9} {:>9} {:>9} {:>9} {:>10} {:>9}",
        "round", "ceiling s", "first s", "all s", "new s", "cpu ms", "rss MiB", "peak MiB"
    );
    for (i, round) in rounds.iter().enumerate() {
        let figure = |key: &str| round.get(key).and_then(Value::as_f64).unwrap_or_default();
        println!(
            "{:>7} {:>10.2} {:>9.3} {:>9.2} {:>9.3} {:>9.3} {:>10.1} {:>9.1}",
            i + 1,
            figure("ceiling_s"),
            figure("first_ready_s"),
            figure("all_ready_s"),
            figure("probe_s"),
            figure("operator_cpu_ms_per_object"),
            figure("operator_rss_mib"),
            figure("operator_rss_peak_mib")
        );
    }
    if let Some(last) = rounds.last() {
        println!(
            "requests per object: {}",
            last.get("requests_per_object").unwrap_or(&Value::Null)
        );
        println!(
            "provider calls: {}",
            last.get("provider_calls").unwrap_or(&Value::Null)
        );
    }
    println!("mean of all s / mean of ceiling s = {ratio}");
    Ok(())
}

//! `keyless sandbox`: starts everything on loopback, walks through the story, stays up.

pub mod objects;
mod show;
pub mod stage;
pub mod tour;

use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::outcome::Outcome;
use stage::Stage;

/// Flags of `keyless sandbox`.
#[derive(clap::Args)]
pub struct Flags {
    /// End after the tour; exit code 1 if a step did not end as it should
    #[arg(long)]
    once: bool,
    /// Start without the tour, with trust already in place
    #[arg(long, conflicts_with = "once")]
    no_tour: bool,
    /// Whose part of the tour is walked
    #[arg(long, value_enum, default_value = "all", conflicts_with = "no_tour")]
    cloud: tour::Cloud,
    /// Keep certificates, keys and Kubernetes objects in this folder; in memory if absent
    #[arg(long, value_name = "FOLDER")]
    data: Option<PathBuf>,
    /// Output for people or for programs
    #[arg(short, long, value_enum, default_value = "text")]
    output: Format,
    /// Log level of the operator
    #[arg(long, default_value = "off")]
    loglevel: String,
}

/// How results are printed.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people
    Text,
    /// One JSON document
    Json,
}

/// Runs the sandbox.
pub fn run(flags: &Flags) -> Result<Outcome> {
    crate::controller::log(&flags.loglevel)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("cannot start the async runtime")?;
    let outcome = runtime.block_on(perform(flags));
    // Open watches would hold an orderly end back; nothing of the sandbox is worth waiting for.
    runtime.shutdown_background();
    outcome
}

async fn perform(flags: &Flags) -> Result<Outcome> {
    let show = show::Show::new(flags.output);
    show.starting();
    let stage = Stage::start(flags.data.clone())
        .await
        .context("cannot start the sandbox")?;
    show.started(&stage);
    let steps = if flags.no_tour {
        stage.trust_everything().await?;
        Vec::new()
    } else {
        tour::walk(&stage, &show, flags.cloud).await?
    };
    let failed = steps.iter().filter(|s| !s.ok).count();
    show.ended(&stage, &steps, flags.once)?;
    if !flags.once {
        crate::controller::shutdown().await;
        show.stopping();
    }
    stage.stop().await?;
    if failed > 0 {
        return Ok(Outcome::Findings(format!(
            "{failed} of {} steps of the tour did not end as they should",
            steps.len()
        )));
    }
    Ok(Outcome::Fine)
}

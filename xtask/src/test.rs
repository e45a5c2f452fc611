//! All tests: units and properties, the sandbox's scenarios, and the same scenarios on a real
//! kube-apiserver. What could not run is said in one loud line at the end.

use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::cache;
use crate::testbed::{self, Testbed};

/// Arguments of `cargo xtask test`.
#[derive(clap::Args)]
pub struct Args {
    /// Leave the real kube-apiserver out
    #[arg(long)]
    no_real: bool,
    /// Passed on to cargo test, e.g. a test name
    #[arg(last = true)]
    rest: Vec<String>,
}

/// Runs every test of the workspace.
pub fn run(args: &Args) -> Result<()> {
    let mut skipped = Vec::new();
    let mut cargo = Command::new("cargo");
    cargo
        .current_dir(cache::workspace())
        .args(["test", "--workspace", "--no-fail-fast"])
        .args(&args.rest);
    cargo.env("KEYLESS_CACHE", cache::dir()?);
    if args.no_real {
        skipped.push("the real kube-apiserver ring: --no-real was given".to_owned());
    } else {
        match testbed::ensure()? {
            Testbed::Ready(dir) => {
                cargo.env("KEYLESS_TESTBED", dir);
            }
            Testbed::Missing(why) => skipped.push(format!("the real kube-apiserver ring: {why}")),
        }
    }
    if !has("python3") {
        skipped.push("the judges (boto3, aws CLI): no python3 on PATH".to_owned());
    }
    let status = cargo.status().context("cannot run cargo test")?;
    for line in &skipped {
        eprintln!("\n!!! NOT RUN: {line}");
    }
    ensure!(status.success(), "tests failed");
    Ok(())
}

fn has(program: &str) -> bool {
    Command::new(program)
        .arg("--version")
        .output()
        .is_ok_and(|o| o.status.success())
}

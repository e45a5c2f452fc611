//! Helm for the tests of the chart, built from its Go module.
//!
//! Order: `KEYLESS_HELM` if set, else the cache, else a build by the local Go toolchain.

use std::env;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::cache;

/// The release that is tested with. Go checks the module against its checksum database.
const VERSION: &str = "4.3.1";

/// Where Helm is, or why it cannot be had.
pub enum Helm {
    /// The program.
    Ready(PathBuf),
    /// Not on this machine: the reason, to be shown at the end of a test run.
    Missing(String),
}

/// Finds or builds Helm.
pub fn ensure() -> Result<Helm> {
    if let Some(program) = env::var_os("KEYLESS_HELM") {
        let program = PathBuf::from(program);
        if !program.exists() {
            bail!(
                "KEYLESS_HELM is {}, which does not exist",
                program.display()
            );
        }
        return Ok(Helm::Ready(program));
    }
    let dir = cache::dir()?.join(format!("helm-{VERSION}"));
    let program = dir.join("helm");
    if program.exists() {
        return Ok(Helm::Ready(program));
    }
    if Command::new("go").arg("version").output().is_err() {
        return Ok(Helm::Missing(
            "no Go toolchain on PATH, and KEYLESS_HELM is not set".into(),
        ));
    }
    build(&dir)?;
    Ok(Helm::Ready(program))
}

/// `cargo xtask helm`: the program on standard output.
#[allow(clippy::print_stdout, reason = "the path is this task's result")]
pub fn print() -> Result<()> {
    match ensure()? {
        Helm::Ready(program) => println!("{}", program.display()),
        Helm::Missing(why) => bail!("no Helm: {why}"),
    }
    Ok(())
}

fn build(dir: &PathBuf) -> Result<()> {
    eprintln!(
        "xtask: building Helm {VERSION} from its Go module into {} (about 4 minutes, once)",
        dir.display()
    );
    let unfinished = dir.with_extension("unfinished");
    fs::create_dir_all(&unfinished)?;
    let status = Command::new("go")
        // Outside of any module, so that only Helm's own versions count.
        .current_dir(&unfinished)
        .env("CGO_ENABLED", "0")
        .env("GOBIN", &unfinished)
        .args(["install", "-trimpath", "-ldflags", "-s -w"])
        .arg(format!("helm.sh/helm/v4/cmd/helm@v{VERSION}"))
        .status()
        .context("cannot run go install")?;
    ensure!(status.success(), "go install of Helm failed");
    fs::create_dir_all(dir)?;
    fs::rename(unfinished.join("helm"), dir.join("helm"))?;
    fs::remove_dir_all(&unfinished)?;
    Ok(())
}

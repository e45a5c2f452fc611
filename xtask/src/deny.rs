//! Licences and bans, by a pinned cargo-deny kept in the cache.

use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::cache;

/// Looked up 2026-11; pinned so that a new release cannot turn main red.
const VERSION: &str = "0.20.2";

/// Installs cargo-deny if the cache has none, then checks `deny.toml`.
///
/// Advisories are left out: their database lives in a git repository, which a build without
/// access to the internet cannot reach.
pub fn run() -> Result<()> {
    let root = cache::dir()?.join(format!("cargo-deny-{VERSION}"));
    let binary = root.join("bin/cargo-deny");
    if !binary.exists() {
        eprintln!(
            "xtask: installing cargo-deny {VERSION} into {} (about two minutes, once)",
            root.display()
        );
        let status = Command::new("cargo")
            .args([
                "install",
                "cargo-deny",
                "--version",
                VERSION,
                "--locked",
                "--root",
            ])
            .arg(&root)
            .env_remove("CARGO_TARGET_DIR")
            .status()
            .context("cannot run cargo install")?;
        ensure!(status.success(), "cargo install cargo-deny failed");
    }
    let status = Command::new(&binary)
        .current_dir(cache::workspace())
        .args(["--all-features", "check", "bans", "licenses", "sources"])
        .status()
        .with_context(|| format!("cannot run {}", binary.display()))?;
    ensure!(
        status.success(),
        "cargo-deny found a banned crate or licence"
    );
    Ok(())
}

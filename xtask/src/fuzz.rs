//! Fuzzing: libFuzzer over the harnesses of `crates/fuzz`, and random templates compared with Go.
//!
//! Needs no cargo-fuzz and no nightly compiler: the coverage that libFuzzer wants comes from
//! flags that stable accepts. What could not run is said in one loud line at the end.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail, ensure};

use crate::cache;

/// Arguments of `cargo xtask fuzz`.
#[derive(clap::Args)]
pub struct Args {
    /// Seconds for all targets together
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Random templates to compare with Go; 0 compares none
    #[arg(long, default_value_t = 5_000)]
    templates: u64,
    /// The first number of the random templates; default: the time
    #[arg(long)]
    seed: Option<u64>,
    /// Only this target
    target: Option<String>,
}

/// What libFuzzer needs to see which branches an input takes.
const COVERAGE: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares --cfg fuzzing";

/// Runs the targets, then the comparison.
pub fn run(args: &Args) -> Result<()> {
    let mut skipped = Vec::new();
    let mut failed = Vec::new();
    match build()? {
        Some(built) => failed.extend(targets(args, &built)?),
        None => skipped.push("libFuzzer: the crate in fuzz/ does not build here, see above"),
    }
    if args.templates > 0 && args.target.is_none() {
        match oracle()? {
            Some(oracle) if !compare(args, &oracle)? => {
                failed.push("the comparison with Go".into())
            }
            Some(_) => {}
            None => skipped.push("the comparison with Go: no Go toolchain on PATH"),
        }
    }
    for what in &skipped {
        eprintln!("\n!!! NOT RUN: {what}");
    }
    ensure!(failed.is_empty(), "failed: {}", failed.join(", "));
    Ok(())
}

/// The built programs, in a folder.
struct Built {
    programs: PathBuf,
    folder: PathBuf,
}

/// Builds the instrumented programs; nothing if libFuzzer cannot be had.
fn build() -> Result<Option<Built>> {
    let root = cache::workspace();
    let folder = root.join("target/fuzz");
    let host = host()?;
    let status = Command::new("cargo")
        .current_dir(root.join("fuzz"))
        // With a target named, build scripts and macros stay without instrumentation.
        .args([
            "build",
            "--release",
            "--bins",
            "--target",
            &host,
            "--target-dir",
        ])
        .arg(&folder)
        .env("RUSTFLAGS", COVERAGE)
        .env_remove("CARGO_TARGET_DIR")
        .status()
        .context("cannot run cargo build")?;
    let programs = folder.join(host).join("release");
    Ok(status.success().then_some(Built { programs, folder }))
}

fn host() -> Result<String> {
    let output = Command::new("rustc")
        .arg("-vV")
        .output()
        .context("cannot run rustc")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned)
        .context("rustc does not name its host")
}

/// Runs the targets; the names of those that found something.
fn targets(args: &Args, built: &Built) -> Result<Vec<String>> {
    let corpus = built.folder.join("corpus");
    let output = differential(&["seeds", &corpus.display().to_string()])
        .output()
        .context("cannot write the seeds")?;
    ensure!(output.status.success(), "cannot write the seeds");
    let names = String::from_utf8_lossy(&output.stdout).into_owned();
    let names: Vec<&str> = names.lines().collect();
    let chosen: Vec<&str> = match &args.target {
        None => names,
        Some(only) if names.contains(&only.as_str()) => vec![only],
        Some(only) => bail!(
            "there is no target {only:?}; there are {}",
            names.join(", ")
        ),
    };
    let count = u64::try_from(chosen.len()).unwrap_or(1).max(1);
    let each = (args.seconds / count).max(1);
    let mut failed = Vec::new();
    for name in chosen {
        eprintln!("xtask: fuzzing {name} for {each} s");
        let found = built.folder.join("found").join(name);
        std::fs::create_dir_all(&found)?;
        let status = Command::new(built.programs.join("fuzz"))
            .env("KEYLESS_FUZZ_TARGET", name)
            .arg(corpus.join(name))
            .arg(format!("-max_total_time={each}"))
            .arg(format!("-artifact_prefix={}/", found.display()))
            .args([
                "-max_len=4096",
                "-timeout=10",
                "-rss_limit_mb=2048",
                "-verbosity=0",
                "-print_final_stats=1",
            ])
            .status()
            .context("cannot run the fuzzer")?;
        if !status.success() {
            eprintln!("xtask: {name} found something: see {}", found.display());
            failed.push(name.to_owned());
        }
    }
    Ok(failed)
}

/// The program that answers with Go's own engine; nothing without Go.
fn oracle() -> Result<Option<PathBuf>> {
    let program = cache::dir()?.join("template-oracle");
    let built = Command::new("go")
        .current_dir(cache::workspace().join("testbed/oracle/template"))
        .args(["build", "-o"])
        .arg(&program)
        .arg(".")
        .status();
    match built {
        Err(_) => Ok(None),
        Ok(status) => {
            ensure!(status.success(), "testbed/oracle/template does not build");
            Ok(Some(program))
        }
    }
}

/// Whether keyless and Go agree on random templates.
fn compare(args: &Args, oracle: &Path) -> Result<bool> {
    let clock = SystemTime::now().duration_since(UNIX_EPOCH);
    let seed = args
        .seed
        .unwrap_or_else(|| clock.map_or(0, |now| now.as_secs()));
    let folder = cache::workspace().join("target/fuzz/differential");
    std::fs::create_dir_all(&folder)?;
    eprintln!(
        "xtask: comparing {} random templates with Go (--seed {seed})",
        args.templates
    );
    let differential = |words: &[&str]| {
        let status = differential(words).status();
        status.context("cannot run the comparison")
    };
    let text = folder.display().to_string();
    let wrote = differential(&[
        "write",
        &text,
        &args.templates.to_string(),
        &seed.to_string(),
    ])?;
    ensure!(wrote.success(), "cannot write random templates");
    let answered = Command::new(oracle)
        .arg("-cases")
        .arg(&folder)
        .arg("-out")
        .arg(folder.join("answers.jsonl"))
        .status()
        .context("cannot run Go's engine")?;
    ensure!(answered.success(), "Go's engine could not answer");
    Ok(differential(&["compare", &text])?.success())
}

/// The workspace's own program beside the fuzzers.
fn differential(words: &[&str]) -> Command {
    let mut command = Command::new("cargo");
    command.current_dir(cache::workspace());
    command.args(["run", "--quiet", "--package", "keyless-fuzz"]);
    command.args(["--bin", "differential", "--"]).args(words);
    command
}

//! All tests: units and properties, the sandbox's scenarios, and the same scenarios on a real
//! kube-apiserver. What could not run is said in one loud line at the end.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::cache;
use crate::evidence::{REGISTER, Register};
use crate::helm::{self, Helm};
use crate::testbed::{self, Testbed};
use crate::vault::{self, Vault};

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
    let register = Register::read(&cache::workspace())?;
    let faults = register.faults(&cache::workspace(), register.codes());
    ensure!(faults.is_empty(), "{}: {}", REGISTER, faults.join(", "));
    let mut skipped = Vec::new();
    let mut environment = vec![("KEYLESS_CACHE", cache::dir()?)];
    if args.no_real {
        skipped.push("the real kube-apiserver ring: --no-real was given".to_owned());
    } else {
        match testbed::ensure()? {
            Testbed::Ready(dir) => environment.push(("KEYLESS_TESTBED", dir)),
            Testbed::Missing(why) => skipped.push(format!("the real kube-apiserver ring: {why}")),
        }
    }
    if !args.no_real {
        match helm::ensure()? {
            Helm::Ready(program) => environment.push(("KEYLESS_HELM", program)),
            Helm::Missing(why) => skipped.push(format!("the Helm chart's tests: {why}")),
        }
    }
    if !args.no_real {
        match vault::ensure()? {
            Vault::Ready(program) => environment.push(("KEYLESS_VAULT", program)),
            Vault::Missing(why) => skipped.push(format!("the real Vault: {why}")),
        }
    }
    skipped.extend(without_terraform());
    let cargo = |rest: &[String]| {
        let mut cargo = Command::new("cargo");
        cargo
            .current_dir(cache::workspace())
            .args(["test", "--workspace", "--no-fail-fast"])
            .args(rest)
            .envs(environment.iter().map(|(name, value)| (name, value)));
        cargo
    };
    if !has("python3") {
        skipped.push("the judges (the clouds' own clients): no python3 on PATH".to_owned());
    }
    if !has("gcloud") {
        skipped.push(
            "gcloud as a judge, and the scripts rendered for it: it is not on PATH".to_owned(),
        );
    }
    if !has("node") || !has("npm") {
        skipped.push("the doctor's page in a browser, and the issuer before jose and openid-client: no node or npm on PATH".to_owned());
    }
    if std::env::var_os("KEYLESS_JUDGES_AZ").is_some_and(|value| value == "0") {
        skipped
            .push("az as a judge, and the scripts rendered for it: KEYLESS_JUDGES_AZ=0".to_owned());
    }
    if !has("npm") {
        skipped.push(
            "rendered HCL before the schemas of azurerm, google and vault: no npm on PATH"
                .to_owned(),
        );
    }
    let first = Outcome::of(cargo(&args.rest))?;
    let unsteady = !first.passed && first.passes_alone(cargo)?;
    for line in &skipped {
        eprintln!("\n!!! NOT RUN: {line}");
    }
    if unsteady {
        for name in &first.failed {
            eprintln!("\n!!! UNSTEADY: {name} failed among all tests and passed alone: mend it");
        }
    }
    ensure!(
        first.passed || unsteady,
        "tests failed: {}",
        first.failed.join(", ")
    );
    evidence(args, &register, &first)
}

/// Every row of the catalogue of failures was found by the tests that its register names.
fn evidence(args: &Args, register: &Register, run: &Outcome) -> Result<()> {
    if !args.rest.is_empty() {
        eprintln!("\n!!! NOT RUN: the catalogue's evidence: only some tests were asked for");
        return Ok(());
    }
    // What failed among all tests and passed alone is told above.
    let passed: Vec<String> = run.ok.iter().chain(&run.failed).cloned().collect();
    let left_out = register.left_out(&passed);
    ensure!(
        left_out.is_empty(),
        "rows of the catalogue whose tests did not run: {}",
        left_out.join(", ")
    );
    eprintln!("\n{}", register.summary());
    Ok(())
}

/// More failures than this are never the machine's doing.
const UNSTEADY: usize = 3;

/// What one run of cargo test printed.
#[derive(Default)]
struct Outcome {
    passed: bool,
    ok: Vec<String>,
    failed: Vec<String>,
    /// Test binaries begun and not ended: one that crashed names no failed test.
    open: usize,
}

impl Outcome {
    /// Runs it, passing its output on.
    fn of(mut cargo: Command) -> Result<Self> {
        let mut child = cargo
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot run cargo test")?;
        let mut outcome = Self::default();
        if let Some(output) = child.stdout.take() {
            let mut out = std::io::stdout().lock();
            for line in BufReader::new(output).split(b'\n') {
                let line = line.context("cannot read what cargo test prints")?;
                out.write_all(&line)?;
                out.write_all(b"\n")?;
                outcome.note(String::from_utf8_lossy(&line).trim());
            }
        }
        let status = child.wait().context("cannot run cargo test")?;
        outcome.passed = status.success();
        Ok(outcome)
    }

    fn note(&mut self, line: &str) {
        if line.starts_with("running ") {
            self.open += 1;
        } else if line.starts_with("test result: ") {
            self.open = self.open.saturating_sub(1);
        } else if let Some(line) = line.strip_prefix("test ") {
            if let Some(name) = line.strip_suffix(" ... FAILED") {
                self.failed.push(name.to_owned());
            } else if let Some(name) = line.strip_suffix(" ... ok") {
                self.ok.push(name.to_owned());
            }
        }
    }

    /// Whether the few tests that failed pass when nothing else runs. The suite starts real servers
    /// and runs hundreds of scenarios at once: on a starved machine one may miss its deadline. Such
    /// a test is named loudly, but does not hide whether the code is right.
    fn passes_alone(&self, cargo: impl Fn(&[String]) -> Command) -> Result<bool> {
        if self.open > 0 || self.failed.is_empty() || self.failed.len() > UNSTEADY {
            return Ok(false);
        }
        eprintln!("\n=== once more, alone: {}", self.failed.join(", "));
        let mut rest = vec!["--tests".to_owned(), "--".to_owned(), "--exact".to_owned()];
        rest.push("--test-threads=1".to_owned());
        rest.extend_from_slice(&self.failed);
        let again = Self::of(cargo(&rest))?;
        let all = self.failed.iter().all(|name| again.ok.contains(name));
        Ok(again.passed && all)
    }
}

/// What does not run for want of OpenTofu or Terraform, or of the providers.
fn without_terraform() -> Option<String> {
    let what = "rendered HCL before the real formatter and the real AWS provider";
    if std::env::var_os("KEYLESS_TERRAFORM").is_none() && !has("tofu") && !has("terraform") {
        return Some(format!(
            "{what}: no tofu and no terraform on PATH, and KEYLESS_TERRAFORM is not set"
        ));
    }
    let plugins = std::env::var_os("KEYLESS_TERRAFORM_PLUGINS");
    plugins.is_none().then(|| {
        format!("{what}: KEYLESS_TERRAFORM_PLUGINS, a folder with hashicorp/aws, is not set (the form is judged)")
    })
}

fn has(program: &str) -> bool {
    Command::new(program)
        .arg("--version")
        .output()
        .is_ok_and(|o| o.status.success())
}

#[cfg(test)]
mod tests {
    use super::Outcome;

    fn outcome(lines: &[&str]) -> Outcome {
        let mut outcome = Outcome::default();
        for line in lines {
            outcome.note(line);
        }
        outcome
    }

    fn never(_: &[String]) -> std::process::Command {
        panic!("nothing may be run again")
    }

    #[test]
    fn what_cargo_prints_is_read() {
        let seen = outcome(&[
            "running 2 tests",
            "test a::b ... ok",
            "test a::c ... FAILED",
            "test result: FAILED. 1 passed; 1 failed",
        ]);
        assert_eq!(seen.ok, ["a::b"]);
        assert_eq!(seen.failed, ["a::c"]);
        assert_eq!(seen.open, 0);
    }

    #[test]
    fn a_crash_or_many_failures_are_not_tried_again() {
        let crashed = outcome(&["running 2 tests", "test a ... FAILED"]);
        assert!(!crashed.passes_alone(never).unwrap());
        let none = outcome(&["running 0 tests", "test result: ok."]);
        assert!(!none.passes_alone(never).unwrap());
        let mut many = none;
        many.failed = vec!["a".into(); super::UNSTEADY + 1];
        assert!(!many.passes_alone(never).unwrap());
    }

    /// As when a failed doc test is not among the tests that are run again.
    #[test]
    fn a_test_that_does_not_run_again_has_not_passed() {
        let mut first = outcome(&["running 1 test", "test result: FAILED."]);
        first.failed = vec!["a".into()];
        let ran = |_: &[String]| {
            let mut cargo = std::process::Command::new("echo");
            cargo.arg("test b ... ok");
            cargo
        };
        assert!(!first.passes_alone(ran).unwrap());
    }
}

//! A real Kubernetes for the tests: four programs in one binary, built from Go modules.
//!
//! Order: `KUBEBUILDER_ASSETS` if set, else the cache, else a build by the local Go toolchain.

use std::collections::hash_map::DefaultHasher;
use std::env;
use std::fs;
use std::hash::{Hash, Hasher};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::cache;

/// The programs that tests call.
const PROGRAMS: [&str; 4] = [
    "etcd",
    "kube-apiserver",
    "kube-controller-manager",
    "kubectl",
];
/// The Kubernetes release that `testbed/go.mod` pins; stamped into the binary, since clients
/// refuse a server whose version they cannot parse.
const KUBERNETES: &str = "1.37.2";

/// Where the programs are, or why they cannot be had.
pub enum Testbed {
    /// A folder that holds all four.
    Ready(PathBuf),
    /// Not on this machine: the reason, to be shown at the end of a test run.
    Missing(String),
}

/// Finds or builds the test bed.
pub fn ensure() -> Result<Testbed> {
    if let Some(dir) = env::var_os("KUBEBUILDER_ASSETS") {
        let dir = PathBuf::from(dir);
        for program in PROGRAMS {
            if !dir.join(program).exists() {
                bail!(
                    "KUBEBUILDER_ASSETS is {}, which holds no {program}",
                    dir.display()
                );
            }
        }
        return Ok(Testbed::Ready(dir));
    }
    let Some(go) = go_version() else {
        return Ok(Testbed::Missing(
            "no Go toolchain on PATH, and KUBEBUILDER_ASSETS is not set".into(),
        ));
    };
    let source = cache::workspace().join("testbed");
    let dir = cache::dir()?.join(format!("testbed-{KUBERNETES}-{:016x}", key(&source, &go)?));
    if PROGRAMS.iter().all(|p| dir.join(p).exists()) {
        return Ok(Testbed::Ready(dir));
    }
    build(&source, &dir)?;
    Ok(Testbed::Ready(dir))
}

/// `cargo xtask testbed`: the folder on standard output.
#[allow(clippy::print_stdout, reason = "the folder is this task's result")]
pub fn print() -> Result<()> {
    match ensure()? {
        Testbed::Ready(dir) => println!("{}", dir.display()),
        Testbed::Missing(why) => bail!("no test bed: {why}"),
    }
    Ok(())
}

fn go_version() -> Option<String> {
    let output = Command::new("go").arg("version").output().ok()?;
    output
        .status
        .success()
        .then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Anything that changes the binary changes the key.
fn key(source: &Path, go: &str) -> Result<u64> {
    let mut hasher = DefaultHasher::new();
    go.hash(&mut hasher);
    for file in ["go.mod", "go.sum", "main.go"] {
        let path = source.join(file);
        fs::read(&path)
            .with_context(|| format!("cannot read {}", path.display()))?
            .hash(&mut hasher);
    }
    Ok(hasher.finish())
}

fn build(source: &Path, dir: &Path) -> Result<()> {
    eprintln!(
        "xtask: building Kubernetes {KUBERNETES} from Go modules into {} (about 8 minutes, once)",
        dir.display()
    );
    fs::create_dir_all(dir)?;
    let (major, minor) = KUBERNETES
        .split_once('.')
        .map_or(("1", "0"), |(a, b)| (a, b.split('.').next().unwrap_or(b)));
    let mut flags = String::from("-s -w");
    for package in [
        "k8s.io/component-base/version",
        "k8s.io/client-go/pkg/version",
    ] {
        for (name, value) in [
            ("gitVersion", format!("v{KUBERNETES}").as_str()),
            ("gitMajor", major),
            ("gitMinor", minor),
            ("gitTreeState", "clean"),
        ] {
            flags.push_str(&format!(" -X {package}.{name}={value}"));
        }
    }
    let unfinished = dir.join("testbed.unfinished");
    let status = Command::new("go")
        .current_dir(source)
        .env("CGO_ENABLED", "0")
        .args(["build", "-trimpath", "-ldflags", &flags, "-o"])
        .arg(&unfinished)
        .arg(".")
        .status()
        .context("cannot run go build")?;
    ensure!(status.success(), "go build of the test bed failed");
    let binary = dir.join("testbed");
    fs::rename(&unfinished, &binary)?;
    for program in PROGRAMS {
        let link = dir.join(program);
        if !link.exists() {
            symlink("testbed", &link).with_context(|| format!("cannot link {}", link.display()))?;
        }
    }
    Ok(())
}

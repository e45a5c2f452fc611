//! The generated files. Each is made by the program itself (`keyless crds`, `keyless reference`)
//! so that what is committed is what users get; `--check` fails when one has drifted.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::{cache, conformance};

/// Arguments of `cargo xtask generate`.
#[derive(clap::Args)]
pub struct Args {
    /// Write nothing; fail if a committed file differs from what would be written
    #[arg(long)]
    check: bool,
}

/// What is generated: the file below the workspace's root, and the arguments of `keyless`
/// whose standard output it holds.
const FILES: &[(&str, &[&str])] = &[
    (
        "deploy/crds/clusterexternalsecrets.yaml",
        &["crds", "clusterexternalsecrets"],
    ),
    (
        "deploy/crds/clustersecretstores.yaml",
        &["crds", "clustersecretstores"],
    ),
    (
        "deploy/crds/externalsecrets.yaml",
        &["crds", "externalsecrets"],
    ),
    ("deploy/crds/secretstores.yaml", &["crds", "secretstores"]),
    ("deploy/issuer-crd.yaml", &["issuer", "crd"]),
    ("deploy/rbac.yaml", &["manifests", "rbac"]),
    ("deploy/operator.yaml", &["manifests", "operator"]),
    ("deploy/webhook.yaml", &["manifests", "webhook"]),
    ("charts/keyless/files/rights.yaml", &["manifests", "rights"]),
    // What stands in capitals is the chart's to fill.
    (
        "charts/keyless/files/webhook.yaml",
        &[
            "manifests",
            "webhook",
            "--inject=aws,azure,google",
            "--azure-tenant-id=TENANT",
            "--namespace=CHART-NAMESPACE",
            "--image=IMAGE",
        ],
    ),
    ("docs/reference/cli.md", &["reference", "cli"]),
    ("docs/reference/metrics.md", &["reference", "metrics"]),
    ("docs/errors/README.md", &["reference", "errors"]),
    (
        "docs/errors/cluster.md",
        &["reference", "errors", "cluster"],
    ),
    (
        "docs/errors/publishing.md",
        &["reference", "errors", "publishing"],
    ),
    ("docs/errors/aws.md", &["reference", "errors", "aws"]),
    ("docs/errors/azure.md", &["reference", "errors", "azure"]),
    ("docs/errors/google.md", &["reference", "errors", "google"]),
    ("docs/errors/vault.md", &["reference", "errors", "vault"]),
    (
        "docs/errors/webhook.md",
        &["reference", "errors", "webhook"],
    ),
    (
        "docs/errors/operator.md",
        &["reference", "errors", "operator"],
    ),
    (
        "docs/errors/written.md",
        &["reference", "errors", "written"],
    ),
];

/// Copies of generated files: where the chart has the CRDs.
const COPIES: (&str, &str) = ("deploy/crds", "charts/keyless/files/crds");

/// Writes or checks every generated file.
pub fn run(args: &Args) -> Result<()> {
    let root = cache::workspace();
    let status = Command::new("cargo")
        .current_dir(&root)
        // With the features that the tests are built with, so that nothing is built twice: all of
        // the workspace, and (since examples are asked for, though there are none) with those of
        // dev-dependencies.
        .args([
            "build",
            "--quiet",
            "--workspace",
            "--bin",
            "keyless",
            "--examples",
        ])
        .status()?;
    ensure!(status.success(), "keyless does not build");
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), Into::into);
    let binary = target.join("debug/keyless");
    let mut drifted: Vec<String> = Vec::new();
    for (file, arguments) in FILES {
        let output = Command::new(&binary)
            .args(*arguments)
            .output()
            .with_context(|| format!("cannot run {}", binary.display()))?;
        ensure!(
            output.status.success(),
            "keyless {} failed: {}",
            arguments.join(" "),
            String::from_utf8_lossy(&output.stderr)
        );
        let path = root.join(file);
        if fs::read(&path).is_ok_and(|present| present == output.stdout) {
            continue;
        }
        if args.check {
            drifted.push((*file).to_owned());
        } else {
            write(&path, &output.stdout)?;
            eprintln!("xtask: wrote {file}");
        }
    }
    drifted.extend(copies(&root, args.check)?);
    if args.check {
        conformance::check(&root)?;
    }
    if !drifted.is_empty() {
        bail!(
            "generated files have drifted, run `cargo xtask generate`: {}",
            drifted.join(", ")
        );
    }
    Ok(())
}

/// Writes or checks the copies; what differs, if they are only checked.
fn copies(root: &Path, check: bool) -> Result<Vec<String>> {
    let (from, to) = (root.join(COPIES.0), root.join(COPIES.1));
    let names = |folder: &Path| -> Result<Vec<String>> {
        let entries = fs::read_dir(folder).into_iter().flatten();
        let names = entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
        names.collect()
    };
    let (wanted, present) = (names(&from)?, names(&to)?);
    let mut drifted = Vec::new();
    for name in &wanted {
        let content = fs::read(from.join(name))?;
        if fs::read(to.join(name)).is_ok_and(|present| present == content) {
            continue;
        }
        if check {
            drifted.push(format!("{}/{name}", COPIES.1));
        } else {
            write(&to.join(name), &content)?;
            eprintln!("xtask: wrote {}/{name}", COPIES.1);
        }
    }
    for name in present.iter().filter(|name| !wanted.contains(name)) {
        if check {
            drifted.push(format!("{}/{name}", COPIES.1));
        } else {
            fs::remove_file(to.join(name))?;
            eprintln!("xtask: removed {}/{name}", COPIES.1);
        }
    }
    Ok(drifted)
}

fn write(path: &Path, content: &[u8]) -> Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(path, content).with_context(|| format!("cannot write {}", path.display()))
}

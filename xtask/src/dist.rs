//! What is released: the binary, its bill of materials, and their checksums.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use sha2::{Digest, Sha256};

use crate::{cache, sbom};

/// Arguments of `cargo xtask dist`.
#[derive(clap::Args)]
pub struct Args {
    /// Target triple; this machine's if none is given. Another one needs its C compiler
    #[arg(long, value_name = "TRIPLE")]
    target: Option<String>,
    /// Where the files go
    #[arg(long, default_value = "target/dist", value_name = "FOLDER")]
    out: PathBuf,
    /// Only the bill of materials
    #[arg(long)]
    sbom_only: bool,
}

/// Builds and writes everything.
pub fn run(args: &Args) -> Result<()> {
    let root = cache::workspace();
    let target = match &args.target {
        Some(target) => target.clone(),
        None => host()?,
    };
    let out = root.join(&args.out);
    fs::create_dir_all(&out).with_context(|| format!("cannot create {}", out.display()))?;
    let version = env!("CARGO_PKG_VERSION");
    let bill = format!("keyless-{version}.cdx.json");
    fs::write(out.join(&bill), sbom::of("keyless", &target)?)?;
    let mut files = vec![bill];
    if !args.sbom_only {
        let name = format!("keyless-{version}-{target}");
        let begin = Instant::now();
        build(&root, &target)?;
        let folder =
            env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), Into::into);
        let built = folder.join(&target).join("release/keyless");
        let size = fs::copy(&built, out.join(&name))
            .with_context(|| format!("cannot copy {}", built.display()))?;
        eprintln!(
            "xtask: {name}: {:.1} MiB, built in {:.0} s",
            size as f64 / f64::from(1 << 20),
            begin.elapsed().as_secs_f64()
        );
        files.push(name);
    }
    files.sort();
    let mut sums = String::new();
    for file in &files {
        sums.push_str(&format!("{}  {file}\n", sha256(&out.join(file))?));
    }
    fs::write(out.join("SHA256SUMS"), sums)?;
    eprintln!(
        "xtask: wrote {} and SHA256SUMS to {}",
        files.join(", "),
        out.display()
    );
    Ok(())
}

/// The triple that rustc builds for by itself.
fn host() -> Result<String> {
    let output = Command::new("rustc")
        .arg("-vV")
        .output()
        .context("cannot run rustc")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("rustc does not say its host")?.to_owned())
}

/// Paths of this machine stay out of the binary, so that two machines build the same.
fn build(root: &Path, target: &str) -> Result<()> {
    let mut maps = vec![(root.to_path_buf(), "/keyless")];
    let home = env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cargo")));
    maps.extend(home.map(|home| (home, "/cargo")));
    let rust: Vec<String> = maps
        .iter()
        .map(|(from, to)| format!("--remap-path-prefix={}={to}", from.display()))
        .collect();
    let c: Vec<String> = maps
        .iter()
        .map(|(from, to)| format!("-ffile-prefix-map={}={to}", from.display()))
        .collect();
    let status = Command::new("cargo")
        .current_dir(root)
        // An explicit target keeps these flags from build scripts.
        .args([
            "build",
            "--release",
            "--locked",
            "--package",
            "keyless",
            "--bin",
            "keyless",
            "--target",
            target,
        ])
        .env("RUSTFLAGS", rust.join(" "))
        .env("CFLAGS", c.join(" "))
        .env("CARGO_INCREMENTAL", "0")
        .status()
        .context("cannot run cargo build")?;
    ensure!(status.success(), "the release does not build");
    Ok(())
}

fn sha256(file: &Path) -> Result<String> {
    let bytes = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    let digest = Sha256::digest(&bytes);
    Ok(digest.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// The image is built by the toolchain that everything is tested with, and does not run as root.
    #[test]
    fn the_image_has_the_workspaces_toolchain_and_no_root() {
        let root = cache::workspace();
        let read = |name: &str| fs::read_to_string(root.join(name)).unwrap();
        let manifest = read("Cargo.toml");
        let version = manifest
            .lines()
            .find_map(|line| line.strip_prefix("rust-version = "))
            .unwrap()
            .trim_matches('"');
        let image = read("Containerfile");
        assert!(
            image.contains(&format!("rust:{version}-bookworm")),
            "{version}"
        );
        let user = image.lines().find_map(|line| line.strip_prefix("USER "));
        assert!(user.is_some_and(|user| !user.starts_with('0')));
    }
}

//! A real Vault for the tests: server and command line, built from its Go module.
//!
//! Order: `KEYLESS_VAULT` if set, else the cache, else a build by the local Go toolchain.
//!
//! The version is free software (MPL 2.0, which present releases are not) and builds from what is
//! published of its parts. It is a program that tests run: nothing of it is linked or shipped. To
//! test with another server that speaks the same, name its program in `KEYLESS_VAULT`.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::cache;

/// Go checks the module against its checksum database.
const VERSION: &str = "1.14.1";
const MODULE: &str = "github.com/hashicorp/vault";

/// Parts of the module that have modules of their own: what is published is taken.
const PARTS: [&str; 5] = [
    "api",
    "api/auth/approle",
    "api/auth/kubernetes",
    "api/auth/userpass",
    "sdk",
];

/// Folders that no Go package needs.
const LEFT_OUT: [&str; 3] = ["ui", "website", "enos"];

/// Files that list what is built in, with the prefixes of the imports that are kept: a
/// backend that no test mounts costs minutes of compilation.
const LISTS: [(&str, &[&str]); 2] = [
    (
        "command/commands.go",
        &[
            "credOIDC",
            "credAws",
            "credCert",
            "credToken",
            "credUserpass",
            "logicalKv",
            "logicalDb",
            "physRaft",
            "physFile",
            "physInmem",
        ],
    ),
    (
        "helper/builtinplugins/registry.go",
        &[
            "credAppRole",
            "credAws",
            "credCert",
            "credJWT",
            "credKube",
            "credUserpass",
            "logicalKv",
        ],
    ),
];

/// Where Vault is, or why it cannot be had.
pub enum Vault {
    /// The program.
    Ready(PathBuf),
    /// Not on this machine: the reason, to be shown at the end of a test run.
    Missing(String),
}

/// Finds or builds Vault.
pub fn ensure() -> Result<Vault> {
    if let Some(program) = env::var_os("KEYLESS_VAULT") {
        let program = PathBuf::from(program);
        if !program.exists() {
            bail!(
                "KEYLESS_VAULT is {}, which does not exist",
                program.display()
            );
        }
        return Ok(Vault::Ready(program));
    }
    let dir = cache::dir()?.join(format!("vault-{VERSION}"));
    let program = dir.join("vault");
    if program.exists() {
        return Ok(Vault::Ready(program));
    }
    if Command::new("go").arg("version").output().is_err() {
        return Ok(Vault::Missing(
            "no Go toolchain on PATH, and KEYLESS_VAULT is not set".into(),
        ));
    }
    build(&dir)?;
    Ok(Vault::Ready(program))
}

/// `cargo xtask vault`: the program on standard output.
#[allow(clippy::print_stdout, reason = "the path is this task's result")]
pub fn print() -> Result<()> {
    match ensure()? {
        Vault::Ready(program) => println!("{}", program.display()),
        Vault::Missing(why) => bail!("no Vault: {why}"),
    }
    Ok(())
}

fn build(dir: &Path) -> Result<()> {
    eprintln!(
        "xtask: building Vault {VERSION} from its Go module into {} (about 6 minutes of CPU, once)",
        dir.display()
    );
    let unfinished = dir.with_extension("unfinished");
    if unfinished.exists() {
        fs::remove_dir_all(&unfinished)?;
    }
    let sources = unfinished.join("sources");
    copy(&download(&unfinished)?, &sources)?;
    for part in PARTS {
        let part = format!("{MODULE}/{part}");
        go(&sources, &["mod", "edit", "-dropreplace", &part])?;
    }
    for (file, kept) in LISTS {
        let path = sources.join(file);
        let text =
            fs::read_to_string(&path).with_context(|| format!("Vault {VERSION} has no {file}"))?;
        fs::write(&path, only(&text, kept))?;
    }
    let flags = [
        "build",
        "-mod=mod",
        "-trimpath",
        "-ldflags",
        "-s -w",
        "-o",
        "../vault",
        ".",
    ];
    go(&sources, &flags)?;
    fs::create_dir_all(dir)?;
    fs::rename(unfinished.join("vault"), dir.join("vault"))?;
    fs::remove_dir_all(&unfinished)?;
    Ok(())
}

/// The module's folder in Go's own cache.
fn download(folder: &Path) -> Result<PathBuf> {
    fs::create_dir_all(folder)?;
    let output = Command::new("go")
        .current_dir(folder)
        .args(["mod", "download", "-json"])
        .arg(format!("{MODULE}@v{VERSION}"))
        .output()
        .context("cannot run go mod download")?;
    let answer: serde_json::Value =
        serde_json::from_slice(&output.stdout).context("go mod download printed no JSON")?;
    let dir = answer.get("Dir").and_then(serde_json::Value::as_str);
    let dir = dir.with_context(|| format!("go mod download of Vault failed: {answer}"))?;
    Ok(PathBuf::from(dir))
}

/// Files as new ones: those of Go's cache cannot be written to.
fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let name = entry.file_name();
        if LEFT_OUT.iter().any(|out| name == **out) {
            continue;
        }
        let target = to.join(&name);
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::write(&target, fs::read(entry.path())?)?;
        }
    }
    Ok(())
}

fn go(folder: &Path, arguments: &[&str]) -> Result<()> {
    let status = Command::new("go")
        .current_dir(folder)
        .env("CGO_ENABLED", "0")
        .args(arguments)
        .status()
        .context("cannot run go")?;
    ensure!(status.success(), "go {} failed", arguments.join(" "));
    Ok(())
}

/// A list without what is not kept: every line that names such an import goes.
fn only(text: &str, kept: &[&str]) -> String {
    let names = text.lines().filter_map(import);
    let gone: Vec<&str> = names.filter(|name| !kept.contains(name)).collect();
    let stays = |line: &&str| {
        let words = line.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        !words.into_iter().any(|word| gone.contains(&word))
    };
    let lines: Vec<&str> = text.lines().filter(stays).collect();
    lines.join("\n") + "\n"
}

/// The name under which a line imports a backend.
fn import(line: &str) -> Option<&str> {
    let (name, path) = line.trim().split_once(' ')?;
    let backend = ["cred", "db", "logical", "phys"].iter().any(|kind| {
        let rest = name.strip_prefix(kind);
        rest.is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_uppercase()))
    });
    (backend && path.starts_with('"')).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::only;

    #[test]
    fn a_list_keeps_only_what_is_named() {
        let text = "import (\n\tcredJWT \"a/jwt\"\n\tcredCF \"a/cf\"\n)\nvar x = map[string]b{\n\t\"jwt\": {Factory: credJWT.Factory},\n\t\"pcf\": {\n\t\tFactory: credCF.Factory,\n\t\tStatus: Old,\n\t},\n}\n";
        let wanted = "import (\n\tcredJWT \"a/jwt\"\n)\nvar x = map[string]b{\n\t\"jwt\": {Factory: credJWT.Factory},\n\t\"pcf\": {\n\t\tStatus: Old,\n\t},\n}\n";
        assert_eq!(only(text, &["credJWT"]), wanted);
    }
}

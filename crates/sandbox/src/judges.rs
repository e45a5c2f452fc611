//! The clouds' own clients in Python, as judges of the emulators, for tests of this workspace.
//!
//! Owns: virtual environments under `$KEYLESS_CACHE` (or `~/.cache/keyless`) that the first run
//! makes. Without Python or a package index a test says so and passes. Refuses: anything at run
//! time; nothing but tests calls it.

use std::fs::File;
use std::path::PathBuf;
use std::process::Command;

const AZ: [&str; 1] = ["azure-cli==2.91.0"];

/// The interpreter with the Azure CLI: `-m azure.cli` is `az`. It takes 700 MiB and half a minute
/// to install, so `KEYLESS_JUDGES_AZ=0` leaves it out.
///
/// # Errors
/// Why there is none, in words.
pub fn az() -> Result<PathBuf, String> {
    if std::env::var_os("KEYLESS_JUDGES_AZ").is_some_and(|value| value == "0") {
        return Err("KEYLESS_JUDGES_AZ=0 leaves it out".to_owned());
    }
    python("python-az", &AZ)
}

/// The interpreter of the environment `name`, which has `packages`.
///
/// # Errors
/// Why there is none, in words.
pub fn python(name: &str, packages: &[&str]) -> Result<PathBuf, String> {
    let cache = std::env::var_os("KEYLESS_CACHE")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache/keyless")))
        .ok_or("neither KEYLESS_CACHE nor HOME is set")?;
    std::fs::create_dir_all(&cache).map_err(|e| e.to_string())?;
    let folder = cache.join(name);
    let interpreter = folder.join("bin/python");
    let ready = folder.join(format!("{}.ready", packages.join("+")));
    // Several test processes may come here at once; the lock ends with the file.
    let lock = File::create(cache.join(format!("{name}.lock"))).map_err(|e| e.to_string())?;
    lock.lock().map_err(|e| e.to_string())?;
    if !ready.exists() {
        if !interpreter.exists() {
            run(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
        }
        run(Command::new(&interpreter)
            .args([
                "-m",
                "pip",
                "install",
                "--quiet",
                "--disable-pip-version-check",
            ])
            .args(packages))?;
        std::fs::write(&ready, "").map_err(|e| e.to_string())?;
    }
    Ok(interpreter)
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|e| format!("{command:?}: {e}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!(
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    ))
}

/// Runs a judge off the runtime's threads. It must end well and say how many checks hold.
#[cfg(test)]
pub(crate) async fn verdict(name: &str, mut command: Command) {
    let output = tokio::task::spawn_blocking(move || command.output())
        .await
        .unwrap()
        .unwrap();
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{name}: {out}\n{err}");
    assert!(out.contains("checks hold"), "{name}: {out}");
    eprintln!("{name}: {}", out.trim());
}

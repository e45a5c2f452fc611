//! The clouds' own clients in Python, as judges of the emulators.
//!
//! They live in virtual environments under `$KEYLESS_CACHE` (or `~/.cache/keyless`) that the
//! first run makes. Without Python or a package index a test says so and passes.

use std::fs::File;
use std::path::PathBuf;
use std::process::{Command, Output};

/// The interpreter of the environment `name`, which has `packages`.
pub(crate) fn python(name: &str, packages: &[&str]) -> Result<PathBuf, String> {
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
pub(crate) async fn verdict(name: &str, mut command: Command) {
    let output: Output = tokio::task::spawn_blocking(move || command.output())
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

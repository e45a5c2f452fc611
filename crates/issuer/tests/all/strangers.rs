//! Relying parties that nobody here wrote: PyJWT, jose and openid-client read the published
//! documents over HTTPS, take good tokens of the old and of the new key, and refuse broken ones.
//!
//! They are installed by package name into `$KEYLESS_CACHE` (or `~/.cache/keyless`) by the first
//! run. Without Python, Node or a package index a test says so and passes.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use keyless_issuer::documents::KeySet;
use serde_json::json;

use crate::publishing::{Publication, folder};
use crate::real::broken_tokens;
use crate::site::{Authority, Leaf, Site, claims, directory, key};

fn cache() -> Result<PathBuf, String> {
    let cache = std::env::var_os("KEYLESS_CACHE").map(PathBuf::from);
    let home = || Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache/keyless"));
    let cache = cache
        .or_else(home)
        .ok_or("neither KEYLESS_CACHE nor HOME is set")?;
    std::fs::create_dir_all(&cache).map_err(|e| e.to_string())?;
    Ok(cache)
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

/// A folder in the cache that `install` has filled once, whoever else wants it at the same time.
fn installed(
    name: &str,
    packages: &[&str],
    install: impl FnOnce(&Path) -> Result<(), String>,
) -> Result<PathBuf, String> {
    let cache = cache()?;
    let folder = cache.join(name);
    let lock = File::create(cache.join(format!("{name}.lock"))).map_err(|e| e.to_string())?;
    lock.lock().map_err(|e| e.to_string())?;
    std::fs::create_dir_all(&folder).map_err(|e| e.to_string())?;
    let ready = folder.join(format!("{}.ready", packages.join("+").replace('/', "_")));
    if !ready.exists() {
        install(&folder)?;
        std::fs::write(&ready, "").map_err(|e| e.to_string())?;
    }
    Ok(folder)
}

fn python() -> Result<Command, String> {
    let packages = ["PyJWT==2.10.1", "cryptography"];
    let folder = installed("issuer-python", &packages, |folder| {
        run(Command::new("python3").args(["-m", "venv"]).arg(folder))?;
        run(Command::new(folder.join("bin/python"))
            .args([
                "-m",
                "pip",
                "install",
                "--quiet",
                "--disable-pip-version-check",
            ])
            .args(packages))
    })?;
    let mut command = Command::new(folder.join("bin/python"));
    command.args(["-c", include_str!("strangers/judge.py")]);
    Ok(command)
}

fn node(name: &str, script: &str) -> Result<Command, String> {
    let packages = ["jose@5.9.6", "openid-client@6.1.7"];
    let folder = installed("issuer-node", &packages, |folder| {
        run(Command::new("npm")
            .current_dir(folder)
            .args([
                "install",
                "--silent",
                "--no-audit",
                "--no-fund",
                "--prefix",
                ".",
            ])
            .args(packages))
    })?;
    // Modules are looked for beside the script, which is the same for every process.
    let file = folder.join(format!("{name}.mjs"));
    let temporary = folder.join(format!("{name}-{}.new", std::process::id()));
    std::fs::write(&temporary, script).map_err(|e| e.to_string())?;
    std::fs::rename(&temporary, &file).map_err(|e| e.to_string())?;
    let mut command = Command::new("node");
    command.current_dir(&folder).arg(file);
    Ok(command)
}

/// Publishes two keys, and gives the judge good tokens of both and broken ones.
async fn judge(name: &str, command: Result<Command, String>) {
    let mut command = match command {
        Ok(command) => command,
        Err(why) => {
            eprintln!("!!! NOT RUN: {name} as a judge of the published issuer: {why}");
            return;
        }
    };
    let (folder, target) = folder();
    let public = Authority::new("public");
    let leaf = Leaf {
        names: vec!["localhost".into()],
        ..Leaf::default()
    };
    let site = Site::start(public.config(&leaf, &[]), directory(folder.path(), "/c")).await;
    let issuer = format!("https://localhost:{}/c", site.address.port());
    let publication = Publication::of(&[key(0), key(1)]);
    publication.publish_as(&target, &issuer).await.unwrap();
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, &public.pem).unwrap();
    let good: Vec<String> = [0, 1]
        .map(|n| key(n).sign(&claims(&issuer)).unwrap())
        .into();
    let mut bad = broken_tokens(key(0), key(2), &issuer);
    // A token that names the other key.
    let keys = KeySet::of([key(0).jwk().clone(), key(1).jwk().clone()]);
    assert_eq!(keys.names().len(), 2);
    bad.push(renamed(&good[0], &key(1).jwk().kid));
    let task = json!({"issuer": issuer, "audience": "cloud", "good": good, "bad": bad, "ca": ca});
    let file = folder.path().join("task.json");
    std::fs::write(&file, task.to_string()).unwrap();
    command
        .env("KEYLESS_JUDGE_TASK", &file)
        .env("NODE_EXTRA_CA_CERTS", &ca)
        .env_remove("NODE_TLS_REJECT_UNAUTHORIZED")
        .env("SSL_CERT_FILE", &ca);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap())
        .await
        .unwrap();
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{name}: {out}\n{err}");
    assert!(out.contains("13 checks hold"), "{name}: {out}\n{err}");
}

fn renamed(token: &str, kid: &str) -> String {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let header = URL_SAFE_NO_PAD.encode(json!({"alg": "RS256", "kid": kid}).to_string());
    format!("{header}.{}", token.split_once('.').unwrap().1)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pyjwt() {
    judge("PyJWT", tokio::task::spawn_blocking(python).await.unwrap()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jose() {
    let script = || node("jose", include_str!("strangers/jose.mjs"));
    judge("jose", tokio::task::spawn_blocking(script).await.unwrap()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn openid_client() {
    let script = || node("openid-client", include_str!("strangers/openid-client.mjs"));
    judge(
        "openid-client",
        tokio::task::spawn_blocking(script).await.unwrap(),
    )
    .await;
}

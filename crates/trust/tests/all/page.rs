//! The doctor's page in a real browser: what is broken and what to do are in sight at once, whatever
//! others wrote.
//!
//! The browser comes from npm packages, installed by name into `$KEYLESS_CACHE` (or
//! `~/.cache/keyless`) by the first run; without them `chromium` on the path is used. Without either
//! the test says so and passes.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use keyless_trust::doctor::{Diagnosis, diagnose, html};
use serde_json::{Value, json};

use crate::corpus::{base, case, corpus, facts, merge};

/// The browser and who drives it.
const PACKAGES: [&str; 2] = ["@sparticuz/chromium@153.0.0", "puppeteer-core@25.16.0"];

fn cache() -> Result<PathBuf, String> {
    let cache = std::env::var_os("KEYLESS_CACHE").map(PathBuf::from);
    let home = || Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache/keyless"));
    cache
        .or_else(home)
        .ok_or_else(|| "neither KEYLESS_CACHE nor HOME is set".into())
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|e| format!("{command:?}: {e}"))?;
    if output.status.success() {
        return Ok(());
    }
    let why = String::from_utf8_lossy(&output.stderr);
    Err(format!("{command:?}: {why}"))
}

/// The folder with both packages, filled once, whoever else wants it at the same time.
fn installed() -> Result<PathBuf, String> {
    let cache = cache()?;
    let folder = cache.join("doctor-browser");
    std::fs::create_dir_all(&folder).map_err(|e| e.to_string())?;
    let lock = File::create(cache.join("doctor-browser.lock")).map_err(|e| e.to_string())?;
    lock.lock().map_err(|e| e.to_string())?;
    let ready = folder.join(format!("{}.ready", PACKAGES.join("+").replace('/', "_")));
    if !ready.exists() {
        run(Command::new("npm")
            .current_dir(&folder)
            .args([
                "install",
                "--silent",
                "--no-audit",
                "--no-fund",
                "--prefix",
                ".",
            ])
            .args(PACKAGES))?;
        std::fs::write(&ready, "").map_err(|e| e.to_string())?;
    }
    Ok(folder)
}

fn page(name: &str, folder: &Path, diagnoses: &[Diagnosis], wanted: &Value) -> Value {
    let file = folder.join(format!("{name}.html"));
    std::fs::write(&file, html(diagnoses)).unwrap();
    json!({"name": name, "file": file, "wanted": wanted})
}

/// A broken chain whose names and messages try everything.
fn hostile() -> Diagnosis {
    let evil = format!(
        "<script>window.ran = 1</script><img src=x onerror='window.ran = 1'>\"'&\u{202e}{}",
        "w".repeat(3000)
    );
    let mut value = base("aws");
    let change = json!({
        "about": format!("ExternalSecret shop/{evil}"),
        "objects": {"external": {
            "metadata": {"name": evil},
            "status": {"conditions": [{"type": "Ready", "status": "False", "message":
                format!("AccessDenied: Not authorized to perform sts:AssumeRoleWithWebIdentity {evil}; required {evil}")}]},
        }},
        "unseen": [{"what": evil, "why": evil}],
        "described": null,
    });
    merge(&mut value, &change);
    diagnose(&facts(value))
}

fn pages(folder: &Path) -> Vec<Value> {
    let broken = diagnose(&case(&corpus().join("aws-provider-client-ids.yaml")).1);
    let pod = diagnose(&case(&corpus().join("pod-missed.yaml")).1);
    let mut sound = base("aws");
    let ready = json!({"objects": {"external": {"status": {"conditions": [{"type": "Ready", "status": "True"}]}}}});
    merge(&mut sound, &ready);
    let sound = diagnose(&facts(sound));
    let mut partial = base("pod-aws");
    merge(
        &mut partial,
        &json!({"described": null, "unseen": [{"what": "a token of shop/web", "why": "no answer in time"}]}),
    );
    let partial = diagnose(&facts(partial));
    assert!(broken.broken.is_some() && pod.broken.is_some() && sound.is_sound());
    let hostile = hostile();
    let of = |diagnosis: &Diagnosis| {
        let broken = diagnosis.broken.as_ref().unwrap();
        let fix: String = broken.fix.replace('`', "").chars().take(40).collect();
        json!([
            {"selector": ".card .verdict", "text": format!("Broken at {}", broken.link)},
            {"selector": ".card .code", "text": broken.code},
            {"selector": ".card .fix", "text": fix},
            {"selector": ".strip .broken", "text": ""},
        ])
    };
    vec![
        page(
            "broken",
            folder,
            std::slice::from_ref(&broken),
            &of(&broken),
        ),
        page("pod", folder, std::slice::from_ref(&pod), &of(&pod)),
        page(
            "sound",
            folder,
            std::slice::from_ref(&sound),
            &json!([{"selector": ".verdict", "text": "Every link holds."}]),
        ),
        page(
            "partial",
            folder,
            std::slice::from_ref(&partial),
            &json!([{"selector": ".partial", "text": "could not be looked at"}]),
        ),
        page(
            "hostile",
            folder,
            std::slice::from_ref(&hostile),
            &of(&hostile),
        ),
        page(
            "many",
            folder,
            &[sound, partial, broken, pod],
            &json!([{"selector": ".summary", "text": "2 broken"}, {"selector": ".card .fix", "text": ""}]),
        ),
    ]
}

#[test]
fn pages_are_read_at_a_glance_in_a_real_browser() {
    let folder = tempfile::Builder::new()
        .prefix("keyless-doctor-page-")
        .tempdir()
        .unwrap()
        .keep();
    let browser = ["chromium", "chromium-browser", "google-chrome"]
        .into_iter()
        .find(|name| {
            let known = Command::new(name).arg("--version").output();
            known.is_ok_and(|o| o.status.success())
        });
    let home = match installed() {
        Ok(home) => home,
        Err(why) => {
            eprintln!("!!! NOT RUN: a browser as a judge of the doctor's page: {why}");
            return;
        }
    };
    let file = home.join("look.mjs");
    let temporary = home.join(format!("look-{}.new", std::process::id()));
    std::fs::write(&temporary, include_str!("page/look.mjs")).unwrap();
    std::fs::rename(&temporary, &file).unwrap();
    let task = json!({"folder": folder, "pages": pages(&folder)});
    let attempt = |browser: Option<&str>| {
        let mut task = task.clone();
        if let (Some(name), Some(map)) = (browser, task.as_object_mut()) {
            let found = Command::new("sh")
                .args(["-c", &format!("command -v {name}")])
                .output();
            let path = String::from_utf8_lossy(&found.unwrap().stdout)
                .trim()
                .to_owned();
            map.insert("browser".into(), json!(path));
        }
        let path = folder.join("task.json");
        std::fs::write(&path, task.to_string()).unwrap();
        let mut node = Command::new("node");
        node.current_dir(&home)
            .arg(&file)
            .env("KEYLESS_PAGE_TASK", &path);
        node.output()
    };
    let said = |output: &std::process::Output| {
        let (out, err) = (&output.stdout, &output.stderr);
        format!(
            "{}{}",
            String::from_utf8_lossy(out),
            String::from_utf8_lossy(err)
        )
    };
    let mut output = attempt(None).unwrap();
    let starts = |text: &str| !text.contains("Failed to launch the browser process");
    if !starts(&said(&output)) && browser.is_some() {
        output = attempt(browser).unwrap();
    }
    let text = said(&output);
    if !starts(&text) {
        eprintln!("!!! NOT RUN: a browser as a judge of the doctor's page: {text}");
        return;
    }
    eprintln!("{text}screenshots are in {}", folder.display());
    assert!(output.status.success(), "{text}");
    assert!(text.contains("24 looks are fine"), "{text}");
}

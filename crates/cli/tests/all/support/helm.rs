//! Helm, with its files in a folder of its own.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use super::workspace;

/// A Helm that knows nothing of whoever runs the tests.
pub struct Helm {
    program: PathBuf,
    home: TempDir,
    kubeconfig: Option<PathBuf>,
}

impl Helm {
    /// The Helm of `KEYLESS_HELM`, if there is one.
    pub fn get() -> Option<Self> {
        let Some(program) = std::env::var_os("KEYLESS_HELM") else {
            eprintln!(
                "!!! NOT RUN: the chart with real Helm: KEYLESS_HELM is not set, run `cargo xtask test`"
            );
            return None;
        };
        Some(Self {
            program: program.into(),
            home: tempfile::tempdir().unwrap(),
            kubeconfig: None,
        })
    }

    /// Talks to this cluster.
    pub fn on(mut self, kubeconfig: &Path) -> Self {
        self.kubeconfig = Some(kubeconfig.to_owned());
        self
    }

    /// Standard output, or standard error of a command that failed.
    pub fn run(&self, arguments: &[&str]) -> Result<String, String> {
        let mut command = Command::new(&self.program);
        for name in [
            "HELM_CACHE_HOME",
            "HELM_CONFIG_HOME",
            "HELM_DATA_HOME",
            "HOME",
        ] {
            command.env(name, self.home.path());
        }
        let none = self.home.path().join("no-cluster");
        command.env("KUBECONFIG", self.kubeconfig.as_ref().unwrap_or(&none));
        let output = command.args(arguments).output().unwrap();
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        if output.status.success() {
            Ok(text(&output.stdout))
        } else {
            Err(text(&output.stderr))
        }
    }

    /// The objects that the chart makes, as a release `external-secrets` in a namespace of that
    /// name.
    pub fn template(&self, arguments: &[&str]) -> Result<Vec<Value>, String> {
        let chart = workspace("charts/keyless");
        let all = [
            "template",
            "external-secrets",
            chart.to_str().unwrap(),
            "--namespace=external-secrets",
        ];
        let all: Vec<&str> = all.iter().chain(arguments).copied().collect();
        self.run(&all).map(|text| documents(&text))
    }
}

/// The documents of a YAML stream.
pub fn documents(text: &str) -> Vec<Value> {
    let documents: Vec<Value> = serde_saphyr::from_multiple(text).unwrap();
    documents.into_iter().filter(|d| !d.is_null()).collect()
}

/// The one object of this kind and name.
pub fn find<'a>(objects: &'a [Value], kind: &str, name: &str) -> &'a Value {
    let mut found = objects
        .iter()
        .filter(|o| o["kind"] == kind && o["metadata"]["name"] == name);
    let first = found
        .next()
        .unwrap_or_else(|| panic!("there is no {kind} {name}"));
    assert!(found.next().is_none(), "there are several {kind} {name}");
    first
}

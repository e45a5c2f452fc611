//! The commands of the documentation, run as they stand: every block of `sh`, one after the other,
//! from the root of the workspace.

use std::path::Path;
use std::process::Command;

use crate::install::Installed;
use crate::support::workspace;

/// The blocks of `sh` in a page.
fn blocks(page: &str) -> Vec<String> {
    let text = std::fs::read_to_string(workspace(page)).unwrap();
    let mut found = Vec::new();
    let mut open: Option<String> = None;
    for line in text.lines() {
        match &mut open {
            None if line == "```sh" => open = Some(String::new()),
            Some(_) if line == "```" => found.extend(open.take()),
            Some(block) => {
                block.push_str(line);
                block.push('\n');
            }
            None => {}
        }
    }
    assert!(found.len() > 2, "{page} has no commands");
    found
}

/// Runs them with helm, kubectl and keyless on the path.
fn run(installed: &Installed, page: &str) {
    let bin = installed.cluster.folder.path().join("bin");
    std::fs::create_dir_all(&bin).unwrap();
    let testbed = std::env::var_os("KEYLESS_TESTBED").unwrap();
    let helm = std::env::var_os("KEYLESS_HELM").unwrap();
    for (name, program) in [
        ("kubectl", Path::new(&testbed).join("kubectl")),
        ("helm", Path::new(&helm).to_owned()),
        (
            "keyless",
            Path::new(env!("CARGO_BIN_EXE_keyless")).to_owned(),
        ),
    ] {
        std::os::unix::fs::symlink(program, bin.join(name)).unwrap();
    }
    let path = std::env::var("PATH").unwrap();
    for block in blocks(page) {
        let output = Command::new("sh")
            .args(["-euc", &block])
            .current_dir(workspace(""))
            .env("PATH", format!("{}:{path}", bin.display()))
            .env("KUBECONFIG", &installed.cluster.plane.kubeconfig)
            .env("HOME", installed.cluster.folder.path())
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{page}:\n{block}\n{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

#[test]
fn the_page_on_installing_can_be_followed() {
    let Some(installed) = Installed::begin() else {
        return;
    };
    run(&installed, "docs/install.md");
}

#[test]
fn the_page_on_migrating_can_be_followed() {
    let Some(installed) = Installed::begin() else {
        return;
    };
    let eso = workspace("crates/cli/tests/all/takeover/eso");
    let install = [
        "install",
        "external-secrets",
        eso.to_str().unwrap(),
        "--namespace=external-secrets",
        "--create-namespace",
        "--set=webhooks=true",
    ];
    installed.helm.run(&install).unwrap();
    run(&installed, "docs/migrate.md");
}

/// The alerts ask for metrics that exist.
#[test]
fn the_alerts_ask_for_metrics_that_exist() {
    let page = std::fs::read_to_string(workspace("docs/operations.md")).unwrap();
    let reference = std::fs::read_to_string(workspace("docs/reference/metrics.md")).unwrap();
    let expressions = page.lines().filter_map(|l| l.trim().strip_prefix("expr: "));
    let mut asked = 0;
    for expression in expressions {
        let words = expression.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        for word in words.filter(|w| w.starts_with("keyless_") || w.ends_with("_condition")) {
            assert!(reference.contains(&format!("| `{word}` |")), "{word}");
            asked += 1;
        }
    }
    assert!(asked >= 6, "{asked}");
}

//! What the chart says of itself, beside what it does: its lists, its dashboard, `deploy/`.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{AWS, COMMON, with};
use crate::support::helm::{Helm, documents, find};
use crate::support::workspace;

fn read(path: &str) -> String {
    std::fs::read_to_string(workspace(path)).unwrap()
}

/// The list that the notes go by.
#[test]
fn every_value_is_listed_as_known() {
    let values: Value = serde_saphyr::from_str(&read("charts/keyless/values.yaml")).unwrap();
    let known: Value =
        serde_saphyr::from_str(&read("charts/keyless/files/known-values.yaml")).unwrap();
    let listed: BTreeSet<&str> = known["own"]
        .as_array()
        .unwrap()
        .iter()
        .map(|v| v.as_str().unwrap())
        .collect();
    let present: BTreeSet<&str> = values
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    assert_eq!(listed, present);
    let schema: Value = serde_json::from_str(&read("charts/keyless/values.schema.json")).unwrap();
    let ignored = known["ignored"]
        .as_array()
        .unwrap()
        .iter()
        .map(|v| v.as_str().unwrap());
    for name in present.into_iter().chain(ignored) {
        assert!(
            !schema["properties"][name].is_null(),
            "{name} is not in the schema"
        );
    }
}

/// `deploy/` is for whoever has no Helm: the same rights and the same container.
#[test]
fn the_plain_manifests_are_the_charts() {
    let Some(helm) = Helm::get() else { return };
    let chart = helm
        .template(&["--set", "leaderElect=true,image.tag=latest"])
        .unwrap();
    let rbac = documents(&read("deploy/rbac.yaml"));
    for (kind, name) in [
        ("ClusterRole", "external-secrets-controller"),
        ("Role", "external-secrets-leaderelection"),
    ] {
        assert_eq!(
            find(&chart, kind, name)["rules"],
            find(&rbac, kind, name)["rules"],
            "{name}"
        );
    }
    let operator = documents(&read("deploy/operator.yaml"));
    let container = |objects: &[Value]| {
        find(objects, "Deployment", "external-secrets")["spec"]["template"]["spec"]["containers"][0]
            .clone()
    };
    let (of_chart, plain) = (container(&chart), container(&operator));
    for part in [
        "name",
        "image",
        "ports",
        "livenessProbe",
        "readinessProbe",
        "env",
        "resources",
        "securityContext",
    ] {
        assert_eq!(of_chart[part], plain[part], "{part}");
    }
    let args = |container: &Value| {
        let args = container["args"].as_array().unwrap().iter();
        let args = args.map(|a| a.as_str().unwrap().to_owned());
        args.filter(|a| !a.contains("leader-election"))
            .collect::<Vec<_>>()
    };
    assert_eq!(args(&of_chart), args(&plain));
}

/// A dashboard that asks for a metric that nobody writes shows nothing, for ever.
#[test]
fn the_dashboard_asks_for_metrics_that_exist() {
    let page = read("docs/reference/metrics.md");
    let dashboard: Value =
        serde_json::from_str(&read("charts/keyless/files/dashboard.json")).unwrap();
    let mut asked = 0;
    for panel in dashboard["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().into_iter().flatten() {
            let expression = target["expr"].as_str().unwrap();
            let words = expression.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            for word in words.filter(|w| {
                w.starts_with("keyless_")
                    || w.contains("secret_")
                    || w.contains("secretstore_")
                    || w.starts_with("controller_runtime_")
            }) {
                let name = word.trim_end_matches("_bucket");
                assert!(
                    page.contains(&format!("| `{name}` |")),
                    "{name} in {expression}"
                );
                asked += 1;
            }
        }
    }
    assert!(asked > 15, "{asked}");
}

#[test]
fn the_notes_name_what_is_ignored_and_what_is_not_known() {
    let Some(helm) = Helm::get() else { return };
    let chart = workspace("charts/keyless");
    let notes = |values: &str| {
        let (chart, values) = (chart.to_str().unwrap(), with(values));
        let arguments = ["install", "r", chart, "--dry-run=client", &values];
        helm.run(&arguments).unwrap()
    };
    let text = notes(COMMON);
    assert!(
        text.contains("does not know these values: somethingElse."),
        "{text}"
    );
    for ignored in [
        "webhook",
        "certController",
        "vault",
        "crds.createPushSecret",
        "log.timeEncoding",
    ] {
        let line = text.lines().find(|l| l.contains("were ignored:")).unwrap();
        assert!(line.contains(ignored), "{ignored} in {line}");
    }
    let text = notes(AWS);
    assert!(
        !text.contains("were ignored") && !text.contains("does not know"),
        "{text}"
    );
    assert!(text.contains("the pods run as `default`"), "{text}");
}

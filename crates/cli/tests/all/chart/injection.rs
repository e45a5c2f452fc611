//! The admission server in the chart: off by default, and otherwise the program's own manifests.

use serde_json::{Value, json};

use crate::support::helm::{Helm, documents, find};
use crate::support::workspace;

fn injecting(clouds: &str) -> String {
    format!("injection.enabled=true,injection.clouds={{{clouds}}}")
}

#[test]
fn nothing_is_injected_unless_asked_for() {
    let Some(helm) = Helm::get() else { return };
    let objects = helm.template(&[]).unwrap();
    let deployments = objects.iter().filter(|o| o["kind"] == "Deployment");
    assert_eq!(deployments.count(), 1);
    let hooks = |o: &&Value| o["kind"].as_str().unwrap().contains("Webhook");
    assert_eq!(objects.iter().filter(hooks).count(), 0);
}

/// The chart's objects and those of `deploy/webhook.yaml`, which is for AWS.
#[test]
fn the_objects_are_the_programs_own() {
    let Some(helm) = Helm::get() else { return };
    let set = format!("{},image.tag=latest", injecting("aws"));
    let chart = helm.template(&["--set", &set]).unwrap();
    let plain = std::fs::read_to_string(workspace("deploy/webhook.yaml")).unwrap();
    for wanted in documents(&plain) {
        let kind = wanted["kind"].as_str().unwrap();
        let name = wanted["metadata"]["name"].as_str().unwrap();
        let found = find(&chart, kind, name);
        let mut spec = found["spec"].clone();
        if kind == "Deployment" {
            let container = &mut spec["template"]["spec"]["containers"][0];
            assert_eq!(
                container["args"],
                json!(["webhook", "--inject=aws", "--loglevel=info"])
            );
            container["args"] = json!(["webhook", "--inject=aws"]);
            container.as_object_mut().unwrap().remove("imagePullPolicy");
        }
        assert_eq!(spec, wanted["spec"], "{kind} {name}");
        for part in ["rules", "roleRef", "subjects", "webhooks"] {
            assert_eq!(found[part], wanted[part], "{kind} {name} {part}");
        }
    }
}

#[test]
fn only_the_clouds_that_are_asked_for_are_called() {
    let Some(helm) = Helm::get() else { return };
    let set = format!("{},injection.azureTenantId=t", injecting("azure,google"));
    let objects = helm.template(&["--set", &set]).unwrap();
    let hooks = &find(
        &objects,
        "MutatingWebhookConfiguration",
        "keyless-injection",
    )["webhooks"];
    let hooks: Vec<&str> = hooks
        .as_array()
        .unwrap()
        .iter()
        .map(|h| h["name"].as_str().unwrap())
        .collect();
    assert_eq!(
        hooks,
        [
            "azure.injection.keyless.dev",
            "google.injection.keyless.dev"
        ]
    );
    for (set, reason) in [
        (injecting("azure"), "azureTenantId"),
        (injecting("alibaba"), "alibaba"),
    ] {
        let error = helm.template(&["--set", &set]).unwrap_err();
        assert!(error.contains(reason), "{set}: {error}");
    }
}

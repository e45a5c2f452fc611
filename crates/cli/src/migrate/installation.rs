//! What is different about the installation itself: its Deployments, definitions and webhooks.

use clap::Parser as _;
use serde_json::Value;

use super::finding::Weight;
use super::objects::{About, GROUP};
use crate::args::{Cli, Command};
use crate::controller;

/// A Deployment of External Secrets Operator.
pub fn deployment(about: &mut About<'_>) {
    let containers = about.object.pointer("/spec/template/spec/containers");
    for container in containers.and_then(Value::as_array).into_iter().flatten() {
        let list = |key: &str| {
            let list = container.get(key).and_then(Value::as_array);
            list.into_iter().flatten().filter_map(Value::as_str)
        };
        let image = container.get("image").and_then(Value::as_str);
        if !image.is_some_and(|image| image.contains("external-secrets")) {
            continue;
        }
        let given: Vec<&str> = list("args").collect();
        match given.first().copied() {
            Some("webhook") => about.add(
                Weight::Differs,
                "",
                "goes without a successor: the CRDs carry the rules of this webhook",
            ),
            Some("certcontroller") => about.add(
                Weight::Differs,
                "",
                "goes without a successor: there is no webhook that needs a certificate",
            ),
            _ => flags(about, &given),
        }
    }
}

/// Flags of the controller that are not known, or have no effect.
fn flags(about: &mut About<'_>, given: &[&str]) {
    const PATH: &str = "spec.template.spec.containers.args";
    for (position, word) in given.iter().enumerate() {
        let Some(name) = word.strip_prefix("--") else {
            continue;
        };
        let name = name.split_once('=').map_or(name, |(name, _)| name);
        if let Some(why) = controller::why(name) {
            about.add(
                Weight::Differs,
                PATH,
                format!("--{name} has no effect: {why}"),
            );
            continue;
        }
        // A value may stand apart.
        let value = given
            .get(position + 1)
            .filter(|next| !next.starts_with("--"));
        let alone = ["keyless", "controller", word];
        let parsed = Cli::try_parse_from(alone.iter().chain(value));
        let parsed = parsed.or_else(|_| Cli::try_parse_from(alone));
        match parsed.map(|cli| cli.command) {
            Ok(Command::Controller(_)) => {}
            Ok(_) | Err(_) => about.add(
                Weight::Stops,
                PATH,
                format!("--{name} is not known or has a value that cannot be read: the operator would not start with it. Take it out of extraArgs"),
            ),
        }
    }
}

/// A definition of one of the API's kinds.
pub fn crd(about: &mut About<'_>) {
    if !about.text("/spec/group").ends_with(GROUP) && !about.text("/metadata/name").ends_with(GROUP)
    {
        return;
    }
    let release = about.text("/metadata/annotations/meta.helm.sh~1release-name");
    let policy = about.text("/metadata/annotations/helm.sh~1resource-policy");
    if !release.is_empty() && policy != "keep" {
        about.add(
            Weight::Step,
            "metadata.annotations",
            format!(
                "an upgrade or uninstall of the release {release} may delete this definition, and every object of the kind with it: kubectl annotate crd {} helm.sh/resource-policy=keep",
                about.text("/metadata/name")
            ),
        );
    }
    let stored = about.object.pointer("/status/storedVersions");
    let mut stored = stored.and_then(Value::as_array).into_iter().flatten();
    if about.text("/spec/group") == GROUP
        && !about.text("/metadata/name").contains("pushsecrets")
        && stored.any(|version| version == "v1alpha1")
    {
        about.add(
            Weight::Stops,
            "status.storedVersions",
            "objects may still be stored as v1alpha1, which is not served. Write each object once (kubectl get … -o json | kubectl replace -f -), then take v1alpha1 out of storedVersions",
        );
    }
    if about.text("/spec/conversion/strategy") == "Webhook" {
        about.add(
            Weight::Step,
            "spec.conversion",
            "conversion asks a webhook that goes with ESO. The chart's definitions have none: install them (installCRDs)",
        );
    }
}

/// A configuration that calls External Secrets Operator's webhook.
pub fn webhook(about: &mut About<'_>) {
    if about.text("/metadata/labels/external-secrets.io~1component") != "webhook" {
        return;
    }
    about.add(
        Weight::Differs,
        "",
        "goes with ESO's release. Should it stay behind, delete it: it refuses every change while its Service is gone",
    );
}

//! Whether the containers can use the token that they have: variables, files, what goes before it.

use keyless_fault::Link;
use serde_json::Value;

use super::read::{Container, Source, text};
use super::{Around, CLIENT, EMAIL, GKE, PROVIDER, Provider, TENANT};
use crate::aws::Arn;
use crate::doctor::{Findings, Verdict};

/// Where tokens of Azure were before version 1.6 of its webhook.
const OLD_PATH: &str = "/var/run/secrets/azure/tokens";
/// The agent that gives out pod identities.
const AGENT: &str = "169.254.170.23";

pub(super) fn judge(around: &Around<'_>, found: &mut Findings) {
    for provider in Provider::ALL {
        if around.has(provider) {
            files(around, provider, found);
        }
    }
    if around.has(Provider::Aws) || around.has_pod_identity() {
        aws(around, found);
    }
    azure(around, found);
    google(around, found);
}

fn files(around: &Around<'_>, provider: Provider, found: &mut Findings) {
    let variable = match provider {
        Provider::Aws => "AWS_WEB_IDENTITY_TOKEN_FILE",
        Provider::Azure => "AZURE_FEDERATED_TOKEN_FILE",
        Provider::Google => "GOOGLE_APPLICATION_CREDENTIALS",
    };
    let mut proven: Vec<Verdict> = Vec::new();
    for container in around.pod.started() {
        // Paths of Windows are not compared with those of mounts.
        let file = container.env(variable).filter(|f| f.starts_with('/'));
        if let Some(file) = file {
            proven.extend(file_judged(around, provider, container, variable, file));
        }
    }
    // The same thing once, whatever the number of containers.
    proven.dedup_by(|a, b| a.code == b.code);
    found.proven.extend(proven);
}

fn file_judged(
    around: &Around<'_>,
    provider: Provider,
    container: &Container<'_>,
    variable: &str,
    file: &str,
) -> Option<Verdict> {
    let verdict = |code, observed: String| Verdict::new(code, around.about.clone(), observed);
    let at = format!("container {}: {variable} {file}", container.name);
    let Some(source) = around.pod.source(container, file) else {
        let observed = format!("{at}, and no volume is mounted there");
        let code = match provider {
            Provider::Azure if file.starts_with(OLD_PATH) => "Z24",
            Provider::Google => "G16",
            Provider::Aws | Provider::Azure => "W6",
        };
        return Some(verdict(code, observed).required("a projected token mounted above this file"));
    };
    match source {
        Source::Secret if provider == Provider::Google => None,
        Source::Secret => Some(
            verdict("K16", format!("{at}, which is a Secret"))
                .required("a token minted for the provider's audience"),
        ),
        Source::Token(token) if token.audience.is_empty() => Some(
            verdict(
                "K16",
                format!("{at}, a token without audience, for the API server"),
            )
            .required("audience of the provider in the projected volume"),
        ),
        Source::Token(token) if token.seconds.is_some_and(|seconds| seconds < 600) => Some(
            verdict(
                "K14",
                format!("expirationSeconds {}", token.seconds.unwrap_or_default()),
            )
            .required("600 or more"),
        ),
        Source::Token(token) if around.pod.cannot_read(container, token.mode) => Some(
            verdict(
                "K17",
                format!(
                    "{at}, of root with mode {:04o}, and another user",
                    token.mode
                ),
            )
            .required("fsGroup in the pod's security context, or one runAsUser for all containers"),
        ),
        _ => None,
    }
}

fn aws(around: &Around<'_>, found: &mut Findings) {
    let pod = around.pod;
    let verdict = |code, observed: String| Verdict::new(code, around.about.clone(), observed);
    let role = pod.env("AWS_ROLE_ARN").filter(|role| !role.is_empty());
    if let Some(error) = role.and_then(|role| Arn::parse_role(role).err()) {
        found.proven.push(
            verdict("A4", error.to_string())
                .at(Link::Manifest)
                .required("arn:PARTITION:iam::ACCOUNT:role/NAME"),
        );
    }
    for container in pod.started() {
        let irsa = container.has_env("AWS_WEB_IDENTITY_TOKEN_FILE");
        let agent = container.has_env("AWS_CONTAINER_CREDENTIALS_FULL_URI");
        if !irsa && !agent {
            continue;
        }
        let name = container.name;
        let stored = ["AWS_ACCESS_KEY_ID", "AWS_PROFILE"];
        if let Some(stored) = stored.iter().find(|n| container.has_env(n)) {
            found.proven.push(
                verdict("A14", format!("container {name} has {stored}"))
                    .required(format!("no {stored}")),
            );
        }
        if irsa && agent {
            found
                .further
                .push(verdict("A15", format!("container {name} has both")));
        }
        if !container.has_env("AWS_REGION") && !container.has_env("AWS_DEFAULT_REGION") {
            found.further.push(
                verdict("A12", format!("container {name} has no region"))
                    .at(Link::Manifest)
                    .required("AWS_REGION, unless the program names one"),
            );
        }
        if agent && !irsa && proxied(container) {
            found.proven.push(
                verdict("A16", format!("container {name} calls through a proxy"))
                    .required(format!("{AGENT} in NO_PROXY")),
            );
        }
    }
    if around.has_pod_identity() && !around.has(Provider::Aws) {
        if pod.is_windows() {
            let observed = "a pod identity on Windows, where there is no agent";
            found.proven.push(verdict("W9", observed.into()));
        }
        associations(around, found);
    }
}

/// Whether a container reaches the agent only through a proxy.
fn proxied(container: &Container<'_>) -> bool {
    let either = |name: &str| {
        let lower = name.to_ascii_lowercase();
        container.env(name).or_else(|| container.env(&lower))
    };
    let past = either("NO_PROXY").unwrap_or_default();
    either("HTTP_PROXY").is_some() && !past.split(',').any(|host| host.trim() == AGENT)
}

/// `aws eks list-pod-identity-associations`.
fn associations(around: &Around<'_>, found: &mut Findings) {
    for described in &around.facts.described {
        let Some(list) = described
            .document
            .get("associations")
            .and_then(Value::as_array)
        else {
            continue;
        };
        let fits = |one: &Value| {
            text(one, "/namespace") == around.pod.namespace()
                && text(one, "/serviceAccount") == around.pod.account()
        };
        if !list.iter().any(fits) {
            found.proven.push(
                Verdict::new(
                    "A17",
                    described.name.clone(),
                    format!("{} associations, none for it", list.len()),
                )
                .required(format!("one for {}", around.account_name())),
            );
        }
    }
}

fn azure(around: &Around<'_>, found: &mut Findings) {
    if around.has(Provider::Azure) {
        for (variable, key) in [("AZURE_CLIENT_ID", CLIENT), ("AZURE_TENANT_ID", TENANT)] {
            let without = around
                .pod
                .started()
                .find(|c| c.has_env("AZURE_FEDERATED_TOKEN_FILE") && !c.has_env(variable));
            if let Some(container) = without {
                found.proven.push(
                    Verdict::new(
                        "Z16",
                        around.about.clone(),
                        format!("container {} has no {variable}", container.name),
                    )
                    .required(format!("annotation {key} of {}", around.account_name())),
                );
                break;
            }
        }
    }
    if !around.has(Provider::Azure) && !around.asks(Provider::Azure) {
        return;
    }
    let key = "azure.workload.identity/service-account-token-expiration";
    let life = around
        .pod
        .annotation(key)
        .or_else(|| around.annotation(key));
    let fits = |life: &str| {
        life.parse::<i64>()
            .is_ok_and(|s| (3600..=86_400).contains(&s))
    };
    if let Some(life) = life.filter(|life| !life.is_empty() && !fits(life)) {
        let named = found.proven.iter().any(|v| v.code == "Z15");
        if !named {
            found.proven.push(
                Verdict::new(
                    "Z15",
                    around.about.clone(),
                    format!("annotation {key}: {life:?}"),
                )
                .required("3600 to 86400"),
            );
        }
    }
}

fn google(around: &Around<'_>, found: &mut Findings) {
    let (provider, email) = (around.annotation(PROVIDER), around.annotation(EMAIL));
    if provider.is_some() != email.is_some() {
        let (has, lacks) = if provider.is_some() {
            (PROVIDER, EMAIL)
        } else {
            (EMAIL, PROVIDER)
        };
        found.proven.push(
            Verdict::new(
                "G20",
                around.account_name(),
                format!("annotation {has} alone"),
            )
            .required(format!("annotation {lacks} too")),
        );
    }
    if around.annotation(GKE).is_none() || around.has(Provider::Google) {
        return;
    }
    if around.pod.host_network() {
        found.proven.push(
            Verdict::new("G17", around.about.clone(), "it uses the host's network")
                .required("a network of its own: GKE's metadata server does not see such pods"),
        );
    }
    let node = around
        .facts
        .objects
        .iter()
        .find(|o| text(o, "/kind") == "Node");
    let label = "iam.gke.io/gke-metadata-server-enabled";
    let labels = node.and_then(|n| n.pointer("/metadata/labels"));
    if let Some(labels) = labels
        && labels.get(label).and_then(Value::as_str) != Some("true")
    {
        found.proven.push(
            Verdict::new(
                "G17",
                around.about.clone(),
                "its node has no GKE metadata server",
            )
            .required(format!("label {label}: \"true\" on the node")),
        );
    }
}

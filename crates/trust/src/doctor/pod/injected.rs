//! Whether the webhooks gave the pod what it asks for, and if not, why not.

use std::collections::BTreeMap;

use keyless_fault::Link;

use super::hook::{self, Hook};
use super::read::text;
use super::{AWS_SKIP, Around, CLIENT, EMAIL, PROVIDER, Provider, ROLE, USE, texts};
use crate::doctor::{Findings, Verdict};

/// On pods that the kubelet made by itself.
const MIRROR: &str = "kubernetes.io/config.mirror";

pub(super) fn judge(around: &Around<'_>, found: &mut Findings) {
    let hooks = hook::read(around.facts);
    for provider in Provider::ALL {
        let fact = around
            .facts
            .injection
            .iter()
            .find(|f| f.cloud == provider.as_str());
        if let Some(why) = fact.and_then(|f| f.denied.as_deref()) {
            refused_now(around, provider, why, found);
        }
        for warning in fact.into_iter().flat_map(|f| &f.warnings) {
            if warning.contains(" mounts volume ") {
                found.proven.push(
                    Verdict::new("W8", around.about.clone(), warning.clone())
                        .required("nothing else at the path of the token"),
                );
            }
        }
        if around.has(provider) {
            stale(around, provider, found);
            beside(around, provider, &hooks, found);
        } else if around.asks(provider) || fact.is_some_and(|f| f.adds) {
            found.proven.extend(missing(around, provider, &hooks));
        }
    }
}

/// The rules would refuse the pod today.
fn refused_now(around: &Around<'_>, provider: Provider, why: &str, found: &mut Findings) {
    let code = match provider {
        _ if why.contains("serviceaccounts ") => return,
        Provider::Azure if why.contains("token expiration") => "Z15",
        Provider::Google
            if around.annotation(PROVIDER).is_some() != around.annotation(EMAIL).is_some() =>
        {
            return;
        }
        _ => "W2",
    };
    found
        .proven
        .push(Verdict::new(code, around.account_name(), why.to_owned()).at(Link::Kubernetes));
}

/// Why the pod has no token of `provider`.
fn missing(around: &Around<'_>, provider: Provider, hooks: &[Hook<'_>]) -> Option<Verdict> {
    let pod = around.pod;
    let code = match provider {
        Provider::Azure => "Z13",
        Provider::Aws | Provider::Google => "W1",
    };
    let verdict =
        |observed: String| Verdict::new(code, around.about.clone(), observed).at(Link::Kubernetes);
    if pod.annotation(MIRROR).is_some() {
        let observed = "a static pod, which no webhook sees";
        return Some(Verdict::new("W9", around.about.clone(), observed));
    }
    if provider == Provider::Aws
        && let Some(near) = around.near_miss(ROLE)
    {
        return Some(
            Verdict::new(code, around.account_name(), format!("annotation {near}"))
                .at(Link::Manifest)
                .required(format!("annotation {ROLE}")),
        );
    }
    let opted_out = match provider {
        Provider::Aws => pod.label(AWS_SKIP).map(|_| format!("label {AWS_SKIP}")),
        Provider::Azure if pod.label(USE) != Some("true") => Some(match pod.label(USE) {
            Some(other) => format!("label {USE}: {other:?}"),
            None => format!("no label {USE}"),
        }),
        _ => None,
    };
    if let Some(observed) = opted_out {
        let required = match provider {
            Provider::Azure => format!("label {USE}: \"true\" on the pod"),
            _ => format!("no label {AWS_SKIP}"),
        };
        return Some(verdict(observed).at(Link::Manifest).required(required));
    }
    let of: Vec<&Hook<'_>> = hooks.iter().filter(|h| h.is_for(provider)).collect();
    if of.is_empty() && hook::all_seen(around.facts) {
        let observed = format!(
            "no webhook of the cluster injects tokens of {}",
            provider.title()
        );
        return Some(match provider {
            Provider::Azure => Verdict::new("Z25", around.about.clone(), observed),
            _ => verdict(observed).fix(
                "Install a webhook that injects (keyless webhook --inject), then recreate the pod.",
            ),
        });
    }
    let namespace = namespace(around);
    let left: Vec<_> = of
        .iter()
        .map(|h| h.leaves_out(pod, namespace.as_ref()))
        .collect();
    if let (Some(first), Some(Some(selector))) = (of.first(), left.first())
        && left.iter().all(Option::is_some)
    {
        let labels = match *selector {
            "namespaceSelector" => format!("the labels of namespace {}", pod.namespace()),
            _ => "the pod's labels".to_owned(),
        };
        return Some(
            verdict(format!("{labels} are not selected"))
                .required(format!("{selector} of {}", first.name)),
        );
    }
    if let Some(broken) = of.iter().find(|h| h.lacks_authority()) {
        return Some(
            Verdict::new("W3", broken.name.clone(), "its caBundle is empty")
                .required("the authority of the webhook's certificate"),
        );
    }
    let made = text(pod.object, "/metadata/creationTimestamp");
    let observed = format!(
        "created {made} without a token of {}, although {} asks for one",
        provider.title(),
        around.account_name()
    );
    Some(verdict(observed).fix(
        "Recreate the pod (`kubectl rollout restart` for a Deployment): the webhook did not answer when it was created, or the annotation is newer than the pod.",
    ))
}

fn namespace(around: &Around<'_>) -> Option<BTreeMap<String, String>> {
    let name = around.pod.namespace();
    let object = around
        .facts
        .objects
        .iter()
        .find(|o| text(o, "/kind") == "Namespace" && text(o, "/metadata/name") == name)?;
    let mut labels = texts(object, "/metadata/labels");
    labels
        .entry("kubernetes.io/metadata.name".into())
        .or_insert_with(|| name.to_owned());
    Some(labels)
}

/// The account says another thing than the pod was given.
fn stale(around: &Around<'_>, provider: Provider, found: &mut Findings) {
    let pod = around.pod;
    let pairs: Vec<(&str, Option<&str>, &str)> = match provider {
        Provider::Aws => vec![("AWS_ROLE_ARN", pod.env("AWS_ROLE_ARN"), ROLE)],
        Provider::Azure => vec![("AZURE_CLIENT_ID", pod.env("AZURE_CLIENT_ID"), CLIENT)],
        Provider::Google => vec![
            ("the pod's annotation", pod.annotation(PROVIDER), PROVIDER),
            ("the pod's annotation", pod.annotation(EMAIL), EMAIL),
        ],
    };
    for (name, has, key) in pairs {
        // What comes from elsewhere was not collected.
        let (Some(has), Some(says)) = (has.filter(|v| !v.is_empty()), around.annotation(key))
        else {
            continue;
        };
        // A role may be given by its name alone.
        if has != says && !has.ends_with(&format!(":role/{says}")) {
            found.proven.push(
                Verdict::new("W10", around.about.clone(), format!("{name} {has}")).required(
                    format!(
                        "{says}, as annotation {key} of {} says",
                        around.account_name()
                    ),
                ),
            );
        }
    }
}

/// What is odd and breaks nothing, or not for all containers.
fn beside(around: &Around<'_>, provider: Provider, hooks: &[Hook<'_>], found: &mut Findings) {
    let pod = around.pod;
    let (file, volumes): (_, &[&str]) = match provider {
        Provider::Aws => ("AWS_WEB_IDENTITY_TOKEN_FILE", &[super::AWS_VOLUME]),
        Provider::Azure => ("AZURE_FEDERATED_TOKEN_FILE", &super::AZURE_VOLUMES),
        Provider::Google => ("GOOGLE_APPLICATION_CREDENTIALS", &[super::GOOGLE_VOLUME]),
    };
    let skipped = [
        "eks.amazonaws.com/skip-containers",
        "azure.workload.identity/skip-containers",
        "cloud.google.com/skip-containers",
    ]
    .iter()
    .filter_map(|key| pod.annotation(key))
    .flat_map(|list| list.split([',', ';']))
    .map(str::trim)
    .collect::<Vec<_>>();
    for container in &pod.containers {
        let mounts = volumes.iter().any(|v| container.mounts(v));
        let helper = provider == Provider::Google && container.name == "gcloud-setup";
        if container.has_env(file) || mounts || helper || skipped.contains(&container.name) {
            continue;
        }
        let again = hooks.iter().filter(|h| h.is_for(provider));
        let again = again.into_iter().all(Hook::is_called_again);
        let (code, what) = if container.ephemeral {
            ("W9", "ephemeral container")
        } else {
            ("W7", "container")
        };
        let verdict = Verdict::new(
            code,
            around.about.clone(),
            format!(
                "{what} {} has no token of {}",
                container.name,
                provider.title()
            ),
        );
        found.further.push(if again {
            verdict
        } else {
            verdict.required("reinvocationPolicy: IfNeeded, if it was added after the others")
        });
    }
    let namespace = namespace(around);
    let asked = hooks
        .iter()
        .filter(|h| h.is_for(provider) && h.leaves_out(pod, namespace.as_ref()).is_none());
    let names: Vec<&str> = asked.map(|h| h.name.as_str()).collect();
    if names.len() > 1 {
        found.further.push(Verdict::new(
            "W8",
            around.about.clone(),
            format!("asked about it: {}", names.join("; ")),
        ));
    }
    fields(around, found);
}

/// Fields that its controller's template has and the pod lost on its way.
fn fields(around: &Around<'_>, found: &mut Findings) {
    let owner = text(around.pod.object, "/metadata/ownerReferences/0/uid");
    let template = around.facts.objects.iter().find(|o| {
        matches!(text(o, "/kind"), "ReplicaSet" | "Job")
            && !owner.is_empty()
            && text(o, "/metadata/uid") == owner
    });
    let Some(template) = template.and_then(|o| o.pointer("/spec/template")) else {
        return;
    };
    let template = super::Pod::read(template);
    for written in template.started() {
        let Some(stored) = around.pod.started().find(|c| c.name == written.name) else {
            continue;
        };
        let kept: Vec<&str> = stored.fields().collect();
        let lost: Vec<&str> = written.fields().filter(|f| !kept.contains(f)).collect();
        if !lost.is_empty() {
            found.proven.push(
                Verdict::new(
                    "W5",
                    around.about.clone(),
                    format!("container {} has no {}", written.name, lost.join(", ")),
                )
                .required("all fields of its template"),
            );
        }
    }
}

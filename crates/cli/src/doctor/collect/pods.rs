//! A pod, and what is around it.
//!
//! Owns: which requests that takes, and what the rules of injection would do to the pod.
//! Refuses: reading Secrets, and values of variables (see [`slim`]).

use std::collections::BTreeMap;

use anyhow::Result;
use keyless_admission::cloud::{Cloud, Injectors};
use keyless_admission::foresee::foresee;
use keyless_admission::inject::Subject;
use keyless_trust::doctor::{Facts, InjectionFact};
use kube::Client;
use serde_json::Value;
use tokio::time::Instant;

use super::hooks::{Hooks, KIND, hooks};
use super::{now, text, unseen};
use crate::doctor::patience::Patience;
use crate::doctor::slim;
use crate::outcome::Outcome;
use crate::trust::collect;

/// Annotations by which a service account asks for a token in its pods.
const ASKING: [&str; 4] = [
    "eks.amazonaws.com/role-arn",
    "azure.workload.identity/client-id",
    "cloud.google.com/workload-identity-provider",
    "iam.gke.io/gcp-service-account",
];

/// What the rules would do to a pod, by cloud.
fn foreseen(
    injectors: &Injectors,
    pod: &Value,
    annotations: &BTreeMap<String, String>,
) -> Vec<InjectionFact> {
    let labels = pod.pointer("/metadata/labels");
    let subject = Subject {
        pod,
        namespace: text(pod, "/metadata/namespace"),
        account: Some(annotations),
    };
    let clouds = Cloud::ALL.into_iter().filter(|cloud| cloud.selects(labels));
    clouds
        .map(|cloud| {
            let foreseen = foresee(injectors, cloud, &subject);
            InjectionFact {
                cloud: cloud.as_str().to_owned(),
                adds: foreseen.lacks,
                denied: foreseen.denied,
                warnings: foreseen.warnings,
            }
        })
        .collect()
}

fn annotations(account: &Value) -> BTreeMap<String, String> {
    let map = account.pointer("/metadata/annotations");
    let map = map.and_then(Value::as_object).into_iter().flatten();
    map.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
        .collect()
}

/// Whether a service account asks for a token in its pods.
pub fn asks(account: &Value) -> bool {
    let annotations = account.pointer("/metadata/annotations");
    annotations.is_some_and(|map| ASKING.iter().any(|key| map.get(key).is_some()))
}

fn account_of(pod: &Value) -> &str {
    match text(pod, "/spec/serviceAccountName") {
        "" => "default",
        name => name,
    }
}

/// A pod with what is around it.
pub struct Around<'a> {
    pub hooks: &'a Hooks,
    /// Service accounts; of the whole namespace at least.
    pub accounts: &'a [Value],
    /// Whether none of them is missing.
    pub whole: bool,
    pub namespace: Option<&'a Value>,
}

impl Around<'_> {
    pub fn facts(&self, about: String, pod: Option<&Value>) -> Facts {
        let mut facts = Facts {
            about,
            now: now(),
            ..Facts::default()
        };
        facts
            .objects
            .extend(self.hooks.configurations.iter().cloned());
        match &self.hooks.failure {
            None => facts.listed.push(KIND.into()),
            Some(why) => facts
                .unseen
                .push(unseen("webhook configurations", why.clone())),
        }
        facts
            .objects
            .extend(self.namespace.map(|n| slim::labelled(n, "Namespace")));
        let Some(pod) = pod else {
            return facts;
        };
        facts.objects.push(slim::pod(pod));
        let space = text(pod, "/metadata/namespace");
        let name = account_of(pod);
        let here = self
            .accounts
            .iter()
            .filter(|a| text(a, "/metadata/namespace") == space);
        let mut own = None;
        for account in here {
            let is_own = text(account, "/metadata/name") == name;
            if is_own {
                own = Some(account);
            }
            if is_own || name == "default" && asks(account) {
                facts.objects.push(slim::account(account));
            }
        }
        match own {
            Some(account) => {
                facts.injection = foreseen(&self.hooks.injectors, pod, &annotations(account))
            }
            None if self.whole => facts.absent.push(format!("ServiceAccount {space}/{name}")),
            None => {}
        }
        facts
    }
}

/// The pod that was asked about.
///
/// # Errors
/// The cluster cannot be reached at all.
pub async fn one(
    client: &Client,
    namespace: &str,
    name: &str,
    patience: Patience,
) -> Result<Result<Facts, Outcome>> {
    let until = patience.listed();
    let base = format!("/api/v1/namespaces/{namespace}");
    let path = |rest: String| format!("{base}/{rest}");
    let pod_path = path(format!("pods/{name}"));
    let account_path = path("serviceaccounts".into());
    let about_it = path(format!("events?fieldSelector=involvedObject.name%3D{name}"));
    let failed = path("events?fieldSelector=reason%3DFailedCreate".into());
    let (pod, space, accounts, hooks, own, failed) = futures::join!(
        collect::get(client, &pod_path, until),
        collect::metadata(client, &base, until),
        collect::list(client, &account_path, "ServiceAccount", "v1", until),
        hooks(client, until),
        collect::list(client, &about_it, "Event", "v1", until),
        collect::list(client, &failed, "Event", "v1", until),
    );
    let about = format!("Pod {namespace}/{name}");
    let (pod, events) = match pod {
        Ok(pod) => (Some(pod), own.0),
        Err(error) if collect::is_absent(&error) => {
            let mine = |event: &Value| concerns(text(event, "/involvedObject/name"), name);
            let events: Vec<Value> = failed.0.into_iter().filter(mine).collect();
            if events.is_empty() {
                return Ok(Err(Outcome::WrongUse(format!(
                    "there is no Pod {name} in namespace {namespace}, and no event says that one could not be created"
                ))));
            }
            (None, events)
        }
        Err(error) => {
            return Ok(Err(Outcome::CouldNotLook(format!(
                "Pod {namespace}/{name} could not be read: {error:#}"
            ))));
        }
    };
    let around = Around {
        hooks: &hooks,
        accounts: &accounts.0,
        whole: accounts.1.is_none(),
        namespace: space.as_ref().ok(),
    };
    let mut facts = around.facts(about.clone(), pod.as_ref());
    facts.objects.extend(events.iter().map(slim::event));
    let missed = [("serviceaccounts", accounts.1), ("events", own.1)];
    for (what, failure) in missed {
        facts
            .unseen
            .extend(failure.map(|error| unseen(what, format!("{error:#}"))));
    }
    if let Err(error) = space {
        let what = format!("namespace {namespace}");
        facts.unseen.push(unseen(what, format!("{error:#}")));
    }
    match pod {
        Some(pod) => beside(client, &pod, &mut facts, until).await,
        None => facts.absent.push(about),
    }
    Ok(Ok(facts))
}

/// Whether an event about `involved` speaks of `name`: of the pod, or of its controller.
fn concerns(involved: &str, name: &str) -> bool {
    let below = |long: &str, short: &str| {
        let rest = long.strip_prefix(short);
        !short.is_empty() && rest.is_some_and(|r| r.is_empty() || r.starts_with('-'))
    };
    below(involved, name) || below(name, involved)
}

/// The pod's controller and node, where they matter.
async fn beside(client: &Client, pod: &Value, facts: &mut Facts, until: Instant) {
    let owner = pod.pointer("/metadata/ownerReferences/0");
    let owner = owner.and_then(|owner| {
        let kind = text(owner, "/kind");
        let (group, plural) = match kind {
            "ReplicaSet" => ("apps", "replicasets"),
            "Job" => ("batch", "jobs"),
            _ => return None,
        };
        let path = format!(
            "/apis/{group}/v1/namespaces/{}/{plural}/{}",
            text(pod, "/metadata/namespace"),
            text(owner, "/name")
        );
        Some((kind, path))
    });
    let node = text(pod, "/spec/nodeName");
    let gke = facts.objects.iter().any(|o| {
        o.pointer("/metadata/annotations")
            .is_some_and(|a| a.get("iam.gke.io/gcp-service-account").is_some())
    });
    let (owner, node) = futures::join!(
        async {
            let (kind, path) = owner?;
            Some((kind, path.clone(), collect::get(client, &path, until).await))
        },
        async {
            if node.is_empty() || !gke {
                return None;
            }
            let path = format!("/api/v1/nodes/{node}");
            Some(collect::metadata(client, &path, until).await)
        }
    );
    match owner {
        Some((kind, _, Ok(owner))) => facts.objects.push(slim::owner(&owner, kind)),
        Some((kind, _, Err(error))) if !collect::is_absent(&error) => {
            let what = format!("the pod's {kind}");
            facts.unseen.push(unseen(what, format!("{error:#}")));
        }
        _ => {}
    }
    match node {
        Some(Ok(node)) => facts.objects.push(slim::labelled(&node, "Node")),
        Some(Err(error)) => facts
            .unseen
            .push(unseen("the pod's node", format!("{error:#}"))),
        None => {}
    }
}

#[cfg(test)]
mod tests {
    use keyless_admission::inject::{aws, google};
    use serde_json::json;

    use super::*;

    #[test]
    fn events_of_controllers_concern_their_pods() {
        for (involved, name, wanted) in [
            ("web-7d9f", "web", true),
            ("web", "web-7d9f-x2x2x", true),
            ("web", "web", true),
            ("web", "website", false),
            ("", "web", false),
        ] {
            assert_eq!(concerns(involved, name), wanted, "{involved} {name}");
        }
    }

    #[test]
    fn what_rules_would_do_is_a_fact() {
        let role = BTreeMap::from([(ASKING[0].to_owned(), "arn:aws:iam::1:role/x".to_owned())]);
        let pod = json!({"metadata": {"name": "p", "namespace": "n"}, "spec": {"serviceAccountName": "a", "containers": []}});
        let injectors = Injectors {
            aws: Some(aws::Settings::default()),
            azure: None,
            google: Some(google::Settings::default()),
        };
        let facts = foreseen(&injectors, &pod, &role);
        let adds: Vec<(&str, bool)> = facts.iter().map(|f| (f.cloud.as_str(), f.adds)).collect();
        assert_eq!(adds, [("aws", true), ("google", false)]);
    }
}

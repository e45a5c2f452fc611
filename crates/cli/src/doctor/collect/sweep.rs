//! Pods that should have a token and have none, in a whole cluster or namespace.
//!
//! Owns: finding them by few, bounded requests: the pods of service accounts that ask for a token.
//! Refuses: pods of clusters where nobody injects: service accounts are annotated there for those
//! who log in by themselves.

use std::collections::BTreeSet;

use futures::StreamExt as _;
use futures::stream;
use keyless_trust::doctor::{self, Facts};
use kube::Client;
use serde_json::Value;

use super::hooks::Hooks;
use super::pods::{Around, asks};
use super::{Listed, name_of, text};
use crate::doctor::patience::Patience;
use crate::doctor::slim;
use crate::trust::collect;

/// Service accounts whose pods are looked for at most.
const ACCOUNTS: usize = 100;
/// Requests at the same time.
const ABREAST: usize = 8;
/// Pods that are not over.
const ALIVE: &str = "status.phase!%3DSucceeded,status.phase!%3DFailed";

/// Pods without a token.
#[derive(Default)]
pub struct Sweep {
    pub facts: Vec<Facts>,
    pub unseen: Vec<String>,
    pub looked: usize,
}

/// Pods of service accounts that ask for a token, and have none; and those that could not even be
/// created. One of each controller.
pub async fn missed(
    client: &Client,
    listed: &Listed,
    hooks: Hooks,
    scope: Option<&str>,
    patience: Patience,
) -> Sweep {
    let mut sweep = Sweep::default();
    let until = patience.asked();
    if hooks.configurations.is_empty() {
        if let Some(why) = hooks.failure {
            sweep.unseen.push(format!("webhook configurations: {why}"));
        }
        return sweep;
    }
    let kind = |wanted: &'static str| {
        let objects = listed.objects.iter();
        objects.filter(move |o| text(o, "/kind") == wanted)
    };
    let accounts: Vec<Value> = kind("ServiceAccount").cloned().collect();
    let inside = |o: &&Value| scope.is_none_or(|s| text(o, "/metadata/namespace") == s);
    let asking: Vec<&Value> = accounts.iter().filter(|a| asks(a)).filter(inside).collect();
    if asking.len() > ACCOUNTS {
        let why = format!("the first {ACCOUNTS} of {}", asking.len());
        sweep
            .unseen
            .push(format!("pods of service accounts: {why}"));
    }
    let paths = asking.iter().take(ACCOUNTS).map(|account| {
        format!(
            "/api/v1/namespaces/{}/pods?fieldSelector=spec.serviceAccountName%3D{},{ALIVE}",
            text(account, "/metadata/namespace"),
            text(account, "/metadata/name")
        )
    });
    let place = scope.map_or_else(String::new, |s| format!("/namespaces/{s}"));
    let events = format!("/api/v1{place}/events?fieldSelector=reason%3DFailedCreate");
    let requests: Vec<_> = paths
        .map(|path| async move { collect::list(client, &path, "Pod", "v1", until).await })
        .collect();
    let lists = stream::iter(requests)
        .buffer_unordered(ABREAST)
        .collect::<Vec<_>>();
    let (lists, failed) =
        futures::join!(lists, collect::list(client, &events, "Event", "v1", until));
    let mut told = BTreeSet::new();
    for (pods, failure) in lists {
        if let Some(error) = failure {
            told.insert(format!("pods: {error:#}"));
        }
        sweep.looked += pods.len();
        let mut owners = BTreeSet::new();
        for pod in &pods {
            let around = Around {
                hooks: &hooks,
                accounts: &accounts,
                whole: !listed
                    .unseen
                    .iter()
                    .any(|u| u.starts_with("serviceaccounts")),
                namespace: kind("Namespace")
                    .find(|n| text(n, "/metadata/name") == text(pod, "/metadata/namespace")),
            };
            let facts = around.facts(name_of(pod), Some(pod));
            let lacks = facts.injection.iter().any(|fact| fact.adds);
            let owner = text(pod, "/metadata/ownerReferences/0/uid");
            // A webhook of something else injects no tokens.
            let injected =
                |v: &doctor::Verdict| !v.observed.starts_with("no webhook of the cluster");
            let broken = doctor::diagnose(&facts).broken;
            let broken = lacks && broken.is_some_and(|v| injected(&v));
            if broken && (owner.is_empty() || owners.insert(owner.to_owned())) {
                sweep.facts.push(facts);
            }
        }
    }
    if let Some(error) = failed.1 {
        told.insert(format!("events: {error:#}"));
    }
    refused(&failed.0, &hooks, &mut sweep);
    sweep.unseen.extend(told);
    sweep
}

/// Controllers whose pods a webhook of tokens keeps from being created.
fn refused(events: &[Value], hooks: &Hooks, sweep: &mut Sweep) {
    let mut seen = BTreeSet::new();
    for event in events {
        let involved = event.get("involvedObject").unwrap_or(&Value::Null);
        let about = format!(
            "Pod {}/{}",
            text(involved, "/namespace"),
            text(involved, "/name")
        );
        let around = Around {
            hooks,
            accounts: &[],
            whole: false,
            namespace: None,
        };
        let mut facts = around.facts(about.clone(), None);
        facts.objects.push(slim::event(event));
        facts.absent.push(about.clone());
        let broken = doctor::diagnose(&facts).broken;
        let by_webhook = text(event, "/message").contains("webhook \"");
        if by_webhook && broken.is_some() && seen.insert(about) {
            sweep.facts.push(facts);
        }
    }
}

//! ExternalSecrets and stores: which are diagnosed, and what concerns each.

use keyless_trust::doctor::{self, Facts, Unseen};
use serde_json::Value;

use super::{Listed, name_of, now, text};
use crate::doctor::{Flags, Kind, slim};
use crate::outcome::Outcome;

/// The most objects that are diagnosed at once.
pub const MANY: usize = 50;

fn is_ready(object: &Value) -> bool {
    let conditions = object
        .pointer("/status/conditions")
        .and_then(Value::as_array);
    let mut ready = conditions
        .into_iter()
        .flatten()
        .filter(|c| text(c, "/type") == "Ready");
    ready.any(|c| text(c, "/status") == "True")
}

/// What to diagnose: the object that was asked about, or all that are not ready.
pub fn subjects(
    flags: &Flags,
    seen: &Listed,
    namespace: &str,
) -> Result<(Vec<String>, usize), Outcome> {
    let of = |kind: Kind| {
        let objects = seen.objects.iter();
        objects.filter(move |o| text(o, "/kind") == kind.as_str())
    };
    if let (Some(kind), Some(name)) = (flags.kind, &flags.name) {
        let (namespace, name) = name.split_once('/').unwrap_or((namespace, name));
        let mut found = of(kind).filter(|o| {
            let place = text(o, "/metadata/namespace");
            text(o, "/metadata/name") == name && (place.is_empty() || place == namespace)
        });
        return match found.next() {
            Some(object) => Ok((vec![name_of(object)], 1)),
            None if seen.unseen.is_empty() => Err(Outcome::WrongUse(format!(
                "there is no {} {name} in namespace {namespace}",
                kind.as_str()
            ))),
            None => Err(Outcome::CouldNotLook(format!(
                "{} {name} could not be read: {}",
                kind.as_str(),
                seen.unseen.join("; ")
            ))),
        };
    }
    let kinds = match flags.kind {
        Some(kind) => vec![kind],
        None => vec![
            Kind::ExternalSecret,
            Kind::SecretStore,
            Kind::ClusterSecretStore,
        ],
    };
    let sick: Vec<&Value> = kinds
        .iter()
        .flat_map(|kind| of(*kind))
        .filter(|o| !is_ready(o))
        .collect();
    // A store that is not ready is seen through the objects that need it.
    let needed = |store: &Value| {
        sick.iter().any(|e| {
            text(e, "/kind") == "ExternalSecret"
                && text(e, "/spec/secretStoreRef/name") == text(store, "/metadata/name")
        })
    };
    let own = |o: &&&Value| text(o, "/kind") == "ExternalSecret" || !needed(o);
    let names: Vec<String> = sick
        .iter()
        .filter(own)
        .take(MANY)
        .map(|o| name_of(o))
        .collect();
    if sick.len() > MANY {
        eprintln!(
            "keyless: note: the first {MANY} of {} are shown",
            sick.len()
        );
    }
    let looked = kinds.iter().flat_map(|kind| of(*kind)).count();
    Ok((names, looked))
}

/// What concerns one object.
pub fn one(about: &str, seen: &Listed, served: &[String]) -> Facts {
    let itself = seen.objects.iter().find(|o| name_of(o) == about);
    let keep = |o: &&Value| {
        let kind = text(o, "/kind");
        kind.ends_with("SecretStore") || matches!(kind, "ServiceAccount" | "Namespace")
    };
    let mut objects: Vec<Value> = itself.into_iter().cloned().collect();
    objects.extend(
        seen.objects
            .iter()
            .filter(|o| keep(o) && name_of(o) != about)
            .cloned(),
    );
    for object in &mut objects {
        slim::object(object);
    }
    let mut facts = Facts {
        about: about.to_owned(),
        objects,
        served: served.to_vec(),
        now: now(),
        ..Facts::default()
    };
    facts.unseen.extend(seen.unseen.iter().map(|text| {
        let (what, why) = text.split_once(": ").unwrap_or((text, ""));
        Unseen {
            what: what.to_owned(),
            why: why.to_owned(),
        }
    }));
    absent(&mut facts, seen);
    // Only what the chain is made of stays in a bundle.
    let identity = doctor::diagnose(&facts).identity;
    let store = itself.map(|o| text(o, "/spec/secretStoreRef/name").to_owned());
    let space = itself.map(|o| text(o, "/metadata/namespace").to_owned());
    facts.objects.retain(|o| {
        let name = text(o, "/metadata/name");
        match text(o, "/kind") {
            "ServiceAccount" => identity.as_ref().is_some_and(|i| {
                i.account.name == name && i.account.namespace == text(o, "/metadata/namespace")
            }),
            "Namespace" => space.as_deref() == Some(name),
            kind if kind.ends_with("SecretStore") => {
                name_of(o) == about || store.as_deref() == Some(name)
            }
            _ => true,
        }
    });
    facts
}

/// What was looked for in complete lists and is not there.
fn absent(facts: &mut Facts, seen: &Listed) {
    let complete = |plural: &str| !seen.unseen.iter().any(|u| u.starts_with(plural));
    let there = |name: &str| seen.objects.iter().any(|o| name_of(o) == name);
    let itself = seen.objects.iter().find(|o| name_of(o) == facts.about);
    if let Some(external) = itself.filter(|o| text(o, "/kind") == "ExternalSecret") {
        let name = text(external, "/spec/secretStoreRef/name");
        let wanted = match text(external, "/spec/secretStoreRef/kind") {
            "ClusterSecretStore" => format!("ClusterSecretStore {name}"),
            _ => format!(
                "SecretStore {}/{name}",
                text(external, "/metadata/namespace")
            ),
        };
        let listed = complete("secretstores") && complete("clustersecretstores");
        if !name.is_empty() && listed && !there(&wanted) {
            facts.absent.push(wanted);
        }
    }
    if let Some(identity) = doctor::diagnose(facts).identity {
        let wanted = format!(
            "ServiceAccount {}/{}",
            identity.account.namespace, identity.account.name
        );
        if complete("serviceaccounts") && !there(&wanted) {
            facts.absent.push(wanted);
        }
    }
}

//! The facts of a live cluster, with the rights of whoever asks. Everything that may not answer
//! has its own deadline, and all of them run side by side.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures::future::join_all;
use http::Request;
use keyless_issuer::finding::Severity;
use keyless_issuer::verify::{Question, verify};
use keyless_trust::doctor::{self, Facts, OutsideFacts, OutsideFinding, TokenFact, Unseen};
use kube::Client;
use serde_json::{Map, Value, json};

use super::{Flags, Kind};
use crate::cluster;
use crate::issuer::outlook;
use crate::outcome::Outcome;
use crate::trust::collect::{self, Seen};

/// How long the look from outside may take.
const OUTSIDE: Duration = Duration::from_secs(7);
/// How long minting a token may take.
const MINT: Duration = Duration::from_secs(5);
/// The most objects that are diagnosed at once.
const MANY: usize = 50;
/// What of a token's claims is kept.
const CLAIMS: [&str; 6] = ["iss", "sub", "aud", "exp", "iat", "nbf"];

/// The facts, one set for each object. An outcome says why there are none.
///
/// # Errors
/// The cluster cannot be reached at all.
pub fn facts(flags: &Flags) -> Result<Result<Vec<Facts>, Outcome>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the async runtime")?;
    runtime.block_on(async {
        let config = cluster::config(&flags.cluster).await?;
        let namespace = flags.namespace.clone();
        let context = config.default_namespace.clone();
        let client = kube::Client::try_from(config).context("cannot make a client")?;
        let group = format!("/apis/{}", keyless_api::constants::GROUP);
        let asked = flags.name.is_some();
        let scope = if asked { None } else { namespace.as_deref() };
        let seen = collect::cluster(&client, scope);
        let served = collect::get(&client, &group);
        let (seen, served) = futures::join!(seen, served);
        let seen = seen?;
        let place = namespace.unwrap_or(context);
        let subjects = match subjects(flags, &seen, &place) {
            Ok(subjects) => subjects,
            Err(outcome) => return Ok(Err(outcome)),
        };
        let served = served.map(|group| versions(&group)).unwrap_or_default();
        let mut all: Vec<Facts> = subjects
            .iter()
            .map(|subject| one(subject, &seen, &served))
            .collect();
        // The token first: what it says decides which issuer is looked at. Both look-ups of the
        // issuer's own name run beside it.
        let cluster_issuer = seen.issuer.clone().ok();
        let outside = async {
            match &cluster_issuer {
                Some(issuer) => Some((issuer.clone(), outside(flags, issuer).await)),
                None => None,
            }
        };
        let tokens = join_all(all.iter().map(|facts| token(&client, facts)));
        let (outside, tokens) = futures::join!(outside, tokens);
        for (facts, token) in all.iter_mut().zip(tokens) {
            match token {
                Some(Ok(token)) => facts.tokens.push(token),
                Some(Err(unseen)) => facts.unseen.push(unseen),
                None => {}
            }
            match &outside {
                Some((_, Ok(seen))) => facts.outside = Some(seen.clone()),
                Some((issuer, Err(why))) => facts.unseen.push(Unseen {
                    what: format!("{issuer} from outside"),
                    why: why.clone(),
                }),
                None => {}
            }
        }
        Ok(Ok(all))
    })
}

fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

fn name_of(object: &Value) -> String {
    let (kind, name) = (text(object, "/kind"), text(object, "/metadata/name"));
    match text(object, "/metadata/namespace") {
        "" => format!("{kind} {name}"),
        namespace => format!("{kind} {namespace}/{name}"),
    }
}

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
fn subjects(flags: &Flags, seen: &Seen, namespace: &str) -> Result<Vec<String>, Outcome> {
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
            Some(object) => Ok(vec![name_of(object)]),
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
    if names.is_empty() {
        let looked = kinds.iter().flat_map(|kind| of(*kind)).count();
        if !seen.unseen.is_empty() {
            let why = seen.unseen.join("; ");
            return Err(Outcome::CouldNotLook(format!(
                "some could not be read: {why}"
            )));
        }
        eprintln!("keyless: all of {looked} objects are ready");
        return Err(Outcome::Fine);
    }
    if sick.len() > MANY {
        eprintln!(
            "keyless: note: the first {MANY} of {} are shown",
            sick.len()
        );
    }
    Ok(names)
}

/// What concerns one object.
fn one(about: &str, seen: &Seen, served: &[String]) -> Facts {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
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
        slim(object);
    }
    let mut facts = Facts {
        about: about.to_owned(),
        objects,
        served: served.to_vec(),
        issuer: seen.issuer.clone().ok(),
        now: now.map_or(0, |now| i64::try_from(now.as_secs()).unwrap_or(0)),
        ..Facts::default()
    };
    facts.unseen.extend(seen.unseen.iter().map(|text| {
        let (what, why) = text.split_once(": ").unwrap_or((text, ""));
        Unseen {
            what: what.to_owned(),
            why: why.to_owned(),
        }
    }));
    if let Err(why) = &seen.issuer {
        facts.unseen.push(Unseen {
            what: "the cluster's issuer".into(),
            why: why.clone(),
        });
    }
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
fn absent(facts: &mut Facts, seen: &Seen) {
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

/// Leaves out what no diagnosis needs, and what may hold more than trust.
fn slim(object: &mut Value) {
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("managedFields");
        if let Some(Value::Object(annotations)) = metadata.get_mut("annotations") {
            annotations.remove("kubectl.kubernetes.io/last-applied-configuration");
        }
    }
    // A fake store's data and a webhook's headers are values.
    if let Some(provider) = object
        .pointer_mut("/spec/provider")
        .and_then(Value::as_object_mut)
    {
        for (name, spec) in provider.iter_mut() {
            if !matches!(
                name.as_str(),
                "aws" | "azurekv" | "gcpsm" | "vault" | "kubernetes"
            ) {
                *spec = json!({});
            } else if let Some(spec) = spec.as_object_mut() {
                spec.remove("headers");
            }
        }
    }
    if let Some(target) = object
        .pointer_mut("/spec/target")
        .and_then(Value::as_object_mut)
    {
        target.remove("template");
    }
}

fn versions(group: &Value) -> Vec<String> {
    let served = group.get("versions").and_then(Value::as_array);
    served
        .into_iter()
        .flatten()
        .filter_map(|v| Some(v.get("version")?.as_str()?.to_owned()))
        .collect()
}

/// A token as the operator would ask for it, by its claims; nothing when there is no login by one.
async fn token(client: &Client, facts: &Facts) -> Option<Result<TokenFact, Unseen>> {
    let identity = doctor::diagnose(facts).identity?;
    let account = format!("{}/{}", identity.account.namespace, identity.account.name);
    let path = format!(
        "/api/v1/namespaces/{}/serviceaccounts/{}/token",
        identity.account.namespace, identity.account.name
    );
    let audiences: Vec<&str> = Some(identity.audience.as_str())
        .into_iter()
        .filter(|a| !a.is_empty())
        .collect();
    let body = json!({
        "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
        "spec": {"audiences": audiences, "expirationSeconds": 600},
    });
    let unseen = |why: String| Unseen {
        what: format!("a token of {account}"),
        why,
    };
    let request = Request::post(path)
        .header("Content-Type", "application/json")
        .body(body.to_string().into_bytes());
    let request = match request {
        Ok(request) => request,
        Err(error) => return Some(Err(unseen(error.to_string()))),
    };
    let answer = tokio::time::timeout(MINT, client.request::<Value>(request)).await;
    let mut fact = TokenFact {
        account: account.clone(),
        audience: identity.audience.clone(),
        ..TokenFact::default()
    };
    match answer {
        Err(_) => Some(Err(unseen(format!(
            "no answer within {} s",
            MINT.as_secs()
        )))),
        Ok(Err(kube::Error::Api(status))) if status.code == 403 => {
            // That whoever looks may not mint says nothing of the operator.
            Some(Err(unseen(format!(
                "not allowed to mint it: {}",
                status.message
            ))))
        }
        Ok(Err(kube::Error::Api(status))) => {
            fact.refused = Some(status.message.clone());
            Some(Ok(fact))
        }
        Ok(Err(error)) => Some(Err(unseen(error.to_string()))),
        Ok(Ok(answer)) => {
            let raw = text(&answer, "/status/token");
            fact.header = part(raw, 0, &["alg", "kid", "typ"]);
            fact.claims = part(raw, 1, &CLAIMS);
            Some(Ok(fact))
        }
    }
}

/// Named members of a part of a token. The signature is never looked at.
fn part(token: &str, at: usize, names: &[&str]) -> Value {
    let part = token.split('.').nth(at).unwrap_or_default();
    let bytes = URL_SAFE_NO_PAD.decode(part).unwrap_or_default();
    let all: Map<String, Value> = serde_json::from_slice(&bytes).unwrap_or_default();
    let kept: BTreeMap<String, Value> = all
        .into_iter()
        .filter(|(name, _)| names.contains(&name.as_str()))
        .collect();
    json!(kept)
}

/// The issuer's documents by the issuer's own rules.
async fn outside(flags: &Flags, issuer: &str) -> Result<OutsideFacts, String> {
    let outlook = outlook::outlook(&flags.outlook).map_err(|e| format!("{e:#}"))?;
    let question = Question {
        issuer: issuer.to_owned(),
        ..Question::default()
    };
    let report = tokio::time::timeout(OUTSIDE, verify(&outlook, &question)).await;
    let report = report.map_err(|_| format!("no answer within {} s", OUTSIDE.as_secs()))?;
    let findings = report.findings.iter().map(|f| OutsideFinding {
        code: f.code.to_string(),
        subject: f.subject.clone(),
        observed: f.observed.clone(),
        required: f.required.clone(),
        fix: f.fix.clone(),
        warning: f.severity < Severity::Error,
    });
    let keys: Vec<String> = report.keys.iter().map(|k| k.kid.clone()).collect();
    Ok(OutsideFacts {
        issuer: issuer.to_owned(),
        findings: findings.collect(),
        keys: (!keys.is_empty()).then_some(keys),
    })
}

//! The objects of a cluster that trust depends on: stores, ExternalSecrets, service accounts,
//! namespaces, and the issuer. Secrets are never read.

use std::time::Duration;

use anyhow::{Context, Result};
use futures::future::join_all;
use http::Request;
use kube::Client;
use serde_json::{Value, json};
use tokio::time::Instant;

/// Objects per page.
const PAGE: u32 = 500;
/// How long a cluster is looked at.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// What was seen, and what could not be looked at.
pub struct Seen {
    /// The objects, each with its kind and apiVersion.
    pub objects: Vec<Value>,
    /// Collections that were refused, with the reason.
    pub unseen: Vec<String>,
    /// The issuer by the cluster's own discovery document, or why it is not known.
    pub issuer: std::result::Result<String, String>,
}

/// Everything, in all namespaces or in one, as far as it comes before `until`.
///
/// # Errors
/// The cluster cannot be reached at all.
pub async fn cluster(client: &Client, namespace: Option<&str>, until: Instant) -> Result<Seen> {
    let (listed, issuer) = futures::join!(objects(client, namespace, until), issuer(client, until));
    let (objects, unseen) = listed?;
    Ok(Seen {
        objects,
        unseen,
        issuer,
    })
}

/// The objects, and what could not be looked at.
///
/// # Errors
/// The cluster cannot be reached at all.
pub async fn objects(
    client: &Client,
    namespace: Option<&str>,
    until: Instant,
) -> Result<(Vec<Value>, Vec<String>)> {
    let group = keyless_api::constants::GROUP;
    let custom = async {
        let version = match get(client, &format!("/apis/{group}"), until).await {
            Ok(answer) => preferred(&answer),
            Err(_) => "v1".to_owned(),
        };
        let api = format!("/apis/{group}/{version}");
        let lists = CUSTOM.map(|kind| listed(client, &api, kind, namespace, until));
        join_all(lists).await
    };
    let core = CORE.map(|kind| listed(client, "/api/v1", kind, namespace, until));
    let (version, custom, core) =
        futures::join!(get(client, "/version", until), custom, join_all(core));
    version.context("cannot reach the cluster")?;
    let (mut objects, mut unseen) = (Vec::new(), Vec::new());
    for (items, failure) in custom.into_iter().chain(core) {
        objects.extend(items);
        unseen.extend(failure);
    }
    Ok((objects, unseen))
}

/// Plural, kind, and whether it lives in a namespace.
type Kind = (&'static str, &'static str, bool);

const CUSTOM: [Kind; 4] = [
    ("externalsecrets", "ExternalSecret", true),
    ("secretstores", "SecretStore", true),
    ("clustersecretstores", "ClusterSecretStore", false),
    ("clusterexternalsecrets", "ClusterExternalSecret", false),
];
const CORE: [Kind; 2] = [
    ("serviceaccounts", "ServiceAccount", true),
    ("namespaces", "Namespace", false),
];

/// A collection, and why it is not whole.
async fn listed(
    client: &Client,
    prefix: &str,
    (plural, kind, namespaced): Kind,
    namespace: Option<&str>,
    until: Instant,
) -> (Vec<Value>, Option<String>) {
    // Stores of the cluster may name accounts of any namespace; those are few.
    let namespace = namespace.filter(|_| namespaced && kind != "ServiceAccount");
    let path = match namespace {
        Some(namespace) => format!("{prefix}/namespaces/{namespace}/{plural}"),
        None => format!("{prefix}/{plural}"),
    };
    let version = prefix
        .trim_start_matches("/apis/")
        .trim_start_matches("/api/");
    let (items, failure) = list(client, &path, kind, version, until).await;
    (items, failure.map(|error| format!("{plural}: {error:#}")))
}

/// The issuer by the cluster's own discovery document, or why it is not known.
///
/// # Errors
/// In words.
pub async fn issuer(client: &Client, until: Instant) -> std::result::Result<String, String> {
    let document = get(client, "/.well-known/openid-configuration", until).await;
    match document {
        Ok(document) => match document.get("issuer").and_then(Value::as_str) {
            Some(issuer) => Ok(issuer.to_owned()),
            None => Err("the cluster's discovery document names no issuer".to_owned()),
        },
        Err(error) => Err(format!("the cluster's discovery document: {error:#}")),
    }
}

fn preferred(group: &Value) -> String {
    let served = group.get("versions").and_then(Value::as_array);
    let served: Vec<&str> = served
        .into_iter()
        .flatten()
        .filter_map(|v| v.get("version").and_then(Value::as_str))
        .collect();
    let known = ["v1", "v1beta1"].into_iter().find(|v| served.contains(v));
    known.unwrap_or("v1").to_owned()
}

/// All pages of a collection that come in time, and why there are no more. Items of lists lack
/// kind and version.
pub async fn list(
    client: &Client,
    path: &str,
    kind: &str,
    version: &str,
    until: Instant,
) -> (Vec<Value>, Option<anyhow::Error>) {
    let mut out = Vec::new();
    let mut next = String::new();
    let sign = if path.contains('?') { '&' } else { '?' };
    loop {
        let path = format!("{path}{sign}limit={PAGE}{next}");
        let mut page = match get(client, &path, until).await {
            Ok(page) => page,
            // A kind that is not there has no objects.
            Err(error) if is_absent(&error) => return (out, None),
            Err(error) => return (out, Some(error)),
        };
        if let Some(items) = page.get_mut("items").and_then(Value::as_array_mut) {
            for mut item in items.drain(..) {
                if let Some(object) = item.as_object_mut() {
                    object.insert("kind".into(), json!(kind));
                    object.insert("apiVersion".into(), json!(version));
                }
                out.push(item);
            }
        }
        match page.pointer("/metadata/continue").and_then(Value::as_str) {
            Some(token) if !token.is_empty() => next = format!("&continue={token}"),
            _ => return (out, None),
        }
    }
}

/// Whether the API server said that there is no such thing.
pub fn is_absent(error: &anyhow::Error) -> bool {
    let kube = error.downcast_ref::<kube::Error>();
    matches!(kube, Some(kube::Error::Api(status)) if status.code == 404)
}

/// One GET.
///
/// # Errors
/// The API server refuses, or does not answer in time.
pub async fn get(client: &Client, path: &str, until: Instant) -> Result<Value> {
    fetch(client, path, None, until).await
}

/// One GET of metadata alone.
///
/// # Errors
/// The API server refuses, or does not answer in time.
pub async fn metadata(client: &Client, path: &str, until: Instant) -> Result<Value> {
    const ONLY: &str = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";
    fetch(client, path, Some(ONLY), until).await
}

async fn fetch(client: &Client, path: &str, accept: Option<&str>, until: Instant) -> Result<Value> {
    let mut request = Request::get(path);
    if let Some(accept) = accept {
        request = request.header("Accept", accept);
    }
    let request = request.body(Vec::new())?;
    let answer = tokio::time::timeout_at(until, client.request::<Value>(request)).await;
    match answer {
        Ok(answer) => Ok(answer?),
        Err(_) => anyhow::bail!("no answer in time"),
    }
}

//! The objects of a cluster that trust depends on: stores, ExternalSecrets, service accounts,
//! namespaces, and the issuer. Secrets are never read.

use std::time::Duration;

use anyhow::{Context, Result};
use futures::future::join_all;
use http::Request;
use kube::Client;
use serde_json::{Value, json};

/// Objects per page.
const PAGE: u32 = 500;
/// How long one request may take.
const PATIENCE: Duration = Duration::from_secs(8);

/// What was seen, and what could not be looked at.
pub struct Seen {
    /// The objects, each with its kind and apiVersion.
    pub objects: Vec<Value>,
    /// Collections that were refused, with the reason.
    pub unseen: Vec<String>,
    /// The issuer by the cluster's own discovery document, or why it is not known.
    pub issuer: std::result::Result<String, String>,
}

/// Everything, in all namespaces or in one.
///
/// # Errors
/// The cluster cannot be reached at all.
pub async fn cluster(client: &Client, namespace: Option<&str>) -> Result<Seen> {
    get(client, "/version")
        .await
        .context("cannot reach the cluster")?;
    let group = keyless_api::constants::GROUP;
    let version = match get(client, &format!("/apis/{group}")).await {
        Ok(answer) => preferred(&answer),
        Err(_) => "v1".to_owned(),
    };
    let api = format!("/apis/{group}/{version}");
    let kinds = [
        (api.as_str(), "externalsecrets", "ExternalSecret", true),
        (&api, "secretstores", "SecretStore", true),
        (&api, "clustersecretstores", "ClusterSecretStore", false),
        (
            &api,
            "clusterexternalsecrets",
            "ClusterExternalSecret",
            false,
        ),
        ("/api/v1", "serviceaccounts", "ServiceAccount", true),
        ("/api/v1", "namespaces", "Namespace", false),
    ];
    let lists = kinds
        .iter()
        .map(|(prefix, plural, kind, namespaced)| async move {
            // Stores of the cluster may name accounts of any namespace; those are few.
            let namespace = namespace.filter(|_| *namespaced && *kind != "ServiceAccount");
            let path = match namespace {
                Some(namespace) => format!("{prefix}/namespaces/{namespace}/{plural}"),
                None => format!("{prefix}/{plural}"),
            };
            let version = prefix
                .trim_start_matches("/apis/")
                .trim_start_matches("/api/");
            (list(client, &path, kind, version).await, *plural)
        });
    let issuer = async {
        let document = get(client, "/.well-known/openid-configuration").await;
        match document {
            Ok(document) => match document.get("issuer").and_then(Value::as_str) {
                Some(issuer) => Ok(issuer.to_owned()),
                None => Err("the cluster's discovery document names no issuer".to_owned()),
            },
            Err(error) => Err(format!("the cluster's discovery document: {error:#}")),
        }
    };
    let (lists, issuer) = futures::join!(join_all(lists), issuer);
    let (mut objects, mut unseen) = (Vec::new(), Vec::new());
    for (answer, plural) in lists {
        match answer {
            Ok(items) => objects.extend(items),
            Err(error) => unseen.push(format!("{plural}: {error:#}")),
        }
    }
    Ok(Seen {
        objects,
        unseen,
        issuer,
    })
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

/// All pages of a collection. Items of lists lack kind and version.
async fn list(client: &Client, path: &str, kind: &str, version: &str) -> Result<Vec<Value>> {
    let mut out = Vec::new();
    let mut next = String::new();
    loop {
        let mut page = match get(client, &format!("{path}?limit={PAGE}{next}")).await {
            Ok(page) => page,
            // A kind that is not there has no objects.
            Err(error) if is_absent(&error) => return Ok(out),
            Err(error) => return Err(error),
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
            _ => return Ok(out),
        }
    }
}

fn is_absent(error: &anyhow::Error) -> bool {
    let kube = error.downcast_ref::<kube::Error>();
    matches!(kube, Some(kube::Error::Api(status)) if status.code == 404)
}

/// One GET.
///
/// # Errors
/// The API server refuses, or does not answer in time.
pub async fn get(client: &Client, path: &str) -> Result<Value> {
    let request = Request::get(path).body(Vec::new())?;
    let answer = tokio::time::timeout(PATIENCE, client.request::<Value>(request)).await;
    match answer {
        Ok(answer) => Ok(answer?),
        Err(_) => anyhow::bail!("no answer within {} s", PATIENCE.as_secs()),
    }
}

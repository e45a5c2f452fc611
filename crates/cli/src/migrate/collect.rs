//! The objects of a cluster that runs External Secrets Operator.
//!
//! Owns: which collections are read, with the rights of whoever asks. Refuses: Secrets, which are
//! never read here, and any change.

use anyhow::{Context, Result};
use http::Request;
use kube::Client;
use serde_json::Value;

use super::objects::{GENERATORS, GROUP};

/// Objects per page.
const PAGE: u32 = 500;
/// The Deployments and webhooks of ESO's chart.
const NAMES: &str = "app.kubernetes.io%2Fname+in+(external-secrets,external-secrets-webhook,external-secrets-cert-controller)";

/// What was seen, and what could not be looked at.
#[derive(Default)]
pub struct Seen {
    /// The objects, each with its kind and apiVersion.
    pub objects: Vec<Value>,
    /// Collections that were refused, with the reason.
    pub unseen: Vec<String>,
}

/// A collection: its URL prefix, plural, kind, whether it is namespaced.
struct Collection<'a> {
    prefix: &'a str,
    plural: &'a str,
    kind: &'a str,
    namespaced: bool,
    selector: &'a str,
}

/// Everything that `migrate check` looks at, in all namespaces or in one.
///
/// # Errors
/// The cluster cannot be reached at all.
pub async fn cluster(client: &Client, namespace: Option<&str>) -> Result<Seen> {
    let mut seen = Seen::default();
    // Fails early and clearly where there is no cluster.
    get(client, "/version")
        .await
        .context("cannot reach the cluster")?;
    let version = version(client, GROUP).await.unwrap_or("v1".to_owned());
    let api = format!("/apis/{GROUP}/{version}");
    let alpha = format!("/apis/{GROUP}/v1alpha1");
    for (prefix, plural, kind, namespaced) in [
        (&api, "externalsecrets", "ExternalSecret", true),
        (&api, "secretstores", "SecretStore", true),
        (&api, "clustersecretstores", "ClusterSecretStore", false),
        (
            &api,
            "clusterexternalsecrets",
            "ClusterExternalSecret",
            false,
        ),
        (&alpha, "pushsecrets", "PushSecret", true),
        (&alpha, "clusterpushsecrets", "ClusterPushSecret", false),
    ] {
        let collection = Collection {
            prefix,
            plural,
            kind,
            namespaced,
            selector: "",
        };
        seen.read(client, &collection, namespace).await;
    }
    generators(client, namespace, &mut seen).await;
    let deployments = Collection {
        prefix: "/apis/apps/v1",
        plural: "deployments",
        kind: "Deployment",
        namespaced: true,
        selector: NAMES,
    };
    // ESO may run in another namespace than the one that is asked about.
    seen.read(client, &deployments, None).await;
    let webhooks = Collection {
        prefix: "/apis/admissionregistration.k8s.io/v1",
        plural: "validatingwebhookconfigurations",
        kind: "ValidatingWebhookConfiguration",
        namespaced: false,
        selector: "external-secrets.io%2Fcomponent%3Dwebhook",
    };
    seen.read(client, &webhooks, None).await;
    let definitions = Collection {
        prefix: "/apis/apiextensions.k8s.io/v1",
        plural: "customresourcedefinitions",
        kind: "CustomResourceDefinition",
        namespaced: false,
        selector: "",
    };
    let before = seen.objects.len();
    seen.read(client, &definitions, None).await;
    let all = seen.objects.split_off(before.min(seen.objects.len()));
    let group = |crd: &Value| {
        let group = crd.pointer("/spec/group").and_then(Value::as_str);
        group.is_some_and(|group| group.ends_with(GROUP))
    };
    seen.objects.extend(all.into_iter().filter(group));
    Ok(seen)
}

/// The version of `group` to read: the one that the server prefers.
async fn version(client: &Client, group: &str) -> Option<String> {
    let body = get(client, &format!("/apis/{group}")).await.ok()?;
    let version = body.pointer("/preferredVersion/version")?.as_str()?;
    Some(version.to_owned())
}

async fn generators(client: &Client, namespace: Option<&str>, seen: &mut Seen) {
    let Some(version) = version(client, GENERATORS).await else {
        return;
    };
    let prefix = format!("/apis/{GENERATORS}/{version}");
    let Ok(resources) = get(client, &prefix).await else {
        seen.unseen.push(format!("{prefix}: no list of its kinds"));
        return;
    };
    let list = resources.get("resources").and_then(Value::as_array);
    for resource in list.into_iter().flatten() {
        let text = |key: &str| resource.get(key).and_then(Value::as_str);
        let (Some(plural), Some(kind)) = (text("name"), text("kind")) else {
            continue;
        };
        // States belong to ESO, and parts of an object have a slash in their name.
        if plural.contains('/') || kind == "GeneratorState" {
            continue;
        }
        let collection = Collection {
            prefix: &prefix,
            plural,
            kind,
            namespaced: resource.get("namespaced") == Some(&Value::Bool(true)),
            selector: "",
        };
        seen.read(client, &collection, namespace).await;
    }
}

impl Seen {
    async fn read(&mut self, client: &Client, of: &Collection<'_>, namespace: Option<&str>) {
        let Collection { prefix, plural, .. } = of;
        let place = match namespace {
            Some(namespace) if of.namespaced => format!("{prefix}/namespaces/{namespace}/{plural}"),
            _ => format!("{prefix}/{plural}"),
        };
        let mut next = String::new();
        loop {
            let selector = of.selector;
            let page = format!("{place}?limit={PAGE}&labelSelector={selector}&continue={next}");
            match get(client, &page).await {
                Ok(mut body) => {
                    next = body
                        .pointer("/metadata/continue")
                        .and_then(Value::as_str)
                        .unwrap_or_default()
                        .to_owned();
                    let version = body.get("apiVersion").cloned();
                    let items = body.get_mut("items").and_then(Value::as_array_mut);
                    for mut item in items.map(std::mem::take).into_iter().flatten() {
                        // Items of a list do not say what they are.
                        if let Some(fields) = item.as_object_mut() {
                            fields.insert("kind".into(), of.kind.into());
                            fields.insert("apiVersion".into(), version.clone().unwrap_or_default());
                        }
                        self.objects.push(item);
                    }
                }
                // A kind that is not there has no objects.
                Err(kube::Error::Api(status)) if status.code == 404 => return,
                Err(kube::Error::Api(status)) => {
                    self.unseen.push(format!("{plural}: {}", status.message));
                    return;
                }
                Err(error) => {
                    self.unseen.push(format!("{plural}: {error}"));
                    return;
                }
            }
            if next.is_empty() {
                return;
            }
        }
    }
}

async fn get(client: &Client, path: &str) -> Result<Value, kube::Error> {
    let request = Request::get(path).body(Vec::new());
    client
        .request(request.map_err(kube::Error::HttpError)?)
        .await
}

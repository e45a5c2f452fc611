//! The webhooks of a cluster that inject tokens, and what they were set up with.

use std::collections::BTreeMap;

use keyless_admission::cloud::{Cloud, Injectors};
use keyless_admission::inject::{aws, azure, google};
use kube::Client;
use serde_json::Value;
use tokio::time::Instant;

use super::text;
use crate::doctor::slim;
use crate::trust::collect;

const HOOKS: &str = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations";
/// Their kind.
pub const KIND: &str = "MutatingWebhookConfiguration";

/// The webhook configurations, and whether all of them were seen.
pub struct Hooks {
    pub configurations: Vec<Value>,
    pub failure: Option<String>,
    /// What injects, set up as the cluster's own webhooks are, as far as that can be read.
    pub injectors: Injectors,
}

/// Lists them, and reads the arguments of the webhooks behind them.
pub async fn hooks(client: &Client, until: Instant) -> Hooks {
    let (items, failure) = collect::list(
        client,
        HOOKS,
        KIND,
        "admissionregistration.k8s.io/v1",
        until,
    )
    .await;
    let configurations: Vec<Value> = items.iter().map(slim::configuration).collect();
    Hooks {
        injectors: injectors(client, &configurations, until).await,
        configurations,
        failure: failure.map(|error| format!("{error:#}")),
    }
}

/// The rules, set up by the arguments of the Deployments that the configurations' services stand
/// for; by default where these cannot be read.
async fn injectors(client: &Client, configurations: &[Value], until: Instant) -> Injectors {
    let mut all = Injectors {
        aws: Some(aws::Settings::default()),
        azure: Some(azure::Settings::default()),
        google: Some(google::Settings::default()),
    };
    let webhooks = configurations
        .iter()
        .filter_map(|c| c.get("webhooks")?.as_array())
        .flatten();
    let mut places: BTreeMap<(String, String), Vec<Cloud>> = BTreeMap::new();
    for webhook in webhooks {
        let service = |field: &str| text(webhook, &format!("/clientConfig/service/{field}"));
        let name = text(webhook, "/name");
        let cloud = match name.strip_suffix(".injection.keyless.dev") {
            Some(cloud) => Cloud::parse(cloud),
            None if name.starts_with("pod-identity-webhook.") => Some(Cloud::Aws),
            None => None,
        };
        if let Some(cloud) = cloud.filter(|_| !service("name").is_empty()) {
            let place = (service("namespace").to_owned(), service("name").to_owned());
            places.entry(place).or_default().push(cloud);
        }
    }
    let reads = places
        .into_iter()
        .map(|((namespace, name), clouds)| async move {
            let path = format!("/apis/apps/v1/namespaces/{namespace}/deployments/{name}");
            (collect::get(client, &path, until).await, clouds)
        });
    for (deployment, clouds) in futures::future::join_all(reads).await {
        let Ok(deployment) = deployment else { continue };
        let container = deployment.pointer("/spec/template/spec/containers/0");
        let arguments = ["command", "args"].into_iter().filter_map(|field| {
            let list = container?.get(field)?.as_array()?;
            Some(list.iter().filter_map(Value::as_str))
        });
        let arguments: Vec<&str> = arguments.flatten().collect();
        let Some(read) = crate::webhook::settings(&arguments, &clouds) else {
            continue;
        };
        all.aws = read.aws.or(all.aws);
        all.azure = read.azure.or(all.azure);
        all.google = read.google.or(all.google);
    }
    all
}

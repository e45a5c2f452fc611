//! Which pods a webhook configuration has API servers ask about.
//!
//! Owns: its selectors and paths, as far as they concern pods. Refuses: match conditions, which
//! only an API server can evaluate: a webhook that has some is left out.

use std::collections::BTreeMap;
use std::sync::Arc;

use keyless_api::LabelSelector;
use serde_json::Value;

use crate::cloud::{Cloud, Injectors, Route};
use crate::watched::{Seen, Watched};

/// One webhook.
#[derive(Clone, Debug, PartialEq)]
pub struct Hook {
    route: Route,
    namespaces: LabelSelector,
    objects: LabelSelector,
}

/// The webhooks for pods in all configurations that exist.
pub fn read(configurations: &[Arc<Watched>], injectors: &Injectors) -> Vec<Hook> {
    let present = configurations.iter().filter_map(|one| match one.seen() {
        Seen::Present(object) => Some(object),
        Seen::Absent | Seen::Unknown => None,
    });
    present
        .flat_map(|object| {
            let webhooks = object.get("webhooks").and_then(Value::as_array);
            let webhooks = webhooks.into_iter().flatten();
            let hooks = webhooks.filter_map(|webhook| Hook::parse(webhook, injectors));
            hooks.collect::<Vec<_>>()
        })
        .collect()
}

impl Hook {
    fn parse(webhook: &Value, injectors: &Injectors) -> Option<Self> {
        let conditions = webhook.get("matchConditions").and_then(Value::as_array);
        if conditions.is_some_and(|list| !list.is_empty()) {
            return None;
        }
        let client = webhook.get("clientConfig")?;
        let path = match client.get("url").and_then(Value::as_str) {
            Some(url) => {
                let rest = url.split_once("://")?.1;
                let (_, path) = rest.split_once('/')?;
                format!("/{}", path.split('?').next().unwrap_or_default())
            }
            None => client.pointer("/service/path")?.as_str()?.to_owned(),
        };
        let selector = |name: &str| -> Option<LabelSelector> {
            match webhook.get(name) {
                None | Some(Value::Null) => Some(LabelSelector::default()),
                Some(selector) => keyless_api::decode(selector).ok(),
            }
        };
        Some(Self {
            route: Route::of(&path, injectors)?,
            namespaces: selector("namespaceSelector")?,
            objects: selector("objectSelector")?,
        })
    }

    /// Whether the labels of a pod's namespace matter.
    pub fn selects_namespaces(&self) -> bool {
        self.namespaces != LabelSelector::default()
    }

    /// Whether it is asked about a pod with these labels in a namespace with those.
    pub fn selects(&self, namespace: &BTreeMap<String, String>, pod: &Value) -> bool {
        let labels = pod.as_object().into_iter().flatten();
        let labels: BTreeMap<String, String> = labels
            .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
            .collect();
        (!self.selects_namespaces() || self.namespaces.matches(namespace))
            && self.objects.matches(&labels)
    }

    /// The clouds that then look at the pod.
    pub fn clouds(&self, pod: &Value) -> Vec<Cloud> {
        let clouds = self.route.clouds.iter().copied();
        clouds
            .filter(|cloud| !self.route.by_labels || cloud.selects(Some(pod)))
            .collect()
    }
}

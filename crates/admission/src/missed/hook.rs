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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::inject::{aws, azure};

    fn hook(webhook: Value) -> Option<Hook> {
        let injectors = Injectors {
            aws: Some(aws::Settings::default()),
            azure: Some(azure::Settings::default()),
            google: None,
        };
        Hook::parse(&webhook, &injectors)
    }

    fn at(path: &str) -> Value {
        json!({"clientConfig": {"service": {"name": "n", "namespace": "ns", "path": path}}})
    }

    #[test]
    fn a_webhook_is_understood_or_left_out() {
        let mut conditional = at("/inject");
        conditional["matchConditions"] = json!([{"name": "a", "expression": "true"}]);
        for (name, webhook, clouds) in [
            ("a service", at("/mutate"), Some(vec![Cloud::Aws])),
            (
                "a URL",
                json!({"clientConfig": {"url": "https://10.0.0.1:443/inject/azure?x=1"}}),
                Some(vec![Cloud::Azure]),
            ),
            ("switched off", at("/inject/google"), None),
            ("elsewhere", at("/other"), None),
            (
                "no path",
                json!({"clientConfig": {"url": "https://host"}}),
                None,
            ),
            ("conditions", conditional, None),
            ("nothing", json!({}), None),
        ] {
            let found = hook(webhook).map(|hook| hook.clouds(&json!({})));
            assert_eq!(found, clouds, "{name}");
        }
        // Where one path serves several clouds, labels decide.
        let both = hook(at("/inject")).unwrap();
        assert_eq!(both.clouds(&json!({})), [Cloud::Aws]);
        let opted_in = json!({"azure.workload.identity/use": "true"});
        assert_eq!(both.clouds(&opted_in), [Cloud::Aws, Cloud::Azure]);
    }

    #[test]
    fn selectors_are_those_of_the_configuration() {
        let mut webhook = at("/inject/aws");
        webhook["namespaceSelector"] = json!({"matchLabels": {"team": "a"}});
        webhook["objectSelector"] =
            json!({"matchExpressions": [{"key": "skip", "operator": "DoesNotExist"}]});
        let hook = hook(webhook).unwrap();
        assert!(hook.selects_namespaces());
        let team = |team: &str| BTreeMap::from([("team".to_owned(), team.to_owned())]);
        assert!(hook.selects(&team("a"), &json!({"app": "x"})));
        assert!(hook.selects(&team("a"), &Value::Null));
        assert!(!hook.selects(&team("b"), &json!({})));
        assert!(!hook.selects(&team("a"), &json!({"skip": "x"})));
    }
}

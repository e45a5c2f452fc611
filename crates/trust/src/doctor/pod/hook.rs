//! The webhooks of a cluster that inject tokens, as far as their configurations were seen.
//!
//! Refuses: match conditions, which only an API server can evaluate: a webhook that has some may
//! or may not be asked.

use std::collections::BTreeMap;

use keyless_api::LabelSelector;
use serde_json::Value;

use super::Provider;
use super::read::{Pod, text};
use crate::doctor::Facts;

/// The kind of the configurations.
pub(super) const KIND: &str = "MutatingWebhookConfiguration";

/// One webhook.
pub(super) struct Hook<'a> {
    /// The configuration and the webhook in it.
    pub(super) name: String,
    webhook: &'a Value,
    providers: Vec<Provider>,
}

/// All that inject tokens.
pub(super) fn read(facts: &Facts) -> Vec<Hook<'_>> {
    let configurations = facts.objects.iter().filter(|o| text(o, "/kind") == KIND);
    let hooks = configurations.flat_map(|configuration| {
        let webhooks = configuration.get("webhooks").and_then(Value::as_array);
        webhooks.into_iter().flatten().filter_map(|webhook| {
            let (outer, inner) = (
                text(configuration, "/metadata/name"),
                text(webhook, "/name"),
            );
            let providers = providers(outer, inner, text(webhook, "/clientConfig/service/path"));
            (!providers.is_empty()).then(|| Hook {
                name: format!("{KIND} {outer}, webhook {inner}"),
                webhook,
                providers,
            })
        })
    });
    hooks.collect()
}

/// Whether the configurations that there are have all been seen.
pub(super) fn all_seen(facts: &Facts) -> bool {
    facts.listed.iter().any(|kind| kind == KIND)
}

/// Whether a webhook of this name injects tokens.
pub(super) fn injects(name: &str) -> bool {
    !providers("", name, "").is_empty()
}

/// By the names under which the clouds and keyless install them.
fn providers(configuration: &str, webhook: &str, path: &str) -> Vec<Provider> {
    let own = webhook.strip_suffix(".injection.keyless.dev");
    let own = own.or_else(|| path.strip_prefix("/inject/"));
    match own {
        Some("aws") => return vec![Provider::Aws],
        Some("azure") => return vec![Provider::Azure],
        Some("google" | "gcp") => return vec![Provider::Google],
        _ => {}
    }
    if path == "/inject" {
        return vec![Provider::Aws, Provider::Azure, Provider::Google];
    }
    if webhook.contains("pod-identity-webhook") || webhook == "iam-for-pods.amazonaws.com" {
        vec![Provider::Aws]
    } else if webhook == "mutation.azure-workload-identity.io" {
        vec![Provider::Azure]
    } else if configuration.contains("gcp-workload-identity") {
        vec![Provider::Google]
    } else {
        Vec::new()
    }
}

impl Hook<'_> {
    pub(super) fn is_for(&self, provider: Provider) -> bool {
        self.providers.contains(&provider)
    }

    /// What of its selectors leaves the pod out; unknown where the namespace was not seen.
    pub(super) fn leaves_out(
        &self,
        pod: &Pod<'_>,
        namespace: Option<&BTreeMap<String, String>>,
    ) -> Option<&'static str> {
        let selector = |name: &str| -> Option<LabelSelector> {
            let value = self.webhook.get(name).filter(|v| !v.is_null())?;
            keyless_api::decode(value).ok()
        };
        let missed = |selector: Option<LabelSelector>, labels: &BTreeMap<String, String>| {
            selector.is_some_and(|s| s != LabelSelector::default() && !s.matches(labels))
        };
        if namespace.is_some_and(|labels| missed(selector("namespaceSelector"), labels)) {
            return Some("namespaceSelector");
        }
        let labels = super::texts(pod.object, "/metadata/labels");
        missed(selector("objectSelector"), &labels).then_some("objectSelector")
    }

    /// Whether nothing says by which authority its certificate is to be judged.
    pub(super) fn lacks_authority(&self) -> bool {
        text(self.webhook, "/clientConfig/caBundle").is_empty()
            && self.webhook.pointer("/clientConfig/service").is_some()
    }

    pub(super) fn is_called_again(&self) -> bool {
        text(self.webhook, "/reinvocationPolicy") == "IfNeeded"
    }
}

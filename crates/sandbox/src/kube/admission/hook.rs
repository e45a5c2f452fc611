//! One webhook of a configuration: whom it concerns.

use std::time::Duration;

use serde_json::Value;

use super::Operation;
use crate::kube::object::{items, strings, text};
use crate::kube::selector::Labels;
use crate::kube::server::{App, Context};
use crate::kube::store::Bucket;

/// A webhook, read once.
#[derive(Debug)]
pub(super) struct Hook {
    pub name: String,
    /// Where it is; empty for one behind a Service.
    pub url: String,
    /// The Service, as errors name it.
    pub service: String,
    /// The authority to trust it by, base64 of PEM.
    pub ca: String,
    pub timeout: Duration,
    /// Whether a failure lets the write pass.
    pub is_optional: bool,
    /// Whether a dry run may ask it.
    pub is_harmless: bool,
    rules: Vec<Rule>,
    namespaces: Option<Labels>,
    objects: Option<Labels>,
}

#[derive(Debug)]
struct Rule {
    operations: Vec<String>,
    groups: Vec<String>,
    versions: Vec<String>,
    resources: Vec<String>,
    scope: String,
}

impl Hook {
    pub(super) fn parse(raw: &Value) -> Self {
        let none = Value::Null;
        let client = raw.get("clientConfig").unwrap_or(&none);
        let owned = |list: Option<&Value>| strings(list).map(str::to_owned).collect::<Vec<_>>();
        let rule = |r: &Value| Rule {
            operations: owned(r.get("operations")),
            groups: owned(r.get("apiGroups")),
            versions: owned(r.get("apiVersions")),
            resources: owned(r.get("resources")),
            scope: text(r, "scope").to_owned(),
        };
        let service = client
            .get("service")
            .map(|s| format!("{}.{}.svc", text(s, "name"), text(s, "namespace")));
        Self {
            name: text(raw, "name").to_owned(),
            url: text(client, "url").to_owned(),
            service: service.unwrap_or_default(),
            ca: text(client, "caBundle").to_owned(),
            timeout: Duration::from_secs(
                raw.get("timeoutSeconds")
                    .and_then(Value::as_u64)
                    .unwrap_or(10)
                    .clamp(1, 30),
            ),
            is_optional: text(raw, "failurePolicy") == "Ignore",
            is_harmless: matches!(text(raw, "sideEffects"), "None" | "NoneOnDryRun"),
            rules: items(raw, "rules").map(rule).collect(),
            namespaces: raw
                .get("namespaceSelector")
                .map_or(Some(Labels::default()), Labels::from_object),
            objects: raw
                .get("objectSelector")
                .map_or(Some(Labels::default()), Labels::from_object),
        }
    }

    /// Whether it wants to be asked about this write.
    pub(super) fn matches(
        &self,
        app: &App,
        ctx: &Context,
        operation: Operation,
        object: Option<&Value>,
        old: Option<&Value>,
    ) -> bool {
        // Webhooks may not lock their own configuration.
        if &*ctx.resource.group == "admissionregistration.k8s.io" {
            return false;
        }
        self.rules.iter().any(|r| r.matches(ctx, operation))
            && self.matches_namespace(app, ctx, object.or(old))
            && self.matches_object(object, old)
    }

    fn matches_namespace(&self, app: &App, ctx: &Context, object: Option<&Value>) -> bool {
        let Some(selector) = &self.namespaces else {
            return false;
        };
        if selector.is_empty() {
            return true;
        }
        if ctx.resource.is("", "namespaces") {
            return object.is_some_and(|o| selector.matches(o));
        }
        if !ctx.resource.namespaced {
            return true;
        }
        let namespace = app
            .store
            .get(&Bucket::new("", "namespaces"), "", &ctx.target.namespace);
        namespace.is_some_and(|n| selector.matches(n.value()))
    }

    fn matches_object(&self, object: Option<&Value>, old: Option<&Value>) -> bool {
        let Some(selector) = &self.objects else {
            return false;
        };
        selector.is_empty()
            || [object, old]
                .into_iter()
                .flatten()
                .any(|o| selector.matches(o))
    }
}

impl Rule {
    fn matches(&self, ctx: &Context, operation: Operation) -> bool {
        let has = |list: &[String], wanted: &str| list.iter().any(|e| e == "*" || e == wanted);
        let (resource, sub) = (&ctx.resource, ctx.target.subresource.as_str());
        let scope = match self.scope.as_str() {
            "Namespaced" => resource.namespaced,
            "Cluster" => !resource.namespaced,
            _ => true,
        };
        scope
            && has(&self.operations, operation.as_str())
            && has(&self.groups, &resource.group)
            && has(&self.versions, &resource.version)
            && self
                .resources
                .iter()
                .any(|pattern| match pattern.split_once('/') {
                    None => sub.is_empty() && (pattern == "*" || **pattern == *resource.plural),
                    Some((name, wanted)) => {
                        (name == "*" || *name == *resource.plural)
                            && (wanted == "*" || wanted == sub)
                    }
                })
    }
}

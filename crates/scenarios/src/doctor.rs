//! The doctor's engine over what a scenario's cluster holds.
//!
//! Owns: collecting objects as the command line does. Refuses: a look from outside, tokens, and
//! the issuer, which is a loopback address here: those have tests of their own.

use anyhow::Result;
use keyless_trust::doctor::{Diagnosis, Facts, diagnose};
use serde_json::Value;

use crate::world::World;

impl World {
    /// The diagnosis of the ExternalSecret `name`, by its objects and what was said of it.
    pub async fn diagnose(&self, name: &str) -> Result<Diagnosis> {
        let mut facts = Facts {
            about: format!("ExternalSecret {}/{name}", self.ns),
            now: self.now(),
            ..Facts::default()
        };
        let Some(external) = self
            .see(&mut facts, "ExternalSecret", &self.ns, name)
            .await?
        else {
            return Ok(diagnose(&facts));
        };
        self.see(&mut facts, "Namespace", "", &self.ns).await?;
        let reference = &external["spec"]["secretStoreRef"];
        let kind = match reference["kind"].as_str() {
            Some("ClusterSecretStore") => "ClusterSecretStore",
            _ => "SecretStore",
        };
        let namespace = if kind == "SecretStore" { &*self.ns } else { "" };
        let store = reference["name"].as_str().unwrap_or_default();
        if let Some(store) = self.see(&mut facts, kind, namespace, store).await? {
            for (of, account) in accounts(&store["spec"]) {
                let of = of.unwrap_or_else(|| self.ns.clone());
                self.see(&mut facts, "ServiceAccount", &of, &account)
                    .await?;
            }
        }
        Ok(diagnose(&facts))
    }

    /// The diagnosis of a pod by the objects around it and by `more` of them. A pod that was refused
    /// is not there; what was said of it is an event among the others.
    pub async fn diagnose_pod(
        &self,
        namespace: &str,
        name: &str,
        more: Vec<Value>,
    ) -> Result<Diagnosis> {
        const HOOKS: &str = "MutatingWebhookConfiguration";
        let mut facts = Facts {
            about: format!("Pod {namespace}/{name}"),
            now: self.now(),
            objects: more,
            listed: vec![HOOKS.to_owned()],
            ..Facts::default()
        };
        self.see(&mut facts, "Pod", namespace, name).await?;
        self.see(&mut facts, "Namespace", "", namespace).await?;
        for (kind, namespace) in [("ServiceAccount", namespace), (HOOKS, "")] {
            for mut object in self.api.list(kind, namespace).await? {
                object["kind"] = kind.into();
                facts.objects.push(object);
            }
        }
        Ok(diagnose(&facts))
    }

    async fn see(
        &self,
        facts: &mut Facts,
        kind: &str,
        namespace: &str,
        name: &str,
    ) -> Result<Option<Value>> {
        let found = self.api.get(kind, namespace, name).await?;
        match &found {
            Some(object) => {
                let mut object = object.clone();
                object["kind"] = kind.into();
                facts.objects.push(object);
            }
            None if namespace.is_empty() => facts.absent.push(format!("{kind} {name}")),
            None => facts.absent.push(format!("{kind} {namespace}/{name}")),
        }
        Ok(found)
    }
}

/// Namespace and name of every service account that a store's spec names.
fn accounts(spec: &Value) -> Vec<(Option<String>, String)> {
    let mut found = Vec::new();
    match spec {
        Value::Object(fields) => {
            for (field, value) in fields {
                if field == "serviceAccountRef" {
                    let text = |name: &str| value[name].as_str().map(str::to_owned);
                    found.push((text("namespace"), text("name").unwrap_or_default()));
                } else {
                    found.extend(accounts(value));
                }
            }
        }
        Value::Array(items) => found.extend(items.iter().flat_map(accounts)),
        _ => {}
    }
    found
}

//! The rules: what is different about one object, by its kind.
//!
//! Owns: reading a manifest as the operator would, and saying what it would not do. Refuses: any
//! look at a cluster; what is not in the manifest is not known.

use keyless_api::{
    AwsService, ClusterExternalSecretSpec, ExternalSecretSpec, ReferenceKind, SecretStoreSpec,
    decode, validate, validate_cluster_external_secret, validate_store,
};
use keyless_controller::preview;
use serde_json::Value;

use super::deviations::{self, Deviation};
use super::finding::{Finding, Named, Weight};
use super::installation;

/// The group of the API.
pub const GROUP: &str = "external-secrets.io";
/// The group of generators.
pub const GENERATORS: &str = "generators.external-secrets.io";

/// Findings about one object.
pub struct About<'a> {
    pub(super) object: &'a Value,
    named: Named,
    found: Vec<Finding>,
}

impl<'a> About<'a> {
    fn new(object: &'a Value) -> Self {
        let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str);
        let own = |pointer: &str| text(pointer).unwrap_or_default().to_owned();
        Self {
            object,
            named: Named {
                kind: own("/kind"),
                namespace: text("/metadata/namespace").map(str::to_owned),
                name: own("/metadata/name"),
            },
            found: Vec::new(),
        }
    }

    pub(super) fn text(&self, pointer: &str) -> &'a str {
        let text = self.object.pointer(pointer).and_then(Value::as_str);
        text.unwrap_or_default()
    }

    /// Adds a finding about `path`, or about the object as a whole if it is empty.
    pub(super) fn add(&mut self, weight: Weight, path: &str, message: impl Into<String>) {
        self.found.push(Finding {
            weight,
            object: self.named.clone(),
            path: (!path.is_empty()).then(|| path.to_owned()),
            message: message.into(),
            row: None,
        });
    }

    /// Adds how it behaves otherwise, unless it does not work at all.
    fn deviations<T>(&mut self, table: &[Deviation<T>], spec: &T) {
        if self.found.iter().any(|f| f.weight == Weight::Stops) {
            return;
        }
        for deviation in table.iter().filter(|d| (d.concerns)(spec)) {
            self.add(Weight::Differs, deviation.path, deviation.message);
            if let Some(finding) = self.found.last_mut() {
                finding.row = Some(deviation.row);
            }
        }
    }
}

/// Everything that is different about `object`; nothing about kinds that do not matter.
pub fn look(object: &Value) -> Vec<Finding> {
    let mut about = About::new(object);
    let version = about.text("/apiVersion");
    let (group, version) = version.split_once('/').unwrap_or(("", version));
    match (group, about.text("/kind")) {
        (GROUP, kind) => {
            if version == "v1alpha1" && !kind.contains("PushSecret") {
                let message = format!("{GROUP}/v1alpha1 is not read any more. Write {GROUP}/v1");
                about.add(Weight::Stops, "apiVersion", message);
            }
            match kind {
                "ExternalSecret" => external_secret(&mut about),
                "ClusterExternalSecret" => cluster_external_secret(&mut about),
                "SecretStore" | "ClusterSecretStore" => store(&mut about),
                _ => about.add(
                    Weight::Stops,
                    "",
                    "objects of this kind are not acted upon. What was written for it stays as it is. Keep ESO for it, under a controller class of its own",
                ),
            }
        }
        (GENERATORS, _) => about.add(
            Weight::Stops,
            "",
            "generators are not acted upon. ExternalSecrets that use this one are not Ready; their Secrets stay as they are",
        ),
        ("apps", "Deployment") => installation::deployment(&mut about),
        ("apiextensions.k8s.io", "CustomResourceDefinition") => installation::crd(&mut about),
        ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration") => {
            installation::webhook(&mut about);
        }
        _ => {}
    }
    about.found
}

/// Whether `look` knows the kind of an object.
pub fn matters(object: &Value) -> bool {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str);
    let group = text("/apiVersion").and_then(|version| version.split_once('/'));
    let group = group.map_or("", |(group, _)| group);
    group.ends_with(GROUP) || !look(object).is_empty()
}

fn external_secret(about: &mut About<'_>) {
    let spec: ExternalSecretSpec = match decode(about.object.get("spec").unwrap_or(&Value::Null)) {
        Ok(spec) => spec,
        Err(error) => {
            let error = error.below("spec");
            return about.add(Weight::Stops, &error.path, error.reason);
        }
    };
    for violation in validate(&spec) {
        about.add(Weight::Stops, &violation.path, violation.message);
    }
    fields(about, &spec);
    finalizers(about);
    about.deviations(deviations::EXTERNAL_SECRET, &spec);
}

/// What of an ExternalSecret's spec is not acted upon, or only when the operator is told to.
fn fields(about: &mut About<'_>, spec: &ExternalSecretSpec) {
    for path in preview::unsupported(spec) {
        about.add(
            Weight::Stops,
            &path,
            "this field is not acted upon: the object is not Ready and says so; its Secret stays as it is",
        );
    }
    let manifest = spec.target.as_ref().and_then(|t| t.manifest.as_ref());
    if let Some(manifest) = manifest.filter(|manifest| !manifest.is_secret()) {
        let message = format!(
            "the target is a {}. Set genericTargets.enabled, and grant the kind in genericTargets.resources (without the chart: --unsafe-allow-generic-targets)",
            manifest.kind
        );
        about.add(Weight::Step, "spec.target.manifest", message);
    }
}

fn finalizers(about: &mut About<'_>) {
    let list = about.object.pointer("/metadata/finalizers");
    let list = list.and_then(Value::as_array).into_iter().flatten();
    let mut ours = list.filter_map(Value::as_str).filter(|f| f.contains(GROUP));
    if ours.next().is_some() {
        about.add(
            Weight::Differs,
            "metadata.finalizers",
            "ESO's finalizer stays until the object is deleted, and is taken off then; no new one is set",
        );
    }
}

fn cluster_external_secret(about: &mut About<'_>) {
    let spec = about.object.get("spec").unwrap_or(&Value::Null);
    let spec: ClusterExternalSecretSpec = match decode(spec) {
        Ok(spec) => spec,
        Err(error) => {
            let error = error.below("spec");
            return about.add(Weight::Stops, &error.path, error.reason);
        }
    };
    for violation in validate_cluster_external_secret(&spec) {
        about.add(Weight::Stops, &violation.path, violation.message);
    }
    fields(about, &spec.external_secret_spec);
    finalizers(about);
}

fn store(about: &mut About<'_>) {
    let spec: SecretStoreSpec = match decode(about.object.get("spec").unwrap_or(&Value::Null)) {
        Ok(spec) => spec,
        Err(error) => {
            let error = error.below("spec");
            return about.add(Weight::Stops, &error.path, error.reason);
        }
    };
    let namespace = about.named.namespace.clone();
    let own = namespace
        .as_deref()
        .filter(|_| about.named.kind == "SecretStore");
    for violation in validate_store(&spec, own) {
        about.add(Weight::Stops, &violation.path, violation.message);
    }
    for name in spec.provider.names() {
        if !keyless_providers::acts_on(name) {
            about.add(
                Weight::Stops,
                &format!("spec.provider.{name}"),
                "this provider is not supported: the store is not Ready and says so; the Secrets of its readers stay as they are",
            );
        }
    }
    logins(about, &spec);
    tokens(about, &spec, own);
    about.deviations(deviations::STORE, &spec);
}

/// Services and ways to log in that are not there.
fn logins(about: &mut About<'_>, spec: &SecretStoreSpec) {
    let aws = spec.provider.aws.as_ref();
    if aws.is_some_and(|aws| aws.service == AwsService::CertificateManager) {
        about.add(
            Weight::Stops,
            "spec.provider.aws.service",
            "CertificateManager is not supported",
        );
    }
    let webhook = spec.provider.webhook.as_ref();
    let webhook = webhook.and_then(|webhook| webhook.auth.as_ref());
    if webhook.is_some_and(|auth| auth.ntlm.is_some()) {
        about.add(
            Weight::Stops,
            "spec.provider.webhook.auth.ntlm",
            "this way to log in is not supported",
        );
    }
}

/// The service accounts whose tokens the operator must be allowed to create.
fn tokens(about: &mut About<'_>, spec: &SecretStoreSpec, own: Option<&str>) {
    for reference in spec.references() {
        if reference.kind != ReferenceKind::ServiceAccount {
            continue;
        }
        let namespace = reference.namespace.as_deref().or(own);
        let message = match namespace {
            Some(namespace) => format!(
                "it logs in as the service account {namespace}/{}. Add {namespace} to rbac.tokenNamespaces: the right to create tokens is not given for the whole cluster",
                reference.name
            ),
            None => format!(
                "it logs in as the service account {} of each ExternalSecret's namespace. Add these namespaces to rbac.tokenNamespaces, or set rbac.serviceAccountTokenCreate to true",
                reference.name
            ),
        };
        about.add(Weight::Step, "spec.provider", message);
    }
}

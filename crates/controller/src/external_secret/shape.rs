//! From fetched values to the content of the Secret, by the pure pipeline of `keyless-secret`.
//!
//! Owns: which parts of a spec are not acted on, and reading the ConfigMaps and Secrets that hold
//! templates. Refuses: every step of the pipeline itself.

use std::collections::{BTreeMap, BTreeSet};

use keyless_api::constants::message;
use keyless_api::{ExternalSecretSpec, ReferenceKind, Support};
use keyless_fault::{Class, Fault};
use keyless_secret::SecretBytes;
use keyless_secret::pipeline::{self, Fetched};
use keyless_secret::template::{self, Content, SourceKind, Sources};

use super::problem::{Failed, Problem};
use crate::cluster::{ClusterReader, Versioned};
use crate::context::Context;
use crate::object::{ExternalSecret, ObjectKey, Sighting, json_map};
use crate::render::Renderer;

/// What this operator does not act on. Silence would be worse than an error.
const MISSING: [&str; 2] = [
    "spec.data.sourceRef.generatorRef",
    "spec.dataFrom.sourceRef.generatorRef",
];

/// The fields of a spec that are not acted on.
pub fn unsupported(spec: &ExternalSecretSpec) -> Vec<String> {
    Support::everything().without(MISSING).missing(spec)
}

/// The first field of a spec that is not acted on, or whose value cannot be read.
///
/// # Errors
/// Names the field.
pub fn check(spec: &ExternalSecretSpec) -> Result<(), Problem> {
    if let Some(path) = unsupported(spec).into_iter().next() {
        return Err(Problem::Unsupported { path });
    }
    if let Err(error) = spec.refresh_interval() {
        return Err(Problem::Spec(format!("spec.refreshInterval: {error}")));
    }
    Ok(())
}

/// The same for a preview, which shows Secrets only.
///
/// # Errors
/// Names the field.
pub fn check_preview(spec: &ExternalSecretSpec) -> Result<(), Problem> {
    check(spec)?;
    let target = spec.target.as_ref();
    let manifest = target.and_then(|target| target.manifest.as_ref());
    match manifest.filter(|manifest| !manifest.is_secret()) {
        None => Ok(()),
        Some(manifest) => Err(Problem::Spec(format!(
            "spec.target.manifest: the target is a {}, and only Secrets can be previewed",
            manifest.kind
        ))),
    }
}

/// The keys and values before any template, and the entries that were skipped.
///
/// # Errors
/// Names the entry and, never with a value, what is wrong with it.
pub fn data(
    spec: &ExternalSecretSpec,
    fetched: Fetched,
    renderer: &mut Renderer<'_>,
) -> Result<pipeline::Gathered, Failed> {
    pipeline::gather(spec, fetched, renderer).map_err(|error| Failed::data(&error))
}

/// What is to be written into the Secret.
///
/// # Errors
/// A source of templates cannot be read, or a template cannot be rendered.
pub async fn content(
    context: &Context,
    object: &ExternalSecret,
    spec: &ExternalSecretSpec,
    data: BTreeMap<String, SecretBytes>,
    renderer: &mut Renderer<'_>,
) -> Result<Content, Failed> {
    let sources = match spec.template() {
        Some(template) => {
            let reader = &object.key;
            let seen = |kind, name: &str, sighting| {
                // What is read before a watch has shown it would otherwise change unnoticed.
                let key = ObjectKey::new(&reader.namespace, name);
                context.disturb(|index| index.read(kind, &key, sighting, reader));
            };
            let needed = template::needed(template);
            read(&context.cluster, &reader.namespace, needed, seen)
                .await
                .map_err(|error| Failed::new(message::COULD_NOT_UPDATE, &error))?
        }
        None => Sources::new(),
    };
    let labels = json_map(&object.labels);
    let annotations = json_map(&object.annotations);
    let content = template::content(spec, &labels, &annotations, data, &sources, renderer)
        .map_err(|error| Failed::new(message::COULD_NOT_UPDATE, &error))?;
    for warning in &content.warnings {
        tracing::info!(external_secret = %object.key, warning, "template");
    }
    Ok(content)
}

/// The ConfigMaps and Secrets that hold templates.
///
/// # Errors
/// One cannot be read; one that does not exist is no error here.
pub async fn sources(
    cluster: &ClusterReader,
    namespace: &str,
    needed: BTreeSet<(SourceKind, String)>,
) -> Result<Sources, keyless_identity::Error> {
    read(cluster, namespace, needed, |_, _, _| {}).await
}

/// As [`sources`]; tells `seen` what was found of each, and what was not.
async fn read(
    cluster: &ClusterReader,
    namespace: &str,
    needed: BTreeSet<(SourceKind, String)>,
    mut seen: impl FnMut(ReferenceKind, &str, Sighting),
) -> Result<Sources, keyless_identity::Error> {
    let mut sources = Sources::new();
    for (kind, name) in needed {
        let (referenced, read) = match kind {
            SourceKind::Secret => {
                let read = cluster.secret_data(namespace, &name).await;
                (ReferenceKind::Secret, read)
            }
            SourceKind::ConfigMap => {
                let read = cluster.config_map_data(namespace, &name).await;
                let read = read.map(|read| Versioned {
                    data: read.data.into_iter().map(|(k, v)| (k, v.into())).collect(),
                    version: read.version,
                });
                (ReferenceKind::ConfigMap, read)
            }
        };
        let (data, sighting) = match read {
            Ok(read) => (Some(read.data), Sighting::read(read.version)),
            Err(error) if error.class() == Class::NotFound => (None, Sighting::ABSENT),
            Err(error) => return Err(error),
        };
        seen(referenced, &name, sighting);
        sources.insert((kind, name), data);
    }
    Ok(sources)
}

//! Targets other than Secrets: the object that `target.manifest` names.
//!
//! Owns: which kind is meant, where fetched and rendered values go in the object, the paths of
//! `templateFrom[].target`, the object as it ought to be given what exists, and its hash.
//! Refuses: I/O, and letting a template choose the object: its kind, name, namespace and owners
//! are the ExternalSecret's. A Secret, also one that `target.manifest` names, goes the way of
//! Secrets and obeys their rules.

mod error;
mod kind;
mod path;
mod place;
mod wanted;

use std::collections::BTreeMap;

use keyless_api::ExternalSecretSpec;

use crate::SecretBytes;
use crate::render::Render;
use crate::template::{self, Sources, TemplateError};

pub use error::ManifestError;
pub use kind::{KindError, TargetKind};
pub use path::{MAX_INDEX, Path};
pub use place::{PlaceError, Placement};
pub use wanted::{content_hash, is_managed, is_valid, wanted};

type Map = BTreeMap<String, SecretBytes>;
type Texts = BTreeMap<String, String>;

/// What is to be written into the target, apart from what the operator adds itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ManifestContent {
    /// The labels.
    pub labels: Texts,
    /// The annotations.
    pub annotations: Texts,
    /// The finalizers that the template adds.
    pub finalizers: Vec<String>,
    /// Everything else, in the order in which it is placed.
    pub placements: Vec<Placement>,
    /// What is legal and probably not meant, worth showing to the user once.
    pub warnings: Vec<String>,
}

/// The content of a target of `kind`, of an ExternalSecret with this spec, labels and annotations.
///
/// Without a template the fetched values become members of a ConfigMap's `data`, or of another
/// kind's `spec.data`, and labels and annotations are the object's own. With one, `template.data`
/// and a `templateFrom` without target go to `data`, other targets are paths; as for Secrets the
/// fetched values are taken under mergePolicy Merge or if the template has neither.
///
/// # Errors
/// The template is not allowed, a source is missing, a text does not render to what is needed, or
/// a value is no text.
pub fn content(
    kind: &TargetKind,
    spec: &ExternalSecretSpec,
    labels: &Texts,
    annotations: &Texts,
    fetched: Map,
    sources: &Sources,
    render: &mut dyn Render,
) -> Result<ManifestContent, ManifestError> {
    let (rendered, templated) = match spec.template() {
        None => {
            let plain = template::Content {
                data: fetched,
                labels: labels.clone(),
                annotations: annotations.clone(),
                ..template::Content::default()
            };
            (plain, Vec::new())
        }
        Some(template) => {
            template::check(spec)?;
            template::render_placements(template, fetched, sources, render)?
        }
    };
    let mut placements = Vec::with_capacity(rendered.data.len() + templated.len());
    for (key, value) in &rendered.data {
        let placed = if kind.is_config_map() {
            Placement::member("data", key, value.expose())
        } else {
            Placement::below_spec_data(key, value.expose())
        };
        placements.push(placed.map_err(|source| ManifestError::Value {
            key: key.clone(),
            source,
        })?);
    }
    // What a template places wins over what was fetched.
    placements.extend(templated);
    Ok(ManifestContent {
        labels: rendered.labels,
        annotations: rendered.annotations,
        finalizers: rendered.finalizers,
        placements,
        warnings: rendered.warnings,
    })
}

impl From<TemplateError> for ManifestError {
    fn from(error: TemplateError) -> Self {
        Self::Template(error)
    }
}

#[cfg(test)]
mod tests;

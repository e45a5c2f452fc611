//! The target of an ExternalSecret when it is no Secret.
//!
//! Owns: which kind of object is meant and whether it can be one, its content, and its reads and
//! writes. Refuses: deciding when to sync, which is the same for every target, and building the
//! object, which `keyless-secret` does.

mod apply;
mod mask;

use std::collections::BTreeMap;
use std::sync::Arc;

use keyless_api::ExternalSecretSpec;
use keyless_api::constants::{GROUP, message};
use keyless_secret::SecretBytes;
use keyless_secret::manifest::{self, ManifestContent, TargetKind};
use keyless_secret::template::needed;

use super::facts::Gathered;
use super::plan::{Step, Target};
use super::problem::{Failed, Problem};
use super::shape;
use crate::context::Context;
use crate::index::{Index, KindState};
use crate::kinds::Served;
use crate::object::{ExternalSecret, ObjectKey, json_map};
use crate::options::Options;
use crate::render::Renderer;

pub use apply::{delete, delete_orphans, not_deleted, tell_deleted, verify, write};

/// What kind of object an ExternalSecret writes.
#[derive(Clone, Debug)]
pub enum Destination {
    /// A Secret.
    Secret,
    /// An object that must not be written.
    Invalid(Problem),
    /// An object of another kind, with what is known of the kind.
    Resource(TargetKind, KindState),
}

/// An object of another kind whose kind is known.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The kind.
    pub kind: &'a TargetKind,
    /// How it is served.
    pub served: &'a Served,
    /// The object.
    pub key: &'a ObjectKey,
}

/// Why a target cannot be worked on now.
#[derive(Clone, Debug)]
pub enum Obstacle {
    /// Its kind is not known yet; the news wakes the ExternalSecret.
    Wait,
    /// It has failed.
    Failed(Failed),
}

impl Destination {
    /// Where an ExternalSecret writes.
    #[must_use]
    pub fn of(object: &ExternalSecret, spec: &ExternalSecretSpec, options: &Options) -> Self {
        let target = spec.target.as_ref();
        let Some(manifest) = target.and_then(|target| target.manifest.as_ref()) else {
            return Self::Secret;
        };
        if !options.generic_targets {
            return Self::Invalid(Problem::GenericTargetsOff);
        }
        match TargetKind::of(manifest) {
            Ok(None) => Self::Secret,
            Ok(Some(kind)) if is_itself(&kind, object, spec) => Self::Invalid(Problem::Spec(
                "spec.target.manifest names this ExternalSecret itself".to_owned(),
            )),
            Ok(Some(kind)) => Self::Resource(kind, KindState::Unknown),
            Err(error) => Self::Invalid(Problem::Spec(format!("spec.{error}"))),
        }
    }

    /// The kind, if it is no Secret.
    #[must_use]
    pub const fn kind(&self) -> Option<&TargetKind> {
        match self {
            Self::Resource(kind, _) => Some(kind),
            Self::Secret | Self::Invalid(_) => None,
        }
    }

    /// The object, if it is of another kind and that is known.
    #[must_use]
    pub fn place<'a>(&'a self, key: &'a ObjectKey) -> Option<Place<'a>> {
        match self {
            Self::Resource(kind, KindState::Known(served)) => Some(Place { kind, served, key }),
            _ => None,
        }
    }

    /// The target's name in texts, such as `ConfigMap n/t`.
    #[must_use]
    pub fn describe(&self, key: &ObjectKey) -> String {
        format!("{} {key}", self.kind().map_or("Secret", TargetKind::kind))
    }

    /// What keeps `step` from being taken. A deletion waits only if there may be something to
    /// delete: no kind that is gone keeps an ExternalSecret alive.
    #[must_use]
    pub fn obstacle(&self, step: &Step, deletes: bool) -> Option<Obstacle> {
        match (self, step) {
            (_, Step::Ignore) => None,
            (Self::Resource(_, KindState::Unknown), Step::Cleanup { .. }) => {
                deletes.then_some(Obstacle::Wait)
            }
            (_, Step::Cleanup { .. }) => None,
            (Self::Secret | Self::Resource(_, KindState::Known(_)), _) => None,
            (Self::Resource(_, KindState::Unknown), _) => Some(Obstacle::Wait),
            (Self::Resource(_, KindState::Refused(problem)), _) => {
                let failed = Failed::new(message::COULD_NOT_GET_RESOURCE, &**problem);
                Some(Obstacle::Failed(failed.without_retry()))
            }
            (Self::Invalid(problem), _) => {
                let failed = Failed::new(message::INVALID_GENERIC_TARGET, problem);
                Some(Obstacle::Failed(failed.without_retry()))
            }
        }
    }
}

/// Whether the target is the ExternalSecret, which would sync for ever.
fn is_itself(kind: &TargetKind, object: &ExternalSecret, spec: &ExternalSecretSpec) -> bool {
    kind.group() == GROUP
        && kind.kind() == "ExternalSecret"
        && spec.target_name(&object.key.name) == &*object.key.name
}

/// What the index knows of a target of another kind.
#[must_use]
pub fn target(index: &Index, kind: &TargetKind, key: &ObjectKey, owner: &str) -> Target {
    index
        .resource(kind, key)
        .map_or(Target::default(), |entry| Target {
            exists: true,
            owned: entry.resource.is_owned_by(owner),
            hashed: entry.resource.data_hash.is_some(),
            suspect: entry.suspect,
        })
}

/// What is to be written into the object.
///
/// # Errors
/// A source of templates cannot be read, or a template cannot be rendered.
pub async fn content(
    context: &Context,
    gathered: &Gathered,
    kind: &TargetKind,
    data: BTreeMap<String, SecretBytes>,
    renderer: &mut Renderer<'_>,
) -> Result<ManifestContent, Failed> {
    let (object, spec): (&Arc<ExternalSecret>, _) = (&gathered.object, &gathered.spec);
    let needed = spec.template().map(needed).unwrap_or_default();
    let sources = shape::sources(&context.cluster, &object.key.namespace, needed)
        .await
        .map_err(|error| Failed::new(message::COULD_NOT_APPLY_TEMPLATE, &error))?;
    let (labels, annotations) = (json_map(&object.labels), json_map(&object.annotations));
    let content = manifest::content(kind, spec, &labels, &annotations, data, &sources, renderer)
        .map_err(|error| Failed::new(message::COULD_NOT_APPLY_TEMPLATE, &error))?;
    for warning in &content.warnings {
        tracing::info!(external_secret = %object.key, warning, "template");
    }
    Ok(content)
}

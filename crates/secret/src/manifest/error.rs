//! The failures of a target that is no Secret.

use keyless_fault::{Class, Fault, Link, ObjectRef};

use super::PlaceError;
use crate::template::TemplateError;
use crate::wanted::OwnershipError;

/// A target that cannot be built.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// The template cannot be applied.
    #[error(transparent)]
    Template(TemplateError),
    /// A fetched value cannot stand in the target.
    #[error("cannot write key {key} to the target")]
    Value {
        /// The key.
        key: String,
        /// Why.
        #[source]
        source: PlaceError,
    },
    /// A value does not fit into the target as it exists.
    #[error("cannot fill the target")]
    Place(#[from] PlaceError),
    /// There is nothing whose hash could be noted.
    #[error("{kind} {name} would have neither spec nor data, of which a hash is kept")]
    NoContent {
        /// The kind.
        kind: String,
        /// The object's name.
        name: String,
    },
    /// The target belongs to someone else.
    #[error(transparent)]
    Ownership(OwnershipError),
}

impl Fault for ManifestError {
    fn link(&self) -> Link {
        match self {
            Self::Template(error) => error.link(),
            Self::Ownership(error) => error.link(),
            Self::Value { .. } | Self::Place(_) | Self::NoContent { .. } => Link::Manifest,
        }
    }

    fn class(&self) -> Class {
        match self {
            Self::Template(error) => error.class(),
            Self::Ownership(error) => error.class(),
            Self::Value { .. } | Self::Place(_) | Self::NoContent { .. } => Class::Config,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Template(error) => error.hint(),
            Self::Ownership(error) => error.hint(),
            Self::Value { source, .. } | Self::Place(source) => source.hint(),
            Self::NoContent { .. } => {
                Some("Choose a kind that keeps its content in spec or data".to_owned())
            }
        }
    }

    fn blame(&self) -> Option<ObjectRef> {
        match self {
            Self::Ownership(error) => error.blame(),
            _ => None,
        }
    }
}

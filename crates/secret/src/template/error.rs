//! The failures of a target's template.

use keyless_fault::{Class, Fault, Link};

use super::SourceKind;
use crate::decode::DecodeError;
use crate::manifest::PlaceError;
use crate::render::{Place, RenderError};
use crate::yaml::YamlError;

/// A template that could not be applied. Fields are named below `spec.target.template`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// A rule forbids the template.
    #[error("could not apply template: {message}")]
    Forbidden {
        /// The field, from the root of the object.
        field: String,
        /// The rule's text.
        message: String,
    },
    /// A ConfigMap or Secret does not exist.
    #[error("could not apply template: error fetching templateFrom data: {} {name:?} not found", .kind.as_str())]
    SourceMissing {
        /// The entry of `templateFrom`.
        field: String,
        /// The object's kind.
        kind: SourceKind,
        /// The object's name.
        name: String,
    },
    /// A ConfigMap or Secret does not have the key.
    #[error("could not apply template: error in {} {name}: missing key {key}", .kind.as_str())]
    KeyMissing {
        /// The entry of `templateFrom`.
        field: String,
        /// The object's kind.
        kind: SourceKind,
        /// The object's name.
        name: String,
        /// The key.
        key: String,
    },
    /// A text does not parse or execute.
    #[error("could not apply template at key {key} of spec.target.template.{field}")]
    Render {
        /// The field.
        field: String,
        /// The key.
        key: String,
        /// Why.
        #[source]
        source: RenderError,
    },
    /// A text with keys and values does not render to a map.
    #[error("could not apply template at key {key} of spec.target.template.{field}")]
    Yaml {
        /// The field.
        field: String,
        /// The key.
        key: String,
        /// Why.
        #[source]
        source: YamlError,
    },
    /// A rendered value is not encoded as `valuesDecodingStrategy` says.
    #[error("could not decode key {key} of spec.target.template.{field}")]
    Decode {
        /// The field.
        field: String,
        /// The key.
        key: String,
        /// Why.
        #[source]
        source: DecodeError,
    },
    /// A value that cannot stand where it is to go in a target that is no Secret.
    #[error("could not apply template at key {key} of spec.target.template.{field}")]
    Place {
        /// The field.
        field: String,
        /// The key.
        key: String,
        /// Why.
        #[source]
        source: PlaceError,
    },
    /// A policy, version or scope that this version does not know.
    #[error("could not apply template: {field} {value:?} is not supported")]
    Unsupported {
        /// The field.
        field: &'static str,
        /// What stands there.
        value: String,
    },
}

impl TemplateError {
    pub(super) fn unsupported(field: &'static str, value: &str) -> Self {
        Self::Unsupported {
            field,
            value: value.to_owned(),
        }
    }

    pub(super) fn misplaced(field: &str, key: &str, source: PlaceError) -> Self {
        Self::Place {
            field: field.to_owned(),
            key: key.to_owned(),
            source,
        }
    }

    /// The field at fault, e.g. `spec.target.template.templateFrom[0]`.
    #[must_use]
    pub fn field(&self) -> String {
        match self {
            Self::Forbidden { field, .. } => field.clone(),
            Self::SourceMissing { field, .. }
            | Self::KeyMissing { field, .. }
            | Self::Render { field, .. }
            | Self::Yaml { field, .. }
            | Self::Place { field, .. }
            | Self::Decode { field, .. } => format!("spec.target.template.{field}"),
            Self::Unsupported { field, .. } => format!("spec.target.template.{field}"),
        }
    }

    /// The same with the key below the field, e.g. `spec.target.template.data.url`.
    #[must_use]
    pub fn path(&self) -> String {
        match self {
            Self::Render { key, .. } | Self::Yaml { key, .. } | Self::Decode { key, .. } => {
                format!("{}.{key}", self.field())
            }
            _ => self.field(),
        }
    }

    /// Where in the text at [`Self::path`] it failed, if it failed at a place.
    #[must_use]
    pub const fn place(&self) -> Option<Place> {
        match self {
            Self::Render { source, .. } => source.place(),
            _ => None,
        }
    }
}

impl Fault for TemplateError {
    fn link(&self) -> Link {
        match self {
            Self::Forbidden { .. } | Self::Unsupported { .. } | Self::Place { .. } => {
                Link::Manifest
            }
            _ => Link::Template,
        }
    }

    fn class(&self) -> Class {
        match self {
            Self::SourceMissing { .. } | Self::KeyMissing { .. } => Class::NotFound,
            _ => Class::Config,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::SourceMissing { kind, name, .. } => Some(format!(
                "Create {} {name} in the ExternalSecret's namespace or correct {}",
                kind.as_str(),
                self.field()
            )),
            Self::KeyMissing { key, .. } => {
                Some(format!("Add the key {key} or correct {}", self.field()))
            }
            Self::Yaml { .. } => Some(
                "Let the text render to lines of the form key: value, quoting texts that hold \
                 special characters, for instance with toJson"
                    .to_owned(),
            ),
            Self::Place { source, .. } => source.hint(),
            Self::Forbidden { field, .. } => Some(format!("Correct {field}")),
            Self::Render { .. } | Self::Decode { .. } | Self::Unsupported { .. } => None,
        }
    }
}

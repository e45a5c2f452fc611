//! Where documents are published: one file a kind of target, behind one small trait.
//!
//! Owns: conditional writes. Whoever writes says what it has seen there, and a write over
//! something newer is refused: two writers never undo each other. Refuses: deciding what to write
//! (see [`crate::plan`]).

pub mod authorize;
pub mod config_map;
pub mod directory;
pub mod object;
pub mod place;

use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures::future::BoxFuture;
use keyless_fault::{Class, Fault, Link};

use crate::plan::Object;

/// What lies at a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// What tells this version from any other: an ETag, a generation, a resourceVersion.
    pub version: String,
}

/// A version that is the content's own, for places that have none.
fn content_version(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, bytes))
}

/// What a writer has seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen<'a> {
    /// Nothing there.
    Nothing,
    /// This version.
    Version(&'a str),
}

/// A place to publish at.
pub trait Target: Send + Sync + std::fmt::Debug {
    /// Where it is, for people.
    fn name(&self) -> String;

    /// Reads one of the three; none if it is not there.
    fn read(&self, object: Object) -> BoxFuture<'_, Result<Option<Stored>, TargetError>>;

    /// Writes one of the three over what was seen, whole or not at all.
    fn write<'a>(
        &'a self,
        object: Object,
        bytes: &'a [u8],
        seen: Seen<'a>,
    ) -> BoxFuture<'a, Result<(), TargetError>>;
}

/// Why a target did not do it.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// Someone wrote in between.
    #[error("{object} at {target} was changed by someone else in between")]
    Conflict {
        /// The target.
        target: String,
        /// The object's path.
        object: &'static str,
    },
    /// The target refused.
    #[error("{target} refused to {intent}: {said}")]
    Refused {
        /// The target.
        target: String,
        /// What was tried.
        intent: String,
        /// The target's own code.
        provider_code: Option<String>,
        /// What it said.
        said: String,
        /// The class.
        class: Class,
        /// The row of the catalogue, if there is one.
        code: &'static str,
        /// What to do.
        hint: Option<String>,
    },
    /// A file could not be used.
    #[error("cannot {intent} {path}")]
    File {
        /// What was tried.
        intent: &'static str,
        /// The file.
        path: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
}

impl Fault for TargetError {
    fn link(&self) -> Link {
        Link::IssuerDocument
    }

    fn class(&self) -> Class {
        match self {
            Self::Conflict { .. } => Class::Conflict,
            Self::Refused { class, .. } => *class,
            Self::File { source, .. } => match source.kind() {
                std::io::ErrorKind::PermissionDenied => Class::Denied,
                std::io::ErrorKind::NotFound => Class::NotFound,
                _ => Class::Unavailable,
            },
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Refused { code, .. } => code,
            Self::Conflict { .. } | Self::File { .. } => "",
        }
    }

    fn provider_code(&self) -> Option<&str> {
        match self {
            Self::Refused { provider_code, .. } => provider_code.as_deref(),
            Self::Conflict { .. } | Self::File { .. } => None,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Conflict { .. } => Some(
                "Let one publisher write there; another cluster needs a place of its own".into(),
            ),
            Self::Refused { hint, .. } => hint.clone(),
            Self::File { .. } => None,
        }
    }
}

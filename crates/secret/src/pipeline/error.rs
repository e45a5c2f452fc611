//! The failures of the road from fetched values to the merged map.

use keyless_fault::{Class, Fault, Link};

use crate::decode::DecodeError;
use crate::keys::KeyError;
use crate::null_bytes::NullBytesError;
use crate::rewrite::RewriteError;

/// An item of the spec that could not be turned into keys.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("error processing {path}{}", .key.as_ref().map(|key| format!(" (key: {key})")).unwrap_or_default())]
pub struct Error {
    /// The item, e.g. `spec.dataFrom[0].extract` or `spec.data[1]`.
    pub path: String,
    /// The remote key of an item of `data`.
    pub key: Option<String>,
    /// What is wrong.
    #[source]
    pub problem: Problem,
}

/// What is wrong with an item.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// The provider says that the secret, or its property, does not exist.
    #[error("Secret does not exist")]
    Missing,
    /// A rewrite operation failed.
    #[error("error applying rewrite to keys: failed rewrite operation[{index}]")]
    Rewrite {
        /// Its place in `rewrite`.
        index: usize,
        /// Why.
        #[source]
        source: RewriteError,
    },
    /// Two names became one key.
    #[error("error applying conversion strategy to keys")]
    Convert(#[source] KeyError),
    /// A key that no Secret can hold.
    #[error(transparent)]
    Keys(KeyError),
    /// A value that is not encoded as the spec says.
    #[error("error applying decoding strategy {strategy} to data{}", .key.as_ref().map(|key| format!(" of key {key:?}")).unwrap_or_default())]
    Decode {
        /// The key of the value, for an item with many.
        key: Option<String>,
        /// The strategy.
        strategy: &'static str,
        /// Why.
        #[source]
        source: DecodeError,
    },
    /// A value with a zero byte.
    #[error(transparent)]
    NullBytes(NullBytesError),
    /// A strategy or policy that this version does not know.
    #[error("{field} {value:?} is not supported")]
    Unsupported {
        /// The field.
        field: &'static str,
        /// What stands there.
        value: String,
    },
}

impl Error {
    pub(super) fn new(path: String, key: Option<String>, problem: Problem) -> Self {
        Self { path, key, problem }
    }

    /// The field at fault, e.g. `spec.dataFrom[0].rewrite[1]`.
    #[must_use]
    pub fn field(&self) -> String {
        let item = self
            .path
            .find("].")
            .and_then(|end| self.path.get(..=end))
            .unwrap_or(&self.path);
        let reference = if self.path.ends_with(']') {
            format!("{}.remoteRef", self.path)
        } else {
            self.path.clone()
        };
        match &self.problem {
            Problem::Missing => self.path.clone(),
            Problem::Rewrite { index, .. } => format!("{item}.rewrite[{index}]"),
            Problem::Convert(_) => format!("{reference}.conversionStrategy"),
            Problem::Keys(_) => format!("{item}.rewrite"),
            Problem::Decode { .. } => format!("{reference}.decodingStrategy"),
            Problem::NullBytes(_) => format!("{reference}.nullBytePolicy"),
            Problem::Unsupported { field, .. } => format!("{reference}.{field}"),
        }
    }
}

impl Fault for Error {
    fn link(&self) -> Link {
        match &self.problem {
            Problem::Missing
            | Problem::Convert(_)
            | Problem::Keys(_)
            | Problem::Decode { .. }
            | Problem::NullBytes(_) => Link::Secret,
            Problem::Rewrite { source, .. } => match source {
                RewriteError::Regexp(_) => Link::Manifest,
                RewriteError::Transform(_) => Link::Template,
                RewriteError::Merge(_) => Link::Secret,
            },
            Problem::Unsupported { .. } => Link::Manifest,
        }
    }

    fn class(&self) -> Class {
        match &self.problem {
            Problem::Missing => Class::NotFound,
            Problem::Rewrite { .. }
            | Problem::Convert(_)
            | Problem::Keys(_)
            | Problem::Decode { .. }
            | Problem::NullBytes(_)
            | Problem::Unsupported { .. } => Class::Config,
        }
    }

    fn hint(&self) -> Option<String> {
        let text = match &self.problem {
            Problem::Missing => {
                "Create the secret at the provider, correct its key or property, or set \
                 target.deletionPolicy to Delete or Merge to allow its absence"
                    .to_owned()
            }
            Problem::Convert(_) => {
                "Use conversionStrategy: Unicode or rewrite so that every name gets its own key"
                    .to_owned()
            }
            Problem::Decode { .. } => {
                "Store the value in that encoding or set decodingStrategy: None".to_owned()
            }
            Problem::Rewrite { .. } | Problem::Unsupported { .. } => {
                format!("Correct {}", self.field())
            }
            // These texts say what to do themselves.
            Problem::Keys(_) | Problem::NullBytes(_) => return None,
        };
        Some(text)
    }
}

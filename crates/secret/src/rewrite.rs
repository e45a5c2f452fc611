//! `rewrite`: changes of the keys, applied in order.
//!
//! Owns: the three operations. Where two keys become one, the later key in alphabetical order
//! wins; ESO leaves that to chance. Refuses: validation of the resulting keys.

mod merge;

use std::collections::BTreeMap;

use keyless_api::Rewrite;

use crate::SecretBytes;
use crate::go_regexp::{GoRegexp, RegexpError};
use crate::render::{Render, RenderError};

pub use merge::MergeError;

/// Why a rewrite operation failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RewriteError {
    /// The expression does not compile.
    #[error("regexp failed with failed to compile")]
    Regexp(#[from] RegexpError),
    /// The template failed.
    #[error("transform failed")]
    Transform(#[from] RenderError),
    /// The values could not be merged.
    #[error("merge failed")]
    Merge(#[from] MergeError),
}

type Map = BTreeMap<String, SecretBytes>;

/// Applies one operation; one without content changes nothing.
///
/// # Errors
/// The operation is malformed or does not fit the values.
pub fn rewrite(
    operation: &Rewrite,
    map: Map,
    render: &mut dyn Render,
) -> Result<Map, RewriteError> {
    if let Some(merge) = &operation.merge {
        Ok(merge::merge(merge, map)?)
    } else if let Some(replace) = &operation.regexp {
        let pattern = GoRegexp::compile(&replace.source)?;
        Ok(map
            .into_iter()
            .map(|(key, value)| (pattern.replace_all(&key, &replace.target), value))
            .collect())
    } else if let Some(transform) = &operation.transform {
        let keys: Vec<&str> = map.keys().map(String::as_str).collect();
        let renamed = render.transform(&transform.template, &keys)?;
        Ok(renamed
            .into_iter()
            .zip(map.into_values())
            .map(|(key, value)| (String::from_utf8_lossy(&key).into_owned(), value))
            .collect())
    } else {
        Ok(map)
    }
}

#[cfg(test)]
mod tests;

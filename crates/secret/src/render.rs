//! The seam between the road and the template language.

mod engine;

use std::collections::BTreeMap;

use crate::SecretBytes;

pub use engine::Engine;
/// The clock and randomness of an execution, for callers of [`Engine`].
pub use keyless_gotemplate::Context;

/// Executes templates.
///
/// The clock and randomness that functions need are the implementation's; hence `&mut self`.
pub trait Render {
    /// Executes the template `text`, called `name` in errors, over `data` as ESO does: the root
    /// is a map of strings and a missing key is an error.
    ///
    /// # Errors
    /// The text is no template, or fails on the data.
    fn render(
        &mut self,
        name: &str,
        text: &str,
        data: &BTreeMap<String, SecretBytes>,
    ) -> Result<Vec<u8>, RenderError>;

    /// Executes the template of a `rewrite.transform` for each of `keys`, which it sees as
    /// `.value`. Delimiters are always `{{ }}`, and a missing key is `<no value>`.
    ///
    /// # Errors
    /// See [`Self::render`].
    fn transform(&mut self, text: &str, keys: &[&str]) -> Result<Vec<Vec<u8>>, RenderError>;
}

/// A template that could not be executed. The text quotes no value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    /// The text is no template.
    #[error("unable to parse template: {0}")]
    Parse(Refusal),
    /// The template failed.
    #[error("unable to execute template: {0}")]
    Execute(Refusal),
}

impl RenderError {
    /// Where in the template's text it failed, if it failed at a place.
    #[must_use]
    pub const fn place(&self) -> Option<Place> {
        match self {
            Self::Parse(refusal) | Self::Execute(refusal) => refusal.place,
        }
    }
}

/// What the engine says, in Go's words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct Refusal {
    /// The whole text, place included.
    pub text: String,
    /// The place.
    pub place: Option<Place>,
}

impl From<String> for Refusal {
    fn from(text: String) -> Self {
        Self { text, place: None }
    }
}

/// A place in a template's text, both counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The byte in its line; parsing knows lines only.
    pub column: Option<usize>,
}

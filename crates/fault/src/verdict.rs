//! What a refusal means, while it is judged.
//!
//! Owns: the shape of a row in a provider's table of refusals. Refuses: the rows; they are each
//! provider's own.

use crate::{Class, Link};

/// A row: which link failed, how, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Which link.
    pub link: Link,
    /// How.
    pub class: Class,
    /// The catalogue's code, empty where it has none.
    pub code: &'static str,
    /// What would have been right.
    pub required: Option<String>,
    /// What to do.
    pub hint: Option<String>,
}

impl Verdict {
    /// A row without what is required and what to do.
    #[must_use]
    pub fn new(link: Link, class: Class, code: &'static str) -> Self {
        Self {
            link,
            class,
            code,
            required: None,
            hint: None,
        }
    }

    /// The same for what is not allowed.
    #[must_use]
    pub fn denied(link: Link, code: &'static str) -> Self {
        Self::new(link, Class::Denied, code)
    }

    /// With what would have been right.
    #[must_use]
    pub fn required(mut self, required: impl Into<String>) -> Self {
        self.required = Some(required.into());
        self
    }

    /// With what to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

//! What a provider's refusal means, while it is judged.
//!
//! Owns: the shape of a row of a provider's table of errors. Refuses: the rows; they are each
//! provider's own.

use keyless_fault::{Class, Link};

/// A row: which link failed, how, and what would be right.
#[derive(Debug)]
pub(crate) struct Verdict {
    pub(crate) link: Link,
    pub(crate) class: Class,
    pub(crate) code: &'static str,
    pub(crate) required: Option<String>,
    pub(crate) hint: Option<String>,
}

impl Verdict {
    /// A row of the catalogue's `code`, empty where it has none.
    pub(crate) fn new(link: Link, class: Class, code: &'static str) -> Self {
        Self {
            link,
            class,
            code,
            required: None,
            hint: None,
        }
    }

    /// The same for what is not allowed.
    pub(crate) fn denied(link: Link, code: &'static str) -> Self {
        Self::new(link, Class::Denied, code)
    }

    pub(crate) fn required(mut self, required: impl Into<String>) -> Self {
        self.required = Some(required.into());
        self
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

//! What is wrong with an object, for people and programs.

use std::error::Error as _;
use std::fmt;

use keyless_fault::{Class, Fault, Link, explain};
use keyless_secret::render::Place;
use keyless_secret::template::TemplateError;

use crate::external_secret::problem::Failed;

/// Why an object cannot be rendered or synced. Quotes no value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The field at fault, e.g. `spec.target.template.data.url`, if it is known.
    pub path: Option<String>,
    /// The place in the template at that field.
    pub place: Option<Place>,
    /// What is wrong, and what to do.
    pub message: String,
    /// The broken link.
    pub link: Link,
    /// Class of failure.
    pub class: Class,
}

impl Finding {
    /// A field that is wrong as written.
    pub(crate) fn manifest(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            path: Some(path.into()),
            place: None,
            message: message.into(),
            link: Link::Manifest,
            class: Class::Config,
        }
    }

    pub(crate) fn fault(fault: &dyn Fault) -> Self {
        Self {
            path: None,
            place: None,
            message: explain(fault),
            link: fault.link(),
            class: fault.class(),
        }
    }

    pub(crate) fn template(error: &TemplateError) -> Self {
        // The path says where; only the cause is left to be told.
        let message = match error.source() {
            Some(cause) => match error.hint() {
                Some(hint) => format!("{cause}. {hint}"),
                None => cause.to_string(),
            },
            None => explain(error),
        };
        Self {
            path: Some(error.path()),
            place: error.place(),
            message,
            link: error.link(),
            class: error.class(),
        }
    }

    /// Whether it says more about who looked than about the object: the peer was not reached, or
    /// refused the caller. A sync by the operator may end otherwise.
    #[must_use]
    pub const fn is_blind(&self) -> bool {
        let own = matches!(self.link, Link::Manifest | Link::Store | Link::Template);
        match self.class {
            Class::Config | Class::NotFound => false,
            Class::Denied => !own,
            Class::Throttled | Class::Unavailable | Class::Conflict | Class::Bug => true,
        }
    }
}

impl From<Failed> for Finding {
    fn from(failed: Failed) -> Self {
        Self {
            path: None,
            place: None,
            message: failed.detail,
            link: failed.link,
            class: failed.class,
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(path) = &self.path {
            f.write_str(path)?;
            if let Some(place) = self.place {
                write!(f, ", line {}", place.line)?;
                if let Some(column) = place.column {
                    write!(f, ", column {column}")?;
                }
            }
            f.write_str(": ")?;
        }
        f.write_str(&self.message)
    }
}

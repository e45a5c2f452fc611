//! The failures of parsing and executing a template.
//!
//! Owns the texts, in the shape of Go's `text/template`. Refuses rendered data: a reason never
//! quotes a value, since these texts end up in a Kubernetes status and in logs.

use std::borrow::Cow;
use std::fmt;

use crate::limits::Limit;

/// Stands in a text for a piece of data that Go would have quoted.
pub(crate) const WITHHELD: &str = "(value withheld)";

/// Why a template could not be parsed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("template: {name}:{line}: {reason}")]
pub struct ParseError {
    /// The name given to the template.
    pub name: String,
    /// Line of the offending token, counted from 1.
    pub line: usize,
    /// What is wrong, in Go's words.
    pub reason: String,
}

/// Why a parsed template could not be executed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecError {
    /// The name under which the text was parsed.
    pub name: String,
    /// Line of the failing node, counted from 1; 0 when the failure has no node.
    pub line: usize,
    /// Byte offset of the node in its line, counted from 0.
    pub column: usize,
    /// The template (the text itself or a `define`) that was executing.
    pub executing: String,
    /// The source text of the failing node.
    pub context: String,
    /// What went wrong.
    pub reason: Cow<'static, str>,
    /// The limit that was exceeded, if that is why.
    pub limit: Option<Limit>,
}

impl fmt::Display for ExecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line == 0 {
            return write!(f, "template: {}: {}", self.name, self.reason);
        }
        write!(
            f,
            "template: {}:{}:{}: executing {} at <{}>: {}",
            self.name,
            self.line,
            self.column,
            crate::fmt::quote::quoted(self.executing.as_bytes()),
            self.context,
            self.reason
        )
    }
}

impl std::error::Error for ExecError {}

/// Either failure of rendering a text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The text is not a template.
    #[error(transparent)]
    Parse(#[from] ParseError),
    /// The template failed on its data.
    #[error(transparent)]
    Execute(#[from] Box<ExecError>),
}

/// How a function refuses its arguments; becomes `error calling NAME: …`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallError {
    pub(crate) reason: Cow<'static, str>,
    pub(crate) limit: Option<Limit>,
}

impl CallError {
    /// A refusal with a text that quotes no data.
    pub fn new(reason: impl Into<Cow<'static, str>>) -> Self {
        Self {
            reason: reason.into(),
            limit: None,
        }
    }
}

impl From<Limit> for CallError {
    fn from(limit: Limit) -> Self {
        Self {
            reason: Cow::Owned(limit.to_string()),
            limit: Some(limit),
        }
    }
}

impl From<&'static str> for CallError {
    fn from(reason: &'static str) -> Self {
        Self::new(reason)
    }
}

impl From<String> for CallError {
    fn from(reason: String) -> Self {
        Self::new(reason)
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl std::error::Error for CallError {}

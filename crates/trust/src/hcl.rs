//! OpenTofu and Terraform files, and policies of Vault, as far as trust is written in them.
//!
//! Owns: a module of several files as blocks with their lines ([`Module`]), what their
//! expressions come to when only some facts are known ([`Module::value`]), and writing blocks
//! safely ([`write`]). Refuses: providers' schemas, state, and running anything.

mod computed;
mod eval;
mod functions;
mod references;
pub mod write;

use std::collections::BTreeMap;

use hcl_edit::Span as _;
use hcl_edit::expr::Expression;
use hcl_edit::structure::Body;
use serde_json::Value;

pub use references::Reference;

/// The largest file that is read, in bytes.
pub const MAX_LENGTH: usize = 4 << 20;

/// Why a file is not read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HclError {
    /// Not the grammar of HCL.
    #[error("line {line}, column {column}: {reason}")]
    Syntax {
        /// Counted from one.
        line: usize,
        /// Counted from one.
        column: usize,
        /// The parser's words.
        reason: String,
    },
    /// Longer than [`MAX_LENGTH`].
    #[error("the file has {0} bytes, at most {MAX_LENGTH} are read")]
    TooLong(usize),
}

/// One argument of a block.
#[derive(Clone, Debug)]
pub struct Attribute {
    /// Its name.
    pub name: String,
    /// Where it stands, counted from one.
    pub line: usize,
    expression: Expression,
}

/// One block: its kind, its labels, and what is between its braces.
#[derive(Clone, Debug)]
pub struct Block {
    /// Such as `resource`.
    pub kind: String,
    /// Such as `aws_iam_role` and `this`.
    pub labels: Vec<String>,
    /// Index of the file among those of the module.
    pub file: usize,
    /// Where it begins, counted from one.
    pub line: usize,
    /// Its arguments.
    pub attributes: Vec<Attribute>,
    /// The blocks inside.
    pub blocks: Vec<Block>,
}

impl Block {
    /// The argument of that name.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<&Attribute> {
        self.attributes.iter().find(|a| a.name == name)
    }

    /// The blocks inside of that kind.
    pub fn inner<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Block> {
        self.blocks.iter().filter(move |b| b.kind == kind)
    }

    /// The address by which others refer to it, such as `data.aws_iam_role.this`.
    #[must_use]
    pub fn address(&self) -> String {
        let labels = self.labels.join(".");
        match self.kind.as_str() {
            "resource" => labels,
            kind if labels.is_empty() => kind.to_owned(),
            kind => format!("{kind}.{labels}"),
        }
    }
}

/// The files of one folder, read together.
#[derive(Clone, Debug, Default)]
pub struct Module {
    /// The blocks of all files.
    pub blocks: Vec<Block>,
    facts: BTreeMap<String, Value>,
}

impl Module {
    /// No blocks yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a file; `file` is the index that its blocks carry.
    ///
    /// # Errors
    /// When it is too long or no HCL.
    pub fn add(&mut self, file: usize, text: &str) -> Result<(), HclError> {
        if text.len() > MAX_LENGTH {
            return Err(HclError::TooLong(text.len()));
        }
        let body: Body = text.parse().map_err(|error: hcl_edit::parser::Error| {
            let at = error.location();
            HclError::Syntax {
                line: at.line(),
                column: at.column(),
                reason: error.message().to_owned(),
            }
        })?;
        let lines = Lines::of(text);
        self.blocks.extend(blocks(&body, file, &lines));
        Ok(())
    }

    /// Says what an address stands for, such as `data.aws_caller_identity.current.account_id`.
    pub fn know(&mut self, address: &str, value: impl Into<Value>) {
        self.facts.insert(address.to_owned(), value.into());
    }

    /// The resources of a type.
    pub fn resources<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Block> {
        self.of("resource", kind)
    }

    /// The data sources of a type.
    pub fn data<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Block> {
        self.of("data", kind)
    }

    fn of<'a>(&'a self, class: &'a str, kind: &'a str) -> impl Iterator<Item = &'a Block> {
        self.blocks
            .iter()
            .filter(move |b| b.kind == class && b.labels.first().is_some_and(|l| l == kind))
    }

    fn named(&self, class: &str, kind: &str, name: &str) -> Option<&Block> {
        let labels = [kind, name];
        self.blocks
            .iter()
            .find(|b| b.kind == class && b.labels == labels)
    }

    /// What an argument comes to. What is not known stays as `${expression}` in its place.
    #[must_use]
    pub fn value(&self, block: &Block, name: &str) -> Option<Value> {
        let attribute = block.attribute(name)?;
        Some(eval::Evaluation::new(self).expression(&attribute.expression))
    }

    /// As [`Module::value`], when it is a text.
    #[must_use]
    pub fn text(&self, block: &Block, name: &str) -> Option<String> {
        match self.value(block, name)? {
            Value::String(text) => Some(text),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        }
    }

    /// As [`Module::value`], when it is a list of texts; one text is a list of one.
    #[must_use]
    pub fn texts(&self, block: &Block, name: &str) -> Option<Vec<String>> {
        let text = |value: Value| match value {
            Value::String(text) => text,
            other => other.to_string(),
        };
        match self.value(block, name)? {
            Value::Array(items) => Some(items.into_iter().map(text).collect()),
            Value::Null => None,
            other => Some(vec![text(other)]),
        }
    }

    /// The policy document that a data source `aws_iam_policy_document` builds.
    #[must_use]
    pub fn policy_document(&self, block: &Block) -> Value {
        computed::policy_document(&mut eval::Evaluation::new(self), block)
    }

    /// Every reference of the module.
    #[must_use]
    pub fn references(&self) -> Vec<Reference> {
        references::all(self)
    }

    /// Whether something of this address is declared.
    #[must_use]
    pub fn declares(&self, reference: &Reference) -> bool {
        references::declared(self, reference)
    }
}

/// Whether a value holds something that is not known before the module is applied. `${aws:…}`
/// are variables of AWS's policies and known as such.
#[must_use]
pub fn is_unknown(text: &str) -> bool {
    text.match_indices("${").any(|(at, _)| {
        let rest = text.get(at + 2..).unwrap_or_default();
        let inner = rest.split('}').next().unwrap_or_default();
        !inner.contains(':') || inner.contains(char::is_whitespace)
    })
}

fn blocks(body: &Body, file: usize, lines: &Lines) -> Vec<Block> {
    body.blocks()
        .map(|block| Block {
            kind: block.ident.as_str().to_owned(),
            labels: block.labels.iter().map(|l| l.as_str().to_owned()).collect(),
            file,
            line: block.span().map_or(0, |at| lines.line(at.start)),
            attributes: block
                .body
                .attributes()
                .map(|attribute| Attribute {
                    name: attribute.key.as_str().to_owned(),
                    line: attribute.span().map_or(0, |at| lines.line(at.start)),
                    expression: attribute.value.clone(),
                })
                .collect(),
            blocks: blocks(&block.body, file, lines),
        })
        .collect()
}

/// Where lines begin.
pub(crate) struct Lines(Vec<usize>);

impl Lines {
    pub(crate) fn of(text: &str) -> Self {
        let ends = text.bytes().enumerate().filter(|(_, b)| *b == b'\n');
        Self(std::iter::once(0).chain(ends.map(|(n, _)| n + 1)).collect())
    }

    /// The line of a byte, counted from one.
    pub(crate) fn line(&self, at: usize) -> usize {
        self.0.partition_point(|start| *start <= at)
    }
}

#[cfg(test)]
mod tests;

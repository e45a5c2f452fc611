//! The parsed template. Every node knows its place and how it was written, for errors.

use std::fmt;

use crate::functions::Function;
use crate::value::Value;

/// A sequence of nodes.
#[derive(Debug, Default)]
pub(crate) struct List {
    pub(crate) nodes: Vec<Node>,
}

/// An element of the template's body.
#[derive(Debug)]
pub(crate) enum Node {
    Text { text: Box<str> },
    Action(Pipe),
    If(Branch),
    With(Branch),
    Range(Branch),
    Template(Invocation),
    Break,
    Continue,
}

/// `{{template "name" pipeline}}`.
#[derive(Debug)]
pub(crate) struct Invocation {
    pub(crate) pos: usize,
    pub(crate) name: Box<str>,
    pub(crate) quoted: String,
    pub(crate) pipe: Option<Pipe>,
}

/// The common shape of `if`, `with` and `range`.
#[derive(Debug)]
pub(crate) struct Branch {
    pub(crate) pipe: Pipe,
    pub(crate) list: List,
    pub(crate) otherwise: Option<List>,
}

/// Commands joined by `|`, perhaps bound to variables.
#[derive(Debug)]
pub(crate) struct Pipe {
    pub(crate) pos: usize,
    pub(crate) assign: bool,
    pub(crate) names: Vec<Box<str>>,
    pub(crate) commands: Vec<Command>,
}

/// A term with its arguments.
#[derive(Debug)]
pub(crate) struct Command {
    pub(crate) pos: usize,
    pub(crate) first: Expr,
    pub(crate) args: Vec<Expr>,
}

/// A term.
#[derive(Debug)]
pub(crate) struct Expr {
    pub(crate) pos: usize,
    pub(crate) kind: ExprKind,
}

/// The kinds of term.
#[derive(Debug)]
pub(crate) enum ExprKind {
    Dot,
    Nil,
    Bool(bool),
    Number(Box<Number>),
    Text {
        quoted: Box<str>,
        value: Value,
    },
    Field(Vec<Box<str>>),
    Variable {
        name: Box<str>,
        fields: Vec<Box<str>>,
    },
    Function(Function),
    Chain {
        of: Box<Expr>,
        fields: Vec<Box<str>>,
    },
    Pipe(Box<Pipe>),
}

/// A number literal: which of Go's types it fits.
#[derive(Debug)]
pub(crate) struct Number {
    pub(crate) text: Box<str>,
    pub(crate) int: Option<i64>,
    pub(crate) uint: Option<u64>,
    pub(crate) float: Option<f64>,
    pub(crate) complex: Option<(f64, f64)>,
    /// Its value where no type is asked for; `None` when it overflows `int`.
    pub(crate) ideal: Option<Value>,
}

impl List {
    /// Whether nothing but space would be printed: such a definition may be replaced.
    pub(crate) fn is_blank(&self) -> bool {
        self.nodes.iter().all(|node| match node {
            Node::Text { text } => text.trim_matches(crate::parse::GO_SPACE).is_empty(),
            _ => false,
        })
    }
}

impl fmt::Display for Pipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, name) in self.names.iter().enumerate() {
            f.write_str(if i > 0 { ", " } else { "" })?;
            f.write_str(name)?;
        }
        if !self.names.is_empty() {
            f.write_str(if self.assign { " = " } else { " := " })?;
        }
        for (i, command) in self.commands.iter().enumerate() {
            f.write_str(if i > 0 { " | " } else { "" })?;
            fmt::Display::fmt(command, f)?;
        }
        Ok(())
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.first.fmt_in_command(f)?;
        for arg in &self.args {
            f.write_str(" ")?;
            arg.fmt_in_command(f)?;
        }
        Ok(())
    }
}

impl Expr {
    fn fmt_in_command(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            ExprKind::Pipe(pipe) => write!(f, "({pipe})"),
            _ => fmt::Display::fmt(self, f),
        }
    }
}

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fields = match &self.kind {
            ExprKind::Dot => return f.write_str("."),
            ExprKind::Nil => return f.write_str("nil"),
            ExprKind::Bool(value) => return write!(f, "{value}"),
            ExprKind::Number(number) => return f.write_str(&number.text),
            ExprKind::Text { quoted, .. } => return f.write_str(quoted),
            ExprKind::Function(function) => return f.write_str(function.name()),
            ExprKind::Pipe(pipe) => return fmt::Display::fmt(pipe, f),
            ExprKind::Field(fields) => fields,
            ExprKind::Variable { name, fields } => {
                f.write_str(name)?;
                fields
            }
            ExprKind::Chain { of, fields } => {
                of.fmt_in_command(f)?;
                fields
            }
        };
        for field in fields {
            write!(f, ".{field}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Invocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{{{template {}", self.quoted)?;
        if let Some(pipe) = &self.pipe {
            write!(f, " {pipe}")?;
        }
        f.write_str("}}")
    }
}

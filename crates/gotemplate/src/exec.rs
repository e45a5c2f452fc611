//! The evaluator: walks a tree over data and writes the output.
//!
//! Owns control flow, variables and Go's error texts with their places. Every node, call and
//! byte is charged to the account of work. Refuses recursion beyond the limit of depth.

use std::fmt;

use crate::ast::{Branch, Command, Expr, Invocation, List, Node, Pipe};
use crate::call::Call;
use crate::context::Context;
use crate::error::{CallError, ExecError};
use crate::fmt::Printer;
use crate::limits::{Fuel, Limit};
use crate::template::Template;
use crate::value::Value;

mod arguments;
mod fields;

/// What to do when a key is missing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MissingKey {
    /// Go on with nothing, printed as `<no value>`.
    #[default]
    Default,
    /// Go on with the zero value of the map's element type.
    Zero,
    /// Fail.
    Error,
}

type Fail = Box<ExecError>;
type Run<T> = Result<T, Fail>;

/// How a list ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flow {
    Next,
    Break,
    Continue,
}

/// The node that errors are reported at.
#[derive(Clone, Copy)]
enum At<'t> {
    Nothing,
    Pipe(&'t Pipe),
    Command(&'t Command),
    Expr(&'t Expr),
    Template(&'t Invocation),
}

impl At<'_> {
    fn pos(&self) -> usize {
        match self {
            Self::Nothing => 0,
            Self::Pipe(node) => node.pos,
            Self::Command(node) => node.pos,
            Self::Expr(node) => node.pos,
            Self::Template(node) => node.pos,
        }
    }
}

impl fmt::Display for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => Ok(()),
            Self::Pipe(node) => fmt::Display::fmt(node, f),
            Self::Command(node) => fmt::Display::fmt(node, f),
            Self::Expr(node) => fmt::Display::fmt(node, f),
            Self::Template(node) => fmt::Display::fmt(node, f),
        }
    }
}

struct Exec<'t, 'c> {
    template: &'t Template,
    executing: &'t str,
    fuel: Fuel,
    context: &'c mut Context,
    out: Vec<u8>,
    /// Variables of all templates on the way; those from `base` on can be seen.
    variables: Vec<(&'t str, Value)>,
    base: usize,
    at: At<'t>,
}

/// Executes the tree of `template` that has its own name.
pub(crate) fn execute(template: &Template, root: &Value, context: &mut Context) -> Run<Vec<u8>> {
    let mut exec = Exec {
        template,
        executing: &template.name,
        fuel: Fuel::new(template.settings.limits),
        context,
        out: Vec::with_capacity(template.source.len() + 64),
        variables: vec![("$", root.clone())],
        base: 0,
        at: At::Nothing,
    };
    match template.trees.get(&template.name) {
        Some(list) => exec.list(root, list)?,
        None => return exec.error("incomplete or empty template"),
    };
    Ok(exec.out)
}

impl<'t> Exec<'t, '_> {
    fn fail(&self, reason: CallError) -> Fail {
        let pos = self.at.pos();
        let before = self.template.source.get(..pos).unwrap_or_default();
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let placed = !matches!(self.at, At::Nothing);
        Box::new(ExecError {
            name: self.template.name.clone(),
            line: if placed {
                1 + before.bytes().filter(|b| *b == b'\n').count()
            } else {
                0
            },
            column: pos - line_start,
            executing: self.executing.to_owned(),
            context: self.at.to_string(),
            reason: reason.reason,
            limit: reason.limit,
        })
    }

    fn error<T>(&self, reason: impl Into<std::borrow::Cow<'static, str>>) -> Run<T> {
        Err(self.fail(CallError::new(reason)))
    }

    /// Turns an exceeded limit into an error at the present node.
    fn within<T>(&self, result: Result<T, Limit>) -> Run<T> {
        result.map_err(|limit| self.fail(limit.into()))
    }

    fn step(&mut self) -> Run<()> {
        let result = self.fuel.step(1);
        self.within(result)
    }

    fn write(&mut self, bytes: &[u8]) -> Run<()> {
        let max = self.fuel.limits().output_bytes;
        if self.out.len() + bytes.len() > max {
            return self.within(Err(Limit::OutputBytes(max)));
        }
        self.out.extend_from_slice(bytes);
        Ok(())
    }

    fn list(&mut self, dot: &Value, list: &'t List) -> Run<Flow> {
        let entered = self.fuel.enter();
        self.within(entered)?;
        let mut flow = Flow::Next;
        for node in &list.nodes {
            flow = self.node(dot, node)?;
            if flow != Flow::Next {
                break;
            }
        }
        self.fuel.leave();
        Ok(flow)
    }

    fn node(&mut self, dot: &Value, node: &'t Node) -> Run<Flow> {
        self.step()?;
        match node {
            Node::Text { text } => self.write(text.as_bytes())?,
            Node::Action(pipe) => {
                let value = self.pipe(dot, pipe)?;
                if pipe.names.is_empty() {
                    self.print(pipe, &value)?;
                }
            }
            Node::If(branch) => return self.branch(dot, branch, false),
            Node::With(branch) => return self.branch(dot, branch, true),
            Node::Range(branch) => return self.range(dot, branch),
            Node::Template(invocation) => self.invoke(dot, invocation)?,
            Node::Break => return Ok(Flow::Break),
            Node::Continue => return Ok(Flow::Continue),
        }
        Ok(Flow::Next)
    }

    fn print(&mut self, pipe: &'t Pipe, value: &Value) -> Run<()> {
        self.at = At::Pipe(pipe);
        if let Value::Text(text) = value {
            return self.write(text);
        }
        let max = self.fuel.limits().output_bytes;
        let mut printer = Printer::onto(std::mem::take(&mut self.out), max);
        printer.action(value);
        match printer.finish() {
            Ok(out) => {
                self.out = out;
                Ok(())
            }
            Err(Limit::ValueBytes(max)) => self.within(Err(Limit::OutputBytes(max))),
            Err(limit) => self.within(Err(limit)),
        }
    }

    fn branch(&mut self, dot: &Value, branch: &'t Branch, with: bool) -> Run<Flow> {
        let mark = self.variables.len();
        let value = self.pipe(dot, &branch.pipe)?;
        let flow = if value.truth() {
            self.list(if with { &value } else { dot }, &branch.list)?
        } else if let Some(otherwise) = &branch.otherwise {
            self.list(dot, otherwise)?
        } else {
            Flow::Next
        };
        self.variables.truncate(mark);
        Ok(flow)
    }

    fn range(&mut self, dot: &Value, branch: &'t Branch) -> Run<Flow> {
        let mark = self.variables.len();
        let value = self.pipe(dot, &branch.pipe)?;
        let body = Body {
            branch,
            mark: self.variables.len(),
        };
        let ran = match &value {
            Value::Int(count, kind) => {
                self.one_variable(branch)?;
                self.iterate(
                    body,
                    (0..*count).map(|i| (Value::NoValue, Value::Int(i, *kind))),
                )?
            }
            Value::Uint(count, kind) => {
                self.one_variable(branch)?;
                self.iterate(
                    body,
                    (0..*count).map(|i| (Value::NoValue, Value::Uint(i, *kind))),
                )?
            }
            Value::List(list) => {
                let items = list.items().iter().enumerate();
                self.iterate(body, items.map(|(i, item)| (index(i), item.clone())))?
            }
            Value::Bytes(bytes) => {
                let items = bytes.iter().enumerate();
                self.iterate(body, items.map(|(i, byte)| (index(i), byte_value(*byte))))?
            }
            Value::Map(map) => {
                let entries = map.snapshot().into_iter();
                self.iterate(body, entries.map(|(key, item)| (Value::Text(key), item)))?
            }
            Value::NoValue | Value::Nil => false,
            other => {
                let name = other.type_name();
                return self.error(format!("range can't iterate over a value of type {name}"));
            }
        };
        let mut flow = Flow::Next;
        if !ran && let Some(otherwise) = &branch.otherwise {
            flow = self.list(dot, otherwise)?;
        }
        self.variables.truncate(mark);
        Ok(flow)
    }

    fn one_variable(&self, branch: &Branch) -> Run<()> {
        if branch.pipe.names.len() > 1 {
            return self.error("can't use an integer to iterate over more than one variable");
        }
        Ok(())
    }

    /// Runs the body for each element; whether there was one.
    fn iterate(
        &mut self,
        body: Body<'t>,
        items: impl Iterator<Item = (Value, Value)>,
    ) -> Run<bool> {
        let names = &body.branch.pipe.names;
        let assign = body.branch.pipe.assign;
        let mut ran = false;
        for (key, item) in items {
            ran = true;
            self.step()?;
            match names.as_slice() {
                [] => {}
                [one] if assign => self.assign(one, item.clone())?,
                [_] => self.set_top(1, item.clone()),
                [first, second, ..] if assign => {
                    self.assign(first, key)?;
                    self.assign(second, item.clone())?;
                }
                _ => {
                    self.set_top(1, item.clone());
                    self.set_top(2, key);
                }
            }
            let flow = self.list(&item, &body.branch.list)?;
            self.variables.truncate(body.mark);
            if flow == Flow::Break {
                break;
            }
        }
        Ok(ran)
    }

    fn invoke(&mut self, dot: &Value, invocation: &'t Invocation) -> Run<()> {
        self.at = At::Template(invocation);
        let template = self.template;
        let Some((name, list)) = template.trees.get_key_value(&*invocation.name) else {
            return self.error(format!("template {} not defined", invocation.quoted));
        };
        let dot = match &invocation.pipe {
            Some(pipe) => self.pipe(dot, pipe)?,
            None => Value::NoValue,
        };
        let mark = self.variables.len();
        let base = std::mem::replace(&mut self.base, mark);
        let executing = std::mem::replace(&mut self.executing, name);
        self.variables.push(("$", dot.clone()));
        self.list(&dot, list)?;
        self.executing = executing;
        self.base = base;
        self.variables.truncate(mark);
        Ok(())
    }

    fn set_top(&mut self, nth: usize, value: Value) {
        let at = self.variables.len().wrapping_sub(nth);
        if let Some(slot) = self.variables.get_mut(at) {
            slot.1 = value;
        }
    }

    fn assign(&mut self, name: &str, value: Value) -> Run<()> {
        let visible = self.variables.get_mut(self.base..).unwrap_or_default();
        match visible.iter_mut().rev().find(|(n, _)| *n == name) {
            Some(slot) => {
                slot.1 = value;
                Ok(())
            }
            None => self.error(format!("undefined variable: {name}")),
        }
    }

    fn variable(&self, name: &str) -> Run<Value> {
        let visible = self.variables.get(self.base..).unwrap_or_default();
        match visible.iter().rev().find(|(n, _)| *n == name) {
            Some((_, value)) => Ok(value.clone()),
            None => self.error(format!("undefined variable: {name}")),
        }
    }

    /// Evaluates a pipeline; its variables stay until the surrounding control structure ends.
    fn pipe(&mut self, dot: &Value, pipe: &'t Pipe) -> Run<Value> {
        self.at = At::Pipe(pipe);
        let entered = self.fuel.enter();
        self.within(entered)?;
        let mut value = None;
        for command in &pipe.commands {
            let result = self.command(dot, command, value)?;
            // Go takes the value out of its interface here: nil becomes nothing.
            value = Some(if result.is_nil() {
                Value::NoValue
            } else {
                result
            });
        }
        self.fuel.leave();
        let value = value.unwrap_or_default();
        for name in &pipe.names {
            if pipe.assign {
                self.assign(name, value.clone())?;
            } else {
                self.variables.push((name, value.clone()));
            }
        }
        Ok(value)
    }

    fn call(&mut self) -> Call<'_> {
        Call {
            fuel: &mut self.fuel,
            context: self.context,
            regexes: &self.template.regexes,
            literals: &self.template.literals,
        }
    }
}

/// What a range repeats, and how many variables its body starts with.
#[derive(Clone, Copy)]
struct Body<'t> {
    branch: &'t Branch,
    mark: usize,
}

fn index(i: usize) -> Value {
    Value::int(i64::try_from(i).unwrap_or(i64::MAX))
}

fn byte_value(byte: u8) -> Value {
    Value::Uint(u64::from(byte), crate::value::UintType::Uint8)
}

//! What an expression comes to when only some facts are known.
//!
//! What is not known becomes the text `${expression}`, so that it survives inside of templates
//! and lists and can be compared with itself.

use hcl_edit::expr::{Expression, ObjectKey, TraversalOperator};
use hcl_edit::template::{Element, Template};
use serde_json::{Map, Value};

use super::{Block, Module, computed, functions};

/// Chains of references longer than this are taken for circles.
const DEPTH: usize = 40;

/// One evaluation; counts how deep references lead.
pub(super) struct Evaluation<'a> {
    pub(super) module: &'a Module,
    depth: usize,
}

impl<'a> Evaluation<'a> {
    pub(super) fn new(module: &'a Module) -> Self {
        Self { module, depth: 0 }
    }

    pub(super) fn expression(&mut self, expression: &Expression) -> Value {
        match expression {
            Expression::Null(_) => Value::Null,
            Expression::Bool(b) => Value::Bool(*b.value()),
            Expression::Number(n) => number(&n.value().to_string()),
            Expression::String(s) => Value::String(s.value().clone()),
            Expression::Array(items) => items.iter().map(|item| self.expression(item)).collect(),
            Expression::Object(object) => {
                let mut out = Map::new();
                for (key, value) in object.iter() {
                    let key = match key {
                        ObjectKey::Ident(name) => name.as_str().to_owned(),
                        ObjectKey::Expression(e) => text_of(&self.expression(e)),
                    };
                    let value = self.expression(value.expr());
                    out.insert(key, value);
                }
                Value::Object(out)
            }
            Expression::StringTemplate(template) => self.template(template),
            Expression::HeredocTemplate(heredoc) => self.template(&heredoc.template),
            Expression::Parenthesis(inner) => self.expression(inner.inner()),
            Expression::FuncCall(call) => {
                let arguments: Vec<Value> = call.args.iter().map(|a| self.expression(a)).collect();
                let name = call.name.name.as_str();
                functions::call(name, &arguments).unwrap_or_else(|| unknown(expression))
            }
            Expression::Traversal(traversal) => {
                let mut path = Vec::new();
                if let Expression::Variable(root) = &traversal.expr {
                    path.push(root.as_str().to_owned());
                } else {
                    return unknown(expression);
                }
                for operator in &traversal.operators {
                    path.push(match operator.value() {
                        TraversalOperator::GetAttr(name) => name.as_str().to_owned(),
                        TraversalOperator::Index(index) => text_of(&self.expression(index)),
                        TraversalOperator::LegacyIndex(n) => n.value().to_string(),
                        TraversalOperator::AttrSplat(_) | TraversalOperator::FullSplat(_) => {
                            return unknown(expression);
                        }
                    });
                }
                self.path(&path).unwrap_or_else(|| unknown(expression))
            }
            Expression::Variable(_)
            | Expression::Conditional(_)
            | Expression::UnaryOp(_)
            | Expression::BinaryOp(_)
            | Expression::ForExpr(_) => unknown(expression),
        }
    }

    fn template(&mut self, template: &Template) -> Value {
        let mut out = String::new();
        for element in template {
            match element {
                Element::Literal(text) => out.push_str(text.value()),
                Element::Interpolation(inner) => {
                    out.push_str(&text_of(&self.expression(&inner.expr)));
                }
                Element::Directive(_) => out.push_str("${directive}"),
            }
        }
        Value::String(out)
    }

    /// The value behind `a.b.c`; `None` when nothing is known of it.
    pub(super) fn path(&mut self, path: &[String]) -> Option<Value> {
        if self.depth >= DEPTH {
            return None;
        }
        self.depth += 1;
        let value = self.follow(path);
        self.depth -= 1;
        value
    }

    fn follow(&mut self, path: &[String]) -> Option<Value> {
        if let Some(fact) = self.module.facts.get(&path.join(".")) {
            return Some(fact.clone());
        }
        let names: Vec<&str> = path.iter().map(String::as_str).collect();
        match names.as_slice() {
            ["local", name, rest @ ..] => {
                let locals = self.module.blocks.iter().filter(|b| b.kind == "locals");
                let found = locals.filter_map(|b| b.attribute(name)).next_back()?;
                let value = self.expression(&found.expression);
                step(value, rest)
            }
            ["var", name, rest @ ..] => {
                let mut variables = self.module.blocks.iter();
                let block = variables.find(|b| {
                    b.kind == "variable" && b.labels.first().is_some_and(|l| l == name)
                })?;
                let default = block.attribute("default")?;
                step(self.expression(&default.expression), rest)
            }
            ["data", kind, name, attribute, rest @ ..] => {
                let block = self.module.named("data", kind, name)?;
                step(self.attribute(block, attribute)?, rest)
            }
            [kind, name, attribute, rest @ ..] => {
                let block = self.module.named("resource", kind, name)?;
                step(self.attribute(block, attribute)?, rest)
            }
            _ => None,
        }
    }

    fn attribute(&mut self, block: &Block, name: &str) -> Option<Value> {
        match block.attribute(name) {
            Some(attribute) => Some(self.expression(&attribute.expression)),
            None => computed::attribute(self, block, name),
        }
    }

    /// An argument of a block, evaluated.
    pub(super) fn argument(&mut self, block: &Block, name: &str) -> Option<Value> {
        let attribute = block.attribute(name)?;
        Some(self.expression(&attribute.expression))
    }

    /// A fact, or the text that stands for it.
    pub(super) fn fact(&mut self, address: &str) -> String {
        match self.module.facts.get(address) {
            Some(value) => text_of(value),
            None => format!("${{{address}}}"),
        }
    }
}

fn step(mut value: Value, rest: &[&str]) -> Option<Value> {
    for name in rest {
        value = match value {
            Value::Object(mut map) => map.remove(*name)?,
            Value::Array(items) => items.into_iter().nth(name.parse().ok()?)?,
            _ => return None,
        };
    }
    Some(value)
}

fn unknown(expression: &Expression) -> Value {
    Value::String(format!("${{{}}}", expression.to_string().trim()))
}

fn number(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))
}

/// A value inside of a template.
pub(super) fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

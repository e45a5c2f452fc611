//! `.a.b.c`: keys of maps, fields of structures, methods.

use super::arguments::Invoked;
use super::{At, Exec, MissingKey, Run};
use crate::ast::Expr;
use crate::error::CallError;
use crate::fmt::quote::quoted;
use crate::functions::Type;
use crate::value::{Elem, Map, Value};

impl<'t> Exec<'t, '_> {
    /// Follows `fields` from `receiver`; the last one gets the arguments.
    pub(super) fn field_chain(
        &mut self,
        dot: &Value,
        mut receiver: Value,
        node: &'t Expr,
        fields: &'t [Box<str>],
        args: &'t [Expr],
        last: Option<Value>,
    ) -> Run<Value> {
        let Some((end, way)) = fields.split_last() else {
            return Ok(receiver);
        };
        // A value taken out of an interface is still called `interface {}` in errors.
        let mut boxed = false;
        for field in way {
            let next = self.field(&receiver, boxed, field, false)?;
            boxed = matches!(&receiver, Value::Map(map) if map.elem() == Elem::Any);
            receiver = match next {
                Some(value) => value,
                None => self.method(
                    dot,
                    &receiver,
                    boxed,
                    field,
                    Invoked {
                        node: At::Expr(node),
                        args: &[],
                    },
                    None,
                )?,
            };
        }
        let has_args = !args.is_empty() || last.is_some();
        match self.field(&receiver, boxed, end, has_args)? {
            Some(value) => Ok(value),
            None => {
                let node = At::Expr(node);
                self.method(dot, &receiver, boxed, end, Invoked { node, args }, last)
            }
        }
    }

    /// The key or field; `None` when only a method can answer.
    fn field(
        &mut self,
        receiver: &Value,
        boxed: bool,
        name: &str,
        has_args: bool,
    ) -> Run<Option<Value>> {
        self.step()?;
        match receiver {
            Value::NoValue => {
                if self.template.settings.missing_key == MissingKey::Error {
                    let name = quoted(name.as_bytes());
                    return self.error(format!("nil data; no entry for key {name}"));
                }
                Ok(Some(Value::NoValue))
            }
            Value::Nil => self.error(format!("nil pointer evaluating interface {{}}.{name}")),
            Value::Map(map) => {
                if has_args {
                    return self.error(format!("{name} is not a method but has arguments"));
                }
                self.key(map, name).map(Some)
            }
            Value::Opaque(value) => match value.field(name) {
                Some(_) if has_args => self.error(format!(
                    "{name} has arguments but cannot be invoked as function"
                )),
                found => Ok(found),
            },
            Value::Time(_) | Value::Int(..) => Ok(None),
            other => self.no_field(other, boxed, name),
        }
    }

    fn no_field<T>(&self, receiver: &Value, boxed: bool, name: &str) -> Run<T> {
        let type_name = if boxed {
            "interface {}".to_owned()
        } else {
            receiver.type_name()
        };
        self.error(format!("can't evaluate field {name} in type {type_name}"))
    }

    fn key(&self, map: &Map, name: &str) -> Run<Value> {
        if let Some(value) = map.get(name.as_bytes()) {
            return Ok(value);
        }
        match self.template.settings.missing_key {
            MissingKey::Default => Ok(Value::NoValue),
            MissingKey::Zero => Ok(map.elem().zero()),
            MissingKey::Error => {
                let name = quoted(name.as_bytes());
                self.error(format!("map has no entry for key {name}"))
            }
        }
    }

    fn method(
        &mut self,
        dot: &Value,
        receiver: &Value,
        boxed: bool,
        name: &'t str,
        invoked: Invoked<'t>,
        last: Option<Value>,
    ) -> Run<Value> {
        let params = match receiver {
            Value::Time(_) => crate::time::methods::parameters(name),
            Value::Int(_, kind) => crate::time::methods::integer_parameters(*kind, name),
            Value::Opaque(value) => value.parameters(name),
            _ => None,
        };
        let Some(params) = params else {
            return self.no_field(receiver, boxed, name);
        };
        let args = self.method_arguments(dot, params, name, invoked.args, last)?;
        let result = match receiver {
            Value::Time(time) => crate::time::methods::call(time, name, &args, &mut self.call()),
            Value::Int(value, kind) => {
                crate::time::methods::call_integer(*value, *kind, name, &args)
            }
            Value::Opaque(value) => value.method(name, &args, &mut self.call()),
            _ => Err(CallError::new("no such method")),
        };
        result.map_err(|mut error| {
            self.at = invoked.node;
            if error.limit.is_none() {
                error.reason = format!("error calling {name}: {}", error.reason).into();
            }
            self.fail(error)
        })
    }

    fn method_arguments(
        &mut self,
        dot: &Value,
        params: &'static [Type],
        name: &str,
        args: &'t [Expr],
        last: Option<Value>,
    ) -> Run<Vec<Value>> {
        let given = args.len() + usize::from(last.is_some());
        if given != params.len() {
            return self.error(format!(
                "wrong number of args for {name}: want {} got {given}",
                params.len()
            ));
        }
        let mut values = Vec::with_capacity(given);
        for (arg, wanted) in args.iter().zip(params) {
            values.push(self.argument(dot, Some(*wanted), arg)?);
        }
        if let Some(last) = last {
            values.push(self.validate(last, params.last().copied())?);
        }
        Ok(values)
    }
}

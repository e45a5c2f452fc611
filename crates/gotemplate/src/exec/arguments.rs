//! Commands and calls: which argument goes where, and whether its type fits.

use super::{At, Exec, Run};
use crate::ast::{Command, Expr, ExprKind, Number};
use crate::functions::{Function, Special, Type};
use crate::value::{UintType, Value};

/// What a call is made with.
#[derive(Clone, Copy)]
pub(super) struct Invoked<'t> {
    /// The node that a failure of the function is reported at.
    pub(super) node: At<'t>,
    pub(super) args: &'t [Expr],
}

impl<'t> Exec<'t, '_> {
    /// Evaluates a command; `last` is the value that the pipe brings.
    pub(super) fn command(
        &mut self,
        dot: &Value,
        command: &'t Command,
        last: Option<Value>,
    ) -> Run<Value> {
        self.step()?;
        let first = &command.first;
        let args = &command.args;
        match &first.kind {
            ExprKind::Field(fields) => {
                self.at = At::Expr(first);
                self.field_chain(dot, dot.clone(), first, fields, args, last)
            }
            ExprKind::Chain { of, fields } => {
                self.at = At::Expr(first);
                let receiver = self.chained(dot, first, of)?;
                self.field_chain(dot, receiver, first, fields, args, last)
            }
            ExprKind::Function(function) => {
                self.at = At::Expr(first);
                let node = At::Command(command);
                self.function(dot, function, Invoked { node, args }, last)
            }
            ExprKind::Pipe(pipe) => {
                self.not_a_function(command, &last)?;
                self.pipe(dot, pipe)
            }
            ExprKind::Variable { name, fields } => {
                self.at = At::Expr(first);
                let value = self.variable(name)?;
                if fields.is_empty() {
                    self.not_a_function(command, &last)?;
                    return Ok(value);
                }
                self.field_chain(dot, value, first, fields, args, last)
            }
            _ => {
                self.at = At::Expr(first);
                self.not_a_function(command, &last)?;
                self.constant(dot, first)
            }
        }
    }

    fn not_a_function(&self, command: &Command, last: &Option<Value>) -> Run<()> {
        if command.args.is_empty() && last.is_none() {
            return Ok(());
        }
        self.error(format!(
            "can't give argument to non-function {}",
            command.first
        ))
    }

    fn constant(&mut self, dot: &Value, expr: &'t Expr) -> Run<Value> {
        match &expr.kind {
            ExprKind::Bool(value) => Ok(Value::Bool(*value)),
            ExprKind::Dot => Ok(dot.clone()),
            ExprKind::Number(number) => self.ideal(number),
            ExprKind::Text { value, .. } => Ok(value.clone()),
            _ => self.error("nil is not a command"),
        }
    }

    fn ideal(&self, number: &Number) -> Run<Value> {
        match &number.ideal {
            Some(value) => Ok(value.clone()),
            None => self.error(format!("{} overflows int", number.text)),
        }
    }

    /// The value that a chain of fields starts from.
    fn chained(&mut self, dot: &Value, chain: &'t Expr, of: &'t Expr) -> Run<Value> {
        if matches!(of.kind, ExprKind::Nil) {
            return self.error(format!("indirection through explicit nil in {chain}"));
        }
        self.argument(dot, None, of)
    }

    /// Calls a function with the written arguments and, at the end, the piped one.
    pub(super) fn function(
        &mut self,
        dot: &Value,
        function: &'t Function,
        invoked: Invoked<'t>,
        last: Option<Value>,
    ) -> Run<Value> {
        let params = function.params();
        let variadic = function.variadic();
        let given = invoked.args.len() + usize::from(last.is_some());
        let name = function.name();
        if variadic.is_some() {
            if given < params.len() {
                let (want, got) = (params.len(), invoked.args.len());
                return self.error(format!(
                    "wrong number of args for {name}: want at least {want} got {got}"
                ));
            }
        } else if given != params.len() {
            return self.error(format!(
                "wrong number of args for {name}: want {} got {given}",
                params.len()
            ));
        }
        if let Special::And | Special::Or = function.special() {
            let until = function.special() == Special::Or;
            return self.short_circuit(dot, until, invoked.args, last);
        }
        let type_of = |i: usize| params.get(i).copied().or(variadic).unwrap_or(Type::Any);
        let mut values = Vec::with_capacity(given);
        for (i, arg) in invoked.args.iter().enumerate() {
            values.push(self.argument(dot, Some(type_of(i)), arg)?);
        }
        if let Some(last) = last {
            values.push(self.validate(last, Some(type_of(invoked.args.len())))?);
        }
        let size = values.iter().map(Value::size).sum();
        let read = self.fuel.read(size);
        self.within(read)?;
        match function.run(&mut self.call(), &values) {
            Ok(value) => Ok(value),
            Err(mut error) => {
                self.at = invoked.node;
                if error.limit.is_none() {
                    error.reason = format!("error calling {name}: {}", error.reason).into();
                }
                Err(self.fail(error))
            }
        }
    }

    /// `and` and `or` evaluate only as far as they must.
    fn short_circuit(
        &mut self,
        dot: &Value,
        until: bool,
        args: &'t [Expr],
        last: Option<Value>,
    ) -> Run<Value> {
        let mut value = Value::NoValue;
        for arg in args {
            value = self.argument(dot, Some(Type::Reflect), arg)?;
            if value.truth() == until {
                return Ok(value);
            }
        }
        Ok(last.unwrap_or(value))
    }

    /// Evaluates an argument for a parameter of type `wanted`.
    pub(super) fn argument(
        &mut self,
        dot: &Value,
        wanted: Option<Type>,
        expr: &'t Expr,
    ) -> Run<Value> {
        self.step()?;
        self.at = At::Expr(expr);
        let value = match &expr.kind {
            ExprKind::Dot => dot.clone(),
            ExprKind::Nil => return self.nil_argument(wanted),
            ExprKind::Field(fields) => {
                self.field_chain(dot, dot.clone(), expr, fields, &[], None)?
            }
            ExprKind::Variable { name, fields } => {
                let value = self.variable(name)?;
                if fields.is_empty() {
                    value
                } else {
                    self.field_chain(dot, value, expr, fields, &[], None)?
                }
            }
            ExprKind::Pipe(pipe) => self.pipe(dot, pipe)?,
            ExprKind::Function(function) => {
                let node = At::Expr(expr);
                self.function(dot, function, Invoked { node, args: &[] }, None)?
            }
            ExprKind::Chain { of, fields } => {
                let receiver = self.chained(dot, expr, of)?;
                self.field_chain(dot, receiver, expr, fields, &[], None)?
            }
            ExprKind::Bool(_) | ExprKind::Number(_) | ExprKind::Text { .. } => {
                return self.typed_constant(dot, wanted.unwrap_or(Type::Any), expr);
            }
        };
        self.validate(value, wanted)
    }

    fn nil_argument(&self, wanted: Option<Type>) -> Run<Value> {
        match wanted {
            Some(wanted) if !wanted.accepts_nil() => {
                self.error(format!("cannot assign nil to {}", wanted.name()))
            }
            Some(Type::Reflect) => Ok(Value::NoValue),
            _ => Ok(Value::Nil),
        }
    }

    /// A constant takes on the type of its parameter.
    fn typed_constant(&mut self, dot: &Value, wanted: Type, expr: &'t Expr) -> Run<Value> {
        let number = match &expr.kind {
            ExprKind::Number(number) => Some(&**number),
            _ => None,
        };
        let expected = match wanted {
            Type::Any | Type::Reflect => return self.constant(dot, expr),
            Type::Text | Type::NamedText(_) => {
                if let ExprKind::Text { value, .. } = &expr.kind {
                    return Ok(value.clone());
                }
                "string"
            }
            Type::Bool => {
                if let ExprKind::Bool(value) = expr.kind {
                    return Ok(Value::Bool(value));
                }
                "bool"
            }
            Type::Int => {
                if let Some(int) = number.and_then(|number| number.int) {
                    return Ok(Value::int(int));
                }
                "integer"
            }
            Type::Duration => {
                if let Some(int) = number.and_then(|number| number.int) {
                    return Ok(Value::duration(int));
                }
                "integer"
            }
            Type::Uint32 => {
                if let Some(uint) = number.and_then(|number| number.uint) {
                    // Go cuts to the size of the type.
                    let cut = uint & u64::from(u32::MAX);
                    return Ok(Value::Uint(cut, UintType::Uint32));
                }
                "unsigned integer"
            }
            Type::Float => {
                if let Some(float) = number.and_then(|number| number.float) {
                    return Ok(Value::Float(float));
                }
                "float"
            }
            Type::AnyList | Type::AnyMap | Type::Time | Type::Opaque(_) => {
                return self.error(format!(
                    "can't handle {expr} for arg of type {}",
                    wanted.name()
                ));
            }
        };
        self.error(format!("expected {expected}; found {expr}"))
    }

    /// Checks that a value can be assigned to a parameter.
    pub(super) fn validate(&self, value: Value, wanted: Option<Type>) -> Run<Value> {
        let Some(wanted) = wanted else {
            return Ok(value);
        };
        match value {
            Value::NoValue if matches!(wanted, Type::Reflect) => Ok(Value::NoValue),
            Value::NoValue if wanted.accepts_nil() => Ok(Value::Nil),
            Value::NoValue => self.error(format!("invalid value; expected {}", wanted.name())),
            Value::Nil if matches!(wanted, Type::Any | Type::Reflect) => Ok(Value::Nil),
            Value::Nil => self.error(format!(
                "wrong type for value; expected {}; got interface {{}}",
                wanted.name()
            )),
            value if wanted.accepts(&value) => Ok(value),
            value => self.error(format!(
                "wrong type for value; expected {}; got {}",
                wanted.name(),
                value.type_name()
            )),
        }
    }
}

//! Defaults, emptiness, kinds and types, and the one function that fails on purpose.

use super::args::{Answer, any, boolean, text};
use super::equality::deep_equal;
use crate::call::Call;
use crate::error::WITHHELD;
use crate::functions::Type::{Any, Bool, Text as Str};
use crate::functions::{Declared, fixed, variadic};
use crate::value::Value;

pub(crate) static TABLE: &[Declared] = &[
    variadic("default", &[Any], Any, |_, args| {
        let given = any(args, 1);
        Ok(if is_empty(given) { any(args, 0) } else { given }.clone())
    }),
    fixed("empty", &[Any], |_, args| {
        Ok(Value::Bool(is_empty(any(args, 0))))
    }),
    variadic("coalesce", &[], Any, |_, args| {
        Ok(args
            .iter()
            .find(|arg| !is_empty(arg))
            .cloned()
            .unwrap_or(Value::Nil))
    }),
    variadic("all", &[], Any, |_, args| {
        Ok(Value::Bool(!args.iter().any(is_empty)))
    }),
    variadic("any", &[], Any, |_, args| {
        Ok(Value::Bool(args.iter().any(|arg| !is_empty(arg))))
    }),
    fixed("ternary", &[Any, Any, Bool], |_, args| {
        Ok(any(args, usize::from(!boolean(args, 2))).clone())
    }),
    fixed("fail", &[Str], fail),
    fixed("typeOf", &[Any], |call, args| {
        Ok(call.text(any(args, 0).type_name())?)
    }),
    fixed("typeIs", &[Str, Any], |_, args| {
        Ok(Value::Bool(
            text(args, 0) == any(args, 1).type_name().as_bytes(),
        ))
    }),
    fixed("typeIsLike", &[Str, Any], |_, args| {
        let name = any(args, 1).type_name();
        let target = text(args, 0);
        let like = target == name.as_bytes()
            || name
                .strip_prefix('*')
                .is_some_and(|name| target == name.as_bytes());
        Ok(Value::Bool(like))
    }),
    fixed("kindOf", &[Any], |call, args| {
        Ok(call.text(any(args, 0).kind_name())?)
    }),
    fixed("kindIs", &[Str, Any], |_, args| {
        Ok(Value::Bool(
            text(args, 0) == any(args, 1).kind_name().as_bytes(),
        ))
    }),
    fixed("deepEqual", &[Any, Any], |call, args| {
        Ok(Value::Bool(deep_equal(call, any(args, 0), any(args, 1))?))
    }),
];

/// Sprig's notion: the zero of its type; structures never are.
pub(super) fn is_empty(value: &Value) -> bool {
    !value.truth()
}

/// The text is shown only if it is written in the template; anything else may be data.
fn fail(call: &mut Call<'_>, args: &[Value]) -> Answer {
    let message = call.written(text(args, 0));
    Err(message.unwrap_or_else(|| WITHHELD.to_owned()).into())
}

//! Whether a value meets a query's condition.

use crate::budget::{Budget, Limit};
use crate::path::Query;
use crate::value::{Kind, Value};
use crate::{number, wildcard};

/// Compares `value` by the query's operator. What does not exist meets no condition, except the
/// `~` forms, which ask what a value amounts to.
pub fn meets(query: &Query<'_>, value: &Value<'_>, budget: &mut Budget) -> Result<bool, Limit> {
    if let Some(question) = query.value.strip_prefix(b"~") {
        let answer = match question {
            b"*" => value.exists(),
            b"null" => value.kind() == Kind::Null,
            b"true" => value.is_true(),
            b"false" => value.is_false(),
            _ => return Ok(false),
        };
        return Ok(query.operator.is_empty() || compare_bool(query.operator, answer, b"true"));
    }
    if !value.exists() {
        return Ok(false);
    }
    if query.operator.is_empty() {
        return Ok(true);
    }
    Ok(match value.kind() {
        Kind::String => return compare_text(query, value.str(), budget),
        Kind::Number => compare_number(query.operator, value.number(), number::parse(&query.value)),
        Kind::True => compare_bool(query.operator, true, &query.value),
        Kind::False => compare_bool(query.operator, false, &query.value),
        Kind::Null | Kind::Json => false,
    })
}

fn compare_text(query: &Query<'_>, text: &[u8], budget: &mut Budget) -> Result<bool, Limit> {
    let wanted = query.value.as_ref();
    Ok(match query.operator {
        b"=" => text == wanted,
        b"!=" => text != wanted,
        b"<" => text < wanted,
        b"<=" => text <= wanted,
        b">" => text > wanted,
        b">=" => text >= wanted,
        b"%" => fits(text, wanted, budget)?,
        b"!%" => !fits(text, wanted, budget)?,
        _ => false,
    })
}

/// A wildcard comparison, paid for by its worst case.
pub fn fits(text: &[u8], pattern: &[u8], budget: &mut Budget) -> Result<bool, Limit> {
    if pattern != b"*" {
        budget.charge(text.len().saturating_mul(pattern.len()) / 4)?;
    }
    Ok(wildcard::matches(text, pattern))
}

fn compare_number(operator: &[u8], number: f64, wanted: f64) -> bool {
    match operator {
        b"=" => number == wanted,
        b"!=" => number != wanted,
        b"<" => number < wanted,
        b"<=" => number <= wanted,
        b">" => number > wanted,
        b">=" => number >= wanted,
        _ => false,
    }
}

/// Only false is below true, and any text may stand beside `>=` of true and `<=` of false.
fn compare_bool(operator: &[u8], value: bool, wanted: &[u8]) -> bool {
    let (same, other): (&[u8], &[u8]) = if value {
        (b"true", b"false")
    } else {
        (b"false", b"true")
    };
    match operator {
        b"=" => wanted == same,
        b"!=" => wanted != same,
        b">" => value && wanted == other,
        b">=" => value,
        b"<" => !value && wanted == other,
        b"<=" => !value,
        _ => false,
    }
}

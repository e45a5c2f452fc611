//! Arithmetic and sequences.

use super::args::{Answer, any, int, text};
use super::cast::{to_float, to_int};
use super::decimal::Decimal;
use crate::call::Call;
use crate::error::CallError;
use crate::functions::Type::{Any, Float, Int, Text as Str};
use crate::functions::{Declared, fixed, variadic};
use crate::value::{Elem, Value};

pub(crate) static TABLE: &[Declared] = &[
    fixed("atoi", &[Str], |_, args| {
        Ok(Value::int(atoi(text(args, 0)).unwrap_or(0)))
    }),
    fixed("int", &[Any], |_, args| {
        Ok(Value::int(to_int(any(args, 0))))
    }),
    fixed("int64", &[Any], |_, args| {
        Ok(Value::int64(to_int(any(args, 0))))
    }),
    fixed("float64", &[Any], |_, args| {
        Ok(Value::Float(to_float(any(args, 0))))
    }),
    fixed("toDecimal", &[Any], to_decimal),
    fixed("add1", &[Any], |_, args| {
        Ok(Value::int64(to_int(any(args, 0)).wrapping_add(1)))
    }),
    variadic("add", &[], Any, |_, args| {
        let sum = args
            .iter()
            .fold(0i64, |sum, arg| sum.wrapping_add(to_int(arg)));
        Ok(Value::int64(sum))
    }),
    fixed("sub", &[Any, Any], |_, args| {
        Ok(Value::int64(
            to_int(any(args, 0)).wrapping_sub(to_int(any(args, 1))),
        ))
    }),
    variadic("mul", &[Any], Any, |_, args| {
        let product = args
            .iter()
            .fold(1i64, |product, arg| product.wrapping_mul(to_int(arg)));
        Ok(Value::int64(product))
    }),
    fixed("div", &[Any, Any], |_, args| {
        divided(args, i64::wrapping_div)
    }),
    fixed("mod", &[Any, Any], |_, args| {
        divided(args, i64::wrapping_rem)
    }),
    fixed("add1f", &[Any], |call, args| {
        let one = Value::int(1);
        decimal(call, any(args, 0), &[one], |a, b| Ok(a.plus(b)))
    }),
    variadic("addf", &[], Any, |call, args| {
        decimal(call, &Value::Float(0.0), args, |a, b| Ok(a.plus(b)))
    }),
    variadic("subf", &[Any], Any, |call, args| {
        decimal(
            call,
            any(args, 0),
            args.get(1..).unwrap_or_default(),
            |a, b| Ok(a.minus(b)),
        )
    }),
    variadic("mulf", &[Any], Any, |call, args| {
        decimal(
            call,
            any(args, 0),
            args.get(1..).unwrap_or_default(),
            |a, b| Ok(a.times(b)),
        )
    }),
    variadic("divf", &[Any], Any, |call, args| {
        decimal(
            call,
            any(args, 0),
            args.get(1..).unwrap_or_default(),
            Decimal::over,
        )
    }),
    variadic("max", &[Any], Any, |_, args| Ok(largest(args))),
    variadic("biggest", &[Any], Any, |_, args| Ok(largest(args))),
    variadic("min", &[Any], Any, |_, args| {
        Ok(Value::int64(args.iter().map(to_int).min().unwrap_or(0)))
    }),
    variadic("maxf", &[Any], Any, |_, args| {
        Ok(extreme(args, f64::INFINITY, f64::max))
    }),
    variadic("minf", &[Any], Any, |_, args| {
        Ok(extreme(args, f64::NEG_INFINITY, f64::min))
    }),
    fixed("ceil", &[Any], |_, args| {
        Ok(Value::Float(to_float(any(args, 0)).ceil()))
    }),
    fixed("floor", &[Any], |_, args| {
        Ok(Value::Float(to_float(any(args, 0)).floor()))
    }),
    variadic("round", &[Any, Int], Float, round),
    fixed("until", &[Int], |call, args| {
        let count = int(args, 0);
        until(call, 0, count, if count < 0 { -1 } else { 1 })
    }),
    fixed("untilStep", &[Int, Int, Int], |call, args| {
        until(call, int(args, 0), int(args, 1), int(args, 2))
    }),
    variadic("seq", &[], Int, seq),
];

/// `strconv.Atoi`: decimal digits with an optional sign; out of range is the nearest limit.
fn atoi(bytes: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(bytes).ok()?;
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let limit = if text.starts_with('-') {
        i64::MIN
    } else {
        i64::MAX
    };
    Some(text.parse().unwrap_or(limit))
}

/// Reads the printed value as octal.
fn to_decimal(call: &mut Call<'_>, args: &[Value]) -> Answer {
    let shown = crate::fmt::shown(any(args, 0), call.max_value())?;
    let text = String::from_utf8_lossy(&shown);
    let digits = text.strip_prefix(['-', '+']).unwrap_or(&text);
    let valid = digits.starts_with(|c: char| c.is_digit(8));
    let value = if valid {
        i64::from_str_radix(&text, 8).unwrap_or(0)
    } else {
        0
    };
    Ok(Value::int64(value))
}

fn divided(args: &[Value], op: fn(i64, i64) -> i64) -> Answer {
    match to_int(any(args, 1)) {
        0 => Err("runtime error: integer divide by zero".into()),
        divisor => Ok(Value::int64(op(to_int(any(args, 0)), divisor))),
    }
}

fn decimal(
    call: &mut Call<'_>,
    first: &Value,
    rest: &[Value],
    op: fn(&Decimal, &Decimal) -> Result<Decimal, CallError>,
) -> Answer {
    let mut result = Decimal::new(to_float(first))?;
    for arg in rest {
        let operand = Decimal::new(to_float(arg))?;
        result.charge(&operand, call)?;
        result = op(&result, &operand)?;
    }
    Ok(Value::Float(result.to_float()))
}

fn largest(args: &[Value]) -> Value {
    Value::int64(args.iter().map(to_int).max().unwrap_or(0))
}

/// `math.Max` and `math.Min`: a NaN wins unless the extreme infinity is there.
fn extreme(args: &[Value], infinity: f64, pick: fn(f64, f64) -> f64) -> Value {
    let mut all = args.iter().map(to_float);
    let first = all.next().unwrap_or(0.0);
    Value::Float(all.fold(first, |a, b| {
        if a == infinity || b == infinity {
            infinity
        } else if a.is_nan() || b.is_nan() {
            f64::NAN
        } else if a == 0.0 && b == 0.0 {
            // Minus zero is less than zero.
            let negative = if infinity > 0.0 {
                a.is_sign_negative() && b.is_sign_negative()
            } else {
                a.is_sign_negative() || b.is_sign_negative()
            };
            if negative { -0.0 } else { 0.0 }
        } else {
            pick(a, b)
        }
    }))
}

fn round(_: &mut Call<'_>, args: &[Value]) -> Answer {
    let round_on = match args.get(2) {
        Some(Value::Float(value)) => *value,
        _ => 0.5,
    };
    let power = power_of_ten(int(args, 1));
    let digit = power * to_float(any(args, 0));
    let rounded = if digit.fract() >= round_on {
        digit.ceil()
    } else {
        digit.floor()
    };
    Ok(Value::Float(rounded / power))
}

/// `math.Pow(10, places)`, correctly rounded.
fn power_of_ten(places: i64) -> f64 {
    format!("1e{places}").parse().unwrap_or(f64::INFINITY)
}

/// How many numbers go from `start` to before `stop`.
fn count(start: i64, stop: i64, step: i64) -> usize {
    let distance = (i128::from(stop) - i128::from(start)).unsigned_abs();
    if (stop < start) != (step < 0) || step == 0 || distance == 0 {
        return 0;
    }
    let count = distance.div_ceil(i128::from(step).unsigned_abs());
    usize::try_from(count).unwrap_or(usize::MAX)
}

fn numbers(call: &mut Call<'_>, start: i64, stop: i64, step: i64) -> Result<Vec<i64>, CallError> {
    let count = count(start, stop, step);
    call.reserve(count.saturating_mul(32))?;
    call.step(count)?;
    Ok((0..count)
        .map(|i| start.wrapping_add(step.wrapping_mul(super::args::go_int(i))))
        .collect())
}

fn until(call: &mut Call<'_>, start: i64, stop: i64, step: i64) -> Answer {
    let items = numbers(call, start, stop, step)?;
    Ok(call.list(Elem::Int, items.into_iter().map(Value::int).collect())?)
}

fn seq(call: &mut Call<'_>, args: &[Value]) -> Answer {
    let direction = |from: i64, to: i64| if to < from { -1 } else { 1 };
    let (start, step, end) = match args.len() {
        1 => (1, direction(1, int(args, 0)), int(args, 0)),
        2 => (
            int(args, 0),
            direction(int(args, 0), int(args, 1)),
            int(args, 1),
        ),
        3 => (int(args, 0), int(args, 1), int(args, 2)),
        _ => return Ok(Value::text("")),
    };
    if end < start && step > 0 {
        return Ok(Value::text(""));
    }
    // The end belongs to the sequence.
    let stop = end.saturating_add(direction(start, end));
    let items = numbers(call, start, stop, step)?;
    let texts: Vec<String> = items.iter().map(i64::to_string).collect();
    Ok(call.text(texts.join(" "))?)
}

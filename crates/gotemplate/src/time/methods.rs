//! The methods of times, durations, months and weekdays that templates can call.

use std::sync::Arc;

use super::civil::{self, Civil};
use super::{Time, duration, layout};
use crate::call::Call;
use crate::error::CallError;
use crate::functions::Type;
use crate::value::{IntType, Value};

/// The parameters of a method of a time.
pub(crate) fn parameters(name: &str) -> Option<&'static [Type]> {
    match name {
        "Year" | "Month" | "Day" | "Weekday" | "YearDay" | "Hour" | "Minute" | "Second"
        | "Nanosecond" | "Unix" | "UnixMilli" | "UnixMicro" | "UnixNano" | "UTC" | "Local"
        | "String" | "IsZero" => Some(&[]),
        "Format" => Some(&[Type::Text]),
        "Add" => Some(&[Type::Duration]),
        "AddDate" => Some(&[Type::Int, Type::Int, Type::Int]),
        "Sub" | "Before" | "After" | "Equal" | "Compare" => Some(&[Type::Time]),
        "Round" | "Truncate" => None,
        _ => None,
    }
}

/// Calls a method of a time; the arguments fit its parameters.
pub(crate) fn call(
    time: &Arc<Time>,
    name: &str,
    args: &[Value],
    call: &mut Call<'_>,
) -> Result<Value, CallError> {
    let civil = time.civil();
    let unix = i128::from(time.seconds()) * 1_000_000_000 + i128::from(time.nanoseconds());
    let scaled = |unit: i128| Value::int64(unix.div_euclid(unit) as i64);
    Ok(match name {
        "Year" => Value::int(civil.year),
        "Month" => Value::Int(civil.month, IntType::Month),
        "Day" => Value::int(civil.day),
        "Weekday" => Value::Int(civil.weekday, IntType::Weekday),
        "YearDay" => Value::int(civil.year_day),
        "Hour" => Value::int(civil.hour),
        "Minute" => Value::int(civil.minute),
        "Second" => Value::int(civil.second),
        "Nanosecond" => Value::int(i64::from(time.nanoseconds())),
        "Unix" => Value::int64(time.seconds()),
        "UnixMilli" => scaled(unix_unit(3)),
        "UnixMicro" => scaled(unix_unit(6)),
        "UnixNano" => scaled(1),
        "UTC" => Value::Time(Arc::new(time.within(jiff::tz::TimeZone::UTC))),
        "Local" => {
            let zone = call.context().local_zone().clone();
            Value::Time(Arc::new(time.within(zone)))
        }
        "String" => call.text(time.to_string())?,
        "IsZero" => Value::Bool(time.seconds() == super::ZERO && time.nanoseconds() == 0),
        _ => return with_arguments(time, &civil, name, args, call),
    })
}

/// How many nanoseconds a unit of `digits` decimal places has.
const fn unix_unit(digits: u32) -> i128 {
    10i128.pow(9 - digits)
}

fn with_arguments(
    time: &Arc<Time>,
    civil: &Civil,
    name: &str,
    args: &[Value],
    call: &mut Call<'_>,
) -> Result<Value, CallError> {
    match (name, args) {
        ("Format", [Value::Text(text)]) => {
            Ok(call.text(layout::format(time, &text.to_str_lossy()))?)
        }
        ("Add", [Value::Int(nanoseconds, _)]) => Ok(Value::Time(Arc::new(time.plus(*nanoseconds)))),
        (
            "AddDate",
            [
                Value::Int(years, _),
                Value::Int(months, _),
                Value::Int(days, _),
            ],
        ) => Ok(Value::Time(Arc::new(add_date(
            time, civil, *years, *months, *days,
        )))),
        ("Sub", [Value::Time(other)]) => Ok(Value::duration(time.since(other))),
        ("Before", [Value::Time(other)]) => Ok(Value::Bool(time.since(other) < 0)),
        ("After", [Value::Time(other)]) => Ok(Value::Bool(time.since(other) > 0)),
        ("Equal", [Value::Time(other)]) => Ok(Value::Bool(time == other)),
        ("Compare", [Value::Time(other)]) => Ok(Value::int(time.since(other).signum())),
        _ => Err("wrong type for value".into()),
    }
}

/// Years and months are added to the date, days beyond the month's end run over.
fn add_date(time: &Time, civil: &Civil, years: i64, months: i64, days: i64) -> Time {
    let month = civil.month.saturating_add(months).saturating_sub(1);
    let year = civil
        .year
        .saturating_add(years)
        .saturating_add(month.div_euclid(12))
        .clamp(-200_000, 200_000);
    let days = days.clamp(-200_000_000, 200_000_000);
    let date = civil::days(year, month.rem_euclid(12) + 1, 1) + civil.day - 1 + days;
    let clock = civil.hour * 3_600 + civil.minute * 60 + civil.second;
    Time::from_local(date * 86_400 + clock, time.nanoseconds(), time.zone.clone())
}

/// The parameters of a method of an integer type.
pub(crate) fn integer_parameters(kind: IntType, name: &str) -> Option<&'static [Type]> {
    match (kind, name) {
        (IntType::Duration | IntType::Month | IntType::Weekday, "String") => Some(&[]),
        (
            IntType::Duration,
            "Hours" | "Minutes" | "Seconds" | "Milliseconds" | "Microseconds" | "Nanoseconds"
            | "Abs",
        ) => Some(&[]),
        (IntType::Duration, "Round" | "Truncate") => Some(&[Type::Duration]),
        _ => None,
    }
}

/// Calls a method of an integer type.
pub(crate) fn call_integer(
    value: i64,
    kind: IntType,
    name: &str,
    args: &[Value],
) -> Result<Value, CallError> {
    // Go splits whole units off before it divides, for precision.
    let in_units = |unit: i64| (value / unit) as f64 + (value % unit) as f64 / unit as f64;
    Ok(match (kind, name, args) {
        (IntType::Month, "String", _) => Value::from(civil::month_name(value)),
        (IntType::Weekday, "String", _) => Value::from(civil::weekday_name(value)),
        (_, "String", _) => Value::from(duration::text(value)),
        (_, "Hours", _) => Value::Float(in_units(3_600_000_000_000)),
        (_, "Minutes", _) => Value::Float(in_units(60_000_000_000)),
        (_, "Seconds", _) => Value::Float(in_units(1_000_000_000)),
        (_, "Milliseconds", _) => Value::int64(value / 1_000_000),
        (_, "Microseconds", _) => Value::int64(value / 1_000),
        (_, "Nanoseconds", _) => Value::int64(value),
        (_, "Abs", _) => Value::duration(value.saturating_abs()),
        (_, "Truncate", [Value::Int(unit, _)]) => Value::duration(if *unit <= 0 {
            value
        } else {
            value - value % unit
        }),
        (_, "Round", [Value::Int(unit, _)]) => Value::duration(round(value, *unit)),
        _ => return Err("wrong type for value".into()),
    })
}

/// Rounds half away from zero.
pub(crate) fn round(value: i64, unit: i64) -> i64 {
    if unit <= 0 {
        return value;
    }
    let rest = value % unit;
    let down = value - rest;
    if rest.unsigned_abs() < unit.unsigned_abs() - rest.unsigned_abs() {
        down
    } else {
        down.saturating_add(unit * value.signum())
    }
}

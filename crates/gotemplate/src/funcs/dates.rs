//! Dates and durations. "Now" is the clock of the caller's context.

use std::sync::Arc;

use super::args::{Answer, any, text, utf8};
use crate::call::Call;
use crate::functions::Type::{Any, Text as Str, Time as Moment};
use crate::functions::{Declared, fixed};
use crate::time::{Time, duration, layout, methods, parse};
use crate::value::{IntType, Value};

pub(crate) static TABLE: &[Declared] = &[
    fixed("now", &[], |call, _| Ok(moment(call.context().now()))),
    fixed("date", &[Str, Any], |call, args| {
        in_zone(call, &utf8(args, 0), any(args, 1), "Local")
    }),
    fixed("dateInZone", &[Str, Any, Str], date_in_zone),
    fixed("date_in_zone", &[Str, Any, Str], date_in_zone),
    fixed("htmlDate", &[Any], |call, args| {
        in_zone(call, HTML, any(args, 0), "Local")
    }),
    fixed("htmlDateInZone", &[Any, Str], |call, args| {
        in_zone(call, HTML, any(args, 0), &utf8(args, 1))
    }),
    fixed("dateModify", &[Str, Moment], modify),
    fixed("date_modify", &[Str, Moment], modify),
    fixed("mustDateModify", &[Str, Moment], must_modify),
    fixed("must_date_modify", &[Str, Moment], must_modify),
    fixed("ago", &[Any], ago),
    fixed("duration", &[Any], duration_text),
    fixed("durationRound", &[Any], duration_round),
    fixed("toDate", &[Str, Str], |call, args| {
        Ok(moment(read(call, args).unwrap_or_else(|_| Time::zero())))
    }),
    fixed("mustToDate", &[Str, Str], |call, args| {
        Ok(moment(read(call, args).map_err(String::from)?))
    }),
    fixed("unixEpoch", &[Moment], |call, args| {
        let seconds = match any(args, 0) {
            Value::Time(time) => time.seconds(),
            _ => 0,
        };
        Ok(call.text(seconds.to_string())?)
    }),
];

const HTML: &str = "2006-01-02";
const SECOND: i64 = 1_000_000_000;

fn moment(time: Time) -> Value {
    Value::Time(Arc::new(time))
}

fn read(call: &mut Call<'_>, args: &[Value]) -> Result<Time, &'static str> {
    let local = call.context().local_zone().clone();
    parse::parse(&utf8(args, 0), text(args, 1), &local)
}

/// The moment that a value stands for: a time, seconds since 1970, or now.
fn moment_of(call: &mut Call<'_>, value: &Value) -> Time {
    match value {
        Value::Time(time) => (**time).clone(),
        Value::Int(seconds, IntType::Int | IntType::Int32 | IntType::Int64) => {
            Time::new(*seconds, 0, call.context().local_zone().clone())
        }
        _ => call.context().now(),
    }
}

/// An unknown zone counts as UTC.
fn in_zone(call: &mut Call<'_>, format: &str, value: &Value, zone: &str) -> Answer {
    let time = moment_of(call, value);
    let zone = call.context().zone(zone).unwrap_or(jiff::tz::TimeZone::UTC);
    Ok(call.text(layout::format(&time.within(zone), format))?)
}

fn date_in_zone(call: &mut Call<'_>, args: &[Value]) -> Answer {
    in_zone(call, &utf8(args, 0), any(args, 1), &utf8(args, 2))
}

fn modified(args: &[Value]) -> Option<Value> {
    let Value::Time(time) = any(args, 1) else {
        return None;
    };
    Some(moment(time.plus(duration::parse(text(args, 0))?)))
}

fn modify(_: &mut Call<'_>, args: &[Value]) -> Answer {
    Ok(modified(args).unwrap_or_else(|| any(args, 1).clone()))
}

fn must_modify(_: &mut Call<'_>, args: &[Value]) -> Answer {
    modified(args).ok_or_else(|| "time: invalid duration".into())
}

fn ago(call: &mut Call<'_>, args: &[Value]) -> Answer {
    let time = match any(args, 0) {
        // Other integers are not taken for seconds here.
        Value::Int(_, IntType::Int32) => call.context().now(),
        value => moment_of(call, value),
    };
    let passed = call.context().now().since(&time);
    Ok(call.text(duration::text(methods::round(passed, SECOND)))?)
}

/// Seconds as a duration; what is neither text nor `int64` is none.
fn duration_text(call: &mut Call<'_>, args: &[Value]) -> Answer {
    let seconds = match any(args, 0) {
        Value::Text(text) => parse_seconds(text),
        Value::Int(seconds, IntType::Int64) => *seconds,
        _ => 0,
    };
    Ok(call.text(duration::text(seconds.wrapping_mul(SECOND)))?)
}

/// `strconv.ParseInt`, whose value out of range is the nearest limit.
fn parse_seconds(bytes: &[u8]) -> i64 {
    let text = String::from_utf8_lossy(bytes);
    let digits = text.strip_prefix(['-', '+']).unwrap_or(&text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return 0;
    }
    let limit = if text.starts_with('-') {
        i64::MIN
    } else {
        i64::MAX
    };
    text.parse().unwrap_or(limit)
}

/// The largest unit of which there is more than one.
fn duration_round(call: &mut Call<'_>, args: &[Value]) -> Answer {
    let nanoseconds = match any(args, 0) {
        Value::Text(text) => duration::parse(text).unwrap_or(0),
        Value::Int(nanoseconds, IntType::Int64) => *nanoseconds,
        Value::Time(time) => call.context().now().since(time),
        _ => 0,
    };
    const HOUR: u64 = 3_600_000_000_000;
    let units = [
        (HOUR * 24 * 365, "y"),
        (HOUR * 24 * 30, "mo"),
        (HOUR * 24, "d"),
        (HOUR, "h"),
        (HOUR / 60, "m"),
        (HOUR / 3_600, "s"),
    ];
    let size = nanoseconds.unsigned_abs();
    let shown = units.iter().find(|(unit, _)| size > *unit);
    let out = match shown {
        Some((unit, name)) => format!("{}{name}", size / unit),
        None => "0s".to_owned(),
    };
    Ok(call.text(out)?)
}

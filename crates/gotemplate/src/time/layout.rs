//! Go's layouts: the reference time `Mon Jan 2 15:04:05 MST 2006` as a format.

use super::Time;
use super::civil::{Civil, MONTHS, WEEKDAYS};

/// An element of a layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part<'a> {
    Literal(&'a str),
    LongMonth,
    Month,
    NumMonth,
    ZeroMonth,
    LongWeekday,
    Weekday,
    Day,
    UnderDay,
    ZeroDay,
    UnderYearDay,
    ZeroYearDay,
    Hour,
    Hour12,
    ZeroHour12,
    Minute,
    ZeroMinute,
    Second,
    ZeroSecond,
    LongYear,
    Year,
    Noon,
    LowerNoon,
    ZoneName,
    /// `Z07`, `-07:00`, …: the letter Z for UTC, colons, how many of hours, minutes, seconds.
    Offset {
        z: bool,
        colon: bool,
        parts: u8,
    },
    /// `.000` or `,999`: whether trailing zeros stay, how many digits, which separator.
    Fraction {
        zeros: bool,
        digits: usize,
        comma: bool,
    },
}

const fn offset(z: bool, colon: bool, parts: u8) -> Part<'static> {
    Part::Offset { z, colon, parts }
}

/// The words of a layout; where one is the prefix of another, the longer comes first.
const WORDS: [(&str, Part<'static>); 33] = [
    ("-07:00:00", offset(false, true, 3)),
    ("-070000", offset(false, false, 3)),
    ("-07:00", offset(false, true, 2)),
    ("-0700", offset(false, false, 2)),
    ("-07", offset(false, false, 1)),
    ("Z07:00:00", offset(true, true, 3)),
    ("Z070000", offset(true, false, 3)),
    ("Z07:00", offset(true, true, 2)),
    ("Z0700", offset(true, false, 2)),
    ("Z07", offset(true, false, 1)),
    ("January", Part::LongMonth),
    ("Jan", Part::Month),
    ("Monday", Part::LongWeekday),
    ("Mon", Part::Weekday),
    ("MST", Part::ZoneName),
    ("002", Part::ZeroYearDay),
    ("01", Part::ZeroMonth),
    ("02", Part::ZeroDay),
    ("03", Part::ZeroHour12),
    ("04", Part::ZeroMinute),
    ("05", Part::ZeroSecond),
    ("06", Part::Year),
    ("15", Part::Hour),
    ("1", Part::NumMonth),
    ("2006", Part::LongYear),
    ("2", Part::Day),
    ("__2", Part::UnderYearDay),
    ("_2", Part::UnderDay),
    ("3", Part::Hour12),
    ("4", Part::Minute),
    ("5", Part::Second),
    ("PM", Part::Noon),
    ("pm", Part::LowerNoon),
];

/// The element at the start of `text` and its length.
fn element(text: &str) -> Option<(Part<'static>, usize)> {
    if text.starts_with("_2006") {
        return None;
    }
    for (word, part) in &WORDS {
        let Some(rest) = text.strip_prefix(word) else {
            continue;
        };
        // "Janet" holds no month, "Monster" no day.
        let lower_follows = rest.starts_with(|c: char| c.is_ascii_lowercase());
        if lower_follows && matches!(part, Part::Month | Part::Weekday) {
            continue;
        }
        return Some((*part, word.len()));
    }
    fraction(text)
}

fn fraction(text: &str) -> Option<(Part<'static>, usize)> {
    let comma = text.starts_with(',');
    if !comma && !text.starts_with('.') {
        return None;
    }
    let bytes = text.as_bytes();
    let digit = bytes.get(1).copied().filter(|b| matches!(b, b'0' | b'9'))?;
    let digits = bytes.iter().skip(1).take_while(|b| **b == digit).count();
    if bytes.get(1 + digits).is_some_and(u8::is_ascii_digit) {
        return None;
    }
    let part = Part::Fraction {
        zeros: digit == b'0',
        digits,
        comma,
    };
    Some((part, 1 + digits))
}

/// Splits a layout into its elements.
pub(crate) fn parts(layout: &str) -> Vec<Part<'_>> {
    let mut out = Vec::new();
    let (mut start, mut at) = (0, 0);
    while at < layout.len() {
        let rest = layout.get(at..).unwrap_or_default();
        if let Some((part, length)) = element(rest) {
            if at > start {
                out.push(Part::Literal(layout.get(start..at).unwrap_or_default()));
            }
            out.push(part);
            at += length;
            start = at;
        } else {
            at += rest.chars().next().map_or(1, char::len_utf8);
        }
    }
    if at > start {
        out.push(Part::Literal(layout.get(start..at).unwrap_or_default()));
    }
    out
}

/// `time.Time.Format`.
pub(crate) fn format(time: &Time, layout: &str) -> String {
    let civil = time.civil();
    let (offset, name) = time.offset();
    let mut out = String::with_capacity(layout.len() + 10);
    for part in parts(layout) {
        match part {
            Part::Literal(text) => out.push_str(text),
            Part::ZoneName => out.push_str(&zone_name(offset, &name)),
            Part::Offset { z, colon, parts } => out.push_str(&offset_text(offset, z, colon, parts)),
            Part::Fraction {
                zeros,
                digits,
                comma,
            } => push_fraction(&mut out, time.nanoseconds(), zeros, digits, comma),
            other => out.push_str(&date_text(&civil, other)),
        }
    }
    out
}

fn date_text(civil: &Civil, part: Part<'_>) -> String {
    let hour12 = match civil.hour % 12 {
        0 => 12,
        hour => hour,
    };
    let month = name(&MONTHS, civil.month - 1);
    let weekday = name(&WEEKDAYS, civil.weekday);
    match part {
        Part::LongMonth => month.to_owned(),
        Part::Month => month.get(..3).unwrap_or_default().to_owned(),
        Part::NumMonth => civil.month.to_string(),
        Part::ZeroMonth => format!("{:02}", civil.month),
        Part::LongWeekday => weekday.to_owned(),
        Part::Weekday => weekday.get(..3).unwrap_or_default().to_owned(),
        Part::Day => civil.day.to_string(),
        Part::UnderDay => format!("{:2}", civil.day),
        Part::ZeroDay => format!("{:02}", civil.day),
        Part::UnderYearDay => format!("{:3}", civil.year_day),
        Part::ZeroYearDay => format!("{:03}", civil.year_day),
        Part::Hour => format!("{:02}", civil.hour),
        Part::Hour12 => hour12.to_string(),
        Part::ZeroHour12 => format!("{hour12:02}"),
        Part::Minute => civil.minute.to_string(),
        Part::ZeroMinute => format!("{:02}", civil.minute),
        Part::Second => civil.second.to_string(),
        Part::ZeroSecond => format!("{:02}", civil.second),
        Part::LongYear if civil.year < 0 => format!("-{:04}", -civil.year),
        Part::LongYear => format!("{:04}", civil.year),
        Part::Year => format!("{:02}", civil.year.rem_euclid(100)),
        Part::Noon => if civil.hour >= 12 { "PM" } else { "AM" }.to_owned(),
        Part::LowerNoon => if civil.hour >= 12 { "pm" } else { "am" }.to_owned(),
        Part::Literal(_) | Part::ZoneName | Part::Offset { .. } | Part::Fraction { .. } => {
            String::new()
        }
    }
}

fn name(names: &'static [&'static str], at: i64) -> &'static str {
    usize::try_from(at)
        .ok()
        .and_then(|at| names.get(at))
        .copied()
        .unwrap_or_default()
}

/// The abbreviation; fixed offsets without one are shown as the offset.
fn zone_name(offset: i32, name: &str) -> String {
    // A zone of which only the offset is known has that for its name.
    if !name.is_empty() && !name.starts_with(['+', '-']) || name.len() == 3 {
        return name.to_owned();
    }
    let text = offset_text(offset, false, false, 2);
    match text.strip_suffix("00") {
        Some(hours) => hours.to_owned(),
        None => text,
    }
}

fn offset_text(offset: i32, z: bool, colon: bool, parts: u8) -> String {
    if z && offset == 0 {
        return "Z".into();
    }
    let sign = if offset < 0 { '-' } else { '+' };
    let seconds = offset.unsigned_abs();
    let colon = if colon { ":" } else { "" };
    let mut out = format!("{sign}{:02}", seconds / 3_600);
    if parts > 1 {
        out.push_str(&format!("{colon}{:02}", seconds / 60 % 60));
    }
    if parts > 2 {
        out.push_str(&format!("{colon}{:02}", seconds % 60));
    }
    out
}

fn push_fraction(out: &mut String, nanoseconds: u32, zeros: bool, digits: usize, comma: bool) {
    let all = format!("{nanoseconds:09}");
    let mut shown = all.get(..digits.min(9)).unwrap_or(&all);
    if !zeros {
        shown = shown.trim_end_matches('0');
        if shown.is_empty() {
            return;
        }
    }
    out.push(if comma { ',' } else { '.' });
    out.push_str(shown);
}

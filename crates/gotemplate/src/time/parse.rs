//! `time.ParseInLocation`: a text read by a layout.

use jiff::tz::{Offset, TimeZone};

use super::Time;
use super::civil::{MONTHS, WEEKDAYS, days, days_in};
use super::layout::{Part, parts};

/// What has been read so far.
#[derive(Default)]
struct Read {
    year: Option<i64>,
    month: Option<i64>,
    day: Option<i64>,
    year_day: Option<i64>,
    hour: i64,
    minute: i64,
    second: i64,
    nanosecond: i64,
    pm: Option<bool>,
    offset: Option<i32>,
    utc: bool,
    abbreviation: Option<String>,
}

type Step<'t> = Result<&'t [u8], &'static str>;

const MISMATCH: &str = "parsing time: the value does not match the layout";
const RANGE: &str = "parsing time: a part of the value is out of range";

/// Reads `text` by `layout`; without an offset in it, the time is in `local`.
pub(crate) fn parse(layout: &str, text: &[u8], local: &TimeZone) -> Result<Time, &'static str> {
    let mut read = Read::default();
    let mut rest = text;
    let parts = parts(layout);
    for (i, part) in parts.iter().enumerate() {
        let fraction_follows = matches!(parts.get(i + 1), Some(Part::Fraction { .. }));
        rest = read.part(*part, rest, fraction_follows)?;
    }
    if !rest.is_empty() {
        return Err("parsing time: extra text");
    }
    read.finish(local)
}

/// Between `least` and `most` digits.
fn number(text: &[u8], least: usize, most: usize) -> Result<(i64, &[u8]), &'static str> {
    let digits = text
        .iter()
        .take(most)
        .take_while(|b| b.is_ascii_digit())
        .count();
    if digits < least {
        return Err(MISMATCH);
    }
    let (head, rest) = text.split_at_checked(digits).ok_or(MISMATCH)?;
    let value = head
        .iter()
        .fold(0i64, |sum, b| sum * 10 + i64::from(b - b'0'));
    Ok((value, rest))
}

/// Leading spaces may stand for the zero of a two-digit number.
fn trim(text: &[u8]) -> &[u8] {
    text.strip_prefix(b" ").unwrap_or(text)
}

fn name<'t>(names: &[&str], short: bool, text: &'t [u8]) -> Result<(i64, &'t [u8]), &'static str> {
    for (i, name) in names.iter().enumerate() {
        let name = if short {
            name.get(..3).unwrap_or(name)
        } else {
            name
        };
        if let Some((head, rest)) = text.split_at_checked(name.len())
            && head.eq_ignore_ascii_case(name.as_bytes())
        {
            return Ok((i64::try_from(i).unwrap_or(0), rest));
        }
    }
    Err(MISMATCH)
}

fn within(value: i64, least: i64, most: i64) -> Result<i64, &'static str> {
    if (least..=most).contains(&value) {
        Ok(value)
    } else {
        Err(RANGE)
    }
}

impl Read {
    fn part<'t>(&mut self, part: Part<'_>, text: &'t [u8], fraction_follows: bool) -> Step<'t> {
        match part {
            Part::Literal(literal) => skip(text, literal.as_bytes()),
            Part::LongYear | Part::Year | Part::ZeroYearDay | Part::UnderYearDay => {
                self.year_part(part, text)
            }
            Part::LongMonth | Part::Month | Part::NumMonth | Part::ZeroMonth => {
                self.month_part(part, text)
            }
            Part::LongWeekday => Ok(name(&WEEKDAYS, false, text)?.1),
            Part::Weekday => Ok(name(&WEEKDAYS, true, text)?.1),
            Part::Day | Part::UnderDay | Part::ZeroDay => {
                let text = if part == Part::UnderDay {
                    trim(text)
                } else {
                    text
                };
                let least = if part == Part::ZeroDay { 2 } else { 1 };
                let (day, rest) = number(text, least, 2)?;
                self.day = Some(day);
                Ok(rest)
            }
            Part::Hour | Part::Hour12 | Part::ZeroHour12 => {
                let least = if part == Part::Hour12 { 1 } else { 2 };
                let (hour, rest) = number(text, least, 2)?;
                self.hour = within(hour, 0, if part == Part::Hour { 23 } else { 12 })?;
                Ok(rest)
            }
            Part::Minute | Part::ZeroMinute => {
                let (minute, rest) = number(text, if part == Part::Minute { 1 } else { 2 }, 2)?;
                self.minute = within(minute, 0, 59)?;
                Ok(rest)
            }
            Part::Second | Part::ZeroSecond => self.second_part(part, text, fraction_follows),
            Part::Noon | Part::LowerNoon => {
                let (head, rest) = text.split_at_checked(2).ok_or(MISMATCH)?;
                self.pm = Some(match (part, head) {
                    (Part::Noon, b"PM") | (Part::LowerNoon, b"pm") => true,
                    (Part::Noon, b"AM") | (Part::LowerNoon, b"am") => false,
                    _ => return Err(MISMATCH),
                });
                Ok(rest)
            }
            Part::ZoneName => self.zone_name(text),
            Part::Offset { z, colon, parts } => self.offset_part(text, z, colon, parts),
            Part::Fraction { zeros, digits, .. } => self.fraction_part(text, zeros, digits),
        }
    }

    fn year_part<'t>(&mut self, part: Part<'_>, text: &'t [u8]) -> Step<'t> {
        match part {
            Part::LongYear => {
                let (year, rest) = number(text, 4, 4)?;
                self.year = Some(year);
                Ok(rest)
            }
            Part::Year => {
                let (year, rest) = number(text, 2, 2)?;
                self.year = Some(if year >= 69 { year + 1900 } else { year + 2000 });
                Ok(rest)
            }
            _ => {
                let text = if part == Part::UnderYearDay {
                    trim(trim(text))
                } else {
                    text
                };
                let least = if part == Part::ZeroYearDay { 3 } else { 1 };
                let (day, rest) = number(text, least, 3)?;
                self.year_day = Some(day);
                Ok(rest)
            }
        }
    }

    fn month_part<'t>(&mut self, part: Part<'_>, text: &'t [u8]) -> Step<'t> {
        let (month, rest) = match part {
            Part::LongMonth | Part::Month => {
                let (month, rest) = name(&MONTHS, part == Part::Month, text)?;
                (month + 1, rest)
            }
            _ => number(text, if part == Part::ZeroMonth { 2 } else { 1 }, 2)?,
        };
        self.month = Some(within(month, 1, 12)?);
        Ok(rest)
    }

    /// Seconds may have a fraction that the layout does not mention.
    fn second_part<'t>(
        &mut self,
        part: Part<'_>,
        text: &'t [u8],
        fraction_follows: bool,
    ) -> Step<'t> {
        let (second, rest) = number(text, if part == Part::Second { 1 } else { 2 }, 2)?;
        self.second = within(second, 0, 59)?;
        let digit_after = rest.get(1).is_some_and(u8::is_ascii_digit);
        if fraction_follows || !matches!(rest.first(), Some(b'.' | b',')) || !digit_after {
            return Ok(rest);
        }
        let digits = rest
            .iter()
            .skip(1)
            .take_while(|b| b.is_ascii_digit())
            .count();
        self.nanoseconds(rest.get(1..=digits).unwrap_or_default());
        Ok(rest.get(digits + 1..).unwrap_or_default())
    }

    fn nanoseconds(&mut self, digits: &[u8]) {
        self.nanosecond = (0..9).fold(0, |sum, i| {
            sum * 10 + digits.get(i).map_or(0, |b| i64::from(b - b'0'))
        });
    }

    fn fraction_part<'t>(&mut self, text: &'t [u8], zeros: bool, digits: usize) -> Step<'t> {
        let starts = matches!(text.first(), Some(b'.' | b','));
        let found = text
            .iter()
            .skip(1)
            .take_while(|b| b.is_ascii_digit())
            .count();
        if !zeros {
            // An absent fraction is no fraction.
            if !starts || found == 0 {
                return Ok(text);
            }
            let shown = found.min(9);
            self.nanoseconds(text.get(1..=shown).unwrap_or_default());
            return text.get(shown + 1..).ok_or(MISMATCH);
        }
        if !starts || found < digits {
            return Err(MISMATCH);
        }
        self.nanoseconds(text.get(1..=digits).unwrap_or_default());
        text.get(digits + 1..).ok_or(MISMATCH)
    }

    fn offset_part<'t>(&mut self, text: &'t [u8], z: bool, colon: bool, parts: u8) -> Step<'t> {
        if z && let Some(rest) = text.strip_prefix(b"Z") {
            self.utc = true;
            return Ok(rest);
        }
        let (sign, mut rest) = match text.split_first() {
            Some((b'+', rest)) => (1, rest),
            Some((b'-', rest)) => (-1, rest),
            _ => return Err(MISMATCH),
        };
        let mut seconds = 0;
        for (i, (unit, most)) in [(3_600, 24), (60, 60), (1, 60)].iter().enumerate() {
            if i >= usize::from(parts) {
                break;
            }
            if colon && i > 0 {
                rest = rest.strip_prefix(b":").ok_or(MISMATCH)?;
            }
            let (value, after) = number(rest, 2, 2)?;
            seconds += within(value, 0, *most)? as i32 * unit;
            rest = after;
        }
        self.offset = Some(sign * seconds);
        Ok(rest)
    }

    /// Three or four capitals, `UTC`, `GMT+3`, or an offset of hours.
    fn zone_name<'t>(&mut self, text: &'t [u8]) -> Step<'t> {
        if let Some(rest) = text.strip_prefix(b"UTC") {
            self.utc = true;
            return Ok(rest);
        }
        let capitals = text
            .iter()
            .take(6)
            .take_while(|b| b.is_ascii_uppercase())
            .count();
        let length = match capitals {
            _ if text.starts_with(b"ChST") || text.starts_with(b"MeST") => 4,
            3 if text.starts_with(b"GMT") => 3 + signed_hours(text.get(3..).unwrap_or_default()),
            3 => 3,
            4 if text.get(3) == Some(&b'T') || text.starts_with(b"WITA") => 4,
            5 if text.get(4) == Some(&b'T') => 5,
            0 if matches!(text.first(), Some(b'+' | b'-')) => match signed_hours(text) {
                0 => return Err(MISMATCH),
                length => length,
            },
            _ => return Err(MISMATCH),
        };
        let (head, rest) = text.split_at_checked(length).ok_or(MISMATCH)?;
        self.abbreviation = Some(String::from_utf8_lossy(head).into_owned());
        Ok(rest)
    }

    fn finish(self, local: &TimeZone) -> Result<Time, &'static str> {
        let year = self.year.unwrap_or(0);
        let (month, day) = self.month_and_day(year)?;
        let hour = match self.pm {
            Some(true) if self.hour < 12 => self.hour + 12,
            Some(false) if self.hour == 12 => 0,
            _ => self.hour,
        };
        let clock = hour * 3_600 + self.minute * 60 + self.second;
        let seconds = days(year, month, day) * 86_400 + clock;
        let nanoseconds = u32::try_from(self.nanosecond).unwrap_or(0);
        if self.utc {
            return Ok(Time::new(seconds, nanoseconds, TimeZone::UTC));
        }
        if let Some(offset) = self.offset {
            let moment = seconds - i64::from(offset);
            let seen = Time::new(moment, nanoseconds, local.clone());
            // The local zone is kept where its offset is the same.
            if seen.offset().0 == offset {
                return Ok(seen);
            }
            let zone = Offset::from_seconds(offset).map_err(|_| RANGE)?;
            return Ok(Time::new(moment, nanoseconds, TimeZone::fixed(zone)));
        }
        if let Some(abbreviation) = self.abbreviation {
            return abbreviated(&abbreviation, seconds, nanoseconds, local);
        }
        Ok(Time::from_local(seconds, nanoseconds, local.clone()))
    }

    fn month_and_day(&self, year: i64) -> Result<(i64, i64), &'static str> {
        let leap = days_in(year, 2) == 29;
        let Some(year_day) = self.year_day else {
            let month = self.month.unwrap_or(1);
            let day = within(self.day.unwrap_or(1), 1, days_in(year, month))?;
            return Ok((month, day));
        };
        let mut day = within(year_day, 1, if leap { 366 } else { 365 })?;
        let mut month = 1;
        while day > days_in(year, month) {
            day -= days_in(year, month);
            month += 1;
        }
        let contradicts =
            |given: Option<i64>, found: i64| given.is_some_and(|given| given != found);
        if contradicts(self.month, month) || contradicts(self.day, day) {
            return Err(RANGE);
        }
        Ok((month, day))
    }
}

/// An abbreviation that the local zone does not know keeps its name at offset 0.
fn abbreviated(
    name: &str,
    seconds: i64,
    nanoseconds: u32,
    local: &TimeZone,
) -> Result<Time, &'static str> {
    let seen = Time::from_local(seconds, nanoseconds, local.clone());
    if seen.offset().1 == name {
        return Ok(seen);
    }
    let hours = name
        .strip_prefix("GMT")
        .and_then(|hours| hours.parse::<i32>().ok());
    let offset = hours.unwrap_or(0) * 3_600;
    let moment = seconds - i64::from(offset);
    Ok(Time::named(moment, nanoseconds, name, offset))
}

/// The length of a sign and one or two digits of at most 23 hours.
fn signed_hours(text: &[u8]) -> usize {
    if !matches!(text.first(), Some(b'+' | b'-')) {
        return 0;
    }
    let digits = text
        .iter()
        .skip(1)
        .take_while(|b| b.is_ascii_digit())
        .count();
    let value = number(text.get(1..).unwrap_or_default(), 1, 4).map_or(99, |(value, _)| value);
    if value <= 23 { digits + 1 } else { 0 }
}

/// The literal text of a layout; runs of spaces match any number of them.
fn skip<'t>(mut text: &'t [u8], mut literal: &[u8]) -> Step<'t> {
    while let Some((&wanted, tail)) = literal.split_first() {
        if wanted == b' ' {
            if !text.is_empty() && text.first() != Some(&b' ') {
                return Err(MISMATCH);
            }
            literal = trim_spaces(literal);
            text = trim_spaces(text);
            continue;
        }
        if text.first() != Some(&wanted) {
            return Err(MISMATCH);
        }
        literal = tail;
        text = text.get(1..).unwrap_or_default();
    }
    Ok(text)
}

fn trim_spaces(text: &[u8]) -> &[u8] {
    let spaces = text.iter().take_while(|b| **b == b' ').count();
    text.get(spaces..).unwrap_or_default()
}

//! Cron schedules in UTC, in the dialect of the Go library that the API's users write for.
//!
//! Owns: reading five fields, `@daily` and its siblings and `@every`, and the firing before and
//! after a moment. Refuses: time zones, and a clock; moments are milliseconds since the Unix
//! epoch. A search takes a bounded number of steps, also for a schedule that never fires.

mod calendar;
mod field;

use crate::duration::{self, GoDuration};
use calendar::Calendar;

const MINUTE: i64 = 60_000;
const SECOND: i64 = 1_000;

/// When something happens again and again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule(Kind);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Calendar(Calendar),
    /// Milliseconds between two firings, a whole number of seconds.
    Every(i64),
}

/// A text that is no schedule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    /// Another number of fields than five.
    #[error("expected 5 fields (minute, hour, day of month, month, day of week), found {0}")]
    Fields(usize),
    /// A name behind `@` that means nothing.
    #[error("unknown descriptor {0:?}")]
    Descriptor(String),
    /// What stands behind `@every` is no duration.
    #[error("{0}")]
    Every(#[from] duration::Error),
    /// A time zone in front. Windows are in UTC.
    #[error("time zones are not supported, the schedule is in UTC")]
    Zone,
    /// Something in a field that is neither a number nor one of its names.
    #[error("{text:?} is no {field}")]
    Value {
        /// The field's name.
        field: &'static str,
        /// What stands there.
        text: String,
    },
    /// A number outside of its field.
    #[error("{field} {value} is not in {least}-{most}")]
    Range {
        /// The field's name.
        field: &'static str,
        /// The number.
        value: u32,
        /// The least allowed.
        least: u32,
        /// The greatest allowed.
        most: u32,
    },
    /// A range whose end lies before its start.
    #[error("the {field} range {start}-{end} ends before it starts")]
    Backwards {
        /// The field's name.
        field: &'static str,
        /// Its start.
        start: u32,
        /// Its end.
        end: u32,
    },
    /// A range with two hyphens, a step with two slashes, or a step of nothing.
    #[error("{text:?} is no {field} range")]
    Shape {
        /// The field's name.
        field: &'static str,
        /// What stands there.
        text: String,
    },
}

impl Schedule {
    /// Reads a schedule.
    ///
    /// Fields are lists of `*`, `?`, `n`, `n-m`, each with an optional `/step`; `n/step` runs to
    /// the field's end. Months and days of the week have English names of three letters; Sunday
    /// is 0, and 7 is refused. If both days are restricted, one of the two is enough; a step
    /// such as `*/2` restricts. `@every` takes a Go duration, cut to whole seconds and at least
    /// one.
    ///
    /// # Errors
    /// Names what is wrong.
    pub fn parse(text: &str) -> Result<Self, ScheduleError> {
        if text.starts_with("TZ=") || text.starts_with("CRON_TZ=") {
            return Err(ScheduleError::Zone);
        }
        if let Some(length) = text.strip_prefix("@every ") {
            let seconds = GoDuration::parse(length)?.nanos() / 1_000_000_000;
            return Ok(Self(Kind::Every(seconds.max(1).saturating_mul(SECOND))));
        }
        let fields = match text {
            "@yearly" | "@annually" => "0 0 1 1 *",
            "@monthly" => "0 0 1 * *",
            "@weekly" => "0 0 * * 0",
            "@daily" | "@midnight" => "0 0 * * *",
            "@hourly" => "0 * * * *",
            _ if text.starts_with('@') => {
                return Err(ScheduleError::Descriptor(text.to_owned()));
            }
            _ => text,
        };
        Calendar::parse(fields).map(|calendar| Self(Kind::Calendar(calendar)))
    }

    /// Whether it fires at all: `0 0 30 2 *` does not.
    #[must_use]
    pub fn ever_fires(&self) -> bool {
        match &self.0 {
            Kind::Calendar(calendar) => calendar.ever_fires(),
            Kind::Every(_) => true,
        }
    }

    /// The last firing at or before `at`.
    #[must_use]
    pub fn last(&self, at: i64) -> Option<i64> {
        match &self.0 {
            Kind::Calendar(calendar) => {
                let minute = calendar.last(at.div_euclid(MINUTE))?;
                minute.checked_mul(MINUTE)
            }
            // The multiples of the length, counted from the Unix epoch.
            Kind::Every(length) => at.checked_sub(at.rem_euclid(*length)),
        }
    }

    /// The first firing after `at`.
    #[must_use]
    pub fn next(&self, at: i64) -> Option<i64> {
        match &self.0 {
            Kind::Calendar(calendar) => {
                let minute = at.div_euclid(MINUTE).checked_add(1)?;
                calendar.first(minute)?.checked_mul(MINUTE)
            }
            Kind::Every(length) => at.checked_sub(at.rem_euclid(*length))?.checked_add(*length),
        }
    }
}

#[cfg(test)]
mod tests;

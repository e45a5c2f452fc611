//! The proleptic Gregorian calendar: seconds to dates and back.

use super::Time;

pub(crate) const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

pub(crate) const WEEKDAYS: [&str; 7] = [
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
];

/// `time.Month.String`.
pub(crate) fn month_name(month: i64) -> String {
    named(&MONTHS, month.wrapping_sub(1)).unwrap_or_else(|| format!("%!Month({month})"))
}

/// `time.Weekday.String`.
pub(crate) fn weekday_name(day: i64) -> String {
    named(&WEEKDAYS, day).unwrap_or_else(|| format!("%!Weekday({day})"))
}

fn named(names: &[&str], at: i64) -> Option<String> {
    let name = names.get(usize::try_from(at).ok()?)?;
    Some((*name).to_owned())
}

/// A date and time of day on the clock of some zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Civil {
    pub(crate) year: i64,
    pub(crate) month: i64,
    pub(crate) day: i64,
    pub(crate) hour: i64,
    pub(crate) minute: i64,
    pub(crate) second: i64,
    /// 0 is Sunday.
    pub(crate) weekday: i64,
    /// 1 is January 1.
    pub(crate) year_day: i64,
}

const DAY: i64 = 86_400;

/// Days from 1970-01-01 to the date.
pub(crate) fn days(year: i64, month: i64, day: i64) -> i64 {
    // Count years from March, so that the leap day comes last.
    let (year, month) = if month <= 2 {
        (year - 1, month + 9)
    } else {
        (year, month - 3)
    };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * month + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

impl Civil {
    /// The date of `seconds` since 1970 on the zone's own clock.
    pub(crate) fn of(seconds: i64) -> Self {
        let day_number = seconds.div_euclid(DAY);
        let of_day = seconds.rem_euclid(DAY);
        let shifted = day_number + 719_468;
        let era = shifted.div_euclid(146_097);
        let of_era = shifted.rem_euclid(146_097);
        let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let from_march = (5 * of_year + 2) / 153;
        let day = of_year - (153 * from_march + 2) / 5 + 1;
        let month = if from_march < 10 {
            from_march + 3
        } else {
            from_march - 9
        };
        let year = era * 400 + year_of_era + i64::from(month <= 2);
        Self {
            year,
            month,
            day,
            hour: of_day / 3_600,
            minute: of_day / 60 % 60,
            second: of_day % 60,
            weekday: (day_number + 4).rem_euclid(7),
            year_day: day_number - days(year, 1, 1) + 1,
        }
    }
}

impl Time {
    /// The date and time of day in its zone.
    pub(crate) fn civil(&self) -> Civil {
        Civil::of(self.seconds().saturating_add(i64::from(self.offset().0)))
    }
}

/// How many days a month has.
pub(crate) fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

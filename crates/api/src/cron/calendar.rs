//! Five fields against the Gregorian calendar in UTC.

use super::ScheduleError;
use super::field::{self, Set};

const DAY: i64 = 24 * 60;
/// Every date comes back within eight years: 29 February skips 1900 and its like.
const MONTHS: u32 = 12 * 9;
/// Days that each month can have.
const LONGEST: [u32; 12] = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/// The minutes that five fields select.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Calendar {
    minutes: u64,
    hours: u64,
    days: Set,
    months: u64,
    weekdays: Set,
}

/// A month of a year, from which one can go back and forth.
#[derive(Clone, Copy)]
struct Month {
    year: i64,
    /// 1 to 12.
    month: u32,
}

impl Calendar {
    pub(super) fn parse(text: &str) -> Result<Self, ScheduleError> {
        let fields: Vec<&str> = text.split_whitespace().collect();
        let [minute, hour, day, month, weekday] = fields.as_slice() else {
            return Err(ScheduleError::Fields(fields.len()));
        };
        Ok(Self {
            minutes: field::parse(minute, &field::MINUTE)?.bits,
            hours: field::parse(hour, &field::HOUR)?.bits,
            days: field::parse(day, &field::DAY)?,
            months: field::parse(month, &field::MONTH)?.bits,
            weekdays: field::parse(weekday, &field::WEEKDAY)?,
        })
    }

    pub(super) fn ever_fires(&self) -> bool {
        let time = self.minutes != 0 && self.hours != 0;
        let by_date = || {
            let months = LONGEST.iter().zip(1..);
            let mut chosen = months.filter(|(_, month)| self.months >> month & 1 == 1);
            chosen.any(|(longest, _)| self.days.bits & up_to(*longest) != 0)
        };
        let by_weekday = self.months != 0 && self.weekdays.bits != 0;
        time && match (self.days.any, self.weekdays.any) {
            (true, _) => by_weekday,
            (_, true) => by_date(),
            _ => by_date() || by_weekday,
        }
    }

    /// The last selected minute at or before `at`, counted from the Unix epoch.
    pub(super) fn last(&self, at: i64) -> Option<i64> {
        if !self.ever_fires() {
            return None;
        }
        let (mut month, day) = Month::of(at.div_euclid(DAY));
        let mut days = self.days_in(month) & up_to(day);
        let today = 1 << day;
        if days & today != 0 {
            if let Some(time) = self.time_until(at.rem_euclid(DAY)) {
                return Some(at.div_euclid(DAY) * DAY + time);
            }
            days &= !today;
        }
        for _ in 0..MONTHS {
            if let Some(day) = highest(days) {
                return month.minute(day, self.time_until(DAY - 1)?);
            }
            month = month.before()?;
            days = self.days_in(month);
        }
        None
    }

    /// The first selected minute at or after `at`, counted from the Unix epoch.
    pub(super) fn first(&self, at: i64) -> Option<i64> {
        if !self.ever_fires() {
            return None;
        }
        let (mut month, day) = Month::of(at.div_euclid(DAY));
        let today = 1 << day;
        let mut days = self.days_in(month) & !up_to(day - 1);
        if days & today != 0 {
            if let Some(time) = self.time_from(at.rem_euclid(DAY)) {
                return Some(at.div_euclid(DAY) * DAY + time);
            }
            days &= !today;
        }
        for _ in 0..MONTHS {
            if days != 0 {
                return month.minute(days.trailing_zeros(), self.time_from(0)?);
            }
            month = month.after()?;
            days = self.days_in(month);
        }
        None
    }

    /// The selected days of a month; bit n is day n.
    fn days_in(&self, month: Month) -> u64 {
        if self.months >> month.month & 1 == 0 {
            return 0;
        }
        let length = month.length();
        let first = (month.first_day() + 4).rem_euclid(7);
        let by_weekday = (1..=length)
            .zip((0..7).cycle().skip(usize::try_from(first).unwrap_or(0)))
            .filter(|(_, weekday)| self.weekdays.bits >> weekday & 1 == 1)
            .fold(0, |days, (day, _)| days | 1 << day);
        let by_date = self.days.bits & up_to(length);
        if self.days.any || self.weekdays.any {
            by_date & by_weekday
        } else {
            by_date | by_weekday
        }
    }

    /// The last selected minute of a day at or before its minute `limit`.
    fn time_until(&self, limit: i64) -> Option<i64> {
        let (hour, minute) = hour_and_minute(limit);
        let in_hour = highest(self.minutes & up_to(minute));
        if self.hours >> hour & 1 == 1
            && let Some(minute) = in_hour
        {
            return Some(i64::from(hour) * 60 + i64::from(minute));
        }
        let earlier = highest(self.hours & up_to(hour) & !(1 << hour))?;
        Some(i64::from(earlier) * 60 + i64::from(highest(self.minutes)?))
    }

    /// The first selected minute of a day at or after its minute `limit`.
    fn time_from(&self, limit: i64) -> Option<i64> {
        let (hour, minute) = hour_and_minute(limit);
        let in_hour = lowest(self.minutes >> minute << minute);
        if self.hours >> hour & 1 == 1
            && let Some(minute) = in_hour
        {
            return Some(i64::from(hour) * 60 + i64::from(minute));
        }
        let later = lowest(self.hours & !up_to(hour))?;
        Some(i64::from(later) * 60 + i64::from(lowest(self.minutes)?))
    }
}

impl Month {
    /// The month of a day counted from the Unix epoch, and the day within it.
    fn of(days: i64) -> (Self, u32) {
        // Years of 365.2425 days that begin in March, so that leap days come last.
        let shifted = days.saturating_add(719_468);
        let era = shifted.div_euclid(146_097);
        let day_of_era = shifted.rem_euclid(146_097);
        let year_of_era =
            (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let from_march = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * from_march + 2) / 5 + 1;
        let month = if from_march < 10 {
            from_march + 3
        } else {
            from_march - 9
        };
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        let month = Self {
            year,
            month: u32::try_from(month).unwrap_or(1),
        };
        (month, u32::try_from(day).unwrap_or(1))
    }

    /// Its first day, counted from the Unix epoch.
    fn first_day(self) -> i64 {
        let year = self.year - i64::from(self.month <= 2);
        let era = year.div_euclid(400);
        let year_of_era = year.rem_euclid(400);
        let from_march = (i64::from(self.month) + 9) % 12;
        let day_of_year = (153 * from_march + 2) / 5;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        era * 146_097 + day_of_era - 719_468
    }

    fn length(self) -> u32 {
        let leap = self.year.rem_euclid(4) == 0
            && (self.year.rem_euclid(100) != 0 || self.year.rem_euclid(400) == 0);
        match self.month {
            2 if !leap => 28,
            month => usize::try_from(month)
                .ok()
                .and_then(|month| LONGEST.get(month.checked_sub(1)?))
                .copied()
                .unwrap_or(31),
        }
    }

    fn before(self) -> Option<Self> {
        Some(match self.month {
            1 => Self {
                year: self.year.checked_sub(1)?,
                month: 12,
            },
            month => Self {
                month: month - 1,
                ..self
            },
        })
    }

    fn after(self) -> Option<Self> {
        Some(match self.month {
            12 => Self {
                year: self.year.checked_add(1)?,
                month: 1,
            },
            month => Self {
                month: month + 1,
                ..self
            },
        })
    }

    /// A minute of a day of it, counted from the Unix epoch.
    fn minute(self, day: u32, time: i64) -> Option<i64> {
        let day = self.first_day().checked_add(i64::from(day) - 1)?;
        day.checked_mul(DAY)?.checked_add(time)
    }
}

/// The bits 0 to `bit`.
fn up_to(bit: u32) -> u64 {
    u64::MAX >> (63 - bit.min(63))
}

fn hour_and_minute(of_day: i64) -> (u32, u32) {
    let of_day = u32::try_from(of_day).unwrap_or(0);
    (of_day / 60, of_day % 60)
}

fn highest(bits: u64) -> Option<u32> {
    bits.checked_ilog2()
}

fn lowest(bits: u64) -> Option<u32> {
    (bits != 0).then(|| bits.trailing_zeros())
}

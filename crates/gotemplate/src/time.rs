//! Moments as Go's `time.Time`: arithmetic, layouts, methods.

use std::fmt;

use jiff::Timestamp;
use jiff::tz::TimeZone;

pub(crate) mod civil;
pub(crate) mod duration;
pub(crate) mod layout;
pub(crate) mod methods;
pub(crate) mod parse;

pub(crate) use civil::{month_name, weekday_name};

/// A moment seen from a zone.
#[derive(Clone, Debug)]
pub struct Time {
    /// Seconds since 1970 (UTC).
    seconds: i64,
    nanoseconds: u32,
    zone: TimeZone,
    /// A name read from a text whose offset no zone gives.
    name: Option<std::sync::Arc<str>>,
}

impl PartialEq for Time {
    fn eq(&self, other: &Self) -> bool {
        (self.seconds, self.nanoseconds) == (other.seconds, other.nanoseconds)
    }
}

/// The seconds from year 1 to 1970; Go's zero time is the former.
pub(crate) const ZERO: i64 = -62_135_596_800;

impl Time {
    /// The moment `seconds` and `nanoseconds` after 1970 (UTC), seen from `zone`.
    #[must_use]
    pub fn new(seconds: i64, nanoseconds: u32, zone: TimeZone) -> Self {
        Self {
            seconds,
            nanoseconds: nanoseconds.min(999_999_999),
            zone,
            name: None,
        }
    }

    /// A moment in a made-up zone of that name, `offset` seconds east of UTC.
    pub(crate) fn named(seconds: i64, nanoseconds: u32, name: &str, offset: i32) -> Self {
        let offset = jiff::tz::Offset::from_seconds(offset).unwrap_or(jiff::tz::Offset::UTC);
        Self {
            name: Some(name.into()),
            ..Self::new(seconds, nanoseconds, TimeZone::fixed(offset))
        }
    }

    /// Go's zero time.
    pub(crate) fn zero() -> Self {
        Self::new(ZERO, 0, TimeZone::UTC)
    }

    pub(crate) fn seconds(&self) -> i64 {
        self.seconds
    }

    pub(crate) fn nanoseconds(&self) -> u32 {
        self.nanoseconds
    }

    /// The same moment seen from another zone.
    pub(crate) fn within(&self, zone: TimeZone) -> Self {
        Self::new(self.seconds, self.nanoseconds, zone)
    }

    /// The moment `nanoseconds` later.
    pub(crate) fn plus(&self, nanoseconds: i64) -> Self {
        let total = i128::from(self.seconds) * 1_000_000_000
            + i128::from(self.nanoseconds)
            + i128::from(nanoseconds);
        let seconds = total.div_euclid(1_000_000_000);
        let rest = total.rem_euclid(1_000_000_000);
        Self {
            seconds: i64::try_from(seconds).unwrap_or(i64::MAX),
            nanoseconds: u32::try_from(rest).unwrap_or(0),
            ..self.clone()
        }
    }

    /// The nanoseconds from `other` to here, at most what a duration holds.
    pub(crate) fn since(&self, other: &Self) -> i64 {
        let total = (i128::from(self.seconds) - i128::from(other.seconds)) * 1_000_000_000
            + i128::from(self.nanoseconds)
            - i128::from(other.nanoseconds);
        i64::try_from(total).unwrap_or(if total < 0 { i64::MIN } else { i64::MAX })
    }

    /// The seconds east of UTC and the zone's abbreviation at this moment.
    pub(crate) fn offset(&self) -> (i32, String) {
        let timestamp = Timestamp::from_second(self.seconds).unwrap_or(Timestamp::UNIX_EPOCH);
        let info = self.zone.to_offset_info(timestamp);
        let name = self.name.as_deref().unwrap_or(info.abbreviation());
        (info.offset().seconds(), name.to_owned())
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&layout::format(
            self,
            "2006-01-02 15:04:05.999999999 -0700 MST",
        ))
    }
}

impl Time {
    /// The moment at which the clock of `zone` shows `local` seconds since 1970.
    pub(crate) fn from_local(local: i64, nanoseconds: u32, zone: TimeZone) -> Self {
        // As Go does: the offset at the guess, corrected once at a change of offset.
        let offset_at = |seconds: i64| i64::from(Self::new(seconds, 0, zone.clone()).offset().0);
        let mut seconds = local - offset_at(local);
        let offset = offset_at(seconds);
        if local - offset != seconds && offset_at(local - offset) == offset {
            seconds = local - offset;
        }
        Self::new(seconds, nanoseconds, zone)
    }
}

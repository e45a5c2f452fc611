//! What a template can learn about the world: the time, randomness and time zones that its
//! caller hands it. Without a context a template is a pure function.

use jiff::tz::{TimeZone, TimeZoneDatabase};

use crate::time::Time;

/// A source of random bytes; for secrets it must be a cryptographic one.
pub trait Random: Send {
    /// Fills `bytes`.
    fn fill(&mut self, bytes: &mut [u8]);
}

impl<F: FnMut(&mut [u8]) + Send> Random for F {
    fn fill(&mut self, bytes: &mut [u8]) {
        self(bytes);
    }
}

/// The clock, the randomness and the zones of an execution.
pub struct Context {
    seconds: i64,
    nanoseconds: u32,
    random: Box<dyn Random>,
    zones: TimeZoneDatabase,
    local: TimeZone,
}

impl Context {
    /// A context whose clock stands at `seconds` and `nanoseconds` since 1970 (UTC), with
    /// bundled zones and UTC as the local one.
    pub fn new(seconds: i64, nanoseconds: u32, random: impl Random + 'static) -> Self {
        Self {
            seconds,
            nanoseconds: nanoseconds.min(999_999_999),
            random: Box::new(random),
            zones: TimeZoneDatabase::bundled(),
            local: TimeZone::UTC,
        }
    }

    /// Replaces the database of zones.
    #[must_use]
    pub fn zones(mut self, zones: TimeZoneDatabase) -> Self {
        self.zones = zones;
        self
    }

    /// Replaces the local zone.
    #[must_use]
    pub fn local(mut self, local: TimeZone) -> Self {
        self.local = local;
        self
    }

    pub(crate) fn random(&mut self, bytes: &mut [u8]) {
        self.random.fill(bytes);
    }

    pub(crate) fn now(&self) -> Time {
        Time::new(self.seconds, self.nanoseconds, self.local.clone())
    }

    pub(crate) fn local_zone(&self) -> &TimeZone {
        &self.local
    }

    pub(crate) fn zone(&self, name: &str) -> Option<TimeZone> {
        match name {
            "" | "UTC" => Some(TimeZone::UTC),
            "Local" => Some(self.local.clone()),
            _ => self.zones.get(name).ok(),
        }
    }
}

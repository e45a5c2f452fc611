//! Times in which periodic reads may or may not happen.

mod gate;

use crate::duration::{self, GoDuration};
use crate::rules;
use crate::schema::{object, string_enum};

pub use gate::RefreshGate;

string_enum! {
    /// What the listed windows mean.
    pub enum SyncWindowKind = Allow {
        /// Reads happen only inside a window.
        Allow = "allow",
        /// Reads happen only outside every window.
        Deny = "deny",
    }
}

object! {
    /// Windows of time, and whether reads happen inside or outside of them.
    pub struct SyncWindows {
        /// With allow, periodic reads happen only while a window is open; with deny, only while
        /// none is.
        kind req "kind": SyncWindowKind,
        /// The windows; they may overlap.
        windows req "windows": Vec<SyncWindow> { .min_items(1).max_items(rules::MANY) },
    }

    /// One window that opens again and again.
    pub struct SyncWindow {
        /// When the window opens, in the operator's clock (UTC in its container): five cron
        /// fields (minute, hour, day of month, month, day of week), a name such as @daily, or
        /// @every with a duration.
        schedule req "schedule": String {
            .pattern(r"^(@(annually|yearly|monthly|weekly|daily|midnight|hourly)|@every [^\s]+.*|[^\s]+( [^\s]+){4})$")
        },
        /// How long the window stays open, as a Go duration such as 2h.
        duration req "duration": String { .duration() },
    }
}

impl SyncWindows {
    /// The windows, read.
    #[must_use]
    pub fn gate(&self) -> RefreshGate {
        RefreshGate::new(self)
    }
}

impl SyncWindow {
    /// How long the window stays open.
    ///
    /// # Errors
    /// In Go's words when the text is no Go duration.
    pub fn duration(&self) -> Result<GoDuration, duration::Error> {
        GoDuration::parse(&self.duration)
    }
}

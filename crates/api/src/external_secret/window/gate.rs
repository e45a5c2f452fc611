//! Whether a moment lies in the windows, and when the next one does that may be used.

use super::{SyncWindowKind, SyncWindows};
use crate::cron::Schedule;

/// How many windows are looked at to find one moment. Only windows that follow each other without
/// a pause come near it.
const BUDGET: usize = 20_000;
const NANOS: i64 = 1_000_000;

/// Windows, read: when a periodic refresh may happen.
///
/// A window is open from the moment of its schedule on, for its duration, that end excluded.
/// Windows that overlap make one long one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefreshGate {
    allow: bool,
    windows: Vec<Window>,
    remarks: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Window {
    schedule: Schedule,
    /// Milliseconds.
    length: i64,
}

impl Window {
    /// When the window that is open at `at` closes.
    fn closes(&self, at: i64) -> Option<i64> {
        // The last opening stays open longest.
        let end = self.schedule.last(at)?.saturating_add(self.length);
        (at < end).then_some(end)
    }
}

impl RefreshGate {
    /// Reads `windows`. One that cannot be read is left out, which is remarked on: if no window
    /// of kind allow can be read, no refresh may ever happen.
    #[must_use]
    pub fn new(windows: &SyncWindows) -> Self {
        let allow = windows.kind != SyncWindowKind::Deny;
        let mut gate = Self {
            allow,
            windows: Vec::new(),
            remarks: Vec::new(),
        };
        if let SyncWindowKind::Other(kind) = &windows.kind {
            gate.remark(format!("spec.syncWindows.kind {kind:?} is read as allow"));
        }
        for (position, window) in windows.windows.iter().enumerate() {
            let field = format!("spec.syncWindows.windows[{position}]");
            let length = match window.duration() {
                // What is shorter than a millisecond still opens.
                Ok(length) => {
                    length.nanos().div_euclid(NANOS)
                        + i64::from(length.nanos().rem_euclid(NANOS) > 0)
                }
                Err(error) => {
                    gate.remark(format!("{field}.duration is ignored: {error}"));
                    continue;
                }
            };
            match Schedule::parse(&window.schedule) {
                Ok(schedule) if length > 0 && schedule.ever_fires() => {
                    gate.windows.push(Window { schedule, length });
                }
                Ok(_) => gate.remark(format!("{field} never opens")),
                Err(error) => gate.remark(format!(
                    "{field}.schedule {:?} is ignored: {error}",
                    window.schedule
                )),
            }
        }
        if allow && gate.windows.is_empty() {
            let verdict = "no window ever opens, so no periodic refresh happens";
            gate.remarks.push(verdict.to_owned());
        }
        gate
    }

    /// What is wrong with the windows, for their author.
    #[must_use]
    pub fn remarks(&self) -> &[String] {
        &self.remarks
    }

    /// Notes a remark. Thousands would fit in no condition, and the first ones show the mistake.
    fn remark(&mut self, text: String) {
        const SHOWN: usize = 8;
        if self.remarks.len() < SHOWN {
            self.remarks.push(text);
        }
    }

    /// Whether a refresh may happen at `at`, in milliseconds since the Unix epoch.
    #[must_use]
    pub fn is_open(&self, at: i64) -> bool {
        self.allow == self.windows.iter().any(|w| w.closes(at).is_some())
    }

    /// The first moment from `at` on when a refresh may happen; none if it never may.
    ///
    /// Denying windows that close only to open again are followed for a bounded number of steps.
    /// The answer is then a moment before which no refresh may happen: look again there.
    #[must_use]
    pub fn next_open(&self, at: i64) -> Option<i64> {
        if self.is_open(at) {
            return Some(at);
        }
        if self.allow {
            return self
                .windows
                .iter()
                .filter_map(|w| w.schedule.next(at))
                .min();
        }
        let mut moment = at;
        for _ in 0..(BUDGET / self.windows.len().max(1)).max(1) {
            match self.windows.iter().filter_map(|w| w.closes(moment)).max() {
                Some(end) => moment = end,
                None => break,
            }
        }
        Some(moment)
    }
}

#[cfg(test)]
mod tests;

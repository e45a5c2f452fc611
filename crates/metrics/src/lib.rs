//! Metrics in Prometheus' text format.
//!
//! Owns: how a metric is described once (the reference page and `/metrics` both come from it),
//! the text, histograms of durations, and the listeners of metrics and health checks. Refuses: a registry; each part of keyless writes its
//! series from what it knows when it is asked.

mod histogram;
mod listeners;
mod text;

pub use histogram::Histogram;
pub use listeners::{ListenError, Listeners};
pub use text::Text;

/// One metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metric {
    /// Name.
    pub name: &'static str,
    /// `counter`, `gauge` or `histogram`.
    pub kind: &'static str,
    /// Labels.
    pub labels: &'static [&'static str],
    /// What it counts.
    pub help: &'static str,
}

//! A histogram of durations with fixed buckets.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::Text;

/// Upper bounds in seconds.
const BOUNDS: [f64; 12] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0,
];

/// Durations seen so far.
#[derive(Debug, Default)]
pub struct Histogram {
    buckets: [AtomicU64; BOUNDS.len()],
    count: AtomicU64,
    micros: AtomicU64,
}

impl Histogram {
    /// Notes one duration.
    pub fn observe(&self, duration: Duration) {
        let seconds = duration.as_secs_f64();
        let bucket = BOUNDS.iter().position(|bound| seconds <= *bound);
        if let Some(bucket) = bucket.and_then(|b| self.buckets.get(b)) {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
        self.count.fetch_add(1, Ordering::Relaxed);
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        self.micros.fetch_add(micros, Ordering::Relaxed);
    }

    /// Writes it as the metric begun last, with `labels`.
    pub fn write(&self, text: &mut Text, labels: &[(&str, &str)]) {
        let mut sum = 0;
        let bucket = |text: &mut Text, bound: &str, count: f64| {
            let mut labels = labels.to_vec();
            labels.push(("le", bound));
            text.suffixed("_bucket", &labels, count);
        };
        for (bound, seen) in BOUNDS.iter().zip(&self.buckets) {
            sum += seen.load(Ordering::Relaxed);
            bucket(text, &bound.to_string(), sum as f64);
        }
        let count = self.count.load(Ordering::Relaxed) as f64;
        bucket(text, "+Inf", count);
        let seconds = self.micros.load(Ordering::Relaxed) as f64 / 1e6;
        text.suffixed("_sum", labels, seconds);
        text.suffixed("_count", labels, count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_cumulative() {
        let histogram = Histogram::default();
        for millis in [1, 3, 3, 60_000] {
            histogram.observe(Duration::from_millis(millis));
        }
        let mut text = Text::new(&[]);
        text.begin("keyless_sync_duration_seconds");
        histogram.write(&mut text, &[]);
        let text = text.finish();
        for line in [
            "keyless_sync_duration_seconds_bucket{le=\"0.001\"} 1",
            "keyless_sync_duration_seconds_bucket{le=\"0.005\"} 3",
            "keyless_sync_duration_seconds_bucket{le=\"30\"} 3",
            "keyless_sync_duration_seconds_bucket{le=\"+Inf\"} 4",
            "keyless_sync_duration_seconds_sum 60.007",
            "keyless_sync_duration_seconds_count 4",
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
    }
}

//! What the keeper measured, as Prometheus reads it.
//!
//! Owns: names and samples. Refuses: looking; what is told is what was last found, and the time that
//! has passed since.

use std::collections::BTreeMap;

use super::Health;
use crate::fetch::unix_now;
use crate::publication::Outcome;
use crate::safety::limits;

/// The metrics of the issuer part, as `docs/reference/metrics.md` has them.
pub const METRICS: &[keyless_metrics::Metric] = &[
    keyless_metrics::Metric {
        name: "keyless_issuer_ready",
        kind: "gauge",
        labels: &["name", "issuer"],
        help: "Whether the issuer's documents are published and good (1) or not (0)",
    },
    keyless_metrics::Metric {
        name: "keyless_issuer_last_published_timestamp_seconds",
        kind: "gauge",
        labels: &["name"],
        help: "When the target was last seen to be as it should be",
    },
    keyless_metrics::Metric {
        name: "keyless_issuer_last_verified_timestamp_seconds",
        kind: "gauge",
        labels: &["name"],
        help: "When the documents were last seen from outside without an error that concerns everyone",
    },
    keyless_metrics::Metric {
        name: "keyless_issuer_key_info",
        kind: "gauge",
        labels: &["name", "kid"],
        help: "A published key",
    },
    keyless_metrics::Metric {
        name: "keyless_issuer_findings",
        kind: "gauge",
        labels: &["name", "code", "severity"],
        help: "Findings by code of docs/errors",
    },
    keyless_metrics::Metric {
        name: "keyless_issuer_time_until_unsafe_seconds",
        kind: "gauge",
        labels: &["name", "limit"],
        help: "Seconds until what is published stops being safe, by what limits it (finding, verification, certificate, rotation); 0 if it is not safe now; the least of a name counts",
    },
];

/// The text of the metrics.
#[must_use]
pub fn metrics(health: &Health) -> String {
    let all = health.get();
    let mut text = keyless_metrics::Text::new(METRICS);
    #[allow(clippy::cast_precision_loss, reason = "seconds since 1970 fit")]
    let number = |n: i64| n as f64;
    text.begin("keyless_issuer_ready");
    for (name, outcome) in &all {
        text.sample(
            &[("name", name), ("issuer", &outcome.issuer)],
            f64::from(u8::from(outcome.ready().0)),
        );
    }
    for (metric, pick) in [
        (
            "keyless_issuer_last_published_timestamp_seconds",
            (|o| o.published) as fn(&Outcome) -> Option<i64>,
        ),
        ("keyless_issuer_last_verified_timestamp_seconds", |o| {
            o.verified
        }),
    ] {
        text.begin(metric);
        for (name, outcome) in &all {
            if let Some(at) = pick(outcome) {
                text.sample(&[("name", name)], number(at));
            }
        }
    }
    text.begin("keyless_issuer_key_info");
    for (name, outcome) in &all {
        for kid in &outcome.keys {
            text.sample(&[("name", name), ("kid", kid)], 1.0);
        }
    }
    text.begin("keyless_issuer_findings");
    for (name, outcome) in &all {
        let mut counts: BTreeMap<(&str, &str), i64> = BTreeMap::new();
        for finding in &outcome.findings {
            *counts
                .entry((finding.code.as_str(), finding.severity.as_str()))
                .or_default() += 1;
        }
        for ((code, severity), count) in counts {
            text.sample(
                &[("name", name), ("code", code), ("severity", severity)],
                number(count),
            );
        }
    }
    text.begin("keyless_issuer_time_until_unsafe_seconds");
    let now = unix_now();
    for (name, outcome) in &all {
        for limit in limits(outcome) {
            text.sample(
                &[("name", name), ("limit", limit.by.as_str())],
                number(limit.left(now)),
            );
        }
    }
    text.finish()
}

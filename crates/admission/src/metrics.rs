//! Metrics of the admission server.
//!
//! Owns: counts, and their text. The names without `keyless_` are those that dashboards for the
//! clouds' own webhooks know. Refuses: labels whose values a tenant chooses.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use keyless_metrics::{Histogram, Metric, Text};

use crate::cloud::{Cloud, Outcome};
use crate::webhook::Gauges;

/// Every metric.
pub const REFERENCE: &[Metric] = &[
    Metric {
        name: "keyless_injection_reviews_total",
        kind: "counter",
        labels: &["cloud", "outcome"],
        help: "Pods looked at when they were created, by what came of it: injected, untouched, denied, or failed when a service account could not be read",
    },
    Metric {
        name: "keyless_injection_missed_pods",
        kind: "gauge",
        labels: &["cloud"],
        help: "Running pods that lack the token that their service account asks for: created while the webhook was away, or before the annotation",
    },
    Metric {
        name: "keyless_injection_sweeps_total",
        kind: "counter",
        labels: &["result"],
        help: "Searches for such pods",
    },
    Metric {
        name: "keyless_injection_service_accounts",
        kind: "gauge",
        labels: &["annotated"],
        help: "Service accounts known, with and without an annotation that a cloud reads",
    },
    Metric {
        name: "keyless_injection_account_reads_total",
        kind: "counter",
        labels: &["result"],
        help: "Service accounts that were read live because the watch had not told of them yet",
    },
    Metric {
        name: "keyless_injection_config_valid",
        kind: "gauge",
        labels: &["source"],
        help: "1 if the AWS ConfigMap or file of service accounts could be read; the last good one stays in use",
    },
    Metric {
        name: "keyless_webhook_validations_total",
        kind: "counter",
        labels: &["outcome"],
        help: "Custom resources validated",
    },
    Metric {
        name: "keyless_webhook_certificate_expiry_seconds",
        kind: "gauge",
        labels: &[],
        help: "When the certificate that is served ends, in seconds since the Unix epoch",
    },
    Metric {
        name: "keyless_webhook_certificates_served_total",
        kind: "counter",
        labels: &[],
        help: "Different certificates served since the start",
    },
    Metric {
        name: "keyless_webhook_rotations_total",
        kind: "counter",
        labels: &["what"],
        help: "Authorities and certificates made, and webhook configurations corrected, by this replica",
    },
    Metric {
        name: "keyless_webhook_rotation_failures_total",
        kind: "counter",
        labels: &[],
        help: "Failed attempts to keep certificate and webhook configurations",
    },
    Metric {
        name: "keyless_webhook_handshake_failures_total",
        kind: "counter",
        labels: &[],
        help: "TLS handshakes that failed; an API server that does not trust the certificate is seen here",
    },
    Metric {
        name: "keyless_webhook_unknown_paths_total",
        kind: "counter",
        labels: &[],
        help: "Requests to paths at which nothing is served",
    },
    Metric {
        name: "controller_runtime_webhook_requests_total",
        kind: "counter",
        labels: &["webhook", "code"],
        help: "Requests by path and HTTP status",
    },
    Metric {
        name: "controller_runtime_webhook_requests_in_flight",
        kind: "gauge",
        labels: &[],
        help: "Requests under way",
    },
    Metric {
        name: "controller_runtime_webhook_latency_seconds",
        kind: "histogram",
        labels: &["webhook"],
        help: "Time from a request's head to its answer, by path",
    },
    Metric {
        name: "azwi_mutation_request",
        kind: "histogram",
        labels: &[],
        help: "The same for the path of Azure's webhook, without its label namespace",
    },
    Metric {
        name: "pod_identity_webhook_used",
        kind: "gauge",
        labels: &[],
        help: "1 once the AWS part has injected a token",
    },
];

/// Counted since the start.
#[derive(Debug, Default)]
pub struct Metrics {
    /// Requests to paths at which nothing is served.
    pub strangers: AtomicU64,
    /// Requests under way.
    pub in_flight: AtomicUsize,
    azure: Histogram,
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    reviews: BTreeMap<(Cloud, &'static str), u64>,
    /// By path, of which there are few: others are counted as strangers.
    requests: BTreeMap<(String, u16), u64>,
    latency: BTreeMap<String, Histogram>,
    validations: [u64; 2],
}

impl Metrics {
    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One pod, one cloud.
    pub fn outcome(&self, cloud: Cloud, outcome: Outcome) {
        self.note(cloud, outcome.as_str());
    }

    /// A pod whose service account could not be read.
    pub fn failed(&self, cloud: Cloud) {
        self.note(cloud, "failed");
    }

    fn note(&self, cloud: Cloud, outcome: &'static str) {
        *self.counts().reviews.entry((cloud, outcome)).or_default() += 1;
    }

    /// One validation.
    pub fn validated(&self, refused: bool) {
        if let Some(count) = self.counts().validations.get_mut(usize::from(refused)) {
            *count += 1;
        }
    }

    /// One request to a path that is served.
    pub fn served(&self, path: &str, status: u16, clouds: &[Cloud], took: Duration) {
        let mut counts = self.counts();
        *counts
            .requests
            .entry((path.to_owned(), status))
            .or_default() += 1;
        let latency = counts.latency.entry(path.to_owned()).or_default();
        latency.observe(took);
        if clouds.contains(&Cloud::Azure) {
            self.azure.observe(took);
        }
    }

    /// All metrics as they are now.
    #[must_use]
    pub fn render(&self, gauges: &Gauges) -> String {
        let mut text = Text::new(REFERENCE);
        let counts = self.counts();
        text.begin("keyless_injection_reviews_total");
        for ((cloud, outcome), count) in &counts.reviews {
            let labels = [("cloud", cloud.as_str()), ("outcome", *outcome)];
            text.sample(&labels, *count as f64);
        }
        gauges.write(&mut text);
        text.begin("keyless_webhook_validations_total");
        for (outcome, count) in ["allowed", "refused"].iter().zip(counts.validations) {
            text.sample(&[("outcome", outcome)], count as f64);
        }
        text.single(
            "keyless_webhook_unknown_paths_total",
            self.strangers.load(Ordering::Relaxed) as f64,
        );
        text.begin("controller_runtime_webhook_requests_total");
        for ((path, status), count) in &counts.requests {
            let labels = [("webhook", path.as_str()), ("code", &status.to_string())];
            text.sample(&labels, *count as f64);
        }
        let in_flight = self.in_flight.load(Ordering::Relaxed);
        text.single(
            "controller_runtime_webhook_requests_in_flight",
            in_flight as f64,
        );
        text.begin("controller_runtime_webhook_latency_seconds");
        for (path, latency) in &counts.latency {
            latency.write(&mut text, &[("webhook", path)]);
        }
        text.begin("azwi_mutation_request");
        self.azure.write(&mut text, &[]);
        let injected = counts
            .reviews
            .contains_key(&(Cloud::Aws, Outcome::Injected.as_str()));
        text.single("pod_identity_webhook_used", f64::from(u8::from(injected)));
        text.finish()
    }
}

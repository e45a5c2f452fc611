//! Reconciles by kind, under the names that dashboards of controller-runtime's programs know.
//!
//! Owns: counts and durations of whole reconciles, and how many run. They outlive the objects:
//! a counter may not fall because an object is deleted. Refuses: what a reconcile was about.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use keyless_metrics::{Histogram, Text};

use crate::index::Work;
use crate::schedule::Lane;

/// The kinds, named as External Secrets Operator names their controllers.
const CONTROLLERS: [&str; 4] = [
    "externalsecret",
    "secretstore",
    "clustersecretstore",
    "clusterexternalsecret",
];
/// How a reconcile may end, in controller-runtime's words. `requeue` does not happen here.
const RESULTS: [&str; 4] = ["success", "error", "requeue_after", "requeue"];

/// How a reconcile ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Nothing more to do until something changes.
    Success,
    /// It is tried again.
    Error,
    /// It comes again in its time.
    Later,
}

impl Ended {
    /// What a reconcile that asks for `next` means.
    pub fn of(next: Option<Lane>) -> Self {
        match next {
            None => Self::Success,
            Some(Lane::Retry) => Self::Error,
            Some(_) => Self::Later,
        }
    }
}

#[derive(Debug, Default)]
struct Controller {
    active: AtomicU64,
    results: [AtomicU64; RESULTS.len()],
    durations: Histogram,
}

/// All of them.
#[derive(Debug, Default)]
pub struct Reconciles([Controller; CONTROLLERS.len()]);

fn place(work: &Work) -> usize {
    match work {
        Work::ExternalSecret(_) => 0,
        Work::Store(key) if !key.namespace.is_empty() => 1,
        Work::Store(_) => 2,
        Work::ClusterExternalSecret(_) => 3,
    }
}

impl Reconciles {
    /// A reconcile of `work` begins.
    pub fn begin(&self, work: &Work) {
        if let Some(controller) = self.0.get(place(work)) {
            controller.active.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// It has ended.
    pub fn end(&self, work: &Work, ended: Ended, took: Duration) {
        let Some(controller) = self.0.get(place(work)) else {
            return;
        };
        controller.active.fetch_sub(1, Ordering::Relaxed);
        if let Some(count) = controller.results.get(ended as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        controller.durations.observe(took);
    }

    /// Writes them; `queued` is what is due, and `most` how many may run at once.
    pub fn write<'a>(&self, text: &mut Text, queued: impl Iterator<Item = &'a Work>, most: usize) {
        let each = || CONTROLLERS.iter().zip(&self.0);
        text.begin("controller_runtime_reconcile_total");
        for (name, controller) in each() {
            for (result, count) in RESULTS.iter().zip(&controller.results) {
                let labels = [("controller", *name), ("result", *result)];
                text.sample(&labels, count.load(Ordering::Relaxed) as f64);
            }
        }
        text.begin("controller_runtime_reconcile_errors_total");
        for (name, controller) in each() {
            let errors = controller.results.get(Ended::Error as usize);
            let errors = errors.map_or(0, |count| count.load(Ordering::Relaxed));
            text.sample(&[("controller", *name)], errors as f64);
        }
        text.begin("controller_runtime_reconcile_time_seconds");
        for (name, controller) in each() {
            controller.durations.write(text, &[("controller", *name)]);
        }
        text.begin("controller_runtime_active_workers");
        for (name, controller) in each() {
            let active = controller.active.load(Ordering::Relaxed);
            text.sample(&[("controller", *name)], active as f64);
        }
        text.begin("controller_runtime_max_concurrent_reconciles");
        for name in CONTROLLERS {
            text.sample(&[("controller", name)], most as f64);
        }
        let mut depth = [0_u64; CONTROLLERS.len()];
        for work in queued {
            if let Some(count) = depth.get_mut(place(work)) {
                *count += 1;
            }
        }
        text.begin("workqueue_depth");
        for (name, count) in CONTROLLERS.iter().zip(depth) {
            let labels = [("controller", *name), ("name", *name)];
            text.sample(&labels, count as f64);
        }
        webhooks(text);
    }
}

/// The API server checks manifests by the rules in the CRDs, so nobody calls a webhook for it.
/// Dashboards divide by these counts.
fn webhooks(text: &mut Text) {
    const PATHS: [&str; 3] = [
        "/validate-external-secrets-io-v1-externalsecret",
        "/validate-external-secrets-io-v1-secretstore",
        "/validate-external-secrets-io-v1-clustersecretstore",
    ];
    text.begin("controller_runtime_webhook_requests_total");
    for path in PATHS {
        for code in ["200", "500"] {
            text.sample(&[("code", code), ("webhook", path)], 0.0);
        }
    }
    text.begin("controller_runtime_webhook_requests_in_flight");
    for path in PATHS {
        text.sample(&[("webhook", path)], 0.0);
    }
    text.begin("controller_runtime_webhook_latency_seconds");
    for path in PATHS {
        Histogram::default().write(text, &[("webhook", path)]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::ObjectKey;

    /// What the expressions of ESO's published Grafana dashboard (2.9) ask of its metrics beside
    /// those of objects: the name, and the labels that they select or group by.
    const DASHBOARD: &[(&str, &[&str])] = &[
        (
            "controller_runtime_reconcile_total",
            &["controller", "result"],
        ),
        (
            "controller_runtime_reconcile_time_seconds_bucket",
            &["controller", "le"],
        ),
        ("controller_runtime_active_workers", &["controller"]),
        (
            "controller_runtime_max_concurrent_reconciles",
            &["controller"],
        ),
        ("workqueue_depth", &["name"]),
        (
            "controller_runtime_webhook_requests_total",
            &["code", "webhook"],
        ),
        ("controller_runtime_webhook_latency_seconds_bucket", &["le"]),
        (
            "controller_runtime_webhook_requests_in_flight",
            &["webhook"],
        ),
    ];

    #[test]
    fn the_dashboards_names_and_labels_exist() {
        let reconciles = Reconciles::default();
        let work = Work::ExternalSecret(ObjectKey::new("n", "a"));
        let store = Work::Store(ObjectKey::new("", "s"));
        for (work, next) in [
            (&work, Some(Lane::Periodic)),
            (&work, Some(Lane::Retry)),
            (&store, None),
        ] {
            reconciles.begin(work);
            reconciles.end(work, Ended::of(next), Duration::from_millis(3));
        }
        reconciles.begin(&store);
        let mut text = Text::new(super::super::REFERENCE);
        reconciles.write(&mut text, [&work, &work].into_iter(), 32);
        let text = text.finish();
        for (name, labels) in DASHBOARD {
            let line = text.lines().find(|l| l.starts_with(&format!("{name}{{")));
            let line = line.unwrap_or_else(|| panic!("{name} is missing"));
            for label in *labels {
                assert!(line.contains(&format!("{label}=\"")), "{line}: {label}");
            }
        }
        for line in [
            "controller_runtime_reconcile_total{controller=\"externalsecret\",result=\"requeue_after\"} 1",
            "controller_runtime_reconcile_total{controller=\"externalsecret\",result=\"error\"} 1",
            "controller_runtime_reconcile_total{controller=\"clustersecretstore\",result=\"success\"} 1",
            "controller_runtime_reconcile_errors_total{controller=\"externalsecret\"} 1",
            "controller_runtime_reconcile_time_seconds_count{controller=\"externalsecret\"} 2",
            "controller_runtime_active_workers{controller=\"clustersecretstore\"} 1",
            "controller_runtime_max_concurrent_reconciles{controller=\"secretstore\"} 32",
            "workqueue_depth{controller=\"externalsecret\",name=\"externalsecret\"} 2",
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
    }
}

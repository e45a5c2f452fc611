//! Metrics in Prometheus' text format.
//!
//! Series of objects are written from the index when they are asked for: none outlives its
//! object, and none costs memory in between. The names without `keyless_` are those that
//! dashboards for the API know.

mod reconciles;
mod reference;

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use keyless_api::ReferenceKind;
use keyless_metrics::Text;

pub(crate) use reconciles::{Ended, Reconciles};
pub use reference::REFERENCE;

use crate::backends::Usage;
use crate::context::Context;
use crate::dependencies::Health;
use crate::judgement::split_code;
use crate::object::{ExternalSecret, json_map};
use crate::schedule::Lane;

/// The labels added by `--enable-extended-metric-labels`: metric label, object label.
const EXTENDED: [(&str, &str); 6] = [
    ("app_kubernetes_io_name", "app.kubernetes.io/name"),
    ("app_kubernetes_io_instance", "app.kubernetes.io/instance"),
    ("app_kubernetes_io_version", "app.kubernetes.io/version"),
    ("app_kubernetes_io_component", "app.kubernetes.io/component"),
    ("app_kubernetes_io_part_of", "app.kubernetes.io/part-of"),
    (
        "app_kubernetes_io_managed_by",
        "app.kubernetes.io/managed-by",
    ),
];

/// All metrics as they are now.
#[must_use]
pub fn render(context: &Context) -> String {
    let now = context.clock.elapsed();
    let state = context.state();
    let mut text = Text::new(REFERENCE);
    external_secrets(&mut text, context, &state.index);
    stores(&mut text, &state.index);
    cluster_external_secrets(&mut text, &state.index);
    failing(&mut text, &state.index);
    usage(&mut text, &context.backends.usage());
    text.begin("keyless_sync_duration_seconds");
    context.counters.durations.write(&mut text, &[]);
    let most = context.options.writers;
    let queued = state.scheduler.queued();
    context.counters.reconciles.write(&mut text, queued, most);
    text.begin("keyless_queue_depth");
    for (lane, depth) in Lane::ALL.iter().zip(state.scheduler.depth()) {
        text.sample(&[("lane", lane.as_str())], depth as f64);
    }
    let overdue = state.scheduler.oldest_overdue(now).as_secs_f64();
    text.single("keyless_oldest_overdue_seconds", overdue);
    let open = state
        .index
        .stores()
        .filter(|(_, e)| e.circuit.is_open())
        .count();
    text.single("keyless_open_circuits", open as f64);
    text.single("keyless_managed_secrets", state.index.secret_count() as f64);
    text.single(
        "keyless_events_dropped_total",
        context.events.dropped() as f64,
    );
    let counters = &context.counters;
    text.single(
        "keyless_panics_total",
        counters.panics.load(Ordering::Relaxed) as f64,
    );
    let interrupted = counters.interrupted.load(Ordering::Relaxed);
    text.single("keyless_watch_failures_total", interrupted as f64);
    dependencies(&mut text, context);
    let sightings = state.index.sightings();
    text.single("keyless_dependencies", sightings as f64);
    let malformed = counters.malformed.load(Ordering::Relaxed);
    text.single("keyless_malformed_objects_total", malformed as f64);
    text.finish()
}

fn dependencies(text: &mut Text, context: &Context) {
    let watches = &context.counters.dependency_watches;
    let kinds = ReferenceKind::ALL.map(|kind| (kind.plural(), watches.health(kind)));
    let running = kinds.iter().filter(|(_, health)| *health != Health::Off);
    text.begin("keyless_dependency_watch_up");
    for (resource, health) in running.clone() {
        let up = u8::from(*health == Health::Up);
        text.sample(&[("resource", resource)], f64::from(up));
    }
    text.begin("keyless_dependency_watch_forbidden");
    for (resource, health) in running {
        let forbidden = u8::from(*health == Health::Forbidden);
        text.sample(&[("resource", resource)], f64::from(forbidden));
    }
}

/// How many objects tell which code: counted from their conditions, so that nothing is kept.
fn failing(text: &mut Text, index: &crate::index::Index) {
    let mut counts: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    let mut count = |controller: &'static str, message: &str| {
        let (_, code) = split_code(message);
        *counts.entry((controller, code)).or_default() += 1;
    };
    for (_, entry) in index.external_secrets() {
        if let Some(ready) = entry
            .object
            .ready
            .as_ref()
            .filter(|r| &*r.status == "False")
        {
            count("externalsecret", &ready.message);
        }
    }
    for (key, entry) in index.stores() {
        let controller = match key.namespace.is_empty() {
            true => "clustersecretstore",
            false => "secretstore",
        };
        if let Some(ready) = entry.store.ready().filter(|c| !c.is_true()) {
            count(controller, ready.message.as_deref().unwrap_or_default());
        }
    }
    text.begin("keyless_failing_objects");
    for ((controller, code), count) in counts {
        let labels = [("controller", controller), ("code", code)];
        text.sample(&labels, count as f64);
    }
}

fn usage(text: &mut Text, usage: &Usage) {
    text.begin("externalsecret_provider_api_calls_count");
    // ESO's dashboards know two outcomes; the class of failure is in the conditions.
    let mut counts: BTreeMap<_, u64> = BTreeMap::new();
    for calls in &usage.calls.calls {
        let status = if calls.outcome == "success" {
            "success"
        } else {
            "error"
        };
        *counts
            .entry((calls.provider, calls.call, status))
            .or_default() += calls.count;
    }
    for ((provider, call, status), count) in counts {
        let labels = [("provider", provider), ("call", call), ("status", status)];
        text.sample(&labels, count as f64);
    }
    text.begin("keyless_provider_calls_total");
    for calls in &usage.calls.calls {
        let labels = [
            ("provider", calls.provider),
            ("call", calls.call),
            ("outcome", calls.outcome),
            ("saved", ""),
        ];
        text.sample(&labels, calls.count as f64);
    }
    for saved in &usage.calls.saved {
        let labels = [
            ("provider", saved.provider),
            ("call", saved.call),
            ("outcome", "saved"),
            ("saved", saved.outcome),
        ];
        text.sample(&labels, saved.count as f64);
    }
    text.begin("keyless_provider_reads_saved_total");
    for (how, count) in [
        ("coalesced", usage.calls.coalesced),
        ("batched", usage.calls.batched),
        ("cached", usage.calls.cached),
    ] {
        text.sample(&[("how", how)], count as f64);
    }
    text.begin("keyless_logins_total");
    for (result, count) in [
        ("success", usage.logins.logins),
        ("failed", usage.logins.failed),
        ("refused", usage.logins.denied),
    ] {
        text.sample(&[("result", result)], count as f64);
    }
}

fn external_secrets(text: &mut Text, context: &Context, index: &crate::index::Index) {
    let extended = context.options.extended_metric_labels;
    let labels = |object: &ExternalSecret| {
        let mut labels = vec![
            ("name", object.key.name.to_string()),
            ("namespace", object.key.namespace.to_string()),
        ];
        if extended {
            let own = json_map(&object.labels);
            for (metric, label) in EXTENDED {
                labels.push((metric, own.get(label).cloned().unwrap_or_default()));
            }
        }
        labels
    };
    text.begin("externalsecret_sync_calls_total");
    for (_, entry) in index.external_secrets() {
        text.owned(&labels(&entry.object), entry.calls as f64);
    }
    text.begin("externalsecret_sync_calls_error");
    for (_, entry) in index.external_secrets().filter(|(_, e)| e.errors > 0) {
        text.owned(&labels(&entry.object), entry.errors as f64);
    }
    text.begin("externalsecret_reconcile_duration");
    for (_, entry) in index.external_secrets() {
        text.owned(&labels(&entry.object), entry.nanos as f64);
    }
    text.begin("externalsecret_status_condition");
    for (_, entry) in index.external_secrets() {
        let Some(ready) = &entry.object.ready else {
            continue;
        };
        for status in ["True", "False"] {
            let mut labels = labels(&entry.object);
            labels.push(("condition", "Ready".into()));
            labels.push(("status", status.into()));
            text.owned(&labels, f64::from(u8::from(*ready.status == *status)));
        }
    }
}

fn cluster_external_secrets(text: &mut Text, index: &crate::index::Index) {
    text.begin("clusterexternalsecret_status_condition");
    for (key, entry) in index.cluster_external_secrets() {
        let Some((ready, _)) = &entry.object.status.ready else {
            continue;
        };
        for status in ["True", "False"] {
            let labels = [
                ("name", &*key.name),
                ("namespace", ""),
                ("condition", "Ready"),
                ("status", status),
            ];
            text.sample(&labels, f64::from(u8::from(**ready == *status)));
        }
    }
    text.begin("clusterexternalsecret_reconcile_duration");
    for (key, entry) in index.cluster_external_secrets() {
        let labels = [("name", &*key.name), ("namespace", "")];
        text.sample(&labels, entry.nanos as f64);
    }
}

fn stores(text: &mut Text, index: &crate::index::Index) {
    for (cluster, condition, duration) in [
        (
            false,
            "secretstore_status_condition",
            "secretstore_reconcile_duration",
        ),
        (
            true,
            "clustersecretstore_status_condition",
            "clustersecretstore_reconcile_duration",
        ),
    ] {
        let stores = || {
            index
                .stores()
                .filter(move |(k, _)| k.namespace.is_empty() == cluster)
        };
        text.begin(condition);
        for (key, entry) in stores() {
            let Some(ready) = entry.store.ready() else {
                continue;
            };
            for status in ["True", "False"] {
                let labels = [
                    ("name", &*key.name),
                    ("namespace", &*key.namespace),
                    ("condition", "Ready"),
                    ("status", status),
                ];
                text.sample(&labels, f64::from(u8::from(ready.status == status)));
            }
        }
        text.begin(duration);
        for (key, entry) in stores() {
            let labels = [("name", &*key.name), ("namespace", &*key.namespace)];
            text.sample(&labels, entry.nanos as f64);
        }
    }
}

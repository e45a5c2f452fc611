//! Every metric: its name, type, labels and meaning, for the reference and for the text's own
//! HELP and TYPE lines.

use keyless_metrics::Metric;

const OBJECT: &[&str] = &["name", "namespace"];
const CONDITION: &[&str] = &["name", "namespace", "condition", "status"];

const CONTROLLER: &[&str] = &["controller"];

/// Every metric.
pub const REFERENCE: &[Metric] = &[
    Metric {
        name: "externalsecret_sync_calls_total",
        kind: "counter",
        labels: OBJECT,
        help: "Reconciles of an ExternalSecret",
    },
    Metric {
        name: "externalsecret_sync_calls_error",
        kind: "counter",
        labels: OBJECT,
        help: "Failed reconciles of an ExternalSecret",
    },
    Metric {
        name: "externalsecret_reconcile_duration",
        kind: "gauge",
        labels: OBJECT,
        help: "Nanoseconds of the last reconcile of an ExternalSecret",
    },
    Metric {
        name: "externalsecret_status_condition",
        kind: "gauge",
        labels: CONDITION,
        help: "Condition of an ExternalSecret: 1 for the status it has",
    },
    Metric {
        name: "secretstore_status_condition",
        kind: "gauge",
        labels: CONDITION,
        help: "Condition of a SecretStore: 1 for the status it has",
    },
    Metric {
        name: "secretstore_reconcile_duration",
        kind: "gauge",
        labels: OBJECT,
        help: "Nanoseconds of the last validation of a SecretStore",
    },
    Metric {
        name: "clustersecretstore_status_condition",
        kind: "gauge",
        labels: CONDITION,
        help: "Condition of a ClusterSecretStore: 1 for the status it has",
    },
    Metric {
        name: "clustersecretstore_reconcile_duration",
        kind: "gauge",
        labels: OBJECT,
        help: "Nanoseconds of the last validation of a ClusterSecretStore",
    },
    Metric {
        name: "clusterexternalsecret_status_condition",
        kind: "gauge",
        labels: CONDITION,
        help: "Condition of a ClusterExternalSecret: 1 for the status it has",
    },
    Metric {
        name: "clusterexternalsecret_reconcile_duration",
        kind: "gauge",
        labels: OBJECT,
        help: "Nanoseconds of the last reconcile of a ClusterExternalSecret",
    },
    Metric {
        name: "externalsecret_provider_api_calls_count",
        kind: "counter",
        labels: &["provider", "call", "status"],
        help: "Calls to providers",
    },
    Metric {
        name: "controller_runtime_reconcile_total",
        kind: "counter",
        labels: &["controller", "result"],
        help: "Reconciles by kind and result",
    },
    Metric {
        name: "controller_runtime_reconcile_errors_total",
        kind: "counter",
        labels: CONTROLLER,
        help: "Reconciles that are tried again, by kind",
    },
    Metric {
        name: "controller_runtime_reconcile_time_seconds",
        kind: "histogram",
        labels: CONTROLLER,
        help: "Time of a reconcile by kind, waiting for providers and writes included",
    },
    Metric {
        name: "controller_runtime_active_workers",
        kind: "gauge",
        labels: CONTROLLER,
        help: "Reconciles that are under way, by kind",
    },
    Metric {
        name: "controller_runtime_max_concurrent_reconciles",
        kind: "gauge",
        labels: CONTROLLER,
        help: "Writes that may be in flight at once, of all kinds together",
    },
    Metric {
        name: "workqueue_depth",
        kind: "gauge",
        labels: &["controller", "name"],
        help: "Objects that are due, by kind",
    },
    Metric {
        name: "controller_runtime_webhook_requests_total",
        kind: "counter",
        labels: &["code", "webhook"],
        help: "Always 0: manifests are checked by the rules in the CRDs, without a webhook",
    },
    Metric {
        name: "controller_runtime_webhook_requests_in_flight",
        kind: "gauge",
        labels: &["webhook"],
        help: "Always 0, as above",
    },
    Metric {
        name: "controller_runtime_webhook_latency_seconds",
        kind: "histogram",
        labels: &["webhook"],
        help: "Always empty, as above",
    },
    Metric {
        name: "keyless_failing_objects",
        kind: "gauge",
        labels: &["controller", "code"],
        help: "Objects whose Ready condition is False, by kind and the code of the catalogue at the end of its message (docs/errors); an empty code means that the catalogue has no row",
    },
    Metric {
        name: "keyless_provider_calls_total",
        kind: "counter",
        labels: &["provider", "call", "outcome", "saved"],
        help: "Calls to providers by outcome (success, or the class of failure), and with outcome saved the reads that needed none, by reason: coalesced, batched or cached",
    },
    Metric {
        name: "keyless_provider_reads_saved_total",
        kind: "counter",
        labels: &["how"],
        help: "Reads that needed no call of their own: coalesced, batched or cached",
    },
    Metric {
        name: "keyless_logins_total",
        kind: "counter",
        labels: &["result"],
        help: "Logins at providers: success, failed, and of those refused",
    },
    Metric {
        name: "keyless_sync_duration_seconds",
        kind: "histogram",
        labels: &[],
        help: "Time of one reconcile of an ExternalSecret, waiting for providers and writes included",
    },
    Metric {
        name: "keyless_queue_depth",
        kind: "gauge",
        labels: &["lane"],
        help: "Objects that are due, by lane",
    },
    Metric {
        name: "keyless_oldest_overdue_seconds",
        kind: "gauge",
        labels: &[],
        help: "How long the longest-waiting object has been due; stays small while the operator keeps up",
    },
    Metric {
        name: "keyless_open_circuits",
        kind: "gauge",
        labels: &[],
        help: "Stores whose calls are held back because they do not answer",
    },
    Metric {
        name: "keyless_managed_secrets",
        kind: "gauge",
        labels: &[],
        help: "Secrets that carry the managed label",
    },
    Metric {
        name: "keyless_events_dropped_total",
        kind: "counter",
        labels: &[],
        help: "Kubernetes events that were not written",
    },
    Metric {
        name: "keyless_panics_total",
        kind: "counter",
        labels: &[],
        help: "Reconciles that ended in a defect",
    },
    Metric {
        name: "keyless_watch_failures_total",
        kind: "counter",
        labels: &[],
        help: "Watches that failed and were tried again",
    },
    Metric {
        name: "keyless_dependency_watch_up",
        kind: "gauge",
        labels: &["resource"],
        help: "Whether changes of what ExternalSecrets and stores depend on are watched: 0 while the list is read or when the operator is not allowed to, absent if nothing depends on the kind",
    },
    Metric {
        name: "keyless_dependency_watch_forbidden",
        kind: "gauge",
        labels: &["resource"],
        help: "1 if the operator is not allowed to watch what ExternalSecrets and stores depend on; changes are noticed at the next refresh",
    },
    Metric {
        name: "keyless_dependencies",
        kind: "gauge",
        labels: &[],
        help: "Secrets, ConfigMaps and service accounts whose metadata is remembered because something depends on them",
    },
    Metric {
        name: "keyless_malformed_objects_total",
        kind: "counter",
        labels: &[],
        help: "Watch events whose object could not be decoded",
    },
];

//! The operator's settings, named and defaulted as users of External Secrets Operator know them.

use std::time::Duration;

use keyless_kubernetes::LeaderElection;
use keyless_kubernetes::request::escape;

/// Every setting. The concurrency is not ESO's: one worker is what its users suffer from.
#[derive(Clone, Debug)]
pub struct Options {
    /// `--metrics-addr`; `None` serves no metrics.
    pub metrics_addr: Option<String>,
    /// `--live-addr`: `/healthz` and `/readyz`; `None` serves none.
    pub live_addr: Option<String>,
    /// `--controller-class`: stores of another class are left alone.
    pub controller_class: String,
    /// `--namespace`: watches this namespace only, and no cluster-scoped object.
    pub namespace: Option<String>,
    /// `--secret-namespaces`: where Secrets, ConfigMaps and service accounts may be seen; empty for
    /// everywhere.
    pub secret_namespaces: Vec<String>,
    /// `--concurrent`: writes in flight once the first list is complete.
    pub writers: usize,
    /// Writes in flight before that: a flood of writes makes the server drop the list's watch.
    pub writers_at_start: usize,
    /// Objects that may gather facts at once; large, so that providers can fill their batches.
    pub gatherers: usize,
    /// `--enable-secret-store-reconciler`.
    pub secret_stores: bool,
    /// `--enable-cluster-store-reconciler`.
    pub cluster_secret_stores: bool,
    /// `--enable-cluster-external-secret-reconciler`.
    pub cluster_external_secrets: bool,
    /// `--store-requeue-interval`: how often a store is validated that does not say itself.
    pub store_requeue_interval: Duration,
    /// `--enable-flood-gate`: ExternalSecrets wait for a Ready store.
    pub flood_gate: bool,
    /// `--unsafe-allow-generic-targets`.
    pub generic_targets: bool,
    /// Whether webhook and Vault stores may reach link-local addresses and metadata services.
    pub link_local_webhooks: bool,
    /// `--template-left-delimiter`; empty is `{{`.
    pub template_left_delimiter: String,
    /// `--template-right-delimiter`; empty is `}}`.
    pub template_right_delimiter: String,
    /// `--enable-extended-metric-labels`.
    pub extended_metric_labels: bool,
    /// An unchanged refresh writes `status.refreshTime` only if the stored one is older than this
    /// and than the refresh interval. Zero writes on each refresh, as ESO does.
    pub status_interval: Duration,
    /// `--enable-leader-election` and its siblings.
    pub leader_election: Option<LeaderElection>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            metrics_addr: Some(":8080".into()),
            live_addr: Some(":8082".into()),
            controller_class: "default".into(),
            namespace: None,
            secret_namespaces: Vec::new(),
            writers: 32,
            writers_at_start: 4,
            gatherers: 256,
            secret_stores: true,
            cluster_secret_stores: true,
            cluster_external_secrets: true,
            store_requeue_interval: Duration::from_secs(300),
            flood_gate: true,
            generic_targets: false,
            link_local_webhooks: false,
            template_left_delimiter: String::new(),
            template_right_delimiter: String::new(),
            extended_metric_labels: false,
            status_interval: Duration::from_secs(300),
            leader_election: None,
        }
    }
}

impl Options {
    /// The parts of URL paths that name the namespaces in which Secrets, ConfigMaps and service
    /// accounts may be seen; one that is empty if it is everywhere.
    pub(crate) fn secret_scopes(&self) -> Vec<String> {
        let one = self.namespace.as_slice();
        let namespaces = if one.is_empty() {
            self.secret_namespaces.as_slice()
        } else {
            one
        };
        let scope = |namespace: &String| format!("/namespaces/{}", escape(namespace));
        let scopes: Vec<String> = namespaces.iter().map(scope).collect();
        if scopes.is_empty() {
            vec![String::new()]
        } else {
            scopes
        }
    }
}

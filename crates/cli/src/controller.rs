//! `keyless controller`: the flags of External Secrets Operator's controller, and the operator.

mod ignored;

use std::time::Duration;

use anyhow::{Context, Result};
use keyless_controller::{LeaderElection, Operator, Options};
use keyless_identity::Environment;
use tracing_subscriber::EnvFilter;

use crate::outcome::Outcome;
use crate::webhook;
use crate::{cluster, issuer};
pub use ignored::{Ignored, why};

/// Flags of `keyless controller`. Names and defaults are those that users of the API know.
#[derive(clap::Args)]
pub struct Flags {
    #[command(flatten)]
    cluster: cluster::Flags,
    /// Address of /metrics; 0 serves none
    #[arg(long, default_value = ":8080")]
    metrics_addr: String,
    /// Address of /healthz and /readyz; 0 serves none
    #[arg(long, default_value = ":8082")]
    live_addr: String,
    /// Only stores of this class are handled
    #[arg(long, default_value = "default")]
    controller_class: String,
    /// Watch this namespace only
    #[arg(long, default_value = "")]
    namespace: String,
    /// Namespaces in which the operator may see and write Secrets, with commas; everywhere if none is given. Read ConfigMaps and service accounts lie there too
    #[arg(long, value_delimiter = ',', value_name = "NAMESPACES")]
    secret_namespaces: Vec<String>,
    /// Writes in flight at once
    #[arg(long)]
    concurrent: Option<usize>,
    /// Elect a leader among replicas
    #[arg(long, num_args = 0..=1, require_equals = true, default_value_t = false, default_missing_value = "true", action = clap::ArgAction::Set)]
    enable_leader_election: bool,
    /// Name of the leader's Lease
    #[arg(long, default_value = "external-secrets-controller")]
    leader_election_id: String,
    /// How long others wait for a silent leader
    #[arg(long, default_value = "15s", value_parser = duration)]
    leader_election_lease_duration: Duration,
    /// How long a leader goes on without renewing
    #[arg(long, default_value = "10s", value_parser = duration)]
    leader_election_renew_deadline: Duration,
    /// Time between tries
    #[arg(long, default_value = "2s", value_parser = duration)]
    leader_election_retry_period: Duration,
    /// error, warn, info, debug or trace; or a filter such as keyless_controller=debug
    #[arg(long, default_value = "info")]
    loglevel: String,
    /// Handle SecretStores
    #[arg(long, num_args = 0..=1, require_equals = true, default_value_t = true, default_missing_value = "true", action = clap::ArgAction::Set)]
    enable_secret_store_reconciler: bool,
    /// Handle ClusterSecretStores
    #[arg(long, num_args = 0..=1, require_equals = true, default_value_t = true, default_missing_value = "true", action = clap::ArgAction::Set)]
    enable_cluster_store_reconciler: bool,
    /// Handle ClusterExternalSecrets
    #[arg(long, num_args = 0..=1, require_equals = true, default_value_t = true, default_missing_value = "true", action = clap::ArgAction::Set)]
    enable_cluster_external_secret_reconciler: bool,
    /// How often a store is validated that does not say itself
    #[arg(long, default_value = "5m0s", value_parser = duration)]
    store_requeue_interval: Duration,
    /// ExternalSecrets wait for a Ready store
    #[arg(long, num_args = 0..=1, require_equals = true, default_value_t = true, default_missing_value = "true", action = clap::ArgAction::Set)]
    enable_flood_gate: bool,
    /// Add the labels app.kubernetes.io/* of an ExternalSecret to its metrics
    #[arg(long, num_args = 0..=1, require_equals = true, default_value_t = false, default_missing_value = "true", action = clap::ArgAction::Set)]
    enable_extended_metric_labels: bool,
    /// What begins an action in a template; {{ if empty
    #[arg(long, default_value = "", hide_default_value = true)]
    template_left_delimiter: String,
    /// What ends an action in a template; }} if empty
    #[arg(long, default_value = "", hide_default_value = true)]
    template_right_delimiter: String,
    /// Let ExternalSecrets write objects of other kinds than Secret (spec.target.manifest). Whoever may write an ExternalSecret then writes with the operator's rights on these kinds
    #[arg(long, num_args = 0..=1, require_equals = true, default_value_t = false, default_missing_value = "true", action = clap::ArgAction::Set)]
    unsafe_allow_generic_targets: bool,
    /// Let webhook and Vault stores reach link-local addresses and the clouds' metadata services, where a tenant's store could pick up the credentials of the node
    #[arg(long, num_args = 0..=1, require_equals = true, default_value_t = false, default_missing_value = "true", action = clap::ArgAction::Set)]
    unsafe_allow_link_local_webhooks: bool,
    /// An unchanged refresh writes status.refreshTime only when the stored one is older than this
    #[arg(long, default_value = "5m0s", value_parser = duration)]
    status_interval: Duration,
    #[command(flatten)]
    admission: webhook::PartFlags,
    /// Keep the cluster's issuer published, verified and measured, as ClusterIssuerPublications say (`keyless issuer crd`)
    #[arg(long, num_args = 0..=1, require_equals = true, default_value_t = false, default_missing_value = "true", action = clap::ArgAction::Set)]
    enable_issuer_publications: bool,
    #[command(flatten)]
    ignored: Ignored,
}

/// A duration as Go writes it, longer than nothing.
///
/// # Errors
/// It is none.
pub fn duration(text: &str) -> Result<Duration, String> {
    let duration = keyless_api::GoDuration::parse(text).map_err(|e| e.to_string())?;
    duration
        .positive()
        .ok_or_else(|| format!("{text} is not more than nothing"))
}

fn address(text: &str) -> Option<String> {
    (!text.is_empty() && text != "0").then(|| text.to_owned())
}

impl Flags {
    fn options(&self, identity: &str) -> Options {
        let defaults = Options::default();
        Options {
            metrics_addr: address(&self.metrics_addr),
            live_addr: address(&self.live_addr),
            controller_class: self.controller_class.clone(),
            namespace: (!self.namespace.is_empty()).then(|| self.namespace.clone()),
            secret_namespaces: self.secret_namespaces.clone(),
            // ESO's default is one worker, which is what its users suffer from: only a larger wish is followed.
            writers: self
                .concurrent
                .map_or(defaults.writers, |n| n.max(defaults.writers)),
            secret_stores: self.enable_secret_store_reconciler,
            cluster_secret_stores: self.enable_cluster_store_reconciler,
            cluster_external_secrets: self.enable_cluster_external_secret_reconciler,
            store_requeue_interval: self.store_requeue_interval,
            flood_gate: self.enable_flood_gate,
            generic_targets: self.unsafe_allow_generic_targets,
            link_local_webhooks: self.unsafe_allow_link_local_webhooks,
            template_left_delimiter: self.template_left_delimiter.clone(),
            template_right_delimiter: self.template_right_delimiter.clone(),
            extended_metric_labels: self.enable_extended_metric_labels,
            status_interval: self.status_interval,
            leader_election: self.enable_leader_election.then(|| LeaderElection {
                id: self.leader_election_id.clone(),
                lease_duration: self.leader_election_lease_duration,
                renew_deadline: self.leader_election_renew_deadline,
                retry_period: self.leader_election_retry_period,
                ..LeaderElection::new(own_namespace(), identity)
            }),
            ..defaults
        }
    }
}

/// The pod's namespace, or `default` outside a cluster.
pub fn own_namespace() -> String {
    std::env::var("POD_NAMESPACE")
        .ok()
        .or_else(|| {
            std::fs::read_to_string("/var/run/secrets/kubernetes.io/serviceaccount/namespace").ok()
        })
        .map(|n| n.trim().to_owned())
        .filter(|n| !n.is_empty())
        .unwrap_or_else(|| "default".to_owned())
}

/// A level or filter as given, with the levels of zap that tracing does not have.
fn level_of(given: &str) -> &str {
    match given {
        "dpanic" | "panic" | "fatal" => "error",
        given => given,
    }
}

/// Log lines on standard error: for people on a terminal, JSON elsewhere.
pub fn log(level: &str) -> Result<()> {
    use std::io::IsTerminal as _;
    let filter = EnvFilter::try_new(format!(
        "{},{}",
        level_of(level),
        keyless_identity::sdk::LOG_LIMIT
    ))
    .with_context(|| format!("--loglevel {level:?} is no level and no filter"))?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    if std::io::stderr().is_terminal() {
        builder
            .with_ansi(std::env::var_os("NO_COLOR").is_none())
            .init();
    } else {
        builder.json().init();
    }
    Ok(())
}

/// Runs the operator until SIGTERM or Ctrl-C.
pub fn run(flags: Flags) -> Result<Outcome> {
    log(&flags.loglevel)?;
    if let Some(names) = flags.ignored.line() {
        tracing::warn!(
            flags = names,
            "accepted without effect; `keyless controller --help` says why"
        );
    }
    let beside = if flags.admission.is_on() {
        let options = flags
            .admission
            .options(None, &own_namespace(), &webhook::identity());
        match options {
            Ok(options) => Some(options),
            Err(wrong) => return Ok(Outcome::WrongUse(wrong)),
        }
    } else {
        None
    };
    // One thread: the operator waits for others nearly all of its time, and a second thread
    // costs memory and locks for nothing.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the async runtime")?;
    runtime.block_on(async move {
        let config = cluster::config(&flags.cluster).await?;
        let clients = keyless_controller::connect(&config).await?;
        let part = match flags.enable_issuer_publications {
            true => {
                let election = LeaderElection::new(own_namespace(), webhook::identity());
                Some(issuer::keep::Part::new(config.clone(), &clients, election)?)
            }
            false => None,
        };
        let health = part.as_ref().map(issuer::keep::Part::health);
        let kept = move || {
            health
                .as_ref()
                .map(keyless_issuer::keep::metrics)
                .unwrap_or_default()
        };
        let operator = Operator::with_environment(
            clients,
            Environment::from_process(),
            flags.options(&webhook::identity()),
        )?;
        let work = async {
            let Some(options) = beside else {
                let ended = operator.also_measuring(kept).run(shutdown()).await;
                return ended.context("the operator ended");
            };
            let beside = webhook::Beside::start(config, options)?;
            let measured = beside.measured();
            let operator = operator.also_measuring(move || measured.render() + &kept());
            beside.run_with(operator.run(shutdown())).await?;
            Ok(())
        };
        issuer::keep::beside(part, work).await?;
        Ok(Outcome::Fine)
    })
}

/// Completes at SIGTERM or Ctrl-C.
pub async fn shutdown() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = tokio::signal::ctrl_c() => {}
            }
        }
        Err(_) => {
            let _ = tokio::signal::ctrl_c().await;
        }
    }
}

#[cfg(test)]
mod tests;

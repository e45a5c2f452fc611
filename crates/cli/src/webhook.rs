//! `keyless webhook`: the admission server on its own. `keyless controller --inject …` runs the
//! same beside the operator.

mod beside;
mod certificate;
mod clouds;
mod settings;
mod upstream;

pub use beside::Beside;
pub use clouds::Name as CloudName;
pub use settings::settings;

use std::time::Duration;

use anyhow::{Context, Result};
use keyless_admission::{Options, Webhook};
use keyless_kubernetes::{Clients, LeaderElection};

use crate::cluster;
use crate::controller::{log, own_namespace, shutdown};
use crate::outcome::Outcome;

/// Flags of `keyless webhook`.
#[derive(clap::Args)]
pub struct Flags {
    #[command(flatten)]
    cluster: cluster::Flags,
    #[command(flatten)]
    part: PartFlags,
    #[command(flatten)]
    upstream: upstream::Flags,
    /// Address of /metrics; 0 serves none
    #[arg(
        long,
        default_value = ":8080",
        alias = "metrics-bind-address",
        value_name = "ADDRESS"
    )]
    metrics_addr: String,
    /// Address of /healthz and /readyz; 0 serves none. Both are served over HTTPS too
    #[arg(long, default_value = ":8081", aliases = ["health-addr", "health-probe-bind-address"], value_name = "ADDRESS")]
    healthz_addr: String,
    /// error, warn, info, debug or trace; or a filter such as keyless_admission=debug
    #[arg(long, default_value = "info", value_name = "LEVEL")]
    loglevel: String,
}

/// Flags of the admission server, wherever it runs.
#[derive(clap::Args)]
#[group(skip)]
pub struct PartFlags {
    /// Inject tokens into pods for these clouds: aws, azure, google
    #[arg(
        long,
        value_delimiter = ',',
        value_name = "CLOUDS",
        help_heading = "Admission"
    )]
    inject: Vec<clouds::Name>,
    /// Validate ExternalSecrets and stores; the CRDs' own rules cover most of it. `keyless webhook` does where it is not told to inject
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL", help_heading = "Admission")]
    validate: Option<bool>,
    /// Port of the HTTPS server
    #[arg(
        long = "port",
        visible_alias = "webhook-port",
        default_value_t = 10250,
        value_name = "PORT",
        help_heading = "Admission"
    )]
    port: u16,
    #[command(flatten)]
    certificate: certificate::Flags,
    #[command(flatten)]
    clouds: clouds::Flags,
    /// MutatingWebhookConfigurations whose authorities are kept
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "keyless-injection",
        value_name = "NAMES",
        help_heading = "Admission"
    )]
    mutating_webhook_configuration: Vec<String>,
    /// ValidatingWebhookConfigurations whose authorities are kept, where the custom resources are validated
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "externalsecret-validate,secretstore-validate",
        value_name = "NAMES",
        help_heading = "Admission"
    )]
    validating_webhook_configuration: Vec<String>,
    /// How often pods are looked for that lack a token because nobody was there to inject it; they are named by an Event and a metric. 0 does not look
    #[arg(long, default_value = "5m", value_parser = period, value_name = "PERIOD", help_heading = "Admission")]
    missed_pods_interval: Option<Duration>,
    /// How long requests are still answered after the end was asked for
    #[arg(long, default_value = "5s", value_parser = crate::controller::duration, value_name = "PERIOD", help_heading = "Admission")]
    webhook_drain: Duration,
}

/// A period; `0` is none. clap takes the option for a flag that need not be given, and here it
/// always is.
fn period(text: &str) -> Result<Duration, String> {
    if matches!(text, "0" | "0s") {
        return Ok(Duration::ZERO);
    }
    crate::controller::duration(text)
}

impl PartFlags {
    /// Whether anything is to be served.
    pub fn is_on(&self) -> bool {
        !self.inject.is_empty() || self.validate == Some(true)
    }

    /// The settings that the flags stand for.
    ///
    /// # Errors
    /// What is wrong with them, for their user.
    pub fn options(
        &self,
        upstream: Option<&upstream::Flags>,
        namespace: &str,
        identity: &str,
    ) -> Result<Options, String> {
        let injectors = self.clouds.injectors(&self.inject, upstream)?;
        let injects = injectors.clouds().next().is_some();
        let aws = injectors.aws.is_some();
        let validate = self.validate.unwrap_or(!injects);
        let sweep = self.missed_pods_interval.filter(|every| !every.is_zero());
        Ok(Options {
            address: format!("0.0.0.0:{}", self.port),
            certificate: self.certificate.source(namespace),
            tls: self.certificate.oldest(),
            aws_config_map: aws && self.clouds.watch_config_map,
            aws_identities: self
                .clouds
                .watch_container_credentials_config
                .clone()
                .filter(|_| aws),
            injectors,
            validate,
            namespace: namespace.to_owned(),
            mutating: if injects {
                self.mutating_webhook_configuration.clone()
            } else {
                Vec::new()
            },
            validating: if validate {
                self.validating_webhook_configuration.clone()
            } else {
                Vec::new()
            },
            sweep: sweep.filter(|_| injects),
            election: Some(LeaderElection {
                id: "keyless-missed-pods".into(),
                ..LeaderElection::new(namespace, identity)
            }),
            drain: self.webhook_drain,
        })
    }
}

/// What an admission server does that its API server's version decides.
pub async fn adapted(clients: &Clients, mut options: Options) -> Options {
    if let Some(azure) = &mut options.injectors.azure {
        azure.native_sidecar = clouds::knows_sidecars(clients).await;
    }
    options
}

/// Runs the server until SIGTERM or Ctrl-C.
pub fn run(flags: Flags) -> Result<Outcome> {
    log(&flags.loglevel)?;
    for name in flags.upstream.ignored() {
        tracing::warn!(
            flag = name,
            "accepted without effect, see `keyless webhook --help`"
        );
    }
    let namespace = flags.upstream.namespace.clone();
    let namespace = namespace.unwrap_or_else(own_namespace);
    let options = flags
        .part
        .options(Some(&flags.upstream), &namespace, &identity());
    let mut options = match options {
        Ok(options) => options,
        Err(wrong) => return Ok(Outcome::WrongUse(wrong)),
    };
    let metrics_addr = flags.upstream.metrics_addr(&flags.metrics_addr);
    let healthz_addr = flags.healthz_addr.clone();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the async runtime")?;
    runtime.block_on(async move {
        let config = cluster::config(&flags.cluster).await?;
        let clients = keyless_kubernetes::connect(&config).await?;
        options = adapted(&clients, options).await;
        let webhook = Webhook::new(clients, options);
        let (measured, ready) = (webhook.measured(), webhook.ready());
        let listeners = keyless_metrics::Listeners::bind(&metrics_addr, &healthz_addr).await?;
        let serving = listeners.serve(move || measured.render(), ready);
        tokio::select! {
            ended = webhook.run(shutdown()) => ended.context("the admission server ended")?,
            ended = serving => ended.context("metrics and health checks ended")?,
        }
        Ok(Outcome::Fine)
    })
}

/// What tells this process from the others.
pub fn identity() -> String {
    let host = std::env::var("HOSTNAME").unwrap_or_else(|_| "keyless".to_owned());
    format!("{host}_{:08x}", std::process::id())
}

#[cfg(test)]
mod tests;

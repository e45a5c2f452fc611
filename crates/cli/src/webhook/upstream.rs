//! Flags of the clouds' own webhooks that stand for another flag here, or for nothing.
//!
//! Owns: names that two of those webhooks share: they count for the one that is switched on, and
//! are refused as ambiguous where both are.

use keyless_admission::cloud::Injectors;

const HEADING: &str = "As the clouds' own webhooks have them";

/// Flags of the clouds' own webhooks.
#[derive(clap::Args)]
#[group(skip)]
pub struct Flags {
    /// --aws-annotation-prefix or --google-annotation-prefix, whichever is switched on
    #[arg(long, value_name = "PREFIX", help_heading = HEADING)]
    annotation_prefix: Option<String>,
    /// --aws-token-audience or --google-token-audience, whichever is switched on
    #[arg(long, value_name = "AUDIENCE", help_heading = HEADING)]
    token_audience: Option<String>,
    /// --aws-token-expiration (seconds) or --google-token-expiration (a period), whichever is switched on
    #[arg(long, value_name = "LIFE", help_heading = HEADING)]
    token_expiration: Option<String>,
    /// Namespace of Secret, ConfigMap and Lease; default: the pod's own
    #[arg(long, value_name = "NAME", help_heading = HEADING)]
    pub namespace: Option<String>,
    /// --metrics-addr :PORT
    #[arg(long, value_name = "PORT", help_heading = HEADING)]
    metrics_port: Option<u16>,
    /// No effect: a service account that the cache does not know is read live
    #[arg(long, value_name = "PERIOD", help_heading = HEADING)]
    service_account_lookup_grace_period: Option<String>,
    /// No effect: watches need no resync
    #[arg(long, value_name = "PERIOD", help_heading = HEADING)]
    resync_period: Option<String>,
    /// No effect: where the certificate comes from is said by --cert-dir, --tls-cert and --secret-name
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL", help_heading = HEADING)]
    in_cluster: Option<String>,
    /// No effect: the cipher suites are those that are known to be sound
    #[arg(long, aliases = ["tls-cipher-suites"], value_name = "NAMES", help_heading = HEADING)]
    tls_ciphers: Option<String>,
    /// No effect: certificates are looked at all the time
    #[arg(long, value_name = "PERIOD", help_heading = HEADING)]
    check_interval: Option<String>,
    /// No effect: a certificate is replaced when a third of its life is left
    #[arg(long, value_name = "PERIOD", help_heading = HEADING)]
    lookahead_interval: Option<String>,
    /// No effect: Prometheus is the only one
    #[arg(long, value_name = "NAME", help_heading = HEADING)]
    metrics_backend: Option<String>,
    /// No effect: HTTP/2 is used wherever the peer speaks it
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL", help_heading = HEADING)]
    enable_http2: Option<String>,
    /// No effect: log times are RFC 3339
    #[arg(long, value_name = "NAME", help_heading = HEADING)]
    zap_time_encoding: Option<String>,
}

impl Flags {
    /// The flags that were given and mean nothing.
    pub fn ignored(&self) -> Vec<&'static str> {
        [
            (
                "--service-account-lookup-grace-period",
                &self.service_account_lookup_grace_period,
            ),
            ("--resync-period", &self.resync_period),
            ("--in-cluster", &self.in_cluster),
            ("--tls-ciphers", &self.tls_ciphers),
            ("--check-interval", &self.check_interval),
            ("--lookahead-interval", &self.lookahead_interval),
            ("--metrics-backend", &self.metrics_backend),
            ("--enable-http2", &self.enable_http2),
            ("--zap-time-encoding", &self.zap_time_encoding),
        ]
        .into_iter()
        .filter_map(|(name, given)| given.is_some().then_some(name))
        .collect()
    }

    /// Where metrics are served.
    pub fn metrics_addr(&self, addr: &str) -> String {
        match self.metrics_port {
            None => addr.to_owned(),
            Some(port) => format!(":{port}"),
        }
    }

    /// Puts the shared names where they belong.
    ///
    /// # Errors
    /// Two clouds are switched on that both have the flag, or none, or its value is wrong.
    pub fn apply(&self, injectors: &mut Injectors) -> Result<(), String> {
        let both = injectors.aws.is_some() && injectors.google.is_some();
        let none = injectors.aws.is_none() && injectors.google.is_none();
        for (name, given) in [
            ("annotation-prefix", &self.annotation_prefix),
            ("token-audience", &self.token_audience),
            ("token-expiration", &self.token_expiration),
        ] {
            if given.is_none() {
                continue;
            }
            if both {
                return Err(format!(
                    "--{name} could be AWS' or Google's: give --aws-{name} or --google-{name}"
                ));
            }
            if none {
                return Err(format!(
                    "--{name} belongs to AWS or Google, and neither is in --inject"
                ));
            }
        }
        if let Some(aws) = &mut injectors.aws {
            set(&mut aws.annotation_prefix, &self.annotation_prefix);
            set(&mut aws.token_audience, &self.token_audience);
            if let Some(life) = &self.token_expiration {
                aws.token_expiration = life
                    .parse()
                    .map_err(|_| format!("--token-expiration {life:?} is no number of seconds"))?;
            }
        }
        if let Some(google) = &mut injectors.google {
            set(&mut google.annotation_prefix, &self.annotation_prefix);
            set(&mut google.token_audience, &self.token_audience);
            if let Some(life) = &self.token_expiration {
                let life = crate::controller::duration(life)
                    .map_err(|why| format!("--token-expiration {life:?}: {why}"))?;
                google.token_expiration = i64::try_from(life.as_secs()).unwrap_or(i64::MAX);
            }
        }
        Ok(())
    }
}

fn set(into: &mut String, given: &Option<String>) {
    if let Some(given) = given {
        into.clone_from(given);
    }
}

//! Flags of External Secrets Operator's controller that mean nothing here.
//!
//! Owns: their names, and why each has no effect. A Deployment written for ESO starts with them;
//! one line in the log names those that were given. Refuses: their values, which nobody reads.

use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command};

/// A flag: its name, whether it takes a value, and why it has no effect.
struct Flag(&'static str, Takes, &'static str);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Takes {
    /// `--flag`, `--flag=true` or `--flag=false`.
    Switch,
    /// `--flag VALUE` or `--flag=VALUE`.
    Value,
}
use Takes::{Switch, Value};

const NO_CACHE: &str = "bodies of Secrets and ConfigMaps are never cached";
const SESSION: &str = "one session for each identity is always kept, and given back";
const NO_PROVIDER: &str = "the provider is not acted upon";
const NO_PUSH: &str = "PushSecrets are not acted upon";
const NO_GENERATOR: &str = "generators are not acted upon";
const PLAIN: &str = "metrics are served in plain HTTP to whoever reaches the port; a NetworkPolicy keeps others out";

const FLAGS: &[Flag] = &[
    Flag(
        "client-qps",
        Value,
        "the API server's own priority and fairness limits the operator",
    ),
    Flag("client-burst", Value, "see --client-qps"),
    Flag("enable-secrets-caching", Switch, NO_CACHE),
    Flag("enable-configmaps-caching", Switch, NO_CACHE),
    Flag(
        "enable-managed-secrets-caching",
        Switch,
        "managed Secrets are always watched, by metadata",
    ),
    Flag(
        "enable-secret-api-read-on-cache-mismatch",
        Switch,
        "there is no cache that could mismatch",
    ),
    Flag("zap-time-encoding", Value, "log times are RFC 3339"),
    Flag(
        "enable-http2",
        Switch,
        "HTTP/2 is used wherever the peer speaks it",
    ),
    Flag("metrics-secure", Switch, PLAIN),
    Flag("metrics-auth", Switch, PLAIN),
    Flag("metrics-cert-dir", Value, PLAIN),
    Flag("metrics-cert-name", Value, PLAIN),
    Flag("metrics-key-name", Value, PLAIN),
    Flag("enable-push-secret-reconciler", Switch, NO_PUSH),
    Flag("enable-cluster-push-secret-reconciler", Switch, NO_PUSH),
    Flag("enable-generator-state", Switch, NO_GENERATOR),
    Flag("generator-gc-grace-period", Value, NO_GENERATOR),
    Flag("enable-vault-token-cache", Switch, SESSION),
    Flag("vault-token-cache-size", Value, SESSION),
    Flag("experimental-enable-vault-token-cache", Switch, SESSION),
    Flag("experimental-vault-token-cache-size", Value, SESSION),
    Flag("experimental-enable-aws-session-cache", Switch, SESSION),
    Flag(
        "experimental-enable-doppler-oidc-cache",
        Switch,
        NO_PROVIDER,
    ),
    Flag("experimental-doppler-oidc-cache-size", Value, NO_PROVIDER),
    Flag("doppler-etag-cache-size", Value, NO_PROVIDER),
    Flag("pulumi-oidc-cache-size", Value, NO_PROVIDER),
    Flag("mysterybox-tokens-cache-size", Value, NO_PROVIDER),
    Flag("mysterybox-connections-cache-size", Value, NO_PROVIDER),
];

/// Those that were given.
#[derive(Debug)]
pub struct Ignored(Vec<&'static str>);

impl Ignored {
    /// Their names with dashes, for one line in the log; `None` if there are none.
    pub fn line(&self) -> Option<String> {
        let names: Vec<String> = self.0.iter().map(|name| format!("--{name}")).collect();
        (!names.is_empty()).then(|| names.join(", "))
    }
}

/// Why the flag `name` (without dashes) has no effect, if it is one of these.
pub fn why(name: &str) -> Option<&'static str> {
    let flag = FLAGS.iter().find(|flag| flag.0 == name);
    flag.map(|flag| flag.2)
}

impl clap::FromArgMatches for Ignored {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let given = |flag: &&Flag| matches.value_source(flag.0) == Some(ValueSource::CommandLine);
        Ok(Self(FLAGS.iter().filter(given).map(|f| f.0).collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl clap::Args for Ignored {
    fn augment_args(command: Command) -> Command {
        FLAGS.iter().fold(command, |command, flag| {
            let arg = Arg::new(flag.0)
                .long(flag.0)
                .help(format!("No effect: {}", flag.2))
                .help_heading("Accepted without effect");
            command.arg(match flag.1 {
                Switch => arg
                    .num_args(0..=1)
                    .require_equals(true)
                    .default_missing_value("true")
                    .value_name("BOOL"),
                Value => arg
                    .num_args(1)
                    .allow_hyphen_values(true)
                    .value_name("VALUE"),
            })
        })
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

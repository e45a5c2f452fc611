use clap::Parser as _;

use super::*;
use crate::args::{Cli, Command};

fn flags(arguments: &[&str]) -> Result<Flags, String> {
    let all = ["keyless", "controller"].iter().chain(arguments);
    match Cli::try_parse_from(all) {
        Ok(Cli {
            command: Command::Controller(flags),
        }) => Ok(*flags),
        Ok(_) => Err("another command".into()),
        Err(error) => Err(error.to_string()),
    }
}

/// Every flag of External Secrets Operator 2.9's controller, as a Deployment gives it: with its
/// default where it has one.
const ESO: &[&str] = &[
    "--metrics-addr=:8080",
    "--metrics-auth=false",
    "--metrics-secure=false",
    "--metrics-cert-dir=",
    "--metrics-cert-name=tls.crt",
    "--metrics-key-name=tls.key",
    "--live-addr=:8082",
    "--controller-class=default",
    "--namespace=",
    "--concurrent=1",
    "--client-qps=50",
    "--client-burst=100",
    "--enable-leader-election=false",
    "--leader-election-id=external-secrets-controller",
    "--leader-election-lease-duration=15s",
    "--leader-election-renew-deadline=10s",
    "--leader-election-retry-period=2s",
    "--loglevel=info",
    "--zap-time-encoding=epoch",
    "--enable-secret-store-reconciler=true",
    "--enable-cluster-store-reconciler=true",
    "--enable-cluster-external-secret-reconciler=true",
    "--enable-push-secret-reconciler=true",
    "--enable-cluster-push-secret-reconciler=true",
    "--enable-secrets-caching=false",
    "--enable-configmaps-caching=false",
    "--enable-managed-secrets-caching=true",
    "--enable-secret-api-read-on-cache-mismatch=true",
    "--store-requeue-interval=5m",
    "--enable-flood-gate=true",
    "--enable-generator-state=true",
    "--generator-gc-grace-period=2m",
    "--enable-extended-metric-labels=false",
    "--enable-http2=false",
    "--unsafe-allow-generic-targets=false",
    "--template-left-delimiter={{",
    "--template-right-delimiter=}}",
    "--enable-vault-token-cache=false",
    "--vault-token-cache-size=262144",
    "--experimental-enable-vault-token-cache=false",
    "--experimental-vault-token-cache-size=262144",
    "--experimental-enable-doppler-oidc-cache=false",
    "--experimental-doppler-oidc-cache-size=1",
    "--doppler-etag-cache-size=1",
    "--pulumi-oidc-cache-size=1",
    "--mysterybox-tokens-cache-size=1",
    "--mysterybox-connections-cache-size=1",
];

#[test]
fn every_flag_of_eso_is_accepted_together() {
    let parsed = flags(ESO).unwrap();
    let line = parsed.ignored.line().unwrap();
    assert!(line.starts_with("--client-qps, --client-burst, "), "{line}");
    let options = parsed.options("me");
    assert_eq!(options.template_left_delimiter, "{{");
    assert_eq!(options.store_requeue_interval, Duration::from_secs(300));
    // Each one is either honoured, and then not named, or named with its reason.
    for flag in ESO {
        let name = flag.trim_start_matches('-').split('=').next().unwrap();
        let named = line.split(", ").any(|n| n.trim_start_matches('-') == name);
        assert_eq!(named, ignored::why(name).is_some(), "{name}");
    }
}

#[test]
fn switches_need_no_value_and_values_may_stand_apart() {
    let parsed = flags(&[
        "--enable-leader-election",
        "--enable-push-secret-reconciler",
        "--concurrent",
        "64",
        "--client-qps",
        "10",
    ])
    .unwrap();
    assert_eq!(
        parsed.ignored.line().as_deref(),
        Some("--client-qps, --enable-push-secret-reconciler")
    );
    let options = parsed.options("me");
    assert!(options.leader_election.is_some());
    assert_eq!(options.writers, 64);
}

#[test]
fn the_last_of_a_repeated_flag_counts() {
    let parsed = flags(&[
        "--concurrent=40",
        "--enable-flood-gate=true",
        "--client-qps=1",
        "--concurrent=50",
        "--enable-flood-gate=false",
        "--client-qps=2",
    ])
    .unwrap();
    let options = parsed.options("me");
    assert_eq!((options.writers, options.flood_gate), (50, false));
}

#[test]
fn nothing_is_said_of_flags_that_were_not_given() {
    assert_eq!(flags(&[]).unwrap().ignored.line(), None);
}

#[test]
fn a_flag_that_nobody_knows_is_refused() {
    let error = flags(&["--enable-everything"]).err().unwrap();
    assert!(error.contains("--enable-everything"), "{error}");
}

#[test]
fn levels_of_zap_are_understood() {
    for (given, meant) in [
        ("info", "info"),
        ("dpanic", "error"),
        ("panic", "error"),
        ("fatal", "error"),
        ("keyless_controller=debug", "keyless_controller=debug"),
    ] {
        assert_eq!(level_of(given), meant);
    }
}

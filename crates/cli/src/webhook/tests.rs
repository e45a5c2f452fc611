//! Flags as the three webhooks and External Secrets Operator's have them.

use clap::Parser as _;
use keyless_admission::cloud::Cloud;
use keyless_admission::inject::aws;

use super::*;

#[derive(clap::Parser)]
struct Command {
    #[command(flatten)]
    flags: Flags,
}

fn options(arguments: &[&str]) -> Result<Options, String> {
    let arguments = std::iter::once("webhook").chain(arguments.iter().copied());
    let command = Command::try_parse_from(arguments).map_err(|e| e.to_string())?;
    let Flags { part, upstream, .. } = command.flags;
    part.options(Some(&upstream), "ns", "me")
}

#[test]
fn the_flags_of_the_aws_webhook() {
    // As kops starts it, and with what else it has.
    let made = options(&[
        "--inject=aws",
        "--port=443",
        "--tls-cert=/certs/tls.crt",
        "--tls-key=/certs/tls.key",
        "--in-cluster=false",
        "--namespace=kube-system",
        "--service-name=pod-identity-webhook",
        "--annotation-prefix=example.com",
        "--token-audience=custom",
        "--token-expiration=3600",
        "--aws-default-region=eu-central-1",
        "--sts-regional-endpoint",
        "--watch-config-map",
        "--service-account-lookup-grace-period=100ms",
        "--metrics-port=9999",
        "--tls-min-version=1.2",
    ])
    .unwrap();
    let settings = made.injectors.aws.unwrap();
    let wanted = aws::Settings {
        annotation_prefix: "example.com".into(),
        token_audience: "custom".into(),
        token_expiration: 3600,
        region: Some("eu-central-1".into()),
        sts_regional_endpoint: true,
        ..aws::Settings::default()
    };
    assert_eq!(settings, wanted);
    assert!(made.aws_config_map && !made.validate);
    assert!(matches!(
        made.certificate,
        keyless_admission::CertificateSource::Files(_)
    ));
}

#[test]
fn the_flags_of_the_azure_webhook() {
    let made = options(&[
        "--inject=azure",
        "--audience=custom",
        "--azure-tenant-id=t",
        "--azure-environment=AzureChinaCloud",
        "--webhook-cert-dir=/certs",
        "--health-addr=:9440",
        "--tls-min-version=1.3",
        "--metrics-addr=:8095",
        "--metrics-backend=prometheus",
    ])
    .unwrap();
    let settings = made.injectors.azure.unwrap();
    assert_eq!((&*settings.audience, &*settings.tenant_id), ("custom", "t"));
    assert_eq!(settings.authority_host, "https://login.chinacloudapi.cn/");
}

#[test]
fn the_flags_of_the_google_webhook() {
    let made = options(&[
        "--inject=gcp",
        "--annotation-prefix=example.com",
        "--token-expiration=2h",
        "--gcp-default-region=europe-west3",
        "--token-default-mode=0444",
        "--setup-container-resources={\"requests\":{\"cpu\":\"1\"}}",
        "--health-probe-bind-address=:8081",
        "--metrics-bind-address=:8080",
    ])
    .unwrap();
    let settings = made.injectors.google.unwrap();
    assert_eq!(settings.annotation_prefix, "example.com");
    assert_eq!(
        (settings.token_expiration, settings.token_default_mode),
        (7200, 0o444)
    );
    assert!(settings.setup_resources.is_some());
}

#[test]
fn the_flags_of_the_operators_own_webhook() {
    let made = options(&[
        "--port=10250",
        "--dns-name=external-secrets-webhook.external-secrets.svc",
        "--cert-dir=/tmp/certs",
        "--check-interval=5m",
        "--metrics-addr=:8080",
        "--healthz-addr=:8081",
        "--loglevel=info",
        "--zap-time-encoding=epoch",
    ])
    .unwrap();
    assert!(made.validate && made.mutating.is_empty() && made.sweep.is_none());
    assert_eq!(
        made.validating,
        ["externalsecret-validate", "secretstore-validate"]
    );
    assert_eq!(made.injectors.clouds().count(), 0);
}

#[test]
fn what_is_ambiguous_or_missing_is_said() {
    for (arguments, wanted) in [
        (
            &["--inject=aws,google", "--token-audience=x"][..],
            "--aws-token-audience or --google-token-audience",
        ),
        (
            &[
                "--inject=azure",
                "--azure-tenant-id=t",
                "--annotation-prefix=x",
            ],
            "neither is in --inject",
        ),
        (&["--inject=oracle"], "none of aws, azure and google"),
        (
            &["--inject=aws", "--token-expiration=1h"],
            "no number of seconds",
        ),
        (
            &["--inject=google", "--setup-container-resources=[]"],
            "no JSON object",
        ),
        (&["--inject=aws", "--compose-role-arn"], "aws-account-id"),
        (
            &[
                "--inject=azure",
                "--azure-tenant-id=t",
                "--azure-environment=Mars",
            ],
            "no Azure cloud named",
        ),
    ] {
        let error = options(arguments).unwrap_err();
        assert!(error.contains(wanted), "{arguments:?}: {error}");
    }
    if std::env::var_os("AZURE_TENANT_ID").is_none() {
        let error = options(&["--inject=azure"]).unwrap_err();
        assert!(error.contains("AZURE_TENANT_ID"), "{error}");
    }
    let both = options(&[
        "--inject=aws,google",
        "--aws-token-audience=a",
        "--google-token-audience=g",
    ])
    .unwrap();
    let clouds: Vec<Cloud> = both.injectors.clouds().collect();
    assert_eq!(clouds, [Cloud::Aws, Cloud::Google]);
}

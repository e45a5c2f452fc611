//! The real clients: boto3 and the AWS CLI against this AWS on a loopback TLS listener.
//!
//! They live in a virtual environment that the first run makes.

use std::path::Path;
use std::process::Command;

use super::*;
use crate::judges;
use crate::tls::Serving;

const PACKAGES: [&str; 2] = ["boto3==1.44.8", "awscli==1.46.3"];

async fn serve(tls: &Tls, aws: &Aws) -> Serving {
    tls.serve(Tls::listen(0).await.unwrap(), aws.router())
}

#[tokio::test(flavor = "multi_thread")]
async fn boto3_and_the_aws_cli() {
    let python = match tokio::task::spawn_blocking(|| judges::python("python", &PACKAGES))
        .await
        .unwrap()
    {
        Ok(python) => python,
        Err(reason) => {
            eprintln!("SKIPPED: boto3 and the AWS CLI did not judge the sandbox: {reason}");
            return;
        }
    };
    let clock = Clock::default();
    let tls = Tls::new().unwrap();
    let issuer = Issuer::start(&tls, clock.clone(), 0, None).await.unwrap();
    let aws = Aws::new(AwsOptions {
        clock: clock.clone(),
        roots: tls.ca_pem().to_owned(),
        ..AwsOptions::default()
    });
    let serving = serve(&tls, &aws).await;
    let home = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = home.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let now = clock.unix();
    let claims = json!({"iss": issuer.url(), "sub": SUBJECT, "aud": [AUDIENCE], "iat": now, "nbf": now, "exp": now + 3600});
    let token = issuer.sign(claims.to_string().as_bytes()).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/judges/aws.py");
    let mut command = Command::new(python);
    command
        .arg(script)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", home.path())
        .env(
            "AWS_ENDPOINT_URL",
            format!("https://localhost:{}", serving.address().port()),
        )
        .env("AWS_CA_BUNDLE", file("ca.pem", tls.ca_pem()))
        .env("AWS_DEFAULT_REGION", aws.region())
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_ROLE_ARN", format!("arn:aws:iam::{ACCOUNT}:role/judge"))
        .env("AWS_WEB_IDENTITY_TOKEN_FILE", file("token", &token))
        .env("KEYLESS_ISSUER", issuer.url())
        .env("KEYLESS_SUBJECT", SUBJECT)
        .env("KEYLESS_ADMIN_ID", &aws.admin_key().id)
        .env("KEYLESS_ADMIN_SECRET", &aws.admin_key().secret);
    judges::verdict("boto3 and the AWS CLI", command).await;
    assert!(aws.calls("sts", "AssumeRoleWithWebIdentity").total > 3);
}

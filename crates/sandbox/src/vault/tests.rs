//! The real client: hvac against this Vault on a loopback TLS listener.
//!
//! It lives in a virtual environment that the first run makes.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::json;

use super::*;
use crate::issuer::{Issuer, Mint};
use crate::judges;
use crate::kube;
use crate::tls::Tls;

const PACKAGES: [&str; 1] = ["hvac==2.4.0"];

#[tokio::test(flavor = "multi_thread")]
async fn hvac() {
    let python = match tokio::task::spawn_blocking(|| judges::python("python-vault", &PACKAGES))
        .await
        .unwrap()
    {
        Ok(python) => python,
        Err(reason) => {
            eprintln!("SKIPPED: hvac did not judge the sandbox: {reason}");
            return;
        }
    };
    let clock = Clock::default();
    let tls = Tls::new().unwrap();
    let issuer = Issuer::start(&tls, clock.clone(), 0, None).await.unwrap();
    let options = kube::Options::new(clock.clone(), issuer.clone(), tls.clone());
    let cluster = kube::Server::start(options).await.unwrap();
    let vault = Vault::new(VaultOptions {
        clock: clock.clone(),
        roots: tls.ca_pem().to_owned(),
        ..VaultOptions::default()
    });
    vault.put_directory_user("judge", "dir-p4ss", &["readers"]);
    let serving = tls.serve_asking(Tls::listen(0).await.unwrap(), vault.router());
    // The cluster's own default account stands for the application, and reviews for Vault with
    // the administrator's token.
    let uid = loop {
        match cluster.service_account_uid("default", "default") {
            Some(uid) => break uid,
            None => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    };
    let mint = |audience: &str| {
        let audiences = [audience.to_owned()];
        let (token, _) = issuer
            .mint(Mint {
                namespace: "default",
                service_account: "default",
                uid: &uid,
                audiences: &audiences,
                ttl: Duration::from_secs(3600),
                pod: None,
                secret: None,
            })
            .unwrap();
        token
    };
    let subject = "system:serviceaccount:default:default";
    let now = clock.unix();
    let expired = json!({"iss": issuer.url(), "sub": subject, "aud": ["vault"], "iat": now - 7200, "nbf": now - 7200, "exp": now - 3600});
    let expired = issuer.sign(expired.to_string().as_bytes()).unwrap();
    let shown = rcgen::generate_simple_self_signed(["judge.example".to_owned()]).unwrap();
    let home = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = home.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/judges/vault.py");
    let mut command = Command::new(python);
    command
        .arg(script)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", home.path())
        .env(
            "VAULT_ADDR",
            format!("https://localhost:{}", serving.address().port()),
        )
        .env("VAULT_CACERT", file("ca.pem", tls.ca_pem()))
        .env("VAULT_TOKEN", vault.root_token())
        .env("KEYLESS_ISSUER", issuer.url())
        .env("KEYLESS_SUBJECT", subject)
        .env("KEYLESS_TOKEN", mint("vault"))
        .env("KEYLESS_EXPIRED", expired)
        .env("KEYLESS_KUBERNETES", cluster.url())
        .env("KEYLESS_API_TOKEN", mint(cluster.audience()))
        .env("KEYLESS_REVIEWER", cluster.admin_token())
        .env("KEYLESS_CERTIFICATE", file("client.crt", &shown.cert.pem()))
        .env(
            "KEYLESS_KEY",
            file("client.key", &shown.signing_key.serialize_pem()),
        );
    judges::verdict("hvac", command).await;
    assert!(vault.calls("write auth/jwt/login") > 10);
}

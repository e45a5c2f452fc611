//! A real Kubernetes API on loopback: etcd, kube-apiserver and the controllers that a test can
//! feel, for scenario tests and benchmarks; and a real Vault.
//!
//! Owns: the processes, their flags, their end. Refuses: building them (`cargo xtask testbed`,
//! `cargo xtask vault`).

mod child;
mod replicas;
mod vault;

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

pub use crate::child::Server;
pub use crate::replicas::{Replicas, Signing};
pub use crate::vault::Vault;

const ADMIN_TOKEN: &str = "scenario-admin";
const START_LIMIT: Duration = Duration::from_secs(90);

/// The running control plane; stops when dropped.
pub struct ControlPlane {
    /// Where kubectl finds it.
    pub kubeconfig: PathBuf,
    /// `https://127.0.0.1:PORT`.
    pub url: String,
    /// The API server's certificate, which is its own authority.
    pub ca_pem: Vec<u8>,
    /// Where the API server notes every request, one JSON object a line, if it was asked to.
    pub audit_log: Option<PathBuf>,
    _servers: Vec<Server>,
    _dir: TempDir,
}

/// How the control plane signs service account tokens.
pub struct ServiceAccountIssuer<'a> {
    /// `iss` of every token.
    pub url: &'a str,
    /// PKCS#8 or PKCS#1 PEM of the signing key.
    pub private_key_pem: &'a str,
    /// Public keys, PEM.
    pub public_key_pem: &'a str,
}

impl ControlPlane {
    /// Starts the programs in `bin` and waits until the API server is ready. `controllers` are
    /// garbage collection and service accounts; without them the server's counters show nobody
    /// else's requests.
    pub async fn start(
        bin: &Path,
        issuer: &ServiceAccountIssuer<'_>,
        controllers: bool,
    ) -> Result<Self> {
        Self::start_with(bin, issuer, controllers, false).await
    }

    /// The same, with every request noted in [`Self::audit_log`], and with owner references
    /// checked as OpenShift does: who blocks an owner's deletion must have a right to.
    pub async fn start_audited(bin: &Path, issuer: &ServiceAccountIssuer<'_>) -> Result<Self> {
        Self::start_with(bin, issuer, true, true).await
    }

    async fn start_with(
        bin: &Path,
        issuer: &ServiceAccountIssuer<'_>,
        controllers: bool,
        audit: bool,
    ) -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("keyless-real-").tempdir()?;
        let root = dir.path();
        let ports = free_ports(4)?;
        let [etcd, peer, api, kcm] = ports.as_slice() else {
            bail!("no free ports")
        };
        let url = format!("https://127.0.0.1:{api}");
        let kubeconfig = write_files(root, &url, issuer)?;
        let audit_log = audit.then(|| root.join("audit.log"));
        let mut flags_of_api = api_flags(root, *etcd, *api, issuer.url);
        if let Some(log) = &audit_log {
            flags_of_api.extend(audit_flags(root, log)?);
        }
        let mut servers = vec![
            Server::spawn(
                &bin.join("etcd"),
                &etcd_flags(root, *etcd, *peer),
                &root.join("etcd.log"),
            )?,
            Server::spawn(
                &bin.join("kube-apiserver"),
                &flags_of_api,
                &root.join("kube-apiserver.log"),
            )?,
        ];
        let ca_pem = wait_ready(root, &url, &mut servers).await?;
        if controllers {
            servers.push(Server::spawn(
                &bin.join("kube-controller-manager"),
                &controller_flags(root, &kubeconfig, *kcm),
                &root.join("kube-controller-manager.log"),
            )?);
        }
        Ok(Self {
            kubeconfig,
            url,
            ca_pem,
            audit_log,
            _servers: servers,
            _dir: dir,
        })
    }

    /// The administrator's bearer token.
    #[must_use]
    pub fn admin_token(&self) -> &'static str {
        ADMIN_TOKEN
    }
}

/// Ports that were free a moment ago.
fn free_ports(count: usize) -> Result<Vec<u16>> {
    let listeners: Vec<TcpListener> = (0..count)
        .map(|_| TcpListener::bind("127.0.0.1:0"))
        .collect::<Result<_, _>>()?;
    listeners
        .iter()
        .map(|l| Ok(l.local_addr()?.port()))
        .collect()
}

fn write_files(root: &Path, url: &str, issuer: &ServiceAccountIssuer<'_>) -> Result<PathBuf> {
    fs::write(root.join("sa.key"), issuer.private_key_pem)?;
    fs::write(root.join("sa.pub"), issuer.public_key_pem)?;
    fs::write(
        root.join("tokens.csv"),
        format!("{ADMIN_TOKEN},admin,admin,\"system:masters\"\n"),
    )?;
    let kubeconfig = root.join("kubeconfig");
    fs::write(
        &kubeconfig,
        format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: real\n\
             clusters: [{{name: real, cluster: {{server: \"{url}\", certificate-authority: \"{}\"}}}}]\n\
             users: [{{name: admin, user: {{token: \"{ADMIN_TOKEN}\"}}}}]\n\
             contexts: [{{name: real, context: {{cluster: real, user: admin}}}}]\n",
            root.join("certs/apiserver.crt").display()
        ),
    )?;
    Ok(kubeconfig)
}

fn flags(list: &[(&str, String)]) -> Vec<String> {
    list.iter()
        .map(|(name, value)| format!("--{name}={value}"))
        .collect()
}

fn etcd_flags(root: &Path, client: u16, peer: u16) -> Vec<String> {
    let client = format!("http://127.0.0.1:{client}");
    let peer = format!("http://127.0.0.1:{peer}");
    flags(&[
        ("data-dir", root.join("etcd").display().to_string()),
        ("unsafe-no-fsync", "true".into()),
        ("log-level", "warn".into()),
        ("listen-client-urls", client.clone()),
        ("advertise-client-urls", client),
        ("listen-peer-urls", peer.clone()),
        ("initial-advertise-peer-urls", peer.clone()),
        ("initial-cluster", format!("default={peer}")),
    ])
}

fn api_flags(root: &Path, etcd: u16, port: u16, issuer: &str) -> Vec<String> {
    let file = |name: &str| root.join(name).display().to_string();
    flags(&[
        ("etcd-servers", format!("http://127.0.0.1:{etcd}")),
        ("secure-port", port.to_string()),
        ("bind-address", "127.0.0.1".into()),
        ("advertise-address", "127.0.0.1".into()),
        // Without this a server that advertises loopback ends at once.
        ("endpoint-reconciler-type", "none".into()),
        ("cert-dir", file("certs")),
        ("authorization-mode", "RBAC".into()),
        ("token-auth-file", file("tokens.csv")),
        ("service-account-issuer", issuer.to_owned()),
        (
            "service-account-jwks-uri",
            format!("{issuer}/openid/v1/jwks"),
        ),
        ("service-account-key-file", file("sa.pub")),
        ("service-account-signing-key-file", file("sa.key")),
        ("api-audiences", "https://kubernetes.default.svc".into()),
        ("service-cluster-ip-range", "10.0.0.0/24".into()),
    ])
}

fn audit_flags(root: &Path, log: &Path) -> Result<Vec<String>> {
    let policy = root.join("audit-policy.yaml");
    let text = "apiVersion: audit.k8s.io/v1\nkind: Policy\nomitStages: [RequestReceived]\nrules: [{level: Metadata}]\n";
    fs::write(&policy, text)?;
    Ok(flags(&[
        ("audit-policy-file", policy.display().to_string()),
        ("audit-log-path", log.display().to_string()),
        (
            "enable-admission-plugins",
            "OwnerReferencesPermissionEnforcement".into(),
        ),
    ]))
}

fn controller_flags(root: &Path, kubeconfig: &Path, port: u16) -> Vec<String> {
    flags(&[
        ("kubeconfig", kubeconfig.display().to_string()),
        ("leader-elect", "false".into()),
        ("bind-address", "127.0.0.1".into()),
        ("secure-port", port.to_string()),
        ("cert-dir", root.join("kcm").display().to_string()),
        ("use-service-account-credentials", "false".into()),
        ("service-account-private-key-file", root.join("sa.key").display().to_string()),
        ("root-ca-file", root.join("certs/apiserver.crt").display().to_string()),
        (
            "controllers",
            "garbage-collector-controller,namespace-controller,serviceaccount-controller,root-ca-certificate-publisher-controller".into(),
        ),
    ])
}

/// Polls `/readyz`; answers with the server's certificate. A server that ended, or took too
/// long, is an error that quotes its log.
async fn wait_ready(root: &Path, url: &str, servers: &mut [Server]) -> Result<Vec<u8>> {
    let begin = Instant::now();
    let certificate = root.join("certs/apiserver.crt");
    let mut client = None;
    loop {
        if servers.iter_mut().any(Server::ended) || begin.elapsed() > START_LIMIT {
            let log = fs::read_to_string(root.join("kube-apiserver.log")).unwrap_or_default();
            let tail: Vec<&str> = log.lines().rev().take(15).collect();
            bail!(
                "kube-apiserver did not become ready; the end of its log, newest first:\n{}",
                tail.join("\n")
            );
        }
        if client.is_none() && certificate.exists() {
            let pem = fs::read(&certificate)?;
            client = reqwest::Certificate::from_pem(&pem)
                .and_then(|ca| reqwest::Client::builder().tls_certs_only([ca]).build())
                .ok()
                .map(|client| (client, pem));
        }
        if let Some((http, pem)) = &client {
            let answer = http
                .get(format!("{url}/readyz"))
                .bearer_auth(ADMIN_TOKEN)
                .send()
                .await;
            if answer.is_ok_and(|a| a.status().is_success()) {
                return Ok(pem.clone());
            }
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// The folder of the test bed, from `KEYLESS_TESTBED`.
///
/// # Errors
/// When the variable is unset: `cargo xtask test` sets it.
pub fn testbed() -> Result<PathBuf> {
    let dir = std::env::var_os("KEYLESS_TESTBED")
        .context("KEYLESS_TESTBED is not set: run `cargo xtask test`")?;
    Ok(PathBuf::from(dir))
}

//! The real client, hvac, against this Vault on a loopback TLS listener; and the same checks against
//! a real Vault, so that a check that holds here only shows where this one is not like that.
//!
//! hvac lives in a virtual environment that the first run makes. `KEYLESS_VAULT` names the real
//! server's program (`cargo xtask vault`).

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::issuer::{Issuer, Mint};
use crate::judges;
use crate::kube;
use crate::tls::Tls;

const PACKAGES: [&str; 1] = ["hvac==2.4.0"];

/// What newer servers, and the sandbox with them, say in other words, as JSON; and words of parsers,
/// which are their own.
const NEWER: [(&str, &str); 6] = [
    (
        r"2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n",
        "permission denied",
    ),
    ("invalid role or secret ID", "invalid secret id"),
    (
        "invalid certificate or no client certificate supplied",
        "client certificate must be supplied",
    ),
    (
        r#" if \"bound_service_account_namespace_selector\" is not set"#,
        "",
    ),
    (r#"expected \"\\\"\" before \"{\""#, "unclosed"),
    (
        "At 1:8: object expected closing RBRACE got: EOF",
        "unclosed",
    ),
];

/// The interpreter that has hvac, or none with a loud word.
async fn python() -> Option<PathBuf> {
    let found = tokio::task::spawn_blocking(|| judges::python("python-vault", &PACKAGES));
    found
        .await
        .unwrap()
        .map_err(|reason| eprintln!("SKIPPED: hvac did not judge any Vault: {reason}"))
        .ok()
}

/// A cluster with its issuer, beside the server that is judged.
struct Beside {
    clock: Clock,
    tls: Tls,
    issuer: Issuer,
    cluster: kube::Server,
    home: tempfile::TempDir,
}

impl Beside {
    async fn new() -> Self {
        let clock = Clock::default();
        let tls = Tls::new().unwrap();
        let issuer = Issuer::start(&tls, clock.clone(), 0, None).await.unwrap();
        let options = kube::Options::new(clock.clone(), issuer.clone(), tls.clone());
        let cluster = kube::Server::start(options).await.unwrap();
        // Who reviews for Vault may.
        let binding = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": "reviews"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "system:auth-delegator"},
            "subjects": [{"kind": "ServiceAccount", "name": "default", "namespace": "default"}],
        });
        let request = http::Request::post("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings")
            .header(http::header::CONTENT_TYPE, "application/json")
            .body(binding.to_string().into_bytes())
            .unwrap();
        let client = ::kube::Client::new(cluster.router(), "default");
        client.request::<Value>(request).await.unwrap();
        Self {
            clock,
            tls,
            issuer,
            cluster,
            home: tempfile::tempdir().unwrap(),
        }
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.home.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    /// The judge, with everything but where the server is.
    async fn judge(&self, python: &Path) -> Command {
        // The cluster's own default account stands for the application, and reviews for Vault.
        let uid = loop {
            match self.cluster.service_account_uid("default", "default") {
                Some(uid) => break uid,
                None => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        };
        let mint = |audience: &str| {
            let audiences = [audience.to_owned()];
            let (token, _) = self
                .issuer
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
        let now = self.clock.unix();
        let signed = |from: i64, to: i64| {
            let claims = json!({"iss": self.issuer.url(), "sub": subject, "aud": ["vault"], "iat": from, "nbf": from, "exp": to});
            self.issuer.sign(claims.to_string().as_bytes()).unwrap()
        };
        let shown = rcgen::generate_simple_self_signed(["judge.example".to_owned()]).unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/judges/vault.py");
        let mut command = Command::new(python);
        command
            .arg(script)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.home.path())
            .env("KEYLESS_ISSUER", self.issuer.url())
            .env(
                "KEYLESS_AUTHORITY",
                self.file("cluster.pem", self.tls.ca_pem()),
            )
            .env("KEYLESS_SUBJECT", subject)
            .env("KEYLESS_TOKEN", mint("vault"))
            .env("KEYLESS_EXPIRED", signed(now - 7200, now - 3600))
            .env("KEYLESS_FUTURE", signed(now + 3600, now + 7200))
            .env("KEYLESS_KUBERNETES", self.cluster.url())
            .env("KEYLESS_API_TOKEN", mint(self.cluster.audience()))
            .env("KEYLESS_REVIEWER", mint(self.cluster.audience()))
            .env("KEYLESS_ANSWERS", self.home.path().join("answers"))
            .env("KEYLESS_PUBLIC", shown.signing_key.public_key_pem())
            .env(
                "KEYLESS_CERTIFICATE",
                self.file("client.crt", &shown.cert.pem()),
            )
            .env(
                "KEYLESS_KEY",
                self.file("client.key", &shown.signing_key.serialize_pem()),
            );
        command
    }
}

impl Beside {
    /// Runs the judge against the server at `url`; what that answered, call by call.
    async fn verdict(
        &self,
        name: &str,
        mut judge: Command,
        url: &str,
        authority: &Path,
        token: &str,
    ) -> Vec<Value> {
        judge
            .env("VAULT_ADDR", url)
            .env("VAULT_CACERT", authority)
            .env("VAULT_TOKEN", token);
        judges::verdict(name, judge).await;
        let answers = std::fs::read_to_string(self.home.path().join("answers")).unwrap();
        serde_json::from_str(&answers).unwrap()
    }

    /// The same against a sandbox's Vault; `change` may set more.
    async fn at_sandbox(&self, python: &Path, change: impl FnOnce(&mut Command)) -> Vec<Value> {
        let vault = Vault::new(VaultOptions {
            clock: self.clock.clone(),
            roots: self.tls.ca_pem().to_owned(),
            ..VaultOptions::default()
        });
        vault.put_directory_user("judge", "dir-p4ss", &["readers"]);
        let serving = self
            .tls
            .serve_asking(Tls::listen(0).await.unwrap(), vault.router());
        let mut judge = self.judge(python).await;
        change(&mut judge);
        let url = format!("https://localhost:{}", serving.address().port());
        let authority = self.file("ca.pem", self.tls.ca_pem());
        let answers = self
            .verdict("hvac", judge, &url, &authority, vault.root_token())
            .await;
        assert!(vault.calls("write auth/jwt/login") > 10);
        answers
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hvac() {
    if let Some(python) = python().await {
        Beside::new().await.at_sandbox(&python, |_| {}).await;
    }
}

/// The same checks, but for a directory that only the sandbox has, and namespaces, which the free
/// server does not know; and both servers refuse in the same words.
#[tokio::test(flavor = "multi_thread")]
async fn hvac_at_a_real_vault() {
    let Some(program) = std::env::var_os("KEYLESS_VAULT") else {
        eprintln!(
            "SKIPPED: KEYLESS_VAULT is not set: no real Vault was asked the same as the sandbox"
        );
        return;
    };
    let Some(python) = python().await else { return };
    let start = move || keyless_controlplane::Vault::start(Path::new(&program));
    let vault = tokio::task::spawn_blocking(start).await.unwrap().unwrap();
    let beside = Beside::new().await;
    let mut judge = beside.judge(&python).await;
    judge.env("KEYLESS_REAL", "1");
    let real = beside
        .verdict(
            "hvac at a real Vault",
            judge,
            &vault.url,
            &vault.authority,
            &vault.token,
        )
        .await;
    let ours = beside
        .at_sandbox(&python, |judge| {
            judge.env("KEYLESS_REAL", "1");
        })
        .await;
    assert_eq!(real.len(), ours.len());
    let told = |answer: &Value| {
        let text = answer.to_string();
        NEWER
            .iter()
            .fold(text, |text, (newer, older)| text.replace(newer, older))
    };
    let pairs = real.iter().zip(&ours);
    let pairs = pairs.map(|(real, ours)| (told(real), told(ours)));
    let different: Vec<_> = pairs.filter(|(real, ours)| real != ours).collect();
    assert!(
        different.is_empty(),
        "{} of {}: {different:#?}",
        different.len(),
        real.len()
    );
}

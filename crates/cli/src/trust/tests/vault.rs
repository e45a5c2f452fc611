//! A rendered script, run by the real `vault` CLI: against a real Vault and against the sandbox's.
//!
//! `KEYLESS_VAULT` names the program, which is also the server; `cargo xtask vault` builds it.

use std::path::{Path, PathBuf};
use std::process::Command as Process;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::run;
use crate::outcome::Outcome;
use crate::sandbox::objects::ready;
use crate::sandbox::stage::Stage;

const ACCOUNT: &str = include_str!("../../../../../examples/vault/service-account.yaml");
const JWT: &str = include_str!("../../../../../examples/vault/secret-store-jwt.yaml");
const KUBERNETES: &str = include_str!("../../../../../examples/vault/secret-store-kubernetes.yaml");
const EXTERNAL_SECRET: &str = include_str!("../../../../../examples/vault/external-secret.yaml");
const NAMESPACE: &str = "/api/v1/namespaces/default";
const GROUP: &str = "/apis/external-secrets.io/v1/namespaces/default";

/// The program, or none with a loud word.
fn program() -> Option<PathBuf> {
    let program = std::env::var_os("KEYLESS_VAULT").map(PathBuf::from);
    if program.is_none() {
        eprintln!("SKIPPED: KEYLESS_VAULT is not set: no real vault runs the rendered script");
    }
    program
}

/// A server, by what its clients need to know.
struct Server {
    url: String,
    token: String,
    /// A file.
    authority: PathBuf,
    _running: Option<keyless_controlplane::Vault>,
}

impl Server {
    fn real(program: &Path) -> Self {
        let vault = keyless_controlplane::Vault::start(program).unwrap();
        Self {
            url: vault.url.clone(),
            token: vault.token.clone(),
            authority: vault.authority.clone(),
            _running: Some(vault),
        }
    }

    fn sandbox(stage: &Stage) -> Self {
        Self {
            url: stage.sandbox.vault_url(),
            token: stage.sandbox.vault.root_token().to_owned(),
            authority: stage.authority.clone(),
            _running: None,
        }
    }

    /// The CLI as the administrator; it must end well.
    fn shell(&self, program: &Path, script: &str) -> String {
        let folder = program.parent().unwrap().display();
        let path = std::env::var("PATH").unwrap();
        let output = Process::new("sh")
            .arg("-c")
            .arg(script)
            .env_clear()
            .env("PATH", format!("{folder}:{path}"))
            .env("HOME", self.authority.parent().unwrap())
            .env("BAO", program)
            .env("VAULT_ADDR", &self.url)
            .env("VAULT_CACERT", &self.authority)
            .env("VAULT_TOKEN", &self.token)
            .output()
            .unwrap();
        let err = String::from_utf8_lossy(&output.stderr);
        let out = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{err}\n{out}\n{script}");
        out.into_owned()
    }
}

/// The example's objects, with this server's address and authority.
async fn apply(stage: &Stage, server: &Server) {
    let authority = STANDARD.encode(std::fs::read(&server.authority).unwrap());
    let document = |text| serde_saphyr::from_str::<Value>(text).unwrap();
    let account = document(ACCOUNT);
    let path = format!("{NAMESPACE}/serviceaccounts/app");
    stage.objects.apply(&path, &account).await.unwrap();
    // The server has no reviewer of its own: it asks with the token that logs in.
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": "app-reviews"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "system:auth-delegator"},
        "subjects": [{"kind": "ServiceAccount", "name": "app", "namespace": "default"}],
    });
    let path = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/app-reviews";
    stage.objects.apply(path, &binding).await.unwrap();
    for (store, text, secret) in [
        ("vault", JWT, "by-jwt"),
        ("vault-kubernetes", KUBERNETES, "by-review"),
    ] {
        let mut object = document(text);
        object["spec"]["provider"]["vault"]["server"] = json!(server.url);
        object["spec"]["provider"]["vault"]["caBundle"] = json!(authority);
        let path = format!("{GROUP}/secretstores/{store}");
        stage.objects.apply(&path, &object).await.unwrap();
        let mut object = document(EXTERNAL_SECRET);
        object["metadata"]["name"] = json!(secret);
        object["spec"]["secretStoreRef"]["name"] = json!(store);
        let path = format!("{GROUP}/externalsecrets/{secret}");
        stage.objects.apply(&path, &object).await.unwrap();
    }
}

/// Both objects sync.
async fn syncs(stage: &Stage) {
    for secret in ["by-jwt", "by-review"] {
        let path = format!("{GROUP}/externalsecrets/{secret}");
        let poke = json!({"metadata": {"annotations": {"external-secrets.io/force-sync": "1"}}});
        stage.objects.patch(&path, &poke).await.unwrap();
        let synced = |o: &Value| ready(o).0 == "True";
        stage.objects.require(&path, "ready", synced).await.unwrap();
        let path = format!("{NAMESPACE}/secrets/{secret}");
        let object = stage.objects.get(&path).await.unwrap().unwrap();
        assert_eq!(
            object["data"]["DB_PASSWORD"],
            STANDARD.encode("from nothing")
        );
    }
}

/// From nothing to two synced Secrets: the plan of a live cluster, rendered as a script, run by
/// the CLI against a server that knows no method yet, by both methods.
fn story(program: &Path, server: impl FnOnce(&Stage) -> Server) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let stage = runtime.block_on(Stage::start(None)).unwrap();
    let server = server(&stage);
    runtime.block_on(apply(&stage, &server));
    let arguments = format!(
        "render vault -o shell --kubeconfig {} --vault-issuer-ca {ca} --vault-kubernetes-host {} --vault-kubernetes-ca {ca}",
        stage.kubeconfig.display(),
        stage.sandbox.kube.url(),
        ca = stage.authority.display(),
    );
    let (script, outcome) = run(&arguments);
    assert!(matches!(outcome, Outcome::Fine), "{outcome:?}");
    server.shell(
        program,
        "\"$BAO\" kv put -mount=secret app/db password='from nothing'",
    );
    // Twice: what exists already is no reason to fail.
    for _ in 0..2 {
        server.shell(program, &script);
    }
    runtime.block_on(syncs(&stage));
    let read = server.shell(program, "\"$BAO\" read -format=json auth/jwt/role/app");
    assert!(read.contains("system:serviceaccount:default:app"), "{read}");
    runtime.block_on(stage.stop()).unwrap();
}

#[test]
fn a_real_vault_takes_the_rendered_script() {
    if let Some(program) = program() {
        story(&program, |_| Server::real(&program));
    }
}

#[test]
fn the_sandboxs_vault_takes_the_rendered_script() {
    if let Some(program) = program() {
        story(&program, Server::sandbox);
    }
}

//! A real API server with nothing in it, whose issuer the sandbox's clouds can trust.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use keyless_controlplane::{ControlPlane, ServiceAccountIssuer};
use keyless_sandbox::{Sandbox, SandboxOptions};
use serde_json::Value;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::until;

/// The cluster and the clouds.
pub struct Cluster {
    /// The clouds, and the issuer that both use.
    pub sandbox: Sandbox,
    /// The API server.
    pub plane: ControlPlane,
    /// For the test's own files.
    pub folder: TempDir,
    kubectl: PathBuf,
    // Last, so that what runs on it ends first.
    runtime: Runtime,
}

impl Cluster {
    /// A fresh one, if its programs are there.
    pub fn start() -> Option<Self> {
        let Some(bin) = std::env::var_os("KEYLESS_TESTBED").map(PathBuf::from) else {
            eprintln!(
                "!!! NOT RUN: the installation on a real kube-apiserver: KEYLESS_TESTBED is not set, run `cargo xtask test`"
            );
            return None;
        };
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let folder = tempfile::Builder::new()
            .prefix("keyless-install-")
            .tempdir()
            .unwrap();
        let (sandbox, plane) = runtime.block_on(async {
            let data = Some(folder.path().join("sandbox"));
            let sandbox = Sandbox::start(SandboxOptions { data }).await.unwrap();
            let key = sandbox.signing_key_pem().unwrap();
            let issuer = ServiceAccountIssuer {
                url: sandbox.issuer.url(),
                private_key_pem: &key,
                public_key_pem: &key,
            };
            let plane = ControlPlane::start_audited(&bin, &issuer).await.unwrap();
            (sandbox, plane)
        });
        Some(Self {
            sandbox,
            plane,
            folder,
            kubectl: bin.join("kubectl"),
            runtime,
        })
    }

    /// Standard output of kubectl, or standard error if it failed.
    pub fn try_kubectl(&self, arguments: &[&str], stdin: &str) -> Result<String, String> {
        use std::io::Write as _;
        let mut child = Command::new(&self.kubectl)
            .env("KUBECONFIG", &self.plane.kubeconfig)
            .env("HOME", self.folder.path())
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child
            .stdin
            .take()
            .unwrap()
            .write_all(stdin.as_bytes())
            .unwrap();
        let output = child.wait_with_output().unwrap();
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        if output.status.success() {
            Ok(text(&output.stdout))
        } else {
            Err(text(&output.stderr))
        }
    }

    /// The same for a command that must not fail.
    pub fn kubectl(&self, arguments: &[&str]) -> String {
        self.try_kubectl(arguments, "")
            .unwrap_or_else(|error| panic!("kubectl {arguments:?}: {error}"))
    }

    /// Runs what is asynchronous: the sandbox's own handles.
    pub fn wait<F: Future>(&self, future: F) -> F::Output {
        self.runtime.block_on(future)
    }

    /// Applies manifests, once their kinds are served.
    pub fn apply(&self, manifests: &str) {
        until("the manifests being accepted", || {
            let applied = self.try_kubectl(&["apply", "-f", "-"], manifests);
            match applied {
                Ok(_) => Some(()),
                // A definition was made a moment ago.
                Err(error) if error.contains("no matches for kind") => None,
                Err(error) => panic!("{error}"),
            }
        });
    }

    /// The object, if it exists.
    pub fn get(&self, kind: &str, namespace: &str, name: &str) -> Option<Value> {
        let of = format!("--namespace={namespace}");
        let arguments = ["get", kind, name, &of, "-o", "json"];
        let text = self.try_kubectl(&arguments, "").ok()?;
        Some(serde_json::from_str(&text).unwrap())
    }

    /// A kubeconfig that holds the rights of this service account, and nothing else.
    pub fn kubeconfig_of(&self, namespace: &str, account: &str) -> PathBuf {
        let token = self.kubectl(&["create", "token", account, "--namespace", namespace]);
        let ca = self.folder.path().join("api-ca.pem");
        std::fs::write(&ca, &self.plane.ca_pem).unwrap();
        let file = self
            .folder
            .path()
            .join(format!("kubeconfig-{namespace}-{account}"));
        let text = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: own\n\
             clusters: [{{name: own, cluster: {{server: \"{}\", certificate-authority: \"{}\"}}}}]\n\
             users: [{{name: own, user: {{token: \"{}\"}}}}]\n\
             contexts: [{{name: own, context: {{cluster: own, user: own}}}}]\n",
            self.plane.url,
            ca.display(),
            token.trim()
        );
        std::fs::write(&file, text).unwrap();
        file
    }

    /// A projected token of this service account, in a file.
    pub fn project(&self, namespace: &str, account: &str, audience: &str, name: &str) -> PathBuf {
        let file = self.folder.path().join(name);
        // A task renews it.
        let _entered = self.runtime.enter();
        self.sandbox
            .project_token(namespace, account, &[audience], &file)
            .unwrap();
        file
    }

    /// The audit log of the API server.
    pub fn audit_log(&self) -> &Path {
        self.plane.audit_log.as_deref().unwrap()
    }
}

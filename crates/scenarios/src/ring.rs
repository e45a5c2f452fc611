//! The two rings: the same operator and the same AWS on two Kubernetes APIs.

use std::future::Future;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use http::header::AUTHORIZATION;
use http::{HeaderValue, Request};
use keyless_controlplane::{ControlPlane, ServiceAccountIssuer};
use keyless_sandbox::aws::Aws;
use keyless_sandbox::azure::{Azure, Identity};
use keyless_sandbox::{Sandbox, SandboxOptions};
use kube::client::Body;
use kube::config::{KubeConfigOptions, Kubeconfig};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tower::ServiceExt as _;

use crate::api::Api;
use crate::log::Log;
use crate::operator::Running;

/// Which Kubernetes API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The sandbox's, in this process.
    Sandbox,
    /// etcd and kube-apiserver.
    Real,
}

/// One ring, shared by all scenarios of a test binary.
pub struct Ring {
    /// Which.
    pub kind: Kind,
    /// The API as its administrator sees it.
    pub api: Api,
    /// The emulated clouds and the issuer.
    pub sandbox: Sandbox,
    /// How the operator connects.
    pub config: RingClient,
    /// The operator's projected token, as a kubelet would keep it.
    pub operator_token: PathBuf,
    /// The same for Azure: one token per audience.
    pub azure_token: PathBuf,
    /// The managed identity that the operator's own service account stands for.
    pub azure_operator: Identity,
    runtime: Runtime,
    metrics_addr: String,
    control_plane: Option<ControlPlane>,
    _folder: TempDir,
    operator: std::sync::Mutex<Option<Running>>,
}

/// What an operator needs to reach the ring's API.
#[derive(Clone)]
pub enum RingClient {
    /// A client that calls the sandbox's router.
    InProcess(kube::Client),
    /// A configuration to connect with.
    Config(Box<kube::Config>),
}

/// The account that every scenario uses.
pub const ACCOUNT: &str = "111122223333";

impl Ring {
    /// The ring of `kind`, started on first use; `None` if its programs are missing.
    ///
    /// # Errors
    /// When it cannot be started; the same error for every scenario.
    pub fn get(kind: Kind) -> Result<Option<&'static Self>> {
        static SANDBOX: OnceLock<Result<Option<Ring>, String>> = OnceLock::new();
        static REAL: OnceLock<Result<Option<Ring>, String>> = OnceLock::new();
        let cell = match kind {
            Kind::Sandbox => &SANDBOX,
            Kind::Real => &REAL,
        };
        match cell.get_or_init(|| Self::start(kind).map_err(|e| format!("{e:#}"))) {
            Ok(ring) => Ok(ring.as_ref()),
            Err(error) => Err(anyhow!("the ring could not be started: {error}")),
        }
    }

    /// Runs a scenario's future on the ring's threads.
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.runtime.handle().block_on(future)
    }

    /// What an operator needs that shows the bearer token `token`.
    ///
    /// # Errors
    /// The token cannot stand in a header.
    pub fn client_of(&self, token: &str) -> Result<RingClient> {
        match &self.config {
            RingClient::InProcess(_) => {
                let bearer = HeaderValue::from_str(&format!("Bearer {token}"))?;
                let router = self.sandbox.kube.router();
                let service = router.map_request(move |mut request: Request<Body>| {
                    request.headers_mut().insert(AUTHORIZATION, bearer.clone());
                    request
                });
                Ok(RingClient::InProcess(kube::Client::new(service, "default")))
            }
            RingClient::Config(admin) => {
                let mut config = kube::Config::new(admin.cluster_url.clone());
                config.root_cert.clone_from(&admin.root_cert);
                config.connect_timeout = admin.connect_timeout;
                config.auth_info.token = Some(token.to_owned().into());
                Ok(RingClient::Config(Box::new(config)))
            }
        }
    }

    /// The emulated AWS.
    pub fn aws(&self) -> &Aws {
        &self.sandbox.aws
    }

    /// Address and authority (PEM) of the Kubernetes API over TLS.
    pub fn kubernetes(&self) -> (String, String) {
        match &self.control_plane {
            Some(real) => (
                real.url.clone(),
                String::from_utf8_lossy(&real.ca_pem).into_owned(),
            ),
            None => (
                self.sandbox.kube.url(),
                self.sandbox.kube.ca_pem().to_owned(),
            ),
        }
    }

    /// The emulated Azure.
    pub fn azure(&self) -> &Azure {
        &self.sandbox.azure
    }

    #[allow(clippy::print_stderr, reason = "what was not run must be seen")]
    fn start(kind: Kind) -> Result<Option<Self>> {
        let bin = std::env::var_os("KEYLESS_TESTBED").map(PathBuf::from);
        if kind == Kind::Real && bin.is_none() {
            eprintln!(
                "!!! NOT RUN: scenarios on a real kube-apiserver: KEYLESS_TESTBED is not set, run `cargo xtask test`"
            );
            return Ok(None);
        }
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        Log::global();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()?;
        let folder = tempfile::Builder::new().prefix("keyless-ring-").tempdir()?;
        let (sandbox, control_plane, config) = runtime.block_on(servers(kind, bin, &folder))?;
        let entered = runtime.enter();
        let client = match &config {
            RingClient::InProcess(client) => client.clone(),
            RingClient::Config(config) => kube::Client::try_from((**config).clone())?,
        };
        drop(entered);
        let ring = Self {
            kind,
            api: Api::new(client),
            operator_token: folder.path().join("operator-token"),
            azure_token: folder.path().join("azure-token"),
            azure_operator: sandbox.azure.create_managed_identity("operator"),
            sandbox,
            config,
            runtime,
            metrics_addr: free_address()?,
            control_plane,
            _folder: folder,
            operator: std::sync::Mutex::new(None),
        };
        ring.block_on(ring.furnish())
            .context("cannot furnish the ring")?;
        ring.start_operator()?;
        Ok(Some(ring))
    }

    /// Starts the ring's operator unless it runs.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start_operator(&self) -> Result<()> {
        let mut operator = self.operator.lock().map_err(|_| anyhow!("poisoned"))?;
        if operator.is_none() {
            let wish = crate::operator::Wish {
                metrics_addr: Some(self.metrics_addr.clone()),
                ..crate::operator::Wish::default()
            };
            *operator = Some(Running::start(self, wish)?);
        }
        Ok(())
    }

    /// Stops the ring's operator; the scenario must have the ring alone. It is started again
    /// when the scenario has ended.
    ///
    /// # Errors
    /// When it ended with an error.
    pub async fn stop_operator(&self) -> Result<()> {
        let running = {
            let mut operator = self.operator.lock().map_err(|_| anyhow!("poisoned"))?;
            operator.take()
        };
        match running {
            Some(running) => running.stop().await,
            None => Ok(()),
        }
    }

    /// What the ring's operator serves at /metrics.
    ///
    /// # Errors
    /// When it serves nothing.
    pub async fn metrics(&self) -> Result<String> {
        metrics_at(&self.metrics_addr).await
    }

    /// CRDs, one object older than their schema, and the operator's own service account.
    async fn furnish(&self) -> Result<()> {
        self.apply_crds(true).await?;
        self.api.namespace(MALFORMED, json!({})).await?;
        let malformed = json!({
            "apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret", "metadata": {"name": "relic", "namespace": MALFORMED},
            "spec": {"refreshInterval": "1h", "secretStoreRef": {"name": "store"}, "data": "this was a list once"},
        });
        crate::api::eventually("the CRD being served", || async {
            Ok(self.api.try_create(&malformed).await?.ok())
        })
        .await?;
        for (name, template) in forged() {
            self.api
                .create(&json!({
                    "apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret", "metadata": {"name": name, "namespace": MALFORMED},
                    "spec": {"secretStoreRef": {"name": "store"}, "target": {"template": template},
                        "data": [{"secretKey": "a", "remoteRef": {"key": "k"}}]},
                }))
                .await?;
        }
        self.apply_crds(false).await?;
        self.api
            .create(&json!({
                "apiVersion": "external-secrets.io/v1", "kind": "SecretStore", "metadata": {"name": "store", "namespace": MALFORMED},
                "spec": {"provider": {"fake": {"data": [{"key": "k", "value": "v"}]}}},
            }))
            .await?;
        self.api.namespace("external-secrets", json!({})).await?;
        self.api
            .create(&json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "external-secrets", "namespace": "external-secrets"}}))
            .await?;
        self.sandbox.project_token(
            "external-secrets",
            "external-secrets",
            &["sts.amazonaws.com"],
            &self.operator_token,
        )?;
        self.sandbox.project_token(
            "external-secrets",
            "external-secrets",
            &["api://AzureADTokenExchange"],
            &self.azure_token,
        )?;
        self.sandbox
            .run_on_gke("external-secrets", "external-secrets", None);
        Ok(())
    }

    async fn apply_crds(&self, loose: bool) -> Result<()> {
        for mut crd in keyless_api::crds() {
            let name = crd
                .pointer("/metadata/name")
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned();
            if loose {
                for version in crd
                    .pointer_mut("/spec/versions")
                    .and_then(Value::as_array_mut)
                    .into_iter()
                    .flatten()
                {
                    version["schema"] = json!({"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}});
                    if let Some(fields) = version.as_object_mut() {
                        fields.remove("selectableFields");
                    }
                }
                self.api.create(&crd).await?;
            } else {
                let present = self
                    .api
                    .get("CustomResourceDefinition", "", &name)
                    .await?
                    .context("the CRD is gone")?;
                crd["metadata"]["resourceVersion"] = present["metadata"]["resourceVersion"].clone();
                self.api.replace(&crd).await?;
            }
            let established = |c: &Value| {
                let list = c.pointer("/status/conditions").and_then(Value::as_array);
                list.is_some_and(|l| {
                    l.iter()
                        .any(|c| c["type"] == "Established" && c["status"] == "True")
                })
            };
            self.api
                .until(
                    "CustomResourceDefinition",
                    "",
                    &name,
                    "established",
                    established,
                )
                .await?;
        }
        if !loose {
            // The new schema is in force when an invalid object is refused.
            crate::api::eventually("the schema being in force", || async {
                let bad = json!({
                    "apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret", "metadata": {"name": "refused", "namespace": MALFORMED},
                    "spec": {"data": "not a list"},
                });
                match self.api.try_create(&bad).await? {
                    Ok(_) => {
                        self.api.delete("ExternalSecret", MALFORMED, "refused").await?;
                        Ok(None)
                    }
                    Err(_) => Ok(Some(())),
                }
            })
            .await?;
        }
        Ok(())
    }
}

/// What an operator serves at /metrics of `address`.
///
/// # Errors
/// When it serves nothing.
pub async fn metrics_at(address: &str) -> Result<String> {
    let answer = reqwest::get(format!("http://{address}/metrics")).await?;
    Ok(answer.error_for_status()?.text().await?)
}

/// A loopback address that was free a moment ago.
pub fn free_address() -> Result<String> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?
        .local_addr()?
        .to_string())
}

/// The namespace of the objects that are older than their schema.
pub const MALFORMED: &str = "malformed";

/// Templates that would have Kubernetes mint tokens, by name of the ExternalSecrets in
/// [`MALFORMED`] that were stored with them before any rule forbade it.
pub fn forged() -> [(&'static str, Value); 3] {
    let kind = "kubernetes.io/service-account-token";
    let account = "kubernetes.io/service-account.name";
    [
        (
            "forged-by-annotation",
            json!({"type": kind, "metadata": {"annotations": {account: "default"}}}),
        ),
        (
            "forged-by-literal",
            json!({"type": kind, "templateFrom": [{"target": "Annotations", "literal": format!("{account}: default")}]}),
        ),
        (
            "forged-bootstrap-token",
            json!({"type": "bootstrap.kubernetes.io/token", "data": {"token-id": "abcdef"}}),
        ),
    ]
}

async fn servers(
    kind: Kind,
    bin: Option<PathBuf>,
    folder: &TempDir,
) -> Result<(Sandbox, Option<ControlPlane>, RingClient)> {
    let sandbox = Sandbox::start(SandboxOptions {
        data: Some(folder.path().join("sandbox")),
    })
    .await?;
    let Some(bin) = bin.filter(|_| kind == Kind::Real) else {
        let client = kube::Client::new(sandbox.kube.router(), "default");
        return Ok((sandbox, None, RingClient::InProcess(client)));
    };
    let key = sandbox.signing_key_pem()?;
    // kube-apiserver takes the public half out of a private key file.
    let issuer = ServiceAccountIssuer {
        url: sandbox.issuer.url(),
        private_key_pem: &key,
        public_key_pem: &key,
    };
    let control_plane = ControlPlane::start(&bin, &issuer, true).await?;
    let kubeconfig = Kubeconfig::read_from(&control_plane.kubeconfig)?;
    let mut config =
        kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
    config.connect_timeout = Some(Duration::from_secs(5));
    Ok((
        sandbox,
        Some(control_plane),
        RingClient::Config(Box::new(config)),
    ))
}

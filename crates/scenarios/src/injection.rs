//! The admission server on a thread of its own, and the configuration by which the ring's API
//! server calls it for the pods of one scenario.

use std::net::SocketAddr;
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use keyless_admission::certificate::keeper::{Maker, Place};
use keyless_admission::certificate::plan::Lives;
use keyless_admission::cloud::Injectors;
use keyless_admission::inject::{aws, azure, google};
use keyless_admission::{CertificateSource, Measured, Options, TlsVersion, Webhook};
use keyless_kubernetes::Clients;
use keyless_sandbox::gcp::OidcProvider;
use serde_json::{Value, json};
use tokio::sync::oneshot;

use crate::api::eventually;
use crate::gcp::USER;
use crate::ring::RingClient;
use crate::world::{World, series};

/// A running admission server.
pub struct Injecting {
    measured: Measured,
    stop: Option<oneshot::Sender<()>>,
    kill: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<Result<()>>>,
}

impl Injecting {
    /// The value of the series of metric `name` whose labels contain `label`, if there is one.
    #[must_use]
    pub fn metric(&self, name: &str, label: &str) -> Option<f64> {
        series(&self.measured.render(), name, label)
    }

    /// Waits until that series has this value.
    pub async fn until(&self, name: &str, label: &str, value: f64) -> Result<()> {
        eventually(&format!("{name} {label} being {value}"), || async {
            Ok((self.metric(name, label) == Some(value)).then_some(()))
        })
        .await
    }

    /// Stops it in order.
    pub async fn stop(mut self) -> Result<()> {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        self.joined().await
    }

    /// Takes it away as `kill -9` would.
    pub async fn kill(mut self) -> Result<()> {
        if let Some(kill) = self.kill.take() {
            let _ = kill.send(());
        }
        self.joined().await
    }

    async fn joined(&mut self) -> Result<()> {
        let thread = self.thread.take().context("stopped twice")?;
        tokio::task::spawn_blocking(move || thread.join().map_err(|_| anyhow!("it panicked")))
            .await??
    }
}

impl World {
    /// What the admission server of this scenario injects: everything.
    #[must_use]
    pub fn injectors(&self) -> Injectors {
        Injectors {
            aws: Some(aws::Settings::default()),
            azure: Some(azure::Settings {
                tenant_id: self.azure().tenant().to_owned(),
                ..azure::Settings::default()
            }),
            google: Some(google::Settings::default()),
        }
    }

    /// Its settings: it keeps its Secret in this namespace.
    #[must_use]
    pub fn injection(&self, lives: Lives) -> Options {
        Options {
            address: String::new(),
            certificate: CertificateSource::Secret(Place {
                namespace: self.ns.clone(),
                secret: "webhook".into(),
                names: vec!["127.0.0.1".into(), "webhook.ns.svc".into()],
                maker: Maker::Own,
                lives,
            }),
            tls: TlsVersion::V12,
            injectors: self.injectors(),
            validate: false,
            namespace: self.ns.clone(),
            aws_config_map: false,
            aws_identities: None,
            mutating: vec![self.ns.clone()],
            validating: vec![],
            sweep: None,
            election: None,
            drain: Duration::ZERO,
        }
    }

    /// Starts an admission server at `address`.
    pub async fn inject(&self, address: SocketAddr, options: Options) -> Result<Injecting> {
        let (stop, stopped) = oneshot::channel();
        let (kill, killed) = oneshot::channel::<()>();
        let (hand, handed) = oneshot::channel();
        let ring = self.ring.config.clone();
        let options = Options {
            address: address.to_string(),
            ..options
        };
        let thread = std::thread::Builder::new()
            .name("admission".into())
            .spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()?;
                runtime.block_on(async move {
                    let clients = match ring {
                        RingClient::InProcess(client) => Clients::from(client),
                        RingClient::Config(config) => keyless_kubernetes::connect(&config).await?,
                    };
                    let webhook = Webhook::new(clients, options);
                    let _ = hand.send((webhook.measured(), webhook.ready()));
                    let shutdown = async {
                        let _ = stopped.await;
                    };
                    tokio::select! {
                        ended = webhook.run(shutdown) => Ok(ended?),
                        Ok(()) = killed => Ok(()),
                    }
                })
            })?;
        let (measured, mut ready) = handed.await.context("the admission server did not start")?;
        let ready = ready.wait_for(|ready| *ready);
        tokio::time::timeout(crate::api::PATIENCE, ready)
            .await
            .context("the admission server did not become ready")??;
        Ok(Injecting {
            measured,
            stop: Some(stop),
            kill: Some(kill),
            thread: Some(thread),
        })
    }

    /// Has the API server ask at `hooks` (address and path) about the pods of this namespace.
    pub async fn ask(
        &self,
        hooks: &[(SocketAddr, &str)],
        policy: &str,
        versions: &[&str],
    ) -> Result<()> {
        self.owns("MutatingWebhookConfiguration", &self.ns);
        let hooks: Vec<Value> = hooks
            .iter()
            .enumerate()
            .map(|(index, (address, path))| {
                json!({
                    "name": format!("pods{index}.injection.keyless.test"),
                    "clientConfig": {"url": format!("https://{address}{path}")},
                    "rules": [{"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"]}],
                    "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": self.ns}},
                    "failurePolicy": policy, "sideEffects": "None", "timeoutSeconds": 10,
                    "reinvocationPolicy": "IfNeeded", "admissionReviewVersions": versions,
                })
            })
            .collect();
        self.api
            .create(&json!({
                "apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration",
                "metadata": {"name": self.ns}, "webhooks": hooks,
            }))
            .await?;
        Ok(())
    }

    /// A pod of service account `account`.
    #[must_use]
    pub fn pod(&self, name: &str, account: &str, labels: &Value) -> Value {
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": self.ns, "labels": labels},
            "spec": {"serviceAccountName": account, "containers": [{"name": "app", "image": "registry.example/app:1"}]}})
    }

    /// Waits until a pod of `account` would be injected: API servers learn of a configuration and
    /// of its authorities late.
    pub async fn until_injected(&self, account: &str, labels: &Value) -> Result<()> {
        let probe = self.pod("probe", account, labels);
        eventually("pods being injected", || async {
            let made = self.api.dry_run(&probe).await?;
            Ok(made.is_ok_and(|pod| token_volumes(&pod) > 0).then_some(()))
        })
        .await
    }

    /// A client for the sandbox's clouds, at their own host names.
    pub fn clouds_client(&self) -> Result<reqwest::Client> {
        let (_, rules) = self.ring.sandbox.resolve();
        let mut builder = reqwest::Client::builder();
        for rule in rules.split(',') {
            let (host, address) = rule.split_once('=').context("a rule without an address")?;
            builder = builder.resolve(host, address.parse()?);
        }
        let authority = self.ring.sandbox.authority_file().context("no authority")?;
        let authority = reqwest::Certificate::from_pem(&std::fs::read(authority)?)?;
        Ok(builder.tls_certs_only([authority]).build()?)
    }
}

/// How many volumes of a pod hold a token for a cloud.
#[must_use]
pub fn token_volumes(pod: &Value) -> usize {
    let volumes = pod.pointer("/spec/volumes").and_then(Value::as_array);
    let audience = "/projected/sources/0/serviceAccountToken/audience";
    let volumes = volumes.into_iter().flatten();
    volumes.filter(|v| v.pointer(audience).is_some()).count()
}

impl World {
    /// A provider for this cluster in this scenario's project, and a Google service account that
    /// tokens of `account` may become: the provider's name and the e-mail address.
    pub fn google_ready(&self, account: &str) -> Result<(String, String)> {
        self.make_gcp_project()?;
        self.gcp_provider(&OidcProvider {
            issuer: self.issuer_url(),
            audiences: vec!["sts.googleapis.com".into()],
            ..OidcProvider::default()
        })?;
        let email = self
            .gcp()
            .create_service_account(&self.gcp_project(), "injected")?;
        let member = self.gcp_principal(account)?;
        self.gcp().bind_on_account(&email, USER, &member)?;
        let provider = self.gcp_audience()?;
        let provider = provider.trim_start_matches("//iam.googleapis.com/");
        Ok((provider.to_owned(), email))
    }
}

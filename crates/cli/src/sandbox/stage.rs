//! The stage of the tour: the sandbox, the CRDs, the operator with its own rights only.

use std::path::PathBuf;
use std::thread::JoinHandle;

use anyhow::{Context, Result, anyhow};
use keyless_controller::{Operator, Options};
use keyless_identity::Environment;
use keyless_sandbox::azure::Identity;
use keyless_sandbox::{Sandbox, SandboxOptions};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::oneshot;

use super::objects::Objects;
use crate::manifests;

/// The role that the operator's service account stands for.
pub const ROLE: &str = "external-secrets";
/// Where the operator lives.
pub const NAMESPACE: &str = "external-secrets";
/// The operator's service account.
pub const SERVICE_ACCOUNT: &str = "external-secrets";

/// What federated credentials of Entra ask for.
pub const AZURE_AUDIENCE: &str = "api://AzureADTokenExchange";

/// Everything that runs.
pub struct Stage {
    /// The clouds and the cluster.
    pub sandbox: Sandbox,
    /// The cluster, as its administrator.
    pub objects: Objects,
    /// A kubeconfig of the administrator.
    pub kubeconfig: PathBuf,
    /// The projected token of the operator's service account, for the aws CLI to try.
    pub token: PathBuf,
    /// The same for Azure, whose federated credentials ask for another audience.
    pub azure_token: PathBuf,
    /// The managed identity that the operator's service account stands for.
    pub identity: Identity,
    /// The environment of gcloud as the owner of every project.
    pub gcloud: Vec<(String, String)>,
    /// The certificate of everything that is served over TLS.
    pub authority: PathBuf,
    stop: oneshot::Sender<()>,
    operator: JoinHandle<Result<()>>,
    _folder: TempDir,
}

impl Stage {
    /// Starts the sandbox, applies the CRDs and the operator's rights, starts the operator.
    pub async fn start(data: Option<PathBuf>) -> Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("keyless-sandbox-")
            .tempdir()
            .context("cannot make a folder for tokens")?;
        let sandbox = Sandbox::start(SandboxOptions { data }).await?;
        let objects = Objects::new(kube::Client::new(sandbox.kube.router(), "default"));
        furnish(&objects).await?;
        let file = |name: &str| folder.path().join(name);
        let (kubeconfig, token, azure_token, api_token, authority) = (
            file("kubeconfig"),
            file("aws-token"),
            file("azure-token"),
            file("kubernetes-token"),
            file("ca.pem"),
        );
        std::fs::write(&kubeconfig, sandbox.kube.kubeconfig("admin")?)?;
        std::fs::write(&authority, sandbox.tls.ca_pem())?;
        sandbox.project_token(NAMESPACE, SERVICE_ACCOUNT, &["sts.amazonaws.com"], &token)?;
        sandbox.project_token(NAMESPACE, SERVICE_ACCOUNT, &[AZURE_AUDIENCE], &azure_token)?;
        let identity = sandbox.azure.create_managed_identity(ROLE);
        sandbox.project_token(
            NAMESPACE,
            SERVICE_ACCOUNT,
            &[sandbox.kube.audience()],
            &api_token,
        )?;
        let gcloud_token = file("gcloud-token");
        std::fs::write(&gcloud_token, sandbox.gcp.administrator_token())?;
        let gcloud = sandbox.gcloud_environment(&gcloud_token, &authority, &file("gcloud"));
        let config = operator_config(&sandbox, api_token)?;
        let file = authority.display().to_string();
        let environment: Environment = sandbox
            .operator_environment(&token, &role_arn(&sandbox))
            .into_iter()
            .chain(sandbox.azure_environment(&azure_token, &identity.client_id))
            .chain(sandbox.gcp_environment())
            .chain([sandbox.resolve(), ("SSL_CERT_FILE".to_owned(), file)])
            .collect();
        let (stop, operator) = start_operator(config, environment)?;
        Ok(Self {
            sandbox,
            objects,
            kubeconfig,
            token,
            azure_token,
            identity,
            gcloud,
            authority,
            stop,
            operator,
            _folder: folder,
        })
    }

    /// The whole trust and the example's parameter in place, without a tour.
    pub async fn trust_everything(&self) -> Result<()> {
        super::tour::trust_vault(&self.sandbox).await?;
        self.sandbox
            .aws
            .put_parameter("/path/to/key", "from AWS Parameter Store")?;
        trust(&self.sandbox)?;
        super::tour::trust_azure(self)?;
        super::tour::trust_gcp(self)
    }

    /// Ends the operator and then the sandbox.
    pub async fn stop(self) -> Result<()> {
        let _ = self.stop.send(());
        let operator = self.operator;
        tokio::task::spawn_blocking(move || {
            operator
                .join()
                .map_err(|_| anyhow!("the operator panicked"))
        })
        .await??
    }
}

/// The host and path of the issuer: the prefix of condition keys, the end of the provider's ARN.
pub fn issuer_host(sandbox: &Sandbox) -> &str {
    sandbox.issuer.url().trim_start_matches("https://")
}

/// Fills the placeholders of a policy document of the examples.
pub fn fill(sandbox: &Sandbox, document: &str) -> String {
    document
        .replace("ACCOUNT_ID", sandbox.aws.account())
        .replace("OIDC_PROVIDER_ID", issuer_host(sandbox))
        .replace("REGION", sandbox.aws.region())
}

/// Registers the issuer and lets the operator's role read every parameter.
pub fn trust(sandbox: &Sandbox) -> Result<()> {
    let aws = &sandbox.aws;
    aws.create_oidc_provider(sandbox.issuer.url(), &["sts.amazonaws.com"])?;
    aws.create_role(ROLE, &fill(sandbox, super::tour::TRUST_POLICY))?;
    aws.put_role_policy(
        ROLE,
        "external-secrets",
        &fill(sandbox, super::tour::PERMISSION_POLICY),
    )?;
    Ok(())
}

/// The ARN of the operator's role.
pub fn role_arn(sandbox: &Sandbox) -> String {
    format!("arn:aws:iam::{}:role/{ROLE}", sandbox.aws.account())
}

async fn furnish(objects: &Objects) -> Result<()> {
    for crd in keyless_api::crds() {
        let name = crd
            .pointer("/metadata/name")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let path = format!("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}");
        objects.apply(&path, &crd).await?;
        let established = |c: &Value| {
            let list = c.pointer("/status/conditions").and_then(Value::as_array);
            list.is_some_and(|l| {
                l.iter().any(|c| {
                    c.get("type") == Some(&json!("Established"))
                        && c.get("status") == Some(&json!("True"))
                })
            })
        };
        objects.require(&path, "established", established).await?;
    }
    for object in manifests::rbac_objects(NAMESPACE, manifests::Tokens::Everywhere)? {
        objects
            .apply(&manifests::path_of(&object)?, &object)
            .await?;
    }
    Ok(())
}

/// The operator talks to the API over TLS with its own service account's token, so that what it
/// may do is what its manifests grant.
fn operator_config(sandbox: &Sandbox, token_file: PathBuf) -> Result<kube::Config> {
    let mut config = kube::Config::new(
        sandbox
            .kube
            .url()
            .parse()
            .context("the sandbox's own address is no URL")?,
    );
    config.root_cert = Some(certificates(sandbox.tls.ca_pem())?);
    config.auth_info.token_file = Some(token_file.display().to_string());
    Ok(config)
}

/// The DER certificates in a PEM text.
fn certificates(pem: &str) -> Result<Vec<Vec<u8>>> {
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject;
    CertificateDer::pem_slice_iter(pem.as_bytes())
        .map(|c| {
            Ok(c.map_err(|e| anyhow!("the sandbox's certificate: {e}"))?
                .to_vec())
        })
        .collect()
}

type OperatorThread = (oneshot::Sender<()>, JoinHandle<Result<()>>);

/// The operator on a thread of its own, as in its pod.
fn start_operator(config: kube::Config, environment: Environment) -> Result<OperatorThread> {
    let (stop, stopped) = oneshot::channel();
    let options = Options {
        metrics_addr: None,
        live_addr: None,
        ..Options::default()
    };
    let thread = std::thread::Builder::new()
        .name("operator".into())
        .spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            runtime.block_on(async move {
                let clients = keyless_controller::connect(&config).await?;
                let stopped = async {
                    let _ = stopped.await;
                };
                Ok(Operator::with_environment(clients, environment, options)?
                    .run(stopped)
                    .await?)
            })
        })?;
    Ok((stop, thread))
}

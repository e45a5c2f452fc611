//! All rooms together: one Kubernetes API, its issuer and the clouds, on loopback.
//!
//! Owns: the order of starting, the addresses, and the projected tokens that a kubelet would
//! write. Refuses: the operator, which whoever starts a sandbox brings along.

mod environment;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::net::TcpListener;

use crate::aws::{Aws, AwsOptions};
use crate::azure::{self, Azure, AzureOptions};
use crate::clock::Clock;
use crate::gcp::{self, Gcp, GcpOptions, Pod, TokenSource};
use crate::issuer::{self, Issuer, Mint};
use crate::kube;
use crate::proxy;
use crate::tls::{self, Serving, Tls};
use crate::vault::{Vault, VaultOptions};

/// How a sandbox is set up.
#[derive(Clone, Debug, Default)]
pub struct SandboxOptions {
    /// Keeps certificates, keys and the Kubernetes objects here; in memory if absent.
    pub data: Option<PathBuf>,
}

/// Why a sandbox could not be started.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Certificates or a listener.
    #[error("cannot set up TLS for the sandbox")]
    Tls(#[from] tls::Error),
    /// The issuer.
    #[error("cannot start the sandbox's issuer")]
    Issuer(#[from] issuer::Error),
    /// The Kubernetes API.
    #[error("cannot start the sandbox's Kubernetes API")]
    Kube(#[from] kube::Error),
    /// AWS' listener.
    #[error("cannot serve the emulated AWS")]
    Aws(#[source] std::io::Error),
    /// A file in the data folder or a projected token.
    #[error("cannot use {path}")]
    File {
        /// The file.
        path: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
}

/// A running sandbox. Dropping it ends every listener.
pub struct Sandbox {
    /// Everything here goes by this clock.
    pub clock: Clock,
    /// The authority that signed every certificate here.
    pub tls: Tls,
    /// The cluster's issuer.
    pub issuer: Issuer,
    /// The Kubernetes API.
    pub kube: kube::Server,
    /// The emulated AWS.
    pub aws: Aws,
    /// The emulated Azure.
    pub azure: Azure,
    /// The emulated Google Cloud.
    pub gcp: Gcp,
    /// The emulated Vault.
    pub vault: Vault,
    aws_address: SocketAddr,
    agent_address: SocketAddr,
    azure_serving: Serving,
    azure_metadata_address: SocketAddr,
    gcp_serving: Serving,
    gcp_metadata_address: SocketAddr,
    metadata_address: SocketAddr,
    vault_serving: Serving,
    proxy_address: SocketAddr,
    data: Option<PathBuf>,
    tasks: Mutex<Vec<tokio::task::JoinHandle<()>>>,
}

/// The GKE cluster that [`Sandbox::run_on_gke`] makes of this one.
pub const GKE_LOCATION: &str = "europe-west3";
/// Its name.
pub const GKE_CLUSTER: &str = "main";

/// Life of a projected token; a kubelet renews at four fifths of it.
const TOKEN_LIFE: Duration = Duration::from_secs(3600);

impl Sandbox {
    /// Starts everything.
    ///
    /// # Errors
    /// When a port or the data folder cannot be used.
    pub async fn start(options: SandboxOptions) -> Result<Self, Error> {
        let clock = Clock::default();
        let data = options.data;
        if let Some(folder) = &data {
            std::fs::create_dir_all(folder).map_err(|source| Error::File {
                path: folder.display().to_string(),
                source,
            })?;
        }
        let names = [&azure::HOSTS[..], &gcp::HOSTS].concat();
        let tls = match &data {
            Some(folder) => Tls::kept_in(folder, &names)?,
            None => Tls::with_names(&names)?,
        };
        // The issuer's port is part of its name, so a kept sandbox keeps it.
        let issuer = Issuer::start(
            &tls,
            clock.clone(),
            kept_port(data.as_deref()),
            data.as_deref(),
        )
        .await?;
        keep_port(data.as_deref(), issuer.url())?;
        let kube = kube::Server::start(kube::Options {
            data: data.as_ref().map(|d| d.join("kubernetes")),
            ..kube::Options::new(clock.clone(), issuer.clone(), tls.clone())
        })
        .await?;
        let aws = Aws::new(AwsOptions {
            clock: clock.clone(),
            roots: tls.ca_pem().to_owned(),
            ..AwsOptions::default()
        });
        let (aws_address, serving) = serve(aws.router()).await?;
        let (agent_address, agent) = serve(aws.pod_identity_agent(issuer.url())).await?;
        let (metadata_address, metadata) = serve(aws.instance_metadata()).await?;
        let vault = Vault::new(VaultOptions {
            clock: clock.clone(),
            roots: tls.ca_pem().to_owned(),
            ..VaultOptions::default()
        });
        let vault_serving = tls.serve_asking(Tls::listen(0).await?, vault.router());
        let options = AzureOptions {
            clock: clock.clone(),
            roots: tls.ca_pem().to_owned(),
            ..AzureOptions::default()
        };
        // Entra's key takes a moment of CPU.
        let azure = tokio::task::spawn_blocking(move || Azure::new(options))
            .await
            .map_err(|_| issuer::Error::Key("generation was interrupted"))??;
        let azure_serving = tls.serve(Tls::listen(0).await?, azure.router());
        let (azure_metadata_address, azure_metadata) = serve(azure.metadata_router()).await?;
        let gcp = Gcp::new(GcpOptions {
            clock: clock.clone(),
            roots: tls.ca_pem().to_owned(),
            aws_sts: Some(format!("http://{aws_address}")),
            ..GcpOptions::default()
        });
        let gcp_serving = tls.serve(Tls::listen(0).await?, gcp.router());
        let (gcp_metadata_address, gcp_metadata) = serve(gcp.metadata_router()).await?;
        let listener = loopback().await?;
        let proxy_address = listener.local_addr().map_err(Error::Aws)?;
        let hosts = environment::hosts(azure_serving.address(), gcp_serving.address());
        let proxy = proxy::serve(listener, hosts.collect());
        Ok(Self {
            clock,
            tls,
            issuer,
            kube,
            aws,
            azure,
            gcp,
            vault,
            aws_address,
            agent_address,
            azure_serving,
            azure_metadata_address,
            gcp_serving,
            gcp_metadata_address,
            metadata_address,
            vault_serving,
            proxy_address,
            data,
            tasks: Mutex::new(vec![
                serving,
                agent,
                metadata,
                azure_metadata,
                gcp_metadata,
                proxy,
            ]),
        })
    }

    /// The endpoint of every AWS service: what `AWS_ENDPOINT_URL` is set to.
    #[must_use]
    pub fn aws_url(&self) -> String {
        format!("http://{}", self.aws_address)
    }

    /// The endpoint of the EKS Pod Identity agent: what `AWS_CONTAINER_CREDENTIALS_FULL_URI` is set
    /// to.
    #[must_use]
    pub fn pod_identity_url(&self) -> String {
        format!("http://{}/v1/credentials", self.agent_address)
    }

    /// The node's metadata service: what `AWS_EC2_METADATA_SERVICE_ENDPOINT` is set to.
    #[must_use]
    pub fn instance_metadata_url(&self) -> String {
        format!("http://{}", self.metadata_address)
    }

    /// The address of Vault: what `VAULT_ADDR` is set to. Its certificate is of the sandbox's own
    /// authority.
    #[must_use]
    pub fn vault_url(&self) -> String {
        format!("https://localhost:{}", self.vault_serving.address().port())
    }

    /// The authority of the emulated Azure and the endpoint of its default vault, for clients that
    /// can be told an endpoint.
    #[must_use]
    pub fn azure_url(&self) -> String {
        format!("https://localhost:{}", self.azure_serving.address().port())
    }

    /// The one endpoint of every Google service, for clients that can be told an endpoint.
    #[must_use]
    pub fn gcp_url(&self) -> String {
        format!("https://localhost:{}", self.gcp_serving.address().port())
    }

    /// Makes the node one of the GKE cluster `main` in `europe-west3`, whose issuer is this
    /// sandbox's, with the pod of `namespace/service_account` on it. Its metadata server serves
    /// the pod's own identity, or that of the Google service account `account`.
    pub fn run_on_gke(&self, namespace: &str, service_account: &str, account: Option<&str>) {
        let (project, location, cluster) = (self.gcp.project(), GKE_LOCATION, GKE_CLUSTER);
        self.gcp
            .create_cluster(project, location, cluster, self.issuer.url());
        let audiences = [format!("{project}.svc.id.goog")];
        let (issuer, namespace, name) = (
            self.issuer.clone(),
            namespace.to_owned(),
            service_account.to_owned(),
        );
        let uid = self
            .kube
            .service_account_uid(&namespace, &name)
            .unwrap_or_default();
        let token = TokenSource::new(move || {
            let minted = issuer.mint(Mint {
                namespace: &namespace,
                service_account: &name,
                uid: &uid,
                audiences: &audiences,
                ttl: TOKEN_LIFE,
                pod: None,
                secret: None,
            });
            minted.ok().map(|(token, _)| token)
        });
        let account = account.map(str::to_owned);
        self.gcp
            .run_on_gke(project, location, cluster, Pod { token, account });
    }

    /// The file with the authority's certificate, what `SSL_CERT_FILE` is set to. Only a sandbox
    /// that keeps its data has it.
    #[must_use]
    pub fn authority_file(&self) -> Option<PathBuf> {
        Some(self.data.as_ref()?.join("ca.crt"))
    }

    /// The issuer's private key, for a Kubernetes API that shall sign with it. Only a sandbox
    /// that keeps its data has it in a file.
    ///
    /// # Errors
    /// When there is no such file.
    pub fn signing_key_pem(&self) -> Result<String, Error> {
        let path = self.data.clone().unwrap_or_default().join("issuer.key");
        std::fs::read_to_string(&path).map_err(|source| Error::File {
            path: path.display().to_string(),
            source,
        })
    }

    /// Writes a token of `namespace/service_account` to `file` and keeps it fresh, as a kubelet
    /// does for a projected volume.
    ///
    /// # Errors
    /// When the first token cannot be minted or written.
    pub fn project_token(
        &self,
        namespace: &str,
        service_account: &str,
        audiences: &[&str],
        file: &Path,
    ) -> Result<(), Error> {
        let audiences: Vec<String> = audiences.iter().map(|a| (*a).to_owned()).collect();
        let (namespace, service_account, file) = (
            namespace.to_owned(),
            service_account.to_owned(),
            file.to_owned(),
        );
        let uid = self
            .kube
            .service_account_uid(&namespace, &service_account)
            .unwrap_or_default();
        let issuer = self.issuer.clone();
        let write = move || -> Result<(), Error> {
            let (token, _) = issuer.mint(Mint {
                namespace: &namespace,
                service_account: &service_account,
                uid: &uid,
                audiences: &audiences,
                ttl: TOKEN_LIFE,
                pod: None,
                secret: None,
            })?;
            // Renamed into place: a reader sees the old token or the new one.
            let fresh = file.with_extension("fresh");
            std::fs::write(&fresh, token)
                .and_then(|()| std::fs::rename(&fresh, &file))
                .map_err(|source| Error::File {
                    path: file.display().to_string(),
                    source,
                })
        };
        write()?;
        let renewal = tokio::spawn(async move {
            loop {
                tokio::time::sleep(TOKEN_LIFE * 4 / 5).await;
                // A failure leaves the old token, which lives for another fifth.
                let _ = write();
            }
        });
        self.tasks
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(renewal);
        Ok(())
    }
}

async fn loopback() -> Result<TcpListener, Error> {
    TcpListener::bind(("127.0.0.1", 0))
        .await
        .map_err(Error::Aws)
}

/// Serves `router` on a loopback port of its own until the task ends.
async fn serve(router: axum::Router) -> Result<(SocketAddr, tokio::task::JoinHandle<()>), Error> {
    let listener = loopback().await?;
    let address = listener.local_addr().map_err(Error::Aws)?;
    let serving = tokio::spawn(async move {
        // The listener ends with the task; an accept error only ends this part of the sandbox.
        let _ = axum::serve(listener, router).await;
    });
    Ok((address, serving))
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        for task in self
            .tasks
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
        {
            task.abort();
        }
    }
}

fn port_file(data: Option<&Path>) -> Option<PathBuf> {
    data.map(|folder| folder.join("issuer.port"))
}

fn kept_port(data: Option<&Path>) -> u16 {
    port_file(data)
        .and_then(|f| std::fs::read_to_string(f).ok())
        .and_then(|p| p.trim().parse().ok())
        .unwrap_or_default()
}

fn keep_port(data: Option<&Path>, url: &str) -> Result<(), Error> {
    let (Some(file), Some((_, port))) = (port_file(data), url.rsplit_once(':')) else {
        return Ok(());
    };
    std::fs::write(&file, port).map_err(|source| Error::File {
        path: file.display().to_string(),
        source,
    })
}

//! The server that is measured, and the AWS that the operator reads from.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use keyless_controlplane::{ControlPlane, ServiceAccountIssuer};
use keyless_sandbox::{Sandbox, SandboxOptions};
use kube::Client;
use kube::config::{KubeConfigOptions, Kubeconfig};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::load::{Load, key};
use crate::sandbox::stage;

/// One API server with the CRDs, one AWS with the values, and the trust between them.
pub struct Server {
    /// The clouds.
    pub sandbox: Sandbox,
    kubeconfig: PathBuf,
    token: PathBuf,
    _control_plane: Option<ControlPlane>,
    _folder: TempDir,
}

impl Server {
    /// Starts everything; `kube_bin` names the folder of a real kube-apiserver.
    pub async fn start(kube_bin: Option<&Path>, keys: usize) -> Result<Self> {
        let server = Self::bare(kube_bin).await?;
        server.furnish(keys).await?;
        Ok(server)
    }

    /// As [`Server::start`], with the CRDs and nothing else.
    pub async fn bare(kube_bin: Option<&Path>) -> Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("keyless-bench-")
            .tempdir()?;
        let sandbox = Sandbox::start(SandboxOptions {
            data: Some(folder.path().to_owned()),
        })
        .await?;
        let kubeconfig = folder.path().join("kubeconfig");
        let control_plane = if let Some(bin) = kube_bin {
            let key = sandbox.signing_key_pem()?;
            let issuer = ServiceAccountIssuer {
                url: sandbox.issuer.url(),
                private_key_pem: &key,
                public_key_pem: &key,
            };
            let control_plane = ControlPlane::start(bin, &issuer, false).await?;
            std::fs::copy(&control_plane.kubeconfig, &kubeconfig)?;
            Some(control_plane)
        } else {
            std::fs::write(&kubeconfig, sandbox.kube.kubeconfig("admin")?)?;
            None
        };
        let token = folder.path().join("token");
        sandbox.project_token(
            stage::NAMESPACE,
            stage::SERVICE_ACCOUNT,
            &["sts.amazonaws.com"],
            &token,
        )?;
        let server = Self {
            sandbox,
            kubeconfig,
            token,
            _control_plane: control_plane,
            _folder: folder,
        };
        server.crds().await?;
        Ok(server)
    }

    /// A client of its own HTTP/2 connection.
    pub async fn client(&self) -> Result<Client> {
        let kubeconfig = Kubeconfig::read_from(&self.kubeconfig)?;
        let config =
            kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
        Ok(keyless_controller::connect(&config).await?.watches)
    }

    /// Flags that name this server.
    pub fn kubeconfig_flags(&self) -> Vec<String> {
        vec![format!("--kubeconfig={}", self.kubeconfig.display())]
    }

    /// Flags with which the operator is started.
    pub fn operator_flags(&self) -> Vec<String> {
        [
            "--kubeconfig",
            &self.kubeconfig.display().to_string(),
            "--metrics-addr",
            "0",
            "--live-addr",
            "0",
            "--loglevel",
            "warn",
        ]
        .map(str::to_owned)
        .to_vec()
    }

    /// Its environment.
    pub fn operator_environment(&self) -> Vec<(String, String)> {
        self.sandbox
            .operator_environment(&self.token, &stage::role_arn(&self.sandbox))
    }

    async fn crds(&self) -> Result<()> {
        let load = Load::new(self.client().await?, 0);
        for crd in keyless_api::crds() {
            load.create(
                "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
                &crd,
            )
            .await?;
        }
        Ok(())
    }

    async fn furnish(&self, keys: usize) -> Result<()> {
        let aws = &self.sandbox.aws;
        for k in 0..keys {
            aws.put_parameter(&key(k), &format!("value-{k}"))?;
        }
        stage::trust(&self.sandbox)?;
        let load = Load::new(self.client().await?, keys);
        let store: Value = json!({
            "apiVersion": "external-secrets.io/v1", "kind": "ClusterSecretStore", "metadata": {"name": "bench"},
            "spec": {"provider": {"aws": {"service": "ParameterStore", "region": aws.region()}}},
        });
        // A CRD that was just made answers 404 for a moment.
        for _ in 0..100 {
            if load
                .create("/apis/external-secrets.io/v1/clustersecretstores", &store)
                .await
                .is_ok()
            {
                return Ok(());
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        load.create("/apis/external-secrets.io/v1/clustersecretstores", &store)
            .await
            .context("the CRDs were not served")
    }
}

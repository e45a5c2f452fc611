//! Which cluster a command talks to: kubectl's habits.

use std::path::PathBuf;

use anyhow::{Context, Result};
use kube::config::{KubeConfigOptions, Kubeconfig};

/// Flags shared by every command that talks to a cluster.
#[derive(clap::Args, Clone, Debug, Default)]
#[group(skip)]
pub struct Flags {
    /// Kubeconfig file; default: KUBECONFIG, else the pod's service account, else ~/.kube/config
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// Context of the kubeconfig
    #[arg(long, value_name = "NAME")]
    pub context: Option<String>,
}

/// The configuration that the flags, the environment and the pod give.
///
/// # Errors
/// When a named file or context does not exist, or nothing says which cluster is meant.
pub async fn config(flags: &Flags) -> Result<kube::Config> {
    let options = KubeConfigOptions {
        context: flags.context.clone(),
        ..KubeConfigOptions::default()
    };
    if let Some(file) = &flags.kubeconfig {
        let kubeconfig = Kubeconfig::read_from(file)
            .with_context(|| format!("cannot read the kubeconfig {}", file.display()))?;
        return kube::Config::from_custom_kubeconfig(kubeconfig, &options)
            .await
            .with_context(|| format!("cannot use the kubeconfig {}", file.display()));
    }
    if flags.context.is_some() || std::env::var_os("KUBECONFIG").is_some() {
        return kube::Config::from_kubeconfig(&options)
            .await
            .context(
                "cannot use the kubeconfig of the environment: correct KUBECONFIG, or give --kubeconfig and --context",
            );
    }
    kube::Config::infer().await.context(
        "no cluster found: give --kubeconfig, set KUBECONFIG, or run in a pod with a service account. `keyless sandbox` needs none",
    )
}

//! Which API servers a command reads.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use keyless_issuer::cluster::{Account, ApiServer};

use crate::cluster;

/// Flags shared by the commands that read API servers.
#[derive(clap::Args, Clone, Debug, Default)]
#[group(skip)]
pub struct Flags {
    /// Kubeconfig file; default: KUBECONFIG, else the pod's service account, else ~/.kube/config
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// Context of the kubeconfig; repeat it for contexts that lead to other API servers of the same cluster
    #[arg(long, value_name = "NAME")]
    context: Vec<String>,
    /// A further API server of the cluster, reached with the context's credentials; may be repeated
    #[arg(long, value_name = "URL")]
    server: Vec<String>,
    /// Read every API server that the cluster itself lists (EndpointSlices of default/kubernetes)
    #[arg(long)]
    all_servers: bool,
    /// Mint a token of this service account to see what signs
    #[arg(long, value_name = "NAMESPACE/NAME", default_value = "default/default")]
    service_account: String,
    /// The audience of that token
    #[arg(long, default_value = "sts.amazonaws.com")]
    audience: String,
    /// The life of that token in seconds
    #[arg(long, default_value_t = 600)]
    seconds: i64,
}

impl Flags {
    /// The account to mint for.
    ///
    /// # Errors
    /// It is not of the form NAMESPACE/NAME.
    pub fn account(&self) -> Result<Account> {
        let (namespace, name) = self.service_account.split_once('/').with_context(|| {
            format!(
                "--service-account {:?} is not NAMESPACE/NAME",
                self.service_account
            )
        })?;
        Ok(Account {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            audience: self.audience.clone(),
            seconds: self.seconds,
        })
    }
}

/// The API servers that the flags name, at least one.
///
/// # Errors
/// A configuration cannot be used, or the cluster does not list its API servers.
pub async fn servers(flags: &Flags) -> Result<Vec<ApiServer>> {
    let one = |context: Option<String>| cluster::Flags {
        kubeconfig: flags.kubeconfig.clone(),
        context,
    };
    let contexts = match flags.context.as_slice() {
        [] => vec![None],
        names => names.iter().cloned().map(Some).collect(),
    };
    let mut found = Vec::new();
    let mut first = None;
    for context in contexts {
        let config = cluster::config(&one(context.clone())).await?;
        let name = context.unwrap_or_else(|| {
            config
                .cluster_url
                .to_string()
                .trim_end_matches('/')
                .to_owned()
        });
        found.push(connect(name, config.clone())?);
        first.get_or_insert(config);
    }
    let Some(config) = first else {
        bail!("no API server was named")
    };
    for url in &flags.server {
        let mut config = config.clone();
        config.cluster_url = url
            .parse()
            .with_context(|| format!("--server {url:?} is no URL"))?;
        found.push(connect(url.clone(), config)?);
    }
    if flags.all_servers {
        let listed = match found.first() {
            Some(server) => server.endpoints().await,
            None => Ok(Vec::new()),
        };
        let listed = listed.map_err(|refused| {
            anyhow::anyhow!(
                "the cluster does not list its API servers: {}",
                refused.message
            )
        })?;
        for address in listed {
            let mut config = config.clone();
            let url = format!("https://{address}");
            config.cluster_url = url.parse().with_context(|| format!("{url:?} is no URL"))?;
            // The name that every API server's certificate is made for.
            config.tls_server_name = Some("kubernetes.default.svc".to_owned());
            found.push(connect(url, config)?);
        }
    }
    Ok(found)
}

fn connect(name: String, mut config: kube::Config) -> Result<ApiServer> {
    config.connect_timeout = Some(std::time::Duration::from_secs(10));
    ApiServer::connect(&name, config)
        .map_err(|refused| anyhow::anyhow!("cannot connect to {name}: {}", refused.message))
}

impl Flags {
    /// The flags that a command without all of them has.
    #[must_use]
    pub fn of(kubeconfig: Option<PathBuf>, context: Vec<String>, audience: Option<&str>) -> Self {
        Self {
            kubeconfig,
            context,
            service_account: "default/default".into(),
            audience: audience.unwrap_or("sts.amazonaws.com").to_owned(),
            seconds: 600,
            ..Self::default()
        }
    }
}

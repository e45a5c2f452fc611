//! `keyless issuer serve`: the published documents over HTTPS, without another web server.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Result;
use keyless_issuer::cluster::ApiServer;
use keyless_issuer::serve::{Options, Serving};
use keyless_trust::Issuer;

use super::publish;
use crate::cluster;
use crate::outcome::Outcome;

/// Flags of `keyless issuer serve`.
#[derive(clap::Args)]
pub struct Flags {
    /// The issuer; its path is served
    #[arg(long, value_name = "URL")]
    issuer: String,
    /// Where the documents are: a directory or configmap:NAMESPACE/NAME
    #[arg(long, value_name = "TARGET")]
    from: String,
    #[command(flatten)]
    cluster: cluster::Flags,
    /// Where to listen
    #[arg(long, default_value = "0.0.0.0:8443")]
    listen: SocketAddr,
    /// The certificate and those between it and its authority, PEM; read again when it changes
    #[arg(long, value_name = "FILE")]
    tls_cert: PathBuf,
    /// Its key, PEM
    #[arg(long, value_name = "FILE")]
    tls_key: PathBuf,
    /// error, warn, info, debug or trace
    #[arg(long, default_value = "info")]
    loglevel: String,
}

/// Serves until SIGTERM or Ctrl-C.
pub async fn run(flags: &Flags) -> Result<Outcome> {
    crate::controller::log(&flags.loglevel)?;
    let server = if flags.from.starts_with("configmap:") {
        let config = cluster::config(&flags.cluster).await?;
        let connected = ApiServer::connect("the API server", config);
        Some(
            connected
                .map_err(|r| anyhow::anyhow!("cannot connect to the API server: {}", r.message))?,
        )
    } else {
        None
    };
    let serving = Serving::bind(Options {
        issuer: Issuer::parse(&flags.issuer)?,
        from: publish::target(&flags.from, None, server)?,
        listen: flags.listen,
        certificate: flags.tls_cert.clone(),
        key: flags.tls_key.clone(),
    })
    .await?;
    eprintln!("keyless: serving {} at {}", flags.issuer, serving.address);
    tokio::select! {
        () = serving.run() => {}
        () = crate::controller::shutdown() => {}
    }
    Ok(Outcome::Fine)
}

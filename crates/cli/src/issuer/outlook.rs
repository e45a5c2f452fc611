//! How a command looks from outside: authorities and addresses.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use keyless_issuer::fetch::{Look, Outlook};

/// Flags shared by the commands that look from outside.
#[derive(clap::Args, Clone, Debug, Default)]
#[group(skip)]
pub struct Flags {
    /// Certificate authorities in PEM in place of the public ones: for relying parties that can be given one
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Take the authorities of --ca for public ones: in a sandbox
    #[arg(long, requires = "ca")]
    ca_is_public: bool,
    /// Where a host is, in place of what name servers say; may be repeated
    #[arg(long, value_name = "HOST=ADDRESS:PORT", value_parser = place)]
    resolve: Vec<(String, SocketAddr)>,
}

fn place(text: &str) -> Result<(String, SocketAddr), String> {
    let (host, place) = text.split_once('=').ok_or("it has no \"=\"")?;
    let place = place
        .parse()
        .map_err(|_| format!("{place:?} is no ADDRESS:PORT"))?;
    Ok((host.to_owned(), place))
}

/// The outlook that the flags ask for.
///
/// # Errors
/// The authorities cannot be read.
pub fn outlook(flags: &Flags) -> Result<Outlook> {
    look(flags, None)
}

/// As [`outlook`], with an end to each fetch.
///
/// # Errors
/// The authorities cannot be read.
pub fn outlook_within(flags: &Flags, limit: Duration) -> Result<Outlook> {
    look(flags, Some(limit))
}

fn look(flags: &Flags, limit: Option<Duration>) -> Result<Outlook> {
    let authorities = match &flags.ca {
        None => None,
        Some(file) => {
            let pem = std::fs::read(file);
            Some(pem.with_context(|| format!("cannot read {}", file.display()))?)
        }
    };
    let hosts: BTreeMap<String, SocketAddr> = flags.resolve.iter().cloned().collect();
    let look = Look {
        authorities,
        play_public: flags.ca_is_public,
        hosts,
        limit,
    };
    Ok(Outlook::new(&look)?)
}

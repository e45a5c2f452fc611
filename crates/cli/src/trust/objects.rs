//! The objects of a cluster or of manifests, as an inventory.

use std::path::PathBuf;

use anyhow::{Context, Result};
use keyless_trust::plan::Inventory;
use serde_json::Value;

use super::collect;
use crate::cluster;
use crate::manifest_files;

/// Flags of where the objects are.
#[derive(clap::Args)]
#[group(skip)]
pub struct Flags {
    /// Manifests of stores, ExternalSecrets, service accounts and namespaces; - is standard input.
    /// Without it the cluster is read
    #[arg(short, long, value_name = "FILE")]
    filename: Vec<PathBuf>,
    #[command(flatten)]
    cluster: cluster::Flags,
    /// Namespace of objects in files that name none; of a cluster, the only one that is read
    #[arg(short, long)]
    namespace: Option<String>,
}

/// What was read.
pub struct Read {
    pub inventory: Inventory,
    /// The issuer by the cluster's own discovery document, or why it is not known; nothing of
    /// files.
    pub issuer: Option<std::result::Result<String, String>>,
    /// What could not be read, with the reason.
    pub unseen: Vec<String>,
    /// What cannot be used, with the reason.
    pub wrong: Vec<String>,
}

impl Read {
    /// Whether there is nothing at all, not even a reason.
    pub fn is_empty(&self) -> bool {
        self.inventory.is_empty() && self.unseen.is_empty() && self.wrong.is_empty()
    }
}

impl Flags {
    /// Reads them all.
    ///
    /// # Errors
    /// A file or the cluster cannot be read at all.
    pub fn read(&self) -> Result<Read> {
        if self.filename.is_empty() {
            self.cluster()
        } else {
            self.files()
        }
    }

    fn cluster(&self) -> Result<Read> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("cannot start the async runtime")?;
        let seen = runtime.block_on(async {
            let config = cluster::config(&self.cluster).await?;
            let client = kube::Client::try_from(config).context("cannot make a client")?;
            let until = tokio::time::Instant::now() + collect::PATIENCE;
            collect::cluster(&client, self.namespace.as_deref(), until).await
        })?;
        let mut read = Read {
            inventory: Inventory::default(),
            issuer: Some(seen.issuer),
            unseen: seen.unseen,
            wrong: Vec::new(),
        };
        for object in &seen.objects {
            if let Err(error) = read.inventory.add(object, "default") {
                read.wrong.push(error.to_string());
            }
        }
        Ok(read)
    }

    fn files(&self) -> Result<Read> {
        let mut read = Read {
            inventory: Inventory::default(),
            issuer: None,
            unseen: Vec::new(),
            wrong: Vec::new(),
        };
        let namespace = self.namespace.as_deref().unwrap_or("default");
        for file in &self.filename {
            let name = manifest_files::name(file);
            for document in manifest_files::read(file)? {
                match read.inventory.add(&document, namespace) {
                    Ok(true) => {}
                    Ok(false) => {
                        let kind = document.get("kind").and_then(Value::as_str);
                        let kind = kind.unwrap_or("a document without kind");
                        eprintln!("keyless: note: {name}: {kind} is left out");
                    }
                    Err(error) => read.wrong.push(format!("{name}: {error}")),
                }
            }
        }
        Ok(read)
    }
}

//! A real Vault on loopback, in its development mode: everything in memory, TLS by an authority of
//! its own, a key-value engine at `secret/`.
//!
//! Owns: the process and its end. Refuses: building it (`cargo xtask vault`).

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

use crate::child::Server;

const LIMIT: Duration = Duration::from_secs(90);
const PAUSE: Duration = Duration::from_millis(50);

/// The running server; stops when dropped.
pub struct Vault {
    /// `https://127.0.0.1:PORT`.
    pub url: String,
    /// The root token.
    pub token: String,
    /// The authority of its certificate, a file.
    pub authority: PathBuf,
    _server: Server,
    _dir: TempDir,
}

impl Vault {
    /// Starts `program` and waits until it is ready.
    ///
    /// # Errors
    /// When it cannot be started or does not become ready.
    pub fn start(program: &Path) -> Result<Self> {
        let dir = tempfile::Builder::new()
            .prefix("keyless-vault-")
            .tempdir()?;
        let ports = crate::free_ports(1)?;
        let port = ports.first().context("no free port")?;
        let token = "root";
        let arguments = [
            "server".to_owned(),
            "-dev".to_owned(),
            "-dev-tls".to_owned(),
            "-dev-no-store-token".to_owned(),
            format!("-dev-tls-cert-dir={}", dir.path().display()),
            format!("-dev-root-token-id={token}"),
            format!("-dev-listen-address=127.0.0.1:{port}"),
        ];
        let log = dir.path().join("log");
        let mut server = Server::spawn(program, &arguments, &log)?;
        let began = Instant::now();
        // The last thing that it prints before it waits for requests.
        while !fs::read_to_string(&log)?.contains("Root Token: ") {
            let ended = server.ended();
            ensure!(
                !ended && began.elapsed() < LIMIT,
                "Vault did not become ready: {}",
                fs::read_to_string(&log)?
            );
            std::thread::sleep(PAUSE);
        }
        Ok(Self {
            url: format!("https://127.0.0.1:{port}"),
            token: token.to_owned(),
            authority: dir.path().join("vault-ca.pem"),
            _server: server,
            _dir: dir,
        })
    }
}

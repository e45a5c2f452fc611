//! Several kube-apiservers over one etcd, each with its own signing flags, restarted at will: a
//! control plane while its keys or its issuer change.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use crate::{ADMIN_TOKEN, Server, etcd_flags, flags, free_ports, wait_ready};

/// How one API server signs and what it accepts.
#[derive(Clone, Debug)]
pub struct Signing {
    /// `--service-account-issuer`, the first signs.
    pub issuers: Vec<String>,
    /// `--service-account-jwks-uri`.
    pub jwks_uri: Option<String>,
    /// `--service-account-key-file`.
    pub key_files: Vec<PathBuf>,
    /// `--service-account-signing-key-file`.
    pub signing_key: PathBuf,
    /// Further flags, whole.
    pub more: Vec<String>,
}

struct Replica {
    folder: PathBuf,
    port: u16,
    ca_pem: Vec<u8>,
    server: Option<Server>,
}

/// The running servers; they stop when dropped.
pub struct Replicas {
    bin: PathBuf,
    etcd_port: u16,
    replicas: Vec<Replica>,
    _etcd: Server,
    dir: TempDir,
}

impl Replicas {
    /// Starts one API server for each of `signing`.
    ///
    /// # Errors
    /// One does not become ready; the end of its log says why.
    pub async fn start(bin: &Path, signing: &[Signing]) -> Result<Self> {
        let dir = tempfile::Builder::new()
            .prefix("keyless-replicas-")
            .tempdir()?;
        let ports = free_ports(2 + signing.len())?;
        let [etcd, peer, apis @ ..] = ports.as_slice() else {
            bail!("no free ports")
        };
        let etcd_server = Server::spawn(
            &bin.join("etcd"),
            &etcd_flags(dir.path(), *etcd, *peer),
            &dir.path().join("etcd.log"),
        )?;
        let mut replicas = Self {
            bin: bin.to_owned(),
            etcd_port: *etcd,
            replicas: Vec::new(),
            _etcd: etcd_server,
            dir,
        };
        for (n, (port, signing)) in apis.iter().zip(signing).enumerate() {
            let folder = replicas.dir.path().join(format!("api-{n}"));
            fs::create_dir_all(&folder)?;
            replicas.replicas.push(Replica {
                folder,
                port: *port,
                ca_pem: Vec::new(),
                server: None,
            });
            replicas.restart(n, signing).await?;
        }
        Ok(replicas)
    }

    /// Starts API server `n` again with other flags, on its port.
    ///
    /// # Errors
    /// It does not become ready.
    pub async fn restart(&mut self, n: usize, signing: &Signing) -> Result<()> {
        let url = self.url(n);
        let etcd = self.etcd_port;
        let replica = self.replicas.get_mut(n).context("no such API server")?;
        drop(replica.server.take());
        let tokens = replica.folder.join("tokens.csv");
        fs::write(
            &tokens,
            format!("{ADMIN_TOKEN},admin,admin,\"system:masters\"\n"),
        )?;
        let server = Server::spawn(
            &self.bin.join("kube-apiserver"),
            &api_flags(&replica.folder, etcd, replica.port, signing),
            &replica.folder.join("kube-apiserver.log"),
        )?;
        let mut servers = [server];
        replica.ca_pem = wait_ready(&replica.folder, &url, &mut servers).await?;
        let [server] = servers;
        replica.server = Some(server);
        Ok(())
    }

    /// Ends API server `n`.
    pub fn stop(&mut self, n: usize) {
        if let Some(replica) = self.replicas.get_mut(n) {
            drop(replica.server.take());
        }
    }

    /// Where API server `n` is.
    #[must_use]
    pub fn url(&self, n: usize) -> String {
        let port = self.replicas.get(n).map_or(0, |r| r.port);
        format!("https://127.0.0.1:{port}")
    }

    /// The certificate of API server `n`, which is its own authority.
    #[must_use]
    pub fn ca_pem(&self, n: usize) -> &[u8] {
        self.replicas.get(n).map_or(&[], |r| &r.ca_pem)
    }

    /// The end of API server `n`'s log.
    #[must_use]
    pub fn log(&self, n: usize) -> String {
        let file = self
            .replicas
            .get(n)
            .map(|r| r.folder.join("kube-apiserver.log"));
        file.and_then(|f| fs::read_to_string(f).ok())
            .unwrap_or_default()
    }

    /// A kubeconfig with a context for each API server, named `server-0` and so on.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn kubeconfig(&self) -> Result<PathBuf> {
        let file = self.dir.path().join("kubeconfig");
        let all = 0..self.replicas.len();
        let clusters: Vec<String> = all
            .clone()
            .map(|n| {
                let ca = self.replicas.get(n).map(|r| r.folder.join("certs/apiserver.crt"));
                format!(
                    "{{name: server-{n}, cluster: {{server: \"{}\", certificate-authority: \"{}\"}}}}",
                    self.url(n),
                    ca.unwrap_or_default().display()
                )
            })
            .collect();
        let contexts: Vec<String> = all
            .map(|n| format!("{{name: server-{n}, context: {{cluster: server-{n}, user: admin}}}}"))
            .collect();
        fs::write(
            &file,
            format!(
                "apiVersion: v1\nkind: Config\ncurrent-context: server-0\nclusters: [{}]\n\
                 users: [{{name: admin, user: {{token: \"{ADMIN_TOKEN}\"}}}}]\ncontexts: [{}]\n",
                clusters.join(", "),
                contexts.join(", ")
            ),
        )?;
        Ok(file)
    }

    /// The administrator's bearer token.
    #[must_use]
    pub fn admin_token(&self) -> &'static str {
        ADMIN_TOKEN
    }
}

fn api_flags(folder: &Path, etcd: u16, port: u16, signing: &Signing) -> Vec<String> {
    let file = |name: &str| folder.join(name).display().to_string();
    let mut all = flags(&[
        ("etcd-servers", format!("http://127.0.0.1:{etcd}")),
        ("secure-port", port.to_string()),
        ("bind-address", "127.0.0.1".into()),
        ("advertise-address", "127.0.0.1".into()),
        ("endpoint-reconciler-type", "none".into()),
        ("cert-dir", file("certs")),
        ("authorization-mode", "RBAC".into()),
        ("token-auth-file", file("tokens.csv")),
        (
            "service-account-signing-key-file",
            signing.signing_key.display().to_string(),
        ),
        ("service-cluster-ip-range", "10.0.0.0/24".into()),
        // Nobody makes service accounts here but the test.
        ("disable-admission-plugins", "ServiceAccount".into()),
    ]);
    let issuers = signing.issuers.iter();
    all.extend(issuers.map(|i| format!("--service-account-issuer={i}")));
    let keys = signing.key_files.iter();
    all.extend(keys.map(|k| format!("--service-account-key-file={}", k.display())));
    if let Some(uri) = &signing.jwks_uri {
        all.push(format!("--service-account-jwks-uri={uri}"));
    }
    all.extend(signing.more.iter().cloned());
    all
}

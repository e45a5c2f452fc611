//! The processes of an installation, as their pods would run them.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::until;

/// A running `keyless controller` or `keyless webhook`; killed when dropped.
pub struct Operator {
    child: Child,
    log: PathBuf,
    /// Where it serves its metrics.
    pub metrics: String,
    live: String,
}

/// An address that was free a moment ago.
fn free_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}

impl Operator {
    /// Starts it with these arguments, the rights of `kubeconfig` and nothing in its environment
    /// but `environment`. Where it listens is the only thing that is not as in its pod.
    pub fn start(
        arguments: &[String],
        kubeconfig: &Path,
        environment: &[(String, String)],
        log: PathBuf,
    ) -> Self {
        let (metrics, live) = (free_address(), free_address());
        let mut listening = vec![format!("--metrics-addr={metrics}")];
        if arguments.first().is_some_and(|verb| verb == "webhook") {
            let port = free_address();
            let port = port.rsplit(':').next().unwrap();
            listening.push(format!("--healthz-addr={live}"));
            listening.push(format!("--port={port}"));
        } else {
            listening.push(format!("--live-addr={live}"));
        }
        let out = std::fs::File::create(&log).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_keyless"))
            .args(arguments)
            .args(&listening)
            .arg("--kubeconfig")
            .arg(kubeconfig)
            .env_clear()
            .envs(environment.iter().map(|(k, v)| (k, v)))
            .stdin(Stdio::null())
            .stdout(out.try_clone().unwrap())
            .stderr(out)
            .spawn()
            .unwrap();
        Self {
            child,
            log,
            metrics,
            live,
        }
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Waits until its caches are filled.
    pub fn until_ready(&mut self) {
        let url = format!("http://{}/readyz", self.live);
        until("the operator being ready", || {
            if let Ok(Some(status)) = self.child.try_wait() {
                panic!("the operator ended with {status}:\n{}", self.log());
            }
            get(&url)
        });
    }

    /// Its metrics.
    pub fn metrics(&self) -> String {
        let url = format!("http://{}/metrics", self.metrics);
        until("the metrics", || get(&url))
    }

    /// Ends it as a kubelet would, and waits.
    pub fn stop(mut self) {
        let pid = self.child.id().to_string();
        let _ = Command::new("kill").arg(&pid).status();
        until("the operator ending", || {
            self.child.try_wait().ok().flatten()
        });
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The body of a successful answer.
fn get(url: &str) -> Option<String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let answer = reqwest::get(url).await.ok()?;
        answer.error_for_status().ok()?.text().await.ok()
    })
}

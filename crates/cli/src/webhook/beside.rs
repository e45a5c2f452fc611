//! The admission server beside the operator: on a thread of its own, so that a burst of syncs
//! delays no admission, and an end of either ends both.

use std::thread::JoinHandle;

use anyhow::{Context, Result, anyhow};
use keyless_admission::{Measured, Options, Webhook};
use keyless_kubernetes::Error;
use tokio::sync::oneshot;

/// A running admission server.
pub struct Beside {
    measured: Measured,
    stop: oneshot::Sender<()>,
    ended: oneshot::Receiver<()>,
    thread: JoinHandle<Result<()>>,
}

impl Beside {
    /// Starts it.
    ///
    /// # Errors
    /// It cannot reach the API server, or the system has no thread left.
    pub fn start(config: kube::Config, options: Options) -> Result<Self> {
        let (stop, stopped) = oneshot::channel();
        let (tell, ended) = oneshot::channel();
        let (hand, handed) = std::sync::mpsc::channel();
        let thread = std::thread::Builder::new()
            .name("admission".into())
            .spawn(move || {
                let _tell = tell;
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()?;
                runtime.block_on(async move {
                    // Connections belong to the runtime that they were made on.
                    let clients = keyless_kubernetes::connect(&config).await?;
                    let options = super::adapted(&clients, options).await;
                    let webhook = Webhook::new(clients, options);
                    let _ = hand.send(webhook.measured());
                    let shutdown = async {
                        let _ = stopped.await;
                    };
                    webhook.run(shutdown).await.map_err(anyhow::Error::from)
                })
            })
            .context("cannot start the admission server")?;
        match handed.recv() {
            Ok(measured) => Ok(Self {
                measured,
                stop,
                ended,
                thread,
            }),
            Err(_) => Err(joined(thread)
                .err()
                .unwrap_or_else(|| anyhow!("the admission server ended at once"))),
        }
    }

    /// What is served at /metrics.
    pub fn measured(&self) -> Measured {
        self.measured.clone()
    }

    /// Runs `operator` until one of both ends, then ends the other.
    ///
    /// # Errors
    /// The one that ended first failed.
    pub async fn run_with(self, operator: impl Future<Output = Result<(), Error>>) -> Result<()> {
        let result = tokio::select! {
            ended = operator => ended.context("the operator ended"),
            _ = self.ended => return joined(self.thread).context("the admission server ended"),
        };
        let _ = self.stop.send(());
        let thread = self.thread;
        let ended = tokio::task::spawn_blocking(move || joined(thread)).await?;
        result.and(ended.context("the admission server ended"))
    }
}

fn joined(thread: JoinHandle<Result<()>>) -> Result<()> {
    let ended = thread.join();
    ended.unwrap_or_else(|_| Err(anyhow!("the admission server met a defect")))
}

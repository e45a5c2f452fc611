//! `keyless bench admission`: pods created at a steady rate while the API server asks the
//! admission server about each, and what that costs.
//!
//! The pods are dry runs: they go all the way through admission and are not kept, so that the
//! figures do not depend on how many there are already.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use futures::stream::{FuturesUnordered, StreamExt as _};
use http::{Method, Request};
use kube::Client;
use serde_json::{Value, json};

use super::load::{Load, namespace};
use super::process::{Operator, Usage};
use super::server::Server;
use crate::outcome::Outcome;
use crate::sandbox::Format;

/// Flags of `keyless bench admission`.
#[derive(clap::Args)]
pub struct Flags {
    /// Pods per second
    #[arg(long, default_value_t = 200)]
    rate: u32,
    /// How long, in seconds
    #[arg(long, default_value_t = 30)]
    seconds: u32,
    /// Service accounts in the cluster, each of which asks for a token
    #[arg(long, default_value_t = 5000)]
    accounts: usize,
    /// A fresh kube-apiserver and etcd from this folder (`cargo xtask testbed` prints one); without
    /// it the sandbox's own API is measured
    #[arg(long, value_name = "FOLDER")]
    kube_bin: Option<PathBuf>,
    /// The program whose admission server is measured; default: this one
    #[arg(long, value_name = "FILE")]
    program: Option<PathBuf>,
    /// Output for people or for programs
    #[arg(short, long, value_enum, default_value = "text")]
    output: Format,
}

/// The name of the configuration.
const NAME: &str = "keyless-bench";
/// How long anything may take to begin.
const LIMIT: Duration = Duration::from_secs(60);

/// Latencies in milliseconds, in order.
struct Latencies(Vec<f64>);

impl Latencies {
    fn at(&self, share: f64) -> f64 {
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "an index into a list"
        )]
        let index = ((self.0.len() as f64 * share) as usize).min(self.0.len().saturating_sub(1));
        round(self.0.get(index).copied().unwrap_or_default())
    }

    fn figures(&self) -> Value {
        json!({"p50": self.at(0.5), "p90": self.at(0.9), "p99": self.at(0.99), "max": self.at(1.0)})
    }
}

fn round(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

/// Measures, and prints the figures.
///
/// # Errors
/// Something did not start, or a pod was refused.
pub async fn perform(flags: &Flags) -> Result<Outcome> {
    let server = Server::start(flags.kube_bin.as_deref(), 0).await?;
    let client = server.client().await?;
    let load = Load::new(client.clone(), 0);
    load.namespaces().await?;
    let port = std::net::TcpListener::bind("127.0.0.1:0")?
        .local_addr()?
        .port();
    let metrics = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    eprintln!("keyless bench: {} service accounts", flags.accounts);
    load.each(flags.accounts, |i| {
        let load = &load;
        async move {
            let namespace = namespace(i);
            let annotations = json!({"eks.amazonaws.com/role-arn": format!("arn:aws:iam::111122223333:role/app-{i}")});
            let object = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": account(i), "namespace": namespace, "annotations": annotations}});
            load.create(&format!("/api/v1/namespaces/{namespace}/serviceaccounts"), &object).await
        }
    })
    .await?;
    eprintln!("keyless bench: without the admission server");
    let (bare, _) = run(flags, &client, false).await?;
    configure(&load, port).await?;
    let own = || std::env::current_exe().context("cannot find this program's own file");
    let program = flags.program.clone().map_or_else(own, Ok)?;
    let log = std::env::temp_dir().join(format!("keyless-bench-{}.log", std::process::id()));
    let mut webhook = Operator::start_as(
        &program,
        "webhook",
        &arguments(&server, port, &metrics.to_string()),
        &[],
        &log,
    )?;
    until_injected(&client, &mut webhook, &log).await?;
    let before = webhook.usage();
    let hook = HookTimes::read(&client).await?;
    eprintln!("keyless bench: with the admission server");
    let (with, missed) = run(flags, &client, true).await?;
    let (after, hook) = (
        webhook.usage(),
        HookTimes::read(&client).await?.since(&hook),
    );
    let _ = std::fs::remove_file(&log);
    report(flags, &bare, &with, missed, &hook, before, after)
}

fn account(i: usize) -> String {
    format!("app-{i}")
}

fn arguments(server: &Server, port: u16, metrics: &str) -> Vec<String> {
    let mut arguments = server.kubeconfig_flags();
    arguments.extend(
        [
            "--inject=aws",
            &format!("--port={port}"),
            &format!("--metrics-addr={metrics}"),
            "--healthz-addr=0",
            "--dns-name=127.0.0.1",
            "--namespace=default",
            &format!("--mutating-webhook-configuration={NAME}"),
            "--missed-pods-interval=0",
            "--loglevel=warn",
        ]
        .map(str::to_owned),
    );
    arguments
}

async fn configure(load: &Load, port: u16) -> Result<()> {
    let configuration = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration", "metadata": {"name": NAME},
        "webhooks": [{
            "name": "aws.injection.keyless.dev",
            "clientConfig": {"url": format!("https://127.0.0.1:{port}/inject/aws")},
            "rules": [{"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"]}],
            "failurePolicy": "Fail", "sideEffects": "None", "timeoutSeconds": 10, "admissionReviewVersions": ["v1"],
        }],
    });
    load.create(
        "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations",
        &configuration,
    )
    .await
}

/// A pod as a Deployment's controller makes it.
fn pod(i: usize, accounts: usize) -> (String, Value) {
    let i = i % accounts.max(1);
    let namespace = namespace(i);
    let container = |name: &str| {
        json!({"name": name, "image": "registry.example/app:1", "ports": [{"containerPort": 8080}],
            "env": [{"name": "LOG_LEVEL", "value": "info"}, {"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
            "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "256Mi"}},
            "volumeMounts": [{"name": "config", "mountPath": "/etc/app"}]})
    };
    let object = json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"generateName": "app-6d4b75cb6d-", "namespace": namespace, "labels": {"app": "app", "pod-template-hash": "6d4b75cb6d"}},
        "spec": {"serviceAccountName": account(i), "initContainers": [container("init")], "containers": [container("app"), container("sidecar")],
            "volumes": [{"name": "config", "configMap": {"name": "app"}}]}});
    (namespace, object)
}

/// Creates one pod as a dry run; whether it was injected.
async fn create(client: &Client, i: usize, accounts: usize) -> Result<bool> {
    let (namespace, object) = pod(i, accounts);
    let request = Request::builder()
        .method(Method::POST)
        .uri(format!("/api/v1/namespaces/{namespace}/pods?dryRun=All"))
        .header("Content-Type", "application/json")
        .body(object.to_string().into_bytes())?;
    let answer = client.request_text(request).await.context("create a pod")?;
    Ok(answer.contains("AWS_ROLE_ARN"))
}

async fn until_injected(
    client: &Client,
    webhook: &mut Operator,
    log: &std::path::Path,
) -> Result<()> {
    while webhook.started.elapsed() < LIMIT && !webhook.ended() {
        if create(client, 0, 1).await.unwrap_or_default() {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    bail!(
        "no pod was injected within {LIMIT:?}; the log is {}",
        log.display()
    )
}

/// Creates pods at the rate that is asked for, whatever the answers; the latencies, and how many
/// pods were not injected.
async fn run(flags: &Flags, client: &Client, injected: bool) -> Result<(Latencies, usize)> {
    let total = flags.rate.max(1) * flags.seconds.max(1);
    let step = Duration::from_secs(1) / flags.rate.max(1);
    let (begin, mut latencies, mut missed) = (Instant::now(), Vec::new(), 0);
    let mut running = FuturesUnordered::new();
    for i in 0..total {
        let due = begin + step * i;
        loop {
            let wait = due.saturating_duration_since(Instant::now());
            if wait.is_zero() {
                break;
            }
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                Some(done) = running.next(), if !running.is_empty() => note(done?, injected, &mut latencies, &mut missed),
            }
        }
        let client = client.clone();
        let accounts = flags.accounts;
        running.push(async move {
            let sent = Instant::now();
            let was = create(&client, i as usize, accounts).await?;
            Ok::<_, anyhow::Error>((sent.elapsed(), was))
        });
    }
    while let Some(done) = running.next().await {
        note(done?, injected, &mut latencies, &mut missed);
    }
    latencies.sort_by(f64::total_cmp);
    Ok((Latencies(latencies), missed))
}

fn note(
    (took, was): (Duration, bool),
    injected: bool,
    latencies: &mut Vec<f64>,
    missed: &mut usize,
) {
    latencies.push(took.as_secs_f64() * 1000.0);
    if injected && !was {
        *missed += 1;
    }
}

/// What the API server measured of its calls: how many, the seconds of all of them, and how many
/// were done within so many seconds.
#[derive(Debug, Default)]
struct HookTimes {
    count: f64,
    sum: f64,
    within: Vec<(f64, f64)>,
}

impl HookTimes {
    /// Reads `apiserver_admission_webhook_admission_duration_seconds`; a server that has no
    /// metrics, as the sandbox's, has measured nothing.
    async fn read(client: &Client) -> Result<Self> {
        let request = Request::get("/metrics").body(Vec::new())?;
        let text = match client.request_text(request).await {
            Ok(text) => text,
            Err(kube::Error::Api(status)) if status.code == 404 => String::new(),
            Err(error) => return Err(error).context("cannot read the API server's metrics"),
        };
        let mut times = Self::default();
        for line in text
            .lines()
            .filter(|l| l.contains("aws.injection.keyless.dev"))
        {
            let Some(rest) =
                line.strip_prefix("apiserver_admission_webhook_admission_duration_seconds_")
            else {
                continue;
            };
            let value = rest.rsplit(' ').next().and_then(|v| v.parse::<f64>().ok());
            let value = value.unwrap_or_default();
            if rest.starts_with("count") {
                times.count += value;
            } else if rest.starts_with("sum") {
                times.sum += value;
            } else if let Some((_, bound)) = rest.split_once("le=\"") {
                let bound = bound.split('"').next().and_then(|b| b.parse::<f64>().ok());
                times.within.extend(bound.map(|bound| (bound, value)));
            }
        }
        Ok(times)
    }

    fn since(mut self, earlier: &Self) -> Self {
        self.count -= earlier.count;
        self.sum -= earlier.sum;
        for (bound, count) in &mut self.within {
            let before = earlier.within.iter().find(|(b, _)| b == bound);
            *count -= before.map_or(0.0, |(_, count)| *count);
        }
        self
    }

    fn figures(&self) -> Value {
        if self.count < 1.0 {
            return Value::Null;
        }
        let within: serde_json::Map<String, Value> = self
            .within
            .iter()
            .take(3)
            .map(|(bound, count)| {
                (
                    format!("{} ms", bound * 1000.0),
                    json!(round(count / self.count * 100.0)),
                )
            })
            .collect();
        json!({"calls": self.count, "mean_ms": round(self.sum / self.count * 1000.0), "percent_within": within})
    }
}

#[allow(clippy::print_stdout, reason = "the figures are the command's result")]
fn report(
    flags: &Flags,
    bare: &Latencies,
    with: &Latencies,
    missed: usize,
    hook: &HookTimes,
    before: Usage,
    after: Usage,
) -> Result<Outcome> {
    let pods = with.0.len();
    #[allow(clippy::cast_precision_loss, reason = "counts far below 2^52")]
    let cpu = (after.cpu_seconds - before.cpu_seconds) / pods.max(1) as f64 * 1000.0;
    let figures = json!({
        "server": flags.kube_bin.as_ref().map_or("sandbox", |_| "kube-apiserver"),
        "rate": flags.rate, "pods": pods, "service_accounts": flags.accounts, "not_injected": missed,
        "create_ms_without": bare.figures(), "create_ms_with": with.figures(),
        "webhook_as_the_api_server_saw_it": hook.figures(),
        "cpu_ms_per_pod": round(cpu), "rss_mib": round(after.rss_mib), "rss_anonymous_mib": round(after.rss_anon_mib), "rss_peak_mib": round(after.rss_peak_mib),
    });
    if flags.output == Format::Json {
        println!("{}", serde_json::to_string_pretty(&figures)?);
    } else if let Some(figures) = figures.as_object() {
        for (name, value) in figures {
            println!("{:<34} {value}", name.replace('_', " "));
        }
    }
    if missed > 0 {
        return Ok(Outcome::Findings(format!(
            "{missed} of {pods} pods were not injected"
        )));
    }
    Ok(Outcome::Fine)
}

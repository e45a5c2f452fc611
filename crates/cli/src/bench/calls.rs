//! `keyless bench calls`: how often the clouds are asked, by provider and API, and what is saved.
//!
//! Many ExternalSecrets over fewer stores and still fewer identities, all due at once: the worst
//! case. Each object reads a value of its own and one that all objects of its identity read. What
//! counts is what the clouds counted; the operator's own metrics tell what it saved.

mod clouds;
mod counts;

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use kube::Client;
use serde_json::{Value, json};

use self::clouds::Cloud;
use self::counts::{Counts, Metrics};
use super::load::{Load, collection};
use super::process::{Operator, seconds};
use super::server::Server;
use super::track::Track;
use crate::outcome::Outcome;
use crate::sandbox::Format;

/// Flags of `keyless bench calls`.
#[derive(clap::Args)]
pub struct Flags {
    /// How many ExternalSecrets for each provider
    #[arg(short = 'n', long, default_value_t = 1000)]
    objects: usize,
    /// How many stores they are spread over
    #[arg(long, default_value_t = 50)]
    stores: usize,
    /// How many identities the stores log in as
    #[arg(long, default_value_t = 5)]
    identities: usize,
    /// Only this provider
    #[arg(long, value_enum)]
    provider: Option<Cloud>,
    /// Output for people or for programs
    #[arg(short, long, value_enum, default_value = "text")]
    output: Format,
}

/// Where everything of one provider is.
const NAMESPACE: &str = "bench-calls";
/// How long a provider's objects may take.
const LIMIT: Duration = Duration::from_secs(600);

/// The shape of the load.
#[derive(Clone, Copy)]
struct Shape {
    objects: usize,
    stores: usize,
    identities: usize,
}

impl Shape {
    /// The identity of a store.
    fn identity(self, store: usize) -> usize {
        store % self.identities
    }

    /// The store of an object.
    fn store(self, object: usize) -> usize {
        object % self.stores
    }

    /// What the objects ask for, entry by entry.
    fn reads(self) -> usize {
        self.objects * 2
    }

    /// What differs of it: by identity and remote key.
    fn keys(self) -> usize {
        self.objects + self.identities
    }
}

/// What one provider was asked.
struct Measured {
    cloud: Cloud,
    shape: Shape,
    seconds: f64,
    logins: u64,
    calls: Counts,
    saved: Counts,
}

impl Measured {
    /// Calls that read values; those by which stores are validated read none.
    fn reads(&self) -> u64 {
        self.calls.values().sum()
    }

    /// Keys that were named in calls: a batch names several.
    fn asked(&self) -> u64 {
        let batched = |(reason, saved): (&String, &u64)| {
            if reason.starts_with("batched") {
                *saved
            } else {
                0
            }
        };
        self.reads() + self.saved.iter().map(batched).sum::<u64>()
    }

    /// What was promised and is not so.
    fn misses(&self) -> Vec<String> {
        let mut misses = Vec::new();
        let (keys, reads) = (count(self.shape.keys()), self.reads());
        // A store may cost one call of its own, by which it is validated.
        let once = keys + count(self.shape.stores);
        if self.asked() > once {
            misses.push(format!(
                "{}: {keys} keys were asked for {} times: equal reads did not share",
                self.cloud.title(),
                self.asked()
            ));
        }
        if self.logins > count(self.shape.identities) {
            misses.push(format!(
                "{}: {} logins for {} identities",
                self.cloud.title(),
                self.logins,
                self.shape.identities
            ));
        }
        let most = count(self.shape.reads()) / 10;
        if self.cloud.batches() && reads > most {
            misses.push(format!(
                "{}: {reads} calls for {} entries of objects, at most {most} are promised",
                self.cloud.title(),
                self.shape.reads()
            ));
        }
        misses
    }

    fn show(&self) -> Value {
        json!({
            "provider": self.cloud.title(),
            "external_secrets": self.shape.objects, "stores": self.shape.stores,
            "identities": self.shape.identities, "reads": self.shape.reads(), "keys": self.shape.keys(),
            "all_ready_s": self.seconds, "logins": self.logins,
            "calls": self.calls, "keys_asked": self.asked(), "saved": self.saved, "misses": self.misses(),
        })
    }
}

#[allow(clippy::cast_precision_loss, reason = "counts far below 2^52")]
fn ratio(calls: u64, keys: usize) -> f64 {
    calls as f64 / keys as f64
}

fn count(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

/// Measures provider by provider and prints what was counted.
pub async fn perform(flags: &Flags) -> Result<Outcome> {
    if flags.objects == 0 || flags.stores == 0 || flags.identities == 0 {
        bail!("objects, stores and identities must be at least 1");
    }
    let shape = Shape {
        objects: flags.objects,
        stores: flags.stores,
        identities: flags.identities,
    };
    let server = Server::bare(None).await?;
    let load = Load::new(server.client().await?, 0);
    let namespace =
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}});
    load.create("/api/v1/namespaces", &namespace).await?;
    let mut all = Vec::new();
    for cloud in Cloud::ALL {
        if flags.provider.is_none_or(|wanted| wanted == cloud) {
            eprintln!("keyless bench: {}", cloud.title());
            all.push(measure(&server, &load, cloud, shape).await?);
        }
    }
    report(flags, &all)?;
    let misses = all.iter().map(|m| m.misses().len()).sum::<usize>();
    if misses > 0 {
        return Ok(Outcome::Findings(format!(
            "{misses} promises about calls are not kept"
        )));
    }
    Ok(Outcome::Fine)
}

/// One provider, from the start of a fresh operator to its last object Ready.
async fn measure(server: &Server, load: &Load, cloud: Cloud, shape: Shape) -> Result<Measured> {
    cloud.furnish(server, load, shape, NAMESPACE).await?;
    for object in 0..shape.objects {
        load.create(
            &collection(NAMESPACE),
            &external_secret(cloud, shape, object),
        )
        .await?;
    }
    let (track, watching) = Track::start(server.client().await?).await?;
    let metrics = Metrics::anywhere()?;
    let log = std::env::temp_dir().join(format!("keyless-bench-{}.log", std::process::id()));
    let before = cloud.counts(&server.sandbox);
    let mut flags = server.operator_flags();
    flags.extend(["--metrics-addr".to_owned(), metrics.address.clone()]);
    let mut operator = Operator::start(&flags, &cloud.environment(server), &log)?;
    let started = Instant::now();
    while track.count() < shape.objects {
        if operator.ended() || started.elapsed() > LIMIT {
            bail!(
                "{}: {} of {} objects became Ready; the operator's log is {}",
                cloud.title(),
                track.count(),
                shape.objects,
                log.display()
            );
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let (_, _, last) = track.spread(operator.started);
    watching.abort();
    let (logins, calls) = cloud.counts(&server.sandbox).since(&before);
    let saved = metrics.saved(cloud.metric()).await?;
    drop(operator);
    let _ = std::fs::remove_file(&log);
    clear(load, server.client().await?).await?;
    Ok(Measured {
        cloud,
        shape,
        seconds: seconds(last),
        logins,
        calls,
        saved,
    })
}

fn external_secret(cloud: Cloud, shape: Shape, object: usize) -> Value {
    let store = shape.store(object);
    let own = cloud.key(&format!("own-{object}"));
    let shared = cloud.key(&format!("shared-{}", shape.identity(store)));
    let entry = |name: &str, key: String| {
        let property = cloud.property();
        let mut remote = json!({ "key": key });
        if let (Some(property), Some(fields)) = (property, remote.as_object_mut()) {
            fields.insert("property".to_owned(), property.into());
        }
        json!({"secretKey": name, "remoteRef": remote})
    };
    json!({
        "apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret",
        "metadata": {"name": format!("es-{object:05}"), "namespace": NAMESPACE},
        "spec": {
            "refreshInterval": "1h", "secretStoreRef": {"name": format!("store-{store:03}")},
            "data": [entry("own", own), entry("shared", shared)],
        },
    })
}

/// Removes what a provider's part left behind.
async fn clear(load: &Load, client: Client) -> Result<()> {
    let stores = format!("/apis/external-secrets.io/v1/namespaces/{NAMESPACE}/secretstores");
    for path in [
        collection(NAMESPACE),
        stores,
        format!("/api/v1/namespaces/{NAMESPACE}/secrets"),
        format!("/api/v1/namespaces/{NAMESPACE}/serviceaccounts"),
        format!("/api/v1/namespaces/{NAMESPACE}/events"),
    ] {
        load.send(
            http::Method::DELETE,
            &path,
            "application/json",
            Vec::new(),
            &[404],
        )
        .await?;
    }
    drop(client);
    Ok(())
}

#[allow(clippy::print_stdout, reason = "the figures are the command's result")]
fn report(flags: &Flags, all: &[Measured]) -> Result<()> {
    if flags.output == Format::Json {
        let parts: Vec<Value> = all.iter().map(Measured::show).collect();
        println!(
            "{}",
            serde_json::to_string_pretty(&json!({ "providers": parts }))?
        );
        return Ok(());
    }
    println!(
        "{} ExternalSecrets over {} stores and {} identities for each provider, all due at once",
        flags.objects, flags.stores, flags.identities
    );
    for one in all {
        println!(
            "\n{}: {} reads of {} keys, all Ready after {:.1} s",
            one.cloud.title(),
            one.shape.reads(),
            one.shape.keys(),
            one.seconds
        );
        println!("  {:<44} {:>6}", "logins", one.logins);
        for (api, calls) in &one.calls {
            println!("  {:<44} {calls:>6}", format!("calls of {api}"));
        }
        for (reason, saved) in &one.saved {
            println!("  {:<44} {saved:>6}", format!("saved: {reason}"));
        }
        println!(
            "  {:<44} {:>6}   ({:.3} calls for each key)",
            "keys named in calls",
            one.asked(),
            ratio(one.reads(), one.shape.keys())
        );
        for miss in one.misses() {
            println!("  MISSED: {miss}");
        }
    }
    Ok(())
}

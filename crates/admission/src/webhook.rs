//! The admission server as a whole: starts everything, ends everything.
//!
//! Owns: the tasks, readiness, what is read from the cluster, and an order of the end that loses
//! no request. Refuses: a runtime of its own.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use arc_swap::ArcSwap;
use keyless_kubernetes::request::Requests;
use keyless_kubernetes::watch::{self, Sink};
use keyless_kubernetes::{Clients, Error};
use keyless_metrics::Text;
use tokio::net::TcpListener;
use tokio::sync::{Notify, watch as signal};
use tokio::task::JoinSet;

use crate::accounts::{self, Accounts};
use crate::associations::{self, Sources};
use crate::certificate::Served;
use crate::certificate::keeper::{self, Keeper};
use crate::metrics::Metrics;
use crate::missed::{self, Sweeper};
use crate::options::{CertificateSource, Options};
use crate::server::{self, State};
use crate::validate::Validator;
use crate::watched::Watched;

/// How often readiness is looked at before it is there.
const LOOK: Duration = Duration::from_millis(50);

/// The admission server. Nothing happens until [`Webhook::run`].
pub struct Webhook {
    clients: Clients,
    options: Options,
    shared: Arc<Shared>,
    ready: signal::Sender<bool>,
}

/// What tasks and metrics share.
#[derive(Debug)]
struct Shared {
    metrics: Arc<Metrics>,
    gauges: Gauges,
}

/// What metrics are read from when they are asked for.
#[derive(Clone, Debug)]
pub struct Gauges {
    accounts: Arc<Accounts>,
    served: Arc<Served>,
    rotations: Arc<keeper::Counters>,
    connections: Arc<server::Counters>,
    sources: Arc<Sources>,
    missed: Arc<missed::Found>,
}

impl std::fmt::Debug for Webhook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Webhook")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

/// What is served at /metrics.
#[derive(Clone, Debug)]
pub struct Measured(Arc<Shared>);

impl Measured {
    /// All metrics as they are now.
    #[must_use]
    pub fn render(&self) -> String {
        self.0.metrics.render(&self.0.gauges)
    }
}

impl Webhook {
    /// A server with these settings.
    #[must_use]
    pub fn new(clients: Clients, options: Options) -> Self {
        let injectors = Arc::new(ArcSwap::from_pointee(options.injectors.clone()));
        let requests = Requests::new(clients.requests.clone());
        let gauges = Gauges {
            accounts: Arc::new(Accounts::new(requests, Arc::clone(&injectors))),
            served: Arc::default(),
            rotations: Arc::default(),
            connections: Arc::default(),
            sources: Arc::new(Sources::new(injectors)),
            missed: Arc::default(),
        };
        Self {
            clients,
            options,
            shared: Arc::new(Shared {
                metrics: Arc::default(),
                gauges,
            }),
            ready: signal::Sender::new(false),
        }
    }

    /// True while it answers as it should.
    #[must_use]
    pub fn ready(&self) -> signal::Receiver<bool> {
        self.ready.subscribe()
    }

    /// What is served at /metrics.
    #[must_use]
    pub fn measured(&self) -> Measured {
        Measured(Arc::clone(&self.shared))
    }

    /// Works until `shutdown` completes, then lets requests under way end.
    ///
    /// # Errors
    /// The address cannot be served, or the certificate's files cannot be read.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> Result<(), Error> {
        let address = &self.options.address;
        let listener = TcpListener::bind(address).await;
        let listener = listener.map_err(|error| Error::Listen {
            purpose: "admission reviews",
            address: address.clone(),
            reason: error.to_string(),
        })?;
        self.run_on(listener, shutdown).await
    }

    /// As [`Webhook::run`], on a listener that is there.
    ///
    /// # Errors
    /// The certificate's files cannot be read.
    pub async fn run_on(
        self,
        listener: TcpListener,
        shutdown: impl Future<Output = ()>,
    ) -> Result<(), Error> {
        let mut tasks = JoinSet::new();
        let gauges = &self.shared.gauges;
        self.certificate(&mut tasks).await?;
        self.injection(&mut tasks);
        let state = Arc::new(State::new(
            gauges.sources.injectors(),
            Arc::clone(&gauges.accounts),
            self.options.validate.then_some(Validator),
            Arc::clone(&self.shared.metrics),
            self.ready.subscribe(),
        ));
        let tls = server::tls(Arc::clone(&gauges.served), self.options.tls)?;
        let stop = signal::Sender::new(false);
        let connections = Arc::clone(&gauges.connections);
        let mut serving = tokio::spawn(server::run(
            listener,
            tls,
            state,
            Arc::clone(&gauges.served),
            stop.subscribe(),
            connections,
        ));
        tracing::info!(address = %self.options.address, "the admission server listens");
        tokio::pin!(shutdown);
        let ended = tokio::select! {
            () = &mut shutdown => Ok(()),
            () = self.readiness() => Ok(()),
            ended = &mut serving => ended,
            ended = tasks.join_next() => match ended {
                Some(ended) => ended,
                None => Ok(()),
            },
        };
        self.ready.send_replace(false);
        if ended.is_ok() && !serving.is_finished() {
            tokio::time::sleep(self.options.drain).await;
        }
        stop.send_replace(true);
        if !serving.is_finished() {
            let _ = serving.await;
        }
        tasks.shutdown().await;
        ended.map_err(|error| Error::Task {
            reason: error.to_string(),
        })
    }

    /// Tells when everything is known; never ends.
    async fn readiness(&self) {
        let gauges = &self.shared.gauges;
        let injects = self.options.injectors.clouds().next().is_some();
        loop {
            let known = !injects || (gauges.accounts.is_complete() && gauges.sources.known());
            if known && gauges.served.is_set() {
                self.ready.send_replace(true);
                tracing::info!("the admission server is ready");
                return std::future::pending().await;
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    fn watch(&self, tasks: &mut JoinSet<()>, watched: &Arc<Watched>) {
        let (client, watched) = (self.clients.watches.clone(), Arc::clone(watched));
        tasks.spawn(async move {
            let resource = watched.resource();
            watch::run(client, resource, &*watched).await;
        });
    }

    fn configurations(&self, news: &Arc<Notify>) -> (Vec<Arc<Watched>>, Vec<Arc<Watched>>) {
        let one = |kind: &'static str, plural: &'static str, name: &String| {
            let collection = format!("/apis/admissionregistration.k8s.io/v1/{plural}");
            let what = format!("{kind} {name}");
            Arc::new(Watched::new(
                what,
                plural,
                collection,
                name,
                Arc::clone(news),
            ))
        };
        let mutating = self.options.mutating.iter().map(|name| {
            one(
                "MutatingWebhookConfiguration",
                "mutatingwebhookconfigurations",
                name,
            )
        });
        let validating = self.options.validating.iter().map(|name| {
            one(
                "ValidatingWebhookConfiguration",
                "validatingwebhookconfigurations",
                name,
            )
        });
        (mutating.collect(), validating.collect())
    }

    async fn certificate(&self, tasks: &mut JoinSet<()>) -> Result<(), Error> {
        let gauges = &self.shared.gauges;
        let place = match &self.options.certificate {
            CertificateSource::Files(files) => {
                let served = Arc::clone(&gauges.served);
                files.load(&served).await.map_err(|error| Error::Client {
                    intent: "serve admission reviews".into(),
                    reason: error.to_string(),
                })?;
                tasks.spawn(files.clone().run(served));
                return Ok(());
            }
            CertificateSource::Secret(place) => place.clone(),
        };
        let news = Arc::new(Notify::new());
        let (namespace, name) = (&place.namespace, &place.secret);
        let secret = Watched::namespaced("Secret", "secrets", namespace, name, Arc::clone(&news));
        let secret = Arc::new(secret);
        self.watch(tasks, &secret);
        let mut configurations = Vec::new();
        if place.maker == keeper::Maker::Own {
            let (mutating, validating) = self.configurations(&news);
            configurations = [mutating, validating].concat();
            for configuration in &configurations {
                self.watch(tasks, configuration);
            }
        }
        let keeper = Keeper::new(
            Requests::new(self.clients.requests.clone()),
            place,
            secret,
            configurations,
            Arc::clone(&gauges.served),
            news,
            Arc::clone(&gauges.rotations),
        );
        tasks.spawn(keeper.run());
        Ok(())
    }

    fn injection(&self, tasks: &mut JoinSet<()>) {
        if self.options.injectors.clouds().next().is_none() {
            return;
        }
        let gauges = &self.shared.gauges;
        let (client, sink) = (self.clients.watches.clone(), Arc::clone(&gauges.accounts));
        tasks.spawn(async move {
            watch::run(client, accounts::resource(), &*sink as &dyn Sink).await;
        });
        if self.options.aws_config_map {
            let news = Arc::new(Notify::new());
            let map = associations::config_map(&self.options.namespace, Arc::clone(&news));
            let map = Arc::new(map);
            self.watch(tasks, &map);
            gauges.sources.expect_map();
            tasks.spawn(associations::follow_map(
                Arc::clone(&gauges.sources),
                map,
                news,
            ));
        }
        if let Some(file) = self.options.aws_identities.clone() {
            gauges.sources.expect_file();
            tasks.spawn(associations::follow_file(Arc::clone(&gauges.sources), file));
        }
        if let Some(every) = self.options.sweep {
            let news = Arc::new(Notify::new());
            let (mutating, _) = self.configurations(&news);
            for configuration in &mutating {
                self.watch(tasks, configuration);
            }
            let sweeper = Sweeper {
                requests: Requests::new(self.clients.requests.clone()),
                configurations: mutating,
                accounts: Arc::clone(&gauges.accounts),
                injectors: gauges.sources.injectors(),
                found: Arc::clone(&gauges.missed),
                ready: self.ready.subscribe(),
                every,
                election: self.options.election.clone(),
            };
            tasks.spawn(sweeper.run());
        }
    }
}

impl Gauges {
    /// Writes what is read when it is asked for.
    pub fn write(&self, text: &mut Text) {
        self.missed.write(text);
        text.begin("keyless_injection_service_accounts");
        let (all, annotated) = self.accounts.count();
        text.sample(&[("annotated", "true")], annotated as f64);
        text.sample(&[("annotated", "false")], (all - annotated) as f64);
        let reads = &self.accounts.counters;
        text.begin("keyless_injection_account_reads_total");
        for (result, count) in [
            ("found", &reads.found),
            ("missing", &reads.missing),
            ("failed", &reads.failed),
        ] {
            text.sample(&[("result", result)], count.load(Ordering::Relaxed) as f64);
        }
        self.sources.write(text);
        let served = &self.served;
        text.single(
            "keyless_webhook_certificate_expiry_seconds",
            served.expires() as f64,
        );
        text.single(
            "keyless_webhook_certificates_served_total",
            served.loads() as f64,
        );
        let made = &self.rotations;
        text.begin("keyless_webhook_rotations_total");
        for (what, count) in [
            ("authority", &made.authorities),
            ("certificate", &made.certificates),
            ("configuration", &made.bundles),
        ] {
            text.sample(&[("what", what)], count.load(Ordering::Relaxed) as f64);
        }
        text.single(
            "keyless_webhook_rotation_failures_total",
            made.failures.load(Ordering::Relaxed) as f64,
        );
        let failed = &self.connections.handshakes_failed;
        text.single(
            "keyless_webhook_handshake_failures_total",
            failed.load(Ordering::Relaxed) as f64,
        );
    }
}

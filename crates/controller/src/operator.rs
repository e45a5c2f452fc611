//! The operator as a whole: starts everything, ends everything.
//!
//! Owns: the order of a start (listen, lead, watch, work), the tasks, readiness, and a shutdown
//! that gives back the lease. Refuses: a runtime of its own; it is meant for a current-thread one.

use std::future::Future;
use std::sync::Arc;

use keyless_identity::{Environment, Exchange, ExchangeOptions};
use keyless_kubernetes::Clients;
use keyless_kubernetes::lease;
use keyless_kubernetes::request::{Requests, escape};
use keyless_kubernetes::watch::{self, Resource};
use keyless_metrics::{ListenError, Listeners};
use keyless_providers::{Registry, RegistryOptions};
use tokio::sync::watch as signal;
use tokio::task::JoinSet;

use crate::backends::Backends;
use crate::clock::Clock;
use crate::cluster::ClusterReader;
use crate::context::Context;
use crate::effects::{Effects, Pass};
use crate::events;
use crate::index::Kind;
use crate::object::StoreKind;
use crate::options::Options;
use crate::sinks::{self, Feed};
use crate::{Error, dependencies, dispatch, kinds, metrics};

/// The operator. Nothing happens until [`Operator::run`].
pub struct Operator {
    clients: Clients,
    backends: Arc<dyn Backends>,
    options: Options,
    effects: Arc<dyn Effects>,
    clock: Option<Clock>,
    also: Also,
    ready: signal::Sender<bool>,
}

/// Writes the metrics of what runs beside the operator.
type Also = Arc<dyn Fn() -> String + Send + Sync>;

impl std::fmt::Debug for Operator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Operator")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

impl Operator {
    /// An operator that opens stores through `registry`.
    #[must_use]
    pub fn new(clients: Clients, registry: Arc<Registry>, options: Options) -> Self {
        Self::with_backends(clients, registry, options)
    }

    /// An operator whose logins and endpoints come from `environment`, and whose way out trusts
    /// what that environment says.
    ///
    /// # Errors
    /// The environment names authorities that cannot be used.
    pub fn with_environment(
        clients: Clients,
        environment: Environment,
        options: Options,
    ) -> Result<Self, Error> {
        let http = Exchange::new(&ExchangeOptions::from_environment(&environment));
        let http = http.map_err(|error| Error::Client {
            intent: "prepare calls to providers".into(),
            reason: error.to_string(),
        })?;
        let cluster = ClusterReader::new(clients.requests.clone()).reaching(clients.own.clone());
        let cluster = Arc::new(cluster);
        let defaults = RegistryOptions {
            link_local: options.link_local_webhooks,
            ..RegistryOptions::default()
        };
        let registry = Registry::new(cluster, Arc::new(http), environment, defaults);
        Ok(Self::new(clients, Arc::new(registry), options))
    }

    /// An operator that opens stores through `backends`.
    #[must_use]
    pub fn with_backends(clients: Clients, backends: Arc<dyn Backends>, options: Options) -> Self {
        Self {
            clients,
            backends,
            options,
            effects: Arc::new(Pass),
            clock: None,
            also: Arc::new(String::new),
            ready: signal::Sender::new(false),
        }
    }

    /// Asks `effects` before each change, so that a test can stop the operator there.
    #[doc(hidden)]
    #[must_use]
    pub fn observed_by(mut self, effects: Arc<dyn Effects>) -> Self {
        self.effects = effects;
        self
    }

    /// Reads the time from `clock`, so that a test can move it.
    #[doc(hidden)]
    #[must_use]
    pub fn timed_by(mut self, clock: Clock) -> Self {
        self.clock = Some(clock);
        self
    }

    /// Serves the metrics that `also` writes beside its own.
    #[must_use]
    pub fn also_measuring(mut self, also: impl Fn() -> String + Send + Sync + 'static) -> Self {
        self.also = Arc::new(also);
        self
    }

    /// True while this process leads and its caches are filled.
    #[must_use]
    pub fn ready(&self) -> signal::Receiver<bool> {
        self.ready.subscribe()
    }

    /// Works until `shutdown` completes.
    ///
    /// # Errors
    /// An address cannot be served, or the leader lease was lost: then the process must end,
    /// because another one leads.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> Result<(), Error> {
        let clock = self.clock.unwrap_or_else(Clock::system);
        let requests = Requests::new(self.clients.requests.clone());
        let (told, queue) = events::queue();
        let context = Arc::new(Context::new(
            requests.clone(),
            ClusterReader::new(self.clients.requests.clone()),
            Arc::clone(&self.backends),
            self.options.clone(),
            told,
            Arc::clone(&self.effects),
            clock,
        ));
        let mut tasks: JoinSet<Result<(), Error>> = JoinSet::new();
        let address = |flag: &Option<String>| flag.clone().unwrap_or_default();
        let (metrics, live) = (&self.options.metrics_addr, &self.options.live_addr);
        let listeners = Listeners::bind(&address(metrics), &address(live)).await;
        let listeners = listeners.map_err(listen)?;
        let (measured, also) = (Arc::clone(&context), Arc::clone(&self.also));
        let render = move || metrics::render(&measured) + &also();
        let serving = listeners.serve(render, self.ready.subscribe());
        tasks.spawn(async move { serving.await.map_err(listen) });
        tokio::pin!(shutdown);
        let mut held = None;
        if let Some(election) = self.options.leader_election.clone() {
            let mut lease = lease::Lease::new(requests.clone(), election);
            tokio::select! {
                () = lease.acquire() => {}
                () = &mut shutdown => return Ok(()),
            }
            let (keeper, renewing) = lease.keep();
            held = Some(keeper);
            tasks.spawn(renewing);
        }
        self.start(&context, &mut tasks, queue, requests);
        let result = tokio::select! {
            () = &mut shutdown => Ok(()),
            ended = tasks.join_next() => match ended {
                Some(Ok(result)) => result,
                Some(Err(error)) => Err(Error::Task { reason: error.to_string() }),
                None => Ok(()),
            },
        };
        self.ready.send_replace(false);
        tasks.shutdown().await;
        // Logins end with the process that needed them.
        self.backends.close().await;
        if let (Ok(()), Some(held)) = (&result, held) {
            held.release().await;
        }
        result
    }

    fn start(
        &self,
        context: &Arc<Context>,
        tasks: &mut JoinSet<Result<(), Error>>,
        queue: events::Queue,
        requests: Requests,
    ) {
        let kinds = watched(&self.options);
        let feed = Feed::new(Arc::clone(context), kinds.clone(), self.ready.clone());
        for kind in kinds {
            let resources = resources(kind, &self.options);
            let sink = sinks::sink(kind, feed.clone());
            let client = self.clients.watches.clone();
            tasks.spawn(async move {
                watch::run_all(client, resources, &*sink).await;
                Ok(())
            });
        }
        if self.options.generic_targets {
            let client = self.clients.watches.clone();
            tasks.spawn(kinds::run(Arc::clone(context), client));
        }
        tasks.spawn(dependencies::run(
            Arc::clone(context),
            self.clients.watches.clone(),
            self.ready.subscribe(),
        ));
        let (effects, clock) = (Arc::clone(&self.effects), context.clock);
        tasks.spawn(async move {
            events::run(queue, requests, effects, clock).await;
            Ok(())
        });
        tasks.spawn(dispatch::run(Arc::clone(context), feed));
    }
}

fn listen(error: ListenError) -> Error {
    Error::Listen {
        purpose: error.purpose,
        address: error.address,
        reason: error.reason,
    }
}

/// The kinds that these options watch.
fn watched(options: &Options) -> Vec<Kind> {
    let cluster = options.namespace.is_none();
    let mut kinds = vec![Kind::Secrets, Kind::Stores];
    if cluster && options.cluster_secret_stores {
        kinds.push(Kind::ClusterStores);
    }
    if cluster {
        kinds.push(Kind::Namespaces);
    }
    if cluster && options.cluster_external_secrets {
        kinds.push(Kind::ClusterExternalSecrets);
    }
    kinds.push(Kind::ExternalSecrets);
    kinds
}

/// Where objects of `kind` are looked for: Secrets perhaps in some namespaces only.
fn resources(kind: Kind, options: &Options) -> Vec<Resource> {
    if kind == Kind::Secrets {
        let scopes = options.secret_scopes().into_iter();
        return scopes.map(|scope| resource(kind, &scope)).collect();
    }
    let scope = options.namespace.as_deref();
    let scope = scope.map(|namespace| format!("/namespaces/{}", escape(namespace)));
    vec![resource(kind, &scope.unwrap_or_default())]
}

/// `scope` is the part of the path that names a namespace, or empty.
fn resource(kind: Kind, scope: &str) -> Resource {
    const GROUP: &str = "/apis/external-secrets.io/v1";
    let (plural, path, selector, metadata_only) = match kind {
        Kind::ExternalSecrets => (
            "externalsecrets",
            format!("{GROUP}{scope}/externalsecrets"),
            "",
            false,
        ),
        Kind::ClusterExternalSecrets => (
            "clusterexternalsecrets",
            format!("{GROUP}/clusterexternalsecrets"),
            "",
            false,
        ),
        Kind::Stores => {
            let plural = StoreKind::SecretStore.plural();
            (plural, format!("{GROUP}{scope}/{plural}"), "", false)
        }
        Kind::ClusterStores => {
            let plural = StoreKind::ClusterSecretStore.plural();
            (plural, format!("{GROUP}/{plural}"), "", false)
        }
        Kind::Secrets => (
            "secrets",
            format!("/api/v1{scope}/secrets"),
            "reconcile.external-secrets.io/managed=true",
            true,
        ),
        Kind::Namespaces => ("namespaces", "/api/v1/namespaces".into(), "", true),
    };
    Resource {
        plural: plural.into(),
        path,
        selector,
        fields: "".into(),
        metadata_only,
        optional: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cluster_external_secrets_are_watched_unless_switched_off_or_out_of_sight() {
        let watched = |change: fn(&mut Options)| {
            let mut options = Options::default();
            change(&mut options);
            watched(&options).contains(&Kind::ClusterExternalSecrets)
        };
        assert!(watched(|_| {}));
        assert!(!watched(|o| o.cluster_external_secrets = false));
        assert!(!watched(|o| o.namespace = Some("n".into())));
    }

    /// Rights on Secrets may end at some namespaces; what is said about them may lie anywhere.
    #[test]
    fn secrets_are_looked_for_where_they_may_be_seen() {
        let paths = |kind, change: fn(&mut Options)| {
            let mut options = Options::default();
            change(&mut options);
            let all = resources(kind, &options).into_iter();
            all.map(|r| r.path).collect::<Vec<_>>()
        };
        assert_eq!(paths(Kind::Secrets, |_| {}), ["/api/v1/secrets"]);
        let some = |o: &mut Options| o.secret_namespaces = vec!["a".into(), "b".into()];
        assert_eq!(
            paths(Kind::Secrets, some),
            [
                "/api/v1/namespaces/a/secrets",
                "/api/v1/namespaces/b/secrets"
            ]
        );
        assert_eq!(
            paths(Kind::ExternalSecrets, some),
            ["/apis/external-secrets.io/v1/externalsecrets"]
        );
        let one = |o: &mut Options| o.namespace = Some("n".into());
        assert_eq!(paths(Kind::Secrets, one), ["/api/v1/namespaces/n/secrets"]);
    }
}

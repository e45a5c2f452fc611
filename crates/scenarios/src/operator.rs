//! An operator on a thread of its own, as in production: one thread, one runtime.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use anyhow::{Context, Result, anyhow};
use futures::future::BoxFuture;
use keyless_controller::{Clients, Clock, Effect, Effects, LeaderElection, Operator, Options};
use keyless_identity::Environment;
use tokio::sync::oneshot;

use crate::ring::{Ring, RingClient};

/// What is special about an operator.
#[derive(Default)]
pub struct Wish {
    /// Its class; `default` if none is given.
    pub class: Option<String>,
    /// It stops for ever before the effect of this index.
    pub dies_after: Option<usize>,
    /// Only effects of ClusterExternalSecrets count.
    pub clusters_only: bool,
    /// Where it notes each effect of ClusterExternalSecrets.
    pub notes: Option<Notes>,
    /// Where it serves its metrics.
    pub metrics_addr: Option<String>,
    /// It takes part in the election of a leader.
    pub election: Option<LeaderElection>,
    /// The only namespace that it watches, if there is one.
    pub namespace: Option<String>,
    /// What its wall clock shows when it starts, in milliseconds since the Unix epoch, if not the
    /// present time.
    pub clock: Option<i64>,
    /// It does not allow targets of other kinds than Secret.
    pub secrets_only: bool,
    /// The bearer token that it shows to the API server, if it is not an administrator.
    pub token: Option<String>,
    /// It has the rights of this user, instead of the administrator's.
    pub user: Option<String>,
    /// Everything that it changes is noted here.
    pub seen: Option<Arc<Seen>>,
    /// It leaves ClusterSecretStores alone.
    pub no_cluster_stores: bool,
    /// Variables of its environment that differ from the ring's; `None` takes one away.
    pub environment: Vec<(&'static str, Option<String>)>,
}

/// A client whose requests are those of `user`.
fn acting_as(client: kube::Client, user: &str) -> Result<kube::Client> {
    let user = http::HeaderValue::from_str(user)?;
    let service = tower::service_fn(move |mut request: http::Request<kube::client::Body>| {
        let client = client.clone();
        let user = user.clone();
        async move {
            request.headers_mut().insert("impersonate-user", user);
            client.send(request).await
        }
    });
    Ok(kube::Client::new(service, "default"))
}

/// What an operator changed in the cluster, in order.
#[derive(Default)]
pub struct Seen(Mutex<Vec<Effect>>);

impl Seen {
    /// All of it.
    pub fn all(&self) -> Vec<Effect> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// How often the Secret `name` was created or changed.
    pub fn secret_writes(&self, name: &str) -> usize {
        self.count(|effect| match effect {
            Effect::CreateSecret(key) | Effect::UpdateSecret(key) => &*key.name == name,
            _ => false,
        })
    }

    /// How often the status of the ExternalSecret `name` was written.
    pub fn status_writes(&self, name: &str) -> usize {
        self.count(|effect| matches!(effect, Effect::WriteStatus(key) if &*key.name == name))
    }

    fn count(&self, is: impl Fn(&Effect) -> bool) -> usize {
        self.all().iter().filter(|effect| is(effect)).count()
    }
}

impl Effects for Seen {
    fn before<'a>(&'a self, effect: &'a Effect) -> BoxFuture<'a, ()> {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.push(effect.clone());
        Box::pin(std::future::ready(()))
    }
}

/// Effects of ClusterExternalSecrets, as they came.
pub type Notes = Arc<std::sync::Mutex<Vec<Effect>>>;

/// A running operator.
pub struct Running {
    stop: Option<oneshot::Sender<()>>,
    died: Option<oneshot::Receiver<()>>,
    thread: Option<JoinHandle<Result<()>>>,
}

/// Lets some effects pass, and none after them.
struct Dies {
    clusters_only: bool,
    left: AtomicUsize,
    told: std::sync::Mutex<Option<oneshot::Sender<()>>>,
}

impl Effects for Dies {
    fn before<'a>(&'a self, effect: &'a Effect) -> BoxFuture<'a, ()> {
        let counts = !self.clusters_only || is_of_cluster(effect);
        let alive = if counts {
            self.left
                .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1))
                .is_ok()
        } else {
            self.told.lock().is_ok_and(|told| told.is_some())
        };
        if alive {
            return Box::pin(std::future::ready(()));
        }
        if let Some(tell) = self.told.lock().ok().and_then(|mut t| t.take()) {
            let _ = tell.send(());
        }
        Box::pin(std::future::pending())
    }
}

/// Notes and lets everything pass.
struct Noted(Notes);

impl Effects for Noted {
    fn before<'a>(&'a self, effect: &'a Effect) -> BoxFuture<'a, ()> {
        if is_of_cluster(effect)
            && let Ok(mut notes) = self.0.lock()
        {
            notes.push(effect.clone());
        }
        Box::pin(std::future::ready(()))
    }
}

fn is_of_cluster(effect: &Effect) -> bool {
    matches!(
        effect,
        Effect::CreateExternalSecret(_)
            | Effect::UpdateExternalSecret(_)
            | Effect::DeleteExternalSecret(_)
            | Effect::WriteClusterStatus(_)
            | Effect::ReleaseNamespace(_)
            | Effect::ReleaseCluster(_)
    )
}

impl Running {
    /// Starts an operator on `ring`.
    pub fn start(ring: &Ring, wish: Wish) -> Result<Self> {
        let sandbox = &ring.sandbox;
        let aws =
            sandbox.operator_environment(&ring.operator_token, &crate::world::operator_role());
        let azure = sandbox.azure_environment(&ring.azure_token, &ring.azure_operator.client_id);
        let authority = sandbox.authority_file().map(|file| {
            let file = file.display().to_string();
            ("SSL_CERT_FILE".to_owned(), file)
        });
        let environment: Environment = aws
            .into_iter()
            .chain(azure)
            .chain(sandbox.gcp_environment())
            .chain([sandbox.resolve()])
            .chain(authority)
            .filter(|(name, _)| wish.environment.iter().all(|(other, _)| name != other))
            .chain(wish.environment.iter().filter_map(|(name, value)| {
                let value = value.clone()?;
                Some(((*name).to_owned(), value))
            }))
            .collect();
        let options = Options {
            metrics_addr: wish.metrics_addr,
            live_addr: None,
            controller_class: wish.class.unwrap_or_else(|| "default".to_owned()),
            leader_election: wish.election,
            namespace: wish.namespace,
            generic_targets: !wish.secrets_only,
            cluster_secret_stores: !wish.no_cluster_stores,
            ..crate::world::quick_options()
        };
        let (stop, stopped) = oneshot::channel();
        let (tell, died) = oneshot::channel();
        let notes = wish
            .notes
            .map(|notes| Arc::new(Noted(notes)) as Arc<dyn Effects>);
        let seen = wish.seen.map(|seen| seen as Arc<dyn Effects>);
        let dies = wish.dies_after.map(|n| {
            Arc::new(Dies {
                clusters_only: wish.clusters_only,
                left: AtomicUsize::new(n),
                told: std::sync::Mutex::new(Some(tell)),
            }) as Arc<dyn Effects>
        });
        let effects = dies.or(notes).or(seen);
        let client = match &wish.token {
            None => ring.config.clone(),
            Some(token) => ring.client_of(token)?,
        };
        let user = wish.user;
        let thread = std::thread::Builder::new()
            .name("operator".into())
            .spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()?;
                runtime.block_on(async move {
                    let clients = match (client, user) {
                        (RingClient::InProcess(client), None) => Clients::from(client),
                        (RingClient::InProcess(client), Some(user)) => {
                            Clients::from(acting_as(client, &user)?)
                        }
                        (RingClient::Config(config), Some(user)) => {
                            let client = kube::Client::try_from(*config)?;
                            Clients::from(acting_as(client, &user)?)
                        }
                        (RingClient::Config(config), None) => {
                            keyless_controller::connect(&config).await?
                        }
                    };
                    let mut operator = Operator::with_environment(clients, environment, options)?;
                    if let Some(moment) = wish.clock {
                        operator = operator.timed_by(Clock::anchored(moment));
                    }
                    if let Some(effects) = effects {
                        operator = operator.observed_by(effects);
                    }
                    operator
                        .run(async {
                            let _ = stopped.await;
                        })
                        .await
                        .map_err(|e| anyhow!("{e:#}"))
                })
            })?;
        Ok(Self {
            stop: Some(stop),
            died: Some(died),
            thread: Some(thread),
        })
    }

    /// Waits until it stands still for ever, then takes it away as `kill -9` would.
    pub async fn until_dead(mut self) -> Result<()> {
        let died = self.died.take().context("asked twice")?;
        tokio::time::timeout(crate::api::PATIENCE, died)
            .await
            .context("the operator never reached its last effect")??;
        self.stop().await
    }

    /// Stops it in order.
    pub async fn stop(mut self) -> Result<()> {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        let thread = self.thread.take().context("stopped twice")?;
        tokio::task::spawn_blocking(move || {
            thread.join().map_err(|_| anyhow!("the operator panicked"))
        })
        .await??
    }
}

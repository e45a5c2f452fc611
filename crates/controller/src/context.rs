//! What every reconcile shares.

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use keyless_kubernetes::request::{Requests, Verb};
use keyless_metrics::Histogram;
use tokio::sync::{Notify, watch as signal};

use crate::Error;
use crate::backends::Backends;
use crate::clock::Clock;
use crate::cluster::ClusterReader;
use crate::effects::{Effect, Effects};
use crate::events::Events;
use crate::external_secret::store_ref;
use crate::index::{Demand, Disturbed, Index, Wakes, Work};
use crate::metrics::Reconciles;
use crate::object::ObjectKey;
use crate::options::Options;
use crate::render::SharedEngine;
use crate::schedule::{Lane, Pace, Scheduler};
use crate::writers::{Turn, Writers};

/// The index and the scheduler change together.
#[derive(Debug, Default)]
pub struct State {
    /// What exists.
    pub index: Index,
    /// What is to be done.
    pub scheduler: Scheduler<Work, ObjectKey>,
}

/// Counted since the start.
#[derive(Debug, Default)]
pub struct Counters {
    /// Reconciles that panicked.
    pub panics: AtomicU64,
    /// How long reconciles of ExternalSecrets took.
    pub durations: Histogram,
    /// Reconciles of every kind.
    pub reconciles: Reconciles,
    /// Watches that failed.
    pub interrupted: AtomicU64,
    /// Objects that no event could be decoded of.
    pub malformed: AtomicU64,
    /// How the watches of what others depend on are doing.
    pub dependency_watches: crate::dependencies::Watches,
}

/// What every reconcile shares.
pub struct Context {
    /// Single requests.
    pub requests: Requests,
    /// Reads for logins and templates.
    pub cluster: ClusterReader,
    /// Stores.
    pub backends: Arc<dyn Backends>,
    /// Settings.
    pub options: Options,
    /// Event queue.
    pub events: Events,
    /// Asked before each change.
    pub effects: Arc<dyn Effects>,
    /// Clocks.
    pub clock: Clock,
    /// Executes templates.
    pub engine: SharedEngine,
    /// Limits writes in flight.
    pub writers: Writers,
    /// Told when the scheduler has news.
    pub news: Notify,
    /// Told when another set of kinds is needed.
    pub kinds: Notify,
    /// Counters.
    pub counters: Counters,
    /// Which kinds something depends on.
    pub demand: signal::Sender<Demand>,
    state: Mutex<State>,
}

/// How often one object is looked at because of changes of what it depends on: the first change
/// counts at once, those that follow are taken together.
const DEPENDENCY_PACE: Duration = Duration::from_secs(5);

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Context")
    }
}

impl Context {
    #[allow(clippy::too_many_arguments, reason = "called once, by the operator")]
    pub(crate) fn new(
        requests: Requests,
        cluster: ClusterReader,
        backends: Arc<dyn Backends>,
        options: Options,
        events: Events,
        effects: Arc<dyn Effects>,
        clock: Clock,
    ) -> Self {
        let engine = SharedEngine::new(
            &options.template_left_delimiter,
            &options.template_right_delimiter,
        );
        let writers = Writers::new(options.writers_at_start.max(1));
        Self {
            requests,
            cluster,
            backends,
            options,
            events,
            effects,
            clock,
            engine,
            writers,
            news: Notify::new(),
            kinds: Notify::new(),
            counters: Counters::default(),
            demand: signal::Sender::new(Demand::default()),
            state: Mutex::new(State::default()),
        }
    }

    /// The state, never held across an await. A panic while it was held is no reason to stop:
    /// each change to it is small and leaves it usable.
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the index and puts whom that wakes into the scheduler.
    pub fn change(&self, change: impl FnOnce(&mut Index) -> Wakes) {
        let now = self.clock.elapsed();
        let mut state = self.state();
        let state = &mut *state;
        let wakes = change(&mut state.index);
        if state.index.take_kinds_changed() {
            self.kinds.notify_one();
        }
        self.publish(&state.index);
        if wakes.is_empty() {
            return;
        }
        for (work, lane) in wakes {
            let group = group(&state.index, &work);
            state.scheduler.wake(&work, &group, lane, now);
        }
        self.news.notify_one();
    }
}

impl Context {
    /// Changes the index by what was seen of an object that others depend on, forgets what was
    /// resolved by way of it, and wakes whom that disturbs: at once, but no more often than
    /// bursts of changes deserve.
    pub fn disturb(&self, change: impl FnOnce(&mut Index) -> Disturbed) {
        let disturbed = {
            let mut state = self.state();
            let disturbed = change(&mut state.index);
            self.publish(&state.index);
            disturbed
        };
        if disturbed.is_empty() {
            return;
        }
        // Before anyone is woken: a reader must not meet the old login. What is gone may only
        // be on its way to be replaced; its store forgets when its turn comes.
        for store in disturbed.stores.iter().filter(|_| !disturbed.gone) {
            self.backends.changed(&store_ref(store));
        }
        let now = self.clock.elapsed();
        let mut state = self.state();
        let State { index, scheduler } = &mut *state;
        let pace = Pace {
            every: DEPENDENCY_PACE,
            later: disturbed.gone,
        };
        let stores = disturbed.stores.into_iter().map(Work::Store);
        let readers = disturbed.external_secrets.into_iter();
        for work in stores.chain(readers.map(Work::ExternalSecret)) {
            let group = group(index, &work);
            scheduler.nudge(&work, &group, Lane::Event, now, pace);
        }
        drop(state);
        self.news.notify_one();
    }

    /// Tells which kinds something depends on, if that changed.
    pub fn publish(&self, index: &Index) {
        let demand = index.demand();
        self.demand
            .send_if_modified(|known| std::mem::replace(known, demand) != demand);
    }
}

/// The group in which the scheduler is fair: the store, or the ClusterExternalSecret.
pub fn group(index: &Index, work: &Work) -> ObjectKey {
    match work {
        Work::Store(key) | Work::ClusterExternalSecret(key) => key.clone(),
        Work::ExternalSecret(key) => index
            .external_secret(key)
            .map_or_else(|| key.clone(), crate::index::Entry::group),
    }
}

/// The writes of one object: they wait for a turn before the first, and keep it to the last.
#[derive(Debug)]
pub struct Writer<'a> {
    context: &'a Context,
    lane: Lane,
    turn: Option<Turn>,
}

impl<'a> Writer<'a> {
    /// For an object that is worked on in `lane`.
    #[must_use]
    pub const fn new(context: &'a Context, lane: Lane) -> Self {
        Self {
            context,
            lane,
            turn: None,
        }
    }

    /// One write: in turn, announced, sent.
    ///
    /// # Errors
    /// The API server refused.
    pub async fn write(
        &mut self,
        effect: Effect,
        verb: Verb,
        path: &str,
        body: String,
        intent: &str,
    ) -> Result<bytes::Bytes, Error> {
        self.announce(&effect).await;
        let requests = &self.context.requests;
        requests.write(verb, path, body.into(), intent).await
    }

    /// As [`Writer::write`], but the answer is the whole object.
    ///
    /// # Errors
    /// The API server refused.
    pub async fn exchange(
        &mut self,
        effect: Effect,
        verb: Verb,
        path: &str,
        body: String,
        intent: &str,
    ) -> Result<bytes::Bytes, Error> {
        self.announce(&effect).await;
        let requests = &self.context.requests;
        requests.exchange(verb, path, body.into(), intent).await
    }

    async fn announce(&mut self, effect: &Effect) {
        if self.turn.is_none() {
            self.turn = Some(self.context.writers.turn(self.lane).await);
        }
        self.context.effects.before(effect).await;
    }
}

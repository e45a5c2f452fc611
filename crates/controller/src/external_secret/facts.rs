//! What is known about one ExternalSecret, read from the index alone.

use std::sync::Arc;

use keyless_api::{ExternalSecretSpec, StoreKind};

use super::plan::{Pace, Target};
use super::problem::Problem;
use super::resource::{self, Destination};
use crate::context::Context;
use crate::object::{ExternalSecret, ObjectKey};
use crate::schedule::Lane;

/// What is known, as owned values: the index is not held while requests are made.
#[derive(Clone, Debug)]
pub struct Gathered {
    /// The object.
    pub object: Arc<ExternalSecret>,
    /// Its spec.
    pub spec: ExternalSecretSpec,
    /// What kind of object the target is.
    pub destination: Destination,
    /// The target's key.
    pub target_key: ObjectKey,
    /// What the index knows of it.
    pub target: Target,
    /// Why it is looked at.
    pub lane: Lane,
    /// Wall time at the start.
    pub now: i64,
    /// When the values were last read.
    pub refreshed: Option<i64>,
    /// Failed syncs in a row.
    pub failures: u32,
    /// Whether a store of it was changed.
    pub refetch: bool,
    /// Whether something that its templates come from was changed.
    pub rerender: bool,
    /// Whether this process looks at it for the first time.
    pub first_look: bool,
    /// Whether it is someone else's.
    pub foreign: bool,
    /// Whether its namespace is being deleted.
    pub namespace_deleting: bool,
    /// Whether a store of it awaits its first verdict.
    pub unjudged: bool,
    /// What it has written lately against somebody's will.
    pub pace: Pace,
}

impl Gathered {
    /// The facts as the plan wants them.
    #[must_use]
    pub fn facts(&self) -> super::plan::Facts<'_> {
        super::plan::Facts {
            object: &self.object,
            spec: &self.spec,
            now: self.now,
            lane: self.lane,
            refreshed: self.refreshed,
            failing: self.failures > 0,
            refetch: self.refetch,
            rerender: self.rerender,
            first_look: self.first_look,
            target: self.target,
            foreign: self.foreign,
            namespace_deleting: self.namespace_deleting,
            pace: self.pace,
        }
    }
}

/// What is known about `key`; `None` if it is gone. A spec that does not decode is a problem of
/// its own, told with the object.
pub fn gather(
    context: &Context,
    key: &ObjectKey,
    lane: Lane,
) -> Option<Result<Gathered, (Arc<ExternalSecret>, Problem)>> {
    let now = context.clock.unix_millis();
    let mut state = context.state();
    let entry = state.index.external_secret_mut(key)?;
    let first_look = !std::mem::replace(&mut entry.looked, true);
    entry.calls += 1;
    let object = Arc::clone(&entry.object);
    let refreshed = entry.refreshed;
    let failures = entry.failure.as_ref().map_or(0, |f| f.attempt);
    let (refetch, rerender) = (entry.refetch, entry.rerender);
    let pace = entry.pace;
    let spec = match object.spec() {
        Ok(spec) => spec,
        // A deletion needs no valid spec.
        Err(_) if object.deleting => ExternalSecretSpec::default(),
        Err(error) => return Some(Err((object, Problem::Spec(error.to_string())))),
    };
    let namespace = state.index.namespace(&key.namespace);
    let namespace_deleting = namespace.is_some_and(|n| n.deleting);
    let foreign = is_foreign(context, &state.index, &object, &spec);
    let target_key = ObjectKey {
        namespace: Arc::clone(&object.key.namespace),
        name: spec.target_name(&object.key.name).into(),
    };
    let mut destination = Destination::of(&object, &spec, &context.options);
    let needed = destination.kind().filter(|_| !foreign);
    let needed = needed.map(|kind| (kind, &target_key));
    state.index.need_kind(key, needed);
    if state.index.take_kinds_changed() {
        context.kinds.notify_one();
    }
    let target = match &mut destination {
        Destination::Secret => secret(&state.index, &target_key, &object.key.name),
        Destination::Invalid(_) => Target::default(),
        Destination::Resource(kind, kind_state) => {
            *kind_state = state.index.kind_state(kind);
            resource::target(&state.index, kind, &target_key, &object.key.name)
        }
    };
    let unjudged = context.options.flood_gate && is_unjudged(context, &state.index, &object);
    drop(state);
    Some(Ok(Gathered {
        object,
        spec,
        destination,
        target_key,
        target,
        lane,
        now,
        refreshed,
        failures,
        refetch,
        rerender,
        first_look,
        foreign,
        unjudged,
        namespace_deleting,
        pace,
    }))
}

/// What the index knows of a target that is a Secret.
fn secret(index: &crate::index::Index, key: &ObjectKey, owner: &str) -> Target {
    index.secret(key).map_or(Target::default(), |entry| {
        let controller = entry.secret.owner.as_ref();
        Target {
            exists: true,
            owned: controller
                .is_some_and(|(kind, name)| &**kind == "ExternalSecret" && **name == *owner),
            hashed: entry.secret.data_hash.is_some(),
            suspect: entry.suspect,
        }
    })
}

/// Whether a store of it awaits its first verdict, and one will come.
fn is_unjudged(context: &Context, index: &crate::index::Index, object: &ExternalSecret) -> bool {
    let mut stores = object.summary.iter().flat_map(|s| &s.stores);
    stores.any(|key| {
        let judged = crate::store::is_judged(context, index, key);
        let entry = index.store(key).filter(|_| judged);
        entry.is_some_and(crate::index::StoreEntry::is_unjudged)
    })
}

/// Whether a store of it belongs to another controller class, or to a reconciler that is off.
fn is_foreign(
    context: &Context,
    index: &crate::index::Index,
    object: &ExternalSecret,
    spec: &ExternalSecretSpec,
) -> bool {
    let cluster = spec.secret_store_ref.as_ref();
    let cluster = cluster.is_some_and(|s| s.kind() == StoreKind::ClusterSecretStore);
    if cluster && !context.options.cluster_secret_stores {
        return true;
    }
    let stores = object.summary.iter().flat_map(|s| &s.stores);
    stores.filter_map(|key| index.store(key)).any(|entry| {
        let class = entry.store.spec.as_ref().ok();
        let class = class
            .and_then(|s| s.controller.as_deref())
            .unwrap_or_default();
        !class.is_empty() && class != context.options.controller_class
    })
}
